//! What the simulated Google answers.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use keyward_core::model::slot::ProviderName;
use keyward_core::ports::Clock;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::testing::{Response, World};
use super::super::{Management, Settings};

const KEYS: &str = "/v2/projects/keyward-example-0/locations/global/keys";

struct Google(World);

impl Google {
    async fn with(settings: Settings) -> Self {
        let provider = ProviderName::Gemini;
        Self(
            World::with(Settings {
                provider,
                ..settings
            })
            .await,
        )
    }

    fn claims(&self) -> Value {
        let now = self.0.clock.now().as_second();
        json!({
            "iss": "keyward@keyward-example-0.iam.gserviceaccount.com",
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "aud": "https://oauth2.googleapis.com/token", "iat": now, "exp": now + 3600,
        })
    }

    /// Asks for a token with these claims, signed by the service account's key.
    fn exchange(&self, claims: &Value) -> Response {
        let file: Value =
            serde_json::from_str(self.0.simulator.management_key().expose_secret()).unwrap();
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": file["private_key_id"]});
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let pem = file["private_key"].as_str().unwrap();
        let lines = pem.lines().filter(|line| !line.contains([' ', '-']));
        let der = STANDARD.decode(lines.collect::<String>()).unwrap();
        let pair = RsaKeyPair::from_pkcs8(&der).unwrap();
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = SystemRandom::new();
        pair.sign(
            &RSA_PKCS1_SHA256,
            &random,
            signed.as_bytes(),
            &mut signature,
        )
        .unwrap();
        self.token(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn token(&self, assertion: &str) -> Response {
        let body = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
        );
        let header = "content-type: application/x-www-form-urlencoded\r\n";
        self.0.send_with("POST", "/token", header, &body).unwrap()
    }

    fn admin(&self, method: &str, path: &str, body: &Value) -> Response {
        let token = self.exchange(&self.claims()).json();
        let token = token["access_token"].as_str().unwrap();
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        self.0.send(method, path, Some(token), &body).unwrap()
    }

    fn get(&self, path: &str) -> Response {
        self.admin("GET", path, &Value::Null)
    }

    fn create(&self, id: &str, body: &Value) -> Response {
        self.admin("POST", &format!("{KEYS}?keyId={id}"), body)
    }

    /// The text of a key.
    fn text(&self, id: &str) -> String {
        let read = self.get(&format!("{KEYS}/{id}/keyString")).json();
        read["keyString"].as_str().unwrap().to_owned()
    }

    /// Status and reason of what a key meets: on the list of models, and on a call.
    fn meets(&self, text: &str) -> [(u16, Option<String>); 2] {
        let header = format!("x-goog-api-key: {text}\r\n");
        let call = "/v1beta/models/example-model:generateContent";
        let answers = [
            self.0.send_with("GET", "/v1beta/models", &header, ""),
            self.0.send_with("POST", call, &header, "{}"),
        ];
        answers.map(|answer| {
            let answer = answer.unwrap();
            let reason = &answer.json()["error"]["details"][0]["reason"];
            (answer.status, reason.as_str().map(str::to_owned))
        })
    }
}

fn both(status: u16, reason: Option<&str>) -> [(u16, Option<String>); 2] {
    let one = (status, reason.map(str::to_owned));
    [one.clone(), one]
}

fn target() -> Value {
    json!([{"service": "generativelanguage.googleapis.com"}])
}

#[tokio::test]
async fn a_token_is_given_for_a_signed_assertion_of_now() {
    let google = Google::with(Settings::default()).await;
    let given = google.exchange(&google.claims());
    assert_eq!(given.status, 200, "{}", given.body);
    let token = given.json()["access_token"].as_str().unwrap().to_owned();
    let list = |token: &str| google.0.send("GET", KEYS, Some(token), "").unwrap().status;
    assert_eq!(list(&token), 200);
    for (what, change) in [
        ("somebody else", ("iss", json!("other@example.com"))),
        (
            "too late",
            (
                "iat",
                json!(google.claims()["iat"].as_i64().unwrap() - 4000),
            ),
        ),
        (
            "too long",
            ("exp", json!(google.claims()["exp"].as_i64().unwrap() + 60)),
        ),
        (
            "another server",
            ("aud", json!("https://token-uri.example.com/token")),
        ),
        ("another scope", ("scope", json!("openid"))),
    ] {
        let mut claims = google.claims();
        claims[change.0] = change.1;
        let refused = google.exchange(&claims);
        assert_eq!(refused.status, 400, "{what}");
        assert!(refused.json()["error"].is_string(), "{what}");
    }
    let forged = google.token("e30.e30.AAAA");
    assert_eq!(forged.json()["error"], "invalid_grant");
    google.0.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(list(&token), 401, "tokens end after an hour");
    let key = google.0.simulator.management_key();
    assert_eq!(list(key.expose_secret()), 401, "the key itself is no token");
    google
        .0
        .simulator
        .configure(|s| s.management = Management::Refused);
    assert_eq!(google.exchange(&google.claims()).status, 400);
}

#[tokio::test]
async fn a_key_comes_to_be_when_its_operation_ends() {
    let delay = SignedDuration::from_secs(5);
    let google = Google::with(Settings {
        operation_delay: delay,
        ..Settings::default()
    })
    .await;
    let begun = google.create(
        "a-key",
        &json!({"displayName": "a", "restrictions": {"apiTargets": target()}}),
    );
    let begun = begun.json();
    assert!(begun["done"].is_null() && begun["response"].is_null());
    let operation = format!("/v2/{}", begun["name"].as_str().unwrap());
    assert!(google.get(&operation).json()["done"].is_null());
    assert_eq!(google.get(&format!("{KEYS}/a-key")).status, 404);
    assert_eq!(
        google.get(KEYS).json(),
        json!({}),
        "an empty list is left out"
    );
    google.0.clock.advance(delay);
    let ended = google.get(&operation).json();
    assert_eq!(ended["done"], true);
    let name = "projects/111122223333/locations/global/keys/a-key";
    assert_eq!(ended["response"]["name"], name);
    assert!(ended["response"]["keyString"].is_null(), "never in it");
    assert_eq!(google.get(&format!("{KEYS}/a-key")).json()["name"], name);
    assert_eq!(google.text("a-key"), google.text("a-key"));
    assert_eq!(google.meets(&google.text("a-key")), both(200, None));
}

#[tokio::test]
async fn what_a_real_client_may_get_wrong_is_refused() {
    let google = Google::with(Settings::default()).await;
    let ip = |list: Value| json!({"restrictions": {"apiTargets": target(), "serverKeyRestrictions": {"allowedIps": list}}});
    for (what, id, body) in [
        ("a capital", "Key", json!({})),
        ("a UUID", "abcdefab-aaaa-4bbb-8ccc-abcdefabcdef", json!({})),
        ("a long id", &*"x".repeat(64), json!({})),
        ("a long name", "a", json!({"displayName": "x".repeat(64)})),
        ("an unknown field", "a", json!({"expireTime": "x"})),
        (
            "no targets",
            "a",
            json!({"restrictions": {"apiTargets": []}}),
        ),
        ("no addresses", "a", ip(json!([]))),
        ("no address", "a", ip(json!(["example.com"]))),
    ] {
        assert_eq!(google.create(id, &body).status, 400, "{what}");
    }
    assert_eq!(google.create("a", &json!({})).status, 200);
    let taken = google.create("a", &json!({}));
    assert_eq!(
        (taken.status, &taken.json()["error"]["status"]),
        (409, &json!("ALREADY_EXISTS"))
    );
    for path in [
        "/v2/keys:lookupKey?keyString=x",
        "/v2/projects/x/locations/us/keys",
    ] {
        assert_eq!(google.get(path).status, 404, "{path}");
    }
    let elsewhere = google.get("/v2/projects/other/locations/global/keys");
    assert_eq!(elsewhere.status, 403);
}

#[tokio::test]
async fn restrictions_are_kept_to() {
    let google = Google::with(Settings::default()).await;
    google.create("a", &json!({"restrictions": {"apiTargets": target()}}));
    let text = google.text("a");
    let restrict = |restrictions: Value| {
        let path = format!("{KEYS}/a?updateMask=restrictions");
        let answer = google.admin("PATCH", &path, &json!({"restrictions": restrictions}));
        assert_eq!(answer.status, 200, "{}", answer.body);
        google.meets(&text)
    };
    let nowhere =
        json!({"apiTargets": target(), "serverKeyRestrictions": {"allowedIps": ["192.0.2.1"]}});
    assert_eq!(
        restrict(nowhere),
        both(403, Some("API_KEY_IP_ADDRESS_BLOCKED"))
    );
    let maps = json!({"apiTargets": [{"service": "maps.googleapis.com"}]});
    assert_eq!(restrict(maps), both(403, Some("API_KEY_SERVICE_BLOCKED")));
    let methods = |methods: Value| json!({"apiTargets": [{"service": "generativelanguage.googleapis.com", "methods": methods}]});
    let listing = restrict(methods(json!(["List*"])));
    assert_eq!((listing[0].0, listing[1].0), (200, 403));
    assert_eq!(restrict(json!({"apiTargets": target()})), both(200, None));
}

#[tokio::test]
async fn deleted_keys_are_kept_for_thirty_days() {
    let google = Google::with(Settings::default()).await;
    google.create("a", &json!({"displayName": "a"}));
    let text = google.text("a");
    let path = format!("{KEYS}/a");
    assert_eq!(google.admin("DELETE", &path, &Value::Null).status, 200);
    assert_eq!(google.meets(&text), both(400, Some("API_KEY_INVALID")));
    assert_eq!(google.admin("DELETE", &path, &Value::Null).status, 400);
    assert_eq!(google.get(KEYS).json(), json!({}));
    let shown = google.get(&format!("{KEYS}?showDeleted=true")).json();
    assert!(shown["keys"][0]["deleteTime"].is_string());
    assert!(google.get(&path).json()["deleteTime"].is_string());
    assert_eq!(
        google.create("a", &json!({})).status,
        409,
        "its id stays taken"
    );
    google.0.clock.advance(SignedDuration::from_hours(30 * 24));
    assert_eq!(google.get(&path).status, 404);
    assert_eq!(google.create("a", &json!({})).status, 200);
}

#[tokio::test]
async fn a_key_without_money_is_known_as_one() {
    let google = Google::with(Settings {
        credit: Some(keyward_core::model::money::MicroDollars(500)),
        ..Settings::default()
    })
    .await;
    google.create("a", &json!({}));
    let met = google.meets(&google.text("a"));
    assert_eq!((met[0].0, met[1].0), (200, 429));
    let nobody = google.0.send("GET", "/v1beta/models", None, "").unwrap();
    assert_eq!(nobody.status, 403);
}
