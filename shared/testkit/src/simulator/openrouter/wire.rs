//! OpenRouter's answers, with every field that its published description requires.

use jiff::Timestamp;
use keyward_core::model::money::MicroDollars;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::super::account::Account;
use super::super::api::Reply;
use super::super::key::{Key, Reset};
use super::{PREFIX, dollars};

const USER: &str = "user_example";

/// 201 of a create: the only answer with the key's text.
pub(super) fn created(key: &Key, now: Timestamp) -> Reply {
    Reply::json(
        201,
        &json!({ "data": listed(key, now), "key": key.text.expose_secret() }),
    )
}

pub(super) fn one(key: &Key, now: Timestamp) -> Reply {
    Reply::json(200, &json!({ "data": listed(key, now) }))
}

pub(super) fn page<'a>(keys: impl Iterator<Item = &'a Key>, now: Timestamp) -> Reply {
    let rows: Vec<Value> = keys.map(|key| listed(key, now)).collect();
    Reply::json(200, &json!({ "data": rows }))
}

fn listed(key: &Key, now: Timestamp) -> Value {
    let mut row = figures(key, now);
    for (field, value) in [
        ("hash", json!(key.handle)),
        ("name", json!(key.name)),
        ("disabled", json!(key.disabled)),
        ("created_at", json!(key.created)),
        ("updated_at", json!(key.updated)),
        ("workspace_id", json!(key.workspace)),
    ] {
        row.insert(field.to_owned(), value);
    }
    Value::Object(row)
}

/// What `GET /key` and the list have in common.
fn figures(key: &Key, now: Timestamp) -> Map<String, Value> {
    let mut row = Map::new();
    let mut put = |field: &str, value: Value| row.insert(field.to_owned(), value);
    put("label", json!(key.redacted));
    put("limit", json!(key.limit.map(dollars)));
    put("limit_remaining", json!(key.left(now).map(dollars)));
    put("limit_reset", json!(reset_name(key.reset)));
    put("include_byok_in_limit", json!(false));
    for (field, period) in [
        ("usage", Reset::Never),
        ("usage_daily", Reset::Daily),
        ("usage_weekly", Reset::Weekly),
        ("usage_monthly", Reset::Monthly),
    ] {
        put(field, json!(dollars(key.spent_in(period, now))));
        put(&format!("byok_{field}"), json!(0));
    }
    put("expires_at", json!(key.expires));
    put("creator_user_id", json!(USER));
    row
}

pub(super) fn own_key(key: &Key, now: Timestamp) -> Reply {
    own(figures(key, now), Role::Agent)
}

pub(super) fn management_key() -> Reply {
    let mut row = Map::new();
    for field in ["usage", "byok_usage"] {
        for suffix in ["", "_daily", "_weekly", "_monthly"] {
            row.insert(format!("{field}{suffix}"), json!(0));
        }
    }
    for field in ["limit", "limit_remaining", "limit_reset", "expires_at"] {
        row.insert(field.to_owned(), Value::Null);
    }
    row.insert("label".to_owned(), json!(format!("{PREFIX}EXA...mgmt")));
    row.insert("include_byok_in_limit".to_owned(), json!(false));
    row.insert("creator_user_id".to_owned(), json!(USER));
    own(row, Role::Management)
}

#[derive(PartialEq, Eq)]
enum Role {
    Agent,
    Management,
}

fn own(mut row: Map<String, Value>, role: Role) -> Reply {
    let is_management = json!(role == Role::Management);
    for (field, value) in [
        ("is_free_tier", json!(false)),
        ("is_management_key", is_management.clone()),
        ("is_provisioning_key", is_management),
        (
            "rate_limit",
            json!({ "requests": -1, "interval": "10s", "note": "This field is deprecated and safe to ignore." }),
        ),
    ] {
        row.insert(field.to_owned(), value);
    }
    Reply::json(200, &json!({ "data": row }))
}

pub(super) fn credits(account: &Account) -> Reply {
    let total = account.settings.credit.map_or(1e6, dollars);
    Reply::json(
        200,
        &json!({ "data": { "total_credits": total, "total_usage": dollars(account.spent()) } }),
    )
}

pub(super) fn completion(cost: MicroDollars, now: Timestamp) -> Reply {
    Reply::json(
        200,
        &json!({
            "id": format!("gen-{}", now.as_millisecond()),
            "object": "chat.completion",
            "created": now.as_second(),
            "model": "example/model",
            "choices": [{
                "index": 0,
                "finish_reason": "stop",
                "message": { "role": "assistant", "content": "ok" },
            }],
            "usage": {
                "prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11, "cost": dollars(cost),
            },
        }),
    )
}

fn reset_name(reset: Reset) -> Option<&'static str> {
    match reset {
        Reset::Daily => Some("daily"),
        Reset::Weekly => Some("weekly"),
        Reset::Monthly => Some("monthly"),
        Reset::Never => None,
    }
}
