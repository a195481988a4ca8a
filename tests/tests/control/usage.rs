//! What agents tell of their own use: who may, what is taken, and what is refused before anything is written.

use keyward_client::clock::Moment;
use keyward_client::middleware::{
    Endpoint, KeyHeader, KeyLayer, NotTaken, ReportSink, UsageReports,
};
use keyward_client::testing::{Longest, MemorySource, TestClock};
use keyward_client::{Environment, KeywardClient, SecretId, Settings, SlotName};
use keyward_core::model::usage::Bucket;
use keyward_core::ports::Clock;
use keyward_core::usecases::report::Callers;
use keyward_lambda::http::{Http, HttpSettings};
use reqwest::ResponseBuilderExt as _;
use reqwest_middleware::{ClientBuilder, Middleware, Next};

use super::*;

const AGENT: &str = "arn:aws:sts::111122223333:assumed-role/support-bot/i-0123";
const ROLE: &str = "arn:aws:iam::111122223333:role/agents/support-bot";
const SLOT: &str = "support-bot-openrouter";

/// The function for agents of a fleet in which one slot has a role among its readers.
async fn for_agents(world: &World) -> (Deps, Arc<MemoryUsage>) {
    let mut fleet = fleet();
    fleet["slots"][SLOT]["readers"] = json!(["team-audit", ROLE]);
    assert_eq!(apply(world, &fleet).await.0, 200);
    let usage = Arc::new(MemoryUsage::default());
    let deps = Deps {
        usage: usage.clone(),
        callers: Callers::Agents,
        ..deps(world)
    };
    (deps, usage)
}

async fn tell(deps: &Deps, caller: &str, body: &Value) -> (u64, Value) {
    tell_raw(deps, caller, body.to_string()).await
}

async fn tell_raw(deps: &Deps, caller: &str, body: String) -> (u64, Value) {
    let mut event = event("/usage", &Value::Null);
    event["requestContext"]["authorizer"]["iam"]["userArn"] = caller.into();
    event["body"] = body.into();
    send(deps, event).await
}

fn report(world: &World) -> Value {
    let from = Bucket::of(world.outside.clock.now()).begins();
    json!({
        "slot": SLOT,
        "reporter": "3f2b8c1e-0000-4000-8000-00000000abcd",
        "version": token(1),
        "buckets": [{"from": from, "models": [{
            "model": "anthropic/claude-sonnet-4.5", "requests": 3, "input": 1200, "output": 80,
            "cache_read": 0, "cache_write": 0, "cost": 4800,
        }]}],
    })
}

#[tokio::test]
async fn a_reader_tells_what_it_used_as_often_as_it_likes() {
    let world = world();
    let (deps, usage) = for_agents(&world).await;
    let acts_before = acts(&world).len();
    for changed in [true, false, false] {
        let (status, answer) = tell(&deps, AGENT, &report(&world)).await;
        let expected = json!({"slot": SLOT, "changed": changed, "version_known": true});
        assert_eq!((status, answer), (200, expected));
    }
    let told = usage.all_told();
    assert_eq!(told.len(), 1);
    let counts = told[0].cells[0].models["anthropic/claude-sonnet-4.5"];
    assert_eq!((counts.requests, counts.tokens.input), (3, 1200));
    assert_eq!(acts(&world).len(), acts_before, "a report is no act");
    let mut other = report(&world);
    other["version"] = json!(token(99));
    let (status, answer) = tell(&deps, AGENT, &other).await;
    assert_eq!((status, &answer["version_known"]), (200, &json!(false)));
}

/// What `keyward-client` sends is taken as it stands: of a call that was answered, of silence, and of the end.
#[tokio::test]
async fn what_the_client_library_tells_is_taken() {
    let world = world();
    let (deps, usage) = for_agents(&world).await;
    let secrets = MemorySource::new();
    secrets.put("llm/bot", token(1).as_str(), "sk-or-v1-EXAMPLE");
    let keys = KeywardClient::with_clock(
        secrets,
        Settings::of(Environment::Prod),
        TestClock::start(),
        Arc::new(Longest),
    );
    let key = keys.unwrap().secret(SecretId::new("llm/bot").unwrap());
    let sink = Arc::new(Kept::default());
    let reports = UsageReports::new(SlotName::new(SLOT).unwrap(), key.clone(), sink.clone());
    let endpoint = Endpoint::new("http://127.0.0.1:9", KeyHeader::Bearer).unwrap();
    let settings = HttpSettings {
        extra_roots: None,
        timeout: std::time::Duration::from_secs(1),
    };
    let http = Http::new(&settings).unwrap().pooled().unwrap();
    let agent = ClientBuilder::new(http)
        .with(KeyLayer::new(key, endpoint).reporting(&reports))
        .with(Provider)
        .build();
    let call = agent.post("http://127.0.0.1:9/v1/chat/completions");
    call.body("{}").send().await.unwrap().bytes().await.unwrap();
    reports.tell().await;
    reports.end().await;
    let sent = std::mem::take(&mut *sink.0.lock().unwrap());
    let ends = |body: &String| body.contains("\"ends\":true");
    assert_eq!(sent.iter().map(ends).collect::<Vec<_>>(), [false, true]);
    for body in sent {
        let (status, answer) = tell_raw(&deps, AGENT, body).await;
        let expected = json!({"slot": SLOT, "changed": true, "version_known": true});
        assert_eq!((status, answer), (200, expected));
    }
    let told = usage.all_told();
    let counts = told[0].cells[0].models["anthropic/claude-sonnet-4.5"];
    let tokens = counts.tokens;
    assert_eq!((counts.requests, counts.cost.0), (1, 4800));
    assert_eq!(
        (tokens.input, tokens.output, tokens.cache_read),
        (1100, 80, 100)
    );
}

/// Keeps what is sent.
#[derive(Debug, Default)]
struct Kept(std::sync::Mutex<Vec<String>>);

#[async_trait::async_trait]
impl ReportSink for Kept {
    async fn hand_over(&self, report: &[u8], _: Moment) -> Result<(), NotTaken> {
        let text = String::from_utf8(report.to_vec()).unwrap();
        self.0.lock().unwrap().push(text);
        Ok(())
    }
}

/// Answers as OpenRouter does.
struct Provider;

#[async_trait::async_trait]
impl Middleware for Provider {
    async fn handle(
        &self,
        request: reqwest::Request,
        _: &mut http::Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let body = json!({"model": "anthropic/claude-sonnet-4.5", "usage": {"prompt_tokens": 1200,
            "completion_tokens": 80, "prompt_tokens_details": {"cached_tokens": 100}, "cost": 0.0048}});
        let answer = http::Response::builder().url(request.url().clone());
        Ok(answer.body(body.to_string()).unwrap().into())
    }
}

#[tokio::test]
async fn nobody_else_tells_and_nobody_learns_which_slots_there_are() {
    let world = world();
    let (deps, usage) = for_agents(&world).await;
    let mut said = Vec::new();
    for (name, caller, slot) in [
        ("a person", CALLER, SLOT),
        (
            "another role",
            "arn:aws:sts::111122223333:assumed-role/search-bot/s",
            SLOT,
        ),
        (
            "another account's",
            "arn:aws:sts::444455556666:assumed-role/support-bot/s",
            SLOT,
        ),
        (
            "the team itself",
            "arn:aws:iam::111122223333:user/team-audit",
            SLOT,
        ),
        ("a slot without it", AGENT, "search-bot-openrouter"),
        ("no slot", AGENT, "no-such-slot"),
    ] {
        let mut report = report(&world);
        report["slot"] = slot.into();
        let (status, answer) = tell(&deps, caller, &report).await;
        assert_eq!(status, 403, "{name}: {answer}");
        said.push(answer["what"].as_str().unwrap().replace(slot, "X"));
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(usage.all_told(), []);
}

#[tokio::test]
async fn agents_carry_out_no_act_and_the_function_for_people_takes_no_report() {
    let world = world();
    let (agents, usage) = for_agents(&world).await;
    let before = acts(&world).len();
    for path in [
        "/plan",
        "/apply",
        "/register",
        "/enforce",
        "/expect",
        "/kill",
        "/restore",
        "/drill",
        "/pool/add",
        "/prices",
        "/",
    ] {
        let body = json!({"reason": "x", "slot": SLOT, "mode": "observe"});
        let mut event = event(path, &body);
        event["requestContext"]["authorizer"]["iam"]["userArn"] = AGENT.into();
        let (status, answer) = send(&agents, event).await;
        assert_eq!(status, 404, "{path}: {answer}");
    }
    let people = Deps {
        callers: Callers::People,
        ..agents.clone()
    };
    let (status, answer) = tell(&people, AGENT, &report(&world)).await;
    assert_eq!(status, 404, "{answer}");
    assert_eq!((acts(&world).len(), usage.all_told().len()), (before, 0));
}

#[tokio::test]
async fn what_is_no_report_is_refused_whole_and_by_name() {
    let world = world();
    let (deps, usage) = for_agents(&world).await;
    type Edit = fn(&mut Value);
    let model: Edit = |r| {
        let models = r["buckets"][0]["models"].as_array_mut().unwrap();
        let first = models[0].clone();
        models.push(first);
    };
    let cases: Vec<(&str, Edit, u64, &str)> = vec![
        (
            "no slot",
            |r| drop(r.as_object_mut().unwrap().remove("slot")),
            400,
            "takes {slot",
        ),
        (
            "an unknown field",
            |r| r["reason"] = json!("x"),
            400,
            "takes {slot",
        ),
        (
            "a short reporter",
            |r| r["reporter"] = json!("me"),
            400,
            "takes {slot",
        ),
        (
            "no version id",
            |r| r["version"] = json!("AWSCURRENT"),
            400,
            "takes {slot",
        ),
        ("no bucket", |r| r["buckets"] = json!([]), 400, "no bucket"),
        (
            "a count left out",
            |r| {
                let used = r["buckets"][0]["models"][0].as_object_mut().unwrap();
                drop(used.remove("cache_read"));
            },
            400,
            "takes {slot",
        ),
        (
            "less than nothing",
            |r| r["buckets"][0]["models"][0]["input"] = json!(-1),
            400,
            "takes {slot",
        ),
        (
            "a fraction",
            |r| r["buckets"][0]["models"][0]["input"] = json!(1.5),
            400,
            "takes {slot",
        ),
        (
            "too much",
            |r| r["buckets"][0]["models"][0]["input"] = json!(u64::MAX),
            400,
            "no process reaches",
        ),
        ("a model twice", model, 400, "a model twice"),
        (
            "a model with a space",
            |r| r["buckets"][0]["models"][0]["model"] = json!("a b"),
            400,
            "takes {slot",
        ),
        (
            "a key for a model",
            |r| {
                r["buckets"][0]["models"][0]["model"] = json!("sk-or-v1-EXAMPLE0123456789abcdef");
            },
            400,
            "called like a key",
        ),
        (
            "a key for a version",
            |r| r["version"] = json!("sk-EXAMPLE0123-0123456789abcdef0123456789"),
            400,
            "looks like a key",
        ),
        (
            "a key without a beginning for a version",
            |r| r["version"] = json!("EXAMPLE01230123456789abcdef0123456789"),
            400,
            "looks like a key",
        ),
        (
            "a new process, three hours late",
            |r| r["buckets"][0]["from"] = json!("HOURS-AGO"),
            400,
            "leave it out",
        ),
        (
            "between buckets",
            |r| r["buckets"][0]["from"] = json!("2026-11-25T12:01:00Z"),
            400,
            "beginning of five minutes",
        ),
        (
            "long ago",
            |r| r["buckets"][0]["from"] = json!("2020-01-01T00:00:00Z"),
            400,
            "24 hours ago",
        ),
        (
            "far ahead",
            |r| r["buckets"][0]["from"] = json!("2050-01-01T00:00:00Z"),
            400,
            "look at the clock",
        ),
        (
            "twice",
            |r| {
                let first = r["buckets"][0].clone();
                r["buckets"].as_array_mut().unwrap().push(first);
            },
            400,
            "twice",
        ),
    ];
    for (name, edit, expected, what) in cases {
        let mut report = report(&world);
        edit(&mut report);
        if report["buckets"][0]["from"] == "HOURS-AGO" {
            let now = Bucket::of(world.outside.clock.now());
            report["buckets"][0]["from"] = json!(now.minus(4 * Bucket::PER_HOUR).begins());
        }
        let (status, answer) = tell(&deps, AGENT, &report).await;
        assert_eq!(status, expected, "{name}: {answer}");
        let said = answer["what"].as_str().unwrap();
        assert!(said.contains(what), "{name}: {answer}");
        assert!(
            !answer.to_string().contains("EXAMPLE0123"),
            "{name}: {answer}"
        );
    }
    let large = "x".repeat(512 * 1024 + 1);
    assert_eq!(tell_raw(&deps, AGENT, large).await.0, 413);
    for body in ["", "[]", "{\"slot\": ", "null"] {
        assert_eq!(
            tell_raw(&deps, AGENT, body.to_owned()).await.0,
            400,
            "{body}"
        );
    }
    assert_eq!(usage.all_told(), []);
}
