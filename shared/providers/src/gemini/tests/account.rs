//! A service account's key for access tokens.

use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward_core::ports::Clock;
use secrecy::ExposeSecret;

use super::*;
use crate::http::Failure;

const LIST: &str = "/v2/projects/example-1/locations/global/keys?pageSize=100";

async fn list(account: &Account) -> Result<Page, ProviderError> {
    account.driver.list(&scope(), None).await
}

#[tokio::test]
async fn a_signed_claim_is_sent_where_the_configuration_says_and_its_token_used() {
    let server = always(Reply::json(200, &json!({}))).await;
    let account = account(&server);
    assert_eq!(list(&account).await.unwrap().keys, []);
    let seen = server.seen();
    assert_eq!(
        (seen[0].method.as_str(), &*seen[0].target),
        ("POST", "/token")
    );
    assert_eq!(seen[0].authorization, "");
    let body = seen[0].body.strip_prefix(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=",
    );
    let parts: Vec<&str> = body.unwrap().split('.').collect();
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let read = |part: &str| serde_json::from_slice::<Value>(&decode(part)).unwrap();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "EXAMPLE1"});
    assert_eq!(read(parts[0]), header);
    let now = account.clock.now().as_second();
    let claims = json!({
        "iss": "keyward@example-1.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": format!("http://{}/token", server.addr), "iat": now, "exp": now + 3600,
    });
    assert_eq!(read(parts[1]), claims);
    let public = pair().public_key();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.as_ref())
        .verify(
            format!("{}.{}", parts[0], parts[1]).as_bytes(),
            &decode(parts[2]),
        )
        .unwrap();
    assert_eq!(
        (&*seen[1].target, &*seen[1].authorization),
        (LIST, &*format!("Bearer {TOKEN}"))
    );
    list(&account).await.unwrap();
    assert_eq!(server.seen().len(), 3, "one token for both");
}

#[tokio::test]
async fn what_the_token_endpoint_says_is_told_apart() {
    let oauth = |status, error: &str| {
        Reply::json(status, &json!({"error": error, "error_description": "no"}))
    };
    for (name, reply, is_refusal) in [
        ("revoked", oauth(400, "invalid_grant"), true),
        ("unknown", oauth(401, "invalid_client"), true),
        ("busy", oauth(503, "temporarily_unavailable"), false),
        ("rate limited", oauth(429, "slow_down"), false),
        ("another form", error(400, "INVALID_ARGUMENT", ""), false),
        ("proxy", html(403), false),
        ("proxy with 200", html(200), false),
        ("nothing inside", Reply::json(200, &json!({})), false),
        (
            "no end",
            Reply::json(200, &json!({"access_token": "x"})),
            false,
        ),
        (
            "ended already",
            Reply::json(200, &json!({"access_token": "x", "expires_in": 0})),
            false,
        ),
        ("closed", Reply::Close, false),
    ] {
        let server = TestServer::always(reply).await;
        let refused = list(&account(&server)).await.unwrap_err();
        let told = matches!(refused, ProviderError::AdminCredential { .. });
        let passing = matches!(refused, ProviderError::RetryAfter { .. });
        assert!(
            told == is_refusal && passing != is_refusal,
            "{name}: {refused:?}"
        );
        assert!(
            server.seen().iter().all(|seen| seen.target == "/token"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_secret_that_is_no_service_account_is_refused_without_being_shown() {
    let with = |field: &str, value: Value| {
        let mut file = service_account();
        file[field] = value;
        file.to_string()
    };
    let wrong = "-----BEGIN PRIVATE KEY-----\nRVhBTVBMRQ==\n-----END PRIVATE KEY-----";
    for file in [
        "EXAMPLE0123456789".to_owned(),
        "{}".to_owned(),
        with("type", json!("authorized_user")),
        with("client_email", Value::Null),
        with("private_key", json!("EXAMPLE0123456789")),
        with("private_key", json!(wrong)),
        with("private_key", json!(wrong.replace("=", "!"))),
    ] {
        let server = always(Reply::json(200, &json!({}))).await;
        let refused = list(&account_of(&server, patient(), &file))
            .await
            .unwrap_err();
        let shown = format!("{refused:?} {refused}");
        assert!(shown.contains("AdminCredential"), "{shown}");
        assert!(
            !shown.contains("EXAMPLE0123") && !shown.contains("RVhBTVB"),
            "{shown}"
        );
        assert_eq!(server.seen().len(), 0);
    }
}

/// A token that Google takes no more is exchanged anew: at once to see whether the account has another credential by now.
#[tokio::test]
async fn a_refused_token_is_dropped() {
    let server = always(error(401, "UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED")).await;
    let account = account(&server);
    for n in 1..=2 {
        let refused = list(&account).await;
        assert!(
            matches!(refused, Err(ProviderError::AdminCredential { .. })),
            "{refused:?}"
        );
        assert_eq!(account.source.1.load(Ordering::SeqCst), n + 1);
    }
}

/// Whatever is echoed, neither the claim nor the token is in an error.
#[tokio::test]
async fn no_error_holds_the_claim_or_the_token() {
    let server = TestServer::start(|_, seen| match seen.target.as_str() {
        "/token" => {
            let claim = seen.body.split("assertion=").nth(1).unwrap_or_default();
            Reply::json(400, &json!({"error": format!("bad {claim}")}))
        }
        _ => Reply::Close,
    })
    .await;
    let refused = list(&account(&server)).await.unwrap_err();
    let shown = format!("{refused:?}");
    assert!(
        shown.contains("bad [hidden]") && !shown.contains("eyJ"),
        "{shown}"
    );
    let echoes = google(|seen| {
        let message = format!("bad {}", seen.authorization);
        Reply::json(
            403,
            &json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": message}}),
        )
    })
    .await;
    let refused = list(&account(&echoes)).await.unwrap_err();
    let shown = format!("{refused:?}");
    assert!(
        shown.contains("[hidden]") && !shown.contains(&TOKEN[5..]),
        "{shown}"
    );
    let failure = Failure::Lost(OutsideText::new("x")).into_error(Repeat::Safe);
    assert!(matches!(failure, ProviderError::RetryAfter { .. }));
    let key = AdminKey::new(TOKEN);
    assert!(!format!("{key:?}").contains(key.expose_secret()));
}
