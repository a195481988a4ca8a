//! The driver against canned answers over real HTTP.

use jiff::SignedDuration;
use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::version::KeyLabel;
use keyward_core::ports::{Clock as _, KeyOwner};
use serde_json::{Value, json};

use super::*;
use crate::admin::testing::{CountingSource, arn};
use crate::http::testing::{Reply, Seen, TestClock, TestServer, http, impatient};

const KEY: &str = "sk-svcacct-EXAMPLE0123456789T3BlbkFJEXAMPLE0123456789";

fn driver(server: &TestServer) -> OpenAi {
    let admin = AdminCredential::new(Arc::new(CountingSource::default()), arn());
    let http = http(&TestClock::new(), impatient());
    OpenAi::new(Arc::new(http), server.base(), admin)
}

fn handle() -> KeyHandle {
    "proj_1/svc_acct_EXAMPLE/key_EXAMPLEold".parse().unwrap()
}

fn scope(account: Option<&str>, permissions: &[&str]) -> Scope {
    Scope {
        project: "proj_1".parse().ok(),
        service_account: account.map(|id| id.parse().unwrap()),
        permissions: permissions.iter().map(|p| p.parse().unwrap()).collect(),
        ..Scope::default()
    }
}

fn label() -> KeyLabel {
    let id = "11111111-aaaa-4bbb-8ccc-000000000002.1".parse().unwrap();
    KeyLabel::new(&"agent-billing".parse().unwrap(), &id)
}

fn request(scope: Scope) -> IssueRequest {
    IssueRequest {
        label: label(),
        scope,
        cap: SpendCap {
            amount: MicroDollars(1),
            period: CapPeriod::Daily,
        },
        expires: TestClock::new().now() + SignedDuration::from_hours(24),
    }
}

fn error(status: u16, code: Value, message: &str) -> Reply {
    let error =
        json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
    Reply::json(status, &json!({ "error": error }))
}

fn case(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What was asked, a line each: method, path below the project, body.
fn asked(seen: &[Seen]) -> Vec<String> {
    let line = |seen: &Seen| {
        let (_, path) = seen.target.split_once("/projects/proj_1/").unwrap();
        let path = path.split('?').next().unwrap();
        format!("{} {path} {}", seen.method, seen.body)
            .trim_end()
            .to_owned()
    };
    seen.iter().map(line).collect()
}

#[tokio::test]
async fn a_verdict_rests_on_the_body() {
    let models = || json!({"object": "list", "data": [{"id": "m"}], "new": 1});
    let quota = |code: Value| {
        let error = json!({"message": "You exceeded", "type": "insufficient_quota", "param": null, "code": code});
        Reply::json(429, &json!({ "error": error }))
    };
    let missing =
        "You have insufficient permissions for this operation. Missing scopes: api.model.read.";
    let whole = models().to_string();
    for (name, reply, expected) in [
        ("accepted", Reply::json(200, &models()), "Live"),
        (
            "invalid",
            error(401, json!("invalid_api_key"), "Incorrect API key provided"),
            "Dead",
        ),
        (
            "no permission",
            error(401, Value::Null, missing),
            "BlockedForScope",
        ),
        (
            "no permission, 403",
            error(403, Value::Null, missing),
            "BlockedForScope",
        ),
        (
            "wrong organization",
            error(401, json!("invalid_organization"), "No such organization"),
            "Unknown",
        ),
        (
            "no member",
            error(401, Value::Null, "You must be a member of an organization"),
            "Unknown",
        ),
        (
            "address",
            error(401, json!("ip_not_authorized"), "Your IP is not authorized"),
            "Unknown",
        ),
        (
            "country",
            error(
                403,
                json!("unsupported_country_region_territory"),
                "Country",
            ),
            "Unknown",
        ),
        (
            "quota",
            quota(json!("insufficient_quota")),
            "BlockedForMoney",
        ),
        ("quota without code", quota(Value::Null), "BlockedForMoney"),
        (
            "credit",
            quota(json!("credit_balance_exhausted")),
            "BlockedForMoney",
        ),
        (
            "project limit",
            error(429, json!("project_spend_limit_exceeded"), "Limit"),
            "BlockedForMoney",
        ),
        (
            "rate limit of type quota",
            quota(json!("rate_limit_exceeded")),
            "Unknown",
        ),
        (
            "rate limit",
            error(429, json!("rate_limit_exceeded"), "Rate limit reached"),
            "Unknown",
        ),
        (
            "broken",
            error(500, Value::Null, "The server had an error"),
            "Unknown",
        ),
        (
            "a 401 of a proxy",
            Reply::new(401, "<html>login</html>"),
            "Unknown",
        ),
        (
            "a 401 in flat JSON",
            Reply::json(401, &json!({"error": "invalid_api_key"})),
            "Unknown",
        ),
        (
            "a proxy's page",
            Reply::new(200, "<html>welcome</html>"),
            "Unknown",
        ),
        (
            "truncated",
            Reply::new(200, &whole.as_bytes()[..whole.len() / 2]),
            "Unknown",
        ),
        (
            "another object",
            Reply::json(200, &json!({"object": "model", "data": []})),
            "Unknown",
        ),
        (
            "an error inside",
            Reply::json(
                200,
                &json!({"object": "list", "data": [], "error": {"code": "x"}}),
            ),
            "Unknown",
        ),
        ("closed", Reply::Close, "Unknown"),
    ] {
        let server = TestServer::always(reply).await;
        let verdict = driver(&server).verify(&ApiKey::new(KEY)).await;
        let shown = format!("{verdict:?}");
        assert!(shown.starts_with(expected), "{name}: {shown}");
        assert!(!shown.contains("0123456789T3"), "{name}");
        assert_eq!(server.seen().len(), 1, "{name}: asked once");
    }
}

#[tokio::test]
async fn a_key_is_made_inside_its_service_account() {
    for (permissions, sent) in [
        (&[][..], ""),
        (&["model.request"], r#","scopes":["model.request"]"#),
    ] {
        let body = json!({
            "object": "organization.project.service_account.api_key", "id": "key_new", "value": KEY,
            "name": "n", "created_at": 1, "expires_at": 1_900_000_000,
        });
        let server = TestServer::always(Reply::json(200, &body)).await;
        let request = request(scope(Some("svc_acct_1"), permissions));
        let issued = driver(&server).issue(&request).await.unwrap();
        assert_eq!(issued.handle.as_str(), "proj_1/svc_acct_1/key_new");
        assert_eq!(issued.expires.map(|at| at.as_second()), Some(1_900_000_000));
        let expected = format!(
            "POST service_accounts/svc_acct_1/api_keys {{\"name\":\"{}\"{sent},\"expires_in_seconds\":86400}}",
            label()
        );
        assert_eq!(asked(&server.seen()), [expected]);
    }
}

#[tokio::test]
async fn p_01_a_key_with_an_account_of_its_own() {
    let created = case(include_str!("../../fixtures/P-01-openai-sa-create.json"));
    let server = TestServer::start(move |number, _| match number {
        0 => Reply::json(200, &created),
        _ => Reply::json(200, &json!({"id": "key_EXAMPLEnew", "expires_at": 1_900_000_000,
            "owner": {"type": "service_account", "service_account": {"id": "svc_acct_EXAMPLE", "name": "x"}}})),
    })
    .await;
    let issued = driver(&server)
        .issue(&request(scope(None, &[])))
        .await
        .unwrap();
    assert_eq!(
        issued.handle.as_str(),
        "proj_1/svc_acct_EXAMPLE/key_EXAMPLEnew"
    );
    assert_eq!(issued.expires.map(|at| at.as_second()), Some(1_900_000_000));
    assert_eq!(
        asked(&server.seen())[0],
        format!(
            "POST service_accounts {{\"name\":\"{}\",\"expires_in_seconds\":86400}}",
            label()
        )
    );
}

#[tokio::test]
async fn p_01b_an_account_without_a_key_is_taken_back() {
    let deleted = json!({"object": "organization.project.service_account.deleted", "id": "svc_acct_EXAMPLE", "deleted": true});
    for (name, answer, ambiguous) in [
        ("deleted", Reply::json(200, &deleted), false),
        ("gone", error(404, Value::Null, "No such account"), false),
        ("not answered", Reply::Close, true),
        ("refused", error(400, Value::Null, "No"), true),
    ] {
        let created = case(include_str!(
            "../../fixtures/P-01b-openai-sa-create-null-key.json"
        ));
        let server = TestServer::start(move |number, _| match number {
            0 => Reply::json(200, &created),
            _ => answer.clone(),
        })
        .await;
        let refused = driver(&server)
            .issue(&request(scope(None, &[])))
            .await
            .unwrap_err();
        assert_eq!(
            matches!(refused, ProviderError::Ambiguous { .. }),
            ambiguous,
            "{name}: {refused:?}"
        );
        assert_eq!(
            matches!(refused, ProviderError::Refused { .. }),
            !ambiguous,
            "{name}: {refused:?}"
        );
        assert_eq!(
            asked(&server.seen())[1],
            "DELETE service_accounts/svc_acct_EXAMPLE"
        );
    }
}

#[tokio::test]
async fn without_a_project_nothing_is_asked() {
    let server = TestServer::always(Reply::Close).await;
    let driver = driver(&server);
    let refused = driver.issue(&request(Scope::default())).await.unwrap_err();
    assert!(
        matches!(refused, ProviderError::Refused { .. }),
        "{refused:?}"
    );
    assert!(driver.list(&Scope::default(), None).await.is_err());
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn a_key_is_narrowed_and_given_back_what_its_scope_permits() {
    for (scope, sent) in [
        (
            scope(Some("svc_acct_1"), &["model.request"]),
            r#"{"scopes":["model.request"]}"#,
        ),
        (scope(Some("svc_acct_1"), &[]), r#"{"scopes":[]}"#),
    ] {
        let server = TestServer::always(Reply::json(200, &json!({"id": "key_EXAMPLEold"}))).await;
        let driver = driver(&server);
        assert_eq!(driver.disable(&handle()).await, Ok(Disabled::Now));
        assert_eq!(driver.restore(&handle(), &scope).await, Ok(()));
        assert_eq!(
            asked(&server.seen()),
            [
                r#"POST api_keys/key_EXAMPLEold {"scopes":["api.files.read"]}"#.to_owned(),
                format!("POST api_keys/key_EXAMPLEold {sent}"),
            ]
        );
    }
    let server = TestServer::always(Reply::json(200, &json!({"id": "key_other"}))).await;
    let got = driver(&server).disable(&handle()).await;
    assert!(
        matches!(got, Err(ProviderError::RetryAfter { .. })),
        "{got:?}"
    );
}

/// A provider where the service account is called `name`, and has these keys.
async fn provider(
    name: &'static str,
    keys: &'static [&'static str],
    delete: u16,
    update: u16,
) -> TestServer {
    TestServer::start(move |_, seen| {
        let refused = |status: u16| error(status, Value::Null, "refused");
        let deleted = Reply::json(200, &json!({"id": "x", "deleted": true}));
        let is_key = seen.target.contains("/api_keys/");
        match (seen.method.as_str(), is_key) {
            ("GET", true) => Reply::json(200, &json!({"id": "key_EXAMPLEold"})),
            ("GET", false) if seen.target.contains("/service_accounts/") => {
                Reply::json(200, &json!({"id": "svc_acct_EXAMPLE", "name": name}))
            }
            ("GET", false) => {
                let row = |key: &&str| {
                    json!({"id": key, "owner": {"type": "service_account",
                    "service_account": {"id": "svc_acct_EXAMPLE", "name": name}}})
                };
                let rows: Vec<Value> = keys.iter().map(row).collect();
                Reply::json(
                    200,
                    &json!({"object": "list", "data": rows, "has_more": false}),
                )
            }
            ("DELETE", true) if delete != 200 => refused(delete),
            ("POST", true) if update != 200 => refused(update),
            ("POST", true) => Reply::json(200, &json!({"id": "key_EXAMPLEold"})),
            _ => deleted,
        }
    })
    .await
}

#[tokio::test]
async fn a_key_is_ended_and_no_other_with_it() {
    const OWN: &str = "keyward-agent-billing--11111111-aaaa-4bbb-8ccc-000000000001-1";
    const ALONE: &[&str] = &["key_EXAMPLEold"];
    const SHARED: &[&str] = &["key_EXAMPLEold", "key_EXAMPLEnew"];
    const KEY: &str = "DELETE api_keys/key_EXAMPLEold";
    const ACCOUNT: &str = "DELETE service_accounts/svc_acct_EXAMPLE";
    const END: &str =
        r#"POST api_keys/key_EXAMPLEold {"scopes":["api.files.read"],"expires_in_seconds":1}"#;
    for (name, server, good, changes) in [
        (
            "in a shared account",
            provider("agents", SHARED, 200, 200).await,
            true,
            &[KEY][..],
        ),
        (
            "with an account of its own",
            provider(OWN, ALONE, 200, 200).await,
            true,
            &[ACCOUNT],
        ),
        (
            "somebody put another key into that",
            provider(OWN, SHARED, 200, 200).await,
            true,
            &[KEY],
        ),
        (
            "delete refused",
            provider("agents", SHARED, 400, 200).await,
            true,
            &[KEY, END],
        ),
        (
            "expiry refused too, others there",
            provider("agents", SHARED, 400, 400).await,
            false,
            &[KEY, END],
        ),
        (
            "expiry refused too, alone",
            provider("agents", ALONE, 400, 400).await,
            true,
            &[KEY, END, ACCOUNT],
        ),
        (
            "gone",
            provider("agents", SHARED, 404, 200).await,
            false,
            &[KEY],
        ),
        (
            "no answer that means anything",
            provider("agents", SHARED, 503, 200).await,
            false,
            &[KEY],
        ),
    ] {
        let ended = driver(&server).delete(&handle()).await;
        assert_eq!(ended.is_ok(), good, "{name}: {ended:?}");
        let mut asked = asked(&server.seen());
        asked.retain(|line| !line.starts_with("GET"));
        asked.dedup();
        assert_eq!(asked, changes, "{name}");
    }
}

#[tokio::test]
async fn p_03_not_found_is_told_and_decides_nothing() {
    let answer =
        case(include_str!("../../fixtures/P-03-openai-delete-404.json"))["delete"]["body"].take();
    let server = TestServer::start(move |_, seen| match seen.method.as_str() {
        "GET" => Reply::json(200, &json!({"id": "svc_acct_EXAMPLE", "name": "agents"})),
        _ => Reply::json(404, &answer),
    })
    .await;
    let got = driver(&server).delete(&handle()).await;
    assert_eq!(got, Err(ProviderError::NotFound));
}

#[tokio::test]
async fn rows_are_read_and_what_has_ended_is_left_out() {
    let row =
        case(include_str!("../../fixtures/P-03-openai-delete-404.json"))["list_with_key"]["data"]
            [0]
        .take();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut row = row.clone();
        change(&mut row);
        json!({"object": "list", "data": [row], "first_id": "a", "last_id": "key_EXAMPLEold", "has_more": false})
    };
    let list = async |body: Value| {
        let server = TestServer::always(Reply::json(200, &body)).await;
        let page = driver(&server).list(&scope(None, &[]), None).await;
        (page, server.seen())
    };
    let (page, seen) = list(with(&|_| {})).await;
    let key = &page.unwrap().keys[0];
    assert_eq!(key.handle, handle());
    assert_eq!((key.owner, key.suspended), (KeyOwner::Service, None));
    assert_eq!(key.last_used.map(|at| at.as_second()), Some(1_795_500_000));
    assert!(
        seen[0]
            .target
            .ends_with("limit=100&owner_project_access=any")
    );

    let (page, _) = list(with(&|row| row["owner_project_access"] = json!("inactive"))).await;
    assert_eq!(page.unwrap().keys[0].suspended, Some(true));
    let (page, _) = list(with(&|row| row["last_used_at"] = Value::Null)).await;
    assert_eq!(page.unwrap().keys[0].last_used, None, "not 1970");
    let (page, _) = list(with(&|row| {
        row["owner"] = json!({"type": "user", "user": {"id": "u"}})
    }))
    .await;
    let key = page.unwrap().keys.remove(0);
    assert_eq!(
        (key.handle.as_str(), key.owner),
        ("proj_1/-/key_EXAMPLEold", KeyOwner::Person)
    );
    let (page, _) = list(with(&|row| row["expires_at"] = json!(1))).await;
    assert_eq!(page.unwrap().keys, [], "it has ended");
    let own = "keyward-agent-billing--11111111-aaaa-4bbb-8ccc-000000000001-1";
    let (page, _) = list(with(&|row| {
        row["owner"]["service_account"]["name"] = json!(own)
    }))
    .await;
    assert_eq!(
        page.unwrap().keys[0].label.as_str(),
        own,
        "the account was made for it"
    );
    for unreadable in [
        json!({"object": "list", "data": [{"name": "x"}], "has_more": false}),
        json!({"object": "list", "data": [{"id": "a b"}], "has_more": false}),
        json!({"object": "list", "data": [], "has_more": true}),
        json!({"object": "list", "data": []}),
    ] {
        let (page, _) = list(unreadable.clone()).await;
        assert!(
            matches!(page, Err(ProviderError::RetryAfter { .. })),
            "{unreadable}: {page:?}"
        );
    }
}
