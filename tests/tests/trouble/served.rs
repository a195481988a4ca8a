//! A person changes what agents fetch, behind Keyward's back.

use keyward_core::model::alert::Alert;
use keyward_core::model::slot::{Slot, SlotState};

use super::*;

/// The alerts about a secret that somebody else has changed.
fn told(world: &World) -> Vec<Alert> {
    let mut sent = world.outside.alerts.sent();
    sent.retain(|alert| alert.kind == AlertKind::ForeignSecretChange);
    sent
}

fn command(alert: &Alert) -> &str {
    alert.command.as_ref().unwrap().as_str()
}

/// A slot whose first key is dead, and whose second is current.
async fn with_a_dead_key() -> World {
    let (world, _) = rotated().await;
    world.outside.provider.call(&world.current_key());
    world.live_through(HOUR * 27).await;
    assert_eq!(world.versions().await[0].state, VersionState::Revoked);
    world
}

async fn put_into(world: &World, state: SlotState) {
    let slot = Slot {
        state,
        epoch: world.slot().await.epoch.next(),
        ..world.slot().await
    };
    world.outside.inventory.save_slot(&slot).await.unwrap();
}

#[tokio::test]
async fn a_label_that_was_moved_to_a_dead_key_pages_and_the_slot_gets_a_new_key() {
    let world = with_a_dead_key().await;
    let good = world.current_key();
    world.outside.secrets.move_current(&world.secret, &token(1));
    assert!(!world.outside.provider.accepts(&world.current_key()));
    world.live_through(MINUTE * 40).await;
    let [alert] = &told(&world)[..] else {
        panic!("{:?}", told(&world))
    };
    assert_eq!(alert.severity, Severity::Page);
    assert_eq!(command(alert), format!("keyward rotate {}", world.slot));
    let current = world.current_key();
    assert!(world.outside.provider.accepts(&current) && current != good);
    // Who fetched the good key before keeps it through its overlap.
    assert!(world.outside.provider.accepts(&good));
    world.live_through(HOUR * 27).await;
    check_rules(&world, "moved to a dead key").await;
    assert_eq!(told(&world).len(), 1);
}

#[tokio::test]
async fn a_label_on_the_dead_key_of_a_suspended_slot_pages_a_few_times_a_day_and_makes_no_key() {
    let world = with_a_dead_key().await;
    world.outside.secrets.move_current(&world.secret, &token(1));
    put_into(&world, SlotState::Suspended).await;
    world.live_through(HOUR * 23).await;
    let told = told(&world);
    assert!((3..=5).contains(&told.len()), "told {} times", told.len());
    assert!(command(&told[0]).starts_with("keyward restore "));
    assert_eq!(world.versions().await.len(), 2);
}

#[tokio::test]
async fn people_who_cannot_be_told_of_a_dead_key_are_told_later() {
    let world = with_a_dead_key().await;
    let gate = Arc::new(Gate::default());
    let ports = keyward_testkit::gate::gated(&world.open, &gate);
    world.outside.secrets.move_current(&world.secret, &token(1));
    put_into(&world, SlotState::Suspended).await;
    gate.silence(&["alerts.send"]);
    for _ in 0..12 {
        world.pass(MINUTE * 5);
        let _ = keyward_tests::support::retire_due(&ports, &world.confirm, world.deadline()).await;
    }
    assert_eq!(told(&world), []);
    gate.disarm();
    world.pass(MINUTE * 5);
    keyward_tests::support::retire_due(&ports, &world.confirm, world.deadline())
        .await
        .unwrap();
    assert_eq!(told(&world).len(), 1);
}

#[tokio::test]
async fn a_key_that_a_person_put_into_a_suspended_slot_is_recorded_and_pages_and_works_on() {
    for known in [true, false] {
        let (world, _) = world().await;
        put_into(&world, SlotState::Suspended).await;
        let key = match known {
            true => world.outside.provider.seed("by hand"),
            false => keyward_testkit::memory::made_up_key(1_000_000),
        };
        let secrets = &world.outside.secrets;
        secrets.put_current(&world.secret, &token(9), &key);
        world.live_through(MINUTE * 40).await;
        let versions = world.versions().await;
        let taken_in = versions.iter().find(|v| v.id.secret_version == token(9));
        let taken_in = taken_in.expect("it is recorded");
        assert_eq!(taken_in.state, VersionState::Current);
        assert_eq!(taken_in.handle.is_some(), known);
        assert_eq!(versions[0].state, VersionState::Retiring);
        assert_eq!(world.outside.provider.accepts(&key), known);
        let [alert] = &told(&world)[..] else {
            panic!("{:?}", told(&world))
        };
        assert_eq!(alert.severity, Severity::Page);
        assert!(command(alert).starts_with("keyward kill "), "{alert:?}");
        // No key is made for it.
        world.live_through(HOUR * 4).await;
        assert_eq!(world.versions().await.len(), 2);
        assert_eq!(world.current_key(), key);
    }
}

#[tokio::test]
async fn a_key_that_a_person_put_there_is_recorded_without_waiting_for_a_rotation() {
    let (world, _) = rotated().await;
    let replaced = world.current_key();
    let key = world.outside.provider.seed("by hand");
    let secrets = &world.outside.secrets;
    secrets.put_current(&world.secret, &token(9), &key);
    world.live_through(MINUTE * 40).await;
    let [alert] = &told(&world)[..] else {
        panic!("{:?}", told(&world))
    };
    assert_eq!(alert.severity, Severity::Warning);
    assert_eq!(world.current_key(), key);
    assert!(world.outside.provider.accepts(&replaced));
    world.outside.provider.call(&key);
    world.live_through(HOUR * 27).await;
    check_rules(&world, "put by hand").await;
}

/// The alert is lost, or the run ends before it: the key is in the inventory by then, and looks like any other.
#[tokio::test]
async fn a_key_that_was_taken_in_is_told_of_until_people_know() {
    let (world, gate) = rotated().await;
    let by_hand = world.outside.provider.seed("by hand");
    let secrets = &world.outside.secrets;
    secrets.put_current(&world.secret, &token(9), &by_hand);
    world.pass(HOUR);
    gate.silence(&["alerts.send"]);
    let run = keyward_tests::support::retire_due(&world.ports, &world.confirm, world.deadline());
    let Err(RetireError::SomeFailed { .. }) = run.await else {
        panic!("nobody knows");
    };
    gate.disarm();
    let is_it = |v: &Version| v.id.secret_version == token(9);
    let taken_in = world.versions().await.into_iter().find(is_it).unwrap();
    assert!(taken_in.told.taken_in_untold.is_some());
    assert_eq!(told(&world), []);
    world.live_through(MINUTE * 15).await;
    let [alert] = &told(&world)[..] else {
        panic!("{:?}", told(&world))
    };
    assert!(command(alert).starts_with("keyward kill "), "{alert:?}");
    world.live_through(HOUR * 12).await;
    assert_eq!(told(&world).len(), 1);
}
