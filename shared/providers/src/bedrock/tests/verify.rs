//! What a key's own answer means.

use serde_json::json;

use super::*;
use crate::http::testing::impatient;

async fn verdict(reply: Reply) -> Verdict {
    let server = TestServer::always(reply).await;
    let verdict = account(&server).driver.verify(&key()).await;
    let seen = server.seen();
    assert_eq!(seen.len(), 1, "asked once");
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("GET", "/api/v1/foundation-models")
    );
    assert_eq!(seen[0].authorization, format!("Bearer {KEY}"));
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
async fn verdicts_are_told_by_kind_and_message() {
    let not_valid = "Authentication failed: Please make sure your API Key is valid.";
    let invalid = "The security token included in the request is invalid.";
    let not_allowed = "User: arn:aws:iam::111122223333:user/bedrock-agent is not authorized to perform: bedrock:CallWithBearerToken on resource: * with an explicit deny in an identity-based policy";
    let own = |status, message: &str| Reply::json(status, &json!({ "Message": message }));
    let kind = |status, kind: &str, message: &str| {
        Reply::json(status, &json!({ "message": message })).with("x-amzn-errortype", kind)
    };
    for (case, reply, expected) in [
        // 200: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html>.
        (
            "models",
            Reply::json(
                200,
                &json!({"modelSummaries": [{"modelId": "m"}], "new": 1}),
            ),
            "live",
        ),
        (
            "no models",
            Reply::json(200, &json!({"modelSummaries": []})),
            "live",
        ),
        ("200 with an error inside", own(200, not_valid), "unknown"),
        (
            "200 of another shape",
            Reply::json(200, &json!({"modelSummaries": null})),
            "unknown",
        ),
        ("200 of a proxy", html(200), "unknown"),
        (
            "truncated",
            Reply::new(200, r#"{"modelSummaries": [{"mod"#),
            "unknown",
        ),
        (
            "half sent",
            Reply::Half(200, br#"{"modelSummaries": []}"#.to_vec()),
            "unknown",
        ),
        // Invalid, expired: reported, not documented.
        ("not a key (any more)", own(403, not_valid), "dead"),
        (
            "the same with its kind",
            kind(403, "AccessDeniedException", not_valid),
            "dead",
        ),
        (
            "the same with its kind in the body",
            Reply::json(
                403,
                &json!({
                    "Message": not_valid, "__type": "com.amazon.coral.service#AccessDeniedException",
                }),
            ),
            "dead",
        ),
        // Documented: CommonErrors, and the user guide's troubleshooting page.
        (
            "unknown client",
            kind(403, "UnrecognizedClientException:http://internal/", invalid),
            "dead",
        ),
        (
            "unknown token",
            kind(
                403,
                "InvalidClientTokenId",
                "The X.509 certificate or AWS access key ID provided does not exist in our records.",
            ),
            "dead",
        ),
        (
            "expired",
            kind(
                403,
                "ExpiredTokenException",
                "The security token included in the request is expired",
            ),
            "dead",
        ),
        // Alive, but not allowed: scope missing, a deny policy, an organisation's policy.
        (
            "not allowed",
            kind(403, "AccessDeniedException", not_allowed),
            "scope",
        ),
        (
            "no access, no words",
            kind(403, "AccessDeniedException", "no"),
            "unknown",
        ),
        (
            "not allowed, kind unknown",
            own(403, not_allowed),
            "unknown",
        ),
        // The message without its kind proves nothing by another status or kind.
        ("invalid without its kind", own(403, invalid), "unknown"),
        ("401", own(401, not_valid), "unknown"),
        (
            "another kind",
            kind(403, "OptInRequired", not_valid),
            "unknown",
        ),
        (
            "not a key's form",
            own(
                403,
                "Invalid API Key format: Must start with pre-defined prefix",
            ),
            "unknown",
        ),
        (
            "a kind by 400",
            kind(400, "UnrecognizedClientException", invalid),
            "unknown",
        ),
        (
            "signature",
            kind(400, "IncompleteSignature", "x"),
            "unknown",
        ),
        // No money: AWS bills later, and has no such answer to a list of models.
        ("402", own(402, "x"), "unknown"),
        (
            "throttled",
            kind(429, "ThrottlingException", "Too many requests").with("retry-after", "1"),
            "unknown",
        ),
        (
            "throttled by 400",
            kind(400, "ThrottlingException", "Rate exceeded"),
            "unknown",
        ),
        (
            "no such operation",
            kind(404, "UnknownOperationException", "x"),
            "unknown",
        ),
        ("500", kind(500, "InternalServerException", "x"), "unknown"),
        (
            "503",
            kind(503, "ServiceUnavailableException", "x"),
            "unknown",
        ),
        ("403 of a proxy", html(403), "unknown"),
        (
            "403 of a proxy with a kind",
            html(403).with("x-amzn-errortype", "UnrecognizedClientException"),
            "unknown",
        ),
        ("401 of a proxy", html(401), "unknown"),
        (
            "redirect",
            Reply::new(302, "").with("location", "https://example.com/"),
            "unknown",
        ),
        ("closed", Reply::Close, "unknown"),
    ] {
        let verdict = verdict(reply).await;
        assert_eq!(name(&verdict), expected, "{case}: {verdict:?}");
    }
}

#[tokio::test]
async fn silence_is_unknown() {
    let server = TestServer::always(Reply::Hang).await;
    let verdict = account_with(&server, impatient())
        .driver
        .verify(&key())
        .await;
    assert_eq!(name(&verdict), "unknown");
    let odd = ApiKey::new("ABSK\n");
    let odd = account(&server)
        .driver
        .verify(&ApiKey::new(&format!("{odd:?}\u{7f}")))
        .await;
    assert_eq!(name(&odd), "unknown");
}

#[tokio::test]
async fn each_look_is_over_a_connection_of_its_own() {
    let server = TestServer::always(Reply::json(200, &json!({"modelSummaries": []}))).await;
    let driver = account(&server).driver;
    for _ in 0..3 {
        assert_eq!(driver.verify(&key()).await, Verdict::Live);
    }
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 1, 2]);
}

#[tokio::test]
async fn a_key_is_told_from_others_by_its_alias() {
    let server = TestServer::always(Reply::new(
        200,
        listed(
            &[
                row("ACCAEXAMPLE3", "Active", "").replace(ALIAS, "bedrock-agent+1-at-111122223333"),
                row(ID, "Active", ""),
                row("ACCAEXAMPLE4", "Active", "").replace(ALIAS, ""),
            ],
            LAST,
        ),
    ))
    .await;
    let driver = account(&server).driver;
    let keys = driver.list(&scope(), None).await.unwrap().keys;
    let fits: Vec<bool> = keys
        .iter()
        .map(|listed| driver.fits(listed, &key()))
        .collect();
    assert_eq!(fits, [false, true, false]);
}
