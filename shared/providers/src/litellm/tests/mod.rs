//! The driver against canned answers over real HTTP.

mod admin;
mod issue;
mod read;
mod reports;
mod verify;

use std::sync::Arc;

use keyward_core::model::key::ApiKey;
use keyward_core::model::names::KeyHandle;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::admin::testing::{CountingSource, arn};
use crate::http::HttpSettings;
use crate::http::testing::{Reply, TestClock, TestServer, http, patient};

const KEY: &str = "sk-EXAMPLE0123456789abcdef0123456789abcdef";

fn key() -> ApiKey {
    ApiKey::new(KEY)
}

fn handle() -> KeyHandle {
    key().fingerprint().to_hex().parse().unwrap()
}

struct Account {
    driver: LiteLlm,
    source: Arc<CountingSource>,
    clock: Arc<TestClock>,
}

fn account_with(server: &TestServer, settings: HttpSettings) -> Account {
    let clock = TestClock::new();
    let source = Arc::new(CountingSource::default());
    let admin = AdminCredential::new(source.clone(), arn());
    let driver = LiteLlm::new(Arc::new(http(&clock, settings)), server.base(), admin);
    Account {
        driver,
        source,
        clock,
    }
}

fn account(server: &TestServer) -> Account {
    account_with(server, patient())
}

/// LiteLLM's error JSON.
fn error(status: u16, kind: &str, message: &str) -> Reply {
    let error =
        json!({"message": message, "type": kind, "param": "None", "code": status.to_string()});
    Reply::json(status, &json!({"error": error}))
}

fn html(status: u16) -> Reply {
    Reply::new(status, "<html><body>Unauthorized</body></html>")
}

/// A key as lists and answers have it.
fn row(change: impl FnOnce(&mut Value)) -> Value {
    let mut row = json!({
        "token": handle(), "key_name": "sk-...cdef", "key_alias": "agent-billing", "spend": 12.5,
        "max_budget": 50.0, "budget_duration": "30d", "budget_reset_at": "2026-12-01T00:00:00Z",
        "expires": "2027-01-31T09:00:00+00:00", "models": ["gpt-4o-mini"], "allowed_routes": ["llm_api_routes"],
        "aliases": {}, "config": {}, "user_id": "default_user_id", "team_id": "team-EXAMPLE-1", "metadata": {},
        "blocked": null, "auto_rotate": false, "last_active": "2026-11-24T08:00:00",
        "created_at": "2026-08-01T00:00:00Z", "updated_at": "2026-11-20T00:00:00Z",
    });
    change(&mut row);
    row
}

/// The answer about one key.
fn info(change: impl FnOnce(&mut Value)) -> Reply {
    let mut info = row(change);
    info.as_object_mut().unwrap().remove("token");
    Reply::json(200, &json!({"key": handle(), "info": info}))
}
