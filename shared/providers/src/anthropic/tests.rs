//! The driver against canned answers over real HTTP.

mod reports;

use keyward_core::model::key::ApiKey;
use keyward_core::ports::KeyOwner;
use serde_json::{Value, json};

use super::*;
use crate::admin::testing::{CountingSource, arn};
use crate::http::testing::{Reply, TestClock, TestServer, http, impatient};

const KEY: &str = "sk-ant-api03-EXAMPLE0123456789EXAMPLE0123456789EXAMPLEAA";

fn driver(server: &TestServer) -> Anthropic {
    let admin = AdminCredential::new(Arc::new(CountingSource::default()), arn());
    let http = http(&TestClock::new(), impatient());
    Anthropic::new(Arc::new(http), server.base(), admin)
}

fn handle() -> KeyHandle {
    "apikey_EXAMPLE0001".parse().unwrap()
}

fn error(status: u16, kind: &str, message: &str) -> Reply {
    let error = json!({"type": kind, "message": message});
    Reply::json(
        status,
        &json!({"type": "error", "error": error, "request_id": "req_EXAMPLE"}),
    )
}

fn with_code(status: u16, code: &str) -> Reply {
    let error =
        json!({"type": "rate_limit_error", "message": "No", "details": {"error_code": code}});
    Reply::json(status, &json!({"type": "error", "error": error}))
}

/// P-06: the answer to a change of status.
fn changed(status: &str) -> Reply {
    let file = include_str!("../../fixtures/P-06-anthropic-update-inactive.json");
    let mut key = serde_json::from_str::<Value>(file).unwrap()["response"].take();
    key["status"] = json!(status);
    Reply::json(200, &key)
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Kind {
    Live,
    Money,
    Scope,
    Dead,
    Unknown,
}

fn kind(verdict: &Verdict) -> Kind {
    match verdict {
        Verdict::Live => Kind::Live,
        Verdict::BlockedForMoney(_) => Kind::Money,
        Verdict::BlockedForScope(_) => Kind::Scope,
        Verdict::Dead(_) => Kind::Dead,
        Verdict::Unknown(_) => Kind::Unknown,
    }
}

#[tokio::test]
async fn a_verdict_rests_on_the_body() {
    let models = || json!({"data": [{"id": "m"}], "has_more": false, "new": 1});
    let whole = models().to_string();
    for (name, reply, expected) in [
        ("accepted", Reply::json(200, &models()), Kind::Live),
        (
            "no models",
            Reply::json(200, &json!({"data": []})),
            Kind::Live,
        ),
        (
            "invalid",
            error(401, "authentication_error", "invalid x-api-key"),
            Kind::Dead,
        ),
        (
            "disabled or not found",
            error(404, "not_found_error", "Not found"),
            Kind::Dead,
        ),
        (
            "a browser's request",
            error(
                401,
                "authentication_error",
                "CORS requests are not allowed for this Organization",
            ),
            Kind::Unknown,
        ),
        (
            "payment",
            error(402, "billing_error", "Payment required"),
            Kind::Money,
        ),
        (
            "payment, older",
            error(400, "billing_error", "Payment required"),
            Kind::Money,
        ),
        (
            "own limit",
            error(
                400,
                "invalid_request_error",
                "You have reached your specified API usage limits. You will regain access on 2026-12-01.",
            ),
            Kind::Money,
        ),
        (
            "own workspace limit",
            error(
                400,
                "invalid_request_error",
                "You have reached your specified workspace API usage limits.",
            ),
            Kind::Money,
        ),
        (
            "another bad request",
            error(400, "invalid_request_error", "limit: too large"),
            Kind::Unknown,
        ),
        (
            "tier cap",
            with_code(429, "enforced_spend_limit_reached"),
            Kind::Money,
        ),
        (
            "contract",
            with_code(429, "contract_spend_limit_reached"),
            Kind::Money,
        ),
        ("ramp", with_code(429, "ramp_limit_exceeded"), Kind::Unknown),
        (
            "rate limit",
            error(429, "rate_limit_error", "Rate limited"),
            Kind::Unknown,
        ),
        (
            "permission",
            error(403, "permission_error", "Not permitted"),
            Kind::Scope,
        ),
        (
            "on hold",
            error(403, "invalid_request_error", "on hold"),
            Kind::Unknown,
        ),
        (
            "overloaded",
            error(529, "overloaded_error", "Overloaded"),
            Kind::Unknown,
        ),
        (
            "broken",
            error(500, "api_error", "Internal server error"),
            Kind::Unknown,
        ),
        (
            "a 401 of a proxy",
            Reply::new(401, "<html>login</html>"),
            Kind::Unknown,
        ),
        (
            "a 404 of a proxy",
            Reply::json(404, &json!({"message": "no route"})),
            Kind::Unknown,
        ),
        (
            "a 401 with another type",
            error(401, "api_error", "?"),
            Kind::Unknown,
        ),
        (
            "a proxy's page",
            Reply::new(200, "<html>welcome</html>"),
            Kind::Unknown,
        ),
        (
            "truncated",
            Reply::new(200, &whole.as_bytes()[..whole.len() / 2]),
            Kind::Unknown,
        ),
        (
            "an error inside",
            Reply::json(200, &json!({"data": [], "error": {"type": "api_error"}})),
            Kind::Unknown,
        ),
        ("closed", Reply::Close, Kind::Unknown),
    ] {
        let server = TestServer::always(reply).await;
        let verdict = driver(&server).verify(&ApiKey::new(KEY)).await;
        assert_eq!(kind(&verdict), expected, "{name}: {verdict:?}");
        assert!(!format!("{verdict:?}").contains("EXAMPLE0123"), "{name}");
        let seen = server.seen();
        assert_eq!(seen.len(), 1, "{name}: asked once");
        assert!(seen[0].target.ends_with("/v1/models?limit=1"));
    }
}

#[tokio::test]
async fn statuses_are_set_and_read_back() {
    for (asked, answered, good) in [
        (Status::Inactive, "inactive", Ok(())),
        (Status::Active, "active", Ok(())),
        (Status::Archived, "archived", Ok(())),
        (Status::Inactive, "archived", Err(ProviderError::NotFound)),
        (Status::Active, "archived", Err(ProviderError::NotFound)),
        (Status::Active, "expired", Err(ProviderError::NotFound)),
    ] {
        let server = TestServer::always(changed(answered)).await;
        let driver = driver(&server);
        let got = driver.set_status(&handle(), asked).await;
        assert_eq!(got, good, "{asked:?} {answered}");
        let seen = &server.seen()[0];
        assert_eq!(seen.method, "POST");
        assert!(
            seen.target
                .ends_with("/v1/organizations/api_keys/apikey_EXAMPLE0001")
        );
        assert_eq!(seen.body, json!({ "status": asked }).to_string());
    }
    let server = TestServer::always(changed("active")).await;
    let got = driver(&server).disable(&handle()).await;
    assert!(
        matches!(got, Err(ProviderError::RetryAfter { .. })),
        "{got:?}"
    );
}

#[tokio::test]
async fn a_limit_of_active_keys_and_a_refused_credential_are_told_apart() {
    type Matches = fn(&ProviderError) -> bool;
    let cases: [(&str, Reply, Matches); 5] = [
        (
            "limit",
            with_code(400, "workspace_api_key_limit_exceeded"),
            |e| matches!(e, ProviderError::LimitReached { .. }),
        ),
        (
            "credential",
            error(401, "authentication_error", "invalid x-api-key"),
            |e| matches!(e, ProviderError::AdminCredential { .. }),
        ),
        ("no key", error(404, "not_found_error", "Not found"), |e| {
            *e == ProviderError::NotFound
        }),
        ("a proxy's 404", Reply::new(404, "<html>"), |e| {
            matches!(e, ProviderError::RetryAfter { .. })
        }),
        (
            "bad request",
            error(400, "invalid_request_error", "status"),
            |e| matches!(e, ProviderError::Refused { .. }),
        ),
    ];
    for (name, reply, matches) in cases {
        let server = TestServer::always(reply).await;
        let error = driver(&server).restore(&handle(), &Scope::default()).await;
        let error = error.unwrap_err();
        assert!(matches(&error), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_09_every_page_is_read_and_what_has_ended_is_left_out() {
    let pages = [
        include_str!("../../fixtures/A-09-anthropic-keys-page1.json"),
        include_str!("../../fixtures/A-09-anthropic-keys-page2.json"),
    ];
    let count = |status: &[&str]| -> usize {
        let rows = pages.iter().map(|page| {
            let page: Value = serde_json::from_str(page).unwrap();
            let rows = page["data"].as_array().unwrap().clone();
            rows.iter()
                .filter(|row| status.contains(&row["status"].as_str().unwrap()))
                .count()
        });
        rows.sum()
    };
    let server = TestServer::start(move |number, _| Reply::new(200, pages[number])).await;
    let driver = driver(&server);
    let first = driver.list(&Scope::default(), None).await.unwrap();
    let last = first.next.clone().expect("a second page");
    let second = driver.list(&Scope::default(), Some(&last)).await.unwrap();
    assert_eq!(second.next, None);
    assert_eq!(
        first.keys.len() + second.keys.len(),
        count(&["active", "inactive"])
    );
    assert!(
        server.seen()[1]
            .target
            .contains(&format!("after_id={}", last.0))
    );
}

#[tokio::test]
async fn a_list_that_does_not_go_on_is_an_error_and_never_an_end() {
    for body in [
        json!({"data": [], "has_more": true}),
        json!({"data": [], "has_more": true, "last_id": "apikey_x"}),
        json!({"data": [{"id": "a", "name": "n"}], "has_more": false}),
        json!({"data": [{"id": "a", "name": "n", "status": 1}], "has_more": false}),
        json!({"data": []}),
        json!([]),
    ] {
        let server = TestServer::always(Reply::json(200, &body)).await;
        let page = PageToken("apikey_x".to_owned());
        let got = driver(&server).list(&Scope::default(), Some(&page)).await;
        assert!(
            matches!(got, Err(ProviderError::RetryAfter { .. })),
            "{body}: {got:?}"
        );
    }
}

#[tokio::test]
async fn records_are_read_in_both_shapes() {
    let row = |principal: Value, older: Value, scope: Value| {
        json!({"data": [{
            "id": "apikey_1", "type": "api_key", "name": "n", "status": "inactive",
            "partial_key_hint": "sk-ant-api03-R2D...igAA", "created_at": "2026-05-01T10:00:00.000000Z",
            "expires_at": "2027-05-01T10:00:00Z", "principal": principal, "workspace_id": older, "scope": scope,
        }], "has_more": false, "first_id": "apikey_1", "last_id": "apikey_1"})
    };
    let workspace = json!({"type": "workspace", "workspace_id": "wrkspc_2"});
    for (body, owner, place) in [
        (
            row(Value::Null, Value::Null, Value::Null),
            KeyOwner::Unknown,
            None,
        ),
        (
            row(
                json!({"type": "user_actor", "user_id": "u"}),
                json!("wrkspc_1"),
                Value::Null,
            ),
            KeyOwner::Person,
            Some("wrkspc_1"),
        ),
        (
            row(
                json!({"type": "service_account_actor"}),
                Value::Null,
                workspace,
            ),
            KeyOwner::Service,
            Some("wrkspc_2"),
        ),
        (
            row(
                Value::Null,
                json!("wrkspc_1"),
                json!({"type": "organization"}),
            ),
            KeyOwner::Unknown,
            None,
        ),
    ] {
        let server = TestServer::always(Reply::json(200, &body)).await;
        let page = driver(&server).list(&Scope::default(), None).await.unwrap();
        let key = &page.keys[0];
        assert_eq!((key.owner, key.suspended), (owner, Some(true)));
        assert_eq!(key.workspace.as_ref().map(|id| id.as_str()), place);
        assert_eq!(key.expires, "2027-05-01T10:00:00Z".parse().ok());
        assert!(ApiKey::new("sk-ant-api03-R2DEXAMPLEEXAMPLEigAA").fits(key.redacted.as_str()));
    }
}

#[test]
fn p_06b_there_is_nothing_that_could_create_a_key() {
    let file: Value = serde_json::from_str(include_str!(
        "../../fixtures/P-06b-anthropic-create-refused.json"
    ))
    .unwrap();
    assert_eq!(file["status"], 405, "what the API says to a create");
    let clock = TestClock::new();
    let admin = AdminCredential::new(Arc::new(CountingSource::default()), arn());
    let base = BaseUrl::parse(BASE_URL, &crate::http::AllowedHosts::default()).unwrap();
    let driver = Anthropic::new(Arc::new(http(&clock, impatient())), base, admin);
    assert!(driver.issuer().is_none());
}
