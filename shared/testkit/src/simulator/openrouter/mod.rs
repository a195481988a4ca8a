//! OpenRouter's key API, and the agents' call.
//!
//! Facts: <https://openrouter.ai/docs/api-reference/api-keys/create-keys> and its neighbours. What a real client may
//! get wrong is refused more strictly than there: unknown fields and parameters, and times that do not end in `Z`.

mod keys;
mod reports;
mod wire;

use http::HeaderMap;
use keyward_core::model::money::MicroDollars;
use serde_json::{Value, json};

use super::account::Account;
use super::api::{Api, Call, Reply};
use super::key::Reset;
use super::log::{Caller, RequestKind};
use crate::contract::provider::ProviderCall;

const PREFIX: &str = "sk-or-v1-";
const MARKER: &str = "EXAMPLE";

pub(super) struct OpenRouter;

impl Api for OpenRouter {
    fn base_path(&self) -> &'static str {
        "/api/v1"
    }

    fn management_text(&self, random: &str) -> String {
        self.key_text(random)
    }

    fn key_text(&self, random: &str) -> String {
        format!("{PREFIX}{MARKER}{}", &random[MARKER.len()..])
    }

    fn handle(&self, random: &str) -> String {
        random.to_owned()
    }

    fn redact(&self, text: &str) -> String {
        let random: Vec<char> = text.strip_prefix(PREFIX).unwrap_or(text).chars().collect();
        let head: String = random.iter().take(3).collect();
        let tail: String = random.iter().skip(random.len().saturating_sub(4)).collect();
        format!("{PREFIX}{head}...{tail}")
    }

    fn workspace_id(&self, n: usize) -> String {
        format!("00000000-0000-4000-8000-{n:012}")
    }

    fn credential<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
        value.strip_prefix("Bearer ").map(str::trim)
    }

    fn kind(&self, method: &str, path: &str) -> RequestKind {
        match (method, path) {
            ("POST", "/chat/completions") => RequestKind::Agent,
            ("GET", "/key") => RequestKind::Verify,
            _ => RequestKind::Admin,
        }
    }

    fn route(&self, call: ProviderCall) -> (&'static str, &'static str) {
        match call {
            ProviderCall::Create => ("POST", "/keys"),
            ProviderCall::List => ("GET", "/keys"),
            ProviderCall::Get => ("GET", "/keys/*"),
            ProviderCall::Change => ("PATCH", "/keys/*"),
            ProviderCall::Delete => ("DELETE", "/keys/*"),
            ProviderCall::Verify => ("GET", "/key"),
            ProviderCall::Usage | ProviderCall::Costs => ("GET", "/activity"),
        }
    }

    fn label(&self, method: &str, path: &str, body: &[u8]) -> Option<String> {
        if (method, path) != ("POST", "/keys") {
            return None;
        }
        let body: Value = serde_json::from_slice(body).ok()?;
        Some(body["name"].as_str()?.to_owned())
    }

    fn answer(&self, account: &mut Account, call: &Call) -> Reply {
        match (call.method.as_str(), call.segments().as_slice()) {
            ("POST", ["chat", "completions"]) => self.complete(account, call),
            ("GET", ["key"]) => self.own_key(account, call),
            _ if call.caller != Caller::Management => self.unauthorized(call),
            ("GET", ["credits"]) => wire::credits(account),
            ("GET", ["activity"]) => self.activity(account, call),
            ("POST", ["keys"]) => self.create(account, call),
            ("GET", ["keys"]) => self.list(account, call),
            ("GET", ["keys", hash]) => self.get(account, hash),
            ("PATCH", ["keys", hash]) => self.update(account, hash, call),
            ("DELETE", ["keys", hash]) => self.delete(account, hash),
            _ => self.error(404, "Not Found"),
        }
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        let body = json!({ "error": { "code": status, "message": message } });
        Reply::json(status, &body)
    }
}

impl OpenRouter {
    fn unauthorized(&self, call: &Call) -> Reply {
        match call.caller {
            Caller::Nobody => self.error(401, "No auth credentials found"),
            _ => self.error(401, "User not found."),
        }
    }

    /// `GET /key`: free of cost, and answered for a key without money too.
    fn own_key(&self, account: &mut Account, call: &Call) -> Reply {
        if call.caller == Caller::Management {
            return wire::management_key();
        }
        let now = account.now();
        match account.accepted_key(&call.caller) {
            Some(key) => wire::own_key(key, now),
            None => self.unauthorized(call),
        }
    }

    /// `POST /chat/completions`: spends. 402 for an empty account and, unless set otherwise, for a used-up key:
    /// <https://openrouter.ai/docs/api-reference/errors>.
    fn complete(&self, account: &mut Account, call: &Call) -> Reply {
        let now = account.now();
        let cost = account.settings.call_cost;
        let limit_status = account.settings.limit_status;
        let credit_left = account.credit_left();
        let Some(key) = account.accepted_key(&call.caller) else {
            return self.unauthorized(call);
        };
        if credit_left.is_some_and(|left| left < cost) {
            return self.error(402, "Insufficient credits. Add more to continue.");
        }
        if key.left(now).is_some_and(|left| left < cost) {
            return self.error(limit_status, limit_message(key.reset));
        }
        key.spend(cost, now);
        wire::completion(cost, now)
    }
}

fn limit_message(reset: Reset) -> &'static str {
    match reset {
        Reset::Daily => "Key limit exceeded (daily limit).",
        Reset::Weekly => "Key limit exceeded (weekly limit).",
        Reset::Monthly => "Key limit exceeded (monthly limit).",
        Reset::Never => "Key limit exceeded (total limit).",
    }
}

fn dollars(amount: MicroDollars) -> f64 {
    amount.0 as f64 / 1e6
}

#[cfg(test)]
mod tests;
