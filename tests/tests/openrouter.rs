//! OpenRouter's driver against its provider over HTTP: the suite of every driver, the flows, and faults in between.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::version::{Confirmation, VersionState};
use keyward_testkit::contract::provider::Fixture;
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{Body, Fault, FaultRule, Settings};
use keyward_tests::support::over_http::{self, fixture_of, world_with};
use keyward_tests::support::{World, check_rules, token};

async fn fixture() -> Fixture {
    fixture_of(Settings::default()).await
}

mod contract {
    keyward_testkit::provider_contract!(super::fixture);
}

fn make(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    Box::pin(async { world_with(gate, Settings::default()).await.0 })
}

#[tokio::test]
async fn crash_at_every_call_of_a_rotation_over_http() {
    over_http::crash_at_every_call_of_a_rotation(make, 7).await;
}

#[tokio::test]
async fn a_kill_between_any_two_calls_of_a_rotation_over_http() {
    over_http::a_kill_between_any_two_calls_of_a_rotation(make).await;
}

#[tokio::test]
async fn crash_at_every_call_of_retire_over_http() {
    over_http::crash_at_every_call_of_retire(make, 40).await;
}

/// A rotation meets one fault at the provider, whichever; Secrets Manager tries again, and all is well.
#[tokio::test]
async fn every_fault_at_every_call_is_survived() {
    let calls = [
        ("POST", "/keys"),
        ("GET", "/keys"),
        ("PATCH", "/keys/*"),
        ("GET", "/keys/*"),
        ("GET", "/key"),
        ("DELETE", "/keys/*"),
    ];
    for fault in over_http::faults() {
        for (method, path) in calls {
            let at = world_with(Arc::default(), Settings::default()).await;
            let met = (method, path, fault.clone());
            over_http::a_rotation_survives(at, met, (("POST", "/keys"), 2)).await;
        }
    }
}

/// A revoke that was accepted is not done while the provider cannot say that the key is refused.
#[tokio::test]
async fn a_provider_in_trouble_confirms_nothing() {
    let (world, simulator) = world_with(Arc::default(), Settings::default()).await;
    world.rotate(&token(2)).await.unwrap();
    world.outside.provider.call(&world.current_key());
    simulator.inject(FaultRule::on("GET", "/key", Fault::status(503, Body::Json)).always());
    world.live_through(SignedDuration::from_hours(4)).await;
    let old = &world.versions().await[0];
    assert_eq!(old.state, VersionState::Revoking);
    assert!(old.revoke_accepted.is_some() && old.revoke_confirmed.is_none());
    assert_eq!(world.outside.alerts.count(AlertKind::RevokeUnconfirmed), 1);
    simulator.clear_faults();
    world.live_through(SignedDuration::from_mins(20)).await;
    let confirmed = world.versions().await[0].revoke_confirmed.unwrap();
    assert_eq!(confirmed.by, Confirmation::Refused);
}

/// The provider says that the key is suspended, but lets it in for a while yet, by turns.
#[tokio::test]
async fn a_key_that_flaps_is_not_dead() {
    let settings = Settings {
        change_delay: SignedDuration::from_mins(40),
        window: keyward_testkit::simulator::Window::Flapping,
        ..Settings::default()
    };
    let (world, simulator) = world_with(Arc::default(), settings).await;
    world.rotate(&token(2)).await.unwrap();
    world.outside.provider.call(&world.current_key());
    world.live_through(SignedDuration::from_hours(4)).await;
    let old = world.versions().await.remove(0);
    let disabled = old.revoke_accepted.unwrap();
    let confirmed = old.revoke_confirmed.unwrap();
    assert!(
        confirmed.at > disabled + SignedDuration::from_mins(40),
        "{disabled} {confirmed:?}"
    );
    assert_eq!(world.outside.alerts.count(AlertKind::RevokeUnconfirmed), 1);
    assert!(
        !simulator
            .live_keys()
            .iter()
            .any(|key| Some(key.fingerprint) == old.fingerprint)
    );
}

/// A new key takes a while to work everywhere: testSecret waits, and later gives up for Secrets Manager to try again.
#[tokio::test]
async fn a_new_key_that_is_not_accepted_yet_is_waited_for() {
    for (delay, expected) in [(20, true), (600, false)] {
        let settings = Settings {
            birth_delay: SignedDuration::from_secs(delay),
            ..Settings::default()
        };
        let (world, _) = world_with(Arc::default(), settings).await;
        let old = world.current_key();
        let first = world.rotate(&token(2)).await;
        assert_eq!(first.is_ok(), expected, "{delay} s: {first:?}");
        if let Err(error) = first {
            assert!(error.is_retryable());
            assert_eq!(world.current_key(), old);
            world.pass(SignedDuration::from_mins(10));
            world.rotate(&token(2)).await.unwrap();
        }
        assert_ne!(world.current_key(), old);
        check_rules(&world, "late key").await;
    }
}

/// Out of credit is no reason to stop a rotation; it is told.
#[tokio::test]
async fn an_account_without_credit_is_rotated_with_a_warning() {
    let (world, simulator) = world_with(Arc::default(), Settings::default()).await;
    simulator.inject(FaultRule::on("GET", "/key", Fault::status(402, Body::Json)));
    world.rotate(&token(2)).await.unwrap();
    assert_eq!(world.outside.alerts.count(AlertKind::NewKeyWithoutMoney), 1);
}

/// A refused admin credential pages at once and changes nothing.
#[tokio::test]
async fn a_refused_admin_credential_pages() {
    let (world, simulator) = world_with(Arc::default(), Settings::default()).await;
    simulator.configure(|s| s.management = keyward_testkit::simulator::Management::Refused);
    let error = world.rotate(&token(2)).await.unwrap_err();
    assert!(!error.is_retryable());
    assert!(
        world
            .outside
            .alerts
            .count(AlertKind::AdminCredentialRefused)
            >= 1
    );
    assert_eq!(simulator.live_keys().len(), 1);
}
