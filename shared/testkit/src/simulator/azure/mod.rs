//! Azure OpenAI: Entra's tokens, Azure Resource Manager's calls about the two keys of a resource, and the resource's own
//! answers to a key.
//!
//! Facts: azure-mgmt-cognitiveservices 14.1.0,
//! <https://learn.microsoft.com/rest/api/aiservices/accountmanagement/accounts/regenerate-key>,
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>. All three hosts are one here.
//! What a real client may get wrong is refused more strictly than there: unknown parameters, other versions of the API.
//! A workspace is the resource, and there is only one. Each regenerated text is a key of its own, and takes the place of
//! the one before: there are two at any time.

mod arm;
#[cfg(test)]
mod tests;
mod token;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use http::HeaderMap;
use jiff::Timestamp;
use keyward_core::model::key::ApiKey;
use serde_json::json;

use super::account::Account;
use super::api::{Api, Call, Reply};
use super::log::{Caller, RequestKind};
use crate::contract::provider::ProviderCall;

const MARKER: &str = "EXAMPLE";

const TENANT: &str = "10000000-aaaa-4bbb-8ccc-000000000001";
const CLIENT: &str = "20000000-aaaa-4bbb-8ccc-000000000002";
const SUBSCRIPTION: &str = "30000000-aaaa-4bbb-8ccc-000000000003";
const GROUP: &str = "agents-example";
const RESOURCE: &str = "keyward-example";

/// What names the resource and the application that administers it, by the fields of an account's configuration.
pub const NAMES: [(&str, &str); 5] = [
    ("tenant", TENANT),
    ("client_id", CLIENT),
    ("subscription", SUBSCRIPTION),
    ("resource_group", GROUP),
    ("resource", RESOURCE),
];

/// The keys that there are.
const PLACES: [&str; 2] = ["Key1", "Key2"];

const LIST: &str = "/subscriptions/*/resourceGroups/*/providers/*/accounts/*/listKeys";
const REGENERATE: &str = "/subscriptions/*/resourceGroups/*/providers/*/accounts/*/regenerateKey";

#[derive(Default)]
pub(super) struct Azure(Mutex<BTreeMap<String, Timestamp>>);

impl Azure {
    /// The tokens that were given out, and their ends.
    fn tokens(&self) -> MutexGuard<'_, BTreeMap<String, Timestamp>> {
        self.0.lock().expect("not poisoned")
    }
}

impl Api for Azure {
    fn base_path(&self) -> &'static str {
        ""
    }

    /// A client secret, in which characters stand that a form must escape.
    fn management_text(&self, random: &str) -> String {
        format!("q8Q~{MARKER}.{}+&=", &random[..26])
    }

    fn key_text(&self, random: &str) -> String {
        format!("{MARKER}{random}JQQJ99BKACYAB")
    }

    fn handle(&self, random: &str) -> String {
        random[..12].to_owned()
    }

    fn handle_of(&self, _: &str, name: &str, text: &ApiKey) -> String {
        format!("{RESOURCE}/{name}/{}", &text.fingerprint().to_hex()[..12])
    }

    fn places(&self) -> &'static [&'static str] {
        &PLACES
    }

    fn redact(&self, text: &str) -> String {
        format!("…{}", &text[text.len() - 4..])
    }

    fn workspace_id(&self, _: usize) -> String {
        RESOURCE.to_owned()
    }

    fn credential<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        if let Some(key) = headers.get("api-key") {
            return key.to_str().ok();
        }
        let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
        value.strip_prefix("Bearer ").map(str::trim)
    }

    fn administers(&self, _: &str, credential: &str, now: Timestamp) -> bool {
        self.tokens().get(credential).is_some_and(|end| now < *end)
    }

    fn admin_secrets(&self, management: &str) -> Vec<String> {
        let tokens = self.tokens();
        let tokens = tokens.keys().cloned();
        tokens.chain([management.to_owned()]).collect()
    }

    fn kind(&self, method: &str, path: &str) -> RequestKind {
        match (method, path) {
            ("POST", path) if path.starts_with("/openai/deployments/") => RequestKind::Agent,
            ("GET", "/openai/models") => RequestKind::Verify,
            _ => RequestKind::Admin,
        }
    }

    fn route(&self, call: ProviderCall) -> (&'static str, &'static str) {
        match call {
            ProviderCall::Create | ProviderCall::Change | ProviderCall::Delete => {
                ("POST", REGENERATE)
            }
            ProviderCall::List | ProviderCall::Get => ("POST", LIST),
            ProviderCall::Verify => ("GET", "/openai/models"),
            ProviderCall::Usage | ProviderCall::Costs => ("GET", "/no-reports"),
        }
    }

    /// Keys have no names.
    fn label(&self, _method: &str, _path: &str, _body: &[u8]) -> Option<String> {
        None
    }

    fn answer(&self, account: &mut Account, call: &Call) -> Reply {
        match (call.method.as_str(), call.segments().as_slice()) {
            ("POST", [tenant, "oauth2", "v2.0", "token"]) => self.token(account, call, tenant),
            (
                method,
                [
                    "subscriptions",
                    subscription,
                    "resourceGroups",
                    group,
                    "providers",
                    "Microsoft.CognitiveServices",
                    "accounts",
                    resource,
                    action,
                ],
            ) => {
                let resource = [*subscription, *group, *resource];
                self.arm(account, call, method, resource, action)
            }
            ("GET", ["openai", "models"]) => models(account, call),
            ("POST", ["openai", "deployments", _, "chat", "completions"]) => {
                completions(account, call)
            }
            _ => Reply::html(404),
        }
    }

    /// The form of Azure Resource Manager and of the resource alike.
    fn error(&self, status: u16, message: &str) -> Reply {
        let code = match status {
            401 => "InvalidAuthenticationToken",
            403 => "AuthorizationFailed",
            404 => "ResourceNotFound",
            409 => "RequestConflict",
            429 => "TooManyRequests",
            500.. => "InternalServerError",
            _ => "BadRequest",
        };
        error(status, code, message)
    }
}

/// `GET /openai/models`: free of cost.
fn models(account: &mut Account, call: &Call) -> Reply {
    if !is_version(call, "2024-10-21") {
        return error(404, "404", "Resource not found");
    }
    if account.accepted_key(&call.caller).is_none() {
        return no_such_key(&call.caller);
    }
    let model = json!({
        "id": "example-model", "object": "model", "status": "succeeded", "lifecycle_status": "generally-available",
        "created_at": 1_700_000_000, "capabilities": { "inference": true, "chat_completion": true },
    });
    Reply::json(200, &json!({ "data": [model], "object": "list" }))
}

/// `POST /openai/deployments/{deployment}/chat/completions`: spends. Nothing limits it.
fn completions(account: &mut Account, call: &Call) -> Reply {
    let now = account.now();
    let cost = account.settings.call_cost;
    let Some(key) = account.accepted_key(&call.caller) else {
        return no_such_key(&call.caller);
    };
    key.spend(cost, now);
    let message = json!({ "role": "assistant", "content": "ok" });
    let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11 });
    let answer = json!({
        "id": "chatcmpl-EXAMPLE", "object": "chat.completion", "created": now.as_second(),
        "model": "example-model", "choices": [choice], "usage": usage,
    });
    Reply::json(200, &answer)
}

/// What the resource says of a text that is none of its two.
fn no_such_key(caller: &Caller) -> Reply {
    let message = match caller {
        Caller::Nobody => {
            "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or have expired."
        }
        _ => {
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource."
        }
    };
    error(401, "401", message)
}

fn is_version(call: &Call, version: &str) -> bool {
    let asked: Vec<_> = call
        .query
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    asked == [("api-version", version)]
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "error": { "code": code, "message": message } }),
    )
}
