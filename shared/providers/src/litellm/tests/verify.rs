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
    json!({"data": [{"id": "gpt-4o-mini", "object": "model", "created": 1, "owned_by": "openai"}], "object": "list"})
}

const BLOCKED: &str =
    "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.";
const ROUTE: &str = "Virtual key is not allowed to call this route. Only allowed to call routes: ['/x']. Tried to call route: /v1/models";
const UNKNOWN_KEY: &str = "Authentication Error, Invalid API key provided.";
const EXPIRED: &str =
    "Authentication Error - Expired Key. Key Expiry time 2026-11-01 and current time 2026-11-25";
const BUDGET: &str = "Budget has been exceeded! Current cost: 5.1, Max budget: 5.0";

fn accepted_or_refused() -> Vec<(&'static str, Reply, Kind)> {
    let live = |body: Value| Reply::json(200, &body);
    vec![
        ("accepted", live(models()), Kind::Live),
        (
            "no models yet",
            live(json!({"data": [], "object": "list"})),
            Kind::Live,
        ),
        (
            "unknown fields",
            live(json!({"data": [1], "new": {"a": [1]}})),
            Kind::Live,
        ),
        (
            "invalid or deleted",
            error(401, "token_not_found_in_db", UNKNOWN_KEY),
            Kind::Dead,
        ),
        ("expired", error(401, "expired_key", EXPIRED), Kind::Dead),
        (
            "expired, as older releases say it",
            error(400, "expired_key", EXPIRED),
            Kind::Dead,
        ),
        ("suspended", error(401, "auth_error", BLOCKED), Kind::Dead),
        (
            "over budget",
            error(422, "budget_exceeded", BUDGET),
            Kind::Money,
        ),
        (
            "over budget, as it was",
            error(429, "budget_exceeded", BUDGET),
            Kind::Money,
        ),
        (
            "over budget, older still",
            error(400, "budget_exceeded", BUDGET),
            Kind::Money,
        ),
        (
            "model denied to the key",
            error(403, "key_model_access_denied", "not available"),
            Kind::Scope,
        ),
        (
            "model denied to the team",
            error(401, "team_model_access_denied", "not available"),
            Kind::Scope,
        ),
        ("route denied", error(403, "auth_error", ROUTE), Kind::Scope),
        (
            "team blocked",
            error(
                401,
                "auth_error",
                "Authentication Error, Team=t1 is blocked. Update via `/team/unblock` if you're an admin.",
            ),
            Kind::Scope,
        ),
    ]
}

fn others() -> Vec<(&'static str, Reply, Kind)> {
    let body = models().to_string();
    let refusal = r#"{"error":{"message":"no","type":"token_not_found_in_db","code":"401"}}"#;
    let truncated = |text: &str| text.as_bytes()[..text.len() / 2].to_vec();
    let flat = json!({"message": "x", "type": "token_not_found_in_db", "code": "401"});
    let replies = [
        (
            "401 of any kind",
            error(401, "auth_error", "Authentication Error, no"),
        ),
        (
            "blocked, in the middle of other words",
            error(
                401,
                "auth_error",
                "Authentication Error, model 'Key is blocked.'",
            ),
        ),
        ("blocked, by 403", error(403, "auth_error", BLOCKED)),
        (
            "unknown key, by 404",
            error(404, "token_not_found_in_db", UNKNOWN_KEY),
        ),
        (
            "wrong organisation",
            error(403, "auth_error", "User not in organization"),
        ),
        (
            "no database",
            error(503, "no_db_connection", "No connected db."),
        ),
        (
            "rate limited",
            error(429, "throttling_error", "Slow").with("retry-after", "20"),
        ),
        ("server error", error(500, "internal_server_error", "x")),
        ("401 page of a proxy", html(401)),
        ("403 page of a proxy", html(403)),
        ("404 page of a proxy", html(404)),
        ("502 page of a proxy", html(502)),
        ("200 page of a proxy", html(200)),
        ("401 with nothing", Reply::new(401, "")),
        ("401 in a flat form", Reply::json(401, &flat)),
        (
            "401 that speaks of 403",
            Reply::json(
                401,
                &json!({"error": {"message": "x", "type": "token_not_found_in_db", "code": "403"}}),
            ),
        ),
        (
            "401 without a code",
            Reply::json(
                401,
                &json!({"error": {"message": "x", "type": "token_not_found_in_db"}}),
            ),
        ),
        (
            "401 of OpenAI behind it",
            Reply::json(
                401,
                &json!({"error": {"message": "x", "type": "invalid_request_error", "param": null, "code": "invalid_api_key"}}),
            ),
        ),
        (
            "401 of the framework",
            Reply::json(401, &json!({"detail": "Unauthorized"})),
        ),
        (
            "200 with an error inside",
            Reply::json(
                200,
                &json!({"error": {"message": "x", "type": "token_not_found_in_db", "code": "401"}}),
            ),
        ),
        (
            "200 with both inside",
            Reply::json(200, &json!({"data": [], "error": {"code": "500"}})),
        ),
        (
            "200 of another shape",
            Reply::json(200, &json!({"data": {}})),
        ),
        ("201", Reply::json(201, &models())),
        ("truncated JSON", Reply::new(200, truncated(&body))),
        ("a truncated refusal", Reply::new(401, truncated(refusal))),
        (
            "redirect",
            Reply::new(302, "").with("location", "https://example.com/"),
        ),
        ("half sent", Reply::Half(200, body.clone().into_bytes())),
        (
            "half a refusal",
            Reply::Half(401, format!("{refusal}{}", " ".repeat(90)).into_bytes()),
        ),
        ("closed", Reply::Close),
    ];
    let unknown = |(name, reply)| (name, reply, Kind::Unknown);
    replies.into_iter().map(unknown).collect()
}

#[tokio::test]
async fn every_answer_has_its_verdict_after_one_request() {
    for (name, reply, expected) in accepted_or_refused().into_iter().chain(others()) {
        let server = TestServer::always(reply).await;
        let account = account(&server);
        let verdict = account.driver.verify(&key()).await;
        assert_eq!(kind(&verdict), expected, "{name}: {verdict:?}");
        let seen = server.seen();
        assert_eq!(seen.len(), 1, "{name}");
        assert_eq!(
            (seen[0].method.as_str(), seen[0].target.as_str()),
            ("GET", "/api/v1/v1/models")
        );
        assert_eq!(seen[0].authorization, format!("Bearer {KEY}"));
        assert_eq!(account.source.fetches(), 0, "{name}");
    }
}

#[tokio::test]
async fn no_answer_in_time_is_unknown() {
    let server = TestServer::always(Reply::Hang).await;
    let account = account_with(&server, impatient());
    let verdict = account.driver.verify(&key()).await;
    assert_eq!(kind(&verdict), Kind::Unknown, "{verdict:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn each_verify_has_a_connection_of_its_own() {
    let server = TestServer::always(Reply::json(200, &models())).await;
    let account = account(&server);
    for _ in 0..3 {
        account.driver.verify(&key()).await;
    }
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 1, 2]);
}

#[tokio::test]
async fn a_verdict_never_holds_the_key() {
    for (status, kind) in [
        (401, "auth_error"),
        (401, "token_not_found_in_db"),
        (422, "budget_exceeded"),
    ] {
        let message = format!("no such key: {KEY} {}", &KEY[5..30]);
        let server = TestServer::always(error(status, kind, &message)).await;
        let verdict = account(&server).driver.verify(&key()).await;
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
    kind(&verdict::of(&answer))
}

proptest! {
    #[test]
    fn arbitrary_bytes_prove_nothing(status in 200_u16..600, body in prop::collection::vec(any::<u8>(), 0..256)) {
        prop_assert_eq!(classify(status, body), Kind::Unknown);
    }

    #[test]
    fn arbitrary_json_proves_nothing(status in 200_u16..600, key in "[a-z]{0,8}", text in ".{0,32}", n in any::<i64>()) {
        for body in [json!({"error": {&key: n, "message": &text, "type": &text}}), json!({"data": {&key: &text}}), json!(text), json!([n])] {
            prop_assert_eq!(classify(status, body.to_string().into_bytes()), Kind::Unknown);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(body in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = wire::read::<Listed>(&body).and_then(Listed::into_records);
        let _ = wire::read::<KeyInfo>(&body).and_then(|info| info.about(&handle()));
        let _ = wire::read::<Created>(&body);
        let _ = wire::read::<Deleted>(&body);
        let _ = wire::error_body(http::StatusCode::BAD_REQUEST, &body);
    }
}
