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
use keyward_testkit::contract::provider::Fixture;
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{
    Binding, Body, Fault, FaultRule, Management, Settings, Simulator,
};
use keyward_tests::support::over_http::{self, fixture_of, world_with};
use keyward_tests::support::{Backend, Simulated, World, check_rules, token};

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

mod contract {
    use super::*;

    async fn fixture() -> Fixture {
        fixture_of(settings()).await
    }

    keyward_testkit::provider_contract!(fixture);
}

/// The same, with operations that go on after their answer and keys that are bound to a service account.
mod contract_slow {
    use super::*;

    async fn fixture() -> Fixture {
        fixture_of(bound()).await
    }

    keyward_testkit::provider_contract!(fixture, life);
    keyward_testkit::provider_contract!(fixture, wire);
}

fn make(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    Box::pin(async { world_with(gate, slow()).await.0 })
}

#[tokio::test]
async fn crash_at_every_call_of_a_rotation_over_http() {
    over_http::crash_at_every_call_of_a_rotation(make, 6).await;
}

#[tokio::test]
async fn a_kill_between_any_two_calls_of_a_rotation_over_http() {
    over_http::a_kill_between_any_two_calls_of_a_rotation(make).await;
}

#[tokio::test]
async fn crash_at_every_call_of_retire_over_http() {
    over_http::crash_at_every_call_of_retire(make, 40).await;
}

/// Each step three times, one after the other: one key is made, and the old one ends.
#[tokio::test]
async fn every_step_twice() {
    let (world, simulator) = world_with(Arc::default(), slow()).await;
    over_http::every_step_twice(&world, &simulator, 2).await;
}

/// A rotation meets one fault at Google, whichever; Secrets Manager tries again, and all is well.
#[tokio::test]
async fn every_fault_at_every_call_is_survived() {
    let mut faults = over_http::faults();
    faults.push(Fault::status(409, Body::Json));
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
            let at = world_with(Arc::default(), slow()).await;
            let met = (method, path, fault.clone());
            over_http::a_rotation_survives(at, met, (("POST", KEYS), 2)).await;
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
