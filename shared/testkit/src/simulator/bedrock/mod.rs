//! Bedrock's long-term keys: IAM's Query API over service-specific credentials, and Bedrock's own answers to a key.
//!
//! Facts: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceSpecificCredential.html> and its
//! neighbours, botocore 1.43.11 `iam/2010-05-08`. What a real client may get wrong is refused more strictly than there:
//! unknown parameters. A workspace is an IAM user here. Signatures are not verified, only whose they are; every call of
//! IAM is a `POST /`, which faults and the log know by its action, as `/CreateServiceSpecificCredential`.

mod iam;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::HeaderMap;
use serde_json::json;

use super::account::Account;
use super::api::{Api, Call, Reply, read_query};
use super::log::{Caller, RequestKind};
use crate::contract::provider::ProviderCall;

const PREFIX: &str = "ABSK";
const MARKER: &str = "EXAMPLE";
const AWS_ACCOUNT: &str = "111122223333";

/// What a signature begins with.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=";

pub(super) struct Bedrock;

impl Api for Bedrock {
    fn base_path(&self) -> &'static str {
        ""
    }

    /// The access key of the role that administers the account.
    fn management_text(&self, random: &str) -> String {
        format!("AKIA{MARKER}{}", random[..9].to_uppercase())
    }

    /// `ABSK`, the base64 of `<alias>:`, and a secret.
    fn key_text(&self, random: &str) -> String {
        let alias = format!("BedrockAPIKey-{}-at-{AWS_ACCOUNT}:", &random[..4]);
        let head = STANDARD_NO_PAD.encode(alias);
        let secret = &random[4..];
        // Base64 is a multiple of four characters long.
        let whole = (head.len() + MARKER.len() + secret.len()) / 4 * 4;
        let secret = &secret[..whole - head.len() - MARKER.len()];
        format!("{PREFIX}{head}{MARKER}{secret}")
    }

    fn handle(&self, random: &str) -> String {
        format!("ACCA{MARKER}{}", random[..10].to_uppercase())
    }

    /// The alias.
    fn redact(&self, text: &str) -> String {
        let encoded = text.strip_prefix(PREFIX).unwrap_or_default();
        let decoded = STANDARD.decode(encoded).unwrap_or_default();
        let alias = decoded.split(|b| *b == b':').next().unwrap_or_default();
        String::from_utf8_lossy(alias).into_owned()
    }

    fn workspace_id(&self, n: usize) -> String {
        format!("bedrock-agent-{n}")
    }

    fn credential<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
        match value.strip_prefix(SIGNED) {
            Some(rest) => rest.split('/').next(),
            None => value.strip_prefix("Bearer ").map(str::trim),
        }
    }

    fn operation(&self, path: &str, body: &[u8]) -> String {
        let form = || read_query(std::str::from_utf8(body).unwrap_or_default());
        let action = |(name, value): (String, String)| (name == "Action").then_some(value);
        match path {
            "/" => format!(
                "/{}",
                form().into_iter().find_map(action).unwrap_or_default()
            ),
            other => other.to_owned(),
        }
    }

    fn kind(&self, method: &str, path: &str) -> RequestKind {
        match (method, path) {
            ("POST", path) if path.starts_with("/model/") => RequestKind::Agent,
            ("GET", "/foundation-models") => RequestKind::Verify,
            _ => RequestKind::Admin,
        }
    }

    fn route(&self, call: ProviderCall) -> (&'static str, &'static str) {
        match call {
            ProviderCall::Create => ("POST", "/CreateServiceSpecificCredential"),
            ProviderCall::List | ProviderCall::Get => ("POST", "/ListServiceSpecificCredentials"),
            ProviderCall::Change => ("POST", "/UpdateServiceSpecificCredential"),
            ProviderCall::Delete => ("POST", "/DeleteServiceSpecificCredential"),
            ProviderCall::Verify => ("GET", "/foundation-models"),
            ProviderCall::Usage | ProviderCall::Costs => ("GET", "/no-reports"),
        }
    }

    /// Keys have no names.
    fn label(&self, _method: &str, _path: &str, _body: &[u8]) -> Option<String> {
        None
    }

    fn answer(&self, account: &mut Account, call: &Call) -> Reply {
        match (call.method.as_str(), call.segments().as_slice()) {
            ("GET", ["foundation-models"]) => self.models(account, call),
            ("POST", ["model", _, "converse"]) => self.converse(account, call),
            ("POST", [action]) => self.iam(account, call, action),
            _ => Reply::html(404),
        }
    }

    /// IAM's form.
    fn error(&self, status: u16, message: &str) -> Reply {
        let code = match status {
            403 => "AccessDenied",
            404 => "NoSuchEntity",
            409 => "LimitExceeded",
            429 => "Throttling",
            500.. => "ServiceFailure",
            _ => "ValidationError",
        };
        iam::error(status, code, message)
    }
}

impl Bedrock {
    /// `GET /foundation-models`: free of cost.
    fn models(&self, account: &mut Account, call: &Call) -> Reply {
        if account.accepted_key(&call.caller).is_none() {
            return refused(&call.caller);
        }
        let model = json!({
            "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/example.model-v1:0",
            "modelId": "example.model-v1:0",
            "providerName": "Example",
            "inputModalities": ["TEXT"],
            "outputModalities": ["TEXT"],
        });
        Reply::json(200, &json!({ "modelSummaries": [model] }))
    }

    /// `POST /model/{id}/converse`: spends. Nothing limits it.
    fn converse(&self, account: &mut Account, call: &Call) -> Reply {
        let now = account.now();
        let cost = account.settings.call_cost;
        let Some(key) = account.accepted_key(&call.caller) else {
            return refused(&call.caller);
        };
        key.spend(cost, now);
        let message = json!({ "role": "assistant", "content": [{ "text": "ok" }] });
        let usage = json!({ "inputTokens": 10, "outputTokens": 1, "totalTokens": 11 });
        let answer = json!({
            "output": { "message": message }, "stopReason": "end_turn", "usage": usage,
            "metrics": { "latencyMs": 1 },
        });
        Reply::json(200, &answer)
    }
}

/// What Bedrock says of a bearer token that is no key (any more), as people report it. The kind stands in a header there.
fn refused(caller: &Caller) -> Reply {
    let message = match caller {
        Caller::Nobody => "Missing Authentication Token",
        _ => "Authentication failed: Please make sure your API Key is valid.",
    };
    let body = json!({ "Message": message, "__type": "AccessDeniedException" });
    Reply::json(403, &body)
}
