//! What `verify` makes of every kind of answer.

use proptest::prelude::*;

use super::*;
use crate::http::testing::impatient;

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

fn current(change: impl FnOnce(&mut Value)) -> Value {
    let mut data = json!({
        "label": "sk-or-v1-EX...def", "limit": 100, "limit_remaining": 74.5, "limit_reset": "monthly",
        "include_byok_in_limit": false, "usage": 25.5, "usage_daily": 1, "usage_weekly": 2, "usage_monthly": 25.5,
        "byok_usage": 0, "byok_usage_daily": 0, "byok_usage_weekly": 0, "byok_usage_monthly": 0,
        "is_free_tier": false, "is_management_key": false, "is_provisioning_key": false,
        "creator_user_id": "user_EXAMPLE", "expires_at": null,
        "rate_limit": {"requests": -1, "interval": "10s", "note": "deprecated"},
    });
    change(&mut data);
    json!({"data": data})
}

fn live(change: impl FnOnce(&mut Value)) -> Reply {
    Reply::json(200, &current(change))
}

fn with_metadata(status: u16, metadata: Value) -> Reply {
    let error = json!({"code": status, "message": "Forbidden", "metadata": metadata});
    Reply::json(status, &json!({"error": error}))
}

fn truncated() -> Reply {
    let body = current(|_| {}).to_string();
    Reply::new(200, &body.as_bytes()[..body.len() / 2])
}

fn table() -> Vec<(&'static str, Reply, Kind)> {
    vec![
        ("accepted", live(|_| {}), Kind::Live),
        (
            "no limit",
            live(|d| {
                d["limit"] = json!(null);
                d["limit_remaining"] = json!(null);
            }),
            Kind::Live,
        ),
        (
            "unlimited, odd rest",
            live(|d| {
                d["limit"] = json!(null);
                d["limit_remaining"] = json!(0);
            }),
            Kind::Live,
        ),
        (
            "unknown fields",
            live(|d| d["new"] = json!({"a": [1]})),
            Kind::Live,
        ),
        (
            "no rest told",
            live(|d| drop(d.as_object_mut().unwrap().remove("limit_remaining"))),
            Kind::Live,
        ),
        (
            "limit used up",
            live(|d| d["limit_remaining"] = json!(0)),
            Kind::Money,
        ),
        (
            "limit overdrawn",
            live(|d| d["limit_remaining"] = json!(-0.25)),
            Kind::Money,
        ),
        (
            "management key",
            live(|d| d["is_management_key"] = json!(true)),
            Kind::Scope,
        ),
        (
            "provisioning key",
            live(|d| d["is_provisioning_key"] = json!(true)),
            Kind::Scope,
        ),
        (
            "invalid",
            error(401, "No auth credentials found"),
            Kind::Dead,
        ),
        ("revoked", error(401, "User not found."), Kind::Dead),
        ("disabled", error(401, "API key disabled"), Kind::Dead),
        (
            "out of credit",
            error(402, "Insufficient credits"),
            Kind::Money,
        ),
        (
            "key limit",
            error(403, "Key limit exceeded (total limit)."),
            Kind::Money,
        ),
        (
            "workspace budget",
            error(403, "Workspace monthly budget of $50 exceeded"),
            Kind::Money,
        ),
        (
            "guardrail budget",
            with_metadata(403, json!({"limit_source": "openrouter_guardrail_budget"})),
            Kind::Money,
        ),
        (
            "unknown limit",
            with_metadata(403, json!({"limit_source": "something_else"})),
            Kind::Unknown,
        ),
        (
            "scope missing",
            error(403, "Only management keys can perform this operation"),
            Kind::Scope,
        ),
        (
            "permission",
            with_metadata(403, json!({"error_type": "permission_denied"})),
            Kind::Scope,
        ),
        (
            "other 403",
            error(403, "Your country is not supported"),
            Kind::Unknown,
        ),
        (
            "rate limited",
            error(429, "Rate limit exceeded").with("retry-after", "20"),
            Kind::Unknown,
        ),
        (
            "rate limited, no hint",
            error(429, "Rate limit exceeded"),
            Kind::Unknown,
        ),
        (
            "server error",
            error(500, "Internal Server Error"),
            Kind::Unknown,
        ),
        ("bad gateway", html(502), Kind::Unknown),
        ("400", error(400, "Bad request"), Kind::Unknown),
        ("404", error(404, "Not found"), Kind::Unknown),
        ("401 page of a proxy", html(401), Kind::Unknown),
        ("403 page of a proxy", html(403), Kind::Unknown),
        ("402 page of a proxy", html(402), Kind::Unknown),
        ("200 page of a proxy", html(200), Kind::Unknown),
        ("401 with nothing", Reply::new(401, ""), Kind::Unknown),
        (
            "401 of another API",
            Reply::json(
                401,
                &json!({"error": {"type": "authentication_error", "message": "invalid x-api-key"}}),
            ),
            Kind::Unknown,
        ),
        (
            "401, flat error",
            Reply::json(401, &json!({"error": "Unauthorized"})),
            Kind::Unknown,
        ),
        (
            "401 that speaks of 500",
            Reply::json(401, &json!({"error": {"code": 500, "message": "x"}})),
            Kind::Unknown,
        ),
        (
            "401, code as text",
            Reply::json(401, &json!({"error": {"code": "401", "message": "x"}})),
            Kind::Unknown,
        ),
        (
            "401, longer than is read",
            error(401, &"x".repeat(9000)),
            Kind::Unknown,
        ),
        (
            "200 with an error inside",
            Reply::json(
                200,
                &json!({"error": {"code": 401, "message": "No auth credentials found"}}),
            ),
            Kind::Unknown,
        ),
        (
            "200 with both inside",
            Reply::json(200, &{
                let mut b = current(|_| {});
                b["error"] = json!({"code": 500});
                b
            }),
            Kind::Unknown,
        ),
        (
            "200 of another shape",
            Reply::json(200, &json!({"data": []})),
            Kind::Unknown,
        ),
        (
            "200 without label",
            live(|d| drop(d.as_object_mut().unwrap().remove("label"))),
            Kind::Unknown,
        ),
        (
            "200 with text as rest",
            live(|d| d["limit_remaining"] = json!("much")),
            Kind::Unknown,
        ),
        ("201", Reply::json(201, &current(|_| {})), Kind::Unknown),
        ("truncated JSON", truncated(), Kind::Unknown),
        (
            "redirect",
            Reply::new(302, "").with("location", "https://example.com/"),
            Kind::Unknown,
        ),
        (
            "half sent",
            Reply::Half(200, current(|_| {}).to_string().into_bytes()),
            Kind::Unknown,
        ),
        (
            "half a refusal",
            Reply::Half(
                401,
                br#"{"error":{"code":401,"message":"No"}}       "#.to_vec(),
            ),
            Kind::Unknown,
        ),
        ("closed", Reply::Close, Kind::Unknown),
    ]
}

#[tokio::test]
async fn every_answer_has_its_verdict_after_one_request() {
    for (name, reply, expected) in table() {
        let server = TestServer::always(reply).await;
        let account = account(&server);
        let verdict = account.driver.verify(&key()).await;
        assert_eq!(kind(&verdict), expected, "{name}: {verdict:?}");
        let seen = server.seen();
        assert_eq!(seen.len(), 1, "{name}");
        assert_eq!(
            (seen[0].method.as_str(), seen[0].target.as_str()),
            ("GET", "/api/v1/key")
        );
        assert_eq!(seen[0].authorization, format!("Bearer {KEY}"));
        assert_eq!(
            account.source.fetches(),
            0,
            "{name}: no admin credential is needed"
        );
    }
}

#[tokio::test]
async fn no_answer_in_time_is_unknown() {
    let server = TestServer::always(Reply::Hang).await;
    let verdict = account_with(&server, impatient())
        .driver
        .verify(&key())
        .await;
    assert_eq!(kind(&verdict), Kind::Unknown, "{verdict:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_key_that_cannot_be_sent_is_unknown() {
    let server = TestServer::always(error(401, "No")).await;
    let verdict = account(&server).driver.verify(&ApiKey::new("a\nb")).await;
    assert_eq!(kind(&verdict), Kind::Unknown);
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn each_verify_has_a_connection_of_its_own() {
    let server = TestServer::always(live(|_| {})).await;
    let account = account(&server);
    for _ in 0..3 {
        account.driver.verify(&key()).await;
    }
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 1, 2]);
}

#[tokio::test]
async fn the_recorded_refusals_of_an_agents_key_are_told_apart() {
    let file = include_str!("../../../fixtures/P-14-openrouter-errors.json");
    let recorded: Vec<Value> = serde_json::from_str(file).unwrap();
    let mut kinds = Vec::new();
    for answer in &recorded {
        let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
        let server = TestServer::always(Reply::json(status, &answer["body"])).await;
        kinds.push(kind(&account(&server).driver.verify(&key()).await));
    }
    assert_eq!(kinds, [Kind::Money, Kind::Money, Kind::Dead, Kind::Scope]);
}

#[tokio::test]
async fn the_recorded_rate_limits_are_unknown() {
    let file = include_str!("../../../fixtures/P-05-429-variants.json");
    let recorded: Vec<Value> = serde_json::from_str(file).unwrap();
    assert_eq!(recorded.len(), 4);
    for answer in &recorded {
        let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
        let server = TestServer::always(Reply::json(status, &answer["body"])).await;
        assert_eq!(
            kind(&account(&server).driver.verify(&key()).await),
            Kind::Unknown
        );
    }
}

#[tokio::test]
async fn a_verdict_never_holds_the_key() {
    for status in [400, 401, 402, 403, 429, 500] {
        let server = TestServer::always(error(
            status,
            &format!("Key limit exceeded: {KEY} {}", &KEY[20..40]),
        ))
        .await;
        let verdict = account(&server).driver.verify(&key()).await;
        let shown = format!("{verdict:?}");
        assert!(shown.contains("[hidden]"), "{shown}");
        assert!(!shown.contains("0123456789ab"), "{shown}");
    }
}

/// What the classification makes of an answer, without a network.
fn classify(status: u16, body: Vec<u8>) -> Kind {
    let answer = crate::http::Answer {
        status: http::StatusCode::from_u16(status).unwrap(),
        body,
        retry_after: None,
        error_type: None,
        detail: OutsideText::default(),
    };
    kind(&verdict::of(&answer))
}

proptest! {
    #[test]
    fn arbitrary_bytes_prove_nothing(status in 200_u16..600, body in prop::collection::vec(any::<u8>(), 0..256)) {
        let kind = classify(status, body);
        prop_assert_eq!(kind, Kind::Unknown);
    }

    #[test]
    fn arbitrary_json_proves_nothing(status in 200_u16..600, key in "[a-z]{0,8}", text in ".{0,32}", n in any::<i64>()) {
        for body in [json!({"error": {&key: n, "message": &text}}), json!({"data": {&key: &text, "limit": n}}), json!(text), json!([n])] {
            let kind = classify(status, body.to_string().into_bytes());
            prop_assert_eq!(kind, Kind::Unknown);
        }
    }

    #[test]
    fn a_cut_answer_proves_nothing(cut in 1_usize..400) {
        let body = current(|_| {}).to_string().into_bytes();
        let cut = cut.min(body.len() - 1);
        prop_assert_eq!(classify(200, body[..cut].to_vec()), Kind::Unknown);
    }
}
