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

fn models() -> Value {
    json!({"models": [
        {"name": "models/embedding-1", "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/gemini-1", "supportedGenerationMethods": ["generateContent", "countTokens"]},
    ], "nextPageToken": "x"})
}

fn expired() -> Reply {
    let mut body: Value = json!({"error": {"code": 400, "message": "API key expired. Please renew the API key.",
        "status": "INVALID_ARGUMENT", "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID", "domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"}}]}});
    body["error"]["details"].as_array_mut().unwrap().insert(
        0,
        json!({"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US"}),
    );
    Reply::json(400, &body)
}

fn known() -> Vec<(&'static str, Reply, Kind)> {
    let live = |body: Value| Reply::json(200, &body);
    let denied = |reason| error(403, "PERMISSION_DENIED", reason);
    vec![
        ("accepted", live(models()), Kind::Live),
        ("no models yet", live(json!({"models": []})), Kind::Live),
        (
            "unknown fields",
            live(json!({"models": [{"new": 1}], "new": {"a": [1]}})),
            Kind::Live,
        ),
        (
            "invalid, revoked or deleted",
            error(400, "INVALID_ARGUMENT", "API_KEY_INVALID"),
            Kind::Dead,
        ),
        ("new, or expired", expired(), Kind::Dead),
        (
            "suspended here",
            denied("API_KEY_IP_ADDRESS_BLOCKED"),
            Kind::Scope,
        ),
        (
            "scope missing",
            denied("API_KEY_SERVICE_BLOCKED"),
            Kind::Scope,
        ),
        (
            "for browsers",
            denied("API_KEY_HTTP_REFERRER_BLOCKED"),
            Kind::Scope,
        ),
        ("service off", denied("SERVICE_DISABLED"), Kind::Scope),
        (
            "project suspended",
            denied("CONSUMER_SUSPENDED"),
            Kind::Scope,
        ),
        (
            "account's permission",
            denied("IAM_PERMISSION_DENIED"),
            Kind::Scope,
        ),
        ("no billing", denied("BILLING_DISABLED"), Kind::Money),
    ]
}

fn others() -> Vec<(&'static str, Reply, Kind)> {
    let body = models().to_string();
    let refusal = r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"no","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#;
    let truncated = |text: &str| text.as_bytes()[..text.len() / 2].to_vec();
    let replies = [
        ("another argument", error(400, "INVALID_ARGUMENT", "")),
        (
            "another reason",
            error(400, "INVALID_ARGUMENT", "PARAMETER_INVALID"),
        ),
        ("not here", error(400, "FAILED_PRECONDITION", "")),
        (
            "invalid, by 401",
            error(401, "UNAUTHENTICATED", "API_KEY_INVALID"),
        ),
        (
            "invalid, by 403",
            error(403, "PERMISSION_DENIED", "API_KEY_INVALID"),
        ),
        (
            "a bound key that is new",
            error(401, "UNAUTHENTICATED", "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        ),
        ("leaked, or who knows", error(403, "PERMISSION_DENIED", "")),
        (
            "wrong organisation",
            error(403, "PERMISSION_DENIED", "ORG_RESTRICTION_VIOLATION"),
        ),
        ("not found", error(404, "NOT_FOUND", "")),
        (
            "rate limited",
            error(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED").with("retry-after", "20"),
        ),
        ("out of credit", error(429, "RESOURCE_EXHAUSTED", "")),
        ("server error", error(500, "INTERNAL", "")),
        ("overloaded", error(503, "UNAVAILABLE", "")),
        ("400 page of a proxy", html(400)),
        ("401 page of a proxy", html(401)),
        ("403 page of a proxy", html(403)),
        ("502 page of a proxy", html(502)),
        ("200 page of a proxy", html(200)),
        ("400 with nothing", Reply::new(400, "")),
        (
            "400 that speaks of 403",
            Reply::new(400, refusal.replace("400", "403")),
        ),
        (
            "400 of another domain",
            Reply::new(400, refusal.replace("googleapis.com\"}", "example.com\"}")),
        ),
        (
            "400 with a reason elsewhere",
            Reply::json(
                400,
                &json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "API_KEY_INVALID", "reason": "API_KEY_INVALID"}}),
            ),
        ),
        (
            "200 with an error inside",
            Reply::json(
                200,
                &json!({"error": {"code": 400, "status": "INVALID_ARGUMENT"}}),
            ),
        ),
        (
            "200 with both inside",
            Reply::json(200, &json!({"models": [], "error": {"code": 500}})),
        ),
        ("200 with nothing inside", Reply::json(200, &json!({}))),
        (
            "200 of another shape",
            Reply::json(200, &json!({"models": {}})),
        ),
        ("201", Reply::json(201, &models())),
        ("truncated JSON", Reply::new(200, truncated(&body))),
        ("a truncated refusal", Reply::new(400, truncated(refusal))),
        (
            "redirect",
            Reply::new(302, "").with("location", "https://example.com/"),
        ),
        ("half sent", Reply::Half(200, body.clone().into_bytes())),
        (
            "half a refusal",
            Reply::Half(400, format!("{refusal}{}", " ".repeat(250)).into_bytes()),
        ),
        ("closed", Reply::Close),
    ];
    let unknown = |(name, reply)| (name, reply, Kind::Unknown);
    replies.into_iter().map(unknown).collect()
}

#[tokio::test]
async fn every_answer_has_its_verdict_after_one_request() {
    for (name, reply, expected) in known().into_iter().chain(others()) {
        let server = TestServer::always(reply).await;
        let account = account(&server);
        let verdict = account.driver.verify(&ApiKey::new(KEY)).await;
        assert_eq!(kind(&verdict), expected, "{name}: {verdict:?}");
        let seen = server.seen();
        assert_eq!(seen.len(), 1, "{name}");
        assert_eq!(
            (seen[0].method.as_str(), seen[0].target.as_str()),
            ("GET", "/v1beta/models?pageSize=1")
        );
        assert_eq!(seen[0].authorization, "", "no administrator asks");
        assert_eq!(account.source.1.load(Ordering::SeqCst), 0, "{name}");
    }
}

/// A bound key lists models first, and what that says other than "live" is said.
#[tokio::test]
async fn a_bound_key_counts_tokens_too() {
    let counted = || Reply::json(200, &json!({"totalTokens": 1}));
    let counts = known()
        .into_iter()
        .filter(|(_, _, kind)| *kind != Kind::Live);
    let counts = counts
        .chain(others())
        .chain([("counted", counted(), Kind::Live)]);
    for (name, reply, expected) in counts {
        let server = TestServer::start(move |_, seen| match seen.method.as_str() {
            "POST" => reply.clone(),
            _ => Reply::json(200, &models()),
        })
        .await;
        let verdict = account(&server)
            .driver
            .verify(&ApiKey::new(BOUND_KEY))
            .await;
        assert_eq!(kind(&verdict), expected, "{name}: {verdict:?}");
        let seen = server.seen();
        assert_eq!(seen[0].target, "/v1beta/models?pageSize=50");
        assert_eq!(
            seen[1].target, "/v1beta/models/gemini-1:countTokens",
            "{name}"
        );
    }
    for (name, reply, expected) in known().into_iter().chain(others()) {
        if expected == Kind::Live {
            continue;
        }
        let server = TestServer::always(reply).await;
        let verdict = account(&server)
            .driver
            .verify(&ApiKey::new(BOUND_KEY))
            .await;
        assert_eq!(kind(&verdict), expected, "{name}: {verdict:?}");
        assert_eq!(server.seen().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_bound_key_without_a_model_to_count_with_is_unknown() {
    for name in ["", "models/", "models/../x", "tunedModels/a", "models/a?b"] {
        let listed =
            json!({"models": [{"name": name, "supportedGenerationMethods": ["countTokens"]}]});
        let server = TestServer::always(Reply::json(200, &listed)).await;
        let verdict = account(&server)
            .driver
            .verify(&ApiKey::new(BOUND_KEY))
            .await;
        assert_eq!(kind(&verdict), Kind::Unknown, "{name}");
        assert_eq!(server.seen().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn no_answer_in_time_is_unknown() {
    let server = TestServer::always(Reply::Hang).await;
    let account = account_with(&server, impatient());
    let verdict = account.driver.verify(&ApiKey::new(KEY)).await;
    assert_eq!(kind(&verdict), Kind::Unknown, "{verdict:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn each_verify_has_a_connection_of_its_own() {
    let server = TestServer::always(Reply::json(200, &models())).await;
    let account = account(&server);
    for _ in 0..3 {
        account.driver.verify(&ApiKey::new(KEY)).await;
    }
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 1, 2]);
}

#[tokio::test]
async fn a_verdict_never_holds_the_key() {
    for key in [KEY, BOUND_KEY] {
        let message = format!("no such key: {key} {}", &key[5..30]);
        let body =
            json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": message}});
        let server = TestServer::always(Reply::json(403, &body)).await;
        let verdict = account(&server).driver.verify(&ApiKey::new(key)).await;
        let shown = format!("{verdict:?}");
        assert!(shown.contains("[hidden]"), "{shown}");
        assert!(!shown.contains("0123456789ab"), "{shown}");
    }
}

/// What the classification makes of an answer, without a network.
fn classify(status: u16, body: Vec<u8>) -> Kind {
    let answer = crate::http::Answer {
        error_type: None,
        status: http::StatusCode::from_u16(status).unwrap(),
        body,
        retry_after: None,
        detail: OutsideText::default(),
    };
    let counted = kind(&verdict::of_a_count(&answer));
    let listed = kind(&verdict::of(&answer));
    assert_eq!(counted, listed);
    listed
}

proptest! {
    #[test]
    fn arbitrary_bytes_prove_nothing(status in 200_u16..600, body in prop::collection::vec(any::<u8>(), 0..256)) {
        prop_assert_eq!(classify(status, body), Kind::Unknown);
    }

    #[test]
    fn arbitrary_json_proves_nothing(status in 200_u16..600, key in "[a-z]{0,8}", text in ".{0,32}", n in any::<i64>()) {
        for body in [json!({"error": {&key: n, "message": &text, "status": &text}}), json!({"models": {&key: &text}}), json!(text), json!([n])] {
            prop_assert_eq!(classify(status, body.to_string().into_bytes()), Kind::Unknown);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(body in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = wire::read::<wire::Listed>(&body);
        let _ = wire::read::<Row>(&body).and_then(|row| row.into_record("p"));
        let _ = Operation::read(&body);
        let _ = wire::error_body(http::StatusCode::BAD_REQUEST, &body);
    }
}
