//! Administrators' calls: what is sent, what is read, and what refusals mean.

use keyward_core::model::version::VersionId;
use keyward_core::ports::Extent;

use super::*;

const ONE: &str =
    "/v2/projects/example-1/locations/global/keys/66666666-aaaa-4bbb-8ccc-000000000001";

fn nowhere() -> Value {
    json!({
        "apiTargets": [{"service": "generativelanguage.googleapis.com"}],
        "serverKeyRestrictions": {"allowedIps": ["192.0.2.1"]},
    })
}

async fn read(change: impl FnOnce(&mut Value)) -> KeyRecord {
    let server = always(Reply::json(200, &row(ID, change))).await;
    let read = account(&server).driver.get(&handle()).await;
    read.unwrap().unwrap()
}

#[tokio::test]
async fn a_key_is_read_as_it_is_described() {
    let record = read(|_| {}).await;
    let expected = KeyRecord {
        handle: handle(),
        label: OutsideText::new("agent-billing"),
        redacted: OutsideText::default(),
        suspended: Some(false),
        workspace: Some("example-1".parse().unwrap()),
        owner: keyward_core::ports::KeyOwner::Service,
        created: Some("2026-11-25T15:00:00Z".parse().unwrap()),
        expires: None,
        last_used: None,
        spent: None,
        cap: None,
        reach: keyward_core::ports::Reach {
            endpoints: Extent::All,
            addresses: Extent::All,
            ..Default::default()
        },
    };
    assert_eq!(record, expected);
}

#[tokio::test]
async fn restrictions_are_read_and_what_is_left_out_restricts_nothing() {
    let methods =
        |list: Value| read(move |row| row["restrictions"]["apiTargets"][0]["methods"] = list);
    let only = |names: &[&str]| Extent::Only(names.iter().map(|n| OutsideText::new(n)).collect());
    assert_eq!(
        methods(json!(["List*", "A"])).await.reach.endpoints,
        only(&["List*", "A"])
    );
    assert_eq!(methods(json!([])).await.reach.endpoints, Extent::All);
    for restrictions in [Value::Null, json!({}), json!({"apiTargets": []})] {
        let record = read(|row| row["restrictions"] = restrictions).await;
        assert_eq!(record.reach.endpoints, Extent::All);
        assert_eq!(record.suspended, Some(false));
    }
    let other = read(|row| {
        let targets = json!([{"service": "GenerativeLanguage.googleapis.com", "methods": ["A"]}, {"service": "maps.googleapis.com"}]);
        row["restrictions"]["apiTargets"] = targets;
    });
    assert_eq!(
        other.await.reach.endpoints,
        Extent::All,
        "it reaches more than that"
    );
    for (ips, suspended) in [
        (json!(["192.0.2.1"]), true),
        (json!(["192.0.2.1/32"]), true),
        (json!(["192.0.2.1", "203.0.113.7"]), false),
        (json!([]), false),
    ] {
        let record =
            read(|row| row["restrictions"]["serverKeyRestrictions"] = json!({"allowedIps": ips}))
                .await;
        assert_eq!(record.suspended, Some(suspended), "{ips}");
    }
}

/// A label is believed only where the id was made of it.
#[tokio::test]
async fn a_label_is_what_the_id_was_made_of() {
    let id: VersionId = "00000000-1111-4222-8333-444444444444.1".parse().unwrap();
    let label = KeyLabel::new(&"support-bot".parse().unwrap(), &id);
    let annotated = |id: &str| {
        row(id, |row| {
            row["annotations"] = json!({"keyward-label": label})
        })
    };
    let keys = json!({"keys": [annotated(&key_id(label.as_str())), annotated(ID)]});
    let server = always(Reply::json(200, &keys)).await;
    let listed = account(&server)
        .driver
        .list(&scope(), None)
        .await
        .unwrap()
        .keys;
    let labels: Vec<&str> = listed.iter().map(|key| key.label.as_str()).collect();
    assert_eq!(labels, [label.as_str(), "agent-billing"]);
    let issuer: &dyn KeyIssuer = &account(&server).driver;
    assert_eq!(
        issuer.handle_of(&scope(), &label).as_ref(),
        Some(&listed[0].handle)
    );
    assert_eq!(issuer.handle_of(&Scope::default(), &label), None);
}

/// a deleted key is listable for 30 days. It is neither live nor listed, and told as what could be brought back.
#[tokio::test]
async fn deleted_keys_are_gone_and_told_as_restorable() {
    let gone = || {
        row("gone", |row| {
            row["deleteTime"] = json!("2026-11-20T00:00:00Z")
        })
    };
    let keys = json!({"keys": [row(ID, |_| {}), gone()]});
    let server = always(Reply::json(200, &keys)).await;
    let account = account(&server);
    let listed = account.driver.list(&scope(), None).await.unwrap().keys;
    assert_eq!(listed.len(), 1);
    let restorable = account.driver.restorable(&scope(), None).await.unwrap();
    let expected = Gone {
        handle: "example-1/gone".parse().unwrap(),
        label: OutsideText::new("agent-billing"),
        until: Some("2026-12-20T00:00:00Z".parse().unwrap()),
    };
    assert_eq!(restorable.keys, [expected]);
    let list = "/v2/projects/example-1/locations/global/keys?pageSize=100";
    let targets: Vec<String> = asked(&server).into_iter().map(|seen| seen.target).collect();
    assert_eq!(
        targets,
        [list.to_owned(), format!("{list}&showDeleted=true")]
    );
    let server = always(Reply::json(200, &gone())).await;
    let got = self::account(&server)
        .driver
        .get(&"example-1/gone".parse().unwrap())
        .await;
    assert_eq!(got, Ok(None));
}

#[tokio::test]
async fn every_page_is_asked_for_and_an_unreadable_one_is_an_error() {
    let server = google(|seen| {
        let next = match seen.target.contains("pageToken=two") {
            true => json!({"keys": [row("b", |_| {})], "nextPageToken": ""}),
            false => json!({"keys": [row("a", |_| {})], "nextPageToken": "two"}),
        };
        Reply::json(200, &next)
    })
    .await;
    let account = account(&server);
    let first = account.driver.list(&scope(), None).await.unwrap();
    let second = account
        .driver
        .list(&scope(), first.next.as_ref())
        .await
        .unwrap();
    assert_eq!(
        (first.keys.len(), second.keys.len(), second.next),
        (1, 1, None)
    );
    for (name, body) in [
        ("an error", json!({"error": {"code": 500}})),
        ("no list", json!({"keys": {}})),
        ("no name", json!({"keys": [{"uid": "x"}]})),
        ("an odd name", json!({"keys": [{"name": "x"}]})),
        (
            "odd restrictions",
            json!({"keys": [row(ID, |row| row["restrictions"] = json!("x"))]}),
        ),
        ("in circles", json!({"nextPageToken": "two"})),
        ("a list", json!([])),
    ] {
        let server = always(Reply::json(200, &body)).await;
        let page = PageToken("two".to_owned());
        let refused = self::account(&server)
            .driver
            .list(&scope(), Some(&page))
            .await;
        assert!(
            matches!(refused, Err(ProviderError::RetryAfter { .. })),
            "{name}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn changes_are_sent_as_the_api_describes_them_and_read_back() {
    let asked_for = Scope {
        endpoints: vec!["List*".parse().unwrap()],
        addresses: vec!["203.0.113.7".parse().unwrap()],
        ..scope()
    };
    let limited = json!({
        "apiTargets": [{"service": "generativelanguage.googleapis.com", "methods": ["List*"]}],
        "serverKeyRestrictions": {"allowedIps": ["203.0.113.7"]},
    });
    let answer = |restrictions: &Value| {
        let restrictions = restrictions.clone();
        Reply::json(
            200,
            &done(row(ID, |row| row["restrictions"] = restrictions)),
        )
    };
    let server = always(answer(&nowhere())).await;
    assert_eq!(
        account(&server).driver.disable(&handle()).await,
        Ok(Disabled::Now)
    );
    let seen = &asked(&server)[0];
    let change = format!("{ONE}?updateMask=restrictions");
    assert_eq!((seen.method.as_str(), &seen.target), ("PATCH", &change));
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body, json!({"restrictions": nowhere()}));
    let server = always(answer(&limited)).await;
    assert_eq!(
        account(&server).driver.restore(&handle(), &asked_for).await,
        Ok(())
    );
    let body: Value = serde_json::from_str(&asked(&server)[0].body).unwrap();
    assert_eq!(body, json!({"restrictions": limited}));
    // What reads back otherwise is not done.
    for restrictions in [json!({}), nowhere()] {
        let server = always(answer(&restrictions)).await;
        let refused = account(&server).driver.restore(&handle(), &asked_for).await;
        assert!(
            matches!(refused, Err(ProviderError::RetryAfter { .. })),
            "{refused:?}"
        );
    }
    let server = always(answer(&limited)).await;
    let refused = account(&server).driver.disable(&handle()).await;
    assert!(
        matches!(refused, Err(ProviderError::RetryAfter { .. })),
        "{refused:?}"
    );
    let server = always(Reply::json(200, &done(row(ID, |_| {})))).await;
    assert_eq!(account(&server).driver.delete(&handle()).await, Ok(()));
    let seen = &asked(&server)[0];
    assert_eq!(
        (&*seen.method, &*seen.target, &*seen.body),
        ("DELETE", ONE, "")
    );
}

/// A change is waited for a little. A delete that goes on is accepted; a restriction is not done until it reads back.
#[tokio::test]
async fn an_operation_is_waited_for_and_no_longer_than_a_little() {
    let server = always(Reply::json(200, &goes_on())).await;
    let account = account(&server);
    let refused = account.driver.disable(&handle()).await;
    assert!(
        matches!(refused, Err(ProviderError::RetryAfter { .. })),
        "{refused:?}"
    );
    assert_eq!(account.clock.slept().len(), LOOKS as usize);
    assert_eq!(asked(&server).len(), 1 + LOOKS as usize);
    assert_eq!(account.driver.delete(&handle()).await, Ok(()));
    let failed = json!({"name": "operations/akmf.EXAMPLE", "done": true, "error": {"code": 9, "message": "x"}});
    let server = google(move |seen| match seen.method.as_str() {
        "DELETE" => Reply::json(200, &goes_on()),
        _ if seen.target.starts_with("/v2/operations/") => Reply::json(200, &failed),
        _ => Reply::json(200, &row(ID, |_| {})),
    })
    .await;
    let refused = self::account(&server).driver.delete(&handle()).await;
    assert!(
        matches!(refused, Err(ProviderError::Refused { .. })),
        "{refused:?}"
    );
}

/// Whatever Google says of a key that was deleted: it is not there.
#[tokio::test]
async fn a_refusal_about_a_deleted_key_is_not_found() {
    let gone = row(ID, |row| row["deleteTime"] = json!("2026-11-20T00:00:00Z"));
    for refusal in [
        error(400, "FAILED_PRECONDITION", ""),
        error(404, "NOT_FOUND", ""),
        error(409, "FAILED_PRECONDITION", ""),
    ] {
        let gone = gone.clone();
        let server = google(move |seen| match seen.method.as_str() {
            "GET" => Reply::json(200, &gone),
            _ => refusal.clone(),
        })
        .await;
        let driver = account(&server).driver;
        assert_eq!(driver.delete(&handle()).await, Err(ProviderError::NotFound));
        assert_eq!(
            driver.disable(&handle()).await,
            Err(ProviderError::NotFound)
        );
        let restored = driver.restore(&handle(), &scope()).await;
        assert_eq!(restored, Err(ProviderError::NotFound));
    }
    let server = google(|seen| match seen.method.as_str() {
        "GET" => Reply::json(200, &row(ID, |_| {})),
        _ => error(400, "FAILED_PRECONDITION", ""),
    })
    .await;
    let refused = account(&server).driver.delete(&handle()).await;
    assert!(
        matches!(refused, Err(ProviderError::Refused { .. })),
        "it is there: {refused:?}"
    );
}

#[tokio::test]
async fn refusals_are_told_apart_by_googles_own_words() {
    for (name, reply, expected) in [
        ("no such key", error(404, "NOT_FOUND", ""), Ok(())),
        (
            "no permission",
            error(403, "PERMISSION_DENIED", ""),
            Err("AdminCredential"),
        ),
        (
            "not known",
            error(401, "UNAUTHENTICATED", ""),
            Err("AdminCredential"),
        ),
        (
            "too many",
            error(429, "RESOURCE_EXHAUSTED", ""),
            Err("RetryAfter"),
        ),
        ("at work", error(409, "ABORTED", ""), Err("RetryAfter")),
        ("down", error(503, "UNAVAILABLE", ""), Err("RetryAfter")),
        ("bad", error(400, "INVALID_ARGUMENT", ""), Err("Refused")),
        ("404 of a proxy", html(404), Err("RetryAfter")),
        ("403 of a proxy", html(403), Err("RetryAfter")),
        (
            "another key",
            Reply::json(200, &row("other", |_| {})),
            Err("RetryAfter"),
        ),
    ] {
        let server = always(reply).await;
        let got = account(&server).driver.get(&handle()).await;
        match expected {
            Ok(()) => assert_eq!(got, Ok(None), "{name}"),
            Err(kind) => {
                let got = format!("{:?}", got.unwrap_err());
                assert!(got.starts_with(kind), "{name}: {got}");
            }
        }
    }
    let server = always(error(404, "NOT_FOUND", "")).await;
    let listed = account(&server).driver.list(&scope(), None).await;
    assert!(
        matches!(listed, Err(ProviderError::Refused { .. })),
        "{listed:?}"
    );
}

/// The texts of the keys that Gemini takes are read, those of deleted and of other keys are not.
#[tokio::test]
async fn a_text_is_looked_up_among_the_keys_that_gemini_takes() {
    let server = google(|seen| {
        if let Some((before, _)) = seen.target.split_once("/keyString") {
            return match before.rsplit('/').next().unwrap_or_default() {
                "mine" => Reply::json(200, &json!({"keyString": KEY})),
                "vanished" => error(404, "NOT_FOUND", ""),
                _ => Reply::json(200, &json!({"keyString": "AIzaSyEXAMPLEother"})),
            };
        }
        let maps = |row: &mut Value| {
            row["restrictions"]["apiTargets"][0]["service"] = json!("maps.googleapis.com");
        };
        let gone = |row: &mut Value| row["deleteTime"] = json!("2026-11-20T00:00:00Z");
        let keys = [
            row("maps", maps),
            row("gone", gone),
            row("vanished", |_| {}),
        ];
        let last = [
            row("free", |row| row["restrictions"] = json!(null)),
            row("mine", |_| {}),
        ];
        match seen.target.contains("pageToken") {
            true => Reply::json(200, &json!({"keys": last})),
            false => Reply::json(200, &json!({"keys": keys, "nextPageToken": "2"})),
        }
    })
    .await;
    let driver = account(&server).driver;
    let found = driver.look_up(&scope(), &ApiKey::new(KEY)).await.unwrap();
    assert!(matches!(&found, LookUp::Is(Some(key)) if key.handle.as_str() == "example-1/mine"));
    let read: Vec<String> = asked(&server).into_iter().map(|seen| seen.target).collect();
    let read = read.iter().filter(|target| target.ends_with("/keyString"));
    assert_eq!(read.count(), 3, "of three keys that may be it");
    let other = ApiKey::new("AIzaSyEXAMPLEnone");
    assert_eq!(driver.look_up(&scope(), &other).await, Ok(LookUp::Is(None)));
}

/// A server that does not heed the page asked for.
#[tokio::test]
async fn a_look_up_in_a_list_without_an_end_ends() {
    let server = google(|seen| {
        let next = if seen.target.contains("pageToken=a") {
            "b"
        } else {
            "a"
        };
        Reply::json(200, &json!({"keys": [], "nextPageToken": next}))
    })
    .await;
    let driver = account(&server).driver;
    let (scope, key) = (scope(), ApiKey::new(KEY));
    let looked = driver.look_up(&scope, &key);
    let looked = tokio::time::timeout(std::time::Duration::from_secs(60), looked).await;
    let looked = looked.unwrap();
    assert!(
        matches!(looked, Err(ProviderError::RetryAfter { .. })),
        "{looked:?}"
    );
}

/// An answer about a key that has ended meanwhile is no proof that it works again.
#[tokio::test]
async fn a_deleted_key_is_not_restored() {
    let server = google(|seen| {
        if seen.method == "PATCH" {
            let deleted = row(ID, |row| row["deleteTime"] = json!("2026-11-25T15:00:00Z"));
            Reply::json(200, &done(deleted))
        } else {
            error(404, "NOT_FOUND", "x")
        }
    })
    .await;
    let driver = account(&server).driver;
    assert_eq!(
        driver.restore(&handle(), &scope()).await,
        Err(ProviderError::NotFound)
    );
}
