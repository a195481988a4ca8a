//! What the simulated proxy answers.

use keyward_core::model::key::ApiKey;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::ProviderName;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::testing::{Response, World};
use super::super::{KeyState, Settings, Window};

const HOUR: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);
const TEXT: &str = "sk-EXAMPLE0123456789abcdef0123456789abcdef";

struct Proxy(World);

impl Proxy {
    async fn with(settings: Settings) -> Self {
        let provider = ProviderName::LiteLlm;
        Self(
            World::with(Settings {
                provider,
                ..settings
            })
            .await,
        )
    }

    async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    fn send(&self, method: &str, path: &str, key: Option<&str>, body: &Value) -> Response {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.0.send(method, path, key, &body).unwrap()
    }

    fn admin(&self, method: &str, path: &str, body: &Value) -> Response {
        let key = self.0.simulator.management_key();
        self.send(method, path, Some(key.expose_secret()), body)
    }

    fn get(&self, path: &str) -> Response {
        self.admin("GET", path, &Value::Null)
    }

    fn generate(&self, body: &Value) -> Value {
        let answer = self.admin("POST", "/key/generate", body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// Status and type of what a key meets: on the list of models, and on a call.
    fn meets(&self, text: &str) -> [(u16, Option<String>); 2] {
        let call = json!({"model": "example-model", "messages": []});
        let answers = [
            self.send("GET", "/v1/models", Some(text), &Value::Null),
            self.send("POST", "/v1/chat/completions", Some(text), &call),
        ];
        answers.map(|answer| {
            let kind = answer.json()["error"]["type"].as_str().map(str::to_owned);
            (answer.status, kind)
        })
    }
}

fn refused(status: u16, kind: &str) -> [(u16, Option<String>); 2] {
    let one = (status, Some(kind.to_owned()));
    [one.clone(), one]
}

fn accepted() -> [(u16, Option<String>); 2] {
    [(200, None), (200, None)]
}

fn assert_as_described(answer: &str, body: &Value) {
    let all: Value = serde_json::from_str(include_str!("fixtures/answers.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&all[answer]).unwrap();
    let errors: Vec<String> = validator.iter_errors(body).map(|e| e.to_string()).collect();
    assert_eq!(errors, [""; 0], "{answer}: {body}");
}

#[tokio::test]
async fn answers_are_as_the_published_description_has_them() {
    let proxy = Proxy::new().await;
    let made = proxy.generate(
        &json!({"key": TEXT, "key_alias": "a", "duration": "3600s", "max_budget": 1.5,
        "budget_duration": "1d", "team_id": "team-EXAMPLE-0", "key_type": "llm_api"}),
    );
    assert_as_described("generate", &made);
    assert_eq!(proxy.meets(TEXT), accepted());
    let block = proxy.admin("POST", "/key/block", &json!({"key": made["token"]}));
    assert_as_described("block", &block.json());
    for list in ["/key/list", "/key/list?return_full_object=true"] {
        assert_as_described("list", &proxy.get(list).json());
    }
    let days = "/user/daily/activity?start_date=2026-12-01&end_date=2026-12-01";
    assert_as_described("activity", &proxy.get(days).json());
}

#[tokio::test]
async fn a_key_is_named_by_the_hash_of_a_text_that_may_be_the_callers() {
    let proxy = Proxy::new().await;
    let made = proxy.generate(
        &json!({"key": TEXT, "key_alias": "a", "duration": "3600s", "max_budget": 1.5,
        "budget_duration": "1d", "models": ["example-model"]}),
    );
    let hash = ApiKey::new(TEXT).fingerprint().to_hex();
    assert_eq!(
        (&made["key"], &made["token"], &made["token_id"]),
        (&json!(TEXT), &json!(hash), &json!(hash))
    );
    assert_eq!(made["key_name"], "sk-...cdef");
    assert_eq!(made["expires"], json!(proxy.0.simulator.time() + HOUR));
    let own = proxy.generate(&json!({"key_alias": "b"}));
    let text = own["key"].as_str().unwrap();
    assert!(text.starts_with("sk-EXAMPLE"));
    assert_eq!(own["token_id"], ApiKey::new(text).fingerprint().to_hex());
    assert_eq!(
        (own["expires"].clone(), own["max_budget"].clone()),
        (Value::Null, Value::Null)
    );

    let taken = proxy.admin("POST", "/key/generate", &json!({"key_alias": "a"}));
    assert_eq!(
        (taken.status, &taken.json()["error"]["param"]),
        (400, &json!("key_alias"))
    );
    assert_eq!(proxy.0.simulator.keys().len(), 2);
}

#[tokio::test]
async fn what_a_driver_gets_wrong_is_refused() {
    let proxy = Proxy::new().await;
    let hash = ApiKey::new(TEXT).fingerprint().to_hex();
    for (method, path, body, status) in [
        ("POST", "/key/generate", json!({"alias": "a"}), 400),
        ("POST", "/key/generate", json!({"key": "sk-short"}), 400),
        (
            "POST",
            "/key/generate",
            json!({"key": "EXAMPLE0123456789abcdef"}),
            400,
        ),
        ("POST", "/key/generate", json!({"duration": "3600"}), 400),
        ("POST", "/key/generate", json!({"max_budget": "1"}), 400),
        ("POST", "/key/generate", json!({"max_budget": -1}), 400),
        (
            "POST",
            "/key/generate",
            json!({"budget_duration": "daily"}),
            400,
        ),
        ("POST", "/key/generate", json!({"models": "all"}), 400),
        ("POST", "/key/block", json!({"keys": [hash]}), 400),
        ("POST", "/key/block", json!({"key": hash}), 404),
        ("POST", "/key/unblock", json!({"key": hash}), 404),
        (
            "POST",
            "/key/update",
            json!({"key": hash, "max_budget": 1}),
            404,
        ),
        ("POST", "/key/delete", json!({"keys": [hash]}), 404),
        ("GET", "/key/list?size=101", Value::Null, 400),
        ("GET", "/key/list?page=0", Value::Null, 400),
        ("GET", "/key/list?offset=2", Value::Null, 400),
        ("GET", "/nothing", Value::Null, 404),
    ] {
        let answer = proxy.admin(method, path, &body);
        assert_eq!(
            answer.status, status,
            "{method} {path} {body}: {}",
            answer.body
        );
        let own = answer.json()["error"]["code"] == json!(status.to_string());
        assert!(own || path == "/nothing", "{}", answer.body);
    }
    assert_eq!(proxy.get(&format!("/key/info?key={hash}")).status, 404);
    assert_eq!(proxy.0.simulator.keys().len(), 0);
}

#[tokio::test]
async fn a_key_works_until_it_is_blocked_deleted_or_expired() {
    let proxy = Proxy::new().await;
    let made = proxy.generate(&json!({"key": TEXT, "key_alias": "a", "duration": "3600s"}));
    let one = json!({"key": made["token"]});
    let info = || {
        let path = format!("/key/info?key={}", made["token"].as_str().unwrap());
        let answer = proxy.get(&path).json();
        assert_eq!(answer["key"], made["token"]);
        assert!(answer["info"].get("token").is_none(), "the row has no hash");
        answer["info"].clone()
    };
    assert_eq!(
        (proxy.meets(TEXT), info()["blocked"].clone()),
        (accepted(), Value::Null)
    );
    let row = proxy.admin("POST", "/key/block", &one).json();
    assert_eq!(
        (&row["token"], &row["blocked"]),
        (&made["token"], &json!(true))
    );
    assert_eq!(proxy.meets(TEXT), refused(401, "auth_error"));
    assert_eq!(info()["status"], "revoked");
    proxy.admin("POST", "/key/unblock", &one);
    assert_eq!(
        (proxy.meets(TEXT), info()["blocked"].clone()),
        (accepted(), json!(false))
    );
    proxy.0.clock.advance(HOUR);
    assert_eq!(proxy.meets(TEXT), refused(401, "expired_key"));
    assert_eq!(info()["status"], "expired");
    let keys = json!({"keys": [made["token"]]});
    let deleted = proxy.admin("POST", "/key/delete", &keys);
    assert_eq!(deleted.json()["deleted_keys"], keys["keys"]);
    assert_eq!(proxy.admin("POST", "/key/delete", &keys).status, 404);
    assert_eq!(proxy.meets(TEXT), refused(401, "token_not_found_in_db"));
    assert_eq!(info()["status"], "deleted", "out of the archive");
    assert_eq!(
        proxy.meets("sk-EXAMPLEnever0123456789"),
        refused(401, "token_not_found_in_db")
    );
    assert_eq!(proxy.0.simulator.keys()[0].state, KeyState::Deleted);
    assert_eq!(
        proxy.send("GET", "/v1/models", None, &Value::Null).status,
        401
    );
}

#[tokio::test]
async fn replicas_that_remember_a_key_let_it_in_by_turns() {
    let proxy = Proxy::with(Settings {
        change_delay: jiff::SignedDuration::from_secs(60),
        window: Window::Flapping,
        ..Settings::default()
    })
    .await;
    let made = proxy.generate(&json!({"key": TEXT}));
    proxy.0.clock.advance(HOUR);
    proxy.admin("POST", "/key/block", &json!({"key": made["token"]}));
    let probe = || {
        proxy
            .send("GET", "/v1/models", Some(TEXT), &Value::Null)
            .status
    };
    assert_eq!([probe(), probe(), probe(), probe()], [401, 200, 401, 200]);
    proxy.0.clock.advance(jiff::SignedDuration::from_secs(60));
    assert_eq!([probe(), probe(), probe()], [401, 401, 401]);
}

#[tokio::test]
async fn lists_are_paged_and_narrowed_to_a_team() {
    let proxy = Proxy::new().await;
    for n in 0..5 {
        let team = ["team-EXAMPLE-0", "team-EXAMPLE-1"][n % 2];
        proxy.generate(&json!({"key_alias": format!("k{n}"), "team_id": team}));
        proxy.0.clock.advance(HOUR);
    }
    let names = |query: &str| -> (Vec<String>, u64) {
        let page = proxy
            .get(&format!("/key/list?return_full_object=true{query}"))
            .json();
        let rows = page["keys"].as_array().unwrap().clone();
        let names = rows
            .iter()
            .map(|row| row["key_alias"].as_str().unwrap().to_owned());
        (names.collect(), page["total_pages"].as_u64().unwrap())
    };
    assert_eq!(
        names("&size=2"),
        (vec!["k4".to_owned(), "k3".to_owned()], 3),
        "the latest first"
    );
    assert_eq!(names("&size=2&page=3"), (vec!["k0".to_owned()], 3));
    assert_eq!(
        names("&team_id=team-EXAMPLE-1"),
        (vec!["k3".to_owned(), "k1".to_owned()], 1)
    );
    let hashes = proxy.get("/key/list").json();
    assert!(
        hashes["keys"]
            .as_array()
            .unwrap()
            .iter()
            .all(Value::is_string)
    );
}

#[tokio::test]
async fn empty_lists_permit_everything_and_others_only_what_is_in_them() {
    let proxy = Proxy::new().await;
    let meets = |body: Value| {
        let made = proxy.generate(&body);
        proxy.meets(made["key"].as_str().unwrap())
    };
    assert_eq!(
        meets(json!({"key_alias": "1", "models": [], "allowed_routes": []})),
        accepted()
    );
    assert_eq!(
        meets(json!({"key_alias": "2", "key_type": "llm_api"})),
        accepted()
    );
    let other = meets(json!({"key_alias": "3", "models": ["other"]}));
    assert_eq!(other[1], (403, Some("key_model_access_denied".to_owned())));
    let other = meets(json!({"key_alias": "4", "allowed_routes": ["/v1/chat"]}));
    assert_eq!(other, [(403, Some("auth_error".to_owned())), (200, None)]);
}

#[tokio::test]
async fn calls_spend_until_the_budget_is_used_up() {
    let proxy = Proxy::with(Settings {
        call_cost: MicroDollars(600_000),
        ..Settings::default()
    })
    .await;
    let made = proxy.generate(&json!({"key": TEXT, "max_budget": 1, "budget_duration": "1d"}));
    assert_eq!(proxy.meets(TEXT), accepted());
    assert_eq!(proxy.meets(TEXT), accepted(), "the last call goes over");
    assert_eq!(proxy.meets(TEXT), refused(422, "budget_exceeded"));
    proxy
        .0
        .simulator
        .configure(|settings| settings.limit_status = 429);
    assert_eq!(proxy.meets(TEXT), refused(429, "budget_exceeded"));
    let raised = json!({"key": made["token"], "max_budget": 2.5, "budget_duration": null});
    assert_eq!(proxy.admin("POST", "/key/update", &raised).json(), raised);
    assert_eq!(proxy.meets(TEXT), accepted());
    let path = format!("/key/info?key={}", made["token"].as_str().unwrap());
    let info = proxy.get(&path).json()["info"].clone();
    assert_eq!(
        (
            &info["spend"],
            &info["max_budget"],
            &info["budget_duration"]
        ),
        (&json!(1.8), &json!(2.5), &Value::Null)
    );
    let activity = proxy
        .get("/user/daily/activity?start_date=2026-11-01&end_date=2026-12-31")
        .json();
    let day = &activity["results"][0]["breakdown"];
    let hash = made["token"].as_str().unwrap();
    assert_eq!(day["api_keys"][hash]["metrics"]["spend"], 1.8);
    assert_eq!(
        day["models"]["example-model"]["api_key_breakdown"][hash]["metrics"]["api_requests"],
        3
    );
    assert_eq!(activity["metadata"]["has_more"], false);
    assert_eq!(proxy.get("/user/daily/activity").status, 400);
}
