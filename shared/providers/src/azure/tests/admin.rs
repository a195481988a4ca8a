//! Listing and ending texts, and the token that it takes.

use super::*;
use crate::http::testing::impatient;

#[tokio::test]
async fn both_keys_are_listed_without_their_texts() {
    let server = arm(|_| pair(KEY1, KEY2)).await;
    let driver = account(&server);
    let page = driver.list(&Scope::default(), None).await.unwrap();
    assert_eq!(page.next, None);
    let handles: Vec<_> = page.keys.iter().map(|key| key.handle.clone()).collect();
    assert_eq!(handles, [handle_of("Key1", KEY1), handle_of("Key2", KEY2)]);
    let shown = format!("{page:?}");
    assert!(
        !shown.contains("0123456789ab") && !shown.contains("fedcba98"),
        "{shown}"
    );
    for (n, fits) in [(0, true), (1, false)] {
        assert_eq!(driver.fits(&page.keys[n], &key()), fits);
        let hint = key().hint(&KEY_FORMAT);
        assert!(
            page.keys[n].may_be(&hint),
            "the last four are the same here"
        );
    }
    let list = &sent(&server, "/listKeys")[0];
    let target = format!("{ACCOUNT}/listKeys?api-version=2025-09-01");
    assert_eq!((list.method.as_str(), &list.target), ("POST", &target));
    assert_eq!(list.body, "");
    let other = driver
        .list(&Scope::default(), Some(&PageToken("2".into())))
        .await;
    assert!(
        matches!(other, Err(ProviderError::Refused { .. })),
        "{other:?}"
    );
}

#[tokio::test]
async fn a_key_is_there_as_long_as_it_has_the_text_of_the_handle() {
    let server = arm(|_| pair(KEY1, KEY2)).await;
    let driver = account(&server);
    let got = driver.get(&handle_of("Key1", KEY1)).await.unwrap();
    assert_eq!(got.unwrap().label.as_str(), "Key1");
    for (place, text) in [("Key1", NEW), ("Key2", KEY1)] {
        assert_eq!(driver.get(&handle_of(place, text)).await, Ok(None));
    }
    let other = driver
        .get(&"agents-west/Key1/0123456789ab".parse().unwrap())
        .await;
    assert!(
        matches!(other, Err(ProviderError::Refused { .. })),
        "{other:?}"
    );
}

/// What is not the handle's text any more is not touched.
#[tokio::test]
async fn only_the_text_of_the_handle_is_ended() {
    let server = arm(|seen| {
        if is(seen, "/listKeys") {
            pair(KEY1, KEY2)
        } else {
            pair(NEW, KEY2)
        }
    })
    .await;
    let driver = account(&server);
    for (place, text) in [("Key1", NEW), ("Key2", KEY1)] {
        let gone = driver.delete(&handle_of(place, text)).await;
        assert_eq!(gone, Err(ProviderError::NotFound));
    }
    assert_eq!(sent(&server, "/regenerateKey").len(), 0);
    assert_eq!(driver.delete(&handle_of("Key1", KEY1)).await, Ok(()));
    let sent = sent(&server, "/regenerateKey");
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].body, r#"{"keyName":"Key1"}"#);
}

/// Sent once; what became of it is seen by the next look at the list.
#[tokio::test]
async fn an_end_that_was_not_answered_is_looked_at_again() {
    for (case, reply) in [
        ("closed", Reply::Close),
        ("a page", html(200)),
        ("at fault", error(503, "ServerTimeout", "x")),
        ("another change", error(409, "RequestConflict", "x")),
        ("unchanged", pair(KEY1, KEY2)),
    ] {
        let server = arm(move |seen| {
            if is(seen, "/listKeys") {
                pair(KEY1, KEY2)
            } else {
                reply.clone()
            }
        })
        .await;
        let ended = account(&server).delete(&handle_of("Key1", KEY1)).await;
        assert!(
            matches!(ended, Err(ProviderError::RetryAfter { .. })),
            "{case}: {ended:?}"
        );
        assert_eq!(sent(&server, "/regenerateKey").len(), 1, "{case}");
    }
}

#[tokio::test]
async fn neither_key_can_be_suspended() {
    let server = arm(|_| pair(KEY1, KEY2)).await;
    let (driver, handle) = (account(&server), handle_of("Key1", KEY1));
    let disabled = driver.disable(&handle).await;
    assert!(matches!(disabled, Err(ProviderError::Unsupported(_))));
    let restored = driver.restore(&handle, &Scope::default()).await;
    assert!(matches!(restored, Err(ProviderError::Unsupported(_))));
    assert_eq!(server.seen().len(), 0);
}

/// A token is asked for once, in a form, with the secret in its body and nowhere else; a refused one is asked for anew.
#[tokio::test]
async fn the_client_secret_is_exchanged_for_a_token() {
    let server = TestServer::start(|n, seen| {
        if is(seen, "/token") {
            access()
        } else if n == 3 {
            error(401, "ExpiredAuthenticationToken", "x")
        } else {
            pair(KEY1, KEY2)
        }
    })
    .await;
    let (driver, source) = account_with(&server, patient());
    let mut ends = Vec::new();
    for _ in 0..4 {
        ends.push(driver.list(&Scope::default(), None).await.is_ok());
    }
    assert_eq!(ends, [true; 4]);
    assert_eq!(source.fetches(), 2);
    let tokens = sent(&server, "/token");
    assert_eq!(tokens.len(), 2);
    let target = "/api/v1/example.onmicrosoft.com/oauth2/v2.0/token";
    assert_eq!(
        (tokens[0].method.as_str(), tokens[0].target.as_str()),
        ("POST", target)
    );
    assert_eq!(tokens[0].authorization, "");
    assert_eq!(
        tokens[0].body,
        "grant_type=client_credentials&client_id=20000000-aaaa-4bbb-8ccc-000000000002&client_secret=ADMIN-EXAMPLE-1\
         &scope=https%3A%2F%2Fmanagement.azure.com%2F.default"
    );
}

#[tokio::test]
async fn answers_to_the_exchange_are_told_apart() {
    let oauth = |status, kind: &str| {
        let description = "AADSTS7000215: Invalid client secret ADMIN-EXAMPLE-1 provided.";
        let body =
            json!({"error": kind, "error_description": description, "error_codes": [7_000_215]});
        Reply::json(status, &body)
    };
    let token = |body: &str| Reply::new(200, body);
    for (case, reply, expected) in [
        (
            "a bad secret",
            oauth(401, "invalid_client"),
            "AdminCredential",
        ),
        (
            "no such application",
            oauth(400, "unauthorized_client"),
            "AdminCredential",
        ),
        (
            "no such tenant",
            oauth(400, "invalid_request"),
            "AdminCredential",
        ),
        (
            "for now",
            oauth(400, "temporarily_unavailable"),
            "RetryAfter",
        ),
        (
            "at fault",
            oauth(503, "temporarily_unavailable"),
            "RetryAfter",
        ),
        ("too many", oauth(429, "invalid_request"), "RetryAfter"),
        ("a proxy's 401", html(401), "RetryAfter"),
        ("a page", html(200), "RetryAfter"),
        ("no token", token(r#"{"expires_in": 3599}"#), "RetryAfter"),
        (
            "an empty one",
            token(r#"{"expires_in": 3599, "access_token": ""}"#),
            "RetryAfter",
        ),
        (
            "one at its end",
            token(r#"{"expires_in": 0, "access_token": "x"}"#),
            "RetryAfter",
        ),
        ("closed", Reply::Close, "RetryAfter"),
        ("silence", Reply::Hang, "RetryAfter"),
    ] {
        let server = TestServer::always(reply).await;
        let driver = account_with(&server, impatient()).0;
        let refused = driver.list(&Scope::default(), None).await.err();
        let told = format!("{refused:?}");
        assert!(
            told.starts_with(&format!("Some({expected}")),
            "{case}: {told}"
        );
        assert!(!told.contains("ADMIN-EXAMPLE"), "{case}: {told}");
    }
}
