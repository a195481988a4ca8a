//! OpenAI's key API, and the agents' call.
//!
//! Facts: <https://github.com/openai/openai-openapi> and, where it is newer, <https://github.com/openai/openai-python>.
//! What a real client may get wrong is refused more strictly than there: unknown fields and parameters. A workspace is
//! a project here, with one service account in it from the start.

mod accounts;
mod admin;
mod keys;
mod reports;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use http::HeaderMap;
use jiff::Timestamp;
use keyward_core::model::names::{KeyHandle, Permission};
use serde_json::{Map, Value, json};

use super::account::Account;
use super::api::{Api, Call, Reply};
use super::log::{Caller, RequestKind};
use crate::contract::provider::ProviderCall;

const PREFIX: &str = "sk-svcacct-";
const MARKER: &str = "EXAMPLE";

/// What a call to a model needs.
const MODEL_REQUEST: &str = "model.request";
/// What looking at the models needs.
const MODEL_READ: &str = "api.model.read";

/// The number of the first service account that is made: below are those of the projects.
const FIRST_MADE: usize = 100;

/// The service account that is there from the start in every project, `n` the number of the project.
pub(super) fn standing_account(n: usize) -> String {
    format!("svc_acct_{MARKER}{n}")
}

/// What a working key of the standing account is permitted.
pub(super) fn permissions() -> Vec<Permission> {
    let names = [MODEL_REQUEST, MODEL_READ].into_iter();
    names.filter_map(|name| name.parse().ok()).collect()
}

#[derive(Default)]
pub(super) struct OpenAi(Mutex<State>);

/// What only OpenAI has.
#[derive(Default)]
struct State {
    accounts: Vec<ServiceAccount>,
    /// Accounts that there ever were but those from the start: no id is given twice.
    made: usize,
    keys: BTreeMap<KeyHandle, Facts>,
    admins: admin::Admins,
}

/// An owner of keys that is no person.
#[derive(Clone)]
struct ServiceAccount {
    id: String,
    project: String,
    name: String,
}

/// What only OpenAI's keys have.
#[derive(Clone, Default)]
struct Facts {
    /// The service account; a person where there is none.
    owner: Option<String>,
    /// Whether it came with its account: then it has no name of its own.
    is_first: bool,
    /// What it is permitted; everything where it is empty.
    permissions: Vec<String>,
    access: Access,
}

/// Whether a key's owner may enter its project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Access {
    #[default]
    Active,
    Inactive,
}

impl State {
    fn add(&mut self, project: &str, name: String) -> ServiceAccount {
        let made = ServiceAccount {
            id: format!("svc_acct_{MARKER}{}", FIRST_MADE + self.made),
            project: project.to_owned(),
            name,
        };
        self.made += 1;
        self.accounts.push(made.clone());
        made
    }

    fn facts(&self, key: &KeyHandle) -> Facts {
        self.keys.get(key).cloned().unwrap_or_default()
    }

    fn account(&self, project: &str, id: &str) -> Option<&ServiceAccount> {
        let mut accounts = self.accounts.iter();
        accounts.find(|a| a.project == project && a.id == id)
    }
}

impl Api for OpenAi {
    fn base_path(&self) -> &'static str {
        "/v1"
    }

    fn management_text(&self, random: &str) -> String {
        format!("sk-admin-{MARKER}{random}")
    }

    fn key_text(&self, random: &str) -> String {
        format!("{PREFIX}{}{MARKER}T3BlbkFJ{}", &random[..8], &random[8..])
    }

    fn handle(&self, random: &str) -> String {
        format!("key_{MARKER}{}", &random[..16])
    }

    fn redact(&self, text: &str) -> String {
        let tail = text.len().saturating_sub(4);
        let head: String = text.chars().take(14).collect();
        format!("{head}...{}", &text[tail..])
    }

    fn workspace_id(&self, n: usize) -> String {
        let project = format!("proj_{MARKER}{n}");
        self.state().accounts.push(ServiceAccount {
            id: standing_account(n),
            project: project.clone(),
            name: "agents".to_owned(),
        });
        project
    }

    fn credential<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
        value.strip_prefix("Bearer ").map(str::trim)
    }

    fn administers(&self, management: &str, credential: &str, now: Timestamp) -> bool {
        self.state().admins.accepts(management, credential, now)
    }

    fn admin_secrets(&self, management: &str) -> Vec<String> {
        self.state().admins.texts(management)
    }

    fn kind(&self, method: &str, path: &str) -> RequestKind {
        match (method, path) {
            ("POST", "/chat/completions") => RequestKind::Agent,
            ("GET", "/models") => RequestKind::Verify,
            _ => RequestKind::Admin,
        }
    }

    fn route(&self, call: ProviderCall) -> (&'static str, &'static str) {
        const KEY: &str = "/organization/projects/*/api_keys/*";
        match call {
            // With an account of its own, or in one.
            ProviderCall::Create => ("POST", "/organization/projects/*/service_accounts/**"),
            ProviderCall::List => ("GET", "/organization/projects/*/api_keys"),
            ProviderCall::Get => ("GET", KEY),
            ProviderCall::Change => ("POST", KEY),
            ProviderCall::Delete => ("DELETE", KEY),
            ProviderCall::Verify => ("GET", "/models"),
            ProviderCall::Usage => ("GET", "/organization/usage/*"),
            ProviderCall::Costs => ("GET", "/organization/costs"),
        }
    }

    fn service_accounts(&self) -> Vec<String> {
        let state = self.state();
        state.accounts.iter().map(|a| a.name.clone()).collect()
    }

    fn end_owners_access(&self, key: &KeyHandle) {
        let mut state = self.state();
        state.keys.entry(key.clone()).or_default().access = Access::Inactive;
    }

    fn label(&self, method: &str, path: &str, body: &[u8]) -> Option<String> {
        let creates = path.contains("/service_accounts")
            && (path.ends_with("/service_accounts") || path.ends_with("/api_keys"));
        let creates = creates || path == "/organization/admin_api_keys";
        if method != "POST" || !creates {
            return None;
        }
        let body: Value = serde_json::from_slice(body).ok()?;
        Some(body["name"].as_str()?.to_owned())
    }

    fn answer(&self, account: &mut Account, call: &Call) -> Reply {
        let method = call.method.as_str();
        let segments = call.segments();
        let below = match (method, segments.as_slice()) {
            ("POST", ["chat", "completions"]) => return self.complete(account, call),
            ("GET", ["models"]) => return self.models(account, call),
            _ if call.caller != Caller::Management => return self.unauthorized(),
            (
                "GET",
                [
                    "organization",
                    "usage",
                    kind @ ("completions" | "embeddings" | "images"),
                ],
            ) => {
                return self.usage(account, kind, call);
            }
            ("GET", ["organization", "costs"]) => return self.costs(account, call),
            (_, ["organization", "admin_api_keys", id @ ..]) => {
                return self.admin_keys(account, id, call);
            }
            (_, ["organization", "projects", project, below @ ..]) => {
                if !account.workspaces.iter().any(|known| known == project) {
                    return self.missing("project");
                }
                (*project, below)
            }
            _ => return self.missing("resource"),
        };
        let (project, below) = below;
        match (method, below) {
            ("POST", ["service_accounts"]) => self.create_account(account, project, call),
            ("GET", ["service_accounts", id]) => self.get_account(project, id),
            ("DELETE", ["service_accounts", id]) => self.delete_account(account, project, id),
            ("POST", ["service_accounts", id, "api_keys"]) => {
                self.create_key(account, project, id, call)
            }
            ("GET", ["api_keys"]) => self.list(account, project, call),
            ("GET", ["api_keys", id]) => self.get(account, project, id),
            ("POST", ["api_keys", id]) => self.update(account, project, id, call),
            ("DELETE", ["api_keys", id]) => self.delete(account, project, id),
            _ => self.missing("resource"),
        }
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        let (kind, code) = match status {
            401 => ("invalid_request_error", Some("invalid_api_key")),
            429 => ("requests", Some("rate_limit_exceeded")),
            500.. => ("server_error", None),
            _ => ("invalid_request_error", None),
        };
        error(status, message, kind, code)
    }
}

impl OpenAi {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("not poisoned")
    }

    fn unauthorized(&self) -> Reply {
        self.error(401, "Incorrect API key provided.")
    }

    fn missing(&self, what: &str) -> Reply {
        self.error(404, &format!("No {what} found with this id."))
    }

    /// The key is known; it may not do this. <https://community.openai.com/t/1374480>
    fn forbidden(&self, scope: &str) -> Reply {
        let message = format!(
            "You have insufficient permissions for this operation. Missing scopes: {scope}."
        );
        error(401, &message, "invalid_request_error", None)
    }

    /// `GET /models`: free of cost, and answered for a key without money too.
    fn models(&self, account: &mut Account, call: &Call) -> Reply {
        match account.accepted_key(&call.caller) {
            Some(key) if allows(&self.state().facts(&key.handle).permissions, MODEL_READ) => {
                wire::models()
            }
            Some(_) => self.forbidden(MODEL_READ),
            None => self.refuse(account, call, MODEL_READ),
        }
    }

    /// `POST /chat/completions`: spends. An empty account is 429, with a code that says so:
    /// <https://developers.openai.com/api/docs/guides/error-codes>.
    fn complete(&self, account: &mut Account, call: &Call) -> Reply {
        let now = account.now();
        let cost = account.settings.call_cost;
        let credit_left = account.credit_left();
        let Some(key) = account.accepted_key(&call.caller) else {
            return self.refuse(account, call, MODEL_REQUEST);
        };
        if credit_left.is_some_and(|left| left < cost) {
            return error(
                429,
                "You have no prepaid credit left.",
                "insufficient_quota",
                Some("credit_balance_exhausted"),
            );
        }
        key.spend(cost, now);
        wire::completion(now)
    }

    /// Why a key, or whoever else, is not accepted. A narrowed key is known, and told what it lacks.
    fn refuse(&self, account: &Account, call: &Call, scope: &str) -> Reply {
        let now = account.now();
        let is_narrowed = match &call.caller {
            Caller::Key(handle) => account.keys.iter().any(|key| {
                key.handle == *handle && key.disabled && !key.deleted && !key.is_expired(now)
            }),
            Caller::Management | Caller::Unknown | Caller::Nobody => false,
        };
        if is_narrowed {
            self.forbidden(scope)
        } else {
            self.unauthorized()
        }
    }
}

/// Whether permissions include one: an empty list is all of them.
fn allows(permissions: &[String], wanted: &str) -> bool {
    permissions.is_empty() || permissions.iter().any(|permission| permission == wanted)
}

fn error(status: u16, message: &str, kind: &str, code: Option<&str>) -> Reply {
    let error = json!({ "message": message, "type": kind, "param": null, "code": code });
    Reply::json(status, &json!({ "error": error }))
}

/// What a request is refused for.
type Refusal = String;

/// The fields of a body, none of them unknown.
fn read_object(body: &[u8], known: &[&str]) -> Result<Map<String, Value>, Refusal> {
    let fields: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| "the body must be a JSON object".to_owned())?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("Unknown parameter: '{name}'.")),
        None => Ok(fields),
    }
}

/// A life from 1 second to 365 days, where one is given.
fn read_life(value: Option<&Value>) -> Result<Option<jiff::SignedDuration>, Refusal> {
    let Some(value) = value else {
        return Ok(None);
    };
    match value.as_i64() {
        Some(seconds @ 1..=31_536_000) => Ok(Some(jiff::SignedDuration::from_secs(seconds))),
        _ => Err("expires_in_seconds must be a whole number from 1 to 31536000".to_owned()),
    }
}

fn read_permissions(value: Option<&Value>) -> Result<Option<Vec<String>>, Refusal> {
    let Some(value) = value else {
        return Ok(None);
    };
    let read = serde_json::from_value(value.clone());
    read.map(Some)
        .map_err(|_| "scopes must be a list of strings".to_owned())
}

#[cfg(test)]
mod tests;
