//! Creating keys: once, and never silently.

use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::version::{KeyLabel, VersionId};
use secrecy::ExposeSecret;

use super::*;

const LABEL: &str = "keyward-support-bot--00000000-1111-4222-8333-444444444444-1";

fn request(scope: Scope, life: SignedDuration) -> IssueRequest {
    let id: VersionId = "00000000-1111-4222-8333-444444444444.1".parse().unwrap();
    IssueRequest {
        label: KeyLabel::new(&"support-bot".parse().unwrap(), &id),
        scope,
        cap: SpendCap {
            amount: MicroDollars(52_500_000),
            period: CapPeriod::Monthly,
        },
        expires: TestClock::new().now() + life,
        keep: Vec::new(),
    }
}

fn day() -> SignedDuration {
    SignedDuration::from_hours(24)
}

fn new_key(change: impl FnOnce(&mut Value)) -> Value {
    let mut key = json!({
        "object": "organization.project.service_account.api_key", "id": "key_EXAMPLEnew",
        "value": KEY, "name": LABEL, "created_at": 1_795_600_000, "expires_at": 1_795_686_400,
    });
    change(&mut key);
    key
}

/// P-01, with the time of its end.
fn new_account(change: impl FnOnce(&mut Value)) -> Value {
    let file = include_str!("../../../fixtures/P-01-openai-sa-create.json");
    let mut account = recorded(file);
    account["api_key"]["expires_at"] = json!(1_795_686_400);
    change(&mut account);
    account
}

#[tokio::test]
async fn a_key_is_made_in_the_scopes_account() {
    let server = TestServer::always(Reply::json(200, &new_key(|_| {}))).await;
    let driver = account(&server).driver;
    let mut scope = scope(Some("svc_acct_EXAMPLE"));
    let issued = driver.issue(&request(scope.clone(), day())).await.unwrap();
    assert_eq!(issued.key.expose_secret(), KEY);
    let handle = "proj_EXAMPLE/svc_acct_EXAMPLE/key_EXAMPLEnew";
    assert_eq!(issued.handle.as_str(), handle);
    assert_eq!(issued.expires.unwrap().as_second(), 1_795_686_400);
    scope.permissions = vec!["model.request".parse().unwrap()];
    driver.issue(&request(scope, day())).await.unwrap();
    let seen = server.seen();
    let path = "POST service_accounts/svc_acct_EXAMPLE/api_keys";
    assert_eq!(asked(&seen), [path, path]);
    let all = format!(r#"{{"name":"{LABEL}","expires_in_seconds":86400}}"#);
    assert_eq!(seen[0].body, all, "no list of permissions means all");
    let some =
        format!(r#"{{"name":"{LABEL}","expires_in_seconds":86400,"scopes":["model.request"]}}"#);
    assert_eq!(seen[1].body, some);
}

/// P-01: the account is the key's, and its value is read from the only answer that has it.
#[tokio::test]
async fn p_01_a_key_is_made_with_an_account_of_its_own() {
    let server = TestServer::always(Reply::json(200, &new_account(|_| {}))).await;
    let request = request(scope(None), day());
    let issued = account(&server).driver.issue(&request).await.unwrap();
    assert_eq!(issued.key.expose_secret(), "EXAMPLE-not-a-real-key-new");
    let handle = "proj_EXAMPLE/svc_acct_EXAMPLE/key_EXAMPLEnew";
    assert_eq!(issued.handle.as_str(), handle);
    assert_eq!(issued.expires.unwrap().as_second(), 1_795_686_400);
    let seen = server.seen();
    assert_eq!(asked(&seen), ["POST service_accounts"]);
    let body = format!(r#"{{"name":"{LABEL}","expires_in_seconds":86400}}"#);
    assert_eq!(seen[0].body, body);
}

/// P-01 as recorded: where the answer does not tell the end, the key's record does; where that cannot be read, the end
/// is unknown and the key is handed out all the same.
#[tokio::test]
async fn p_01_an_end_that_the_answer_leaves_out_is_looked_up() {
    let made = new_account(|account| {
        account["api_key"]
            .as_object_mut()
            .unwrap()
            .remove("expires_at");
    });
    let told = row(|r| {
        r["id"] = json!("key_EXAMPLEnew");
        r["expires_at"] = json!(1_795_686_400);
    });
    for (name, record, expected) in [
        ("told", Reply::json(200, &told), Some(1_795_686_400)),
        ("refused", error(400, "No", None), None),
        ("gone", error(404, "Gone", None), None),
    ] {
        let made = made.clone();
        let server = TestServer::start(move |_, seen| match seen.method.as_str() {
            "POST" => Reply::json(200, &made),
            _ => record.clone(),
        })
        .await;
        let request = request(scope(None), day());
        let issued = account(&server).driver.issue(&request).await.unwrap();
        let expires = issued.expires.map(|end| end.as_second());
        assert_eq!(expires, expected, "{name}");
        let asked = asked(&server.seen());
        assert_eq!(asked[1], "GET api_keys/key_EXAMPLEnew", "{name}");
    }
}

/// P-01b: the account just made is deleted again; where that fails, a caller must look.
#[tokio::test]
async fn p_01b_an_account_without_a_key_is_deleted_again() {
    let made = recorded(include_str!(
        "../../../fixtures/P-01b-openai-sa-create-null-key.json"
    ));
    let deleted = json!({"object": "x", "id": "svc_acct_EXAMPLE", "deleted": true});
    for (name, answer, is_clear) in [
        ("deleted", Reply::json(200, &deleted), true),
        ("gone", error(404, "Gone", None), true),
        ("refused", error(400, "No", None), false),
        ("lost", html(502), false),
        (
            "another",
            Reply::json(200, &json!({"id": "x", "deleted": true})),
            false,
        ),
    ] {
        let made = made.clone();
        let server = TestServer::start(move |n, _| {
            if n == 0 {
                Reply::json(200, &made)
            } else {
                answer.clone()
            }
        })
        .await;
        let request = request(scope(None), day());
        let error = account(&server).driver.issue(&request).await.unwrap_err();
        let refused = matches!(error, ProviderError::Refused { .. });
        let ambiguous = matches!(error, ProviderError::Ambiguous { .. });
        assert_eq!(
            (refused, ambiguous),
            (is_clear, !is_clear),
            "{name}: {error:?}"
        );
        let asked = asked(&server.seen());
        assert_eq!(asked[0], "POST service_accounts", "{name}");
        assert_eq!(
            asked[1], "DELETE service_accounts/svc_acct_EXAMPLE",
            "{name}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_made_is_not_asked_for() {
    let server = TestServer::always(Reply::json(200, &new_key(|_| {}))).await;
    let driver = account(&server).driver;
    let narrowed = Scope {
        permissions: vec!["model.request".parse().unwrap()],
        ..scope(None)
    };
    let whole = || scope(Some("svc_acct_EXAMPLE"));
    for (name, scope, life) in [
        ("no project", Scope::default(), day()),
        ("permissions without an account", narrowed, day()),
        ("no life", whole(), SignedDuration::ZERO),
        ("over already", whole(), -day()),
        (
            "longer than a year",
            whole(),
            day() * 365 + SignedDuration::from_secs(1),
        ),
    ] {
        let refused = driver.issue(&request(scope, life)).await;
        let is_refused = matches!(refused, Err(ProviderError::Refused { .. }));
        assert!(is_refused, "{name}: {refused:?}");
    }
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn no_outcome_makes_a_second_request() {
    type Check = fn(&ProviderError) -> bool;
    let ambiguous: Check = |e| matches!(e, ProviderError::Ambiguous { .. });
    let retry: Check = |e| matches!(e, ProviderError::RetryAfter { .. });
    let admin: Check = |e| matches!(e, ProviderError::AdminCredential { .. });
    let refused: Check = |e| matches!(e, ProviderError::Refused { .. });
    let key = |change: fn(&mut Value)| Reply::json(200, &new_key(change));
    let missing = "Missing scopes: api.management.write.";
    for (name, reply, check) in [
        ("closed", Reply::Close, ambiguous),
        (
            "no value",
            key(|k| drop(k.as_object_mut().unwrap().remove("value"))),
            ambiguous,
        ),
        ("empty value", key(|k| k["value"] = json!(" ")), ambiguous),
        ("no id", key(|k| k["id"] = json!(null)), ambiguous),
        (
            "an id that is a path",
            key(|k| k["id"] = json!("a/b")),
            ambiguous,
        ),
        (
            "an error beside it",
            key(|k| k["error"] = json!({"code": "x"})),
            ambiguous,
        ),
        ("empty 2xx", Reply::new(204, ""), ambiguous),
        ("500", error(500, "Internal", None), ambiguous),
        ("502 page", html(502), ambiguous),
        ("401 page", html(401), ambiguous),
        ("404 page", html(404), ambiguous),
        (
            "429",
            error(429, "Slow", Some("rate_limit_exceeded")),
            retry,
        ),
        ("401", error(401, "No", Some("invalid_api_key")), admin),
        ("403", error(403, missing, None), admin),
        (
            "400",
            error(400, "expires_in_seconds is required", None),
            refused,
        ),
        ("404", error(404, "No project found", None), refused),
    ] {
        let server = TestServer::always(reply).await;
        let account = account(&server);
        let request = request(scope(Some("svc_acct_EXAMPLE")), day());
        let error = account.driver.issue(&request).await.expect_err(name);
        assert!(check(&error), "{name}: {error:?}");
        assert_eq!(server.seen().len(), 1, "{name}");
        assert!(account.clock.slept().is_empty(), "{name}");
        let shown = format!("{error:?} {error}");
        assert!(!shown.contains("0123456789ab"), "{name}: {shown}");
    }
}
