//! Administrators' calls: what is sent, and what refusals mean.

use keyward_core::model::money::{CapPeriod, MicroDollars};

use super::*;
use crate::http::testing::Seen;

const ADMIN: &str = "Bearer ADMIN-EXAMPLE-1";

fn cap() -> SpendCap {
    SpendCap {
        amount: MicroDollars(12_340_000),
        period: CapPeriod::Monthly,
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

async fn call(driver: &LiteLlm, call: Call) -> Result<(), ProviderError> {
    match call {
        Call::Get => driver.get(&handle()).await.map(drop),
        Call::Disable => driver.disable(&handle()).await.map(drop),
        Call::Restore => driver.restore(&handle(), &Scope::default()).await,
        Call::Delete => driver.delete(&handle()).await,
        Call::SetCap => driver.set_cap(&handle(), cap()).await,
        Call::List => driver.list(&Scope::default(), None).await.map(drop),
    }
}

fn blocked(blocked: Value) -> Reply {
    Reply::json(200, &row(|r| r["blocked"] = blocked))
}

fn deleted(keys: Value) -> Reply {
    Reply::json(200, &json!({"deleted_keys": keys}))
}

#[tokio::test]
async fn calls_are_sent_as_the_api_describes_them() {
    let hash = handle();
    let one = format!(r#"{{"key":"{hash}"}}"#);
    for (what, reply, method, target, body) in [
        (
            Call::Get,
            info(|_| {}),
            "GET",
            format!("info?key={hash}"),
            String::new(),
        ),
        (
            Call::Disable,
            blocked(json!(true)),
            "POST",
            "block".to_owned(),
            one.clone(),
        ),
        (
            Call::Restore,
            blocked(json!(false)),
            "POST",
            "unblock".to_owned(),
            one,
        ),
        (
            Call::Delete,
            deleted(json!([hash])),
            "POST",
            "delete".to_owned(),
            format!(r#"{{"keys":["{hash}"]}}"#),
        ),
        (
            Call::List,
            Reply::json(
                200,
                &json!({"keys": [row(|_| {})], "total_count": 1, "current_page": 1, "total_pages": 1}),
            ),
            "GET",
            "list?page=1&size=100&return_full_object=true".to_owned(),
            String::new(),
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
        assert_eq!(seen[0].method, method);
        assert_eq!(seen[0].target, format!("/api/v1/key/{target}"));
        assert_eq!(seen[0].body, body, "{what:?}");
        assert_eq!(seen[0].authorization, ADMIN);
    }
}

#[tokio::test]
async fn a_limit_is_sent_exactly_and_read_back() {
    for (cap, expected) in [
        (cap(), r#""max_budget":12.34,"budget_duration":"1mo""#),
        (
            SpendCap {
                period: CapPeriod::Daily,
                amount: MicroDollars(1),
            },
            r#""max_budget":0.000001,"budget_duration":"1d""#,
        ),
        (
            SpendCap {
                period: CapPeriod::Lifetime,
                ..cap()
            },
            r#""max_budget":12.34,"budget_duration":null"#,
        ),
    ] {
        let server = TestServer::start(|_, seen| {
            if seen.method == "POST" {
                return Reply::new(200, seen.body.clone());
            }
            info(|i| {
                i["max_budget"] = json!(12.34);
                i["budget_duration"] = json!("1mo");
            })
        })
        .await;
        let set = account(&server).driver.set_cap(&handle(), cap).await;
        let seen = server.seen();
        assert_eq!(
            seen[0].body,
            format!(r#"{{"key":"{}",{expected}}}"#, handle())
        );
        let kept = cap == self::cap();
        assert_eq!(set.is_ok(), kept, "{cap:?}: {set:?}");
    }
}

#[tokio::test]
async fn a_change_that_does_not_read_back_is_not_done() {
    let other = "f0".repeat(32);
    for (what, reply) in [
        (Call::Disable, blocked(json!(null))),
        (Call::Disable, blocked(json!("true"))),
        (
            Call::Disable,
            Reply::json(
                200,
                &row(|r| {
                    r["blocked"] = json!(true);
                    r["token"] = json!(other);
                }),
            ),
        ),
        (Call::Disable, Reply::new(200, "null")),
        (Call::Restore, blocked(json!(true))),
        (
            Call::Restore,
            Reply::json(
                200,
                &row(|r| drop(r.as_object_mut().unwrap().remove("blocked"))),
            ),
        ),
        (Call::Delete, deleted(json!([]))),
        (Call::Delete, deleted(json!([other]))),
        (
            Call::Get,
            Reply::json(200, &json!({"key": other, "info": row(|_| {})})),
        ),
        (
            Call::List,
            Reply::json(
                200,
                &json!({"keys": ["f0f0"], "current_page": 1, "total_pages": 1}),
            ),
        ),
        (
            Call::List,
            Reply::json(
                200,
                &json!({"keys": [row(|r| r["token"] = json!(null))], "current_page": 1, "total_pages": 1}),
            ),
        ),
        (
            Call::List,
            Reply::json(
                200,
                &json!({"keys": [row(|_| {})], "current_page": 2, "total_pages": 2}),
            ),
        ),
        (
            Call::List,
            Reply::json(
                200,
                &json!({"keys": [row(|_| {})], "current_page": 1, "total_pages": 1_000_000}),
            ),
        ),
        (Call::List, Reply::json(200, &json!({"keys": []}))),
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
    let only_admins = json!({"detail": {"error": "Only proxy admins, team admins, or org admins can call /key/block."}});
    // A refused credential is fetched anew, and another one tried.
    for (name, reply, requests, check) in [
        ("401", error(401, "token_not_found_in_db", "x"), 2, admin),
        ("401, expired", error(401, "expired_key", "x"), 2, admin),
        ("403", error(403, "auth_error", "x"), 2, admin),
        (
            "403 of the framework",
            Reply::json(403, &only_admins),
            2,
            admin,
        ),
        ("401 page", html(401), 1, retry),
        ("403 page", html(403), 1, retry),
        ("404 page", html(404), 1, retry),
        (
            "404 of the framework",
            Reply::json(404, &json!({"detail": "Not Found"})),
            1,
            retry,
        ),
        ("400", error(400, "bad_request_error", "x"), 1, refused),
        (
            "422 by validation",
            Reply::json(422, &json!({"detail": [{"msg": "x"}]})),
            1,
            refused,
        ),
        ("400 page", html(400), 1, retry),
        ("429", error(429, "throttling_error", "x"), 3, retry),
        ("500", error(500, "internal_server_error", "x"), 3, retry),
        (
            "503, no database",
            error(503, "no_db_connection", "x"),
            3,
            retry,
        ),
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
            Reply::json(200, &json!({"error": {"code": "500", "message": "x"}})),
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
async fn a_key_that_the_proxy_does_not_know_is_not_found() {
    let missing = [
        error(404, "not_found_error", "Key not found."),
        error(404, "internal_server_error", "{'error': 'No keys found'}"),
        Reply::json(404, &json!({"detail": {"error": "Key not found: f0"}})),
    ];
    for reply in missing {
        for what in CALLS {
            let server = TestServer::always(reply.clone()).await;
            let outcome = call(&account(&server).driver, what).await;
            match what {
                Call::Get => assert_eq!(outcome, Ok(())),
                // No key was named: it is the team that does not exist.
                Call::List => assert!(matches!(outcome, Err(ProviderError::Refused { .. }))),
                _ => assert_eq!(outcome, Err(ProviderError::NotFound), "{what:?}"),
            }
        }
        let server = TestServer::always(reply).await;
        assert_eq!(account(&server).driver.get(&handle()).await, Ok(None));
    }
}

#[tokio::test]
async fn a_handle_that_is_no_hash_is_never_sent() {
    for text in [
        KEY,
        "f0",
        "..",
        &"F0".repeat(32),
        &format!("{}x", "f0".repeat(32)),
    ] {
        let server = TestServer::always(deleted(json!([text]))).await;
        let handle = text.parse().unwrap();
        let driver = account(&server).driver;
        for outcome in [
            driver.delete(&handle).await,
            driver.disable(&handle).await.map(drop),
            driver.get(&handle).await.map(drop),
            driver.set_cap(&handle, cap()).await,
        ] {
            assert!(
                matches!(outcome, Err(ProviderError::Refused { .. })),
                "{text}: {outcome:?}"
            );
        }
        assert_eq!(server.seen().len(), 0);
    }
}
