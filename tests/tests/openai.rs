//! OpenAI's driver against its provider over HTTP: the suite of every driver, the flows, and faults in between. In both
//! modes: keys in one stable service account, and each key with an account of its own.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::key::ApiKey;
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::model::version::{Confirmation, VersionState};
use keyward_core::ports::{KeyOwner, Verdict};
use keyward_core::usecases::register::{Registered, register};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract::provider::{Fixture, ProviderCall, Repeats};
use keyward_testkit::drive::{Point, Scenario, crash_at_every_call, disturb_before_every_call};
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{
    Body, Fault, FaultRule, FirstKey, KeyDelete, OpenAiSettings, Owners, RetryAfter, Settings,
    Simulator, Window,
};
use keyward_tests::support::{
    Backend, Make, RetireScenario, STEPS, Simulated, Site, StepScenario, World, check_rules, say,
    token,
};
use serde_json::json;

fn settings(owners: Owners, key_delete: KeyDelete) -> Settings {
    Settings {
        provider: ProviderName::OpenAi,
        openai: OpenAiSettings {
            owners,
            key_delete,
            ..OpenAiSettings::default()
        },
        ..Settings::default()
    }
}

async fn fixture(owners: Owners, key_delete: KeyDelete) -> Fixture {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock, settings(owners, key_delete)).await;
    Fixture {
        provider: simulated.driver(),
        world: Arc::new(simulated.simulator.clone()),
        repeats: Repeats::Untold,
    }
}

/// The suite of every driver, for one way in which OpenAI may behave.
macro_rules! contract {
    ($name:ident: $owners:ident, $delete:ident) => {
        mod $name {
            use keyward_testkit::contract::provider::Fixture;
            use keyward_testkit::simulator::{KeyDelete, Owners};

            async fn fixture() -> Fixture {
                super::fixture(Owners::$owners, KeyDelete::$delete).await
            }

            keyward_testkit::provider_contract!(fixture);
        }
    };
}

contract!(in_a_stable_account: Stable, Allowed);
contract!(each_with_an_account: EachItsOwn, Allowed);
contract!(in_a_stable_account_without_delete: Stable, Refused);
contract!(each_with_an_account_without_delete: EachItsOwn, Refused);
contract!(each_with_an_account_without_delete_or_end: EachItsOwn, RefusedLikeEnds);

const KEY: &str = "/organization/projects/*/api_keys/*";

async fn world_with(gate: Arc<Gate>, settings: Settings) -> (World, Simulator) {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock.clone(), settings).await;
    let simulator = simulated.simulator.clone();
    let mut site = Site::of(ProviderName::OpenAi);
    site.planned.entry.scope = simulator.scope_of(None);
    (
        World::of(site, &gate, clock, Box::new(simulated)).await,
        simulator,
    )
}

async fn world(owners: Owners) -> (World, Simulator) {
    world_with(Arc::default(), settings(owners, KeyDelete::Allowed)).await
}

fn stable(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    let settings = settings(Owners::Stable, KeyDelete::Allowed);
    Box::pin(async { world_with(gate, settings).await.0 })
}

fn each_its_own(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    let settings = settings(Owners::EachItsOwn, KeyDelete::Allowed);
    Box::pin(async { world_with(gate, settings).await.0 })
}

fn without_delete(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    let settings = settings(Owners::EachItsOwn, KeyDelete::Refused);
    Box::pin(async { world_with(gate, settings).await.0 })
}

const MODES: [(Owners, Make); 2] = [(Owners::Stable, stable), (Owners::EachItsOwn, each_its_own)];

#[tokio::test]
async fn crash_at_every_call_of_a_rotation_over_http() {
    for (mode, make) in MODES {
        for (i, step) in STEPS.iter().enumerate() {
            let ran = crash_at_every_call(&StepScenario { step: i, make }).await;
            say(format_args!("{step} over HTTP, {mode:?}: {ran} points"));
            assert!(ran >= 3 * 6, "{step} made fewer calls than it must");
        }
    }
}

#[tokio::test]
async fn a_kill_between_any_two_calls_of_a_rotation_over_http() {
    for (mode, make) in MODES {
        for (i, step) in STEPS.iter().enumerate() {
            let scenario = StepScenario { step: i, make };
            let ran = disturb_before_every_call(&scenario, World::kill).await;
            say(format_args!(
                "{step} over HTTP, {mode:?}, a kill before each call: {ran} points"
            ));
        }
    }
}

#[tokio::test]
async fn crash_at_every_call_of_retire_over_http() {
    for make in [stable, each_its_own, without_delete] {
        let ran = crash_at_every_call(&RetireScenario { make }).await;
        say(format_args!("retire over HTTP: {ran} points"));
        assert!(ran >= 3 * 30, "{ran}");
    }
}

/// Each step three times, one after the other: one key is made, and the old one ends.
#[tokio::test]
async fn every_step_twice() {
    for (mode, _) in MODES {
        let (world, simulator) = world(mode).await;
        let old = world.current_key();
        let secrets = &world.outside.secrets;
        secrets.begin_rotation(&world.secret, &token(2));
        for step in STEPS {
            for _ in 0..2 {
                world.step(step, &token(2)).await.unwrap();
            }
        }
        assert_ne!(world.current_key(), old);
        assert_eq!(simulator.keys().len(), 2, "{mode:?}");
        world.live_through(SignedDuration::from_hours(27)).await;
        check_rules(&world, "every step twice").await;
        assert!(!world.outside.provider.accepts(&old));
        assert_eq!(world.versions().await[0].state, VersionState::Revoked);
    }
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
        Fault::rate_limited(RetryAfter::Date(20)),
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
        ProviderCall::Get,
        ProviderCall::Verify,
        ProviderCall::Delete,
    ];
    for (mode, _) in MODES {
        for fault in &faults {
            for call in calls {
                let context = format!("{mode:?} {call:?} {fault:?}");
                let (world, simulator) = world(mode).await;
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
                assert!(made <= 2, "{context}: {made} creates");
                let old = &world.versions().await[0];
                assert_eq!(old.state, VersionState::Revoked, "{context}");
            }
        }
    }
}

/// What is left of the accounts that were made for one key: one for the key in use.
#[tokio::test]
async fn accounts_end_with_their_keys() {
    for key_delete in [
        KeyDelete::Allowed,
        KeyDelete::Refused,
        KeyDelete::RefusedLikeEnds,
    ] {
        let settings = settings(Owners::EachItsOwn, key_delete);
        let (world, simulator) = world_with(Arc::default(), settings).await;
        for n in 2..5 {
            world.rotate(&token(n)).await.unwrap();
            world.live_through(SignedDuration::from_hours(27)).await;
        }
        let mut names = simulator.service_accounts();
        names.retain(|name| name.starts_with("keyward-"));
        let current = format!("keyward-search-bot-openai--{}-1", token(4));
        assert_eq!(names, [current], "{key_delete:?}");
        check_rules(&world, "accounts").await;
    }
}

/// P-01: an account that is made for a key gives it out once.
#[tokio::test]
async fn p_01_the_key_of_a_new_account_is_stored_and_used() {
    let (world, simulator) = world(Owners::EachItsOwn).await;
    world.rotate(&token(2)).await.unwrap();
    let version = &world.versions().await[1];
    let made = simulator.key_by_label(version.label.as_ref().unwrap().as_str());
    let made = made.unwrap();
    assert_eq!(version.handle, Some(made.handle));
    assert_eq!(version.expires, made.expires);
    assert!(made.expires.is_some(), "rule 4");
    let current = ApiKey::new(&world.current_key());
    assert_eq!(current.fingerprint(), made.fingerprint);
}

/// P-01b: an account without a key is deleted again, and the rotation fails clearly.
#[tokio::test]
async fn p_01b_an_account_without_a_key_is_deleted_and_told() {
    let mut withheld = settings(Owners::EachItsOwn, KeyDelete::Allowed);
    withheld.openai.first_key = FirstKey::Withheld;
    let (world, simulator) = world_with(Arc::default(), withheld).await;
    let old = world.current_key();
    let error = world.rotate(&token(2)).await.unwrap_err();
    assert!(!error.is_retryable());
    let told = keyward_lambda::diagnostic::chain(&error);
    assert!(told.contains("without a key"), "{told}");
    assert_eq!(world.current_key(), old);
    assert_eq!(simulator.service_accounts(), ["agents"]);
    simulator.configure(|s| s.openai.first_key = FirstKey::Given);
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
            ..settings(mode, KeyDelete::Allowed)
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
        let (world, simulator) = world(Owners::Stable).await;
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

/// A narrowed key is known, does no work, and gets back exactly what its scope permits.
#[tokio::test]
async fn a_suspended_key_is_blocked_until_it_gets_its_permissions_back() {
    for (mode, _) in MODES {
        let (world, simulator) = world(mode).await;
        world.rotate(&token(2)).await.unwrap();
        let key = ApiKey::new(&world.current_key());
        let handle = world.versions().await[1].handle.clone().unwrap();
        let driver = world.outside.provider.driver();
        driver.disable(&handle).await.unwrap();
        let verdict = driver.verify(&key).await;
        assert!(
            matches!(verdict, Verdict::BlockedForScope(_)),
            "{verdict:?}"
        );
        assert!(!simulator.is_accepted(&key));
        let scope = simulator.scope_of(None);
        driver.restore(&handle, &scope).await.unwrap();
        assert_eq!(driver.verify(&key).await, Verdict::Live);
        let alone = Scope {
            permissions: vec!["model.request".parse().unwrap()],
            ..scope
        };
        driver.restore(&handle, &alone).await.unwrap();
        let verdict = driver.verify(&key).await;
        let blind = matches!(verdict, Verdict::BlockedForScope(_));
        assert!(blind, "without the permission to see models: {verdict:?}");
        assert!(simulator.is_accepted(&key));
    }
}

/// A key is deleted alone: not with an account that others live in, not even as the last resort.
#[tokio::test]
async fn a_delete_takes_no_other_key_with_it() {
    let settings = settings(Owners::Stable, KeyDelete::RefusedLikeEnds);
    let (world, simulator) = world_with(Arc::default(), settings).await;
    world.rotate(&token(2)).await.unwrap();
    world.pass(SignedDuration::from_mins(11));
    world.rotate(&token(3)).await.unwrap();
    let driver = world.outside.provider.driver();
    let handles: Vec<_> = world
        .versions()
        .await
        .iter()
        .map(|v| v.handle.clone())
        .collect();
    let [_, Some(first), Some(second)] = &handles[..] else {
        panic!("{handles:?}");
    };
    let error = driver.delete(first).await.unwrap_err();
    assert!(error.to_string().contains("other keys live"), "{error}");
    assert!(world.outside.provider.accepts(&world.current_key()));
    assert!(driver.get(first).await.unwrap().is_some());
    simulator.configure(|s| s.openai.key_delete = KeyDelete::Allowed);
    driver.delete(first).await.unwrap();
    assert_eq!(simulator.service_accounts(), ["agents"], "it stays");
    simulator.configure(|s| s.openai.key_delete = KeyDelete::RefusedLikeEnds);
    driver.delete(second).await.unwrap();
    assert_eq!(simulator.service_accounts(), [""; 0], "with its last key");
}

/// The list shows whoever's key: a person's is found at registration, and one whose owner may enter no more.
#[tokio::test]
async fn keys_of_others_are_found() {
    let (world, simulator) = world(Owners::Stable).await;
    let by_hand = world.versions().await[0].handle.clone().unwrap();
    let driver = world.outside.provider.driver();
    let record = driver.get(&by_hand).await.unwrap().unwrap();
    assert_eq!(record.owner, KeyOwner::Person);
    assert_eq!(record.suspended, None);
    simulator.end_owners_access(&by_hand);
    let listed = driver.list(&simulator.scope_of(None), None).await.unwrap();
    assert_eq!(listed.keys.len(), 1, "hidden unless asked for");
    assert_eq!(listed.keys[0].suspended, Some(true));
    assert_eq!(listed.keys[0].handle, by_hand);
}

/// Registering a slot whose secret holds a key that a person made.
struct Register(Owners);

impl Register {
    async fn unregistered(&self, gate: &Arc<Gate>) -> (World, Simulator) {
        let clock = Arc::new(ManualClock::start());
        let settings = settings(self.0, KeyDelete::Allowed);
        let simulated = Simulated::start(clock.clone(), settings).await;
        let simulator = simulated.simulator.clone();
        let mut site = Site::of(ProviderName::OpenAi);
        site.planned.entry.scope = simulator.scope_of(None);
        let world = World::unregistered_of(site, gate, clock, Box::new(simulated));
        let text = json!({"api_key": world.outside.provider.seed("by hand")}).to_string();
        let secrets = &world.outside.secrets;
        secrets.create(&world.secret, Some((&token(1), &text)));
        (world, simulator)
    }
}

impl Scenario for Register {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        self.unregistered(gate).await.0
    }

    async fn operation(&self, world: &World) {
        let _ = register(&world.ports, &world.site.planned).await;
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("register {:?} {point:?}", self.0);
        let registered = register(&world.open, &world.site.planned).await;
        assert!(registered.is_ok(), "{context}: {registered:?}");
        let old = world.versions().await[0].handle.clone();
        assert!(old.is_some(), "{context}: found in the list");
        let rotated = world.rotate(&token(2)).await;
        assert!(rotated.is_ok(), "{context}: {rotated:?}");
        world.live_through(SignedDuration::from_hours(27)).await;
        check_rules(world, &context).await;
    }
}

#[tokio::test]
async fn crash_at_every_call_of_register_over_http() {
    for (mode, _) in MODES {
        let ran = crash_at_every_call(&Register(mode)).await;
        say(format_args!("register over HTTP, {mode:?}: {ran} points"));
        assert!(ran >= 3 * 7, "{ran}");
    }
}

/// A key is registered with its handle, or not at all while the list cannot be read.
#[tokio::test]
async fn a_slot_is_registered_once_its_key_is_found() {
    let (world, simulator) = Register(Owners::Stable).unregistered(&Arc::default()).await;
    let (method, path) = simulator.route(ProviderCall::List);
    simulator.inject(FaultRule::on(method, path, Fault::truncated()).always());
    let refused = register(&world.open, &world.site.planned).await;
    assert!(refused.is_err(), "not seen is not the same as not there");
    simulator.clear_faults();
    let registered = register(&world.open, &world.site.planned).await.unwrap();
    assert_eq!(registered, Registered::WithKey { handle_known: true });
    let again = register(&world.open, &world.site.planned).await;
    assert!(again.is_ok(), "{again:?}");
    assert_eq!(world.versions().await.len(), 1);
    check_rules(&world, "register").await;
}

/// A refused admin credential pages at once and changes nothing.
#[tokio::test]
async fn a_refused_admin_credential_pages() {
    let (world, simulator) = world(Owners::Stable).await;
    simulator.configure(|s| s.management = keyward_testkit::simulator::Management::Refused);
    let error = world.rotate(&token(2)).await.unwrap_err();
    assert!(!error.is_retryable());
    let paged = world
        .outside
        .alerts
        .count(AlertKind::AdminCredentialRefused);
    assert!(paged >= 1);
    assert_eq!(simulator.live_keys().len(), 1);
}
