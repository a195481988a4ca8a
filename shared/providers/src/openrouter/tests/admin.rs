//! Administrators' calls: what is sent, what refusals mean, how often they are repeated.

use keyward_core::model::money::{CapPeriod, MicroDollars};
use keyward_core::model::slot::Scope;

use super::*;
use crate::http::testing::Seen;

const ADMIN: &str = "Bearer ADMIN-EXAMPLE-1";

fn path() -> String {
    format!("/api/v1/keys/{}", handle())
}

fn cap() -> SpendCap {
    SpendCap {
        amount: MicroDollars(12_340_000),
        period: CapPeriod::Daily,
    }
}

/// Every call on one key that changes or reads it.
#[derive(Debug, Clone, Copy)]
enum Call {
    Get,
    Disable,
    Restore,
    Delete,
    SetCap,
    List,
}

const CALLS: [Call; 6] = [
    Call::Get,
    Call::Disable,
    Call::Restore,
    Call::Delete,
    Call::SetCap,
    Call::List,
];

async fn call(driver: &OpenRouter, call: Call) -> Result<(), ProviderError> {
    match call {
        Call::Get => driver.get(&handle()).await.map(drop),
        Call::Disable => driver.disable(&handle()).await.map(drop),
        Call::Restore => driver.restore(&handle(), &Scope::default()).await,
        Call::Delete => driver.delete(&handle()).await,
        Call::SetCap => driver.set_cap(&handle(), cap()).await,
        Call::List => driver.list(&Scope::default(), None).await.map(drop),
    }
}

#[tokio::test]
async fn calls_are_sent_as_the_api_describes_them() {
    for (what, reply, method, body) in [
        (Call::Get, record(|_| {}), "GET", ""),
        (
            Call::Disable,
            record(|_| {}),
            "PATCH",
            r#"{"disabled":true}"#,
        ),
        (
            Call::Restore,
            record(|r| r["disabled"] = json!(false)),
            "PATCH",
            r#"{"disabled":false}"#,
        ),
        (
            Call::Delete,
            Reply::json(200, &json!({"deleted": true})),
            "DELETE",
            "",
        ),
        (
            Call::SetCap,
            record(|r| {
                r["limit"] = json!(12.34);
                r["limit_reset"] = json!("daily");
            }),
            "PATCH",
            r#"{"limit":12.34,"limit_reset":"daily"}"#,
        ),
    ] {
        let server = TestServer::always(reply).await;
        assert_eq!(
            call(&account(&server).driver, what).await,
            Ok(()),
            "{what:?}"
        );
        let seen: Vec<Seen> = server.seen();
        assert_eq!(seen.len(), 1, "{what:?}");
        assert_eq!(
            (seen[0].method.as_str(), seen[0].target.clone()),
            (method, path())
        );
        assert_eq!(seen[0].body, body, "{what:?}");
        assert_eq!(seen[0].authorization, ADMIN);
    }
}

#[tokio::test]
async fn a_change_that_does_not_read_back_is_not_done() {
    for (what, reply) in [
        (Call::Disable, record(|r| r["disabled"] = json!(false))),
        (Call::Restore, record(|_| {})),
        (Call::SetCap, record(|_| {})),
        (
            Call::SetCap,
            record(|r| {
                r["limit"] = json!(12.34);
                r["limit_reset"] = json!("weekly");
            }),
        ),
        (Call::Delete, Reply::json(200, &json!({"deleted": false}))),
        (Call::Disable, record(|r| r["hash"] = json!("another"))),
        (Call::Get, record(|r| r["hash"] = json!("another"))),
    ] {
        let server = TestServer::always(reply).await;
        let outcome = call(&account(&server).driver, what).await;
        assert!(
            matches!(outcome, Err(ProviderError::RetryAfter { .. })),
            "{what:?} {outcome:?}"
        );
    }
}

#[tokio::test]
async fn refusals_mean_the_same_for_every_call() {
    type Check = fn(&ProviderError) -> bool;
    let retry: Check = |e| matches!(e, ProviderError::RetryAfter { .. });
    let admin: Check = |e| matches!(e, ProviderError::AdminCredential { .. });
    let refused: Check = |e| matches!(e, ProviderError::Refused { .. });
    let zod = json!({"success": false, "error": {"name": "ZodError", "message": "[]"}});
    // A refused credential is fetched anew, and another one tried.
    for (name, reply, requests, check) in [
        ("401", error(401, "Unauthorized"), 2, admin),
        (
            "403",
            error(403, "Only management keys can perform this operation"),
            2,
            admin,
        ),
        ("401 page", html(401), 1, retry),
        ("403 page", html(403), 1, retry),
        ("404 page", html(404), 1, retry),
        ("400", error(400, "Bad"), 1, refused),
        ("400 by validation", Reply::json(400, &zod), 1, refused),
        ("400 page", html(400), 1, retry),
        ("402", error(402, "Insufficient credits"), 1, refused),
        ("408", error(408, "Timeout"), 3, retry),
        ("429", error(429, "Slow"), 3, retry),
        ("429 page", html(429), 3, retry),
        ("500", error(500, "Internal"), 3, retry),
        ("502 page", html(502), 3, retry),
        (
            "302",
            Reply::new(302, "").with("location", "https://example.com/"),
            1,
            retry,
        ),
        ("204", Reply::new(204, ""), 1, retry),
        ("200 page", html(200), 1, retry),
        (
            "200 with an error inside",
            Reply::json(200, &json!({"error": {"code": 500, "message": "x"}})),
            1,
            retry,
        ),
        (
            "half sent",
            Reply::Half(200, row(|_| {}).to_string().into_bytes()),
            3,
            retry,
        ),
        ("closed", Reply::Close, 3, retry),
    ] {
        for what in CALLS {
            let server = TestServer::always(reply.clone()).await;
            let error = call(&account(&server).driver, what).await.expect_err(name);
            assert!(check(&error), "{name} {what:?}: {error:?}");
            assert_eq!(server.seen().len(), requests, "{name} {what:?}");
        }
    }
}

#[tokio::test]
async fn a_key_that_openrouter_does_not_know_is_not_found() {
    for what in CALLS {
        let server = TestServer::always(error(404, "API key not found")).await;
        let outcome = call(&account(&server).driver, what).await;
        match what {
            Call::Get => assert_eq!(outcome, Ok(())),
            // No key was named: it is the workspace that does not exist.
            Call::List => assert!(matches!(outcome, Err(ProviderError::Refused { .. }))),
            _ => assert_eq!(outcome, Err(ProviderError::NotFound), "{what:?}"),
        }
    }
    let server = TestServer::always(error(404, "API key not found")).await;
    assert_eq!(account(&server).driver.get(&handle()).await, Ok(None));
}

#[tokio::test]
async fn recorded_rate_limits_say_how_long_to_wait() {
    let file = include_str!("../../../fixtures/P-05-429-variants.json");
    let recorded: Vec<Value> = serde_json::from_str(file).unwrap();
    let once = HttpSettings {
        attempts: 1,
        ..patient()
    };
    let mut waits = Vec::new();
    for answer in &recorded {
        let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
        let mut reply = Reply::json(status, &answer["body"]);
        if let Some(after) = answer["headers"]["retry-after"].as_str() {
            reply = reply.with("retry-after", after);
        }
        let server = TestServer::always(reply).await;
        match call(&account_with(&server, once).driver, Call::List).await {
            Err(ProviderError::RetryAfter { after, .. }) => waits.push(after),
            other => panic!("{other:?}"),
        }
    }
    let seconds = |s| Some(SignedDuration::from_secs(s));
    assert_eq!(waits, [seconds(20), None, seconds(300), None]);
}

#[tokio::test]
async fn a_passing_fault_is_survived() {
    let server = TestServer::start(|number, _| match number {
        0 => html(502),
        1 => Reply::Close,
        _ => record(|_| {}),
    })
    .await;
    let account = account(&server);
    assert_eq!(account.driver.disable(&handle()).await, Ok(Disabled::Now));
    assert_eq!(account.clock.slept().len(), 2);
}

#[tokio::test]
async fn a_refused_admin_credential_is_fetched_anew() {
    let server = TestServer::start(|_, seen| {
        if seen.authorization == ADMIN {
            error(401, "Unauthorized")
        } else {
            record(|_| {})
        }
    })
    .await;
    let account = account(&server);
    assert!(account.driver.get(&handle()).await.is_ok());
    assert!(account.driver.get(&handle()).await.is_ok());
    assert_eq!(account.source.fetches(), 2);
}

#[tokio::test]
async fn a_handle_cannot_leave_its_path() {
    for (text, target) in [
        ("../credits", Some("/api/v1/keys/..%2Fcredits")),
        ("a?b#c", Some("/api/v1/keys/a%3Fb%23c")),
        ("..", None),
        (".", None),
    ] {
        let server = TestServer::always(Reply::json(200, &json!({"deleted": true}))).await;
        let outcome = account(&server).driver.delete(&text.parse().unwrap()).await;
        let seen = server.seen();
        assert_eq!(
            seen.first().map(|seen| seen.target.as_str()),
            target,
            "{text}"
        );
        assert_eq!(outcome.is_ok(), target.is_some(), "{text} {outcome:?}");
    }
}

/// Pages of two keys each, by offset, as OpenRouter's.
async fn paged(keys: usize) -> TestServer {
    TestServer::start(move |_, seen| {
        let offset = seen.target.split("offset=").nth(1).unwrap_or_default();
        let offset: usize = offset
            .split('&')
            .next()
            .unwrap_or_default()
            .parse()
            .unwrap();
        let rows: Vec<Value> = (offset..keys.min(offset + 2))
            .map(|n| {
                row(|r| {
                    r["hash"] = json!(format!("h{n}"));
                    r["disabled"] = json!(n % 2 == 0);
                })
            })
            .collect();
        Reply::json(200, &json!({"data": rows}))
    })
    .await
}

#[tokio::test]
async fn a_list_goes_on_until_a_page_is_empty() {
    for keys in [0, 1, 2, 5] {
        let server = paged(keys).await;
        let driver = account(&server).driver;
        let scope = Scope {
            workspace: Some("8888-co".parse().unwrap()),
            ..Scope::default()
        };
        let (mut found, mut page) = (Vec::new(), None);
        loop {
            let got = driver.list(&scope, page.as_ref()).await.unwrap();
            found.extend(got.keys.into_iter().map(|k| k.handle.to_string()));
            page = got.next;
            if page.is_none() {
                break;
            }
        }
        let expected: Vec<String> = (0..keys).map(|n| format!("h{n}")).collect();
        assert_eq!(found, expected);
        assert!(server.seen().iter().all(|seen| {
            seen.target.contains("include_disabled=true")
                && seen.target.ends_with("&workspace_id=8888-co")
        }));
    }
}

#[tokio::test]
async fn the_default_workspace_is_not_named() {
    let server = paged(0).await;
    account(&server)
        .driver
        .list(&Scope::default(), None)
        .await
        .unwrap();
    assert_eq!(
        server.seen()[0].target,
        "/api/v1/keys?include_disabled=true&offset=0"
    );
}

#[tokio::test]
async fn a_page_with_one_unreadable_key_is_an_error_not_a_shorter_page() {
    let rows = [row(|_| {}), row(|r| r["hash"] = json!(null))];
    let server = TestServer::always(Reply::json(200, &json!({"data": rows}))).await;
    let outcome = account(&server).driver.list(&Scope::default(), None).await;
    assert!(
        matches!(outcome, Err(ProviderError::RetryAfter { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let server = TestServer::always(Reply::json(200, &json!({"data": [row(|_| {})]}))).await;
    let driver = account(&server).driver;
    let last = PageToken("100000".to_owned());
    assert!(driver.list(&Scope::default(), Some(&last)).await.is_err());
    let odd = PageToken("next".to_owned());
    let outcome = driver.list(&Scope::default(), Some(&odd)).await;
    assert!(
        matches!(outcome, Err(ProviderError::Refused { .. })),
        "{outcome:?}"
    );
}
