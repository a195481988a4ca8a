//! `/activity`: the last 30 completed UTC days, of one key or of all together.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::account::Account;
use super::super::api::{Api, Call, Reply};
use super::super::usage::{Row, start_of};
use super::{OpenRouter, dollars};

const DAY: SignedDuration = SignedDuration::from_hours(24);

impl OpenRouter {
    /// `GET /activity`: keys that were deleted are told too.
    pub(super) fn activity(&self, account: &Account, call: &Call) -> Reply {
        let mut wanted = None;
        for (name, value) in &call.query {
            match name.as_str() {
                "api_key_hash" if value.len() == 64 => wanted = Some(value),
                _ => return self.error(400, &format!("unknown or malformed parameter {name}")),
            }
        }
        let today = start_of(account.now(), DAY);
        let rows = account.report(today - DAY * 30, today, DAY);
        let is_wanted = |row: &&Row| {
            let key = row.key.as_ref().map(|key| key.as_str());
            wanted.is_none() || key == wanted.map(String::as_str)
        };
        let data: Vec<Value> = rows.iter().filter(is_wanted).map(item).collect();
        Reply::json(200, &json!({ "data": data }))
    }
}

fn item(row: &Row) -> Value {
    let used = &row.used;
    json!({
        "date": date(row.from),
        "model": format!("example/{}", row.model),
        "model_permaslug": row.model,
        "endpoint_id": "00000000-0000-4000-8000-0000000000e0",
        "provider_name": "Example",
        "usage": dollars(used.cost),
        "byok_usage_inference": 0,
        "requests": used.requests,
        "prompt_tokens": used.input,
        "completion_tokens": used.output,
        "reasoning_tokens": 0,
    })
}

fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
