//! The inventory is down, or slow: keys are cut off without it, and recorded later.

use keyward_core::ports::{SecretStore, TAG_ACCOUNT};
use keyward_testkit::gate::Cut;

use super::*;

const READS: [&str; 4] = [
    "inventory.slot",
    "inventory.versions",
    "inventory.incident_of_slot",
    "inventory.incident_of_trigger",
];

async fn is_recorded_when_ordered_again(world: &World, order: &KillOrder) {
    let outcome = kill_on(&world.ports, order, "two").await.unwrap();
    assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    assert_eq!(states(world).await, [VersionState::Contained; 3]);
    assert_eq!(incidents(world).len(), 1);
    assert_eq!(world.slot().await.epoch, Epoch(1));
}

#[tokio::test]
async fn without_the_inventory_keys_are_cut_off_and_recorded_later() {
    for down in [&READS[..], &["inventory.open_incident"]] {
        let gate = Arc::new(Gate::default());
        let world = busy_world(&gate).await;
        gate.silence(down);
        let order = order(&world, "alarm", Evidence::Alarm);
        let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
        assert_eq!(outcome, KillOutcome::Unrecorded(3), "{down:?}");
        assert!(world.outside.provider.live().is_empty(), "{down:?}");
        assert_eq!(incidents(&world), [], "{down:?}");
        let [told] = &alerts(&world, AlertKind::Contained)[..] else {
            panic!("one alert");
        };
        assert_eq!(told.severity, Severity::Page);
        assert!(told.what.as_str().contains("without the inventory"));
        gate.disarm();
        is_recorded_when_ordered_again(&world, &order).await;
    }
}

#[tokio::test]
async fn an_inventory_that_takes_too_long_is_not_waited_for() {
    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    let before = world.outside.clock.now();
    gate.arm(0, Cut::Before);
    let order = order(&world, "alarm", Evidence::Alarm);
    let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
    let (calls, _) = gate.disarm();
    let place = |call| calls.iter().position(|made| *made == call).unwrap();
    assert!(place("provider.disable") < place("inventory.open_incident"));
    assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    let waited = world.outside.clock.now().duration_since(before);
    assert!(waited <= SignedDuration::from_secs(4), "{waited}");
    assert!(world.outside.provider.live().is_empty());
    assert_eq!(states(&world).await, [VersionState::Contained; 3]);
}

#[tokio::test]
async fn where_the_secret_says_nothing_either_a_person_is_paged() {
    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    gate.silence(&READS);
    let secrets = &world.outside.secrets;
    secrets.untag(&world.secret, TAG_ACCOUNT).await.unwrap();
    let order = order(&world, "alarm", Evidence::Alarm);
    let error = kill_on(&world.ports, &order, "one").await.unwrap_err();
    assert!(matches!(error, KillError::Inventory(_)), "{error:?}");
    let told = alerts(&world, AlertKind::NotContained);
    assert_eq!(told[0].severity, Severity::Page);
    gate.disarm();
    is_recorded_when_ordered_again(&world, &order).await;
}

/// A message that comes again while the inventory is down cuts off the replacement, which its incident knows nothing of.
#[tokio::test]
async fn a_replacement_that_is_cut_off_without_the_inventory_is_replaced_too() {
    for mode in [Mode::Enforce, Mode::Observe] {
        let gate = Arc::new(Gate::default());
        let world = busy_world(&gate).await;
        let order = order(&world, "alarm", Evidence::Alarm);
        kill_on(&world.ports, &order, "one").await.unwrap();
        world.rotate_as_asked().await;
        world.live_through(SignedDuration::from_mins(30)).await;
        set_mode(&world, mode).await;
        let replacement = world.current_key();

        gate.silence(&READS);
        let outcome = kill_on(&world.ports, &order, "two").await.unwrap();
        assert!(matches!(outcome, KillOutcome::Unrecorded(_)), "{outcome:?}");
        assert!(!world.outside.provider.accepts(&replacement));
        gate.disarm();
        let outcome = kill_on(&world.ports, &order, "three").await.unwrap();
        assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
        world.rotate_as_asked().await;
        assert!(world.outside.provider.accepts(&world.current_key()));
        let [_, second] = &incidents(&world)[..] else {
            panic!("two incidents");
        };
        assert_eq!(second.triggers[0].evidence, Evidence::CutUnrecorded);
        assert_eq!(
            (second.suspends, world.slot().await.epoch),
            (None, Epoch(2))
        );

        let outcome = kill_on(&world.ports, &order, "four").await.unwrap();
        assert_eq!(outcome, KillOutcome::Over);
        assert!(world.outside.provider.accepts(&world.current_key()));
    }
}
