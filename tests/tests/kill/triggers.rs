//! Several things set off one incident.

use keyward_core::model::incident::Containment;
use keyward_testkit::gate::Cut;

use super::*;

#[tokio::test]
async fn the_same_transition_starts_one_kill_however_often_it_comes() {
    let world = busy_world(&Arc::default()).await;
    let order = order(&world, "alarm", Evidence::Alarm);
    let first = kill_on(&world.ports, &order, "one").await.unwrap();
    assert!(matches!(first, KillOutcome::Contained(_)), "{first:?}");
    let again = kill_on(&world.ports, &order, "two").await.unwrap();
    assert_eq!(again, KillOutcome::Contained(vec![]), "it is still open");
    for late in [10, 30, 90] {
        world.live_through(SignedDuration::from_mins(late)).await;
        let again = kill_on(&world.ports, &order, "two").await.unwrap();
        assert_eq!(again, KillOutcome::Over);
    }
    assert_eq!(incidents(&world).len(), 1);
    assert_eq!(world.slot().await.epoch, Epoch(1));
    assert!(world.outside.provider.accepts(&world.current_key()));
    assert_eq!(alerts(&world, AlertKind::Contained).len(), 1);
}

#[tokio::test]
async fn a_new_trigger_after_the_end_is_a_new_kill() {
    let world = busy_world(&Arc::default()).await;
    for (number, trigger) in ["one", "two"].into_iter().enumerate() {
        let order = order(&world, trigger, Evidence::Alarm);
        let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
        assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
        assert!(world.outside.provider.live().is_empty());
        assert_eq!(incidents(&world).len(), number + 1);
        world.live_through(SignedDuration::from_hours(1)).await;
    }
}

/// A kill that was cut off right after its claim, so that its lease runs on.
async fn claimed_and_dead() -> World {
    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    let order = order(&world, "alarm", Evidence::Alarm);
    gate.record();
    kill_on(&world.ports, &order, "one").await.unwrap();
    let (calls, _) = gate.disarm();
    let claim = calls.iter().position(|c| *c == "inventory.open_incident");

    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    gate.arm(claim.unwrap(), Cut::After);
    let killed = gate.until_stopped(kill_on(&world.ports, &order, "one"));
    assert!(killed.await.is_none());
    gate.disarm();
    world
}

#[tokio::test]
async fn another_trigger_hardens_an_incident_that_is_worked_on() {
    let world = claimed_and_dead().await;
    let leak = order(&world, "leak", Evidence::Leak);
    for _ in 0..2 {
        let outcome = kill_on(&world.open, &leak, "two").await.unwrap();
        assert_eq!(outcome, KillOutcome::Attached);
    }
    let [incident] = &incidents(&world)[..] else {
        panic!("one incident");
    };
    assert_eq!(incident.containment, Containment::Final);
    assert_eq!(incident.owner, Some(OwnerId::new("one")));
    let ids: Vec<&str> = incident.triggers.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(ids, ["alarm", "leak"]);

    world.live_through(SignedDuration::from_mins(5)).await;
    assert_eq!(incidents(&world).len(), 1);
    assert_eq!(outdated_live(&world).await, [""; 0]);
    world.live_through(SignedDuration::from_mins(30)).await;
    let versions = world.versions().await;
    let old = versions.iter().filter(|v| v.epoch == Epoch(0));
    assert!(old.clone().count() == 3);
    for version in old {
        assert_eq!(version.state, VersionState::Revoked, "{version:?}");
    }
}

#[tokio::test]
async fn a_kill_that_is_gone_on_with_late_spares_the_replacement() {
    let world = claimed_and_dead().await;
    world.pass(TIMEOUT);
    world.rotate(&token(4)).await.unwrap();
    let replacement = world.current_key();
    world.live_through(SignedDuration::from_mins(10)).await;
    assert!(incidents(&world)[0].closed.is_some());
    assert!(world.outside.provider.accepts(&replacement));
    assert_eq!(world.current_key(), replacement);
    assert_eq!(outdated_live(&world).await, [""; 0]);
}

#[tokio::test]
async fn an_expired_lease_is_taken_on_and_a_running_one_is_not() {
    let world = claimed_and_dead().await;
    let order = order(&world, "alarm", Evidence::Alarm);
    let outcome = kill_on(&world.open, &order, "two").await.unwrap();
    assert_eq!(outcome, KillOutcome::Attached);
    assert!(!world.outside.provider.live().is_empty());
    world.pass(TIMEOUT);
    let outcome = kill_on(&world.open, &order, "two").await.unwrap();
    assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    assert!(world.outside.provider.live().is_empty());
    assert_eq!(incidents(&world).len(), 1);
    assert_eq!(world.slot().await.epoch, Epoch(1));
}
