//! OpenAI's list of keys of one account, page by page over HTTP, none of it kept:
//! <https://platform.openai.com/docs/api-reference/project-api-keys/list>.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use jiff::Timestamp;
use keyward_core::model::names::KeyHandle;
use serde_json::json;

use super::{KEYS_OF_A_SLOT, NOW};
use crate::Result;
use crate::monitor::pages::{PROJECT, key_id};
use crate::monitor::scene::ACCOUNTS;

/// The most that a page holds.
const PAGE: usize = 100;

/// The service account that all keys are of.
const SERVICE: &str = "svc_EXAMPLE";

/// What key number `n` among all is named by.
pub(super) fn handle(n: usize) -> Result<KeyHandle> {
    Ok(format!("{PROJECT}/{SERVICE}/{}", key_id(n)).parse()?)
}

struct Account {
    number: usize,
    keys: usize,
    now: i64,
    calls: Arc<AtomicUsize>,
}

impl Account {
    /// The number among all of key number `n` of this account.
    fn key(&self, n: usize) -> usize {
        let slot = n / KEYS_OF_A_SLOT * ACCOUNTS + self.number;
        slot * KEYS_OF_A_SLOT + n % KEYS_OF_A_SLOT
    }

    /// The number here of a key with that number among all.
    fn place(&self, key: usize) -> usize {
        key / KEYS_OF_A_SLOT / ACCOUNTS * KEYS_OF_A_SLOT + key % KEYS_OF_A_SLOT
    }
}

/// Serves account number `number` of so many slots in all, and returns its base URL.
pub(super) async fn serve(number: usize, slots: usize, calls: Arc<AtomicUsize>) -> Result<String> {
    let account = Arc::new(Account {
        number,
        keys: (number..slots).step_by(ACCOUNTS).len() * KEYS_OF_A_SLOT,
        now: NOW.parse::<Timestamp>()?.as_second(),
        calls,
    });
    let router = Router::new()
        .route("/v1/organization/projects/{project}/api_keys", get(list))
        .with_state(account);
    Ok(format!("{}/v1", crate::serve::serve(router).await?))
}

async fn list(
    State(account): State<Arc<Account>>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    account.calls.fetch_add(1, Ordering::Relaxed);
    let limit = asked.get("limit").and_then(|limit| limit.parse().ok());
    let limit = limit.unwrap_or(20).min(PAGE);
    let after = asked.get("after").and_then(|id| {
        id.strip_prefix(&key_id(0)[..key_id(0).len() - 1])?
            .parse()
            .ok()
    });
    let from = after.map_or(0, |key| account.place(key) + 1);
    let until = (from + limit).min(account.keys);
    let keys = (from..until).map(|n| {
        let id = key_id(account.key(n));
        json!({
            "object": "organization.project.api_key", "id": id, "name": id,
            "redacted_value": "sk-...abcd", "created_at": account.now - 20 * 86_400,
            "last_used_at": account.now - 60,
            "owner": {"type": "service_account", "service_account": {"id": SERVICE, "name": "bench"}},
        })
    });
    let keys: Vec<_> = keys.collect();
    let list = json!({
        "object": "list", "has_more": until < account.keys,
        "first_id": keys.first().map(|key| key["id"].clone()),
        "last_id": keys.last().map(|key| key["id"].clone()),
        "data": keys,
    });
    let answer = list.to_string();
    ([("content-type", "application/json")], answer).into_response()
}
