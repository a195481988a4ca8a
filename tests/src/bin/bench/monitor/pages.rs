//! OpenAI's reports of accounts whose keys are all in use all the time, over HTTP: a server of pages, and no simulator,
//! since one that keeps books on ten thousand keys would be slower than what is measured.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::Result;

/// Where the keys of all accounts live.
pub(crate) const PROJECT: &str = "proj_EXAMPLE";

/// What one key uses in a minute of its model: $0.007, about $10 a day.
pub(crate) const MODEL: &str = "gpt-4o";
pub(crate) const REQUESTS: u64 = 4;
pub(crate) const INPUT: u64 = 2000;
pub(crate) const OUTPUT: u64 = 200;

/// The id of a slot's key.
pub(crate) fn key_id(n: usize) -> String {
    format!("key_EXAMPLE{n}")
}

/// One account.
struct Account {
    keys: Vec<usize>,
    /// The rows of one minute.
    minute: String,
}

/// Serves an account of these keys, and returns its base URL.
pub(crate) async fn serve(keys: Vec<usize>) -> Result<String> {
    let rows: Vec<String> = keys.iter().map(|n| row(*n).to_string()).collect();
    let account = Arc::new(Account {
        minute: rows.join(","),
        keys,
    });
    let router = Router::new()
        .route("/v1/organization/usage/{part}", get(usage))
        .route("/v1/organization/costs", get(costs))
        .route("/v1/organization/projects/{project}/api_keys", get(list))
        .with_state(account);
    Ok(format!("{}/v1", crate::serve::serve(router).await?))
}

fn row(n: usize) -> Value {
    json!({
        "object": "organization.usage.completions.result",
        "input_tokens": INPUT, "input_cached_tokens": 0, "output_tokens": OUTPUT,
        "num_model_requests": REQUESTS, "project_id": null, "user_id": null,
        "api_key_id": key_id(n), "model": MODEL, "batch": null, "service_tier": null,
    })
}

type Asked = Query<HashMap<String, String>>;

fn number(asked: &HashMap<String, String>, name: &str) -> Option<i64> {
    asked.get(name)?.parse().ok()
}

fn answer(body: String) -> Response {
    ([("content-type", "application/json")], body).into_response()
}

/// Minutes, empty ones too; of embeddings and images there are none but empty ones.
async fn usage(
    State(account): State<Arc<Account>>,
    Path(part): Path<String>,
    Query(asked): Asked,
) -> Response {
    let asked_for = |name| number(&asked, name).unwrap_or_default();
    let start = number(&asked, "page").unwrap_or_else(|| asked_for("start_time"));
    let until = asked_for("end_time").min(start + 60 * asked_for("limit"));
    let rows = match part.as_str() {
        "completions" => account.minute.as_str(),
        _ => "",
    };
    let minutes: Vec<String> = (start..until)
        .step_by(60)
        .map(|from| {
            let to = from + 60;
            format!(
                r#"{{"object":"bucket","start_time":{from},"end_time":{to},"results":[{rows}]}}"#
            )
        })
        .collect();
    let has_more = until < asked_for("end_time");
    let next = if has_more {
        format!("\"{until}\"")
    } else {
        "null".to_owned()
    };
    answer(format!(
        r#"{{"object":"page","data":[{}],"has_more":{has_more},"next_page":{next}}}"#,
        minutes.join(",")
    ))
}

/// Bills that are not there yet.
async fn costs() -> Response {
    answer(r#"{"object":"page","data":[],"has_more":false,"next_page":null}"#.to_owned())
}

async fn list(State(account): State<Arc<Account>>, Query(asked): Asked) -> Response {
    let limit = usize::try_from(number(&asked, "limit").unwrap_or(20)).unwrap_or(20);
    let after = asked.get("after").map_or("", String::as_str);
    let ids = account.keys.iter().map(|n| key_id(*n));
    let from = ids.clone().position(|id| id == after);
    let from = from.map_or(0, |at| at + 1);
    let page: Vec<String> = ids.skip(from).take(limit).collect();
    let has_more = from + page.len() < account.keys.len();
    let keys = page.iter().map(|id| {
        json!({
            "object": "organization.project.api_key", "id": id, "name": id,
            "redacted_value": "sk-...abcd", "created_at": 1_780_000_000, "last_used_at": null,
            "owner": {"type": "user", "user": {"id": "user_EXAMPLE"}},
        })
    });
    let list = json!({
        "object": "list", "data": keys.collect::<Vec<_>>(), "has_more": has_more,
        "first_id": page.first(), "last_id": page.last(),
    });
    answer(list.to_string())
}
