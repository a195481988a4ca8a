//! Creating keys: once, with a text that is made here, and never silently.

use jiff::Timestamp;
use keyward_core::model::money::{CapPeriod, MicroDollars};
use keyward_core::model::version::VersionId;

use super::*;
use crate::http::testing::{Seen, impatient};

fn request(scope: Scope) -> IssueRequest {
    let id: VersionId = "00000000-1111-4222-8333-444444444444.1".parse().unwrap();
    IssueRequest {
        label: keyward_core::model::version::KeyLabel::new(&"support-bot".parse().unwrap(), &id),
        scope,
        cap: SpendCap {
            amount: MicroDollars(52_500_001),
            period: CapPeriod::Daily,
        },
        expires: "2026-11-26T15:00:00.987Z".parse().unwrap(),
        keep: Vec::new(),
    }
}

fn sent(seen: &Seen) -> Value {
    serde_json::from_str(&seen.body).unwrap()
}

/// Answers a create as the proxy does, with the text that it was sent.
fn created(seen: &Seen, change: impl FnOnce(&mut Value)) -> Value {
    let text = sent(seen)["key"].as_str().unwrap().to_owned();
    let hash = ApiKey::new(&text).fingerprint().to_hex();
    let mut body = row(|r| {
        r["token"] = json!(hash);
        r["expires"] = json!("2026-11-26T15:00:00Z");
    });
    body["key"] = json!(text);
    body["token_id"] = json!(hash);
    change(&mut body);
    body
}

async fn proxy() -> TestServer {
    TestServer::start(|_, seen| Reply::json(200, &created(seen, |_| {}))).await
}

#[tokio::test]
async fn a_key_is_created_with_everything_it_is_born_with() {
    let server = proxy().await;
    let scope = Scope {
        workspace: Some("team-EXAMPLE-1".parse().unwrap()),
        models: vec!["gpt-4o-mini".parse().unwrap()],
        endpoints: vec!["/v1/models".parse().unwrap()],
        ..Scope::default()
    };
    let issued = account(&server)
        .driver
        .issue(&request(scope))
        .await
        .unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("POST", "/api/v1/key/generate")
    );
    let mut body = sent(&seen[0]);
    let text = body["key"].take();
    let text = text.as_str().unwrap();
    assert_eq!(issued.key.expose_secret(), text);
    assert_eq!(
        issued.handle.as_str(),
        ApiKey::new(text).fingerprint().to_hex()
    );
    let random = text.strip_prefix("sk-").unwrap();
    assert!(random.len() == 64 && random.bytes().all(|b| b.is_ascii_hexdigit()));
    assert!(seen[0].body.contains(r#""max_budget":52.500001,"#), "exact");
    body["key"] = json!("");
    let expected = json!({
        "key": "", "key_alias": "keyward-support-bot--00000000-1111-4222-8333-444444444444-1",
        "duration": "86400s", "max_budget": 52.500001, "budget_duration": "1d", "team_id": "team-EXAMPLE-1",
        "models": ["gpt-4o-mini"], "allowed_routes": ["/v1/models"], "metadata": {"managed_by": "keyward"},
    });
    assert_eq!(body, expected);
    let expires: Timestamp = "2026-11-26T15:00:00Z".parse().unwrap();
    assert_eq!(issued.expires, Some(expires));
}

#[tokio::test]
async fn an_empty_list_is_never_sent() {
    let server = proxy().await;
    let driver = account(&server).driver;
    driver.issue(&request(Scope::default())).await.unwrap();
    let body = sent(&server.seen()[0]);
    for field in ["models", "allowed_routes", "team_id"] {
        assert!(
            body.get(field).is_none(),
            "{field}: it would permit everything"
        );
    }
    assert_eq!(body["key_type"], "llm_api", "models, and not the proxy");
}

#[tokio::test]
async fn no_two_texts_are_the_same() {
    let server = proxy().await;
    let driver = account(&server).driver;
    for _ in 0..20 {
        driver.issue(&request(Scope::default())).await.unwrap();
    }
    let mut texts: Vec<String> = server
        .seen()
        .iter()
        .map(|seen| sent(seen)["key"].to_string())
        .collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 20);
}

#[tokio::test]
async fn a_key_that_would_have_ended_is_not_asked_for() {
    let server = proxy().await;
    let past = IssueRequest {
        expires: "2026-11-25T15:00:00.5Z".parse().unwrap(),
        ..request(Scope::default())
    };
    let refused = account(&server).driver.issue(&past).await;
    assert!(
        matches!(refused, Err(ProviderError::Refused { .. })),
        "{refused:?}"
    );
    assert_eq!(server.seen().len(), 0);
}

type Check = fn(&ProviderError) -> bool;

#[tokio::test]
async fn no_outcome_makes_a_second_request() {
    let ambiguous: Check = |e| matches!(e, ProviderError::Ambiguous { .. });
    let retry: Check = |e| matches!(e, ProviderError::RetryAfter { .. });
    let admin: Check = |e| matches!(e, ProviderError::AdminCredential { .. });
    let refused: Check = |e| matches!(e, ProviderError::Refused { .. });
    let taken = json!({"error": {
        "message": "Key with alias 'x' already exists. Unique key aliases across all keys are required.",
        "type": "bad_request_error", "param": "key_alias", "code": "400",
    }});
    let bad_alias = json!({"error": {
        "message": "Invalid key_alias: must not contain control characters", "type": "bad_request_error",
        "param": "key_alias", "code": "400",
    }});
    let disabled = "{'error': 'Custom API key values are disabled by your administrator.'}";
    for (name, reply, check) in [
        ("closed", Reply::Close, ambiguous),
        ("empty 2xx", Reply::new(204, ""), ambiguous),
        ("200 page", html(200), ambiguous),
        ("500", error(500, "internal_server_error", "x"), ambiguous),
        (
            "no database",
            error(503, "no_db_connection", "x"),
            ambiguous,
        ),
        ("502 page", html(502), ambiguous),
        ("408", error(408, "x", "x"), ambiguous),
        ("401 page", html(401), ambiguous),
        ("404 page", html(404), ambiguous),
        ("a name that is taken", Reply::json(400, &taken), ambiguous),
        (
            "a name that is refused",
            Reply::json(400, &bad_alias),
            refused,
        ),
        (
            "429",
            error(429, "throttling_error", "x").with("retry-after", "1"),
            retry,
        ),
        ("401", error(401, "token_not_found_in_db", "x"), admin),
        ("403", error(403, "auth_error", "x"), admin),
        (
            "no text of the caller's",
            error(403, "internal_server_error", disabled),
            refused,
        ),
        ("400", error(400, "bad_request_error", "x"), refused),
        (
            "404",
            error(404, "not_found_error", "no such team"),
            refused,
        ),
        (
            "422 by validation",
            Reply::json(
                422,
                &json!({"detail": [{"loc": ["body"], "msg": "x", "type": "missing"}]}),
            ),
            refused,
        ),
    ] {
        let server = TestServer::always(reply).await;
        let account = account(&server);
        let error = account
            .driver
            .issue(&request(Scope::default()))
            .await
            .expect_err(name);
        assert!(check(&error), "{name}: {error:?}");
        assert_eq!(server.seen().len(), 1, "{name}");
        assert!(account.clock.slept().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn an_answer_about_another_key_is_ambiguous() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 5] = [
        ("no key", |b| drop(b.as_object_mut().unwrap().remove("key"))),
        ("another key", |b| {
            b["key"] = json!("sk-EXAMPLEanother0123456789")
        }),
        ("another hash", |b| b["token_id"] = json!("f0".repeat(32))),
        ("an error beside it", |b| {
            b["error"] = json!({"code": "500"})
        }),
        ("a key that is none", |b| b["key"] = json!(null)),
    ];
    for (name, change) in changes {
        let server =
            TestServer::start(move |_, seen| Reply::json(200, &created(seen, change))).await;
        let issued = account(&server)
            .driver
            .issue(&request(Scope::default()))
            .await;
        assert!(
            matches!(issued, Err(ProviderError::Ambiguous { .. })),
            "{name}: {issued:?}"
        );
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn no_answer_in_time_is_ambiguous() {
    let server = TestServer::always(Reply::Hang).await;
    let account = account_with(&server, impatient());
    let outcome = account.driver.issue(&request(Scope::default())).await;
    assert!(
        matches!(outcome, Err(ProviderError::Ambiguous { .. })),
        "{outcome:?}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn errors_never_hold_a_credential() {
    let server = TestServer::start(|_, seen| {
        let text = sent(seen)["key"].as_str().unwrap().to_owned();
        error(
            400,
            "bad_request_error",
            &format!("ADMIN-EXAMPLE-1 may not make {text}"),
        )
    })
    .await;
    let account = account(&server);
    let error = account
        .driver
        .issue(&request(Scope::default()))
        .await
        .unwrap_err();
    let text = sent(&server.seen()[0])["key"].as_str().unwrap().to_owned();
    let shown = format!("{error:?} {error}");
    assert!(shown.contains("[hidden]"), "{shown}");
    assert!(
        !shown.contains("ADMIN-EXAMPLE-1") && !shown.contains(&text[10..30]),
        "{shown}"
    );
}
