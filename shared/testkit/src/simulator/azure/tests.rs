//! What the simulated resource answers.

use keyward_core::model::slot::ProviderName;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::super::testing::{Response, World};
use super::super::{Management, Settings};
use super::{CLIENT, GROUP, RESOURCE, SUBSCRIPTION, TENANT};

const MODELS: &str = "/openai/models?api-version=2024-10-21";

struct Resource(World);

impl Resource {
    async fn new() -> Self {
        let provider = ProviderName::Azure;
        Self(
            World::with(Settings {
                provider,
                ..Settings::default()
            })
            .await,
        )
    }

    fn ask_token(&self, tenant: &str, client: &str, secret: &str) -> Response {
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", client)
            .append_pair("client_secret", secret)
            .append_pair("scope", "https://management.azure.com/.default")
            .finish();
        let path = format!("/{tenant}/oauth2/v2.0/token");
        self.0.send("POST", &path, None, &form).unwrap()
    }

    fn token(&self) -> String {
        let secret = self.0.simulator.management_key();
        let answer = self.ask_token(TENANT, CLIENT, secret.expose_secret());
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    fn arm(&self, token: &str, action: &str, body: &Value) -> Response {
        let path = path_of(RESOURCE, action);
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.0.send("POST", &path, Some(token), &body).unwrap()
    }

    fn pair(&self, token: &str) -> [String; 2] {
        texts(&self.arm(token, "listKeys", &Value::Null))
    }

    /// Status and code of what a key meets: on the list of models, and on a call.
    fn meets(&self, text: &str) -> [(u16, Option<String>); 2] {
        let header = format!("api-key: {text}\r\n");
        let call = "/openai/deployments/example/chat/completions?api-version=2024-10-21";
        let answers = [
            self.0.send_with("GET", MODELS, &header, "").unwrap(),
            self.0.send_with("POST", call, &header, "{}").unwrap(),
        ];
        answers.map(|answer| (answer.status, code(&answer)))
    }
}

fn path_of(resource: &str, action: &str) -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.CognitiveServices/accounts/{resource}/{action}?api-version=2025-09-01"
    )
}

fn texts(answer: &Response) -> [String; 2] {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    ["key1", "key2"].map(|key| body[key].as_str().unwrap().to_owned())
}

fn code(answer: &Response) -> Option<String> {
    answer.json()["error"]["code"].as_str().map(str::to_owned)
}

const ACCEPTED: [(u16, Option<String>); 2] = [(200, None), (200, None)];

fn refused() -> [(u16, Option<String>); 2] {
    [(401, Some("401".to_owned())), (401, Some("401".to_owned()))]
}

#[tokio::test]
async fn there_are_two_keys_and_regenerating_one_leaves_the_other() {
    let resource = Resource::new().await;
    let token = resource.token();
    let mut pair = resource.pair(&token);
    for (n, name) in [(1, "Key2"), (0, "Key1"), (0, "Key1")] {
        let answer = resource.arm(&token, "regenerateKey", &json!({"keyName": name}));
        let after = texts(&answer);
        assert_ne!(after[n], pair[n]);
        assert_eq!(after[1 - n], pair[1 - n]);
        assert_eq!(resource.meets(&pair[n]), refused());
        for text in &after {
            assert_eq!(text.len(), 84);
            assert_eq!(resource.meets(text), ACCEPTED);
        }
        assert_eq!(resource.pair(&token), after);
        assert_eq!(resource.0.simulator.live_keys().len(), 2);
        pair = after;
    }
    let handles: Vec<_> = resource.0.simulator.live_keys();
    assert!(
        handles
            .iter()
            .all(|key| key.handle.as_str().starts_with(RESOURCE))
    );
}

#[tokio::test]
async fn a_seeded_key_takes_the_place_of_its_name_or_of_the_first() {
    let resource = Resource::new().await;
    let token = resource.token();
    let [_, second] = resource.pair(&token);
    let first = resource.0.simulator.seed("made by hand");
    let first = first.expose_secret().to_owned();
    assert_eq!(resource.pair(&token), [first.clone(), second.clone()]);
    let other = resource.0.simulator.seed("Key2");
    assert_eq!(
        resource.pair(&token),
        [first, other.expose_secret().to_owned()]
    );
    assert_eq!(resource.meets(&second), refused());
}

#[tokio::test]
async fn names_bodies_and_versions_are_looked_at() {
    let resource = Resource::new().await;
    let token = resource.token();
    for (body, expected) in [
        (json!({"keyName": "key1"}), "BadRequest"),
        (json!({"keyName": "Key3"}), "BadRequest"),
        (json!({}), "InvalidRequestContent"),
        (
            json!({"keyName": "Key1", "more": 1}),
            "InvalidRequestContent",
        ),
        (Value::Null, "InvalidRequestContent"),
    ] {
        let answer = resource.arm(&token, "regenerateKey", &body);
        assert_eq!(
            (answer.status, code(&answer).as_deref()),
            (400, Some(expected)),
            "{body}"
        );
    }
    let other = path_of("another", "listKeys");
    let answer = resource.0.send("POST", &other, Some(&token), "").unwrap();
    assert_eq!(
        (answer.status, code(&answer).as_deref()),
        (404, Some("ResourceNotFound"))
    );
    let old = path_of(RESOURCE, "listKeys").replace("2025", "2017");
    let answer = resource.0.send("POST", &old, Some(&token), "").unwrap();
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn tokens_are_for_the_application_and_end_after_an_hour() {
    let resource = Resource::new().await;
    let secret = resource.0.simulator.management_key();
    let secret = secret.expose_secret();
    for (tenant, client, given, expected) in [
        (TENANT, CLIENT, "another", (401, "invalid_client")),
        (TENANT, "another", secret, (400, "unauthorized_client")),
        ("another", CLIENT, secret, (400, "invalid_request")),
    ] {
        let answer = resource.ask_token(tenant, client, given);
        let kind = answer.json()["error"].as_str().unwrap().to_owned();
        assert_eq!((answer.status, kind.as_str()), expected);
    }
    let token = resource.token();
    assert!(resource.0.simulator.admin_secrets().contains(&token));
    let is_taken = |token: &str| resource.arm(token, "listKeys", &Value::Null).status;
    assert_eq!(
        (is_taken(&token), is_taken("another"), is_taken(secret)),
        (200, 401, 401)
    );
    resource
        .0
        .clock
        .advance(jiff::SignedDuration::from_hours(1));
    assert_eq!(is_taken(&token), 401);
    let token = resource.token();
    resource
        .0
        .simulator
        .configure(|s| s.management = Management::Refused);
    assert_eq!(is_taken(&token), 401);
    assert_eq!(resource.ask_token(TENANT, CLIENT, secret).status, 401);
    let [first, _] = [0, 1].map(|n| resource.0.simulator.secrets()[n].clone());
    assert_eq!(
        resource.meets(first.expose_secret()),
        ACCEPTED,
        "keys need no token"
    );
}
