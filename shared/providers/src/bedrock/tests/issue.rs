//! Creating keys: once, and never silently.

use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::version::{KeyLabel, VersionId};
use secrecy::ExposeSecret;

use super::*;
use crate::http::testing::impatient;

const ACTION: &str = "CreateServiceSpecificCredential";

fn request() -> IssueRequest {
    let id: VersionId = "00000000-1111-4222-8333-444444444444.1".parse().unwrap();
    IssueRequest {
        label: KeyLabel::new(&"support-bot".parse().unwrap(), &id),
        scope: scope(),
        cap: SpendCap {
            amount: MicroDollars(52_500_000),
            period: CapPeriod::Monthly,
        },
        expires: "2027-01-24T15:00:01Z".parse().unwrap(),
        keep: Vec::new(),
    }
}

fn secret(text: &str) -> String {
    format!("<ServiceCredentialSecret>{text}</ServiceCredentialSecret>")
}

fn created(row: &str) -> String {
    let made = format!("<ServiceSpecificCredential>{row}</ServiceSpecificCredential>");
    answer(ACTION, &made)
}

fn whole() -> String {
    let end = "<ExpirationDate>2027-01-25T15:00:00Z</ExpirationDate>";
    let other = "<ServicePassword>EXAMPLEpassword</ServicePassword><New><More>1</More></New>";
    created(&row(ID, "Active", &format!("{}{end}{other}", secret(KEY))))
}

#[tokio::test]
async fn a_key_is_created_with_everything_it_is_born_with() {
    let server = TestServer::always(Reply::new(200, whole())).await;
    let account = account(&server);
    let issued = account.driver.issue(&request()).await.unwrap();
    assert_eq!(issued.key.expose_secret(), KEY, "and not the password");
    assert_eq!(issued.handle, handle());
    let end: Timestamp = "2027-01-25T15:00:00Z".parse().unwrap();
    assert_eq!(issued.expires, Some(end));
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("POST", "/api/v1")
    );
    assert_eq!(
        seen[0].body,
        "Action=CreateServiceSpecificCredential&Version=2010-05-08&UserName=bedrock-agent&CredentialAgeDays=61&ServiceName=bedrock.amazonaws.com"
    );
    let signature = format!("AWS4-HMAC-SHA256 Signature={}", seen[0].body.len());
    assert_eq!(seen[0].authorization, signature);
    let signed = account.signer.0.lock().unwrap().clone();
    let expected = (
        "us-east-1/iam".to_owned(),
        "2026-11-25T15:00:00Z".to_owned(),
    );
    assert_eq!(signed, [expected]);
}

#[test]
fn days_are_whole_and_end_no_earlier_than_asked() {
    let now: Timestamp = "2026-12-01T09:00:00.5Z".parse().unwrap();
    let hours = SignedDuration::from_hours;
    for (left, expected) in [
        (hours(24 * 60), 60),
        (hours(24 * 60) + SignedDuration::from_nanos(1), 61),
        (hours(24 * 60) - SignedDuration::from_nanos(1), 60),
        (hours(1), 1),
        (SignedDuration::ZERO, 1),
        (-hours(48), 1),
        (hours(24 * 40_000), 36_600),
    ] {
        assert_eq!(whole_days(now, now + left), expected, "{left}");
    }
}

#[tokio::test]
async fn no_outcome_makes_a_second_request() {
    type Check = fn(&ProviderError) -> bool;
    let ambiguous: Check = |e| matches!(e, ProviderError::Ambiguous { .. });
    let retry: Check = |e| matches!(e, ProviderError::RetryAfter { .. });
    let admin: Check = |e| matches!(e, ProviderError::AdminCredential { .. });
    let refused: Check = |e| matches!(e, ProviderError::Refused { .. });
    let limit: Check = |e| matches!(e, ProviderError::LimitReached { .. });
    let whole = whole();
    let with = |text: &str| Reply::new(200, created(&row(ID, "Active", text)));
    for (name, reply, check) in [
        (
            "half sent",
            Reply::Half(200, whole.clone().into_bytes()),
            ambiguous,
        ),
        ("closed", Reply::Close, ambiguous),
        (
            "truncated",
            Reply::new(200, &whole.as_bytes()[..whole.len() / 2]),
            ambiguous,
        ),
        (
            "one byte short",
            Reply::new(200, &whole.as_bytes()[..whole.len() - 1]),
            ambiguous,
        ),
        ("no secret", with(""), ambiguous),
        (
            "a password only",
            with("<ServicePassword>EXAMPLE0123456789</ServicePassword>"),
            ambiguous,
        ),
        ("empty secret", with(&secret(" ")), ambiguous),
        (
            "another kind of text",
            with(&secret("EXAMPLE0123456789abcdef")),
            ambiguous,
        ),
        (
            "no handle",
            Reply::new(200, whole.replace(ID, "")),
            ambiguous,
        ),
        (
            "an odd handle",
            Reply::new(200, whole.replace(ID, "a/b")),
            ambiguous,
        ),
        (
            "another user",
            Reply::new(200, whole.replace(">bedrock-agent<", ">other<")),
            ambiguous,
        ),
        (
            "another service",
            Reply::new(
                200,
                whole.replace("bedrock.amazonaws", "codecommit.amazonaws"),
            ),
            ambiguous,
        ),
        (
            "not active",
            Reply::new(200, whole.replace("Active", "Inactive")),
            ambiguous,
        ),
        (
            "an odd end",
            Reply::new(200, whole.replace("2027-01-25T", "soon")),
            ambiguous,
        ),
        (
            "another answer",
            Reply::new(200, answer("DeleteServiceSpecificCredential", "")),
            ambiguous,
        ),
        (
            "200 with an error inside",
            match error(500, "ServiceFailure", "x") {
                Reply::Whole(_, headers, body) => Reply::Whole(200, headers, body),
                other => other,
            },
            ambiguous,
        ),
        ("JSON", Reply::new(200, "{}"), ambiguous),
        ("empty 2xx", Reply::new(204, ""), ambiguous),
        ("500", error(500, "ServiceFailure", "Internal"), ambiguous),
        ("503", error(503, "ServiceUnavailable", "Later"), ambiguous),
        ("502 page", html(502), ambiguous),
        ("403 page", html(403), ambiguous),
        ("404 page", html(404), ambiguous),
        ("409 page", html(409), ambiguous),
        (
            "302",
            Reply::new(302, "").with("location", "https://example.com/"),
            ambiguous,
        ),
        ("429", html(429).with("retry-after", "1"), retry),
        (
            "throttled",
            error(400, "Throttling", "Rate exceeded"),
            retry,
        ),
        (
            "role's session over",
            error(403, "ExpiredToken", "expired"),
            retry,
        ),
        (
            "not allowed",
            error(403, "AccessDenied", "User: x is not authorized"),
            admin,
        ),
        (
            "no such role",
            error(403, "InvalidClientTokenId", "invalid"),
            admin,
        ),
        (
            "bad signature",
            error(403, "SignatureDoesNotMatch", "x"),
            admin,
        ),
        (
            "full",
            error(409, "LimitExceeded", "Cannot exceed quota"),
            limit,
        ),
        (
            "no such user",
            error(404, "NoSuchEntity", "The user cannot be found"),
            refused,
        ),
        (
            "no such service",
            error(404, "NotSupportedService", "x"),
            refused,
        ),
        ("odd input", error(400, "ValidationError", "x"), refused),
    ] {
        let server = TestServer::always(reply).await;
        let account = account(&server);
        let error = account.driver.issue(&request()).await.expect_err(name);
        assert!(check(&error), "{name}: {error:?}");
        assert_eq!(server.seen().len(), 1, "{name}: sent once");
        assert!(account.clock.slept().is_empty(), "{name}");
        let shown = format!("{error:?} {error}");
        assert!(!shown.contains("EXAMPLE0123"), "{name}: {shown}");
    }
}

#[tokio::test]
async fn no_answer_in_time_is_ambiguous() {
    let server = TestServer::always(Reply::Hang).await;
    let outcome = account_with(&server, impatient())
        .driver
        .issue(&request())
        .await;
    assert!(
        matches!(outcome, Err(ProviderError::Ambiguous { .. })),
        "{outcome:?}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn errors_never_hold_a_credential() {
    for status in [400, 403, 404, 409, 500] {
        let message = format!("EXAMPLE-session-token may not make {KEY}");
        let server = TestServer::always(error(status, "Other", &message)).await;
        let error = account(&server).driver.issue(&request()).await.unwrap_err();
        let shown = format!("{error:?} {error}");
        assert!(
            !shown.contains("session-token") && !shown.contains("0123456789ab"),
            "{shown}"
        );
    }
}
