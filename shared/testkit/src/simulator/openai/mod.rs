//! OpenAI's key API, and the agents' call.
//!
//! Facts: <https://github.com/openai/openai-openapi> and, where it is newer, <https://github.com/openai/openai-python>.
//! What a real client may get wrong is refused more strictly than there: unknown fields and parameters. A workspace is
//! a project here, with one service account in it from the start.

mod accounts;
mod keys;
mod wire;

use http::HeaderMap;
use keyward_core::model::slot::Scope;
use serde_json::{Map, Value, json};

use super::account::Account;
use super::api::{Api, Call, Reply};
use super::key::{Birth, Standing};
use super::log::{Caller, RequestKind};
use super::settings::{Owners, Settings};
use crate::contract::provider::ProviderCall;

const PREFIX: &str = "sk-svcacct-";
const MARKER: &str = "EXAMPLE";

/// What a call to a model needs.
const MODEL_REQUEST: &str = "model.request";
/// What looking at the models needs.
const MODEL_READ: &str = "api.model.read";

pub(super) struct OpenAi;

impl Api for OpenAi {
    fn base_path(&self) -> &'static str {
        "/v1"
    }

    fn management_text(&self, random: &str) -> String {
        format!("sk-admin-{MARKER}{}", &random[MARKER.len()..])
    }

    fn key_text(&self, random: &str) -> String {
        format!("{PREFIX}{MARKER}{}", &random[MARKER.len()..])
    }

    fn handle(&self, random: &str, birth: &Birth) -> String {
        let owner = birth.owner.as_deref().unwrap_or("-");
        format!("{}/{owner}/key_{MARKER}{}", birth.workspace, &random[..16])
    }

    fn redact(&self, text: &str) -> String {
        let tail = text.len().saturating_sub(4);
        let head: String = text.chars().take(8).collect();
        format!("{head}...{}", &text[tail..])
    }

    fn workspace_id(&self, n: usize) -> String {
        format!("proj_{MARKER}{}", n + 1)
    }

    fn furnish(&self, account: &mut Account, workspace: &str) {
        let id = stable_account(workspace);
        account.add_service_account(id, workspace, "agents");
    }

    fn scope(&self, account: &Account, workspace: Option<&str>) -> Scope {
        let project = workspace.unwrap_or_else(|| account.default_workspace());
        let id = |id: &str| Some(id.parse().expect("ids of the simulator are valid"));
        let permission = |name: &&str| name.parse().expect("a valid permission");
        match account.settings.openai.owners {
            Owners::Stable => Scope {
                project: id(project),
                service_account: id(&stable_account(project)),
                permissions: [MODEL_REQUEST, MODEL_READ].iter().map(permission).collect(),
                ..Scope::default()
            },
            Owners::EachItsOwn => Scope {
                project: id(project),
                ..Scope::default()
            },
        }
    }

    fn credential<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
        value.strip_prefix("Bearer ").map(str::trim)
    }

    fn kind(&self, method: &str, path: &str) -> RequestKind {
        match (method, path) {
            ("POST", "/chat/completions") => RequestKind::Agent,
            ("GET", "/models") => RequestKind::Verify,
            _ => RequestKind::Admin,
        }
    }

    fn route(&self, call: ProviderCall, settings: &Settings) -> (&'static str, &'static str) {
        const KEYS: &str = "/organization/projects/*/api_keys";
        const KEY: &str = "/organization/projects/*/api_keys/*";
        match (call, settings.openai.owners) {
            (ProviderCall::Create, Owners::Stable) => (
                "POST",
                "/organization/projects/*/service_accounts/*/api_keys",
            ),
            (ProviderCall::Create, Owners::EachItsOwn) => {
                ("POST", "/organization/projects/*/service_accounts")
            }
            (ProviderCall::List, _) => ("GET", KEYS),
            (ProviderCall::Get, _) => ("GET", KEY),
            (ProviderCall::Change, _) => ("POST", KEY),
            (ProviderCall::Delete, _) => ("DELETE", KEY),
            (ProviderCall::Verify, _) => ("GET", "/models"),
        }
    }

    fn label(&self, method: &str, path: &str, body: &[u8]) -> Option<String> {
        let creates = path.contains("/service_accounts")
            && (path.ends_with("/service_accounts") || path.ends_with("/api_keys"));
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
            ("GET", ["service_accounts", id]) => self.get_account(account, project, id),
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
        match account.meet(&call.caller) {
            Some((Standing::Accepted, key)) if allows(&key.permissions, MODEL_READ) => {
                wire::models()
            }
            Some((Standing::Accepted | Standing::Narrowed, _)) => self.forbidden(MODEL_READ),
            Some((Standing::Refused, _)) | None => self.unauthorized(),
        }
    }

    /// `POST /chat/completions`: spends. An empty account is 429, with a code that says so:
    /// <https://developers.openai.com/api/docs/guides/error-codes>.
    fn complete(&self, account: &mut Account, call: &Call) -> Reply {
        let now = account.now();
        let cost = account.settings.call_cost;
        let credit_left = account.credit_left();
        match account.meet(&call.caller) {
            Some((Standing::Accepted, _)) if credit_left.is_some_and(|left| left < cost) => error(
                429,
                "You have no prepaid credit left.",
                "insufficient_quota",
                Some("credit_balance_exhausted"),
            ),
            Some((Standing::Accepted, key)) => {
                key.spend(cost, now);
                wire::completion(now)
            }
            Some((Standing::Narrowed, _)) => self.forbidden(MODEL_REQUEST),
            Some((Standing::Refused, _)) | None => self.unauthorized(),
        }
    }
}

/// The service account that a project has from the start.
fn stable_account(project: &str) -> String {
    format!("svc_acct_{}", project.trim_start_matches("proj_"))
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
