//! Proof of death for keys whose cut was not recorded, or came only later.

use keyward_core::model::version::Confirmation;
use keyward_testkit::gate::Cut;

use super::*;

fn the_end(world: &World) -> Incident {
    let [incident] = &incidents(world)[..] else {
        panic!("one incident");
    };
    assert!(incident.done(KillStep::TellDone).is_some(), "{incident:?}");
    incident.clone()
}

/// Each key was seen refused after it was cut off, and before people are told that all is done.
fn assert_proven(incident: &Incident, context: &str) {
    let done = incident.done(KillStep::TellDone);
    for undo in &incident.undo {
        let confirmed = undo
            .confirmed
            .unwrap_or_else(|| panic!("{context}: {undo:?}"));
        assert_eq!(confirmed.by, Confirmation::Refused, "{context}: {undo:?}");
        assert!(Some(confirmed.at) <= done, "{context}: {undo:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_cut_off_only_later_is_seen_dead_too() {
    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    gate.silence(&["provider.disable"]);
    let order = order(&world, "alarm", Evidence::Alarm);
    let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
    assert!(matches!(outcome, KillOutcome::Unfinished(_)), "{outcome:?}");
    let id = incidents(&world)[0].id.clone();
    let confirm = keyward_core::rules::revoke::ConfirmPolicy::default();
    let again = invocation(world.outside.clock.as_ref(), "two");
    let outcome = keyward_core::usecases::kill::resume(&world.ports, &id, &confirm, &again).await;
    assert!(
        matches!(outcome, Ok(Some(KillOutcome::Unfinished(_)))),
        "{outcome:?}"
    );
    assert_eq!(incidents(&world)[0].done(KillStep::Confirm), None);
    gate.disarm();
    world.live_through(SignedDuration::from_hours(1)).await;
    assert_proven(&the_end(&world), "late");
}

/// The function ends after the keys are recorded as cut off, and before the incident says so.
#[tokio::test]
async fn a_cut_that_its_incident_does_not_know_of_is_seen_dead_too() {
    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    gate.record();
    let order = order(&world, "alarm", Evidence::Alarm);
    kill_on(&world.ports, &order, "one").await.unwrap();
    let (calls, _) = gate.disarm();
    let recorded = calls
        .iter()
        .rposition(|call| *call == "inventory.save_versions")
        .unwrap();
    for cut in [Cut::After] {
        let gate = Arc::new(Gate::default());
        let world = busy_world(&gate).await;
        gate.arm(recorded, cut);
        let killed = gate.until_stopped(kill_on(&world.ports, &order, "one"));
        assert!(killed.await.is_none());
        gate.disarm();
        assert_eq!(states(&world).await, [VersionState::Contained; 3]);
        world.pass(TIMEOUT);
        world.live_through(SignedDuration::from_hours(1)).await;
        let [told] = &alerts(&world, AlertKind::Contained)[..] else {
            panic!("one alert");
        };
        assert!(
            !told.done.as_str().contains("No key of it was alive"),
            "{told:?}"
        );
        assert_proven(&the_end(&world), "unrecorded");
    }
}
