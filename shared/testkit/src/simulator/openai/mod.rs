//! OpenAI's API for projects, service accounts and their keys, and the agents' call.
//!
//! Facts: <https://platform.openai.com/docs/api-reference/project-api-keys>, and for what is newer
//! <https://github.com/openai/openai-python>. What a real client may get wrong is refused more strictly than there:
//! unknown fields and parameters.

mod keys;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use http::HeaderMap;
use keyward_core::model::names::KeyHandle;
use serde_json::json;

use super::account::Account;
use super::api::{Api, Call, Reply};
use super::log::{Caller, RequestKind};
use crate::contract::provider::ProviderCall;

/// What a narrowed key is left with.
const HARMLESS: &str = "api.files.read";

/// The service account that is there from the start in every project, `{n}` the number of the project.
pub(super) fn standing_account(n: usize) -> String {
    format!("svc_acct_EXAMPLE{n}")
}

#[derive(Default)]
pub(super) struct OpenAi(Mutex<State>);

/// What only OpenAI has.
#[derive(Default)]
struct State {
    accounts: Vec<ServiceAccount>,
    /// The service account that owns a key; people own the others.
    owners: BTreeMap<KeyHandle, String>,
    /// Keys that came with their account are not named as it is.
    unnamed: Vec<KeyHandle>,
}

struct ServiceAccount {
    id: String,
    name: String,
    project: String,
}

impl Api for OpenAi {
    fn base_path(&self) -> &'static str {
        "/v1"
    }

    fn management_text(&self, random: &str) -> String {
        format!("sk-admin-EXAMPLE{random}")
    }

    fn key_text(&self, random: &str) -> String {
        format!("sk-svcacct-{}EXAMPLET3BlbkFJ{}", &random[..8], &random[8..])
    }

    fn handle(&self, random: &str) -> String {
        format!("key_{}", &random[..24])
    }

    fn redact(&self, text: &str) -> String {
        let tail = &text[text.len().saturating_sub(4)..];
        format!("{}...{tail}", &text[..14.min(text.len())])
    }

    fn workspace_id(&self, n: usize) -> String {
        let project = format!("proj_EXAMPLE{n}");
        self.state().accounts.push(ServiceAccount {
            id: standing_account(n),
            name: "agents".to_owned(),
            project: project.clone(),
        });
        project
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

    fn route(&self, call: ProviderCall) -> (&'static str, &'static str) {
        const KEY: &str = "/organization/projects/*/api_keys/*";
        match call {
            ProviderCall::Create => (
                "POST",
                "/organization/projects/*/service_accounts/*/api_keys",
            ),
            ProviderCall::List => ("GET", "/organization/projects/*/api_keys"),
            ProviderCall::Get => ("GET", KEY),
            ProviderCall::Change => ("POST", KEY),
            ProviderCall::Delete => ("DELETE", KEY),
            ProviderCall::Verify => ("GET", "/models"),
        }
    }

    fn label(&self, method: &str, path: &str, body: &[u8]) -> Option<String> {
        let creates = path.ends_with("/service_accounts")
            || (path.ends_with("/api_keys") && path.contains("/service_accounts/"));
        if method != "POST" || !creates {
            return None;
        }
        let body: serde_json::Value = serde_json::from_slice(body).ok()?;
        Some(body["name"].as_str()?.to_owned())
    }

    fn answer(&self, account: &mut Account, call: &Call) -> Reply {
        match (call.method.as_str(), call.segments().as_slice()) {
            ("POST", ["chat", "completions"]) => self.complete(account, call),
            ("GET", ["models"]) => self.models(account, call),
            _ if call.caller != Caller::Management => self.refuse_key(account, call),
            (method, ["organization", "projects", project, below @ ..]) => {
                self.administer(account, call, method, project, below)
            }
            _ => self.error(404, "Unknown request URL"),
        }
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        let code = match status {
            401 => Some("invalid_api_key"),
            429 => Some("rate_limit_exceeded"),
            _ => None,
        };
        let error = json!({
            "message": message, "type": "invalid_request_error", "param": null, "code": code,
        });
        Reply::json(status, &json!({ "error": error }))
    }
}

impl OpenAi {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("not poisoned")
    }

    fn administer(
        &self,
        account: &mut Account,
        call: &Call,
        method: &str,
        project: &str,
        below: &[&str],
    ) -> Reply {
        if !account.workspaces.iter().any(|known| known == project) {
            return self.error(404, "No such project");
        }
        match (method, below) {
            ("GET", ["api_keys"]) => self.list(account, project, call),
            ("GET", ["api_keys", id]) => self.get(account, project, id),
            ("POST", ["api_keys", id]) => self.update(account, project, id, call),
            ("DELETE", ["api_keys", id]) => self.delete(account, project, id),
            ("POST", ["service_accounts"]) => self.create_account(account, project, call),
            ("GET", ["service_accounts", id]) => self.get_account(project, id),
            ("DELETE", ["service_accounts", id]) => self.delete_account(account, project, id),
            ("POST", ["service_accounts", id, "api_keys"]) => {
                self.create_key(account, project, id, call)
            }
            _ => self.error(404, "Unknown request URL"),
        }
    }

    /// `GET /models`: free of cost; a narrowed key may not read it.
    fn models(&self, account: &mut Account, call: &Call) -> Reply {
        match account.accepted_key(&call.caller) {
            Some(_) => Reply::json(
                200,
                &json!({ "object": "list", "data": [
                    { "id": "example-model", "object": "model", "created": 1, "owned_by": "example" },
                ]}),
            ),
            None => self.refuse_key(account, call),
        }
    }

    /// `POST /chat/completions`: spends.
    fn complete(&self, account: &mut Account, call: &Call) -> Reply {
        let now = account.now();
        let cost = account.settings.call_cost;
        let credit_left = account.credit_left();
        let Some(key) = account.accepted_key(&call.caller) else {
            return self.refuse_key(account, call);
        };
        if credit_left.is_some_and(|left| left < cost) {
            let error = json!({
                "message": "You exceeded your current quota", "type": "insufficient_quota",
                "param": null, "code": "insufficient_quota",
            });
            return Reply::json(429, &json!({ "error": error }));
        }
        key.spend(cost, now);
        Reply::json(
            200,
            &json!({
                "id": "chatcmpl-EXAMPLE", "object": "chat.completion", "created": 1,
                "model": "example-model",
                "choices": [{ "index": 0, "finish_reason": "stop",
                    "message": { "role": "assistant", "content": "hello" } }],
                "usage": { "prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10 },
            }),
        )
    }

    /// Why a key, or whoever else, is not accepted. A narrowed key is known, and told what it lacks.
    fn refuse_key(&self, account: &Account, call: &Call) -> Reply {
        let now = account.now();
        let narrowed = match &call.caller {
            Caller::Key(handle) => account.keys.iter().any(|key| {
                key.handle == *handle && key.disabled && !key.deleted && !key.is_expired(now)
            }),
            Caller::Management | Caller::Unknown | Caller::Nobody => false,
        };
        if narrowed {
            let error = json!({
                "message": "You have insufficient permissions for this operation. Missing scopes: model.request.",
                "type": "invalid_request_error", "param": null, "code": null,
            });
            return Reply::json(401, &json!({ "error": error }));
        }
        self.error(401, "Incorrect API key provided.")
    }
}
