use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use aws_types::region::Region;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::*;
use crate::clock::{Clock, Moment};
use crate::keys::KeywardClient;
use crate::settings::{Environment, Settings};
use crate::source::{SecretId, SlotName};
use crate::testing::{Longest, MemorySource, TestClock};

/// What a provider sends for one request.
#[derive(Clone)]
enum Sent {
    /// Status, content type and body.
    Whole(u16, &'static str, String),
    /// Pieces of an event stream, the second after it was asked for.
    Pieces(Vec<&'static str>, Arc<Notify>),
    /// Somewhere else.
    Redirect(String),
}

fn json_body(status: u16, body: Value) -> Sent {
    Sent::Whole(status, "application/json", body.to_string())
}

/// A provider that answers in order, and keeps what it was sent.
struct Provider {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    async fn start(answers: Vec<Sent>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                kept.lock().unwrap().push(request);
                write(&mut stream, answer).await;
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// One request, whole.
async fn read(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece).await.unwrap();
        all.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&all).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let whole = length.map_or(
            body.ends_with("0\r\n\r\n") || !head.contains("chunked"),
            |length| body.len() >= length.parse().unwrap(),
        );
        if whole || read == 0 {
            return String::from_utf8(all).unwrap();
        }
    }
}

async fn write(stream: &mut TcpStream, answer: Sent) {
    match answer {
        Sent::Whole(status, kind, body) => {
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            stream.write_all(text.as_bytes()).await.unwrap();
        }
        Sent::Redirect(to) => {
            let text = format!(
                "HTTP/1.1 307 X\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(text.as_bytes()).await.unwrap();
        }
        Sent::Pieces(pieces, next) => {
            let head = "HTTP/1.1 200 X\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            for piece in pieces {
                let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
                if stream.write_all(chunk.as_bytes()).await.is_err() {
                    return;
                }
                next.notified().await;
            }
            let _ = stream.write_all(b"0\r\n\r\n").await;
        }
    }
}

fn http(redirects: reqwest::redirect::Policy) -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy().redirect(redirects);
    builder.build().unwrap()
}

/// Takes reports, or does not.
#[derive(Debug, Default)]
struct Stack {
    reports: Mutex<Vec<Value>>,
    refuses: Mutex<Vec<NotTaken>>,
}

#[async_trait]
impl ReportSink for Stack {
    async fn hand_over(&self, report: &[u8], _: Moment) -> Result<(), NotTaken> {
        let report = serde_json::from_slice(report).unwrap();
        self.reports.lock().unwrap().push(report);
        let mut refuses = self.refuses.lock().unwrap();
        match refuses.is_empty() {
            true => Ok(()),
            false => Err(refuses.remove(0)),
        }
    }
}

impl Stack {
    fn reports(&self) -> Vec<Value> {
        std::mem::take(&mut *self.reports.lock().unwrap())
    }
}

struct World {
    source: Arc<MemorySource>,
    clock: Arc<TestClock>,
    stack: Arc<Stack>,
    reports: UsageReports,
    key: AgentKey,
}

fn world() -> World {
    let (source, clock) = (MemorySource::new(), TestClock::start());
    source.put("llm/bot", "v1", "sk-EXAMPLE-1");
    let settings = Settings::of(Environment::Prod);
    let (by, chance) = (clock.clone(), Arc::new(Longest));
    let client = KeywardClient::with_clock(source.clone(), settings, by, chance).unwrap();
    let key = client.secret(SecretId::new("llm/bot").unwrap());
    let stack: Arc<Stack> = Arc::default();
    let reports = UsageReports::new(SlotName::new("bot").unwrap(), key.clone(), stack.clone());
    World {
        source,
        clock,
        stack,
        reports,
        key,
    }
}

impl World {
    fn client(&self, provider: &Provider, header: KeyHeader) -> ClientWithMiddleware {
        let endpoint = Endpoint::new(&provider.url, header).unwrap();
        let layer = KeyLayer::new(self.key.clone(), endpoint).reporting(&self.reports);
        ClientBuilder::new(http(reqwest::redirect::Policy::none()))
            .with(layer)
            .build()
    }

    /// What the stack is told now.
    async fn told(&self) -> Vec<Value> {
        self.reports.tell().await;
        self.stack.reports()
    }
}

fn chat(model: &str) -> Value {
    json!({"model": model, "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}})
}

async fn ask(client: &ClientWithMiddleware, url: &str) -> reqwest::Response {
    let body = json!({"messages": [], "model": "gpt-5"}).to_string();
    client
        .post(format!("{url}/v1/chat/completions"))
        .body(body)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn the_key_stands_on_the_request_in_the_providers_way() {
    for (header, line) in [
        (KeyHeader::Bearer, "authorization: Bearer sk-EXAMPLE-1\r\n"),
        (KeyHeader::XApiKey, "x-api-key: sk-EXAMPLE-1\r\n"),
        (KeyHeader::ApiKey, "api-key: sk-EXAMPLE-1\r\n"),
        (KeyHeader::XGoogApiKey, "x-goog-api-key: sk-EXAMPLE-1\r\n"),
    ] {
        let (world, provider) = (
            world(),
            Provider::start(vec![json_body(200, chat("m"))]).await,
        );
        let answer = ask(&world.client(&provider, header), &provider.url).await;
        assert_eq!(answer.status(), 200);
        assert!(provider.asked()[0].contains(line), "{:?}", provider.asked());
    }
}

#[tokio::test]
async fn a_refused_key_is_replaced_and_the_request_sent_once_more() {
    let (world, refused) = (
        world(),
        json_body(401, json!({"error": {"code": "invalid_api_key"}})),
    );
    let provider = Provider::start(vec![refused, json_body(200, chat("gpt-5"))]).await;
    let client = world.client(&provider, KeyHeader::Bearer);
    world.key.get().await.unwrap();
    world.source.put("llm/bot", "v2", "sk-EXAMPLE-2");
    let answer = ask(&client, &provider.url).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json::<Value>().await.unwrap()["model"], "gpt-5");
    let asked = provider.asked();
    assert!(asked[0].contains("sk-EXAMPLE-1") && asked[1].contains("sk-EXAMPLE-2"));
    assert_eq!(
        asked[0].split("\r\n\r\n").nth(1),
        asked[1].split("\r\n\r\n").nth(1)
    );
    let told = world.told().await;
    assert_eq!(told.len(), 1, "the refused one used nothing: {told:?}");
    assert_eq!(told[0]["version"], "v2");
}

#[tokio::test]
async fn without_another_key_the_401_comes_back_and_the_next_call_finds_one() {
    let (world, refused) = (world(), json_body(401, json!({"error": "no"})));
    let provider = Provider::start(vec![refused.clone(), refused, json_body(200, chat("m"))]).await;
    let client = world.client(&provider, KeyHeader::Bearer);
    assert_eq!(ask(&client, &provider.url).await.status(), 401);
    assert_eq!(world.source.gets(), 2);
    assert_eq!(provider.asked().len(), 1, "the same key is not tried twice");
    world.source.put("llm/bot", "v2", "sk-EXAMPLE-2");
    let streamed = client.post(format!("{}/v1/x", provider.url));
    let streamed = streamed.body(reqwest::Body::wrap(String::from(
        "gone after the first try",
    )));
    world.key.refresh().await.unwrap();
    world.source.put("llm/bot", "v3", "sk-EXAMPLE-3");
    let answer = streamed.send().await.unwrap();
    assert_eq!(answer.status(), 401, "its body cannot be sent twice");
    assert_eq!(ask(&client, &provider.url).await.status(), 200);
    assert!(provider.asked()[2].contains("sk-EXAMPLE-3"));
}

/// As a kill restricts a key that it suspends.
#[tokio::test]
async fn a_key_that_google_takes_from_nowhere_any_more_is_refused_and_other_403s_are_not() {
    let world = world();
    let blocked =
        json!({"error": {"code": 403, "details": [{"reason": "API_KEY_IP_ADDRESS_BLOCKED"}]}});
    let other = json!({"error": {"code": 403, "message": "no permission for the model"}});
    let provider = Provider::start(vec![
        json_body(403, other),
        json_body(403, blocked),
        json_body(200, json!({})),
    ])
    .await;
    let client = world.client(&provider, KeyHeader::XGoogApiKey);
    let url = format!("{}/v1beta/models/x:generateContent", provider.url);
    let answer = client.post(&url).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(world.source.gets(), 1);
    world.source.put("llm/bot", "v2", "sk-EXAMPLE-2");
    let answer = client.post(&url).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[test]
fn the_model_that_a_path_names_is_the_one_that_is_priced() {
    let asked = |path: &str| {
        let url = format!("https://host.example/{path}").parse().unwrap();
        super::answer::asked_for(&reqwest::Request::new(reqwest::Method::POST, url))
    };
    for (path, model) in [
        (
            "v1beta/models/gemini-2.5-flash:generateContent",
            Some("gemini-2.5-flash"),
        ),
        (
            "model/amazon.nova-pro-v1:0/converse",
            Some("amazon.nova-pro-v1:0"),
        ),
        (
            "model/amazon.nova-pro-v1%3A0/converse",
            Some("amazon.nova-pro-v1:0"),
        ),
        (
            "model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A111122223333%3Ainference-profile%2Feu.amazon.nova-lite-v1%3A0/converse",
            Some(
                "arn:aws:bedrock:eu-central-1:111122223333:inference-profile/eu.amazon.nova-lite-v1:0",
            ),
        ),
        ("openai/deployments/gpt-5/chat/completions", Some("gpt-5")),
        ("v1/messages", None),
    ] {
        assert_eq!(asked(path).as_deref(), model, "{path}");
    }
}

#[tokio::test]
async fn google_says_in_a_400_that_a_key_is_none_and_other_400s_say_nothing_of_it() {
    let world = world();
    let invalid = json!({"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}});
    let other = json!({"error": {"code": 400, "message": "no such field"}});
    let provider = Provider::start(vec![
        json_body(400, other.clone()),
        json_body(400, invalid),
        json_body(
            200,
            json!({"usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 2}}),
        ),
    ])
    .await;
    let client = world.client(&provider, KeyHeader::XGoogApiKey);
    let url = format!(
        "{}/v1beta/models/gemini-2.5-flash:generateContent",
        provider.url
    );
    let answer = client.post(&url).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        other,
        "the body is all there"
    );
    assert_eq!(world.source.gets(), 1);
    world.source.put("llm/bot", "v2", "sk-EXAMPLE-2");
    let answer = client.post(&url).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    drop(answer.bytes().await.unwrap());
    let told = world.told().await;
    let used = &told[0]["buckets"][0]["models"][0];
    assert_eq!(
        (&used["model"], &used["input"]),
        (&json!("gemini-2.5-flash"), &json!(8))
    );
}

#[tokio::test]
async fn a_stream_passes_as_it_comes_and_is_counted() {
    let world = world();
    let next = Arc::new(Notify::new());
    let pieces = vec![
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-5\",\"usa",
        "ge\":{\"input_tokens\":25,\"cache_read_input_tokens\":7,\"output_tokens\":1}}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":15}}\n\n",
    ];
    let provider = Provider::start(vec![Sent::Pieces(pieces.clone(), next.clone())]).await;
    let client = world.client(&provider, KeyHeader::XApiKey);
    let mut answer = ask(&client, &provider.url).await;
    assert_eq!(
        answer.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    assert!(answer.url().as_str().starts_with(&provider.url));
    for piece in pieces {
        let came = answer.chunk().await.unwrap().unwrap();
        assert_eq!(came, piece, "each piece before the next is sent");
        next.notify_one();
    }
    assert!(answer.chunk().await.unwrap().is_none());
    let told = world.told().await;
    assert_eq!(
        told[0]["buckets"][0]["models"],
        json!([{"model": "claude-sonnet-4-5", "requests": 1, "input": 25, "output": 15,
            "cache_read": 7, "cache_write": 0, "cost": 0}])
    );
    let from = told[0]["buckets"][0]["from"].as_str().unwrap();
    assert_eq!(from, "2026-12-01T09:00:00Z");
    assert_eq!(
        (&told[0]["slot"], &told[0]["version"]),
        (&json!("bot"), &json!("v1"))
    );
    assert_eq!(told[0]["reporter"].as_str().unwrap().len(), 36);
    assert_eq!(told[0].get("ends"), None);
}

#[tokio::test]
async fn a_stream_that_is_let_go_counts_as_far_as_it_came() {
    let world = world();
    let next = Arc::new(Notify::new());
    let start = "data: {\"message\":{\"model\":\"claude\",\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n";
    let provider = Provider::start(vec![Sent::Pieces(vec![start, "data: {}\n\n"], next)]).await;
    let mut answer = ask(&world.client(&provider, KeyHeader::XApiKey), &provider.url).await;
    answer.chunk().await.unwrap().unwrap();
    drop(answer);
    let told = world.told().await;
    assert_eq!(told[0]["buckets"][0]["models"][0]["input"], 25);
}

#[tokio::test]
async fn a_key_goes_to_no_other_host() {
    let world = world();
    let (provider, other) = (Provider::start(vec![]).await, Provider::start(vec![]).await);
    let client = world.client(&provider, KeyHeader::XApiKey);
    let refused = client
        .post(format!("{}/v1/messages", other.url))
        .send()
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("nothing was sent"),
        "{refused}"
    );
    assert!(other.asked().is_empty() && world.source.gets() == 0);
}

#[tokio::test]
async fn an_answer_from_elsewhere_is_none() {
    let world = world();
    let other = Provider::start(vec![json_body(200, chat("m"))]).await;
    let provider = Provider::start(vec![Sent::Redirect(format!("{}/x", other.url))]).await;
    let endpoint = Endpoint::new(&provider.url, KeyHeader::XApiKey).unwrap();
    let follows = ClientBuilder::new(http(reqwest::redirect::Policy::default()))
        .with(KeyLayer::new(world.key.clone(), endpoint))
        .build();
    let sent_on = follows
        .get(format!("{}/v1/models", provider.url))
        .send()
        .await;
    let sent_on = sent_on.unwrap_err().to_string();
    assert!(sent_on.contains("keyward rotate"), "{sent_on}");
}

#[tokio::test]
async fn without_a_key_nothing_is_sent_and_it_is_said_why() {
    let (world, provider) = (world(), Provider::start(vec![]).await);
    world.source.put("llm/bot", "v2", "{\"key\": 1}");
    let client = world.client(&provider, KeyHeader::Bearer);
    let none = client.get(&provider.url).send().await.unwrap_err();
    assert!(none.to_string().contains("api_key"), "{none}");
    assert!(provider.asked().is_empty());
}

#[tokio::test]
async fn what_is_no_call_of_a_model_is_not_counted() {
    let world = world();
    let provider = Provider::start(vec![
        json_body(200, json!({"object": "list", "data": []})),
        json_body(429, json!({"error": {"code": "rate_limit_exceeded"}})),
        json_body(200, json!({"id": "file-1"})),
    ])
    .await;
    let client = world.client(&provider, KeyHeader::Bearer);
    client
        .get(format!("{}/v1/models", provider.url))
        .send()
        .await
        .unwrap();
    ask(&client, &provider.url).await;
    client
        .post(format!("{}/v1/files", provider.url))
        .body("x")
        .send()
        .await
        .unwrap();
    let told = world.told().await;
    assert_eq!(
        told[0]["buckets"][0]["models"],
        json!([]),
        "nothing was used, and that is told"
    );
}

#[tokio::test(start_paused = true)]
async fn use_is_told_after_every_five_minutes_and_at_the_end() {
    let world = world();
    world.key.get().await.unwrap();
    world.reports.start();
    world.reports.start();
    world.clock.sleep(Duration::from_secs(30 * 60 + 90)).await;
    let told = world.stack.reports();
    assert_eq!(told.len(), 6, "{told:?}");
    let from: Vec<_> = told
        .iter()
        .flat_map(|report| report["buckets"].as_array().unwrap())
        .collect();
    let from: std::collections::BTreeSet<_> =
        from.iter().map(|b| b["from"].as_str().unwrap()).collect();
    assert_eq!(from.len(), 6, "none is left out: {from:?}");
    world.reports.end().await;
    let last = world.stack.reports();
    assert!(last.len() == 1 && last[0]["ends"] == true, "{last:?}");
    world.clock.sleep(Duration::from_secs(3600)).await;
    assert!(world.stack.reports().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_report_that_was_not_taken_is_told_again_and_one_that_is_refused_is_told_in_parts() {
    let world = world();
    let (v1, tokens) = (VersionId::new("v1"), Some(Tokens::default()));
    let add = || {
        let now = world.clock.now().wall;
        world.reports.ledger().add(&v1, Some("gpt-5"), tokens, now);
    };
    add();
    let not_now = NotTaken::NotNow("429".to_owned());
    world.stack.refuses.lock().unwrap().push(not_now);
    let first = world.told().await;
    assert_eq!(world.told().await, first);
    assert!(world.told().await.is_empty());
    add();
    world.clock.sleep(Duration::from_secs(300)).await;
    add();
    let refused = NotTaken::Refused("400: no".to_owned());
    let refuses = vec![refused.clone(), refused];
    world.stack.refuses.lock().unwrap().extend(refuses);
    let told = world.told().await;
    let buckets: Vec<_> = told
        .iter()
        .map(|r| r["buckets"].as_array().unwrap().len())
        .collect();
    assert_eq!(buckets, [2, 1, 1], "the first of two is refused for ever");
    assert!(world.told().await.is_empty());
}

use crate::source::VersionId;

#[tokio::test]
async fn reports_go_signed_to_the_stacks_url() {
    let lambda = Provider::start(vec![
        json_body(200, json!({"changed": true})),
        json_body(403, json!({"what": "the caller is not among\nthe readers"})),
        json_body(400, json!({"what": "x"})),
    ])
    .await;
    let credentials = Credentials::new(
        "AKIDEXAMPLE",
        "EXAMPLE",
        Some("EXAMPLE-session".into()),
        None,
        "test",
    );
    let config = SdkConfig::builder()
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let http = http(reqwest::redirect::Policy::none());
    let sink = UsageUrl::new(&format!("{}/", lambda.url), &config, http.clone()).unwrap();
    let at = TestClock::start().now();
    sink.hand_over(b"{}", at).await.unwrap();
    let asked = &lambda.asked()[0];
    assert!(asked.starts_with("POST /usage HTTP/1.1\r\n"), "{asked}");
    let scope = "Credential=AKIDEXAMPLE/20261201/eu-central-1/lambda/aws4_request";
    assert!(asked.contains(scope), "{asked}");
    assert!(
        asked.contains("x-amz-security-token: EXAMPLE-session"),
        "{asked}"
    );
    let denied = sink.hand_over(b"{}", at).await.unwrap_err();
    assert!(
        matches!(&denied, NotTaken::NotNow(why) if why.contains("readers")),
        "{denied}"
    );
    let wrong = sink.hand_over(b"{}", at).await.unwrap_err();
    assert!(matches!(wrong, NotTaken::Refused(_)), "{wrong}");
    assert!(!format!("{sink:?}").contains("EXAMPLE"));
    for bad in ["http://example.com/", "x", "ftp://localhost/"] {
        assert!(UsageUrl::new(bad, &config, http.clone()).is_err(), "{bad}");
    }
}
