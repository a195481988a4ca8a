//! An IAM user has two credentials at most: no rotation by schedule while both may be in use, and a kill makes room
//! without ever touching one in use, or one that no record has.

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::version::VersionState;
use keyward_core::rules::rotation::Refusal;
use keyward_core::usecases::rotate::RotationError;
use keyward_rotate::RotateError;
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::gate::{Cut, Gate, ISSUE};
use keyward_testkit::simulator::{KeyState, Simulator};
use keyward_tests::support::{World, check_rules, token};

use super::{settings, world, world_with};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn sent(simulator: &Simulator, call: ProviderCall) -> usize {
    let (method, path) = simulator.route(call);
    simulator.requests_to(method, path).len()
}

fn states(simulator: &Simulator) -> Vec<KeyState> {
    simulator.keys().iter().map(|key| key.state).collect()
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

#[tokio::test]
async fn no_third_key_is_asked_for_while_two_may_be_in_use() {
    let (world, simulator) = world().await;
    world.rotate(&token(2)).await.unwrap();
    world.pass(MINUTE * 11);
    let creates = sent(&simulator, ProviderCall::Create);
    let (error, retryable) = reason(world.rotate(&token(3)).await);
    let waits = matches!(error, RotationError::Refused(Refusal::StillRetiring(_)));
    assert!(waits && retryable, "{error:?}");
    assert_eq!(sent(&simulator, ProviderCall::Create), creates);
    assert_eq!(states(&simulator), [KeyState::Enabled; 2]);
    world.live_through(HOUR * 27).await;
    assert_eq!(states(&simulator), [KeyState::Deleted, KeyState::Enabled]);
    let secret = &world.outside.secrets;
    if secret.holder(&world.secret, &keyward_core::ports::Stage::Pending) != Some(token(3)) {
        world.rotate(&token(4)).await.unwrap();
    }
    world.live_through(HOUR * 27).await;
    check_rules(&world, "a third rotation").await;
}

/// Both keys are cut off by a kill. The replacement finds no place, so the older one is deleted, and the newer stays
/// for a person to look at.
#[tokio::test]
async fn a_kill_makes_room_by_deleting_the_oldest_that_was_cut_off() {
    let (world, simulator) = world().await;
    world.rotate(&token(2)).await.unwrap();
    world.pass(MINUTE * 11);
    world.kill().await;
    assert_eq!(states(&simulator), [KeyState::Disabled; 2]);
    let (error, retryable) = reason(world.rotate(&token(3)).await);
    assert!(
        matches!(error, RotationError::MadeRoom { .. }) && retryable,
        "{error:?}"
    );
    assert_eq!(states(&simulator), [KeyState::Deleted, KeyState::Disabled]);
    world.rotate(&token(3)).await.unwrap();
    assert_eq!(
        states(&simulator),
        [KeyState::Deleted, KeyState::Disabled, KeyState::Enabled]
    );
    world.live_through(HOUR * 27).await;
    check_rules(&world, "a kill makes room").await;
    assert_eq!(world.versions().await[1].state, VersionState::Contained);
}

/// The key that an invocation made and did not live to record takes the second place. The next calls of the same
/// rotation cut it off, make room of it, and go through: nobody is troubled.
#[tokio::test]
async fn a_key_of_an_invocation_that_died_makes_room_for_the_next() {
    let calls_before_the_key = {
        let gate = Arc::new(Gate::default());
        let (probe, _) = world_with(gate.clone(), settings()).await;
        let secrets = &probe.outside.secrets;
        secrets.begin_rotation(&probe.secret, &token(2));
        gate.record();
        probe.step("createSecret", &token(2)).await.unwrap();
        let (calls, _) = gate.disarm();
        calls.iter().position(|call| *call == ISSUE).unwrap()
    };
    let gate = Arc::new(Gate::default());
    let (world, simulator) = world_with(gate.clone(), settings()).await;
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    gate.arm(calls_before_the_key, Cut::After);
    let token_2 = token(2);
    let step = world.step("createSecret", &token_2);
    assert!(gate.until_stopped(step).await.is_none());
    gate.disarm();
    assert_eq!(states(&simulator), [KeyState::Enabled; 2]);
    world.pass(MINUTE * 6);
    let (error, retryable) = reason(world.rotate(&token(2)).await);
    assert!(
        matches!(error, RotationError::MadeRoom { .. }) && retryable,
        "{error:?}"
    );
    world.rotate(&token(2)).await.unwrap();
    assert_eq!(
        states(&simulator),
        [KeyState::Enabled, KeyState::Deleted, KeyState::Enabled]
    );
    let failed = world.outside.alerts.count(AlertKind::RotationFailed);
    assert_eq!(failed, 0);
    world.live_through(HOUR * 27).await;
    check_rules(&world, "an invocation that died").await;
}

/// Beside a key that no record has, a kill makes room all the same: of its own.
#[tokio::test]
async fn a_kill_makes_room_of_the_slots_own_alone() {
    let (world, simulator) = world().await;
    simulator.seed("by hand");
    world.kill().await;
    assert_eq!(states(&simulator), [KeyState::Disabled, KeyState::Enabled]);
    let (error, _) = reason(world.rotate(&token(2)).await);
    assert!(matches!(error, RotationError::MadeRoom { .. }), "{error:?}");
    world.rotate(&token(2)).await.unwrap();
    assert_eq!(
        states(&simulator),
        [KeyState::Deleted, KeyState::Enabled, KeyState::Enabled]
    );
}

/// P-12: one key is in use and nobody knows the other. The rotation fails, deletes nothing, and people are told.
#[tokio::test]
async fn p_12_an_unknown_key_in_the_other_place_is_left_alone() {
    let (world, simulator) = world().await;
    simulator.seed("by hand");
    let old = world.current_key();
    nothing_is_touched(&world, &simulator, 2).await;
    world.live_through(HOUR * 27).await;
    assert_eq!(states(&simulator), [KeyState::Enabled; 2]);
    assert_eq!(world.current_key(), old);
    check_rules_but_the_unknown(&world).await;
    // A person deletes the stale one, and the next rotation goes through.
    let stale = simulator.keys()[1].handle.clone();
    let handle = format!("bedrock-agent-0/{stale}").parse().unwrap();
    world
        .outside
        .provider
        .driver()
        .delete(&handle)
        .await
        .unwrap();
    world.rotate(&token(5)).await.unwrap();
    world.live_through(HOUR * 27).await;
    check_rules(&world, "P-12").await;
}

/// A refused create made nothing: a key that a person makes by hand right after it, in the same place, is theirs.
#[tokio::test]
async fn a_key_made_by_hand_after_a_refused_create_is_left_alone() {
    let (world, simulator) = world().await;
    simulator.seed("stale");
    nothing_is_touched(&world, &simulator, 2).await;
    let stale = simulator.keys()[1].handle.clone();
    let handle = format!("bedrock-agent-0/{stale}").parse().unwrap();
    world
        .outside
        .provider
        .driver()
        .delete(&handle)
        .await
        .unwrap();
    simulator.seed("by hand");
    world.live_through(HOUR * 27).await;
    assert_eq!(
        states(&simulator),
        [KeyState::Enabled, KeyState::Deleted, KeyState::Enabled]
    );
}

async fn nothing_is_touched(world: &World, simulator: &Simulator, n: u32) {
    let before = world.outside.alerts.count(AlertKind::RotationFailed);
    let (error, retryable) = reason(world.rotate(&token(n)).await);
    assert!(
        matches!(
            &error,
            RotationError::Provider(keyward_core::ports::ProviderError::LimitReached { .. })
        ) && !retryable,
        "{error:?}"
    );
    for call in [ProviderCall::Change, ProviderCall::Delete] {
        assert_eq!(sent(simulator, call), 0, "{call:?}");
    }
    let after = world.outside.alerts.count(AlertKind::RotationFailed);
    assert_eq!(after, before + 1);
    let told = world.outside.alerts.sent().pop().unwrap();
    let left = told.left.as_str();
    assert!(
        left.contains("keyward rotate support-bot-bedrock"),
        "{left}"
    );
}

async fn check_rules_but_the_unknown(world: &World) {
    let versions = world.versions().await;
    let current: Vec<_> = versions
        .iter()
        .filter(|v| v.state == VersionState::Current)
        .collect();
    assert_eq!(current.len(), 1);
    assert!(
        versions
            .iter()
            .all(|v| v.id == current[0].id || v.state == VersionState::Revoked)
    );
}
