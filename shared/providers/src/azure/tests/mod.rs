//! The driver against canned answers over real HTTP.

mod admin;
mod issue;
mod verify;

use keyward_core::model::names::KeyHandle;
use serde_json::json;

use super::*;
use crate::admin::testing::{CountingSource, arn};
use crate::config::{Credential, ProviderAccounts};
use crate::http::HttpSettings;
use crate::http::testing::{Reply, Seen, TestClock, TestServer, http, patient};

const KEY1: &str =
    "EXAMPLE0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefJQQJ99BKACYAB";
const KEY2: &str =
    "EXAMPLEfedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210JQQJ99BKACYAB";
const NEW: &str =
    "EXAMPLE0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0JQQJ99BKACYAB";
const ACCESS: &str = "eyJEXAMPLE.access-token-0123456789";

const ACCOUNT: &str = "/api/v1/subscriptions/30000000-aaaa-4bbb-8ccc-000000000003/resourceGroups/rg-agents/providers/Microsoft.CognitiveServices/accounts/agents-east";

fn key() -> ApiKey {
    ApiKey::new(KEY1)
}

fn handle_of(place: &str, text: &str) -> KeyHandle {
    let print = ApiKey::new(text).fingerprint().to_hex();
    format!("agents-east/{place}/{}", &print[..12])
        .parse()
        .unwrap()
}

fn account_with(server: &TestServer, settings: HttpSettings) -> (Azure, Arc<CountingSource>) {
    let url = format!("http://{}/api/v1", server.addr);
    let config = json!({"a": {
        "provider": "azure", "admin_secret": arn(), "allow_hosts": ["127.0.0.1"],
        "base_url": url, "login_url": url, "verify_url": url,
        "tenant": "example.onmicrosoft.com", "client_id": "20000000-aaaa-4bbb-8ccc-000000000002",
        "subscription": "30000000-aaaa-4bbb-8ccc-000000000003", "resource_group": "rg-agents",
        "resource": "agents-east",
    }});
    let accounts = ProviderAccounts::from_json(&config.to_string()).unwrap();
    let account = accounts.get(&"a".parse().unwrap()).unwrap();
    let source = Arc::new(CountingSource::default());
    let admin = AdminCredential::new(source.clone(), arn());
    let http = Arc::new(http(&TestClock::new(), settings));
    let resource = Resource::of(account, Credential::Admin);
    (Azure::new(http, resource, admin), source)
}

fn account(server: &TestServer) -> Azure {
    account_with(server, patient()).0
}

/// The form of Azure Resource Manager and of the resource.
fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({"error": {"code": code, "message": message}}),
    )
}

fn html(status: u16) -> Reply {
    Reply::new(status, "<html><body>Forbidden</body></html>")
}

fn pair(one: &str, two: &str) -> Reply {
    Reply::json(200, &json!({"key1": one, "key2": two, "later": {}}))
}

fn access() -> Reply {
    Reply::json(
        200,
        &json!({"token_type": "Bearer", "expires_in": 3599, "access_token": ACCESS}),
    )
}

fn is(seen: &Seen, action: &str) -> bool {
    let path = seen.target.split('?').next().unwrap_or_default();
    path.ends_with(action)
}

/// Gives out tokens, and answers the rest so.
async fn arm(answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> TestServer {
    TestServer::start(move |_, seen| {
        if is(seen, "/token") {
            access()
        } else {
            answers(seen)
        }
    })
    .await
}

/// What was sent to a path.
fn sent(server: &TestServer, action: &str) -> Vec<Seen> {
    let mut seen = server.seen();
    seen.retain(|seen| is(seen, action));
    seen
}
