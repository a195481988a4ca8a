//! The driver against canned answers over real HTTP.

mod admin;
mod issue;
mod reports;
mod verify;

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::KeyHandle;
use serde_json::{Value, json};

use super::*;
use crate::admin::testing::{CountingSource, arn};
use crate::http::HttpSettings;
use crate::http::testing::{Reply, TestClock, TestServer, http, patient};

const KEY: &str = "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef0123456789abcdef";

fn key() -> ApiKey {
    ApiKey::new(KEY)
}

fn handle() -> KeyHandle {
    "f0".repeat(32).parse().unwrap()
}

struct Account {
    driver: OpenRouter,
    source: Arc<CountingSource>,
    clock: Arc<TestClock>,
}

fn account_with(server: &TestServer, settings: HttpSettings) -> Account {
    let clock = TestClock::new();
    let source = Arc::new(CountingSource::default());
    let admin = AdminCredential::new(source.clone(), arn());
    let driver = OpenRouter::new(Arc::new(http(&clock, settings)), server.base(), admin);
    Account {
        driver,
        source,
        clock,
    }
}

fn account(server: &TestServer) -> Account {
    account_with(server, patient())
}

/// OpenRouter's error JSON.
fn error(status: u16, message: &str) -> Reply {
    let body = json!({"error": {"code": status, "message": message}, "user_id": "user_EXAMPLE"});
    Reply::json(status, &body)
}

fn html(status: u16) -> Reply {
    Reply::new(status, "<html><body>Unauthorized</body></html>")
}

/// A recorded key record, as `PATCH` and `GET` answer it.
fn record(change: impl FnOnce(&mut Value)) -> Reply {
    Reply::json(200, &json!({"data": row(change)}))
}

fn row(change: impl FnOnce(&mut Value)) -> Value {
    let file = include_str!("../../../fixtures/P-14b-openrouter-key-disabled.json");
    let mut row = serde_json::from_str::<Value>(file).unwrap()["response"]["data"].take();
    change(&mut row);
    row
}
