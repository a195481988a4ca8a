//! The key API of LiteLLM's proxy, and the agents' call.
//!
//! Facts: <https://github.com/BerriAI/litellm>, `litellm/proxy`, release 1.108.7. What a real client may get wrong is
//! refused more strictly than there: unknown fields and parameters. A workspace is a team here. That replicas remember
//! keys for a while is what the settings' delay and window are for.

mod activity;
mod keys;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use http::HeaderMap;
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::KeyHandle;
use serde_json::{Value, json};

use super::account::Account;
use super::api::{Api, Call, Reply};
use super::key::KeyState;
use super::log::{Caller, RequestKind};
use super::usage::{Booking, Used};
use crate::contract::provider::ProviderCall;

const PREFIX: &str = "sk-";
const MARKER: &str = "EXAMPLE";

/// The status that a refusal for money has where the proxy is not told another.
const BUDGET_STATUS: u16 = 422;
/// What [`Settings`](super::Settings) say where nobody has set it.
const UNSET_STATUS: u16 = 402;

/// What `key_type: llm_api` stands for, and the routes of it that there are here.
const LLM_ROUTES: &str = "llm_api_routes";
const LLM: [&str; 4] = [
    "/chat/completions",
    "/v1/chat/completions",
    "/models",
    "/v1/models",
];

#[derive(Default)]
pub(super) struct LiteLlm(Mutex<BTreeMap<KeyHandle, Facts>>);

/// What only LiteLLM's keys have.
#[derive(Debug, Clone, Default)]
struct Facts {
    /// The models that it may call; all where it is empty.
    models: Vec<String>,
    /// The routes that it may call; all where it is empty.
    routes: Vec<String>,
    /// Whether it was blocked or unblocked ever: `blocked` is null until then.
    was_switched: bool,
}

impl Api for LiteLlm {
    fn base_path(&self) -> &'static str {
        ""
    }

    fn management_text(&self, random: &str) -> String {
        format!("{PREFIX}{MARKER}-master-{random}")
    }

    fn key_text(&self, random: &str) -> String {
        format!("{PREFIX}{MARKER}{random}")
    }

    fn handle(&self, random: &str) -> String {
        random.to_owned()
    }

    /// The SHA-256 of the text.
    fn handle_of(&self, _: &str, _: &str, text: &ApiKey) -> String {
        text.fingerprint().to_hex()
    }

    fn redact(&self, text: &str) -> String {
        format!("{PREFIX}...{}", &text[text.len().saturating_sub(4)..])
    }

    fn workspace_id(&self, n: usize) -> String {
        format!("team-{MARKER}-{n}")
    }

    fn credential<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
        value.strip_prefix("Bearer ").map(str::trim)
    }

    fn kind(&self, method: &str, path: &str) -> RequestKind {
        match (method, path) {
            ("POST", "/chat/completions" | "/v1/chat/completions") => RequestKind::Agent,
            ("GET", "/models" | "/v1/models") => RequestKind::Verify,
            _ => RequestKind::Admin,
        }
    }

    fn route(&self, call: ProviderCall) -> (&'static str, &'static str) {
        match call {
            ProviderCall::Create => ("POST", "/key/generate"),
            ProviderCall::List => ("GET", "/key/list"),
            ProviderCall::Get => ("GET", "/key/info"),
            // Block, unblock, update; and create and delete, which have a route of their own.
            ProviderCall::Change => ("POST", "/key/*"),
            ProviderCall::Delete => ("POST", "/key/delete"),
            ProviderCall::Verify => ("GET", "/v1/models"),
            ProviderCall::Usage | ProviderCall::Costs => ("GET", "/user/daily/activity"),
        }
    }

    fn endpoint(&self) -> &'static str {
        "/v1/models"
    }

    fn label(&self, method: &str, path: &str, body: &[u8]) -> Option<String> {
        if (method, path) != ("POST", "/key/generate") {
            return None;
        }
        let body: Value = serde_json::from_slice(body).ok()?;
        Some(body["key_alias"].as_str()?.to_owned())
    }

    fn answer(&self, account: &mut Account, call: &Call) -> Reply {
        let method = call.method.as_str();
        match (method, call.segments().as_slice()) {
            ("POST", ["chat", "completions"] | ["v1", "chat", "completions"]) => {
                self.complete(account, call)
            }
            ("GET", ["models"] | ["v1", "models"]) => self.models(account, call),
            _ if call.caller != Caller::Management => self.refuse(account, call),
            ("POST", ["key", "generate"]) => self.generate(account, call),
            ("GET", ["key", "list"]) => self.list(account, call),
            ("GET", ["key", "info"]) => self.info(account, call),
            ("POST", ["key", "block"]) => self.switch(account, call, keys::Switch::Block),
            ("POST", ["key", "unblock"]) => self.switch(account, call, keys::Switch::Unblock),
            ("POST", ["key", "update"]) => self.update(account, call),
            ("POST", ["key", "delete"]) => self.delete(account, call),
            ("GET", ["user", "daily", "activity"]) => self.activity(account, call),
            _ => Reply::json(404, &json!({ "detail": "Not Found" })),
        }
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        let kind = match status {
            401 | 403 => "auth_error",
            404 => "not_found_error",
            429 => "throttling_error",
            500.. => "internal_server_error",
            _ => "bad_request_error",
        };
        error(status, message, kind, Value::Null)
    }
}

impl LiteLlm {
    fn facts(&self) -> MutexGuard<'_, BTreeMap<KeyHandle, Facts>> {
        self.0.lock().expect("not poisoned")
    }

    fn facts_of(&self, handle: &KeyHandle) -> Facts {
        self.facts().get(handle).cloned().unwrap_or_default()
    }

    /// `GET /v1/models`: free of cost, but refused for a key without money.
    fn models(&self, account: &mut Account, call: &Call) -> Reply {
        if call.caller == Caller::Management {
            return wire::models();
        }
        match self.admit(account, call) {
            Ok(_) => wire::models(),
            Err(refused) => refused,
        }
    }

    /// `POST /v1/chat/completions`: spends.
    fn complete(&self, account: &mut Account, call: &Call) -> Reply {
        let now = account.now();
        let cost = account.settings.call_cost;
        let credit_left = account.credit_left();
        let handle = match self.admit(account, call) {
            Ok(handle) => handle,
            Err(refused) => return refused,
        };
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let model = body["model"].as_str().unwrap_or("example-model");
        let allowed = self.facts_of(&handle).models;
        if !allowed.is_empty() && !allowed.iter().any(|name| name == model) {
            let message = format!(
                "The requested model '{model}' is not available for this API key, or the model name is invalid. Check the models available to you and try again."
            );
            return error(403, &message, "key_model_access_denied", json!("model"));
        }
        if credit_left.is_some_and(|left| left < cost) {
            return self.over_budget(account, "Budget has been exceeded! Proxy is out of credit.");
        }
        if let Some(key) = account.present(handle.as_str()) {
            key.book(&Booking {
                at: now,
                model: model.to_owned(),
                used: Used::call(cost),
            });
        }
        wire::completion(model, now)
    }

    /// The key that calls, if it is accepted: first as a key, then for its route, then for its money.
    fn admit(&self, account: &mut Account, call: &Call) -> Result<KeyHandle, Reply> {
        let now = account.now();
        let Some(key) = account.accepted_key(&call.caller) else {
            return Err(self.refuse(account, call));
        };
        let (handle, left) = (key.handle.clone(), key.left(now));
        let routes = self.facts_of(&handle).routes;
        if !may_call(&routes, &call.path) {
            let message = format!(
                "Virtual key is not allowed to call this route. Only allowed to call routes: {routes:?}. Tried to call route: {}",
                call.path
            );
            return Err(self.error(403, &message));
        }
        if left.is_some_and(|left| left.0 == 0) {
            return Err(self.over_budget(account, "Budget has been exceeded! Key over its budget."));
        }
        Ok(handle)
    }

    fn over_budget(&self, account: &Account, message: &str) -> Reply {
        let status = match account.settings.limit_status {
            UNSET_STATUS => BUDGET_STATUS,
            set => set,
        };
        error(status, message, "budget_exceeded", Value::Null)
    }

    /// Why a key, or whoever else, is not accepted.
    fn refuse(&self, account: &Account, call: &Call) -> Reply {
        let now = account.now();
        let state = match &call.caller {
            Caller::Nobody => {
                return self.error(401, "Authentication Error, No api key passed in.");
            }
            Caller::Key(handle) => {
                let key = account.keys.iter().find(|key| key.handle == *handle);
                key.map(|key| key.state(now))
            }
            Caller::Management | Caller::Unknown => None,
        };
        match state {
            Some(KeyState::Disabled) => self.error(
                401,
                "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.",
            ),
            Some(KeyState::Expired) => error(
                401,
                "Authentication Error - Expired Key.",
                "expired_key",
                Value::Null,
            ),
            Some(KeyState::Enabled) if self.is_agents(call) => unknown_key(),
            Some(KeyState::Enabled) => self.error(403, "Only proxy admins can call this route."),
            Some(KeyState::Deleted) | None => unknown_key(),
        }
    }

    fn is_agents(&self, call: &Call) -> bool {
        self.kind(&call.method, &call.path) != RequestKind::Admin
    }
}

fn unknown_key() -> Reply {
    error(
        401,
        "Authentication Error, Invalid API key provided.",
        "token_not_found_in_db",
        json!("key"),
    )
}

/// Whether a route is among those of a key: itself, below one of them, or in the group of those that call models.
fn may_call(routes: &[String], route: &str) -> bool {
    let is_in = |allowed: &String| {
        route == allowed
            || route.starts_with(&format!("{allowed}/"))
            || (allowed == LLM_ROUTES && LLM.contains(&route))
    };
    routes.is_empty() || routes.iter().any(is_in)
}

fn error(status: u16, message: &str, kind: &str, param: Value) -> Reply {
    let error =
        json!({ "message": message, "type": kind, "param": param, "code": status.to_string() });
    Reply::json(status, &json!({ "error": error }))
}
