//! OpenAI's answers, with every field that its published description requires.

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::api::Reply;
use super::super::key::Key;
use super::{Access, ServiceAccount, State};

/// What the first key of a service account is called.
const FIRST_KEY: &str = "Secret Key";

/// When service accounts were made, in seconds since 1970.
const CREATED: i64 = 1_700_000_000;

/// A new service account, with its first key: the only answer with that key's text.
pub(super) fn new_account(made: &ServiceAccount, key: Option<&Key>) -> Reply {
    let mut body = account_body(made);
    body["api_key"] = key.map_or(Value::Null, |key| new_key_body(key, FIRST_KEY));
    Reply::json(200, &body)
}

/// A new key in a service account: the only answer with its text.
pub(super) fn new_key(key: &Key) -> Reply {
    Reply::json(200, &new_key_body(key, &key.name))
}

fn new_key_body(key: &Key, name: &str) -> Value {
    json!({
        "object": "organization.project.service_account.api_key",
        "id": key.handle,
        "value": key.text.expose_secret(),
        "name": name,
        "created_at": key.created.as_second(),
        "expires_at": key.expires.map(Timestamp::as_second),
    })
}

pub(super) fn account(account: &ServiceAccount) -> Reply {
    Reply::json(200, &account_body(account))
}

fn account_body(account: &ServiceAccount) -> Value {
    json!({
        "object": "organization.project.service_account",
        "id": account.id,
        "name": account.name,
        "role": "member",
        "created_at": CREATED,
    })
}

pub(super) fn one(key: &Key, state: &State) -> Reply {
    Reply::json(200, &row(key, state))
}

pub(super) fn page(keys: &[&Key], state: &State, more: bool) -> Reply {
    let rows: Vec<Value> = keys.iter().map(|key| row(key, state)).collect();
    Reply::json(
        200,
        &json!({
            "object": "list",
            "data": rows,
            "first_id": keys.first().map(|key| &key.handle),
            "last_id": keys.last().map(|key| &key.handle),
            "has_more": more,
        }),
    )
}

fn row(key: &Key, state: &State) -> Value {
    let facts = state.facts(&key.handle);
    let owner = facts
        .owner
        .and_then(|owner| state.account(&key.workspace, &owner));
    let name = if facts.is_first { FIRST_KEY } else { &key.name };
    json!({
        "object": "organization.project.api_key",
        "id": key.handle,
        "redacted_value": key.redacted,
        "name": name,
        "created_at": key.created.as_second(),
        "last_used_at": key.last_used.map(Timestamp::as_second),
        "expires_at": key.expires.map(Timestamp::as_second),
        "owner": owner.map_or_else(person, service),
        "owner_project_access": match facts.access {
            Access::Active => "active",
            Access::Inactive => "inactive",
        },
    })
}

fn service(account: &ServiceAccount) -> Value {
    json!({
        "type": "service_account",
        "service_account": {
            "id": account.id,
            "name": account.name,
            "created_at": CREATED,
            "role": "member",
        },
    })
}

fn person() -> Value {
    json!({
        "type": "user",
        "user": {
            "id": "user-EXAMPLE",
            "name": "Ana",
            "email": "ana@example.com",
            "created_at": 1_700_000_000,
            "role": "owner",
        },
    })
}

pub(super) fn deleted(object: &str, id: &str) -> Reply {
    Reply::json(200, &json!({ "object": object, "id": id, "deleted": true }))
}

pub(super) fn models() -> Reply {
    let model = json!({
        "id": "example-model", "object": "model", "created": 1_700_000_000, "owned_by": "system",
    });
    Reply::json(200, &json!({ "object": "list", "data": [model] }))
}

pub(super) fn completion(now: Timestamp) -> Reply {
    Reply::json(
        200,
        &json!({
            "id": format!("chatcmpl-{}", now.as_millisecond()),
            "object": "chat.completion",
            "created": now.as_second(),
            "model": "example-model",
            "choices": [{
                "index": 0,
                "finish_reason": "stop",
                "message": { "role": "assistant", "content": "ok" },
            }],
            "usage": { "prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11 },
        }),
    )
}
