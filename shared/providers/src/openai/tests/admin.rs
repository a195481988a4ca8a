//! Listing, looking up, narrowing and ending keys.

use keyward_core::ports::KeyOwner;

use super::*;

const LABEL: &str = "keyward-support-bot--00000000-1111-4222-8333-444444444444-1";

#[tokio::test]
async fn rows_are_read_whole() {
    let server = TestServer::always(list(&[row(|_| {})], false)).await;
    let page = account(&server).driver.list(&scope(None), None).await;
    let page = page.unwrap();
    let key = &page.keys[0];
    assert_eq!(page.next, None);
    assert_eq!(key.handle, handle_of("svc_acct_EXAMPLE"));
    assert_eq!(key.label.as_str(), "agent-billing");
    assert_eq!(key.redacted.as_str(), "sk-EX...MPLE");
    assert_eq!(key.owner, KeyOwner::Service);
    assert_eq!(key.created.unwrap().as_second(), 1_790_000_000);
    assert_eq!(key.last_used.unwrap().as_second(), 1_795_500_000);
    let rest = (key.suspended, key.expires, key.spent, key.cap);
    assert_eq!(rest, (None, None, None, None));
    let path = "GET api_keys?limit=100&owner_project_access=any";
    assert_eq!(asked(&server.seen()), [path]);
}

#[tokio::test]
async fn names_owners_and_times_are_told_apart() {
    let record = async |change: fn(&mut Value)| {
        let server = TestServer::always(list(&[row(change)], false)).await;
        let page = account(&server).driver.list(&scope(None), None).await;
        page.map(|page| page.keys.into_iter().next())
    };
    let label = |key: KeyRecord| key.label.as_str().to_owned();
    let own = record(|r| r["name"] = json!(LABEL)).await.unwrap().unwrap();
    assert_eq!(label(own), LABEL, "the key's own");
    let of_account = record(|r| {
        r["name"] = json!("Secret Key");
        r["owner"]["service_account"]["name"] = json!(LABEL);
    });
    assert_eq!(label(of_account.await.unwrap().unwrap()), LABEL);
    let person = record(|r| r["owner"] = json!({"type": "user", "user": {"id": "user-1"}}));
    let person = person.await.unwrap().unwrap();
    assert_eq!(person.owner, KeyOwner::Person);
    assert_eq!(person.handle, handle_of("-"));
    let barred = record(|r| r["owner_project_access"] = json!("inactive"));
    assert_eq!(barred.await.unwrap().unwrap().suspended, Some(true));
    for never in [json!(null), json!(0)] {
        let server = TestServer::always(list(&[row(|r| r["last_used_at"] = never)], false)).await;
        let page = account(&server).driver.list(&scope(None), None).await;
        assert_eq!(page.unwrap().keys[0].last_used, None, "unknown");
    }
    for (name, broken) in [
        ("no id", record(|r| r["id"] = json!(null)).await),
        (
            "an id that is a path",
            record(|r| r["id"] = json!("a/b")).await,
        ),
        ("no owner", record(|r| r["owner"] = json!(null)).await),
        (
            "an owner of another kind",
            record(|r| r["owner"]["type"] = json!("x")).await,
        ),
    ] {
        let is_error = matches!(broken, Err(ProviderError::RetryAfter { .. }));
        assert!(is_error, "{name}: {broken:?}");
    }
}

/// A key is gone from the second on in which it ends, whatever the list says.
#[tokio::test]
async fn keys_that_have_ended_are_gone() {
    let now = TestClock::new().now().as_second();
    for (end, is_there) in [(now - 1, false), (now, false), (now + 1, true)] {
        let ended = row(|r| r["expires_at"] = json!(end));
        let server = TestServer::always(list(std::slice::from_ref(&ended), false)).await;
        let page = account(&server).driver.list(&scope(None), None).await;
        assert_eq!(page.unwrap().keys.len(), usize::from(is_there), "{end}");
        let server = TestServer::always(Reply::json(200, &ended)).await;
        let driver = account(&server).driver;
        let key = driver.get(&handle_of("svc_acct_EXAMPLE")).await.unwrap();
        assert_eq!(key.is_some(), is_there, "{end}");
    }
}

#[tokio::test]
async fn pages_follow_the_cursor_and_end() {
    let server = TestServer::start(|n, _| {
        let id = format!("key_{n}");
        list(&[row(|r| r["id"] = json!(id))], n < 2)
    })
    .await;
    let driver = account(&server).driver;
    let mut page = driver.list(&scope(None), None).await.unwrap();
    let mut keys = page.keys.len();
    while let Some(next) = page.next {
        page = driver.list(&scope(None), Some(&next)).await.unwrap();
        keys += page.keys.len();
    }
    assert_eq!(keys, 3);
    let path = "GET api_keys?limit=100&owner_project_access=any";
    let [second, third] = [1, 2].map(|n| format!("{path}&after=key_{}", n - 1));
    assert_eq!(asked(&server.seen()), [path, &second, &third]);
}

#[tokio::test]
async fn a_list_that_never_ends_is_an_error() {
    for (name, rows) in [("the same page", vec![row(|_| {})]), ("nothing", vec![])] {
        let server = TestServer::always(list(&rows, true)).await;
        let driver = account(&server).driver;
        let mut page = driver.list(&scope(None), None).await;
        for _ in 0..2 {
            let Ok(Page {
                next: Some(next), ..
            }) = &page
            else {
                break;
            };
            page = driver.list(&scope(None), Some(next)).await;
        }
        let is_error = matches!(page, Err(ProviderError::RetryAfter { .. }));
        assert!(is_error, "{name}: {page:?}");
    }
    let server = TestServer::always(list(&[row(|_| {})], true)).await;
    let driver = account(&server).driver;
    let far = PageToken("100000 key_1".to_owned());
    assert!(driver.list(&scope(None), Some(&far)).await.is_err());
    let odd = PageToken("key_1".to_owned());
    let refused = driver.list(&scope(None), Some(&odd)).await;
    assert!(matches!(refused, Err(ProviderError::Refused { .. })));
    let nowhere = driver.list(&Scope::default(), None).await;
    assert!(matches!(nowhere, Err(ProviderError::Refused { .. })));
}

#[tokio::test]
async fn suspending_narrows_and_restoring_gives_back_what_the_scope_says() {
    let server = TestServer::always(Reply::json(200, &row(|_| {}))).await;
    let driver = account(&server).driver;
    let handle = handle_of("svc_acct_EXAMPLE");
    assert_eq!(driver.disable(&handle).await, Ok(Disabled::Now));
    let narrow = Scope {
        permissions: vec!["model.request".parse().unwrap()],
        ..scope(None)
    };
    driver.restore(&handle, &narrow).await.unwrap();
    driver.restore(&handle, &scope(None)).await.unwrap();
    let seen = server.seen();
    assert_eq!(asked(&seen), ["POST api_keys/key_EXAMPLEold"; 3]);
    let bodies: Vec<&str> = seen.iter().map(|seen| seen.body.as_str()).collect();
    let expected = [
        r#"{"scopes":["api.files.read"]}"#,
        r#"{"scopes":["model.request"]}"#,
        r#"{"scopes":[]}"#,
    ];
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn a_change_of_another_key_is_no_change() {
    let server = TestServer::always(Reply::json(200, &row(|r| r["id"] = json!("key_2")))).await;
    let driver = account(&server).driver;
    let handle = handle_of("svc_acct_EXAMPLE");
    let answer = driver.disable(&handle).await;
    assert!(matches!(answer, Err(ProviderError::RetryAfter { .. })));
    assert!(driver.get(&handle).await.is_err());
}

/// P-03: the recorded 404 is "not found", for the list to settle; a page of a proxy is not.
#[tokio::test]
async fn p_03_a_404_is_not_found_in_openais_own_words_only() {
    let file = recorded(include_str!(
        "../../../fixtures/P-03-openai-delete-404.json"
    ));
    let server = TestServer::always(Reply::json(404, &file["delete"]["body"])).await;
    let driver = account(&server).driver;
    let person = handle_of("-");
    let deleted = driver.delete(&person).await;
    assert_eq!(deleted, Err(ProviderError::NotFound));
    assert_eq!(driver.get(&person).await, Ok(None));
    let server = TestServer::always(html(404)).await;
    let deleted = account(&server).driver.delete(&person).await;
    assert!(matches!(deleted, Err(ProviderError::RetryAfter { .. })));
    for (with, expected) in [("list_without_key", 0), ("list_with_key", 1)] {
        let server = TestServer::always(Reply::json(200, &file[with])).await;
        let page = account(&server).driver.list(&scope(None), None).await;
        assert_eq!(page.unwrap().keys.len(), expected, "{with}");
    }
}

/// An account that Keyward did not make stays, and so does one that others live in.
#[tokio::test]
async fn only_an_account_made_for_this_key_ends_with_it() {
    let other = |id: &str| row(|r| r["id"] = json!(id));
    let ended = |id: &str| {
        row(|r| {
            r["id"] = json!(id);
            r["expires_at"] = json!(1);
        })
    };
    for (name, of, listed, ends) in [
        ("made for it", LABEL, vec![], true),
        (
            "still listed itself",
            LABEL,
            vec![other("key_EXAMPLEold")],
            true,
        ),
        ("one that has ended", LABEL, vec![ended("key_2")], true),
        ("another lives in it", LABEL, vec![other("key_2")], false),
        ("not made by Keyward", "agents", vec![], false),
        ("nearly a label", "keyward-support-bot", vec![], false),
    ] {
        let server = TestServer::start(move |_, seen| {
            let account = "svc_acct_EXAMPLE";
            let deleted = |id: &str| Reply::json(200, &json!({"id": id, "deleted": true}));
            match (seen.method.as_str(), seen.target.contains(account)) {
                ("DELETE", false) => deleted("key_EXAMPLEold"),
                ("DELETE", true) => deleted(account),
                (_, true) => Reply::json(200, &json!({"id": account, "name": of})),
                (_, false) => list(&listed, false),
            }
        })
        .await;
        let driver = account(&server).driver;
        let handle = handle_of("svc_acct_EXAMPLE");
        assert_eq!(driver.delete(&handle).await, Ok(()), "{name}");
        let asked = asked(&server.seen());
        assert_eq!(asked[0], "DELETE api_keys/key_EXAMPLEold", "{name}");
        let delete = "DELETE service_accounts/svc_acct_EXAMPLE".to_owned();
        assert_eq!(asked.contains(&delete), ends, "{name}: {asked:?}");
    }
}

/// Where keys of service accounts cannot be deleted, the key is made to end, and that is waited for.
#[tokio::test]
async fn a_key_that_cannot_be_deleted_is_made_to_end() {
    let server = TestServer::start(|_, seen| match seen.method.as_str() {
        "DELETE" => error(400, "Delete the service account instead.", None),
        _ if seen.target.contains("service_accounts") => {
            Reply::json(200, &json!({"id": "svc_acct_EXAMPLE", "name": "agents"}))
        }
        _ => Reply::json(200, &row(|_| {})),
    })
    .await;
    let account = account(&server);
    let handle = handle_of("svc_acct_EXAMPLE");
    assert_eq!(account.driver.delete(&handle).await, Ok(()));
    let seen = server.seen();
    let end = r#"{"scopes":["api.files.read"],"expires_in_seconds":1}"#;
    assert_eq!(
        asked(&seen)[..3],
        [
            "DELETE api_keys/key_EXAMPLEold",
            "GET api_keys/key_EXAMPLEold",
            "POST api_keys/key_EXAMPLEold",
        ]
    );
    assert_eq!(seen[2].body, end);
    let slept: SignedDuration = account.clock.slept().into_iter().sum();
    assert!(slept >= SignedDuration::from_secs(1), "{slept:?}");
}
