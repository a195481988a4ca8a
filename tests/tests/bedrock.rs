//! Bedrock's driver against IAM and Bedrock over HTTP: the suite of every driver, the flows, and faults in between.
//! Keys have no names there, and an IAM user has two at most.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "bedrock/place.rs"]
mod place;
#[path = "bedrock/two.rs"]
mod two;

use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::version::{Confirmation, VersionState};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract::provider::{Fixture, ProviderCall, Repeats};
use keyward_testkit::drive::{crash_at_every_call, disturb_before_every_call};
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{
    Body, Fault, FaultRule, Management, RetryAfter, Settings, Simulator, Window,
};
use keyward_tests::support::{
    Backend, RetireScenario, STEPS, Simulated, StepScenario, World, check_rules, say, token,
};

fn settings() -> Settings {
    Settings {
        provider: ProviderName::Bedrock,
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

async fn world_with(gate: Arc<Gate>, settings: Settings) -> (World, Simulator) {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock.clone(), settings).await;
    let simulator = simulated.simulator.clone();
    (
        World::with(&gate, clock, Box::new(simulated)).await,
        simulator,
    )
}

async fn world() -> (World, Simulator) {
    world_with(Arc::default(), settings()).await
}

fn make(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    Box::pin(async { world_with(gate, settings()).await.0 })
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
    assert!(ran >= 3 * 30, "{ran}");
}

/// Each step three times, one after the other: one key is made, and the old one ends.
#[tokio::test]
async fn every_step_twice() {
    let (world, simulator) = world().await;
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

/// A rotation meets one fault at the provider, whichever; Secrets Manager tries again, and all is well.
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
        Fault::status(502, Body::Empty).after_effect(),
    ];
    let calls = [
        ProviderCall::Create,
        ProviderCall::List,
        ProviderCall::Change,
        ProviderCall::Verify,
        ProviderCall::Delete,
    ];
    for fault in &faults {
        for call in calls {
            let context = format!("{call:?} {fault:?}");
            let (world, simulator) = world().await;
            let (method, path) = simulator.route(call);
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
            let (method, path) = simulator.route(ProviderCall::Create);
            let made = simulator.requests_to(method, path).len();
            assert!(made <= 3, "{context}: {made} creates");
            let old = &world.versions().await[0];
            assert_eq!(old.state, VersionState::Revoked, "{context}");
        }
    }
}

/// A key is born with an end, in whole days and no earlier than the policy's, and its text is what IAM calls the
/// secret.
#[tokio::test]
async fn a_new_key_ends_by_itself_in_whole_days() {
    let (world, simulator) = world().await;
    world.pass(SignedDuration::from_millis(1_500));
    world.rotate(&token(2)).await.unwrap();
    let version = world.versions().await.remove(1);
    let made = simulator.keys().pop().unwrap();
    let end = version.expires.unwrap();
    assert_eq!(made.expires, Some(end));
    let slot = world.slot().await;
    let asked = version.begun_at() + slot.policy.max_age;
    let later = end.duration_since(asked);
    assert!(
        later > -SignedDuration::from_secs(2) && later < SignedDuration::from_hours(24),
        "{end} for {asked}"
    );
    let handle = version.handle.unwrap();
    let expected = format!("bedrock-agent-0/{}", made.handle);
    assert_eq!(handle.as_str(), expected);
}

/// A deactivated key that still works now and then is not dead.
#[tokio::test]
async fn a_key_that_flaps_is_not_dead() {
    let settings = Settings {
        change_delay: SignedDuration::from_mins(40),
        window: Window::Flapping,
        ..settings()
    };
    let (world, _) = world_with(Arc::default(), settings).await;
    world.rotate(&token(2)).await.unwrap();
    world.live_through(SignedDuration::from_hours(4)).await;
    let old = world.versions().await.remove(0);
    let (accepted, confirmed) = (old.revoke_accepted.unwrap(), old.revoke_confirmed.unwrap());
    let late = confirmed.at > accepted + SignedDuration::from_mins(40);
    assert!(late, "{accepted} {confirmed:?}");
    assert_eq!(confirmed.by, Confirmation::Refused);
    assert_eq!(world.outside.alerts.count(AlertKind::RevokeUnconfirmed), 1);
}

/// A role that IAM refuses pages at once and changes nothing.
#[tokio::test]
async fn a_refused_role_pages() {
    let (world, simulator) = world().await;
    simulator.configure(|s| s.management = Management::Refused);
    let error = world.rotate(&token(2)).await.unwrap_err();
    assert!(!error.is_retryable());
    let paged = world
        .outside
        .alerts
        .count(AlertKind::AdminCredentialRefused);
    assert!(paged >= 1);
    let told = world.outside.alerts.sent().pop().unwrap();
    let left = told.left.as_str();
    assert!(left.contains("IAM user bedrock-agent-0"), "{left}");
    assert_eq!(simulator.live_keys().len(), 1);
}
