//! No key text gets out: all flows with everything logged, and a search through all that came out.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::key::ApiKey;
use keyward_core::model::slot::ProviderName;
use keyward_core::ports::{SecretStore, StandbyPools};
use keyward_core::usecases::pool;
use keyward_lambda::diagnostic::{chain, diagnostic};
use keyward_rotate::RotateError;
use keyward_testkit::canary::Canary;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::logs::CapturedLogs;
use keyward_testkit::memory::{KillSwitchHere, MemoryUsage, made_up_key};
use keyward_testkit::simulator::{Body, Fault, FaultRule, Settings, Simulator};
use keyward_tests::support::{OrderedFunction, ROLE, STEPS, Simulated, World, token};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// A made-up credential of Secrets Manager's for writing across accounts.
const ROTATION_TOKEN: &str = "EXAMPLE-rotation-token-9f8e7d6c5b4a39281706";

/// What came out of a run, beside the log.
#[derive(Default)]
struct Said(Vec<String>);

impl Said {
    fn error(&mut self, error: &RotateError) {
        let told = diagnostic(error, RotateError::is_retryable);
        self.0.push(format!(
            "{error} {error:?} {} {}",
            chain(error),
            told.error_message
        ));
    }

    /// Whatever the run left behind where people and other systems see it.
    async fn remains(&mut self, world: &World) {
        self.0.push(world.outside.inventory.dump());
        for alert in world.outside.alerts.sent() {
            self.0.push(format!(
                "{alert:?} {}",
                serde_json::to_string(&alert).unwrap()
            ));
        }
        let secret = world
            .outside
            .secrets
            .describe(world.secret.as_str())
            .await
            .unwrap();
        self.0.push(format!("{secret:?}"));
        for version in world.versions().await {
            self.0.push(format!("{version:?}"));
        }
    }
}

async fn start(provider: ProviderName) -> (World, Simulator) {
    let clock = Arc::new(ManualClock::start());
    let settings = Settings {
        provider,
        ..Settings::default()
    };
    let simulated = Simulated::start(clock.clone(), settings).await;
    let simulator = simulated.simulator.clone();
    (
        World::with(&Arc::default(), clock, Box::new(simulated)).await,
        simulator,
    )
}

/// Every flow once in peace and once with each fault, as talkative as can be.
async fn everything(provider: ProviderName, said: &mut Said, secrets: &mut Vec<String>) {
    let faults = [
        None,
        Some(Fault::lost_after()),
        Some(Fault::half_sent()),
        Some(Fault::truncated()),
        Some(Fault::status(500, Body::Html)),
        Some(Fault::error_object()),
    ];
    for fault in faults {
        for call in [
            ProviderCall::Create,
            ProviderCall::Verify,
            ProviderCall::Change,
            ProviderCall::Delete,
        ] {
            let (world, simulator) = start(provider).await;
            let (method, path) = simulator.route(call);
            if let Some(fault) = &fault {
                simulator.inject(FaultRule::on(method, path, fault.clone()).times(2));
            }
            world
                .outside
                .secrets
                .begin_rotation(&world.secret, &token(2));
            for _ in 0..2 {
                for step in STEPS {
                    let event = json!({
                        "Step": step, "SecretId": world.secret, "ClientRequestToken": token(2),
                        "RotationToken": ROTATION_TOKEN,
                    });
                    let outcome =
                        keyward_rotate::handle(&world.open, &event, world.deadline()).await;
                    if let Err(error) = outcome {
                        said.error(&error);
                        break;
                    }
                }
                world.pass(SignedDuration::from_mins(6));
            }
            world.live_through(SignedDuration::from_hours(27)).await;
            bad_values(&world, said).await;
            said.remains(&world).await;
            secrets.extend(
                simulator
                    .secrets()
                    .iter()
                    .map(|k| k.expose_secret().to_owned()),
            );
            // An access key's id is no secret.
            if provider != ProviderName::Bedrock {
                secrets.extend(simulator.admin_secrets());
            }
        }
    }
    secrets.push(ROTATION_TOKEN.to_owned());
}

/// Values that cannot be used: what is said about them must not quote them.
async fn bad_values(world: &World, said: &mut Said) {
    let key = world.outside.provider.seed("pasted");
    for (number, value) in [
        format!("{{\"api_key\":\"{key}\",}}"),
        format!("[\"{key}\"]"),
        format!("{{\"a\":\"{key}\",\"b\":\"{key}\"}}"),
        format!("x{key}"),
    ]
    .iter()
    .enumerate()
    {
        world.pass(SignedDuration::from_hours(25));
        world
            .outside
            .secrets
            .put_current(&world.secret, &token(60 + number as u32), value);
        let error = world.rotate(&token(70 + number as u32)).await.unwrap_err();
        said.error(&error);
    }
    for event in [
        json!(key),
        json!({"Step": key}),
        json!({"Step": "createSecret", "SecretId": "x", "ClientRequestToken": key}),
    ] {
        let error = keyward_rotate::handle(&world.open, &event, world.deadline())
            .await
            .unwrap_err();
        if !matches!(&error, RotateError::Event(_)) {
            said.error(&error);
        }
    }
}

/// Anthropic's calls and the standby pool: keys put in, refused, drawn, run out, and a pool secret that is not as written.
async fn everything_with_a_pool(said: &mut Said, secrets: &mut Vec<String>) {
    let faults = [
        None,
        Some(Fault::lost_after()),
        Some(Fault::truncated()),
        Some(Fault::status(500, Body::Html)),
        Some(Fault::error_object()),
    ];
    for fault in faults {
        for (method, path) in [
            ("GET", "/v1/organizations/api_keys"),
            ("POST", "/v1/organizations/api_keys/*"),
            ("GET", "/v1/models"),
        ] {
            let (world, simulator) = start(ProviderName::Anthropic).await;
            if let Some(fault) = &fault {
                simulator.inject(FaultRule::on(method, path, fault.clone()).times(2));
            }
            let cut = world.current_key();
            let given = [
                world.outside.provider.seed("new"),
                cut[..cut.len() - 1].to_owned(),
                cut,
                made_up_key(7),
            ];
            for number in 2..9 {
                said.0.push(asked_by_a_person(&world, &given, number).await);
                let keys = given.iter().map(|text| ApiKey::new(text)).collect();
                let account = "anthropic-main".parse().unwrap();
                let added = pool::add(
                    &world.open,
                    &KillSwitchHere::on(&world.open),
                    &account,
                    keys,
                    world.deadline(),
                )
                .await;
                match added {
                    Ok(report) => said.0.push(format!("{report:?}")),
                    Err(error) => said.0.push(format!("{error} {error:?}")),
                }
                if let Err(error) = world.rotate(&token(number)).await {
                    said.error(&error);
                }
                world.pass(SignedDuration::from_mins(11));
            }
            let pasted = world.outside.provider.seed("pasted");
            let account = "anthropic-main".parse().unwrap();
            let pool = world.outside.inventory.pool(&account).await;
            let mut pool = pool.unwrap().unwrap();
            pool.secret_version = Some(token(80));
            world.outside.inventory.save_pool(&pool).await.unwrap();
            let settings = world.open.providers.pool(&pool.account).unwrap();
            let store = &world.outside.secrets;
            store.put_current(&settings.secret, &token(80), &pasted);
            if let Err(error) = world.rotate(&token(20)).await {
                said.error(&error);
            }
            said.remains(&world).await;
            let made = simulator.secrets();
            secrets.extend(made.iter().map(|key| key.expose_secret().to_owned()));
            secrets.push(simulator.management_key().expose_secret().to_owned());
        }
    }
}

/// The same keys through the control function, in their place and in every other: its answer, and what it records.
async fn asked_by_a_person(world: &World, keys: &[String], number: u32) -> String {
    let deps = keyward_control::Deps {
        drills: None,
        cases: world.outside.inventory.clone(),
        offboard: std::sync::Arc::new(keyward_core::ports::NoOffboardOrders),
        guards: None,
        ports: world.open.clone(),
        orders: OrderedFunction::on(&world.open),
        acts: world.outside.inventory.clone(),
        risks: Arc::new(keyward_testkit::memory::MemoryAudits::default()),
        items: world.outside.inventory.clone(),
        usage: Arc::new(MemoryUsage::default()),
        alarms: std::sync::Arc::new(keyward_core::ports::NoAlarmStates),
        callers: keyward_core::usecases::report::Callers::People,
        restore_second: keyward_core::usecases::restore::Second::NotNeeded,
        enforce_second: keyward_core::usecases::restore::Second::NotNeeded,
    };
    let body = json!({"reason": "refill", "account": "anthropic-main", "keys": keys});
    let broken = format!("{}{{", body);
    let key = keys.first().map_or("", String::as_str);
    let fleet = |agent: Value| json!({"fleet": {"version": 1, "agents": {"bot": agent}}});
    let path_of_a_key = format!("/{key}");
    let asked = [
        ("/pool/add", body.to_string()),
        ("/pool/add", broken),
        (
            "/pool/add",
            json!({"reason": key, "account": "anthropic-main", "keys": []}).to_string(),
        ),
        (
            "/pool/add",
            json!({"reason": "x", "account": key, "keys": keys}).to_string(),
        ),
        (
            "/pool/add",
            json!({"reason": "x", "account": "anthropic-main", "keys": key}).to_string(),
        ),
        (
            "/enforce",
            json!({"reason": format!("why: '{key}'"), "slot": world.slot, "mode": "enforce"})
                .to_string(),
        ),
        (
            "/enforce",
            json!({"reason": "x", "slot": key, "mode": key}).to_string(),
        ),
        ("/plan", fleet(json!(key)).to_string()),
        (
            "/plan",
            fleet(json!({"owner": "ana", "environment": key})).to_string(),
        ),
        (
            "/plan",
            fleet(json!({"owner": "ana", key: "prod"})).to_string(),
        ),
        (&path_of_a_key, body.to_string()),
    ];
    let mut said = String::new();
    for (n, (path, body)) in asked.into_iter().enumerate() {
        let event = json!({
            "requestContext": {
                "authorizer": {"iam": {"userArn": "arn:aws:iam::111122223333:user/ana"}},
                "http": {"method": "POST", "path": path},
                "requestId": format!("request-{number}-{n}"),
            },
            "body": body,
        });
        let answer = keyward_control::handle(
            &deps,
            keyward_core::model::act_kind::Served::All,
            event,
            world.deadline(),
        )
        .await;
        said += &answer.to_string();
    }
    let acts = world.outside.inventory.all_acts();
    said + &serde_json::to_string(&acts).unwrap()
}

#[tokio::test]
async fn no_key_text_in_anything_that_comes_out_of_a_pool() {
    let logs = CapturedLogs::default();
    let (mut said, mut secrets) = (Said::default(), Vec::new());
    {
        let _guard = logs.on_this_thread();
        everything_with_a_pool(&mut said, &mut secrets).await;
    }
    assert!(secrets.len() > 100, "only {} were in play", secrets.len());
    let canary = Canary::new(&secrets);
    let said = said.0.join("\n");
    for kind in ["PoolEmpty", "PoolLow", "InUse", "InPool", "WrongFormat"] {
        assert!(said.contains(kind), "{kind} did not come about");
    }
    let log = logs.text();
    assert!(log.contains("TRACE") && log.contains("hyper_util"));
    canary.assert_absent("the log", log);
    canary.assert_absent("errors, reports, alerts, tables and tags", said);
}

#[tokio::test]
async fn no_key_text_in_anything_that_comes_out() {
    let logs = CapturedLogs::default();
    let (mut said, mut secrets) = (Said::default(), Vec::new());
    {
        let _guard = logs.on_this_thread();
        for provider in [
            ProviderName::OpenRouter,
            ProviderName::OpenAi,
            ProviderName::Bedrock,
            ProviderName::LiteLlm,
            ProviderName::Gemini,
            ProviderName::Azure,
        ] {
            everything(provider, &mut said, &mut secrets).await;
        }
    }
    assert!(
        secrets.len() > 30,
        "only {} secrets were in play",
        secrets.len()
    );
    secrets.extend(ROLE.map(str::to_owned));
    secrets.sort();
    secrets.dedup();
    let canary = Canary::new(&secrets);
    let log = logs.text();
    assert!(
        log.contains("TRACE") && log.contains("hyper_util"),
        "the log is not at its most talkative"
    );
    canary.assert_absent("the log", &log);
    canary.assert_absent("errors, alerts, tables and tags", said.0.join("\n"));
}

/// The same search finds a leak that was planted: one debug line with a key, and one alert with half of it.
#[tokio::test]
async fn a_planted_leak_is_found() {
    let logs = CapturedLogs::default();
    let (world, simulator) = start(ProviderName::OpenRouter).await;
    let key: ApiKey = simulator.secrets().remove(0);
    let canary = Canary::of([&key as &dyn ExposeSecret<str>]);
    {
        let _guard = logs.on_this_thread();
        world.rotate(&token(2)).await.unwrap();
        canary.assert_absent("the log before", logs.text());
        tracing::debug!(request = ?key.expose_secret().as_bytes(), "a careless line");
    }
    assert_eq!(canary.find(logs.text()).len(), 1);
    let half = &key.expose_secret()[40..56];
    let alert = keyward_core::model::alert::Alert::about(
        &world.slot,
        keyward_core::model::alert::Severity::Notice,
        keyward_core::model::alert::AlertKind::WorkFailed,
        [half, "", ""],
    );
    world.open.alerts.send(&alert).await.unwrap();
    let mut said = Said::default();
    said.remains(&world).await;
    assert_eq!(canary.find(said.0.join("\n")).len(), 1);
}
