//! LiteLLM's answers, with the fields of its published description that anybody reads.

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::api::Reply;
use super::super::key::{Key, KeyState, Reset};
use super::{Facts, activity};

/// A key as the list shows it.
pub(super) fn row(key: &Key, facts: &Facts, now: Timestamp) -> Value {
    let blocked = facts.was_switched.then_some(key.disabled);
    json!({
        "token": key.handle,
        "key_name": key.redacted,
        "key_alias": key.name,
        "spend": activity::dollars(key.spent_in(key.reset, now)),
        "total_spend": activity::dollars(key.spent_in(Reset::Never, now)),
        "max_budget": key.limit.map(activity::dollars),
        "budget_duration": budget_duration(key.reset),
        "expires": key.expires,
        "models": facts.models,
        "allowed_routes": facts.routes,
        "aliases": {},
        "config": {},
        "permissions": {},
        "metadata": {},
        "user_id": "default_user_id",
        "team_id": (!key.workspace.is_empty()).then_some(&key.workspace),
        "tpm_limit": null,
        "rpm_limit": null,
        "blocked": blocked,
        "auto_rotate": false,
        "last_active": key.last_used,
        "created_at": key.created,
        "updated_at": key.updated.unwrap_or(key.created),
    })
}

/// 200 of a create: the only answer with the key's text.
pub(super) fn generated(key: &Key, facts: &Facts, now: Timestamp) -> Reply {
    let mut body = row(key, facts, now);
    body["key"] = json!(key.text.expose_secret());
    body["token_id"] = json!(key.handle);
    Reply::json(200, &body)
}

/// The key, named as it was asked for, without its hash in the row.
pub(super) fn info(asked: &str, key: &Key, facts: &Facts, now: Timestamp) -> Reply {
    let mut info = row(key, facts, now);
    if let Some(fields) = info.as_object_mut() {
        fields.remove("token");
    }
    info["status"] = json!(match key.state(now) {
        KeyState::Enabled => "active",
        KeyState::Disabled => "revoked",
        KeyState::Expired => "expired",
        KeyState::Deleted => "deleted",
    });
    if key.deleted {
        info["status"] = json!("deleted");
        info["deleted_at"] = json!(now);
    }
    Reply::json(200, &json!({ "key": asked, "info": info }))
}

pub(super) fn models() -> Reply {
    let model = json!({ "id": "example-model", "object": "model", "created": 1_677_610_602, "owned_by": "openai" });
    Reply::json(200, &json!({ "data": [model], "object": "list" }))
}

pub(super) fn completion(model: &str, now: Timestamp) -> Reply {
    Reply::json(
        200,
        &json!({
            "id": format!("chatcmpl-{}", now.as_millisecond()),
            "object": "chat.completion",
            "created": now.as_second(),
            "model": model,
            "choices": [{
                "index": 0,
                "finish_reason": "stop",
                "message": { "role": "assistant", "content": "ok" },
            }],
            "usage": {
                "prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11,
            },
        }),
    )
}

fn budget_duration(reset: Reset) -> Option<&'static str> {
    match reset {
        Reset::Daily => Some("1d"),
        Reset::Weekly => Some("7d"),
        Reset::Monthly => Some("1mo"),
        Reset::Never => None,
    }
}
