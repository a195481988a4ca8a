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
use keyward_core::ports::{Clock, Fence, Inventory};
use keyward_testkit::contract::provider::{Fixture, ProviderCall};
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{Management, Settings, Simulator, Window};
use keyward_tests::support::over_http::{self, fixture_of, world_with};
use keyward_tests::support::{World, token};

fn settings() -> Settings {
    Settings {
        provider: ProviderName::Bedrock,
        ..Settings::default()
    }
}

async fn fixture() -> Fixture {
    fixture_of(settings()).await
}

mod contract {
    keyward_testkit::provider_contract!(super::fixture);
}

async fn world() -> (World, Simulator) {
    world_with(Arc::default(), settings()).await
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
    over_http::crash_at_every_call_of_retire(make, 30).await;
}

/// Each step three times, one after the other: one key is made, and the old one ends.
#[tokio::test]
async fn every_step_twice() {
    let (world, simulator) = world().await;
    over_http::every_step_twice(&world, &simulator, 2).await;
}

/// A rotation meets one fault at the provider, whichever; Secrets Manager tries again, and all is well.
#[tokio::test]
async fn every_fault_at_every_call_is_survived() {
    let calls = [
        ProviderCall::Create,
        ProviderCall::List,
        ProviderCall::Change,
        ProviderCall::Verify,
        ProviderCall::Delete,
    ];
    for fault in over_http::faults() {
        for call in calls {
            let at = world().await;
            let (method, path) = at.1.route(call);
            let create = at.1.route(ProviderCall::Create);
            over_http::a_rotation_survives(at, (method, path, fault.clone()), (create, 3)).await;
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

/// Lives through so many minutes, in which the agent says every five minutes that it used the key that is being replaced.
async fn told_of(world: &World, minutes: i64) {
    for _ in 0..minutes / 5 {
        let versions = world.versions().await.into_iter();
        let mut retiring = versions.filter(|version| version.state == VersionState::Retiring);
        if let Some(mut version) = retiring.next() {
            version.last_used = Some(world.outside.clock.now());
            let inventory = &world.outside.inventory;
            inventory
                .save_versions(&[version], Fence::None)
                .await
                .unwrap();
        }
        world.live_through(SignedDuration::from_mins(5)).await;
    }
}

#[tokio::test]
async fn an_old_key_that_its_agent_says_it_uses_is_held_up_to_its_deadline() {
    let (world, _) = world().await;
    let old = world.current_key();
    world.rotate(&token(2)).await.unwrap();
    told_of(&world, 5 * 60).await;
    assert!(
        world.outside.provider.accepts(&old),
        "its overlap is over for 3 hours"
    );
    let told = world.outside.alerts.count(AlertKind::OldKeyStillUsed);
    assert_eq!(told, 1);
    told_of(&world, 20 * 60).await;
    assert!(
        !world.outside.provider.accepts(&old),
        "the deadline is 24 hours"
    );
}

#[tokio::test]
async fn an_old_key_goes_as_ever_once_its_agent_says_no_more() {
    let (world, _) = world().await;
    let old = world.current_key();
    world.rotate(&token(2)).await.unwrap();
    told_of(&world, 3 * 60).await;
    assert!(world.outside.provider.accepts(&old));
    world.live_through(SignedDuration::from_mins(90)).await;
    assert!(!world.outside.provider.accepts(&old));
}
