//! What a rotation step does at once, not only in the end: a key that cannot come into use is revoked by the step
//! itself, and nothing is made beside work that is still under way.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code")]

#[path = "at_once/overtaken.rs"]
mod overtaken;

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::incident::Incident;
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::VersionState;
use keyward_core::ports::{
    Clock, Deadline, Inventory, ProviderError, SecretError, SecretStore, Stage, Verdict,
};
use keyward_core::usecases::rotate::{RotationError, StepOutcome};
use keyward_rotate::RotateError;
use keyward_testkit::gate::{Cut, Gate};
use keyward_tests::support::{Oddity, STEPS, World, token};
use serde_json::json;

const CREATE: &str = STEPS[0];

/// A rotation that has begun, with the number of the first call of a name in createSecret.
async fn begun(call: &str) -> (World, Arc<Gate>, usize) {
    let gate = Arc::new(Gate::default());
    let world = World::in_memory(&gate).await;
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    let trial_gate = Arc::new(Gate::default());
    let trial = World::in_memory(&trial_gate).await;
    let secrets = &trial.outside.secrets;
    secrets.begin_rotation(&trial.secret, &token(2));
    trial_gate.record();
    trial.step(CREATE, &token(2)).await.unwrap();
    let (calls, _) = trial_gate.disarm();
    let number = calls.iter().position(|name| *name == call).unwrap();
    (world, gate, number)
}

/// createSecret, cut off at a call.
async fn create_cut_at(call: &str, cut: Cut) -> World {
    let (world, gate, number) = begun(call).await;
    gate.arm(number, cut);
    gate.until_stopped(world.step(CREATE, &token(2))).await;
    gate.disarm();
    world
}

fn error_of(outcome: Result<StepOutcome, RotateError>) -> RotationError {
    match outcome {
        Err(RotateError::Step(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn live(world: &World) -> usize {
    world.outside.provider.live().len()
}

#[tokio::test]
async fn a_second_create_waits_for_the_first_and_changes_nothing() {
    let world = create_cut_at("inventory.save_versions", Cut::Before).await;
    let before = (world.versions().await, live(&world));
    let error = error_of(world.step(CREATE, &token(2)).await);
    assert!(matches!(error, RotationError::InProgress { .. }), "{error}");
    assert!(error.is_retryable());
    assert_eq!((world.versions().await, live(&world)), before);
}

#[tokio::test]
async fn a_key_whose_text_is_lost_is_revoked_before_another_is_made() {
    let world = create_cut_at("provider.issue", Cut::After).await;
    assert_eq!(live(&world), 2);
    world.pass(SignedDuration::from_mins(6));
    world.step(CREATE, &token(2)).await.unwrap();
    assert_eq!(live(&world), 2, "the first attempt's key is dead already");
    let states: Vec<_> = world.versions().await.iter().map(|v| v.state).collect();
    let expected = [
        VersionState::Current,
        VersionState::Abandoned,
        VersionState::Pending,
    ];
    assert_eq!(states, expected);
}

#[tokio::test]
async fn no_other_key_is_made_while_the_first_cannot_be_revoked() {
    let (world, gate, number) = begun("provider.issue").await;
    gate.arm(number, Cut::After);
    gate.until_stopped(world.step(CREATE, &token(2))).await;
    world.pass(SignedDuration::from_mins(6));
    gate.silence(&["provider.disable"]);
    let error = error_of(world.step(CREATE, &token(2)).await);
    let passing = matches!(
        error,
        RotationError::Provider(ProviderError::RetryAfter { .. })
    );
    assert!(passing, "{error}");
    assert_eq!((live(&world), world.versions().await.len()), (2, 2));
}

#[tokio::test]
async fn a_key_that_cannot_be_recorded_is_revoked_at_once() {
    let (world, gate, _) = begun("provider.issue").await;
    gate.silence(&["inventory.save_versions"]);
    let error = error_of(world.step(CREATE, &token(2)).await);
    assert!(matches!(error, RotationError::Inventory(_)), "{error}");
    assert_eq!(live(&world), 1);
}

#[tokio::test]
async fn a_key_that_cannot_be_stored_is_revoked_at_once() {
    let (world, gate, number) = begun("secrets.put_pending").await;
    let (secrets, arn) = (world.outside.secrets.clone(), world.secret.clone());
    let foreign = keyward_core::model::secret_document::SecretText::new("EXAMPLE".to_owned());
    gate.before(number, async move {
        let put = secrets.put_pending(&arn, &token(2), None, &foreign).await;
        put.unwrap();
    });
    let error = error_of(world.step(CREATE, &token(2)).await);
    gate.disarm();
    let taken = matches!(error, RotationError::Secret(SecretError::TokenTaken(_)));
    assert!(taken, "{error}");
    assert_eq!(live(&world), 1);
    assert_eq!(world.outside.alerts.count(AlertKind::RotationFailed), 1);

    let error = error_of(world.step(CREATE, &token(2)).await);
    let foreign = matches!(error, RotationError::ForeignValue { .. });
    assert!(foreign, "{error}");
    assert_eq!(live(&world), 1, "no other key was made");
}

#[tokio::test]
async fn a_secret_without_room_is_told_and_the_key_revoked() {
    let (world, _, _) = begun("secrets.put_pending").await;
    world.outside.secrets.fill(&world.secret);
    let error = error_of(world.step(CREATE, &token(2)).await);
    let full = matches!(error, RotationError::Secret(SecretError::VersionQuota));
    assert!(full && error.is_retryable(), "{error}");
    assert_eq!(live(&world), 1);
    assert_eq!(world.outside.alerts.count(AlertKind::RotationFailed), 1);
}

/// Only the epoch is raised, as by a suspension: each step takes the key back, and room is made.
#[tokio::test]
async fn every_step_takes_back_a_key_of_an_earlier_epoch() {
    for (number, step) in STEPS.iter().enumerate() {
        let gate = Arc::new(Gate::default());
        let world = World::in_memory(&gate).await;
        let secrets = &world.outside.secrets;
        secrets.begin_rotation(&world.secret, &token(2));
        for earlier in &STEPS[..number.max(1)] {
            world.step(earlier, &token(2)).await.unwrap();
        }
        let slot = world.slot().await;
        let now = world.outside.clock.now();
        let incident = Incident::open(&slot.name, slot.epoch, OutsideText::new("test"), now);
        let opened = world.outside.inventory.open_incident(&incident, &slot, &[]);
        opened.await.unwrap();

        let error = error_of(world.step(step, &token(2)).await);
        assert!(
            matches!(error, RotationError::CutOff { .. }),
            "{step}: {error}"
        );
        assert_eq!(live(&world), 1, "{step}");
        let version = world.versions().await.pop().unwrap();
        assert_eq!(version.state, VersionState::Abandoned, "{step}");
        let secret = secrets.describe(world.secret.as_str()).await.unwrap();
        assert_eq!(secret.holder(&Stage::Pending), None, "{step}");
        let soon = now + SignedDuration::from_secs(1);
        assert_eq!(world.slot().await.due_at, soon, "{step}");
    }
}

/// The value of a rotation whose key was revoked is not taken for a new one.
#[tokio::test]
async fn a_spent_value_makes_room_for_the_next_rotation() {
    let gate = Arc::new(Gate::default());
    let world = World::in_memory(&gate).await;
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    world.step(CREATE, &token(2)).await.unwrap();
    let version = world.versions().await.pop().unwrap();
    let abandoned = version.become_state(VersionState::Abandoned).unwrap();
    let inventory = &world.outside.inventory;
    let fence = keyward_core::ports::Fence::None;
    inventory.save_versions(&[abandoned], fence).await.unwrap();
    let error = error_of(world.step(CREATE, &token(2)).await);
    assert!(matches!(error, RotationError::Spent { .. }), "{error}");
    let secret = secrets.describe(world.secret.as_str()).await.unwrap();
    assert_eq!(secret.holder(&Stage::Pending), None);
}

#[tokio::test]
async fn what_is_known_of_a_new_key_is_recorded() {
    let gate = Arc::new(Gate::default());
    let world = World::in_memory(&gate).await;
    let mut slot = world.slot().await;
    slot.scope.workspace = Some("team-a".parse().unwrap());
    world.outside.inventory.save_slot(&slot).await.unwrap();
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    world.step(CREATE, &token(2)).await.unwrap();
    let version = world.versions().await.pop().unwrap();
    let driver = world.outside.provider.driver();
    let record = driver.get(&version.handle.unwrap()).await.unwrap().unwrap();
    assert!(record.may_be(&version.hint.unwrap()));
    assert_eq!(version.expires, record.expires);
    assert_eq!(version.scope, slot.scope);
    let ends = world.deadline().0;
    assert_eq!(version.lease_until, Some(ends));
    assert_eq!(version.due_at, Some(ends + SignedDuration::from_hours(1)));
}

#[tokio::test]
async fn a_limit_that_the_provider_does_not_keep_stops_the_rotation() {
    let (world, _, _) = begun("provider.issue").await;
    world.step(CREATE, &token(2)).await.unwrap();
    let ports = world.odd(Oddity::ForgetsCaps);
    let error = error_of(world.step_on(&ports, STEPS[1], &token(2)).await);
    assert!(matches!(error, RotationError::CapNotKept), "{error}");
    let ports = world.odd(Oddity::KnowsNoKey);
    let error = error_of(world.step_on(&ports, STEPS[1], &token(2)).await);
    assert!(matches!(error, RotationError::CapNotKept), "{error}");
}

#[tokio::test]
async fn each_verdict_on_a_new_key_has_its_own_end() {
    let detail = || OutsideText::new("as the provider says");
    for (verdict, outcome, told) in [
        (Verdict::Live, "Done", None),
        (
            Verdict::BlockedForMoney(detail()),
            "Done",
            Some(AlertKind::NewKeyWithoutMoney),
        ),
        (
            Verdict::BlockedForScope(detail()),
            "OutOfScope",
            Some(AlertKind::RotationFailed),
        ),
        (Verdict::Dead(detail()), "NotAcceptedYet", None),
        (Verdict::Unknown(detail()), "NotAcceptedYet", None),
    ] {
        let (world, _, _) = begun("provider.issue").await;
        world.step(STEPS[0], &token(2)).await.unwrap();
        world.step(STEPS[1], &token(2)).await.unwrap();
        let began = world.outside.clock.now();
        let ports = world.odd(Oddity::Says(verdict.clone()));
        let ended = match world.step_on(&ports, STEPS[2], &token(2)).await {
            Ok(done) => format!("{done:?}"),
            Err(RotateError::Step(error)) => format!("{error:?}"),
            Err(error) => panic!("{error}"),
        };
        assert!(ended.starts_with(outcome), "{verdict:?}: {ended}");
        let sent: Vec<_> = world.outside.alerts.sent().iter().map(|a| a.kind).collect();
        assert_eq!(sent, Vec::from_iter(told), "{verdict:?}");
        let tested = world.versions().await.pop().unwrap().tested;
        assert_eq!(tested.is_some(), outcome == "Done", "{verdict:?}");
        let waited = world.outside.clock.now().duration_since(began);
        let patient = SignedDuration::from_secs(if outcome == "NotAcceptedYet" { 60 } else { 0 });
        assert_eq!(waited, patient, "{verdict:?}");
    }
}

/// The test of a configuration: nothing was made under this token, and nothing is written.
#[tokio::test]
async fn a_value_that_no_rotation_made_is_tested_only() {
    let (world, gate, _) = begun("provider.issue").await;
    let key = world.outside.provider.seed("by hand");
    let text = keyward_core::model::secret_document::SecretText::new(key);
    let secrets = &world.outside.secrets;
    secrets
        .put_pending(&world.secret, &token(2), None, &text)
        .await
        .unwrap();
    let before = world.versions().await;
    gate.record();
    let outcome = world.step(STEPS[2], &token(2)).await.unwrap();
    assert_eq!(outcome, StepOutcome::TestedOnly);
    assert_eq!(world.versions().await, before);
    let (calls, _) = gate.disarm();
    let writes = ["save", "add", "put", "tag", "promote", "issue", "unstage"];
    let wrote = |call: &&str| writes.iter().any(|write| call.contains(write));
    assert!(!calls.iter().any(wrote), "{calls:?}");
}

/// The invocation's own end cuts the patience with a new key short.
#[tokio::test]
async fn a_test_ends_before_its_invocation_does() {
    let (world, _, _) = begun("provider.issue").await;
    world.step(STEPS[0], &token(2)).await.unwrap();
    world.step(STEPS[1], &token(2)).await.unwrap();
    let ports = world.odd(Oddity::Says(Verdict::Unknown(OutsideText::new("503"))));
    let end = world.outside.clock.now() + SignedDuration::from_secs(30);
    let event = serde_json::json!({"Step": STEPS[2], "SecretId": world.secret, "ClientRequestToken": token(2)});
    let outcome = keyward_rotate::handle(&ports, &event, Deadline(end)).await;
    let error = error_of(outcome);
    assert!(
        matches!(error, RotationError::NotAcceptedYet { .. }),
        "{error}"
    );
    assert!(world.outside.clock.now() < end);
}

#[tokio::test]
async fn a_list_that_breaks_off_shows_nothing_to_be_absent() {
    let (world, gate, number) = begun("provider.issue").await;
    gate.arm(number, Cut::After);
    gate.until_stopped(world.step(CREATE, &token(2))).await;
    gate.disarm();
    world.outside.provider.seed("another");
    world.pass(SignedDuration::from_mins(6));
    let ports = world.odd(Oddity::FailsOnPageTwo);
    let error = error_of(world.step_on(&ports, CREATE, &token(2)).await);
    assert!(matches!(error, RotationError::Provider(_)), "{error}");
    assert_eq!(world.versions().await.len(), 2, "no other key is made");
}

/// A provider that denies a key which it lists, and one that denies it everywhere: neither counts as a revoke.
#[tokio::test]
async fn not_found_is_believed_only_with_the_list_and_never_without_the_key() {
    for (way, told) in [
        (Oddity::KnowsNoKey, AlertKind::WorkFailed),
        (Oddity::KnowsNoKeyAndListsNone, AlertKind::RevokeUnconfirmed),
    ] {
        let gate = Arc::new(Gate::default());
        let world = World::in_memory(&gate).await;
        let old = world.current_key();
        world.rotate(&token(2)).await.unwrap();
        let ports = world.odd(way.clone());
        for _ in 0..12 * 4 {
            world.pass(SignedDuration::from_mins(5));
            let _ =
                keyward_tests::support::retire_due(&ports, &world.confirm, world.deadline()).await;
        }
        assert!(world.outside.provider.accepts(&old));
        let version = world.versions().await.remove(0);
        assert_eq!(version.state, VersionState::Revoking, "{way:?}");
        assert_eq!(world.outside.alerts.count(told), 1, "{way:?}");
        world.live_through(SignedDuration::from_hours(1)).await;
        assert!(!world.outside.provider.accepts(&old), "{way:?}");
    }
}

#[tokio::test]
async fn a_new_key_that_cannot_be_revoked_is_an_orphan() {
    let (world, _, _) = begun("provider.issue").await;
    world.outside.secrets.fill(&world.secret);
    let ports = world.odd(Oddity::KnowsNoKey);
    let _ = world.step_on(&ports, CREATE, &token(2)).await;
    assert_eq!(world.outside.alerts.count(AlertKind::Orphan), 1);
    assert_eq!(live(&world), 2);
    world.live_through(SignedDuration::from_mins(20)).await;
    assert_eq!(live(&world), 1, "swept");
}

/// The record says what the provider made of the expiry, not what was asked for.
#[tokio::test]
async fn a_key_without_an_end_is_recorded_so() {
    let (world, _, _) = begun("provider.issue").await;
    let ports = world.odd(Oddity::SetsNoExpiry);
    world.step_on(&ports, CREATE, &token(2)).await.unwrap();
    assert_eq!(world.versions().await.pop().unwrap().expires, None);
}

#[tokio::test]
async fn only_handles_of_keys_that_may_be_alive_are_mirrored() {
    let gate = Arc::new(Gate::default());
    let world = World::in_memory(&gate).await;
    world.rotate(&token(2)).await.unwrap();
    world.live_through(SignedDuration::from_hours(27)).await;
    world.rotate(&token(3)).await.unwrap();
    let versions = world.versions().await;
    assert_eq!(versions[0].state, VersionState::Revoked);
    let secrets = &world.outside.secrets;
    let secret = secrets.describe(world.secret.as_str()).await.unwrap();
    for (version, mirrored) in versions.iter().zip([false, true, true]) {
        let tag = format!("keyward:handle:{}", version.id);
        assert_eq!(secret.tags.contains_key(&tag), mirrored, "{}", version.id);
    }
}
