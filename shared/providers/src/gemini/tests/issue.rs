//! Creating keys: once, under an id that is made of the label, and never silently.

use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::version::VersionId;
use secrecy::ExposeSecret;

use super::*;

const OPERATION: &str = "/v2/operations/akmf.EXAMPLE";

fn request(scope: Scope) -> IssueRequest {
    let id: VersionId = "00000000-1111-4222-8333-444444444444.1".parse().unwrap();
    IssueRequest {
        label: KeyLabel::new(&"support-bot".parse().unwrap(), &id),
        scope,
        cap: SpendCap {
            amount: MicroDollars(52_500_001),
            period: CapPeriod::Daily,
        },
        expires: "2026-11-26T15:00:00.987Z".parse().unwrap(),
        keep: Vec::new(),
    }
}

fn id() -> String {
    key_id(request(scope()).label.as_str())
}

fn text() -> Reply {
    Reply::json(200, &json!({"keyString": KEY}))
}

/// Answers a create with one operation, what is asked about it with another, and gives out the text.
async fn making(create: Value, later: Value) -> TestServer {
    google(
        move |seen| match (seen.method.as_str(), seen.target.as_str()) {
            ("POST", _) => Reply::json(200, &create),
            ("GET", OPERATION) => Reply::json(200, &later),
            _ => text(),
        },
    )
    .await
}

fn wide() -> Scope {
    Scope {
        service_account: Some("agent@example-1.iam.gserviceaccount.com".parse().unwrap()),
        endpoints: vec!["GenerateContent".parse().unwrap(), "List*".parse().unwrap()],
        addresses: vec!["203.0.113.7".parse().unwrap()],
        ..scope()
    }
}

fn made(change: impl FnOnce(&mut Value)) -> Value {
    done(row(&id(), change))
}

fn made_wide() -> Value {
    made(|row| {
        row["restrictions"]["apiTargets"][0]["methods"] = json!(["List*", "GenerateContent"]);
        row["restrictions"]["serverKeyRestrictions"] = json!({"allowedIps": ["203.0.113.7"]});
        row["serviceAccountEmail"] = json!("agent@example-1.iam.gserviceaccount.com");
    })
}

#[tokio::test]
async fn a_key_is_created_with_everything_it_is_born_with() {
    let server = making(made_wide(), json!({})).await;
    let issued = account(&server)
        .driver
        .issue(&request(wide()))
        .await
        .unwrap();
    assert_eq!(issued.key.expose_secret(), KEY);
    assert_eq!(issued.handle.as_str(), format!("example-1/{}", id()));
    assert_eq!(issued.expires, None);
    let seen = asked(&server);
    let keys = "/v2/projects/example-1/locations/global/keys";
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.clone()),
        ("POST", format!("{keys}?keyId={}", id()))
    );
    let label = "keyward-support-bot--00000000-1111-4222-8333-444444444444-1";
    let expected = json!({
        "displayName": label, "annotations": {"keyward-label": label},
        "restrictions": {
            "apiTargets": [{"service": "generativelanguage.googleapis.com", "methods": ["GenerateContent", "List*"]}],
            "serverKeyRestrictions": {"allowedIps": ["203.0.113.7"]},
        },
        "serviceAccountEmail": "agent@example-1.iam.gserviceaccount.com",
    });
    let sent: Value = serde_json::from_str(&seen[0].body).unwrap();
    assert_eq!(sent, expected);
    assert_eq!(seen[1].target, format!("{keys}/{}/keyString", id()));
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn an_empty_list_is_never_sent_and_a_name_is_cut() {
    let server = making(made(|_| {}), json!({})).await;
    account(&server)
        .driver
        .issue(&request(scope()))
        .await
        .unwrap();
    let body: Value = serde_json::from_str(&asked(&server)[0].body).unwrap();
    let target = json!({"apiTargets": [{"service": "generativelanguage.googleapis.com"}]});
    assert_eq!(body["restrictions"], target);
    assert!(body["serviceAccountEmail"].is_null());
    let long = "x".repeat(80);
    let create = serde_json::to_value(Create::new(&long, &scope())).unwrap();
    assert_eq!(create["displayName"], "x".repeat(63));
    assert_eq!(create["annotations"]["keyward-label"], long);
}

/// Two operations under way, then the end: P-07.
#[tokio::test]
async fn an_operation_that_goes_on_is_told_and_gone_on_with() {
    let mut ended = made(|row| row["keyString"] = json!("EXAMPLE-not-a-real-google-key"));
    ended["response"]["@type"] = json!("type.googleapis.com/google.api.apikeys.v2.Key");
    let server = google(
        move |seen| match (seen.method.as_str(), seen.target.as_str()) {
            ("POST", _) => Reply::json(200, &goes_on()),
            ("GET", OPERATION) => Reply::json(200, &ended),
            _ => text(),
        },
    )
    .await;
    let account = account(&server);
    let asked_for = request(scope());
    let Err(ProviderError::UnderWay(operation)) = account.driver.issue(&asked_for).await else {
        panic!("it goes on");
    };
    assert_eq!(operation.as_str(), "operations/akmf.EXAMPLE");
    for _ in 0..2 {
        let issued = account.driver.resume(&asked_for, &operation).await.unwrap();
        assert_eq!(
            issued.key.expose_secret(),
            KEY,
            "the text is read where it is described"
        );
    }
    let creates = asked(&server)
        .iter()
        .filter(|seen| seen.method == "POST")
        .count();
    assert_eq!(creates, 1);
}

#[tokio::test]
async fn how_an_operation_ended_decides() {
    let failed = |code: i64| {
        let error = json!({"code": code, "message": "Quota exceeded", "details": []});
        json!({"name": "operations/akmf.EXAMPLE", "done": true, "error": error})
    };
    #[derive(Debug, PartialEq)]
    enum End {
        Limit,
        Refused,
        Open,
        Later,
    }
    let wider = |change: fn(&mut Value)| made(change);
    for (name, operation, expected) in [
        ("quota", failed(8), End::Limit),
        ("denied", failed(7), End::Refused),
        ("an argument", failed(3), End::Refused),
        ("no such account", failed(5), End::Refused),
        ("taken", failed(6), End::Open),
        ("internal", failed(13), End::Open),
        ("a new code", failed(99), End::Open),
        ("another key", done(row("other", |_| {})), End::Open),
        ("no key", done(json!({})), End::Open),
        (
            "no restrictions",
            wider(|row| row["restrictions"] = json!({})),
            End::Open,
        ),
        (
            "another service",
            wider(|row| {
                row["restrictions"]["apiTargets"][0]["service"] = json!("maps.googleapis.com")
            }),
            End::Open,
        ),
        (
            "one more service",
            wider(|row| {
                let targets = row["restrictions"]["apiTargets"].as_array_mut().unwrap();
                targets.push(json!({"service": "maps.googleapis.com"}));
            }),
            End::Open,
        ),
        (
            "ended with nothing",
            json!({"name": "operations/akmf.EXAMPLE", "done": true}),
            End::Open,
        ),
        (
            "an error that goes on",
            {
                let mut both = failed(8);
                both["done"] = json!(false);
                both
            },
            End::Later,
        ),
        (
            "another operation",
            json!({"name": "operations/other"}),
            End::Later,
        ),
        (
            "no operation",
            json!({"name": "x", "done": true}),
            End::Later,
        ),
    ] {
        let server = making(goes_on(), operation).await;
        let account = account(&server);
        let operation = "operations/akmf.EXAMPLE".parse().unwrap();
        let ended = account.driver.resume(&request(scope()), &operation).await;
        let end = match ended {
            Err(ProviderError::LimitReached { .. }) => End::Limit,
            Err(ProviderError::Refused { .. }) => End::Refused,
            Err(ProviderError::Ambiguous { .. }) => End::Open,
            Err(ProviderError::RetryAfter { .. }) => End::Later,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(end, expected, "{name}");
    }
}

#[tokio::test]
async fn a_key_that_is_wider_or_free_is_not_taken() {
    type Change = fn(&mut Value);
    let changes: [Change; 4] = [
        |key| key["restrictions"]["apiTargets"][0]["methods"] = json!([]),
        |key| key["restrictions"]["apiTargets"][0]["methods"] = json!(["*"]),
        |key| key["restrictions"]["serverKeyRestrictions"] = json!({"allowedIps": []}),
        |key| key["serviceAccountEmail"] = json!("other@example-1.iam.gserviceaccount.com"),
    ];
    for change in changes {
        let mut operation = made_wide();
        change(&mut operation["response"]);
        let server = making(operation, json!({})).await;
        let refused = account(&server).driver.issue(&request(wide())).await;
        assert!(
            matches!(refused, Err(ProviderError::Ambiguous { .. })),
            "{refused:?}"
        );
    }
}

/// The key is there, but its text is not to be had now: the operation is kept, and asked about again.
#[tokio::test]
async fn a_text_that_cannot_be_read_yet_is_read_later() {
    for (name, reply) in [
        ("not yet", error(404, "NOT_FOUND", "")),
        ("busy", error(503, "UNAVAILABLE", "")),
        ("refused", error(403, "PERMISSION_DENIED", "")),
        ("proxy", html(200)),
        ("closed", Reply::Close),
    ] {
        let ended = made(|_| {});
        let server = google(move |seen| match seen.method.as_str() {
            "POST" => Reply::json(200, &ended),
            _ => reply.clone(),
        })
        .await;
        let issued = account(&server).driver.issue(&request(scope())).await;
        assert!(
            matches!(issued, Err(ProviderError::UnderWay(_))),
            "{name}: {issued:?}"
        );
    }
    let odd = Reply::json(200, &json!({"keyString": "sk-EXAMPLE0123456789"}));
    let ended = made(|_| {});
    let server = google(move |seen| match seen.method.as_str() {
        "POST" => Reply::json(200, &ended),
        _ => odd.clone(),
    })
    .await;
    let issued = account(&server).driver.issue(&request(scope())).await;
    assert!(
        matches!(issued, Err(ProviderError::Ambiguous { .. })),
        "{issued:?}"
    );
    assert!(!format!("{issued:?}").contains("EXAMPLE0123"));
}

#[tokio::test]
async fn a_create_is_refused_or_open_by_googles_own_words() {
    for (name, reply, is_refused) in [
        ("bad", error(400, "INVALID_ARGUMENT", ""), true),
        ("no project", error(404, "NOT_FOUND", ""), true),
        ("taken", error(409, "ALREADY_EXISTS", ""), false),
        ("at work", error(409, "ABORTED", ""), false),
        ("proxy", html(400), false),
        (
            "no operation",
            Reply::json(200, &json!({"done": true})),
            false,
        ),
    ] {
        let server = always(reply).await;
        let refused = account(&server).driver.issue(&request(scope())).await;
        let told = matches!(refused, Err(ProviderError::Refused { .. }));
        let open = matches!(refused, Err(ProviderError::Ambiguous { .. }));
        assert!(
            told == is_refused && open != is_refused,
            "{name}: {refused:?}"
        );
        assert_eq!(asked(&server).len(), 1, "{name}");
    }
    let server = always(error(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED")).await;
    let busy = account(&server).driver.issue(&request(scope())).await;
    assert!(
        matches!(busy, Err(ProviderError::RetryAfter { .. })),
        "{busy:?}"
    );
    let nowhere = account(&server)
        .driver
        .issue(&request(Scope::default()))
        .await;
    assert!(
        matches!(nowhere, Err(ProviderError::Refused { .. })),
        "{nowhere:?}"
    );
}
