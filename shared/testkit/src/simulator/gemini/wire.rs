//! The JSON of answers.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde_json::{Value, json};

use super::super::api::Reply;
use super::super::key::Key;
use super::{Facts, MODEL, Operation, PROJECT_NUMBER, SERVICE};

/// Times have microseconds.
const TIME: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

fn time(at: Timestamp) -> String {
    TIME.timestamp_to_string(&at)
}

pub(super) fn row(key: &Key, facts: &Facts) -> Value {
    let id = &key.handle;
    let uid = facts_uid(key);
    let mut row = json!({
        "name": format!("projects/{PROJECT_NUMBER}/locations/global/keys/{id}"),
        "uid": uid,
        "displayName": facts.display_name,
        "createTime": time(key.created),
        "updateTime": time(key.updated.unwrap_or(key.created)),
        "etag": format!("W/\"EXAMPLE{id}\""),
    });
    if !facts.restrictions.is_null() {
        row["restrictions"] = facts.restrictions.clone();
    }
    if !facts.annotations.is_null() {
        row["annotations"] = facts.annotations.clone();
    }
    if let Some(account) = &facts.service_account {
        row["serviceAccountEmail"] = json!(account);
    }
    if let Some(at) = facts.deleted {
        row["deleteTime"] = json!(time(at));
    }
    row
}

/// An id of the form that Google chooses, the same for the same key.
fn facts_uid(key: &Key) -> String {
    let print = key.text.fingerprint().to_hex();
    format!(
        "{}-{}-4aaa-8bbb-{}",
        &print[..8],
        &print[8..12],
        &print[12..24]
    )
}

pub(super) fn operation(operation: &Operation, now: Timestamp) -> Reply {
    let mut body = json!({ "name": operation.name });
    if now >= operation.ends {
        body["done"] = json!(true);
        let mut response = operation.response.clone();
        response["@type"] = json!("type.googleapis.com/google.api.apikeys.v2.Key");
        body["response"] = response;
    }
    Reply::json(200, &body)
}

pub(super) fn models() -> Reply {
    let model = json!({
        "name": format!("models/{MODEL}"),
        "displayName": "Example",
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    });
    Reply::json(
        200,
        &json!({ "models": [model], "nextPageToken": "EXAMPLE" }),
    )
}

pub(super) fn content() -> Reply {
    Reply::json(
        200,
        &json!({
            "candidates": [{
                "content": { "role": "model", "parts": [{ "text": "ok" }] }, "finishReason": "STOP",
            }],
            "usageMetadata": { "promptTokenCount": 10, "candidatesTokenCount": 1, "totalTokenCount": 11 },
        }),
    )
}

pub(super) fn error(status: u16, name: &str, message: &str, reason: Option<&str>) -> Reply {
    let mut error = json!({ "code": status, "message": message, "status": name });
    if let Some(reason) = reason {
        error["details"] = json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "googleapis.com",
            "metadata": { "service": SERVICE },
        }]);
    }
    Reply::json(status, &json!({ "error": error }))
}
