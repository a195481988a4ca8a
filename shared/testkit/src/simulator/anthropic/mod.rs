//! Anthropic's Admin API for keys, and the agents' call.
//!
//! Facts: <https://platform.claude.com/docs/en/api/admin/api_keys/list> and its neighbours. No call makes a key: people
//! do, by [`make_key`](super::Simulator::make_key). What a real client may get wrong is refused more strictly than
//! there: unknown fields and parameters.

mod keys;
mod reports;
#[cfg(test)]
mod tests;

use http::HeaderMap;
use serde_json::{Value, json};

use super::account::Account;
use super::api::{Api, Call, Reply};
use super::log::{Caller, RequestKind};
use crate::contract::provider::ProviderCall;

const PREFIX: &str = "sk-ant-api03-";
const VERSION: &str = "2023-06-01";

pub(super) struct Anthropic;

impl Api for Anthropic {
    fn base_path(&self) -> &'static str {
        ""
    }

    fn management_text(&self, random: &str) -> String {
        format!("sk-ant-admin01-EXAMPLE{random}{}AA", &random[..22])
    }

    fn key_text(&self, random: &str) -> String {
        format!(
            "{PREFIX}{}EXAMPLE{}{}AA",
            &random[..8],
            &random[8..],
            &random[..22]
        )
    }

    fn handle(&self, random: &str) -> String {
        format!("apikey_01{}", &random[..24])
    }

    fn redact(&self, text: &str) -> String {
        let random = text.strip_prefix(PREFIX).unwrap_or(text);
        let tail = &random[random.len().saturating_sub(4)..];
        format!("{PREFIX}{}...{tail}", &random[..3.min(random.len())])
    }

    fn workspace_id(&self, n: usize) -> String {
        format!("wrkspc_EXAMPLE{n:04}")
    }

    fn credential<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let version = headers.get("anthropic-version")?.to_str().ok()?;
        let key = headers.get("x-api-key")?.to_str().ok()?;
        (version == VERSION).then_some(key)
    }

    fn kind(&self, method: &str, path: &str) -> RequestKind {
        match (method, path) {
            ("POST", "/v1/messages") => RequestKind::Agent,
            ("GET", "/v1/models") => RequestKind::Verify,
            _ => RequestKind::Admin,
        }
    }

    fn route(&self, call: ProviderCall) -> (&'static str, &'static str) {
        const KEY: &str = "/v1/organizations/api_keys/*";
        match call {
            ProviderCall::Create => ("POST", "/v1/organizations/api_keys"),
            ProviderCall::List => ("GET", "/v1/organizations/api_keys"),
            ProviderCall::Get => ("GET", KEY),
            ProviderCall::Change | ProviderCall::Delete => ("POST", KEY),
            ProviderCall::Verify => ("GET", "/v1/models"),
            ProviderCall::Usage => ("GET", "/v1/organizations/usage_report/messages"),
            ProviderCall::Costs => ("GET", "/v1/organizations/analytics/cost"),
        }
    }

    fn label(&self, _: &str, _: &str, _: &[u8]) -> Option<String> {
        None
    }

    fn answer(&self, account: &mut Account, call: &Call) -> Reply {
        match (call.method.as_str(), call.segments().as_slice()) {
            ("POST", ["v1", "messages"]) => self.message(account, call),
            ("GET", ["v1", "models"]) => self.models(account, call),
            (_, ["v1", "organizations", ..]) if call.caller != Caller::Management => {
                self.error(401, "invalid x-api-key")
            }
            ("GET", ["v1", "organizations", "api_keys"]) => self.list(account, call),
            (_, ["v1", "organizations", "api_keys"]) => self.error(405, "Method not allowed"),
            ("GET", ["v1", "organizations", "api_keys", id]) => self.get(account, id),
            ("GET", ["v1", "organizations", "usage_report", "messages"]) => {
                self.usage(account, call)
            }
            ("GET", ["v1", "organizations", "analytics", "cost"])
                if call.beta.as_deref() == Some(reports::BETA) =>
            {
                self.cost(account, call)
            }
            ("POST", ["v1", "organizations", "api_keys", id]) => self.update(account, id, call),
            _ => self.error(404, "Not found"),
        }
    }

    fn error(&self, status: u16, message: &str) -> Reply {
        let kind = match status {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            529 => "overloaded_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        Reply::json(
            status,
            &json!({
                "type": "error",
                "error": { "type": kind, "message": message },
                "request_id": "req_EXAMPLE",
            }),
        )
    }
}

impl Anthropic {
    /// `GET /v1/models`: free of cost, and refused for an inactive or archived key.
    fn models(&self, account: &mut Account, call: &Call) -> Reply {
        if call.query.iter().any(|(name, _)| name != "limit") {
            return self.error(400, "unknown parameter");
        }
        match account.accepted_key(&call.caller) {
            Some(_) => Reply::json(
                200,
                &json!({
                    "data": [{ "type": "model", "id": "example-model", "display_name": "Example",
                        "created_at": "2026-01-01T00:00:00Z" }],
                    "has_more": false, "first_id": "example-model", "last_id": "example-model",
                }),
            ),
            None => self.error(401, "invalid x-api-key"),
        }
    }

    /// `POST /v1/messages`: spends.
    fn message(&self, account: &mut Account, call: &Call) -> Reply {
        let now = account.now();
        let cost = account.settings.call_cost;
        let credit_left = account.credit_left();
        let Some(key) = account.accepted_key(&call.caller) else {
            return self.error(401, "invalid x-api-key");
        };
        if credit_left.is_some_and(|left| left < cost) {
            return self.error(402, "Your credit balance is too low to access the API.");
        }
        key.spend(cost, now);
        let body: Value = json!({
            "id": "msg_EXAMPLE", "type": "message", "role": "assistant", "model": "example-model",
            "content": [{ "type": "text", "text": "hello" }], "stop_reason": "end_turn",
            "usage": { "input_tokens": 8, "output_tokens": 2 },
        });
        Reply::json(200, &body)
    }
}
