//! The driver against canned answers over real HTTP.

mod account;
mod admin;
mod issue;
mod verify;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::SecretArn;
use serde_json::{Value, json};

use super::*;
use crate::admin::AdminKeySource;
use crate::admin::testing::arn;
use crate::http::testing::{Reply, Seen, TestClock, TestServer, http, loopback, patient};
use crate::http::{AllowedHosts, HttpSettings};

const KEY: &str = "AIzaSyEXAMPLE0123456789abcdef0123456789";
const BOUND_KEY: &str = "AQ.EXAMPLE0123456789abcdef0123456789";
const TOKEN: &str = "ya29.EXAMPLE0123456789";
const ID: &str = "66666666-aaaa-4bbb-8ccc-000000000001";

fn handle() -> KeyHandle {
    format!("example-1/{ID}").parse().unwrap()
}

fn scope() -> Scope {
    Scope {
        project: Some("example-1".parse().unwrap()),
        ..Scope::default()
    }
}

/// A service account's key, made for this process.
fn pair() -> &'static KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).unwrap())
}

fn service_account() -> Value {
    let der = AsDer::<Pkcs8V1Der>::as_der(pair()).unwrap();
    let text = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    json!({
        "type": "service_account", "project_id": "example-1", "private_key_id": "EXAMPLE1", "private_key": pem,
        "client_email": "keyward@example-1.iam.gserviceaccount.com", "client_id": "1",
        "token_uri": "https://token-uri.example.com/token",
    })
}

/// Hands out this text, and counts.
struct Source(String, AtomicUsize);

#[async_trait]
impl AdminKeySource for Source {
    async fn admin_key(&self, _: &SecretArn) -> Result<AdminKey, ProviderError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(AdminKey::new(&self.0))
    }
}

struct Account {
    driver: Gemini,
    source: Arc<Source>,
    clock: Arc<TestClock>,
}

fn account_of(server: &TestServer, settings: HttpSettings, file: &str) -> Account {
    let clock = TestClock::new();
    let source = Arc::new(Source(file.to_owned(), AtomicUsize::default()));
    let admin = AdminCredential::new(source.clone(), arn());
    let allowed: AllowedHosts = loopback();
    let url = |path: &str| BaseUrl::parse(&format!("http://{}{path}", server.addr), &allowed);
    let urls = Urls {
        keys: url("").unwrap(),
        token: url("/token").unwrap(),
        verify: url("").unwrap(),
    };
    Account {
        driver: Gemini::new(Arc::new(http(&clock, settings)), urls, admin),
        source,
        clock,
    }
}

fn account_with(server: &TestServer, settings: HttpSettings) -> Account {
    account_of(server, settings, &service_account().to_string())
}

fn account(server: &TestServer) -> Account {
    account_with(server, patient())
}

fn token() -> Reply {
    let body = json!({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"});
    Reply::json(200, &body)
}

/// Gives out tokens, and answers everything else so.
async fn google(answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> TestServer {
    TestServer::start(move |_, seen| match seen.target.as_str() {
        "/token" => token(),
        _ => answers(seen),
    })
    .await
}

async fn always(reply: Reply) -> TestServer {
    google(move |_| reply.clone()).await
}

/// What was asked but tokens.
fn asked(server: &TestServer) -> Vec<Seen> {
    let mut seen = server.seen();
    seen.retain(|seen| seen.target != "/token");
    seen
}

/// Google's error JSON.
fn error(status: u16, name: &str, reason: &str) -> Reply {
    let info = json!([{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }]);
    let mut error = json!({"code": status, "message": "no", "status": name});
    if !reason.is_empty() {
        error["details"] = info;
    }
    Reply::json(status, &json!({"error": error}))
}

fn html(status: u16) -> Reply {
    Reply::new(status, "<html><body>Unauthorized</body></html>")
}

/// A key as lists and answers have it.
fn row(id: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut row = json!({
        "name": format!("projects/111122223333/locations/global/keys/{id}"),
        "uid": ID, "displayName": "agent-billing", "createTime": "2026-11-25T15:00:00.000000Z",
        "updateTime": "2026-11-25T15:00:00.100000Z", "etag": "W/\"EXAMPLE==\"",
        "restrictions": {"apiTargets": [{"service": "generativelanguage.googleapis.com"}]},
    });
    change(&mut row);
    row
}

/// An operation that has ended with that.
fn done(response: Value) -> Value {
    json!({"name": "operations/akmf.EXAMPLE", "done": true, "response": response})
}

fn goes_on() -> Value {
    json!({"name": "operations/akmf.EXAMPLE", "metadata": {"@type": "x"}})
}
