//! OpenAI's driver against its provider over HTTP: the suite of every driver, the flows, and faults in between. In both
//! modes: keys in one stable service account, and each key with an account of its own.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "openai/keys.rs"]
mod keys;

use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::fleet::PlannedSlot;
use keyward_core::model::key::ApiKey;
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::model::version::{Confirmation, VersionState};
use keyward_core::ports::{KeyOwner, Verdict};
use keyward_core::usecases::register::{Registered, register};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract;
use keyward_testkit::contract::admins::{self, AdminSubject};
use keyward_testkit::contract::provider::{Fixture, ProviderCall};
use keyward_testkit::drive::{Point, Scenario, crash_at_every_call};
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{
    Body, Fault, FaultRule, FirstKey, Home, KeyEnd, Management, RetryAfter, Settings, Simulator,
    Window,
};
use keyward_tests::support::over_http::{self, fixture_of, world_with};
use keyward_tests::support::{Admins, Make, Simulated, World, check_rules, fleet_at, say, token};
use serde_json::json;

fn settings(home: Home, key_end: KeyEnd) -> Settings {
    Settings {
        provider: ProviderName::OpenAi,
        home,
        key_end,
        ..Settings::default()
    }
}

async fn fixture(home: Home, key_end: KeyEnd) -> Fixture {
    fixture_of(settings(home, key_end)).await
}

/// The suite of every driver, for one way in which OpenAI may behave.
macro_rules! contract {
    ($name:ident: $home:ident, $end:ident) => {
        mod $name {
            use keyward_testkit::contract::provider::Fixture;
            use keyward_testkit::simulator::{Home, KeyEnd};

            async fn fixture() -> Fixture {
                super::fixture(Home::$home, KeyEnd::$end).await
            }

            keyward_testkit::provider_contract!(fixture);
        }
    };
}

contract!(in_a_standing_account: StandingAccount, Deletable);
contract!(in_an_account_of_its_own: OwnAccount, Deletable);
contract!(in_a_standing_account_without_delete: StandingAccount, Expires);
contract!(in_an_account_of_its_own_without_delete: OwnAccount, Expires);
contract!(in_an_account_of_its_own_without_delete_or_end: OwnAccount, WithItsAccountOnly);

#[tokio::test]
async fn admin_credentials_keep_their_promises() {
    let settings = settings(Home::StandingAccount, KeyEnd::Deletable);
    let admins = Admins::start(&settings).await.unwrap();
    let count = contract::run(admins::CHECKS, &admins as &dyn AdminSubject, &[]).await;
    assert_eq!(count, admins::CHECKS.len());
    let mut secrets = admins.simulator.admin_secrets();
    assert!(secrets.len() > count, "each check made some");
    secrets.sort_unstable();
    secrets.dedup();
    assert!(secrets.len() > count, "and no two are the same");
}

const KEY: &str = "/organization/projects/*/api_keys/*";

async fn world(home: Home) -> (World, Simulator) {
    world_with(Arc::default(), settings(home, KeyEnd::Deletable)).await
}

fn standing(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    let settings = settings(Home::StandingAccount, KeyEnd::Deletable);
    Box::pin(async { world_with(gate, settings).await.0 })
}

fn own(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    let settings = settings(Home::OwnAccount, KeyEnd::Deletable);
    Box::pin(async { world_with(gate, settings).await.0 })
}

fn without_delete(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    let settings = settings(Home::OwnAccount, KeyEnd::Expires);
    Box::pin(async { world_with(gate, settings).await.0 })
}

const MODES: [(Home, Make); 2] = [(Home::StandingAccount, standing), (Home::OwnAccount, own)];

#[tokio::test]
async fn crash_at_every_call_of_a_rotation_over_http() {
    for (_, make) in MODES {
        over_http::crash_at_every_call_of_a_rotation(make, 6).await;
    }
}

#[tokio::test]
async fn a_kill_between_any_two_calls_of_a_rotation_over_http() {
    for (_, make) in MODES {
        over_http::a_kill_between_any_two_calls_of_a_rotation(make).await;
    }
}

#[tokio::test]
async fn crash_at_every_call_of_retire_over_http() {
    for make in [standing, own, without_delete] {
        over_http::crash_at_every_call_of_retire(make, 30).await;
    }
}

/// Each step three times, one after the other: one key is made, and the old one ends.
#[tokio::test]
async fn every_step_twice() {
    for (mode, _) in MODES {
        let (world, simulator) = world(mode).await;
        over_http::every_step_twice(&world, &simulator, 2).await;
    }
}

/// A rotation meets one fault at the provider, whichever; Secrets Manager tries again, and all is well.
#[tokio::test]
async fn every_fault_at_every_call_is_survived() {
    let mut faults = over_http::faults();
    faults.push(Fault::rate_limited(RetryAfter::Date(20)));
    let calls = [
        ProviderCall::Create,
        ProviderCall::List,
        ProviderCall::Get,
        ProviderCall::Verify,
        ProviderCall::Delete,
    ];
    for (mode, _) in MODES {
        for fault in &faults {
            for call in calls {
                let at = world(mode).await;
                let (method, path) = at.1.route(call);
                let create = at.1.route(ProviderCall::Create);
                let met = (method, path, fault.clone());
                over_http::a_rotation_survives(at, met, (create, 2)).await;
            }
        }
    }
}

/// P-01: an account that is made for a key gives it out once.
#[tokio::test]
async fn p_01_the_key_of_a_new_account_is_stored_and_used() {
    let (world, simulator) = world(Home::OwnAccount).await;
    world.rotate(&token(2)).await.unwrap();
    let version = &world.versions().await[1];
    let made = simulator.key_by_label(version.label.as_ref().unwrap().as_str());
    let made = made.unwrap();
    let handle = version.handle.clone().unwrap();
    assert_eq!(handle.ids().last(), Some(made.handle.as_str()));
    assert_eq!(version.expires, made.expires);
    assert!(made.expires.is_some(), "rule 4");
    let current = ApiKey::new(&world.current_key());
    assert_eq!(current.fingerprint(), made.fingerprint);
}

/// P-01b: an account without a key is deleted again, and the rotation fails clearly.
#[tokio::test]
async fn p_01b_an_account_without_a_key_is_deleted_and_told() {
    let mut withheld = settings(Home::OwnAccount, KeyEnd::Deletable);
    withheld.first_key = FirstKey::Withheld;
    let (world, simulator) = world_with(Arc::default(), withheld).await;
    let old = world.current_key();
    let error = world.rotate(&token(2)).await.unwrap_err();
    assert!(!error.is_retryable());
    let told = keyward_lambda::diagnostic::chain(&error);
    assert!(told.contains("without a key"), "{told}");
    assert_eq!(world.current_key(), old);
    assert_eq!(simulator.service_accounts(), ["agents"]);
    simulator.configure(|s| s.first_key = FirstKey::Given);
    world.live_through(SignedDuration::from_hours(4)).await;
    world.rotate(&token(3)).await.unwrap();
    check_rules(&world, "P-01b").await;
}

/// P-02: a deleted key that still works now and then is not dead.
#[tokio::test]
async fn p_02_a_deleted_key_that_flaps_is_not_dead() {
    for (mode, _) in MODES {
        let settings = Settings {
            change_delay: SignedDuration::from_mins(40),
            window: Window::Flapping,
            ..settings(mode, KeyEnd::Deletable)
        };
        let (world, _) = world_with(Arc::default(), settings).await;
        world.rotate(&token(2)).await.unwrap();
        world.outside.provider.call(&world.current_key());
        world.live_through(SignedDuration::from_hours(5)).await;
        let old = world.versions().await.remove(0);
        let (accepted, confirmed) = (old.revoke_accepted.unwrap(), old.revoke_confirmed.unwrap());
        let late = confirmed.at > accepted + SignedDuration::from_mins(40);
        assert!(late, "{mode:?}: {accepted} {confirmed:?}");
        assert_eq!(confirmed.by, Confirmation::Refused);
        assert_eq!(world.outside.alerts.count(AlertKind::RevokeUnconfirmed), 1);
    }
}

/// P-03: 404 on a delete is success where the list agrees, and none where it does not.
#[tokio::test]
async fn p_03_not_found_counts_once_the_list_agrees() {
    for gone in [true, false] {
        let (world, simulator) = world(Home::StandingAccount).await;
        world.rotate(&token(2)).await.unwrap();
        world.outside.provider.call(&world.current_key());
        let old = world.versions().await[0].handle.clone().unwrap();
        if gone {
            world.outside.provider.driver().delete(&old).await.unwrap();
        } else {
            let missing = Fault::status(404, Body::Json);
            simulator.inject(FaultRule::on("DELETE", KEY, missing).always());
        }
        world.live_through(SignedDuration::from_hours(4)).await;
        let state = world.versions().await[0].state;
        let revoked = state == VersionState::Revoked;
        assert_eq!(revoked, gone, "{state:?}");
        simulator.clear_faults();
        world.live_through(SignedDuration::from_hours(27)).await;
        assert_eq!(world.versions().await[0].state, VersionState::Revoked);
        check_rules(&world, "P-03").await;
    }
}

/// A refused admin credential pages at once and changes nothing.
#[tokio::test]
async fn a_refused_admin_credential_pages() {
    let (world, simulator) = world(Home::StandingAccount).await;
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
