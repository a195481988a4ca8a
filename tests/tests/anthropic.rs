//! Anthropic's driver and the standby pool against the provider over HTTP: the suite of every driver, and the flows.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::pin::Pin;
use std::sync::Arc;

use keyward_core::model::alert::AlertKind;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::version::VersionState;
use keyward_testkit::contract::provider::Fixture;
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::Settings;
use keyward_tests::support::over_http::{self, fixture_of, world_with};
use keyward_tests::support::{STEPS, World, token};

fn settings() -> Settings {
    Settings {
        provider: ProviderName::Anthropic,
        ..Settings::default()
    }
}

async fn fixture() -> Fixture {
    fixture_of(settings()).await
}

mod contract {
    keyward_testkit::provider_contract!(super::fixture);
}

fn make(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    Box::pin(async { world_with(gate, settings()).await.0 })
}

#[tokio::test]
async fn crash_at_every_call_of_a_rotation_that_draws() {
    over_http::crash_at_every_call_of_a_rotation(make, 7).await;
}

#[tokio::test]
async fn a_kill_between_any_two_calls_of_a_rotation_that_draws() {
    over_http::a_kill_between_any_two_calls_of_a_rotation(make).await;
}

#[tokio::test]
async fn crash_at_every_call_of_retire() {
    over_http::crash_at_every_call_of_retire(make, 40).await;
}

#[tokio::test]
async fn every_step_twice() {
    let (world, simulator) = world_with(Arc::default(), settings()).await;
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
    let (world, simulator) = world_with(Arc::default(), settings()).await;
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
