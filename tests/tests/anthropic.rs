//! Anthropic's driver and the standby pool against the provider over HTTP: the suite of every driver, and the flows.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::pin::Pin;
use std::sync::Arc;

use keyward_core::model::alert::AlertKind;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::version::VersionState;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract::provider::{Fixture, Repeats};
use keyward_testkit::drive::{crash_at_every_call, disturb_before_every_call};
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{Settings, Simulator};
use keyward_tests::support::{
    Backend, RetireScenario, STEPS, Simulated, StepScenario, World, say, token,
};

fn settings() -> Settings {
    Settings {
        provider: ProviderName::Anthropic,
        ..Settings::default()
    }
}

async fn fixture() -> Fixture {
    let simulated = Simulated::start(Arc::new(ManualClock::start()), settings()).await;
    Fixture {
        provider: simulated.driver(),
        world: Arc::new(simulated.simulator.clone()),
        repeats: Repeats::Untold,
    }
}

mod contract {
    keyward_testkit::provider_contract!(super::fixture);
}

async fn world_with(gate: Arc<Gate>) -> (World, Simulator) {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock.clone(), settings()).await;
    let simulator = simulated.simulator.clone();
    (
        World::with(&gate, clock, Box::new(simulated)).await,
        simulator,
    )
}

fn make(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    Box::pin(async { world_with(gate).await.0 })
}

#[tokio::test]
async fn crash_at_every_call_of_a_rotation_that_draws() {
    for (i, step) in STEPS.iter().enumerate() {
        let ran = crash_at_every_call(&StepScenario { step: i, make }).await;
        say(format_args!("{step} at Anthropic: {ran} points"));
        assert!(ran >= 3 * 7, "{step} made fewer calls than it must");
    }
}

#[tokio::test]
async fn a_kill_between_any_two_calls_of_a_rotation_that_draws() {
    for (i, step) in STEPS.iter().enumerate() {
        let scenario = StepScenario { step: i, make };
        let ran = disturb_before_every_call(&scenario, World::kill).await;
        say(format_args!(
            "{step} at Anthropic, a kill before each call: {ran} points"
        ));
    }
}

#[tokio::test]
async fn crash_at_every_call_of_retire() {
    let ran = crash_at_every_call(&RetireScenario { make }).await;
    say(format_args!("retire at Anthropic: {ran} points"));
    assert!(ran >= 3 * 40);
}

#[tokio::test]
async fn every_step_twice() {
    let (world, simulator) = world_with(Arc::default()).await;
    world
        .outside
        .secrets
        .begin_rotation(&world.secret, &token(2));
    for step in STEPS {
        for _ in 0..2 {
            world.step(step, &token(2)).await.unwrap();
        }
    }
    let own: Vec<_> = world.versions().await;
    assert_eq!(own.len(), 2, "one key was drawn");
    assert_eq!(own[1].state, VersionState::Current);
    assert!(
        simulator
            .requests_to("POST", "/v1/organizations/api_keys")
            .is_empty(),
        "P-06b"
    );
}

#[tokio::test]
async fn an_empty_pool_changes_nothing_and_names_the_command() {
    let (world, simulator) = world_with(Arc::default()).await;
    for n in 2..8 {
        world.rotate(&token(n)).await.unwrap();
        world.pass(jiff::SignedDuration::from_mins(11));
    }
    let before = world.versions().await;
    let key = world.current_key();
    let asked = simulator.requests().len();
    let told = world.outside.alerts.sent().len();
    world
        .outside
        .secrets
        .begin_rotation(&world.secret, &token(9));
    let refused = world.step("createSecret", &token(9)).await.unwrap_err();
    assert!(!refused.is_retryable());
    assert_eq!(world.versions().await, before);
    assert_eq!(world.current_key(), key);
    let changes = simulator.requests().split_off(asked);
    assert!(changes.iter().all(|r| r.method == "GET"), "{changes:?}");
    let sent = world.outside.alerts.sent().split_off(told);
    assert_eq!(sent[0].kind, AlertKind::PoolEmpty);
    assert!(
        sent[0]
            .left
            .as_str()
            .contains("keyward pool add anthropic-main")
    );
}
