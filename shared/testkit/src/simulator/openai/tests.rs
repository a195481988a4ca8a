use jiff::SignedDuration;
use keyward_core::model::key::ApiKey;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::ProviderName;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::testing::{Response, World};
use super::super::{FirstKey, KeyEnd, KeyState, Management, Settings};

const PROJECT: &str = "/organization/projects/proj_EXAMPLE0";
const ACCOUNT: &str = "/service_accounts/svc_acct_EXAMPLE0";

async fn world() -> World {
    World::with(Settings {
        provider: ProviderName::OpenAi,
        ..Settings::default()
    })
    .await
}

/// A request of the admin key, below the project.
fn admin(world: &World, method: &str, path: &str, body: &Value) -> Response {
    let key = world.simulator.management_key();
    let path = format!("/v1{PROJECT}{path}");
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let answer = world.send(method, &path, Some(key.expose_secret()), &body);
    answer.unwrap()
}

fn get(world: &World, path: &str) -> Response {
    admin(world, "GET", path, &Value::Null)
}

/// A new key in the stable account: its id and its text.
fn create(world: &World, body: &Value) -> (String, String) {
    let made = admin(world, "POST", &format!("{ACCOUNT}/api_keys"), body);
    assert_eq!(made.status, 200, "{}", made.body);
    let text = |field: &str| made.json()[field].as_str().unwrap().to_owned();
    (text("id"), text("value"))
}

fn asks(world: &World, method: &str, path: &str, text: &str) -> u16 {
    let answer = world.send(method, &format!("/v1{path}"), Some(text), "{}");
    answer.unwrap().status
}

/// What looking at models, and calling one, is answered.
fn works(world: &World, text: &str) -> (u16, u16) {
    (
        asks(world, "GET", "/models", text),
        asks(world, "POST", "/chat/completions", text),
    )
}

fn assert_as_described(answer: &str, body: &Value) {
    let all: Value = serde_json::from_str(include_str!("fixtures/answers.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&all[answer]).unwrap();
    let errors: Vec<String> = validator.iter_errors(body).map(|e| e.to_string()).collect();
    assert_eq!(errors, [""; 0], "{answer}: {body}");
}

#[tokio::test]
async fn answers_carry_what_the_published_description_requires() {
    let world = world().await;
    let nothing = Value::Null;
    let own = admin(&world, "POST", "/service_accounts", &json!({"name": "a"}));
    let id = own.json()["id"].as_str().unwrap().to_owned();
    let own_path = format!("/service_accounts/{id}");
    let key_path = format!(
        "/api_keys/{}",
        own.json()["api_key"]["id"].as_str().unwrap()
    );
    let narrow = json!({"scopes": ["api.files.read"]});
    let text = ApiKey::new("sk-svcacct-EXAMPLEseeded0123456789abcdef");
    world.simulator.seed_key("by hand", &text);
    world
        .simulator
        .configure(|s| s.first_key = FirstKey::Withheld);
    let without = admin(&world, "POST", "/service_accounts", &json!({"name": "b"}));
    let in_stable = format!("{ACCOUNT}/api_keys");
    for (name, answer) in [
        ("create_account", own),
        ("create_account", without),
        (
            "create_key",
            admin(&world, "POST", &in_stable, &json!({"name": "c"})),
        ),
        ("account", get(&world, &own_path)),
        ("list", get(&world, "/api_keys?owner_project_access=any")),
        ("key", get(&world, &key_path)),
        ("key", admin(&world, "POST", &key_path, &narrow)),
        ("delete_key", admin(&world, "DELETE", &key_path, &nothing)),
        (
            "delete_account",
            admin(&world, "DELETE", &own_path, &nothing),
        ),
    ] {
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        assert_as_described(name, &answer.json());
    }
    let gone = get(&world, &key_path);
    assert_eq!(gone.status, 404);
    assert_as_described("error", &gone.json());
}

#[tokio::test]
async fn a_first_key_is_named_by_its_account_only() {
    let world = world().await;
    admin(
        &world,
        "POST",
        "/service_accounts",
        &json!({"name": "mine"}),
    );
    create(&world, &json!({"name": "second"}));
    let rows = get(&world, "/api_keys").json()["data"].clone();
    assert_eq!(rows[0]["name"], "Secret Key");
    assert_eq!(rows[0]["owner"]["service_account"]["name"], "mine");
    assert_eq!(rows[1]["name"], "second");
    assert_eq!(rows[1]["owner"]["service_account"]["name"], "agents");
    assert_eq!(
        world.simulator.keys()[0].name,
        "mine",
        "as it was asked for"
    );
}

#[tokio::test]
async fn what_a_driver_gets_wrong_is_refused() {
    let world = world().await;
    let (id, _) = create(&world, &json!({"name": "a"}));
    let one = format!("/api_keys/{id}");
    let keys = format!("{ACCOUNT}/api_keys");
    for (method, path, body, status) in [
        ("POST", "/service_accounts", json!({}), 400),
        ("POST", "/service_accounts", json!({"name": ""}), 400),
        (
            "POST",
            "/service_accounts",
            json!({"name": "a", "scopes": []}),
            400,
        ),
        (
            "POST",
            "/service_accounts",
            json!({"name": "a", "expires_in_seconds": 0}),
            400,
        ),
        (
            "POST",
            keys.as_str(),
            json!({"name": "a", "expires_at": 1}),
            400,
        ),
        (
            "POST",
            keys.as_str(),
            json!({"name": "a", "expires_in_seconds": 31_536_001}),
            400,
        ),
        (
            "POST",
            keys.as_str(),
            json!({"name": "a", "expires_in_seconds": "1"}),
            400,
        ),
        (
            "POST",
            keys.as_str(),
            json!({"name": "a", "scopes": "all"}),
            400,
        ),
        (
            "POST",
            "/service_accounts/none/api_keys",
            json!({"name": "a"}),
            404,
        ),
        ("POST", one.as_str(), json!({}), 400),
        ("POST", one.as_str(), json!({"scopes": null}), 400),
        (
            "POST",
            one.as_str(),
            json!({"expires_in_seconds": null}),
            400,
        ),
        ("POST", one.as_str(), json!({"name": "b"}), 400),
        ("POST", "/api_keys/none", json!({"scopes": []}), 404),
        ("DELETE", "/api_keys/none", Value::Null, 404),
        ("DELETE", "/service_accounts/none", Value::Null, 404),
        ("GET", "/service_accounts/none", Value::Null, 404),
        ("GET", "/api_keys?limit=101", Value::Null, 400),
        ("GET", "/api_keys?limit=0", Value::Null, 400),
        ("GET", "/api_keys?after=none", Value::Null, 400),
        (
            "GET",
            "/api_keys?owner_project_access=all",
            Value::Null,
            400,
        ),
        ("GET", "/api_keys?page=2", Value::Null, 400),
        ("GET", "/nothing", Value::Null, 404),
    ] {
        let answer = admin(&world, method, path, &body);
        assert_eq!(
            answer.status, status,
            "{method} {path} {body}: {}",
            answer.body
        );
        assert_as_described("error", &answer.json());
    }
    let elsewhere = world.send(
        "GET",
        "/v1/organization/projects/proj_none/api_keys",
        Some(world.simulator.management_key().expose_secret()),
        "",
    );
    assert_eq!(elsewhere.unwrap().status, 404);
    let keys = world.simulator.keys();
    assert_eq!(keys.len(), 1, "nothing was made or changed");
    assert_eq!(keys[0].state, KeyState::Enabled);
    assert_eq!(world.simulator.service_accounts(), ["agents"]);
}

#[tokio::test]
async fn pages_follow_the_cursor_and_hide_keys_whose_owner_lost_access() {
    let world = world().await;
    let ids: Vec<String> = (0..5)
        .map(|n| create(&world, &json!({"name": n.to_string()})).0)
        .collect();
    let first = world.simulator.keys()[0].handle.clone();
    world.simulator.end_owners_access(&first);
    let page = |query: &str| {
        let page = get(&world, &format!("/api_keys?{query}")).json();
        let rows = page["data"].as_array().unwrap().clone();
        let name = |row: &Value| row["name"].as_str().unwrap().to_owned();
        let names: Vec<String> = rows.iter().map(name).collect();
        (names.concat(), page["has_more"].as_bool().unwrap())
    };
    let of = |names: &str, more: bool| (names.to_owned(), more);
    assert_eq!(page(""), of("1234", false));
    assert_eq!(page("owner_project_access=active"), of("1234", false));
    assert_eq!(page("owner_project_access=inactive"), of("0", false));
    assert_eq!(page("owner_project_access=any&limit=2"), of("01", true));
    let after = format!("owner_project_access=any&limit=2&after={}", ids[1]);
    assert_eq!(page(&after), of("23", true));
    let after = format!("owner_project_access=any&limit=2&after={}", ids[3]);
    assert_eq!(page(&after), of("4", false));
    world.simulator.configure(|s| s.page_size = 1);
    assert_eq!(page("owner_project_access=any"), of("0", true));
}

#[tokio::test]
async fn a_key_works_until_it_is_narrowed_deleted_or_over() {
    let world = world().await;
    let (id, text) = create(&world, &json!({"name": "a", "expires_in_seconds": 3600}));
    let one = format!("/api_keys/{id}");
    let change = |body: Value| admin(&world, "POST", &one, &body).status;
    assert_eq!(works(&world, &text), (200, 200));
    assert_eq!(change(json!({"scopes": ["api.files.read"]})), 200);
    let refused = world.send("GET", "/v1/models", Some(&text), "").unwrap();
    assert_eq!(refused.status, 401);
    assert!(refused.body.contains("Missing scopes: api.model.read"));
    assert_eq!(refused.json()["error"]["code"], Value::Null);
    assert_eq!(works(&world, &text), (401, 401));
    assert_eq!(change(json!({"scopes": ["model.request"]})), 200);
    assert_eq!(works(&world, &text), (401, 200));
    assert_eq!(change(json!({"scopes": []})), 200, "an empty list is all");
    assert_eq!(works(&world, &text), (200, 200));
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(works(&world, &text), (401, 401), "over");
    let over = world.send("GET", "/v1/models", Some(&text), "").unwrap();
    assert_eq!(over.json()["error"]["code"], "invalid_api_key");
    assert_eq!(get(&world, &one).status, 200, "and listed");
    assert_eq!(change(json!({"scopes": []})), 400, "but not to be changed");
    let (id, text) = create(&world, &json!({"name": "b"}));
    let one = format!("/api_keys/{id}");
    assert_eq!(admin(&world, "DELETE", &one, &Value::Null).status, 200);
    assert_eq!(admin(&world, "DELETE", &one, &Value::Null).status, 404);
    assert_eq!(works(&world, &text), (401, 401), "deleted");
    assert_eq!(works(&world, "sk-EXAMPLE"), (401, 401), "never existed");
}

#[tokio::test]
async fn an_account_is_deleted_with_its_keys_and_a_key_alone_where_it_may_be() {
    let world = world().await;
    let (id, text) = create(&world, &json!({"name": "a"}));
    let (_, other) = create(&world, &json!({"name": "b"}));
    let one = format!("/api_keys/{id}");
    let seeded = ApiKey::new("sk-EXAMPLEseeded0123456789abcdef");
    let by_hand = world.simulator.seed_key("by hand", &seeded);
    world.simulator.configure(|s| s.key_end = KeyEnd::Expires);
    assert_eq!(admin(&world, "DELETE", &one, &Value::Null).status, 400);
    let persons = format!("/api_keys/{}", by_hand.ids().last().unwrap());
    assert_eq!(admin(&world, "DELETE", &persons, &Value::Null).status, 200);
    let ends = json!({"expires_in_seconds": 1});
    assert_eq!(admin(&world, "POST", &one, &ends).status, 200);
    world
        .simulator
        .configure(|s| s.key_end = KeyEnd::WithItsAccountOnly);
    assert_eq!(admin(&world, "POST", &one, &ends).status, 400);
    world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(works(&world, &text), (401, 401));
    assert_eq!(works(&world, &other), (200, 200));
    assert_eq!(admin(&world, "DELETE", ACCOUNT, &Value::Null).status, 200);
    assert_eq!(works(&world, &other), (401, 401));
    assert_eq!(get(&world, ACCOUNT).status, 404);
}

#[tokio::test]
async fn roles_are_kept_apart_and_credit_ends() {
    let world = world().await;
    let (_, text) = create(&world, &json!({"name": "a"}));
    let as_agent = asks(&world, "GET", &format!("{PROJECT}/api_keys"), &text);
    assert_eq!(as_agent, 401, "a key administers nothing");
    let management = world.simulator.management_key();
    assert_eq!(works(&world, management.expose_secret()), (401, 401));
    let used = || get(&world, "/api_keys").json()["data"][0]["last_used_at"].clone();
    assert_eq!(used(), Value::Null);
    assert_eq!(works(&world, &text), (200, 200));
    assert_eq!(used(), world.simulator.time().as_second());
    world
        .simulator
        .configure(|s| s.credit = Some(MicroDollars(1)));
    assert_eq!(works(&world, &text), (200, 429), "without money, but a key");
    world
        .simulator
        .configure(|s| s.management = Management::Refused);
    assert_eq!(get(&world, "/api_keys").status, 401);
}
