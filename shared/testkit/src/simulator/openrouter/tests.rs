use jiff::SignedDuration;
use keyward_core::model::key::AdminKey;
use keyward_core::model::money::MicroDollars;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::super::testing::World;
use super::super::{KeyState, Management, Settings};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn assert_as_described(answer: &str, body: &Value) {
    let all: Value = serde_json::from_str(include_str!("fixtures/answers.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&all[answer]).unwrap();
    let errors: Vec<String> = validator.iter_errors(body).map(|e| e.to_string()).collect();
    assert_eq!(errors, [""; 0], "{answer}: {body}");
}

#[tokio::test]
async fn answers_carry_what_the_published_description_requires() {
    let world = World::new().await;
    let create =
        r#"{"name":"a","limit":1.5,"limit_reset":"daily","expires_at":"2027-01-01T00:00:00Z"}"#;
    let made = world.admin("POST", "/keys", create).unwrap();
    assert_eq!(made.status, 201);
    assert_as_described("create", &made.json());
    let hash = made.json()["data"]["hash"].as_str().unwrap().to_owned();
    let text = made.json()["key"].as_str().unwrap().to_owned();
    let one = format!("/keys/{hash}");
    let key = world.send("GET", "/api/v1/key", Some(&text), "").unwrap();
    for (name, answer) in [
        ("list", world.admin("GET", "/keys", "").unwrap()),
        ("get", world.admin("GET", &one, "").unwrap()),
        (
            "update",
            world.admin("PATCH", &one, r#"{"disabled":true}"#).unwrap(),
        ),
        ("own", key),
        ("own", world.admin("GET", "/key", "").unwrap()),
        ("credits", world.admin("GET", "/credits", "").unwrap()),
        ("delete", world.admin("DELETE", &one, "").unwrap()),
    ] {
        assert_eq!(answer.status, 200, "{name}");
        assert_as_described(name, &answer.json());
    }
    let gone = world.admin("GET", &one, "").unwrap();
    assert_eq!(gone.status, 404);
    assert_as_described("error", &gone.json());
}

#[tokio::test]
async fn keys_look_real_carry_the_marker_and_follow_the_seed() {
    let world = World::new().await;
    let (hash, text) = world.create(r#"{"name":"a"}"#);
    let (other_hash, other) = world.create(r#"{"name":"a"}"#);
    let random = text.strip_prefix("sk-or-v1-EXAMPLE").unwrap();
    assert_eq!(random.len() + "EXAMPLE".len(), 64);
    assert!(random.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(hash.len(), 64);
    assert_ne!((&hash, &text), (&other_hash, &other));
    let row = world.admin("GET", &format!("/keys/{hash}"), "").unwrap();
    let label = format!("sk-or-v1-EXA...{}", &random[random.len() - 4..]);
    assert_eq!(row.json()["data"]["label"], label);

    assert_eq!(
        World::new().await.create(r#"{"name":"b"}"#),
        (hash, text.clone())
    );
    let reseeded = World::with(Settings {
        seed: 2,
        ..Settings::default()
    })
    .await;
    assert_ne!(reseeded.create(r#"{"name":"a"}"#).1, text);
}

#[tokio::test]
async fn what_a_driver_gets_wrong_is_refused() {
    let world = World::new().await;
    let (hash, _) = world.create(r#"{"name":"a"}"#);
    let one = format!("/keys/{hash}");
    for (method, path, body, status) in [
        ("POST", "/keys", r#"{}"#, 400),
        ("POST", "/keys", r#"{"name":""}"#, 400),
        ("POST", "/keys", r#"{"name":"a","lable":"b"}"#, 400),
        ("POST", "/keys", r#"{"name":"a","limit":"1"}"#, 400),
        ("POST", "/keys", r#"{"name":"a","limit":-1}"#, 400),
        (
            "POST",
            "/keys",
            r#"{"name":"a","limit_reset":"yearly"}"#,
            400,
        ),
        (
            "POST",
            "/keys",
            r#"{"name":"a","expires_at":"2027-01-01T00:00:00+01:00"}"#,
            400,
        ),
        (
            "POST",
            "/keys",
            r#"{"name":"a","expires_at":"2020-01-01T00:00:00Z"}"#,
            400,
        ),
        (
            "POST",
            "/keys",
            r#"{"name":"a","expires_at":1798761600}"#,
            400,
        ),
        (
            "POST",
            "/keys",
            r#"{"name":"a","workspace_id":"default"}"#,
            400,
        ),
        (
            "POST",
            "/keys",
            r#"{"name":"a","workspace_id":"00000000-0000-4000-8000-000000000009"}"#,
            403,
        ),
        ("POST", "/keys", "name=a", 400),
        (
            "PATCH",
            one.as_str(),
            r#"{"expires_at":"2027-01-01T00:00:00Z"}"#,
            400,
        ),
        ("PATCH", one.as_str(), r#"{"disabled":"true"}"#, 400),
        ("PATCH", "/keys/none", r#"{"disabled":true}"#, 404),
        ("DELETE", "/keys/none", "", 404),
        ("GET", "/keys?offset=-1", "", 400),
        ("GET", "/keys?page=2", "", 400),
        ("GET", "/keys?include_disabled=1", "", 400),
        ("GET", "/nothing", "", 404),
    ] {
        let answer = world.admin(method, path, body).unwrap();
        assert_eq!(
            answer.status, status,
            "{method} {path} {body}: {}",
            answer.body
        );
        assert_eq!(answer.json()["error"]["code"], status);
    }
    assert_eq!(
        world.simulator.keys().len(),
        1,
        "nothing was made or changed"
    );
    assert_eq!(world.simulator.keys()[0].state, KeyState::Enabled);
}

#[tokio::test]
async fn lists_hide_disabled_keys_and_other_workspaces_unless_asked() {
    let world = World::new().await;
    let other = world.simulator.add_workspace();
    let (hash, _) = world.create(r#"{"name":"off"}"#);
    world.create(r#"{"name":"on"}"#);
    world.create(&format!(
        r#"{{"name":"elsewhere","workspace_id":"{other}"}}"#
    ));
    world
        .admin("PATCH", &format!("/keys/{hash}"), r#"{"disabled":true}"#)
        .unwrap();
    let names = |query: &str| -> Vec<String> {
        let page = world
            .admin("GET", &format!("/keys{query}"), "")
            .unwrap()
            .json();
        let rows = page["data"].as_array().unwrap().clone();
        rows.iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(""), ["on"]);
    assert_eq!(names("?include_disabled=true"), ["off", "on"]);
    assert_eq!(names(&format!("?workspace_id={other}")), ["elsewhere"]);
    world.simulator.configure(|settings| settings.page_size = 1);
    assert_eq!(names("?include_disabled=true"), ["off"]);
    assert_eq!(names("?include_disabled=true&offset=1"), ["on"]);
    assert_eq!(names("?include_disabled=true&offset=2"), [""; 0]);
}

#[tokio::test]
async fn a_key_works_until_it_is_disabled_deleted_or_expired() {
    let world = World::new().await;
    let works = |text: &str| (world.verify(text), world.agent_call(text));
    let (hash, text) = world.create(r#"{"name":"a","expires_at":"2026-12-01T10:00:00Z"}"#);
    let one = format!("/keys/{hash}");
    assert_eq!(works(&text), (200, 200));
    world.admin("PATCH", &one, r#"{"disabled":true}"#).unwrap();
    assert_eq!(works(&text), (401, 401));
    world.admin("PATCH", &one, r#"{"disabled":false}"#).unwrap();
    assert_eq!(works(&text), (200, 200));
    world.clock.advance(HOUR);
    assert_eq!(works(&text), (401, 401), "expired");
    let (hash, text) = world.create(r#"{"name":"b"}"#);
    assert_eq!(
        world
            .admin("DELETE", &format!("/keys/{hash}"), "")
            .unwrap()
            .status,
        200
    );
    assert_eq!(
        world
            .admin("DELETE", &format!("/keys/{hash}"), "")
            .unwrap()
            .status,
        404
    );
    assert_eq!(works(&text), (401, 401), "deleted");
    assert_eq!(works("sk-or-v1-EXAMPLE"), (401, 401), "never existed");
    assert_eq!(
        world.send("GET", "/api/v1/key", None, "").unwrap().status,
        401
    );
}

#[tokio::test]
async fn roles_are_kept_apart() {
    let world = World::new().await;
    let (_, text) = world.create(r#"{"name":"a"}"#);
    let as_agent = |path: &str| world.send("GET", path, Some(&text), "").unwrap().status;
    assert_eq!(as_agent("/api/v1/keys"), 401, "a key administers nothing");
    let management = world.simulator.management_key();
    assert_eq!(world.agent_call(management.expose_secret()), 401);
    world
        .simulator
        .configure(|settings| settings.management = Management::Refused);
    assert_eq!(world.admin("GET", "/keys", "").unwrap().status, 401);
    world
        .simulator
        .configure(|settings| settings.management = Management::Accepted);
    world
        .simulator
        .set_management_key(&AdminKey::new("sk-or-v1-EXAMPLEother"));
    let former = world.send("GET", "/api/v1/keys", Some(management.expose_secret()), "");
    assert_eq!(former.unwrap().status, 401);
    assert_eq!(world.admin("GET", "/keys", "").unwrap().status, 200);
}

#[tokio::test]
async fn calls_spend_until_limit_or_credit_is_used_up() {
    let world = World::with(Settings {
        call_cost: MicroDollars(400_000),
        ..Settings::default()
    })
    .await;
    let (hash, text) = world.create(r#"{"name":"a","limit":1,"limit_reset":"daily"}"#);
    let figures = || {
        world
            .admin("GET", &format!("/keys/{hash}"), "")
            .unwrap()
            .json()["data"]
            .clone()
    };
    let statuses: Vec<u16> = (0..3).map(|_| world.agent_call(&text)).collect();
    assert_eq!(statuses, [200, 200, 402]);
    assert_eq!(figures()["usage"], 0.8);
    assert_eq!(figures()["limit_remaining"], 0.2);
    assert_eq!(world.verify(&text), 200, "without money, but a key");
    world
        .simulator
        .configure(|settings| settings.limit_status = 403);
    assert_eq!(world.agent_call(&text), 403);
    world.clock.advance(HOUR * 15);
    assert_eq!(world.agent_call(&text), 200, "a new day, UTC");
    assert_eq!(figures()["usage_daily"], 0.4);
    assert_eq!(figures()["usage"], 1.2);
    // 1 December 2026 is a Tuesday.
    world.clock.advance(HOUR * 24 * 5);
    assert_eq!(
        figures()["usage_weekly"],
        0.0,
        "a new week begins on Monday"
    );
    assert_eq!(figures()["usage_monthly"], 1.2);
    world
        .simulator
        .configure(|settings| settings.credit = Some(MicroDollars(1_300_000)));
    assert_eq!(world.agent_call(&text), 402, "the account is empty");
}
