//! What a key's own answer means.

use super::*;
use crate::http::testing::impatient;

async fn verdict(reply: Reply) -> Verdict {
    let server = TestServer::always(reply).await;
    let verdict = account(&server).verify(&key()).await;
    let seen = server.seen();
    assert_eq!(seen.len(), 1, "asked once, and without a token");
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("GET", "/api/v1/openai/models?api-version=2024-10-21")
    );
    assert_eq!(seen[0].authorization, "", "a header of its own");
    let shown = format!("{verdict:?}");
    assert!(!shown.contains("0123456789ab"), "{shown}");
    verdict
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Live => "live",
        Verdict::BlockedForMoney(_) => "money",
        Verdict::BlockedForScope(_) => "scope",
        Verdict::Dead(_) => "dead",
        Verdict::Unknown(_) => "unknown",
    }
}

#[tokio::test]
async fn verdicts_are_told_by_the_body() {
    let no_such_key = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.";
    let no_token = "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or have expired.";
    let echo = format!("{no_such_key} {KEY1}");
    for (case, reply, expected) in [
        (
            "models",
            Reply::json(
                200,
                &json!({"object": "list", "data": [{"id": "m"}], "new": 1}),
            ),
            "live",
        ),
        (
            "no models",
            Reply::json(200, &json!({"object": "list", "data": []})),
            "live",
        ),
        (
            "200 with an error beside the list",
            Reply::json(
                200,
                &json!({"object": "list", "data": [], "error": {"code": "401"}}),
            ),
            "unknown",
        ),
        (
            "200 with an error",
            error(200, "401", no_such_key),
            "unknown",
        ),
        (
            "another object",
            Reply::json(200, &json!({"object": "model", "data": []})),
            "unknown",
        ),
        (
            "no list",
            Reply::json(200, &json!({"object": "list", "data": null})),
            "unknown",
        ),
        ("200 of a proxy", html(200), "unknown"),
        ("204", Reply::new(204, ""), "unknown"),
        (
            "truncated",
            Reply::new(200, r#"{"object": "list", "data": [{"#),
            "unknown",
        ),
        (
            "half sent",
            Reply::Half(200, br#"{"object": "list", "data": []}"#.to_vec()),
            "unknown",
        ),
        (
            "not a key (any more)",
            error(401, "401", no_such_key),
            "dead",
        ),
        (
            "as some gateways of Azure's write it",
            error(401, "Unauthorized", no_such_key),
            "dead",
        ),
        ("the key in the answer", error(401, "401", &echo), "dead"),
        (
            "the same with another status",
            error(403, "401", no_such_key),
            "unknown",
        ),
        ("no token", error(401, "401", no_token), "unknown"),
        (
            "no role",
            error(
                401,
                "PermissionDenied",
                "Principal does not have access to API/Operation.",
            ),
            "unknown",
        ),
        (
            "401 without a message",
            Reply::json(401, &json!({"error": {"code": "401"}})),
            "unknown",
        ),
        (
            "401 with a number for a code",
            Reply::json(
                401,
                &json!({"error": {"code": 401, "message": no_such_key}}),
            ),
            "unknown",
        ),
        (
            "401 of API Management",
            Reply::json(
                401,
                &json!({"statusCode": 401, "message": "Access denied due to invalid subscription key."}),
            ),
            "unknown",
        ),
        ("401 of a proxy", html(401), "unknown"),
        ("401 without a body", Reply::new(401, ""), "unknown"),
        (
            "keys are off",
            error(
                403,
                "AuthenticationTypeDisabled",
                "Key based authentication is disabled for this resource.",
            ),
            "scope",
        ),
        (
            "a firewall",
            error(
                403,
                "403",
                "Access denied due to Virtual Network/Firewall rules.",
            ),
            "unknown",
        ),
        ("403 of a proxy", html(403), "unknown"),
        (
            "another version",
            error(404, "404", "Resource not found"),
            "unknown",
        ),
        (
            "too many",
            error(429, "429", "Requests have exceeded call rate limit.").with("retry-after", "7"),
            "unknown",
        ),
        (
            "at fault",
            error(500, "InternalServerError", "x"),
            "unknown",
        ),
        (
            "elsewhere",
            Reply::new(302, "").with("location", "https://example.com/"),
            "unknown",
        ),
        ("closed", Reply::Close, "unknown"),
    ] {
        assert_eq!(name(&verdict(reply).await), expected, "{case}");
    }
}

#[tokio::test]
async fn silence_is_unknown() {
    let server = TestServer::always(Reply::Hang).await;
    let verdict = account_with(&server, impatient()).0.verify(&key()).await;
    assert_eq!(name(&verdict), "unknown");
    let odd = account_with(&server, impatient())
        .0
        .verify(&ApiKey::new("a\nb"))
        .await;
    assert_eq!(name(&odd), "unknown");
}
