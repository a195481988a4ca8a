//! What only LiteLLM's keys have: texts that are made here, names that are given once, lists that permit everything when
//! they are empty, an archive of deleted keys, budgets by period, reports by day.

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::{KeyLabel, VersionId};
use keyward_core::ports::{
    ByKey, Extent, IssueRequest, IssuedKey, KeyProvider, ProviderError, Verdict, Width, Window,
};
use keyward_core::usecases::register::register;
use keyward_lambda::http::{Http, HttpSettings as TlsSettings};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract::provider::ProviderWorld;
use keyward_testkit::simulator::{Fault, FaultRule, Simulator};
use keyward_tests::support::{
    Backend, STEPS, Simulated, World, agent_call, check_rules, fleet_at, token,
};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{settings, world_with};

fn request(scope: Scope, attempt: u32) -> IssueRequest {
    let id = VersionId {
        secret_version: token(7),
        attempt,
    };
    IssueRequest {
        label: KeyLabel::new(&"support-bot-litellm".parse().unwrap(), &id),
        scope,
        cap: SpendCap {
            amount: MicroDollars::from_dollars(5),
            period: CapPeriod::Daily,
        },
        expires: "2027-01-31T09:00:00Z".parse().unwrap(),
        keep: Vec::new(),
    }
}

struct Proxy {
    simulator: Simulator,
    driver: Arc<dyn KeyProvider>,
    clock: Arc<ManualClock>,
}

async fn proxy() -> Proxy {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock.clone(), settings()).await;
    Proxy {
        driver: simulated.driver(),
        simulator: simulated.simulator,
        clock,
    }
}

impl Proxy {
    async fn issue(&self, scope: Scope, attempt: u32) -> Result<IssuedKey, ProviderError> {
        let issuer = self.driver.issuer().unwrap();
        issuer.issue(&request(scope, attempt)).await
    }
}

/// The text is made here, from the operating system's chance: no two are the same, whatever the proxy's seed.
#[tokio::test]
async fn texts_are_made_here() {
    let proxy = proxy().await;
    let mut made = Vec::new();
    for n in 1..=3 {
        made.push(proxy.issue(Scope::default(), n).await.unwrap());
    }
    for issued in &made {
        assert_eq!(issued.handle.as_str(), issued.key.fingerprint().to_hex());
        let others = made.iter().filter(|other| other.handle == issued.handle);
        assert_eq!(others.count(), 1);
    }
    let format = proxy.driver.abilities().format;
    assert!(made[0].key.looks_like(&format));
}

/// A name that is taken: an earlier request under it has made a key, and this one did not.
#[tokio::test]
async fn a_taken_name_is_ambiguous_and_the_key_under_it_is_cut_off() {
    let proxy = proxy().await;
    proxy.issue(Scope::default(), 1).await.unwrap();
    let again = proxy.issue(Scope::default(), 1).await;
    assert!(
        matches!(again, Err(ProviderError::Ambiguous { .. })),
        "{again:?}"
    );
    assert_eq!(proxy.simulator.keys().len(), 1);

    // A gateway in between sends a create twice, and passes the second answer on.
    let (world, simulator) = world_with(Arc::default(), settings()).await;
    let taken = r#"{"error":{"message":"Key with alias 'x' already exists. Unique key aliases across all keys are required.","type":"bad_request_error","param":"key_alias","code":"400"}}"#;
    let twice = Fault::recorded(400, None, taken.to_owned()).after_effect();
    simulator.inject(FaultRule::on("POST", "/key/generate", twice));
    let error = world.rotate(&token(2)).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(simulator.live_keys().len(), 1, "the key in use");
    world.pass(SignedDuration::from_mins(6));
    world.rotate(&token(2)).await.unwrap();
    world.live_through(SignedDuration::from_hours(27)).await;
    check_rules(&world, "a create sent twice").await;
}

/// Models and routes are set at birth and read back; a key without them may call models, and not administer the proxy.
#[tokio::test]
async fn scopes_are_kept_and_empty_lists_are_never_sent() {
    let proxy = proxy().await;
    let scope = Scope {
        models: vec!["example-model".parse().unwrap()],
        endpoints: vec![
            "/v1/chat/completions".parse().unwrap(),
            "/v1/models".parse().unwrap(),
        ],
        ..Scope::default()
    };
    let limited = proxy.issue(scope, 1).await.unwrap();
    let open = proxy.issue(Scope::default(), 2).await.unwrap();
    let names = |extent: &Extent| match extent {
        Extent::Only(names) => names.iter().map(|n| n.as_str().to_owned()).collect(),
        other => vec![format!("{other:?}")],
    };
    for (key, models, endpoints) in [
        (
            limited,
            &["example-model"][..],
            &["/v1/chat/completions", "/v1/models"][..],
        ),
        (open, &["All"], &["llm_api_routes"]),
    ] {
        let record = proxy.driver.get(&key.handle).await.unwrap().unwrap();
        assert_eq!(names(&record.reach.models), models);
        assert_eq!(names(&record.reach.endpoints), endpoints);
        assert_eq!(proxy.driver.verify(&key.key).await, Verdict::Live);
    }
}

/// A proxy that drops the models that were asked for has made a key that may call all of them: it is never promoted.
#[tokio::test]
async fn a_key_that_came_out_wider_is_taken_back() {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock.clone(), settings()).await;
    let simulator = simulated.simulator.clone();
    let key = simulated.seed("made by hand");
    let world = World::unregistered(&Arc::default(), clock, Box::new(simulated));
    let secrets = &world.outside.secrets;
    secrets.create(&world.secret, Some((&token(1), &key)));
    let scope = Scope {
        models: vec!["example-model".parse().unwrap()],
        ..world.outside.provider.scope()
    };
    let planned = fleet_at(ProviderName::LiteLlm, &scope);
    register(&world.open, &planned[0]).await.unwrap();
    secrets.begin_rotation(&world.secret, &token(2));
    world.step(STEPS[0], &token(2)).await.unwrap();
    let made = world.versions().await[1].handle.clone().unwrap();
    let kept = json!({"key": made, "info": {"blocked": null, "models": [], "allowed_routes": [],
        "max_budget": 25, "budget_duration": "1d"}});
    let dropped = Fault::recorded(200, None, kept.to_string());
    simulator.inject(FaultRule::on("GET", "/key/info", dropped).always());
    let error = world.step(STEPS[1], &token(2)).await.unwrap_err();
    assert!(!error.is_retryable());
    let told = keyward_lambda::diagnostic::chain(&error);
    assert!(told.contains("models"), "{told}");
    assert_eq!(world.current_key(), key);
    let live = simulator.live_keys();
    assert!(live.iter().all(|key| key.handle != made), "cut off at once");
}

/// Blocked and expired keys stay in the list; deleted ones are in an archive, and count as gone.
#[tokio::test]
async fn the_list_has_what_is_blocked_or_expired_and_not_what_is_deleted() {
    let proxy = proxy().await;
    let scope = ProviderWorld::scope(&proxy.simulator);
    let mut made = Vec::new();
    for n in 1..=3 {
        made.push(proxy.issue(scope.clone(), n).await.unwrap().handle);
    }
    proxy.driver.disable(&made[0]).await.unwrap();
    proxy.driver.delete(&made[1]).await.unwrap();
    proxy.clock.advance(SignedDuration::from_hours(24 * 365));
    for scope in [scope, Scope::default()] {
        let page = proxy.driver.list(&scope, None).await.unwrap();
        assert_eq!(page.next, None);
        let listed: Vec<_> = page
            .keys
            .iter()
            .map(|key| (&key.handle, key.suspended))
            .collect();
        assert_eq!(listed.len(), 2);
        assert!(
            listed.contains(&(&made[0], Some(true))) && listed.contains(&(&made[2], Some(false)))
        );
    }
    assert_eq!(proxy.driver.get(&made[1]).await, Ok(None));
}

/// What keys used and cost, by day and key, to the last page, and to the micro-dollar.
#[tokio::test]
async fn usage_and_cost_are_told_by_day_and_key() {
    let proxy = proxy().await;
    let keys = [
        proxy.issue(Scope::default(), 1).await.unwrap(),
        proxy.issue(Scope::default(), 2).await.unwrap(),
    ];
    let http = Http::new(&TlsSettings {
        extra_roots: None,
        timeout: std::time::Duration::from_secs(60),
    });
    let http = http.unwrap().pooled_builder().build().unwrap();
    let from = "2026-12-01T00:00:00Z".parse().unwrap();
    for _ in 0..2 {
        for key in &keys {
            agent_call(&http, &proxy.simulator, key.key.expose_secret()).await;
            proxy.simulator.spend(&key.key, MicroDollars(333_333));
        }
        proxy.clock.advance(SignedDuration::from_hours(24));
    }
    proxy.simulator.configure(|s| s.page_size = 3);
    let reports = proxy.driver.reports().unwrap();
    let until = proxy.simulator.time();
    let window = Window {
        from,
        until,
        width: Width::Day,
    };
    let (mut costs, mut usage) = (Vec::new(), Vec::new());
    let (mut at, mut pages) = (None, 0);
    loop {
        let page = reports
            .costs(&Scope::default(), &window, at.as_ref())
            .await
            .unwrap();
        let used = reports
            .usage(&Scope::default(), &window, at.as_ref())
            .await
            .unwrap();
        costs.extend(page.rows);
        usage.extend(used.rows);
        pages += 1;
        assert_eq!(page.next, used.next);
        at = page.next;
        if at.is_none() {
            break;
        }
    }
    assert!(pages > 1);
    for key in &keys {
        let id = ByKey::Id(OutsideText::new(key.handle.as_str()));
        for day in [from, from + SignedDuration::from_hours(24)] {
            let of = costs.iter().filter(|c| c.key == id && c.from == day);
            let spent: u64 = of.map(|cost| cost.amount.0).sum();
            assert_eq!(spent, 334_333);
            let of: Vec<_> = usage
                .iter()
                .filter(|u| u.key == id && u.from == day)
                .collect();
            // Spending by another way is booked as a call too.
            assert_eq!(of.iter().filter_map(|u| u.requests).sum::<u64>(), 2);
            assert_eq!(of.iter().filter_map(|u| u.tokens.input).sum::<u64>(), 20);
            assert!(of.iter().any(|u| {
                u.model
                    .as_ref()
                    .is_some_and(|m| m.as_str() == "example-model")
            }));
        }
    }
    let hourly = Window {
        width: Width::Hour,
        ..window
    };
    let refused = reports.usage(&Scope::default(), &hourly, None).await;
    assert!(
        matches!(refused, Err(ProviderError::Unsupported(_))),
        "{refused:?}"
    );
}

/// A key over its budget is a key, whatever status the proxy is set to answer with.
#[tokio::test]
async fn a_key_over_its_budget_is_blocked_for_money_whatever_the_status() {
    let proxy = proxy().await;
    let issued = proxy.issue(Scope::default(), 1).await.unwrap();
    proxy
        .simulator
        .spend(&issued.key, MicroDollars::from_dollars(5));
    for status in [402, 400, 422, 429] {
        proxy.simulator.configure(|s| s.limit_status = status);
        let verdict = proxy.driver.verify(&issued.key).await;
        assert!(
            matches!(verdict, Verdict::BlockedForMoney(_)),
            "{status}: {verdict:?}"
        );
    }
    let record = proxy.driver.get(&issued.handle).await.unwrap().unwrap();
    assert_eq!(record.spent, None, "that is today's, not its life's");
    assert!(record.last_used.is_some());
}

/// No key's text is ever in a URL: proxies log them.
#[tokio::test]
async fn only_hashes_are_named_in_urls() {
    let (world, simulator) = world_with(Arc::default(), settings()).await;
    world.rotate(&token(2)).await.unwrap();
    world.outside.provider.call(&world.current_key());
    world.live_through(SignedDuration::from_hours(4)).await;
    assert!(
        simulator
            .requests()
            .iter()
            .all(|r| !r.path.contains("[key]") && !r.path.contains("sk-"))
    );
    let text = "sk-EXAMPLE0123456789abcdef";
    let refused = world
        .outside
        .provider
        .driver()
        .get(&text.parse().unwrap())
        .await;
    assert!(
        matches!(refused, Err(ProviderError::Refused { .. })),
        "{refused:?}"
    );
}
