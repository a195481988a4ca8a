//! LiteLLM's driver against its proxy over HTTP: the suite of every driver, the flows, and faults in between.
//! Replicas that remember keys are among them.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "litellm/keys.rs"]
mod keys;

use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::key::ApiKey;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::version::{Confirmation, VersionState};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract::provider::{Fixture, Repeats};
use keyward_testkit::drive::{crash_at_every_call, disturb_before_every_call};
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{
    Body, Fault, FaultRule, Management, RetryAfter, Settings, Simulator, Window as Delay,
};
use keyward_tests::support::{
    Backend, RetireScenario, STEPS, Simulated, StepScenario, World, check_rules, say, token,
};

fn settings() -> Settings {
    Settings {
        provider: ProviderName::LiteLlm,
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

fn make(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    Box::pin(async { world_with(gate, settings()).await.0 })
}

#[tokio::test]
async fn crash_at_every_call_of_a_rotation_over_http() {
    for (i, step) in STEPS.iter().enumerate() {
        let ran = crash_at_every_call(&StepScenario { step: i, make }).await;
        say(format_args!("{step} over HTTP: {ran} points"));
        assert!(ran >= 3 * 7, "{step} made fewer calls than it must");
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
    let (world, simulator) = world_with(Arc::default(), settings()).await;
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

/// A rotation meets one fault at the proxy, whichever; Secrets Manager tries again, and all is well.
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
        ("POST", "/key/generate"),
        ("GET", "/key/list"),
        ("POST", "/key/update"),
        ("POST", "/key/block"),
        ("GET", "/key/info"),
        ("GET", "/v1/models"),
        ("POST", "/key/delete"),
    ];
    for fault in faults {
        for (method, path) in calls {
            let context = format!("{method} {path} {fault:?}");
            let (world, simulator) = world_with(Arc::default(), settings()).await;
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
            let made = simulator.requests_to("POST", "/key/generate").len();
            assert!(made <= 2, "{context}: {made} creates");
            let old = &world.versions().await[0];
            assert_eq!(old.state, VersionState::Revoked, "{context}");
        }
    }
}

/// A blocked key works on in replicas that remember it, by turns: it is dead once they all refuse it, and not before.
#[tokio::test]
async fn a_key_that_replicas_remember_is_not_dead() {
    for (delay, alerts) in [
        (SignedDuration::from_secs(60), 0),
        (SignedDuration::from_mins(40), 1),
    ] {
        let cached = Settings {
            change_delay: delay,
            window: Delay::Flapping,
            ..settings()
        };
        let (world, simulator) = world_with(Arc::default(), cached).await;
        world.rotate(&token(2)).await.unwrap();
        world.outside.provider.call(&world.current_key());
        world.live_through(SignedDuration::from_hours(4)).await;
        let old = world.versions().await.remove(0);
        let (accepted, confirmed) = (old.revoke_accepted.unwrap(), old.revoke_confirmed.unwrap());
        assert_eq!(confirmed.by, Confirmation::Refused);
        assert!(confirmed.at > accepted + delay, "{accepted} {confirmed:?}");
        let told = world.outside.alerts.count(AlertKind::RevokeUnconfirmed);
        assert_eq!(told, alerts, "{delay}");
        let live = simulator.live_keys();
        assert!(
            !live
                .iter()
                .any(|key| Some(key.fingerprint) == old.fingerprint)
        );
    }
}

/// A refused admin credential pages at once and changes nothing.
#[tokio::test]
async fn a_refused_admin_credential_pages() {
    let (world, simulator) = world_with(Arc::default(), settings()).await;
    simulator.configure(|s| s.management = Management::Refused);
    let error = world.rotate(&token(2)).await.unwrap_err();
    assert!(!error.is_retryable());
    let paged = world
        .outside
        .alerts
        .count(AlertKind::AdminCredentialRefused);
    assert!(paged >= 1);
    assert_eq!(simulator.live_keys().len(), 1);
}

/// A proxy that allows no text of the caller's choice says so, and nothing was made.
#[tokio::test]
async fn a_proxy_without_custom_keys_is_told_clearly() {
    let (world, simulator) = world_with(Arc::default(), settings()).await;
    let forbidden = r#"{"error":{"message":"{'error': 'Custom API key values are disabled by your administrator. Keys must be auto-generated.'}","type":"internal_server_error","param":"None","code":"403"}}"#;
    let fault = Fault::recorded(403, None, forbidden.to_owned());
    simulator.inject(FaultRule::on("POST", "/key/generate", fault).always());
    let error = world.rotate(&token(2)).await.unwrap_err();
    assert!(!error.is_retryable());
    let told = keyward_lambda::diagnostic::chain(&error);
    assert!(
        told.contains("Custom API key values are disabled"),
        "{told}"
    );
    let current = ApiKey::new(&world.current_key());
    assert!(simulator.is_accepted(&current));
}
