//! Gemini's driver against Google's API for keys over HTTP: the suite of every driver, the flows, and faults in between.
//! Operations that go on after their answer, and longer than an invocation, are among them.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "gemini/keys.rs"]
mod keys;
#[path = "gemini/operations.rs"]
mod operations;

use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::version::VersionState;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract::provider::{Fixture, Repeats};
use keyward_testkit::drive::{crash_at_every_call, disturb_before_every_call};
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{
    Binding, Body, Fault, FaultRule, Management, RetryAfter, Settings, Simulator,
};
use keyward_tests::support::{
    Backend, RetireScenario, STEPS, Simulated, StepScenario, World, check_rules, say, token,
};

fn settings() -> Settings {
    Settings {
        provider: ProviderName::Gemini,
        ..Settings::default()
    }
}

/// As Google is: an operation takes some seconds.
fn slow() -> Settings {
    Settings {
        operation_delay: SignedDuration::from_secs(5),
        ..settings()
    }
}

fn bound() -> Settings {
    Settings {
        binding: Binding::ServiceAccount,
        ..slow()
    }
}

async fn fixture_with(settings: Settings) -> Fixture {
    let simulated = Simulated::start(Arc::new(ManualClock::start()), settings).await;
    Fixture {
        provider: simulated.driver(),
        world: Arc::new(simulated.simulator.clone()),
        repeats: Repeats::Untold,
    }
}

mod contract {
    use super::*;

    async fn fixture() -> Fixture {
        fixture_with(settings()).await
    }

    keyward_testkit::provider_contract!(fixture);
}

/// The same, with operations that go on after their answer and keys that are bound to a service account.
mod contract_slow {
    use super::*;

    async fn fixture() -> Fixture {
        fixture_with(bound()).await
    }

    keyward_testkit::provider_contract!(fixture, life);
    keyward_testkit::provider_contract!(fixture, wire);
}

async fn world_with(gate: Arc<Gate>, settings: Settings) -> (World, Simulator) {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock.clone(), settings).await;
    let simulator = simulated.simulator.clone();
    (
        World::with(&gate, clock, Box::new(simulated)).await,
        simulator,
    )
}

fn make(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    Box::pin(async { world_with(gate, slow()).await.0 })
}

#[tokio::test]
async fn crash_at_every_call_of_a_rotation_over_http() {
    for (i, step) in STEPS.iter().enumerate() {
        let ran = crash_at_every_call(&StepScenario { step: i, make }).await;
        say(format_args!("{step} over HTTP: {ran} points"));
        assert!(ran >= 3 * 6, "{step} made fewer calls than it must");
    }
}

#[tokio::test]
async fn a_kill_between_any_two_calls_of_a_rotation_over_http() {
    for (i, step) in STEPS.iter().enumerate() {
        let scenario = StepScenario { step: i, make };
        let ran = disturb_before_every_call(&scenario, World::kill).await;
        say(format_args!(
            "{step} over HTTP, a kill before each call: {ran} points"
        ));
    }
}

#[tokio::test]
async fn crash_at_every_call_of_retire_over_http() {
    let ran = crash_at_every_call(&RetireScenario { make }).await;
    say(format_args!("retire over HTTP: {ran} points"));
    assert!(ran >= 3 * 40);
}

/// Each step three times, one after the other: one key is made, and the old one ends.
#[tokio::test]
async fn every_step_twice() {
    let (world, simulator) = world_with(Arc::default(), slow()).await;
    let old = world.current_key();
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    for step in STEPS {
        for _ in 0..2 {
            world.step(step, &token(2)).await.unwrap();
        }
    }
    assert_ne!(world.current_key(), old);
    assert_eq!(simulator.keys().len(), 2);
    world.live_through(SignedDuration::from_hours(27)).await;
    check_rules(&world, "every step twice").await;
    assert!(!world.outside.provider.accepts(&old));
    assert_eq!(world.versions().await[0].state, VersionState::Revoked);
}

/// A rotation meets one fault at Google, whichever; Secrets Manager tries again, and all is well.
#[tokio::test]
async fn every_fault_at_every_call_is_survived() {
    let faults = [
        Fault::lost_after(),
        Fault::lost_before(),
        Fault::half_sent(),
        Fault::truncated(),
        Fault::error_object(),
        Fault::rate_limited(RetryAfter::Seconds(2)),
        Fault::rate_limited(RetryAfter::Absent),
        Fault::status(500, Body::Json),
        Fault::status(503, Body::Html),
        Fault::status(200, Body::Html),
        Fault::status(404, Body::Html),
        Fault::status(409, Body::Json),
        Fault::status(502, Body::Empty).after_effect(),
    ];
    const KEYS: &str = "/v2/projects/*/locations/global/keys";
    const KEY: &str = "/v2/projects/*/locations/global/keys/*";
    let calls = [
        ("POST", "/token"),
        ("POST", KEYS),
        ("GET", "/v2/operations/*"),
        ("GET", "/v2/projects/*/locations/global/keys/*/keyString"),
        ("GET", KEYS),
        ("GET", KEY),
        ("GET", "/v1beta/models"),
        ("DELETE", KEY),
    ];
    for fault in faults {
        for (method, path) in calls {
            let context = format!("{method} {path} {fault:?}");
            let (world, simulator) = world_with(Arc::default(), slow()).await;
            simulator.inject(FaultRule::on(method, path, fault.clone()));
            for _ in 0..3 {
                if world.rotate(&token(2)).await.is_ok() {
                    break;
                }
                world.pass(SignedDuration::from_mins(6));
            }
            let current = world.current_key();
            assert!(world.outside.provider.accepts(&current), "{context}");
            world.live_through(SignedDuration::from_hours(27)).await;
            check_rules(&world, &context).await;
            let made = simulator.requests_to("POST", KEYS).len();
            assert!(made <= 2, "{context}: {made} creates");
            let old = &world.versions().await[0];
            assert_eq!(old.state, VersionState::Revoked, "{context}");
        }
    }
}

/// A refused admin credential pages at once and changes nothing.
#[tokio::test]
async fn a_refused_admin_credential_pages() {
    let (world, simulator) = world_with(Arc::default(), settings()).await;
    simulator.configure(|s| s.management = Management::Refused);
    world.pass(SignedDuration::from_hours(2));
    let error = world.rotate(&token(2)).await.unwrap_err();
    assert!(!error.is_retryable());
    let paged = world
        .outside
        .alerts
        .count(AlertKind::AdminCredentialRefused);
    assert!(paged >= 1);
    assert_eq!(simulator.live_keys().len(), 1);
}
