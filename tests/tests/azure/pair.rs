//! What only a pair of keys has: the same two are there at any time, one text of each after the other, and whoever
//! regenerates one ends what it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::version::{Confirmation, VersionState};
use keyward_core::ports::{SecretStore, Stage};
use keyward_core::rules::rotation::Refusal;
use keyward_core::usecases::register::register;
use keyward_core::usecases::rotate::RotationError;
use keyward_rotate::RotateError;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{Fault, FaultRule, KeyView, Simulator};
use keyward_tests::support::over_http::found_for_import;
use keyward_tests::support::{STEPS, Simulated, World, check_rules, fleet_at, token};
use serde_json::{Value, json};

use super::{LIST, REGENERATE, TOKEN, VERIFY, settings, world_with};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

async fn world() -> (World, Simulator) {
    world_with(Arc::default(), settings()).await
}

/// What was asked to be regenerated since this was asked last, in order.
fn regenerated(simulator: &Simulator) -> Vec<String> {
    let exchanges = simulator.recorded().into_iter();
    let of_keys = exchanges.filter(|e| e.path.ends_with("/regenerateKey"));
    of_keys
        .map(|exchange| {
            let body: Value = serde_json::from_slice(&exchange.body).unwrap();
            body["keyName"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// The name of the key whose text this is, if it is one of the two.
fn place_of(simulator: &Simulator, text: &str) -> Option<String> {
    let print = keyward_core::model::key::ApiKey::new(text).fingerprint();
    let is_it = |key: &KeyView| key.fingerprint == print && key.accepted;
    simulator.keys().into_iter().find(is_it).map(|key| key.name)
}

/// What the rotation was refused for; retried by Secrets Manager or not.
fn reason(refused: Result<(), RotateError>) -> (RotationError, bool) {
    let error = refused.unwrap_err();
    let retryable = error.is_retryable();
    match error {
        RotateError::Step(error) => (error, retryable),
        other => panic!("{other:?}"),
    }
}

/// The idle key is regenerated for the next rotation, the replaced one to end it: by turns, and never the current one.
#[tokio::test]
async fn rotations_take_turns() {
    let (world, simulator) = world().await;
    simulator.record();
    for (n, new, old) in [
        (2, "Key2", "Key1"),
        (3, "Key1", "Key2"),
        (4, "Key2", "Key1"),
    ] {
        let before = world.current_key();
        assert_eq!(place_of(&simulator, &before).as_deref(), Some(old));
        world.rotate(&token(n)).await.unwrap();
        assert_eq!(regenerated(&simulator), [new], "rotation {n}");
        assert_eq!(place_of(&simulator, &before).as_deref(), Some(old));
        let current = world.current_key();
        assert_eq!(place_of(&simulator, &current).as_deref(), Some(new));
        world.live_through(HOUR * 27).await;
        assert_eq!(regenerated(&simulator), [old], "the end of {n}'s old one");
        assert_eq!(place_of(&simulator, &before), None);
        assert_eq!(world.current_key(), current);
        check_rules(&world, "by turns").await;
    }
    let versions = world.versions().await;
    let (last, revoked) = versions.split_last().unwrap();
    assert_eq!(last.state, VersionState::Current);
    for version in revoked {
        assert_eq!(version.state, VersionState::Revoked);
        let by = version.revoke_confirmed.unwrap().by;
        assert_eq!(by, Confirmation::Refused);
    }
    let mut handles: Vec<_> = versions.iter().map(|v| v.handle.clone().unwrap()).collect();
    handles.sort();
    handles.dedup();
    assert_eq!(handles.len(), versions.len(), "each text has its own");
}

#[tokio::test]
async fn no_rotation_begins_while_both_may_be_in_use() {
    let (world, simulator) = world().await;
    world.rotate(&token(2)).await.unwrap();
    world.pass(MINUTE * 11);
    simulator.record();
    let (error, retryable) = reason(world.rotate(&token(3)).await);
    let waits = matches!(error, RotationError::Refused(Refusal::StillRetiring(_)));
    assert!(waits && retryable, "{error:?}");
    assert_eq!(regenerated(&simulator), [""; 0]);
    world.live_through(HOUR * 54).await;
    check_rules(&world, "a third rotation").await;
}

/// A revoke and a create would regenerate the same key: the create waits until the revoke was answered.
#[tokio::test]
async fn no_key_is_made_while_one_is_being_revoked() {
    let (world, simulator) = world().await;
    world.rotate(&token(2)).await.unwrap();
    world.outside.provider.call(&world.current_key());
    let unanswered = Fault::lost_before();
    simulator.inject(FaultRule::on("POST", REGENERATE, unanswered).always());
    for _ in 0..40 {
        world.pass(MINUTE * 5);
        let _ = world.retire().await;
    }
    let old = world.versions().await.remove(0);
    assert_eq!(old.state, VersionState::Revoking);
    simulator.clear_faults();
    simulator.record();
    let (error, retryable) = reason(world.rotate(&token(3)).await);
    let waits = matches!(error, RotationError::RevokeUnderWay { .. });
    assert!(waits && retryable, "{error:?}");
    assert_eq!(regenerated(&simulator), [""; 0]);
    world.pass(MINUTE * 6);
    world.retire().await.unwrap();
    assert_eq!(regenerated(&simulator), ["Key1"]);
    world.rotate(&token(3)).await.unwrap();
    assert_eq!(regenerated(&simulator), ["Key1"]);
    world.live_through(HOUR * 27).await;
    check_rules(&world, "after a revoke that took long").await;
}

/// A rotation that came to nothing with its key made, and the next one begun, before retire has seen to that key.
async fn with_a_stuck_key(gate: Arc<Gate>) -> (World, Simulator) {
    let (world, simulator) = world_with(gate, settings()).await;
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    let made = world.step_on(&world.open, STEPS[0], &token(2)).await;
    made.unwrap();
    let taken_off = secrets.unstage_pending(&world.secret, &token(2)).await;
    taken_off.unwrap();
    world.pass(MINUTE * 80);
    secrets.begin_rotation(&world.secret, &token(3));
    (world, simulator)
}

/// Retire's revoke begins in the middle of a create, and is not answered: it may be carried out later, so nothing is made
/// in the same place then; and nothing is revoked while something is made.
#[tokio::test]
async fn a_revoke_and_a_create_side_by_side_wait_for_each_other() {
    let (mut revoked, mut made) = (0, 0);
    for number in 0.. {
        let gate = Arc::new(Gate::default());
        let (world, simulator) = with_a_stuck_key(gate.clone()).await;
        let world = Arc::new(world);
        let by_retire = Arc::new(AtomicUsize::new(0));
        let event = {
            let (world, simulator, count) = (world.clone(), simulator.clone(), by_retire.clone());
            async move {
                let unanswered = FaultRule::on("POST", REGENERATE, Fault::lost_before());
                simulator.inject(unanswered.always());
                let before = simulator.requests_to("POST", REGENERATE).len();
                let _ = world.retire().await;
                let sent = simulator.requests_to("POST", REGENERATE).len() - before;
                count.store(sent, Ordering::SeqCst);
                simulator.clear_faults();
            }
        };
        let before = simulator.requests_to("POST", REGENERATE).len();
        gate.before(number, event);
        let step = world.step(STEPS[0], &token(3)).await;
        let Some(call) = gate.disarm().1 else { break };
        let by_retire = by_retire.load(Ordering::SeqCst);
        let by_create = simulator.requests_to("POST", REGENERATE).len() - before - by_retire;
        assert!(by_retire == 0 || by_create == 0, "before {call}");
        assert_eq!(step.is_ok(), by_create > 0, "before {call}: {step:?}");
        revoked += by_retire;
        made += by_create;
        world.pass(MINUTE * 16);
        world.retire().await.unwrap();
        world.rotate(&token(3)).await.unwrap();
        world.live_through(HOUR * 27).await;
        check_rules(&world, &format!("a revoke before {call}")).await;
    }
    assert!(revoked > 3 && made > 3, "{revoked} {made}");
}

/// Somebody regenerated the replaced key by hand and uses what came of it: that text is not the version's, and is left
/// alone.
#[tokio::test]
async fn a_newer_text_in_the_same_place_is_not_ended() {
    let (world, simulator) = world().await;
    let old = world.current_key();
    world.rotate(&token(2)).await.unwrap();
    world.pass(MINUTE * 30);
    let by_hand = simulator.seed("Key1");
    assert!(!world.outside.provider.accepts(&old));
    simulator.record();
    world.live_through(HOUR * 27).await;
    assert!(simulator.is_accepted(&by_hand));
    assert_eq!(regenerated(&simulator), [""; 0]);
    assert_eq!(world.versions().await[0].state, VersionState::Revoked);
    check_rules(&world, "regenerated by hand").await;
}

/// Somebody regenerated the key in use by hand. The rotation that mends it takes the other one.
#[tokio::test]
async fn a_current_key_that_was_regenerated_by_hand_is_replaced() {
    let (world, simulator) = world().await;
    let by_hand = simulator.seed("Key1");
    assert!(!world.outside.provider.accepts(&world.current_key()));
    simulator.record();
    world.rotate(&token(2)).await.unwrap();
    assert_eq!(regenerated(&simulator), ["Key2"]);
    world.live_through(HOUR * 27).await;
    assert!(simulator.is_accepted(&by_hand));
    check_rules(&world, "the current one by hand").await;
}

/// A text under AWSCURRENT that is none of the two: the account may be another resource than the agent's. Nothing is
/// regenerated, people are told, and the next rotation can be asked for.
#[tokio::test]
async fn a_foreign_current_key_stops_the_rotation() {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock.clone(), settings()).await;
    let simulator = simulated.simulator.clone();
    let foreign = format!("EXAMPLE{}", "0123456789abcdef".repeat(4));
    let world = World::unregistered(&Arc::default(), clock, Box::new(simulated));
    let secrets = &world.outside.secrets;
    secrets.create(&world.secret, Some((&token(1), &foreign)));
    let planned = fleet_at(ProviderName::Azure, &world.outside.provider.scope());
    register(&world.open, &planned[0]).await.unwrap();
    simulator.record();
    let (error, retryable) = reason(world.rotate(&token(2)).await);
    let stops = matches!(error, RotationError::InUseUnknown { .. });
    assert!(stops && !retryable, "{error:?}");
    assert_eq!(regenerated(&simulator), [""; 0]);
    assert!(world.outside.alerts.count(AlertKind::RotationFailed) >= 1);
    assert_eq!(secrets.holder(&world.secret, &Stage::Pending), None);
}

/// A secret without a value: the second key is taken, as the first is the one that people take.
#[tokio::test]
async fn a_first_key_is_the_second_of_the_pair() {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock.clone(), settings()).await;
    let simulator = simulated.simulator.clone();
    let world = World::unregistered(&Arc::default(), clock, Box::new(simulated));
    world.outside.secrets.create(&world.secret, None);
    let planned = fleet_at(ProviderName::Azure, &world.outside.provider.scope());
    register(&world.open, &planned[0]).await.unwrap();
    simulator.record();
    world.rotate(&token(2)).await.unwrap();
    assert_eq!(regenerated(&simulator), ["Key2"]);
    let current = world.current_key();
    assert_eq!(place_of(&simulator, &current).as_deref(), Some("Key2"));
    check_rules(&world, "a first key").await;
}

/// A kill ends both texts that agents may hold, at once and for good; the replacement takes the other place than the
/// current one had, and what was contained is confirmed dead in its time without touching it.
#[tokio::test]
async fn a_kill_ends_both_and_the_next_key_lives() {
    let (world, simulator) = world().await;
    let first = world.current_key();
    world.rotate(&token(2)).await.unwrap();
    let second = world.current_key();
    world.pass(MINUTE * 11);
    simulator.record();
    world.kill().await;
    assert_eq!(regenerated(&simulator), ["Key1", "Key2"]);
    for dead in [&first, &second] {
        assert!(!world.outside.provider.accepts(dead));
    }
    world.rotate(&token(3)).await.unwrap();
    assert_eq!(regenerated(&simulator), ["Key1"]);
    let replacement = world.current_key();
    world.live_through(HOUR * 100).await;
    assert_eq!(regenerated(&simulator), [""; 0]);
    assert_eq!(world.current_key(), replacement);
    assert!(world.outside.provider.accepts(&replacement));
    check_rules(&world, "a kill").await;
    let versions = world.versions().await;
    assert_eq!(versions[0].state, VersionState::Revoked);
    assert_eq!(versions[1].state, VersionState::Revoked);
}

/// The answer to a regenerate is lost, and so is the invocation: what came of it is known to nobody but Azure, and ends
/// with the next attempt. One more text never means one more key.
#[tokio::test]
async fn a_lost_answer_leaves_no_key_that_anybody_holds() {
    let (world, simulator) = world().await;
    let old = world.current_key();
    simulator.record();
    simulator.inject(FaultRule::on("POST", REGENERATE, Fault::lost_after()));
    let (error, retryable) = reason(world.rotate(&token(2)).await);
    assert!(retryable, "{error:?}");
    assert_eq!(simulator.live_keys().len(), 2);
    assert_eq!(world.current_key(), old);
    world.pass(MINUTE * 6);
    // What retire keeps an eye on for an hour holds up nothing: there is no handle to regenerate anything by.
    world.retire().await.unwrap();
    assert_eq!(world.versions().await[1].state, VersionState::Revoking);
    world.rotate(&token(2)).await.unwrap();
    assert_eq!(regenerated(&simulator), ["Key2", "Key2"]);
    assert_eq!(simulator.live_keys().len(), 2);
    world.live_through(HOUR * 27).await;
    check_rules(&world, "a lost answer").await;
    let states: Vec<_> = world.versions().await.iter().map(|v| v.state).collect();
    assert_eq!(
        states,
        [
            VersionState::Revoked,
            VersionState::Revoked,
            VersionState::Current
        ]
    );
}

/// A token is exchanged for when it is needed, and anew before its end; a new client secret is taken up by itself.
#[tokio::test]
async fn tokens_are_exchanged_anew_before_their_end() {
    let (world, simulator) = world().await;
    let driver = world.outside.provider.driver();
    let scope = world.outside.provider.scope();
    let tokens = || simulator.requests_to("POST", TOKEN).len();
    let before = tokens();
    for (minutes, more) in [(0, 0), (50, 0), (7, 0), (1, 1), (56, 1), (2, 2)] {
        world.pass(MINUTE * minutes);
        driver.list(&scope, None).await.unwrap();
        assert_eq!(tokens() - before, more, "{minutes}");
    }
    let key = keyward_core::model::key::AdminKey::new("EXAMPLE~another.secret+0123456789");
    simulator.set_management_key(&key);
    world.pass(HOUR);
    driver.list(&scope, None).await.unwrap();
    assert_eq!(tokens() - before, 3);
}

/// A resource that takes no keys at all says so when they are listed, and when one is used; neither is a dead key.
#[tokio::test]
async fn a_resource_without_keys_is_told_clearly() {
    let (world, simulator) = world().await;
    let recorded = |code: &str, message: &str| {
        json!({"error": {"code": code, "message": message}}).to_string()
    };
    let off = recorded(
        "BadRequest",
        "Failed to list key. disableLocalAuth is set to be true",
    );
    let fault = Fault::recorded(400, None, off);
    simulator.inject(FaultRule::on("POST", LIST, fault).always());
    let (error, retryable) = reason(world.rotate(&token(2)).await);
    assert!(!retryable, "{error:?}");
    assert!(error.to_string().contains("disableLocalAuth"), "{error}");
    simulator.clear_faults();
    let off = recorded(
        "AuthenticationTypeDisabled",
        "Key based authentication is disabled for this resource.",
    );
    let fault = Fault::recorded(403, None, off);
    simulator.inject(FaultRule::on("GET", VERIFY, fault).always());
    world.pass(MINUTE * 11);
    let (error, _) = reason(world.rotate(&token(3)).await);
    let stops = matches!(error, RotationError::OutOfScope { .. });
    assert!(stops, "{error:?}");
    let secret = world.outside.secrets.describe(world.secret.as_str()).await;
    assert!(secret.unwrap().has(&token(1), &Stage::Current));
}

/// The other key of the pair is in no record while it is idle, and no other slot can have it.
#[tokio::test]
async fn an_idle_key_is_not_proposed_to_be_taken_over() {
    let (world, _) = world().await;
    let found = found_for_import(&world).await;
    assert_eq!((found.unclaimed.len(), found.claimed), (0, 1));
    assert_eq!(found.in_a_slots_place.len(), 1);
}
