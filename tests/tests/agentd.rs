//! The sidecar over HTTP: the exchanges that AWS's Secrets Manager Agent documents
//! (<https://github.com/aws/aws-secretsmanager-agent>, `README.md` and the tests of its `main.rs`), and what Keyward adds.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use keyward_agentd::extension::until_shutdown;
use keyward_agentd::{Answers, Config, Server, Token};
use keyward_client::clock::Clock;
use keyward_client::testing::{Longest, MemorySource, TestClock};
use keyward_client::{Environment, FetchError, KeywardClient, Settings};
use keyward_lambda::http::{Http, HttpSettings};
use keyward_testkit::canary::Canary;
use keyward_testkit::logs::CapturedLogs;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::{TcpListener, TcpStream};

const TOKEN: &str = "xyzzy";
const KEY: &str = "sk-or-v1-EXAMPLE9f8e7d6c5b4a39281706f5e4d3c2b1a0";
const TOKEN_HEADER: (&str, &str) = ("X-Aws-Parameters-Secrets-Token", TOKEN);

struct Sidecar {
    source: Arc<MemorySource>,
    clock: Arc<TestClock>,
    server: Server,
}

/// What came back.
#[derive(Debug, Clone)]
struct Came {
    status: u16,
    head: String,
    body: String,
}

impl Came {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Sidecar {
    /// In production, with one secret.
    fn start() -> Self {
        Self::start_with(Environment::Prod, 800)
    }

    fn start_with(environment: Environment, connections: usize) -> Self {
        let (source, clock) = (MemorySource::new(), TestClock::start());
        source.put("MyTest", "v1", KEY);
        let settings = Settings::of(environment);
        let chance = Arc::new(Longest);
        let keys = KeywardClient::with_clock(source.clone(), settings, clock.clone(), chance);
        let token = Token::new(TOKEN).unwrap();
        let server = Server::new(Answers::new(keys.unwrap()), token, connections);
        Self {
            source,
            clock,
            server,
        }
    }

    /// A connection within this process: the clock stands still while something is under way on it.
    fn connect(&self) -> DuplexStream {
        let (ours, its) = tokio::io::duplex(256 * 1024);
        let server = self.server.clone();
        tokio::spawn(async move { server.serve_connection(its).await });
        ours
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Came {
        let mut stream = self.connect();
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).await.unwrap();
        let (head, body) = all.split_once("\r\n\r\n").unwrap();
        Came {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// With the token.
    async fn get(&self, path: &str) -> Came {
        self.send("GET", path, &[TOKEN_HEADER]).await
    }
}

fn denied() -> FetchError {
    FetchError::Refused {
        code: "AccessDeniedException".to_owned(),
        message: "Access to KMS is not allowed".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_comes_as_getsecretvalue_answers_it() {
    let sidecar = Sidecar::start();
    for path in ["/secretsmanager/get?secretId=MyTest", "/v1/MyTest"] {
        let came = sidecar.get(path).await;
        assert_eq!(came.status, 200, "{came:?}");
        let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:MyTest-aBcDeF";
        assert_eq!(
            came.json(),
            serde_json::json!({"ARN": arn, "Name": "MyTest", "VersionId": "v1", "SecretString": KEY,
                "VersionStages": ["AWSCURRENT"], "CreatedDate": "1569534789.046"})
        );
        assert_eq!(came.header("content-type"), Some("application/json"));
        assert_eq!(came.header("cache-control"), Some("no-store"));
        assert_eq!(came.header("x-keyward-age"), Some("0"));
        assert_eq!(came.header("x-keyward-lease"), Some("6600"));
    }
    assert_eq!(sidecar.source.gets(), 1, "the second was held");
}

#[tokio::test(start_paused = true)]
async fn versions_and_stages_are_asked_for_by_name() {
    let sidecar = Sidecar::start();
    sidecar.source.put("My/Test", "11111", "EXAMPLE-one");
    sidecar.source.put("My/Test", "22222", "EXAMPLE-two");
    for (path, version, stage) in [
        ("/v1/My/Test", "22222", "AWSCURRENT"),
        ("/v1/My/Test?versionId=11111", "11111", "AWSCURRENT"),
        (
            "/v1/My/Test?versionStage=AWSPENDING&refreshNow=0",
            "22222",
            "AWSPENDING",
        ),
        (
            "/secretsmanager/get?secretId=My/Test&versionStage=AWSPENDING&versionId=11111&refreshNow=true",
            "11111",
            "AWSPENDING",
        ),
    ] {
        let json = sidecar.get(path).await.json();
        assert_eq!(
            (&json["VersionId"], &json["VersionStages"][0]),
            (&version.into(), &stage.into()),
            "{path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_token_there_is_nothing_but_a_sign_of_life() {
    let sidecar = Sidecar::start();
    let secret = "/secretsmanager/get?secretId=MyTest";
    for (name, path, headers, status, body) in [
        ("no token", secret, &[][..], 403, "Bad Token"),
        ("no token, by path", "/v1/MyTest", &[][..], 403, "Bad Token"),
        (
            "no token, refreshing",
            "/v1/MyTest?refreshNow=true",
            &[][..],
            403,
            "Bad Token",
        ),
        ("no token, nowhere", "/pong", &[][..], 403, "Bad Token"),
        (
            "another",
            secret,
            &[("X-Vault-Token", "click slipers")][..],
            403,
            "Bad Token",
        ),
        (
            "in another header",
            secret,
            &[("Authorization", TOKEN)][..],
            403,
            "Bad Token",
        ),
        (
            "forwarded",
            secret,
            &[
                ("X-Vault-Token", TOKEN),
                ("X-Forwarded-For", "54.239.28.85"),
            ][..],
            400,
            "Forwarded",
        ),
        ("a sign of life", "/ping", &[][..], 200, "healthy"),
    ] {
        let came = sidecar.send("GET", path, headers).await;
        assert_eq!((came.status, came.body.as_str()), (status, body), "{name}");
    }
    assert_eq!(sidecar.source.gets(), 0);
    for (name, value) in [TOKEN_HEADER, ("x-vault-token", TOKEN)] {
        assert_eq!(
            sidecar.send("GET", secret, &[(name, value)]).await.status,
            200
        );
    }
    let both = [
        ("X-Aws-Parameters-Secrets-Token", "other"),
        ("X-Vault-Token", TOKEN),
    ];
    assert_eq!(sidecar.send("GET", secret, &both).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_answered_has_the_status_of_awss_agent() {
    let sidecar = Sidecar::start();
    for (path, status) in [
        ("/pong", 404),
        ("/", 404),
        ("/secretsmanager/get", 400),
        ("/v1/", 400),
        (
            "/secretsmanager/get?secretId=MyTest&versionStage=AWSPENDING&abc=XXXXXXXXXXXX",
            400,
        ),
        ("/v1/MyTest?versionStage=AWSPENDING&abc=XXXXXXXXXXXX", 400),
        ("/v1/MyTest?refreshNow=maybe", 400),
        ("/secretsmanager/get?versionStage=AWSPENDING", 400),
    ] {
        assert_eq!(sidecar.get(path).await.status, status, "{path}");
    }
    for verb in ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"] {
        let path = "/secretsmanager/get?secretId=MyTest";
        let came = sidecar.send(verb, path, &[TOKEN_HEADER]).await;
        assert_eq!(came.status, 405, "{verb}");
    }
    let unknown = sidecar.get("/v1/Nowhere").await;
    assert_eq!(unknown.status, 400);
    assert_eq!(unknown.json()["__type"], "ResourceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn errors_of_secrets_manager_come_through_by_their_names() {
    for (cause, status, kind) in [
        (denied(), 400, "AccessDeniedException"),
        (
            FetchError::Busy {
                code: "ThrottlingException".to_owned(),
            },
            400,
            "ThrottlingException",
        ),
        (
            FetchError::Busy {
                code: "InternalServiceError".to_owned(),
            },
            500,
            "InternalServiceError",
        ),
        (
            FetchError::Unreachable("it timed out".to_owned()),
            504,
            "TimeoutError",
        ),
        (
            FetchError::Unreachable("not sent, or not answered".to_owned()),
            502,
            "ConnectionError",
        ),
        (FetchError::NoAnswer, 502, "ConnectionError"),
        (FetchError::NoCredentials, 500, "InternalFailure"),
    ] {
        let sidecar = Sidecar::start();
        sidecar.source.fails(Some(cause));
        let came = sidecar.get("/v1/MyTest").await;
        assert_eq!(came.status, status, "{came:?}");
        assert_eq!(came.json()["__type"], kind);
        assert!(
            came.json()["message"]
                .as_str()
                .unwrap()
                .contains("secret MyTest")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_now_asks_secrets_manager_and_gives_no_older_value() {
    let sidecar = Sidecar::start();
    let held = "/secretsmanager/get?secretId=MyTest";
    let now = "/secretsmanager/get?secretId=MyTest&refreshNow=true";
    assert_eq!(sidecar.get(held).await.json()["VersionId"], "v1");
    sidecar.source.put("MyTest", "v2", KEY);
    assert_eq!(sidecar.get(held).await.json()["VersionId"], "v1");
    assert_eq!(sidecar.get(now).await.json()["VersionId"], "v2");
    assert_eq!(
        sidecar.get(held).await.json()["VersionId"],
        "v2",
        "it is held from now on"
    );
    sidecar.source.fails(Some(denied()));
    assert_eq!(sidecar.get(now).await.status, 400);
    assert_eq!(
        sidecar.get(held).await.json()["VersionId"],
        "v2",
        "and was not let go"
    );
}

#[tokio::test(start_paused = true)]
async fn past_its_lease_a_value_is_not_given_out() {
    let sidecar = Sidecar::start();
    assert_eq!(sidecar.get("/v1/MyTest").await.status, 200);
    sidecar
        .source
        .fails(Some(FetchError::Unreachable("it timed out".to_owned())));
    sidecar.clock.sleep(Duration::from_secs(100 * 60)).await;
    let old = sidecar.get("/v1/MyTest").await;
    assert_eq!(
        (old.status, old.header("x-keyward-age")),
        (200, Some("6000"))
    );
    assert_eq!(old.header("x-keyward-lease"), Some("600"));
    sidecar.clock.jump_forward(Duration::from_secs(600));
    let over = sidecar.get("/v1/MyTest").await;
    assert_eq!(
        (over.status, &over.json()["__type"]),
        (504, &"TimeoutError".into())
    );
    assert!(
        over.json()["message"]
            .as_str()
            .unwrap()
            .contains("its lease of 6600s is over")
    );
    assert!(!over.body.contains("EXAMPLE"));
    assert_eq!(sidecar.send("GET", "/ping", &[]).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn outside_production_no_production_secret_is_given_out() {
    let sidecar = Sidecar::start_with(Environment::Dev, 800);
    let refused = sidecar.get("/v1/MyTest").await;
    assert_eq!(
        (refused.status, &refused.json()["__type"]),
        (400, &"AccessDeniedException".into())
    );
    assert_eq!(sidecar.source.gets(), 0);
    sidecar.source.put("Other", "v1", "EXAMPLE");
    sidecar.source.tag("Other", "other", Some("dev"));
    assert_eq!(sidecar.get("/v1/Other").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn more_connections_than_may_be_are_told_so_and_signs_of_life_are_given() {
    let sidecar = Sidecar::start_with(Environment::Prod, 1);
    let mut first = sidecar.connect();
    let ask = format!("GET /v1/MyTest HTTP/1.1\r\nhost: x\r\nx-vault-token: {TOKEN}\r\n\r\n");
    let mut some = [0; 4096];
    for _ in 0..2 {
        first.write_all(ask.as_bytes()).await.unwrap();
        let read = first.read(&mut some).await.unwrap();
        assert!(
            String::from_utf8_lossy(&some[..read]).starts_with("HTTP/1.1 200 OK"),
            "it stays open"
        );
    }
    let second = sidecar.get("/v1/MyTest").await;
    assert_eq!(
        (second.status, second.body.as_str()),
        (429, "Connection limit exceeded")
    );
    assert_eq!(sidecar.send("GET", "/ping", &[]).await.status, 200);
    drop(first);
    while sidecar.get("/v1/MyTest").await.status == 429 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_who_ask_first_make_one_call() {
    let sidecar = Arc::new(Sidecar::start_with(Environment::Prod, 1000));
    let asked = (0..1000).map(|_| {
        let sidecar = sidecar.clone();
        tokio::spawn(async move { sidecar.get("/v1/MyTest").await.status })
    });
    for one in asked.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert_eq!(sidecar.source.gets(), 1);
}

/// The key stands in the answers that are asked for with the token, and nowhere else; the token nowhere.
#[tokio::test(start_paused = true)]
async fn neither_key_nor_token_is_in_a_log_or_in_any_other_answer() {
    let logs = CapturedLogs::default();
    let _guard = logs.on_this_thread();
    let sidecar = Sidecar::start();
    let mut said = String::new();
    assert!(sidecar.get("/v1/MyTest").await.body.contains(KEY));
    for path in ["/v1/", "/pong", "/v1/Nowhere", "/secretsmanager/get?abc=1"] {
        said += &format!("{:?}", sidecar.get(path).await);
    }
    said += &format!(
        "{:?}",
        sidecar
            .send("GET", "/v1/MyTest", &[("x-vault-token", "other")])
            .await
    );
    sidecar.source.put("MyTest", "v2", "{\"api_key\": ");
    sidecar.source.fails(Some(denied()));
    said += &format!("{:?}", sidecar.get("/v1/MyTest?refreshNow=1").await);
    sidecar.clock.sleep(Duration::from_secs(111 * 60)).await;
    said += &format!("{:?}", sidecar.get("/v1/MyTest").await);
    let logged = logs.text();
    assert!(
        logged.contains("AccessDeniedException"),
        "the logs were not read: {logged}"
    );
    let canary = Canary::new([KEY]);
    canary.assert_absent("the other answers", &said);
    canary.assert_absent("the logs", &logged);
    assert!(!said.contains(TOKEN) && !logged.contains(TOKEN));
}

/// In the examples of tasks and pods the sidecar is told what it needs, and the agent asks where it listens.
#[test]
fn the_examples_start_a_sidecar_and_an_agent_that_reaches_it() {
    for (example, containers, variables) in [
        (
            include_str!("../../infra/examples/agentd-ecs.json"),
            &["/containerDefinitions"][..],
            "environment",
        ),
        (
            include_str!("../../infra/examples/agentd-kubernetes.json"),
            &["/spec/initContainers", "/spec/containers"][..],
            "env",
        ),
    ] {
        let example: Value = serde_json::from_str(example).unwrap();
        let all = containers
            .iter()
            .flat_map(|place| example.pointer(place).unwrap().as_array().unwrap());
        let told = |name: &str| -> BTreeMap<String, String> {
            let mut all = all.clone();
            let container = all.find(|container| container["name"] == name).unwrap();
            let told = container[variables].as_array().unwrap().iter();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            told.map(|one| (text(&one["name"]), text(&one["value"])))
                .collect()
        };
        let (agentd, agent) = (told("agentd"), told("agent"));
        let read = |path: &str| {
            assert_eq!(path, agent["KEYWARD_TOKEN_FILE"]);
            Ok("EXAMPLE".to_owned())
        };
        let config = Config::from_lookup(|name| agentd.get(name).cloned(), read).unwrap();
        assert!(config.token.is(b"EXAMPLE"));
        let asked = format!("http://127.0.0.1:{}/v1/", config.port);
        assert!(agent["KEYWARD_KEY_URL"].starts_with(&asked));
        assert_eq!(config.settings.environment, Environment::Prod);
    }
}

/// Lambda, as far as extensions see it.
#[tokio::test]
async fn as_an_extension_it_waits_for_the_end_of_the_environment_and_for_nothing_else() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = listener.local_addr().unwrap().to_string();
    let lambda = tokio::spawn(async move {
        let mut asked = Vec::new();
        for (head, body) in [
            ("lambda-extension-identifier: EXAMPLE-id\r\n", "{}"),
            ("", r#"{"eventType":"INVOKE"}"#),
            (
                "",
                r#"{"eventType":"SHUTDOWN","shutdownReason":"spindown"}"#,
            ),
        ] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut some = [0; 4096];
            let read = stream.read(&mut some).await.unwrap();
            asked.push(String::from_utf8_lossy(&some[..read]).into_owned());
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\n{head}content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    });
    let settings = HttpSettings {
        extra_roots: None,
        timeout: Duration::from_secs(10),
    };
    let http = Http::new(&settings).unwrap();
    let name = OsStr::new("/opt/extensions/keyward-agentd");
    until_shutdown(http.fresh_builder(), &api, name)
        .await
        .unwrap();
    let asked = lambda.await.unwrap();
    assert!(
        asked[0].starts_with("POST /2020-01-01/extension/register "),
        "{asked:?}"
    );
    assert!(
        asked[0].contains("lambda-extension-name: keyward-agentd\r\n"),
        "{asked:?}"
    );
    for next in &asked[1..] {
        assert!(
            next.starts_with("GET /2020-01-01/extension/event/next "),
            "{asked:?}"
        );
        assert!(
            next.contains("lambda-extension-identifier: EXAMPLE-id\r\n"),
            "{asked:?}"
        );
    }
}

/// Over a socket, as agents come.
#[tokio::test]
async fn it_listens_on_a_socket() {
    let sidecar = Sidecar::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let server = sidecar.server.clone();
    tokio::spawn(async move { server.serve(listener).await });
    let mut stream = TcpStream::connect(at).await.unwrap();
    let ask = format!(
        "GET /v1/MyTest HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-vault-token: {TOKEN}\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    assert!(
        all.starts_with("HTTP/1.1 200 OK") && all.contains(KEY),
        "{all}"
    );
}
