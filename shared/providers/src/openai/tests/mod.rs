//! The driver against canned answers over real HTTP.

mod admin;
mod issue;
mod reports;
mod verify;

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::ports::Clock;
use serde_json::{Value, json};

use super::*;
use crate::admin::testing::{CountingSource, arn};
use crate::http::HttpSettings;
use crate::http::testing::{Reply, Seen, TestClock, TestServer, http, patient};

const KEY: &str = "sk-svcacct-EXAMPLE0123456789abcdef0123456789abcdef0123456789abcdef";

fn key() -> ApiKey {
    ApiKey::new(KEY)
}

fn handle_of(account: &str) -> KeyHandle {
    let handle = format!("proj_EXAMPLE/{account}/key_EXAMPLEold");
    handle.parse().unwrap()
}

fn scope(account: Option<&str>) -> Scope {
    Scope {
        project: Some("proj_EXAMPLE".parse().unwrap()),
        service_account: account.map(|id| id.parse().unwrap()),
        ..Scope::default()
    }
}

struct Account {
    driver: OpenAi,
    source: Arc<CountingSource>,
    clock: Arc<TestClock>,
}

fn account(server: &TestServer) -> Account {
    account_with(server, patient())
}

fn account_with(server: &TestServer, settings: HttpSettings) -> Account {
    let clock = TestClock::new();
    let source = Arc::new(CountingSource::default());
    let admin = AdminCredential::new(source.clone(), arn());
    let driver = OpenAi::new(Arc::new(http(&clock, settings)), server.base(), admin);
    Account {
        driver,
        source,
        clock,
    }
}

/// OpenAI's error JSON.
fn error(status: u16, message: &str, code: Option<&str>) -> Reply {
    let error =
        json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
    Reply::json(status, &json!({ "error": error }))
}

fn html(status: u16) -> Reply {
    Reply::new(status, "<html><body>Unauthorized</body></html>")
}

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A recorded row of the list (P-03).
fn row(change: impl FnOnce(&mut Value)) -> Value {
    let file = include_str!("../../../fixtures/P-03-openai-delete-404.json");
    let mut row = recorded(file)["list_with_key"]["data"][0].take();
    change(&mut row);
    row
}

fn list(rows: &[Value], more: bool) -> Reply {
    Reply::json(
        200,
        &json!({"object": "list", "data": rows, "has_more": more}),
    )
}

/// Method and path of each request, below the base.
fn asked(seen: &[Seen]) -> Vec<String> {
    let base = "/api/v1/organization/projects/proj_EXAMPLE/";
    let short = |seen: &Seen| format!("{} {}", seen.method, seen.target.replace(base, ""));
    seen.iter().map(short).collect()
}
