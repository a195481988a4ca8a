//! What `verify` makes of every kind of answer.

use proptest::prelude::*;

use super::*;

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
    let model = json!({"id": "example-model", "object": "model", "created": 1, "owned_by": "x"});
    json!({"object": "list", "data": [model]})
}

fn limited(kind: &str, code: Option<&str>) -> Reply {
    let error = json!({"message": "You exceeded it.", "type": kind, "param": null, "code": code});
    Reply::json(429, &json!({ "error": error }))
}

fn table() -> Vec<(&'static str, Reply, Kind)> {
    let invalid = Some("invalid_api_key");
    let missing = "You have insufficient permissions for this operation. Missing scopes: \
                   api.model.read. Check that you have the correct role in your organization";
    vec![
        ("accepted", Reply::json(200, &models()), Kind::Live),
        ("no model at all", list(&[], false), Kind::Live),
        (
            "unknown or deleted",
            error(401, "Incorrect API key provided: sk-svcac***.", invalid),
            Kind::Dead,
        ),
        ("missing scopes", error(401, missing, None), Kind::Scope),
        ("missing, 403", error(403, missing, None), Kind::Scope),
        (
            "missing, by code",
            error(403, "No.", Some("missing_scope")),
            Kind::Scope,
        ),
        (
            "dead in words only",
            error(401, "Incorrect API key provided.", None),
            Kind::Unknown,
        ),
        (
            "missing in words, another code",
            error(401, missing, Some("something_else")),
            Kind::Unknown,
        ),
        (
            "no member",
            error(
                401,
                "You must be a member of an organization to use the API",
                None,
            ),
            Kind::Unknown,
        ),
        (
            "address",
            error(401, "IP not authorized", Some("ip_not_authorized")),
            Kind::Unknown,
        ),
        (
            "account closed",
            error(401, "Deactivated.", Some("account_deactivated")),
            Kind::Unknown,
        ),
        (
            "country",
            error(
                403,
                "Country not supported",
                Some("unsupported_country_region_territory"),
            ),
            Kind::Unknown,
        ),
        (
            "the code, another status",
            error(403, "No.", invalid),
            Kind::Unknown,
        ),
        (
            "the code with 400",
            error(400, "No.", invalid),
            Kind::Unknown,
        ),
        (
            "no credit",
            limited("billing", Some("credit_balance_exhausted")),
            Kind::Money,
        ),
        (
            "organization's limit",
            limited("billing", Some("organization_spend_limit_exceeded")),
            Kind::Money,
        ),
        (
            "project's limit",
            limited("insufficient_quota", Some("project_spend_limit_exceeded")),
            Kind::Money,
        ),
        (
            "usage limit",
            limited("billing", Some("organization_usage_limit_exceeded")),
            Kind::Money,
        ),
        (
            "quota",
            limited("insufficient_quota", Some("insufficient_quota")),
            Kind::Money,
        ),
        (
            "quota by type",
            limited("insufficient_quota", None),
            Kind::Money,
        ),
        (
            "the code comes first",
            limited("insufficient_quota", Some("rate_limit_exceeded")),
            Kind::Unknown,
        ),
        (
            "rate limit",
            limited("requests", Some("rate_limit_exceeded")),
            Kind::Unknown,
        ),
        (
            "slow down",
            limited("rate_limit_error", Some("slow_down")),
            Kind::Unknown,
        ),
        (
            "server error",
            error(500, "The server had an error", None),
            Kind::Unknown,
        ),
        ("overloaded", error(503, "Overloaded", None), Kind::Unknown),
        ("404", error(404, "Not found", None), Kind::Unknown),
        ("401 page of a proxy", html(401), Kind::Unknown),
        ("403 page of a proxy", html(403), Kind::Unknown),
        ("200 page of a proxy", html(200), Kind::Unknown),
        ("502 page of a proxy", html(502), Kind::Unknown),
        ("401 with nothing", Reply::new(401, ""), Kind::Unknown),
        (
            "401 of another API",
            Reply::json(
                401,
                &json!({"error": {"message": "No", "type": "x", "code": "invalid_api_key"}}),
            ),
            Kind::Unknown,
        ),
        (
            "401, flat error",
            Reply::json(401, &json!({"error": "invalid_api_key"})),
            Kind::Unknown,
        ),
        (
            "200 with an error inside",
            Reply::json(200, &json!({"error": {"code": "invalid_api_key"}})),
            Kind::Unknown,
        ),
        (
            "200 with both inside",
            Reply::json(200, &{
                let mut both = models();
                both["error"] = json!({"code": "x"});
                both
            }),
            Kind::Unknown,
        ),
        (
            "200 of another shape",
            Reply::json(200, &json!({"object": "model", "data": []})),
            Kind::Unknown,
        ),
        ("201", Reply::json(201, &models()), Kind::Unknown),
        (
            "truncated JSON",
            Reply::new(200, &models().to_string().as_bytes()[..40]),
            Kind::Unknown,
        ),
        (
            "half a refusal",
            Reply::Half(
                401,
                br#"{"error":{"code":"invalid_api_key"}}        "#.to_vec(),
            ),
            Kind::Unknown,
        ),
        (
            "redirect",
            Reply::new(302, "").with("location", "https://example.com/"),
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
        let request = (seen[0].method.as_str(), seen[0].target.as_str());
        assert_eq!(request, ("GET", "/api/v1/models"));
        assert_eq!(seen[0].authorization, format!("Bearer {KEY}"));
        assert_eq!(account.source.fetches(), 0, "{name}: no admin credential");
    }
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

/// P-05: no rate limit says anything about a key.
#[tokio::test]
async fn p_05_the_recorded_rate_limits_are_unknown() {
    let file = include_str!("../../../fixtures/P-05-429-variants.json");
    let answers: Vec<Value> = serde_json::from_str(file).unwrap();
    assert_eq!(answers.len(), 4);
    for answer in &answers {
        let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
        let server = TestServer::always(Reply::json(status, &answer["body"])).await;
        let verdict = account(&server).driver.verify(&key()).await;
        assert_eq!(kind(&verdict), Kind::Unknown);
    }
}

#[tokio::test]
async fn a_verdict_never_holds_the_key() {
    for status in [400, 401, 403, 429, 500] {
        let message = format!("Incorrect API key provided: {KEY} {}", &KEY[20..40]);
        let server = TestServer::always(error(status, &message, Some("invalid_api_key"))).await;
        let shown = format!("{:?}", account(&server).driver.verify(&key()).await);
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
        prop_assert_eq!(classify(status, body), Kind::Unknown);
    }

    #[test]
    fn arbitrary_errors_prove_nothing(status in 200_u16..600, kind in "[a-z]{0,8}", text in "[a-z ]{0,32}", code in "[a-p_]{1,12}") {
        let error = json!({"message": text, "type": kind, "param": null, "code": code});
        for body in [json!({ "error": error }), error, json!({"data": [text]}), json!([code])] {
            prop_assert_eq!(classify(status, body.to_string().into_bytes()), Kind::Unknown);
        }
    }

    #[test]
    fn a_cut_answer_proves_nothing(cut in 1_usize..90) {
        let body = models().to_string().into_bytes();
        let cut = cut.min(body.len() - 1);
        prop_assert_eq!(classify(200, body[..cut].to_vec()), Kind::Unknown);
    }
}
