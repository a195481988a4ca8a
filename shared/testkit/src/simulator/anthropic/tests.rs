use jiff::SignedDuration;
use keyward_core::model::key::{AdminKey, ApiKey};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::ProviderName;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::testing::{Response, World};
use super::super::{KeyState, Management, Settings};
use super::{PREFIX, VERSION};

const KEYS: &str = "/v1/organizations/api_keys";

async fn world() -> World {
    World::with(settings()).await
}

fn settings() -> Settings {
    Settings {
        provider: ProviderName::Anthropic,
        ..Settings::default()
    }
}

fn ask(world: &World, method: &str, path: &str, text: &str, body: &str) -> Response {
    let headers = format!("x-api-key: {text}\r\nanthropic-version: {VERSION}\r\n");
    world.send_with(method, path, &headers, body).unwrap()
}

/// A request of the admin key, at the list of keys or below it.
fn admin(world: &World, method: &str, below: &str, body: &str) -> Response {
    let key = world.simulator.management_key();
    let path = format!("{KEYS}{below}");
    ask(world, method, &path, key.expose_secret(), body)
}

/// A key that a person makes: its id and its text.
fn make(world: &World, name: &str) -> (String, String) {
    let text = world.simulator.seed(name);
    let handle = world.simulator.key_by_label(name).unwrap().handle;
    (handle.to_string(), text.expose_secret().to_owned())
}

/// What looking at models, and calling one, is answered.
fn works(world: &World, text: &str) -> (u16, u16) {
    let models = ask(world, "GET", "/v1/models?limit=1", text, "");
    let message = ask(world, "POST", "/v1/messages", text, "{}");
    (models.status, message.status)
}

fn set(world: &World, id: &str, status: &str) -> Value {
    let body = json!({"status": status}).to_string();
    let answer = admin(world, "POST", &format!("/{id}"), &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["status"].clone()
}

fn names(world: &World, query: &str) -> Vec<String> {
    let page = admin(world, "GET", query, "").json();
    let rows = page["data"].as_array().unwrap().clone();
    rows.iter()
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect()
}

/// As the published client's types have it: <https://github.com/anthropics/anthropic-sdk-python>,
/// `types/organization/api_key.py`.
#[tokio::test]
async fn a_key_is_told_as_published() {
    let world = world().await;
    let (id, text) = make(&world, "a");
    let random = text.strip_prefix(PREFIX).unwrap();
    assert!(random.contains("EXAMPLE") && random.ends_with("AA"));
    assert_eq!(random.len(), 95);
    let hint = format!("{PREFIX}{}...{}", &random[..3], &random[91..]);
    let expected = json!({
        "type": "api_key", "id": id, "name": "a", "status": "active", "partial_key_hint": hint,
        "created_at": "2026-12-01T09:00:00Z", "expires_at": null,
        "created_by": {"type": "user", "id": "user_EXAMPLE"},
        "principal": {"type": "service_account_actor", "service_account_id": "svac_EXAMPLE"},
        "scope": {"type": "workspace", "workspace_id": "wrkspc_EXAMPLE0000"},
    });
    assert_eq!(admin(&world, "GET", &format!("/{id}"), "").json(), expected);
    let page = json!({"data": [expected], "has_more": false, "first_id": id, "last_id": id});
    assert_eq!(admin(&world, "GET", "", "").json(), page);
    assert!(id.starts_with("apikey_01"), "{id}");
}

#[tokio::test]
async fn what_a_driver_gets_wrong_is_refused_and_no_call_makes_a_key() {
    let world = world().await;
    let (id, _) = make(&world, "a");
    let one = format!("/{id}");
    for (method, below, body, status, kind) in [
        ("POST", "", r#"{"name":"b"}"#, 405, "invalid_request_error"),
        ("GET", "?limit=0", "", 400, "invalid_request_error"),
        ("GET", "?limit=1001", "", 400, "invalid_request_error"),
        ("GET", "?page=2", "", 400, "invalid_request_error"),
        ("GET", "?status=disabled", "", 400, "invalid_request_error"),
        (
            "GET",
            "?after_id=apikey_none",
            "",
            400,
            "invalid_request_error",
        ),
        (
            "GET",
            "?workspace_id=wrkspc_none",
            "",
            404,
            "not_found_error",
        ),
        (
            "POST",
            &one,
            r#"{"status":"expired"}"#,
            400,
            "invalid_request_error",
        ),
        (
            "POST",
            &one,
            r#"{"status":false}"#,
            400,
            "invalid_request_error",
        ),
        (
            "POST",
            &one,
            r#"{"disabled":true}"#,
            400,
            "invalid_request_error",
        ),
        (
            "POST",
            &one,
            "status=inactive",
            400,
            "invalid_request_error",
        ),
        (
            "POST",
            "/none",
            r#"{"status":"inactive"}"#,
            404,
            "not_found_error",
        ),
        ("GET", "/none", "", 404, "not_found_error"),
        ("DELETE", &one, "", 404, "not_found_error"),
    ] {
        let answer = admin(&world, method, below, body);
        let context = format!("{method} {below} {body}: {}", answer.body);
        assert_eq!(answer.status, status, "{context}");
        let told = answer.json();
        assert_eq!(told["type"], "error", "{context}");
        assert_eq!(told["error"]["type"], kind, "{context}");
    }
    let keys = world.simulator.keys();
    assert_eq!(keys.len(), 1, "nothing was made or changed");
    assert_eq!(keys[0].state, KeyState::Enabled);
}

#[tokio::test]
async fn a_key_works_until_it_is_inactive_or_archived_and_archived_is_for_good() {
    let world = world().await;
    let (id, text) = make(&world, "a");
    assert_eq!(works(&world, &text), (200, 200));
    assert_eq!(set(&world, &id, "inactive"), "inactive");
    assert_eq!(works(&world, &text), (401, 401));
    assert_eq!(set(&world, &id, "active"), "active");
    assert_eq!(works(&world, &text), (200, 200));
    assert_eq!(set(&world, &id, "archived"), "archived");
    assert_eq!(set(&world, &id, "active"), "archived");
    assert_eq!(works(&world, &text), (401, 401));
    assert_eq!(names(&world, ""), ["a"], "it stays in the list");
    let never = format!("{PREFIX}EXAMPLE");
    assert_eq!(works(&world, &never), (401, 401));
    let unknown = ask(&world, "GET", "/v1/models?page=2", &text, "");
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn lists_are_cut_into_pages_and_narrowed_as_asked() {
    let world = world().await;
    let other = world.simulator.add_workspace();
    let ids: Vec<String> = ["a", "b", "c"].map(|name| make(&world, name).0).into();
    let text = ApiKey::new("sk-ant-api03-EXAMPLE0123456789abcdefAA");
    world.simulator.seed_key_in(&other, "elsewhere", &text);
    set(&world, &ids[1], "inactive");
    let all = ["a", "b", "c", "elsewhere"];
    assert_eq!(names(&world, ""), all);
    assert_eq!(names(&world, "?limit=2"), all[..2]);
    assert_eq!(
        names(&world, &format!("?limit=2&after_id={}", ids[1])),
        all[2..]
    );
    assert_eq!(
        names(&world, &format!("?workspace_id={other}")),
        ["elsewhere"]
    );
    let home = "?workspace_id=wrkspc_EXAMPLE0000";
    assert_eq!(names(&world, home), all[..3]);
    assert_eq!(names(&world, "?status=inactive"), ["b"]);
    let page = admin(&world, "GET", "?limit=2", "").json();
    assert_eq!(
        (&page["has_more"], &page["last_id"]),
        (&json!(true), &json!(ids[1]))
    );
    world.simulator.configure(|settings| settings.page_size = 1);
    assert_eq!(names(&world, "?limit=100"), ["a"], "a page may be shorter");
}

#[tokio::test]
async fn roles_are_kept_apart_and_a_version_is_needed() {
    let world = world().await;
    let (_, text) = make(&world, "a");
    assert_eq!(ask(&world, "GET", KEYS, &text, "").status, 401);
    let management = world.simulator.management_key();
    let management = management.expose_secret();
    assert_eq!(works(&world, management), (401, 401));
    for headers in [
        format!("x-api-key: {text}\r\n"),
        format!("x-api-key: {text}\r\nanthropic-version: 2020-01-01\r\n"),
        format!("authorization: Bearer {text}\r\nanthropic-version: {VERSION}\r\n"),
    ] {
        let answer = world.send_with("GET", "/v1/models", &headers, "").unwrap();
        assert_eq!(answer.status, 401, "{headers}");
        assert_eq!(answer.json()["error"]["type"], "authentication_error");
    }
    world
        .simulator
        .configure(|settings| settings.management = Management::Refused);
    assert_eq!(admin(&world, "GET", "", "").status, 401);
    world
        .simulator
        .configure(|settings| settings.management = Management::Accepted);
    let next = AdminKey::new("sk-ant-admin01-EXAMPLEotherAA");
    world.simulator.set_management_key(&next);
    assert_eq!(ask(&world, "GET", KEYS, management, "").status, 401);
    assert_eq!(admin(&world, "GET", "", "").status, 200);
}

#[tokio::test]
async fn calls_spend_until_the_credit_is_used_up_and_changes_take_their_time() {
    let world = World::with(Settings {
        call_cost: MicroDollars(400_000),
        credit: Some(MicroDollars(1_000_000)),
        change_delay: SignedDuration::from_secs(30),
        ..settings()
    })
    .await;
    let (id, text) = make(&world, "a");
    assert_eq!(works(&world, &text), (200, 200));
    assert_eq!(works(&world, &text), (200, 200));
    assert_eq!(works(&world, &text), (200, 402), "without money, but a key");
    assert_eq!(world.simulator.keys()[0].spent, MicroDollars(800_000));
    assert_eq!(set(&world, &id, "inactive"), "inactive");
    assert_eq!(works(&world, &text).0, 200, "not everywhere yet");
    world.clock.advance(SignedDuration::from_secs(31));
    assert_eq!(works(&world, &text), (401, 401));
}
