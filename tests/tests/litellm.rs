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
use keyward_core::model::version::Confirmation;
use keyward_testkit::contract::provider::Fixture;
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{Fault, FaultRule, Management, Settings, Window as Delay};
use keyward_tests::support::over_http::{self, fixture_of, world_with};
use keyward_tests::support::{World, token};

fn settings() -> Settings {
    Settings {
        provider: ProviderName::LiteLlm,
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

/// Each step three times, one after the other: one key is made, and the old one ends.
#[tokio::test]
async fn every_step_twice() {
    let (world, simulator) = world_with(Arc::default(), settings()).await;
    over_http::every_step_twice(&world, &simulator, 2).await;
}

/// A rotation meets one fault at the proxy, whichever; Secrets Manager tries again, and all is well.
#[tokio::test]
async fn every_fault_at_every_call_is_survived() {
    let calls = [
        ("POST", "/key/generate"),
        ("GET", "/key/list"),
        ("POST", "/key/update"),
        ("POST", "/key/block"),
        ("GET", "/key/info"),
        ("GET", "/v1/models"),
        ("POST", "/key/delete"),
    ];
    for fault in over_http::faults() {
        for (method, path) in calls {
            let at = world_with(Arc::default(), settings()).await;
            let met = (method, path, fault.clone());
            over_http::a_rotation_survives(at, met, (("POST", "/key/generate"), 2)).await;
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
