//! Google's API for API keys, the endpoint that gives out access tokens, and the agents' call to the Gemini API.
//!
//! Facts: the discovery document of `apikeys.googleapis.com` v2, revision 20260818, and
//! <https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto>. What a real client may get wrong
//! is refused more strictly than there: unknown fields and parameters. A workspace is a project here. What is answered to
//! calls about deleted keys is made up: Google does not document it.

mod keys;
#[cfg(test)]
mod tests;
mod token;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use http::HeaderMap;
use jiff::Timestamp;
use keyward_core::model::names::KeyHandle;
use serde_json::{Value, json};

use super::account::Account;
use super::api::{Api, Call, Reply};
use super::log::{Caller, RequestKind};
use crate::contract::provider::ProviderCall;

const PREFIX: &str = "AIzaSy";
const BOUND_PREFIX: &str = "AQ.";
const MARKER: &str = "EXAMPLE";

/// A service account that keys can be bound to.
pub(super) const SERVICE_ACCOUNT: &str = "agent@keyward-example-0.iam.gserviceaccount.com";

/// What names in answers have for the project, whatever the request called it.
const PROJECT_NUMBER: &str = "111122223333";

/// The service of the agents' calls.
const SERVICE: &str = "generativelanguage.googleapis.com";

const MODEL: &str = "example-model";

#[derive(Default)]
pub(super) struct Gemini(Mutex<State>);

/// What only Google has.
#[derive(Default)]
struct State {
    /// By the key's own id.
    keys: BTreeMap<KeyHandle, Facts>,
    operations: Vec<Operation>,
    /// Access tokens, and when they end.
    tokens: BTreeMap<String, Timestamp>,
}

/// What only Google's keys have.
#[derive(Debug, Clone)]
struct Facts {
    display_name: String,
    annotations: Value,
    restrictions: Value,
    service_account: Option<String>,
    /// When its create has come to its end.
    ready: Timestamp,
    deleted: Option<Timestamp>,
}

impl Facts {
    /// Of a key that somebody made before, for all services and addresses.
    fn of_old(name: &str, ready: Timestamp) -> Self {
        Self {
            display_name: name.to_owned(),
            annotations: Value::Null,
            restrictions: Value::Null,
            service_account: None,
            ready,
            deleted: None,
        }
    }
}

/// Work that goes on after its answer.
#[derive(Debug, Clone)]
struct Operation {
    name: String,
    ends: Timestamp,
    response: Value,
}

impl Api for Gemini {
    fn base_path(&self) -> &'static str {
        ""
    }

    /// The file of a service account's key.
    fn management_text(&self, random: &str) -> String {
        token::service_account(random)
    }

    fn key_text(&self, random: &str) -> String {
        format!("{PREFIX}{MARKER}{}", &random[..26])
    }

    /// Such an id as Google chooses.
    fn handle(&self, random: &str) -> String {
        let part = |from: usize, to: usize| &random[from..to];
        format!(
            "{}-{}-4{}-8{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 15),
            part(15, 18),
            part(18, 30)
        )
    }

    /// Nothing is shown of it.
    fn redact(&self, _text: &str) -> String {
        String::new()
    }

    fn workspace_id(&self, n: usize) -> String {
        format!("keyward-example-{n}")
    }

    fn credential<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        if let Some(key) = headers.get("x-goog-api-key") {
            return key.to_str().ok();
        }
        let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
        value.strip_prefix("Bearer ").map(str::trim)
    }

    /// By an access token.
    fn administers(&self, _management: &str, credential: &str, now: Timestamp) -> bool {
        let ends = self.state().tokens.get(credential).copied();
        ends.is_some_and(|ends| now < ends)
    }

    fn admin_secrets(&self, management: &str) -> Vec<String> {
        let tokens = self.state().tokens.keys().cloned().collect::<Vec<_>>();
        [token::private_key_in(management), tokens].concat()
    }

    fn kind(&self, method: &str, path: &str) -> RequestKind {
        match method {
            "POST" if path.ends_with(":generateContent") => RequestKind::Agent,
            "POST" if path.ends_with(":countTokens") => RequestKind::Verify,
            "GET" if path == "/v1beta/models" => RequestKind::Verify,
            _ => RequestKind::Admin,
        }
    }

    fn route(&self, call: ProviderCall) -> (&'static str, &'static str) {
        const KEYS: &str = "/v2/projects/*/locations/global/keys";
        const KEY: &str = "/v2/projects/*/locations/global/keys/*";
        match call {
            ProviderCall::Create => ("POST", KEYS),
            ProviderCall::List => ("GET", KEYS),
            ProviderCall::Get => ("GET", KEY),
            ProviderCall::Change => ("PATCH", KEY),
            ProviderCall::Delete => ("DELETE", KEY),
            ProviderCall::Verify => ("GET", "/v1beta/models"),
            ProviderCall::Usage | ProviderCall::Costs => ("GET", "/no-reports"),
        }
    }

    fn endpoint(&self) -> &'static str {
        "ListModels"
    }

    fn label(&self, method: &str, path: &str, body: &[u8]) -> Option<String> {
        if method != "POST" || !path.ends_with("/keys") {
            return None;
        }
        let body: Value = serde_json::from_slice(body).ok()?;
        Some(keys::name_in(&body))
    }

    fn answer(&self, account: &mut Account, call: &Call) -> Reply {
        let method = call.method.as_str();
        match (method, call.segments().as_slice()) {
            ("POST", ["token"]) => return self.token(account, call),
            ("GET", ["v1beta", "models"]) => return self.models(account, call),
            ("POST", ["v1beta", "models", model]) => return self.call(account, call, model),
            _ if call.caller != Caller::Management => return self.unauthenticated(),
            ("GET", ["v2", "operations", id]) => return self.operation(account, id),
            (
                _,
                [
                    "v2",
                    "projects",
                    project,
                    "locations",
                    "global",
                    "keys",
                    below @ ..,
                ],
            ) => {
                if !account.workspaces.iter().any(|known| known == project) {
                    return self
                        .error(403, "Permission denied on the project, or it is not there.");
                }
                match (method, below) {
                    ("POST", []) => return self.create(account, project, call),
                    ("GET", []) => return self.list(account, project, call),
                    ("GET", [id]) => return self.get(account, project, id),
                    ("GET", [id, "keyString"]) => return self.key_string(account, project, id),
                    ("PATCH", [id]) => return self.patch(account, project, id, call),
                    ("DELETE", [id]) => return self.delete(account, project, id, call),
                    _ => {}
                }
            }
            _ => {}
        }
        Reply::html(404)
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        let name = match status {
            400 => "INVALID_ARGUMENT",
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            409 => "ABORTED",
            429 => "RESOURCE_EXHAUSTED",
            503 => "UNAVAILABLE",
            500.. => "INTERNAL",
            _ => "FAILED_PRECONDITION",
        };
        wire::error(status, name, message, None)
    }
}

impl Gemini {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("not poisoned")
    }

    fn unauthenticated(&self) -> Reply {
        self.error(
            401,
            "Request had invalid authentication credentials. Expected OAuth 2 access token.",
        )
    }

    fn missing(&self) -> Reply {
        self.error(404, "Requested entity was not found.")
    }

    /// `GET /v1beta/models`: free of cost.
    fn models(&self, account: &mut Account, call: &Call) -> Reply {
        match self.admit(account, call, "ListModels") {
            Ok(_) => wire::models(),
            Err(refused) => refused,
        }
    }

    /// `POST /v1beta/models/<model>:<method>`: counting tokens is free of cost, and nothing else.
    fn call(&self, account: &mut Account, call: &Call, model: &str) -> Reply {
        let Some((model, method)) = model.split_once(':') else {
            return self.missing();
        };
        let name = match method {
            "countTokens" => "CountTokens",
            "generateContent" => "GenerateContent",
            _ => return self.missing(),
        };
        let now = account.now();
        let cost = account.settings.call_cost;
        let handle = match self.admit(account, call, name) {
            Ok(handle) => handle,
            Err(refused) => return refused,
        };
        if model != MODEL {
            return self.missing();
        }
        if name == "CountTokens" {
            return Reply::json(200, &json!({ "totalTokens": 1 }));
        }
        if account.credit_left().is_some_and(|left| left < cost) {
            return self.error(429, "Your prepayment credits are depleted.");
        }
        if let Some(key) = account.present(handle.as_str()) {
            key.spend(cost, now);
        }
        wire::content()
    }

    /// The key that calls, if it is accepted: first as a key, then for its address, then for the method.
    fn admit(&self, account: &mut Account, call: &Call, method: &str) -> Result<KeyHandle, Reply> {
        let denied = |reason| {
            let message = "Requests are blocked.";
            Err(wire::error(403, "PERMISSION_DENIED", message, Some(reason)))
        };
        match &call.caller {
            Caller::Nobody => {
                return Err(self.error(403, "Method doesn't allow unregistered callers."));
            }
            Caller::Key(handle) => {
                let mut keys = account.keys.iter();
                let is_blocked =
                    keys.any(|key| key.handle == *handle && key.disabled && !key.deleted);
                if account.accepted_key(&call.caller).is_none() && is_blocked {
                    return denied("API_KEY_IP_ADDRESS_BLOCKED");
                }
            }
            Caller::Management | Caller::Unknown => {}
        }
        let Some(key) = account.accepted_key(&call.caller) else {
            return Err(wire::error(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
                Some("API_KEY_INVALID"),
            ));
        };
        let handle = key.handle.clone();
        let state = self.state();
        let restrictions = state.keys.get(&handle).map(|facts| &facts.restrictions);
        if restrictions.is_some_and(|restrictions| !keys::permit(restrictions, method)) {
            return denied("API_KEY_SERVICE_BLOCKED");
        }
        Ok(handle)
    }
}
