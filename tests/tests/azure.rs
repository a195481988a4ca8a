//! Azure OpenAI's driver against Entra, Azure Resource Manager and a resource over HTTP: the suite of every driver, the
//! flows, and faults in between. There are always two keys, and the same two.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "azure/pair.rs"]
mod pair;

use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::version::{Confirmation, VersionState};
use keyward_testkit::contract::provider::Fixture;
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{Body, Fault, FaultRule, Management, Settings, Window as Delay};
use keyward_tests::support::over_http::{self, fixture_of, world_with};
use keyward_tests::support::{World, check_rules, token};

const TOKEN: &str = "/*/oauth2/v2.0/token";
const LIST: &str = "/subscriptions/*/resourceGroups/*/providers/*/accounts/*/listKeys";
const REGENERATE: &str = "/subscriptions/*/resourceGroups/*/providers/*/accounts/*/regenerateKey";
const VERIFY: &str = "/openai/models";

fn settings() -> Settings {
    Settings {
        provider: ProviderName::Azure,
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

/// Each step three times, one after the other: one key is regenerated, and the old one ends.
#[tokio::test]
async fn every_step_twice() {
    let (world, simulator) = world_with(Arc::default(), settings()).await;
    let keys = simulator.keys().len() + 1;
    over_http::every_step_twice(&world, &simulator, keys).await;
}

/// A rotation meets one fault at Azure, whichever; Secrets Manager tries again, and all is well.
#[tokio::test]
async fn every_fault_at_every_call_is_survived() {
    let mut faults = over_http::faults();
    faults.push(Fault::status(409, Body::Json));
    let calls = [
        ("POST", TOKEN),
        ("POST", LIST),
        ("POST", REGENERATE),
        ("GET", VERIFY),
    ];
    for fault in faults {
        for (method, path) in calls {
            let context = format!("{method} {path} {fault:?}");
            let (world, simulator) = world_with(Arc::default(), settings()).await;
            let old = world.current_key();
            simulator.inject(FaultRule::on(method, path, fault.clone()));
            for _ in 0..3 {
                if world.rotate(&token(2)).await.is_ok() {
                    break;
                }
                assert!(world.outside.provider.accepts(&old), "{context}");
                world.pass(SignedDuration::from_mins(6));
            }
            let current = world.current_key();
            assert!(world.outside.provider.accepts(&current), "{context}");
            assert!(world.outside.provider.accepts(&old), "{context}");
            world.live_through(SignedDuration::from_hours(27)).await;
            check_rules(&world, &context).await;
            let sent = simulator.requests_to("POST", REGENERATE).len();
            assert!(sent <= 4, "{context}: {sent} regenerated");
            let old = &world.versions().await[0];
            assert_eq!(old.state, VersionState::Revoked, "{context}");
        }
    }
}

/// An old text that is still accepted for a while, by turns, is dead once it is refused steadily, and not before.
#[tokio::test]
async fn a_text_that_lives_on_is_not_dead() {
    for (delay, alerts) in [
        (SignedDuration::from_secs(60), 0),
        (SignedDuration::from_mins(40), 1),
    ] {
        let late = Settings {
            change_delay: delay,
            window: Delay::Flapping,
            ..settings()
        };
        let (world, simulator) = world_with(Arc::default(), late).await;
        world.rotate(&token(2)).await.unwrap();
        world.outside.provider.call(&world.current_key());
        let before = simulator.requests_to("POST", REGENERATE).len();
        world.live_through(SignedDuration::from_hours(4)).await;
        let old = world.versions().await.remove(0);
        let (accepted, confirmed) = (old.revoke_accepted.unwrap(), old.revoke_confirmed.unwrap());
        assert_eq!(confirmed.by, Confirmation::Refused);
        assert!(confirmed.at > accepted + delay, "{accepted} {confirmed:?}");
        let told = world.outside.alerts.count(AlertKind::RevokeUnconfirmed);
        assert_eq!(told, alerts, "{delay}");
        let sent = simulator.requests_to("POST", REGENERATE).len() - before;
        assert_eq!(sent, 1, "regenerated once, however often it is asked for");
    }
}

/// A refused admin credential pages at once and changes nothing, before a token was given out and after.
#[tokio::test]
async fn a_refused_admin_credential_pages() {
    let (world, simulator) = world_with(Arc::default(), settings()).await;
    let texts = simulator.keys().len();
    simulator.configure(|s| s.management = Management::Refused);
    let error = world.rotate(&token(2)).await.unwrap_err();
    assert!(!error.is_retryable());
    let paged = world
        .outside
        .alerts
        .count(AlertKind::AdminCredentialRefused);
    assert!(paged >= 1);
    assert_eq!(simulator.keys().len(), texts);
}
