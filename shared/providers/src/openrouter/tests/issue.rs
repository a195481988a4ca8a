//! Creating keys: once, and never silently.

use jiff::Timestamp;
use keyward_core::model::money::{CapPeriod, MicroDollars};
use keyward_core::model::slot::Scope;
use keyward_core::model::version::{KeyLabel, VersionId};
use secrecy::ExposeSecret;

use super::*;
use crate::http::testing::impatient;

fn request(workspace: Option<&str>) -> IssueRequest {
    let id: VersionId = "00000000-1111-4222-8333-444444444444.1".parse().unwrap();
    IssueRequest {
        label: KeyLabel::new(&"support-bot".parse().unwrap(), &id),
        scope: Scope {
            workspace: workspace.map(|id| id.parse().unwrap()),
            ..Scope::default()
        },
        cap: SpendCap {
            amount: MicroDollars(52_500_000),
            period: CapPeriod::Monthly,
        },
        expires: "2027-01-31T09:00:00.987Z".parse().unwrap(),
        keep: Vec::new(),
    }
}

fn created(change: impl FnOnce(&mut Value)) -> Value {
    let mut body = json!({
        "data": row(|r| r["expires_at"] = json!("2027-01-31T09:00:00Z")),
        "key": KEY,
    });
    change(&mut body);
    body
}

#[tokio::test]
async fn a_key_is_created_with_everything_it_is_born_with() {
    let server = TestServer::always(Reply::json(201, &created(|_| {}))).await;
    let issued = account(&server)
        .driver
        .issue(&request(Some("88888888-aaaa-4bbb-8ccc-000000000001")))
        .await
        .unwrap();
    assert_eq!(issued.key.expose_secret(), KEY);
    assert_eq!(issued.handle, handle());
    let expires: Timestamp = "2027-01-31T09:00:00Z".parse().unwrap();
    assert_eq!(issued.expires, Some(expires));
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("POST", "/api/v1/keys")
    );
    assert_eq!(
        seen[0].body,
        concat!(
            r#"{"name":"keyward-support-bot--00000000-1111-4222-8333-444444444444-1","limit":52.5,"#,
            r#""limit_reset":"monthly","expires_at":"2027-01-31T09:00:00Z","#,
            r#""workspace_id":"88888888-aaaa-4bbb-8ccc-000000000001"}"#
        )
    );
}

#[tokio::test]
async fn the_default_workspace_is_not_named() {
    let server = TestServer::always(Reply::json(201, &created(|_| {}))).await;
    account(&server).driver.issue(&request(None)).await.unwrap();
    assert!(!server.seen()[0].body.contains("workspace_id"));
}

#[tokio::test]
async fn no_outcome_makes_a_second_request() {
    type Check = fn(&ProviderError) -> bool;
    let ambiguous: Check = |e| matches!(e, ProviderError::Ambiguous { .. });
    let retry: Check = |e| matches!(e, ProviderError::RetryAfter { .. });
    let admin: Check = |e| matches!(e, ProviderError::AdminCredential { .. });
    let refused: Check = |e| matches!(e, ProviderError::Refused { .. });
    let whole = created(|_| {}).to_string();
    for (name, reply, check) in [
        (
            "half sent",
            Reply::Half(201, whole.clone().into_bytes()),
            ambiguous,
        ),
        ("closed", Reply::Close, ambiguous),
        (
            "truncated",
            Reply::new(201, &whole.as_bytes()[..whole.len() / 2]),
            ambiguous,
        ),
        (
            "no key",
            Reply::json(
                201,
                &created(|b| drop(b.as_object_mut().unwrap().remove("key"))),
            ),
            ambiguous,
        ),
        (
            "empty key",
            Reply::json(201, &created(|b| b["key"] = json!(" "))),
            ambiguous,
        ),
        (
            "no handle",
            Reply::json(201, &created(|b| b["data"]["hash"] = json!(null))),
            ambiguous,
        ),
        (
            "an error beside it",
            Reply::json(201, &created(|b| b["error"] = json!({"code": 500}))),
            ambiguous,
        ),
        (
            "200 with an error inside",
            Reply::json(200, &json!({"error": {"code": 500, "message": "x"}})),
            ambiguous,
        ),
        ("empty 2xx", Reply::new(204, ""), ambiguous),
        ("500", error(500, "Internal"), ambiguous),
        ("502 page", html(502), ambiguous),
        ("408", error(408, "Timeout"), ambiguous),
        (
            "302",
            Reply::new(302, "").with("location", "https://example.com/"),
            ambiguous,
        ),
        ("401 page", html(401), ambiguous),
        ("403 page", html(403), ambiguous),
        ("404 page", html(404), ambiguous),
        ("429", error(429, "Slow").with("retry-after", "1"), retry),
        ("401", error(401, "Unauthorized"), admin),
        (
            "403",
            error(403, "Only management keys can perform this operation"),
            admin,
        ),
        ("400", error(400, "Bad"), refused),
        ("402", error(402, "Insufficient credits"), refused),
        ("404", error(404, "Workspace not found"), refused),
    ] {
        let server = TestServer::always(reply).await;
        let account = account(&server);
        let error = account.driver.issue(&request(None)).await.expect_err(name);
        assert!(check(&error), "{name}: {error:?}");
        assert_eq!(server.seen().len(), 1, "{name}");
        assert!(account.clock.slept().is_empty(), "{name}");
        let shown = format!("{error:?} {error}");
        assert!(!shown.contains("0123456789ab"), "{name}: {shown}");
    }
}

#[tokio::test]
async fn no_answer_in_time_is_ambiguous() {
    let server = TestServer::always(Reply::Hang).await;
    let outcome = account_with(&server, impatient())
        .driver
        .issue(&request(None))
        .await;
    assert!(
        matches!(outcome, Err(ProviderError::Ambiguous { .. })),
        "{outcome:?}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn errors_never_hold_a_credential() {
    let admin = "ADMIN-EXAMPLE-1";
    for status in [400, 401, 403, 404, 429, 500] {
        let server =
            TestServer::always(error(status, &format!("{admin} may not make {KEY}"))).await;
        let error = account(&server)
            .driver
            .issue(&request(None))
            .await
            .unwrap_err();
        let shown = format!("{error:?} {error}");
        assert!(
            !shown.contains(admin) && !shown.contains("0123456789ab"),
            "{shown}"
        );
    }
}
