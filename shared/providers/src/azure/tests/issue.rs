//! Which key is regenerated, and what is made of the answer.

use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::version::{KeyLabel, VersionId};

use super::*;

fn request(keep: &[KeyHandle]) -> IssueRequest {
    let id = VersionId {
        secret_version: "11111111-aaaa-4bbb-8ccc-000000000001".parse().unwrap(),
        attempt: 1,
    };
    IssueRequest {
        label: KeyLabel::new(&"support-bot".parse().unwrap(), &id),
        scope: Scope::default(),
        cap: SpendCap {
            amount: MicroDollars(1),
            period: CapPeriod::Daily,
        },
        expires: "2027-01-31T09:00:00Z".parse().unwrap(),
        keep: keep.to_vec(),
    }
}

/// Lists both keys, and answers a regenerate so.
async fn regenerates(reply: Reply) -> TestServer {
    arm(move |seen| {
        if is(seen, "/listKeys") {
            pair(KEY1, KEY2)
        } else {
            reply.clone()
        }
    })
    .await
}

/// P-09: the key that is not in use is named, as Azure spells it; the new text is the one of that name.
#[tokio::test]
async fn the_idle_key_is_regenerated_and_read_by_its_name() {
    let (one, two) = (handle_of("Key1", KEY1), handle_of("Key2", KEY2));
    // What the place held before is as good a reason to keep off it as what it holds now.
    let former = handle_of("Key1", "EXAMPLE-former");
    for (keep, name, answer) in [
        (vec![], "Key2", (KEY1, NEW)),
        (vec![one.clone()], "Key2", (KEY1, NEW)),
        (vec![former], "Key2", (KEY1, NEW)),
        (vec![two.clone()], "Key1", (NEW, KEY2)),
    ] {
        let server = regenerates(pair(answer.0, answer.1)).await;
        let issued = account(&server).issue(&request(&keep)).await.unwrap();
        assert_eq!(issued.key.fingerprint(), ApiKey::new(NEW).fingerprint());
        assert_eq!(issued.handle, handle_of(name, NEW));
        assert_eq!(issued.expires, None);
        let sent = sent(&server, "/regenerateKey");
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].body, format!(r#"{{"keyName":"{name}"}}"#));
        let target = format!("{ACCOUNT}/regenerateKey?api-version=2025-09-01");
        assert_eq!(
            (sent[0].method.as_str(), &sent[0].target),
            ("POST", &target)
        );
        assert_eq!(sent[0].authorization, format!("Bearer {ACCESS}"));
    }
}

#[tokio::test]
async fn nothing_is_regenerated_where_no_key_is_known_to_be_idle() {
    let server = regenerates(pair(NEW, NEW)).await;
    let driver = account(&server);
    let both = [handle_of("Key1", KEY1), handle_of("Key2", KEY2)];
    let refused = driver.issue(&request(&both)).await;
    assert!(
        matches!(refused, Err(ProviderError::LimitReached { .. })),
        "{refused:?}"
    );
    for other in ["agents-west/Key1/0123456789ab", "key_EXAMPLE"] {
        let refused = driver.issue(&request(&[other.parse().unwrap()])).await;
        assert!(
            matches!(refused, Err(ProviderError::Refused { .. })),
            "{other}: {refused:?}"
        );
    }
    assert_eq!(server.seen().len(), 0);
}

/// P-09b and others: what came back, and what is said of it. Sent once, whatever it was.
#[tokio::test]
async fn answers_to_a_create_are_told_apart() {
    let name = "The key name 'key1' is invalid. Valid values are 'Key1' and 'Key2'.";
    for (case, reply, expected) in [
        ("bad key name", error(400, "BadRequest", name), "Refused"),
        ("unchanged", pair(KEY1, KEY2), "Ambiguous"),
        ("the other one changed", pair(NEW, KEY2), "Ambiguous"),
        (
            "one key",
            Reply::json(200, &json!({"key2": NEW})),
            "Ambiguous",
        ),
        ("an empty key", pair(KEY1, ""), "Ambiguous"),
        ("twice the same", pair(NEW, NEW), "Ambiguous"),
        (
            "an error beside",
            Reply::json(
                200,
                &json!({"key1": KEY1, "key2": NEW, "error": {"code": "x"}}),
            ),
            "Ambiguous",
        ),
        (
            "truncated",
            Reply::new(200, r#"{"key1": "EXAM"#),
            "Ambiguous",
        ),
        (
            "half sent",
            Reply::Half(200, b"{\"key1\": 1}".to_vec()),
            "Ambiguous",
        ),
        ("closed", Reply::Close, "Ambiguous"),
        ("a page", html(200), "Ambiguous"),
        ("a proxy's 403", html(403), "Ambiguous"),
        (
            "at fault",
            error(500, "InternalServerError", "x"),
            "Ambiguous",
        ),
        (
            "another change",
            error(409, "RequestConflict", "x"),
            "Ambiguous",
        ),
        (
            "no such resource",
            error(404, "ResourceNotFound", "x"),
            "Refused",
        ),
        (
            "a policy",
            error(403, "RequestDisallowedByPolicy", "x"),
            "Refused",
        ),
        (
            "no role",
            error(403, "AuthorizationFailed", "x"),
            "AdminCredential",
        ),
        (
            "a bad token",
            error(401, "ExpiredAuthenticationToken", "x"),
            "AdminCredential",
        ),
        (
            "too many",
            error(429, "TooManyRequests", "x").with("retry-after", "17"),
            "RetryAfter { after: Some(17s)",
        ),
    ] {
        let server = regenerates(reply).await;
        let refused = account(&server).issue(&request(&[])).await.err();
        let told = format!("{refused:?}");
        assert!(
            told.starts_with(&format!("Some({expected}")),
            "{case}: {told}"
        );
        assert!(!told.contains("EXAMPLE0"), "{case}: {told}");
        assert_eq!(sent(&server, "/regenerateKey").len(), 1, "{case}");
    }
}
