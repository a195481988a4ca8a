//! What stands before the first key is disabled, in round trips.

use std::time::Duration;

use keyward_testkit::clock::TokioClock;
use keyward_testkit::gate::Cut;

use tokio::time::Instant;

use super::*;

/// One round trip, to whomever.
const TRIP: Duration = Duration::from_millis(100);

/// The function on a clock that waits for round trips. The calls, and in which trip each was begun.
async fn trips(switched: &Switched, event: &Value) -> Vec<(&'static str, u128)> {
    let ports = Ports {
        clock: Arc::new(TokioClock::at(switched.now())),
        ..switched.world.ports.clone()
    };
    let switch = switched.switch_on(&ports);
    let invocation = invocation(ports.clock.as_ref(), "one");
    switched.gate.slow_down(|_| TRIP);
    let since = Instant::now();
    let _ = handle(&switch, event, &invocation).await;
    let trip = |begun: Instant| (begun - since).as_millis() / TRIP.as_millis();
    let timed = switched.gate.timed().into_iter();
    timed.map(|made| (made.call, trip(made.begun))).collect()
}

/// The calls of one trip.
fn of(trips: &[(&'static str, u128)], number: u128) -> Vec<&'static str> {
    let calls = trips.iter().filter(|(_, trip)| *trip == number);
    let mut calls: Vec<&str> = calls.map(|(call, _)| *call).collect();
    calls.sort_unstable();
    calls
}

fn first(trips: &[(&'static str, u128)], call: &str) -> u128 {
    let mut trips = trips.iter();
    trips.find(|(made, _)| *made == call).unwrap().1
}

#[tokio::test(start_paused = true)]
async fn two_round_trips_to_aws_stand_before_the_first_key_is_disabled() {
    let switched = Switched::new().await;
    let event = event(&[switched.fires()]);
    let trips = trips(&switched, &event).await;
    let mut expected = [&["alarms.changes", "alarms.tags"], &READS[..]].concat();
    expected.sort_unstable();
    assert_eq!(of(&trips, 0), expected);
    assert_eq!(of(&trips, 1), ["inventory.open_incident", "providers.open"]);
    assert_eq!(first(&trips, "provider.disable"), 2);
    assert!(!switched.is_alive());
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_event_do_not_wait_for_each_other() {
    let switched = Switched::new().await;
    let fires = switched.fires();
    let others = (0..9).map(|n| {
        message_of(
            &arn(&format!("other-{n}")),
            "other",
            switched.now(),
            "ALARM",
        )
    });
    let messages: Vec<Value> = others.chain([fires]).collect();
    let trips = trips(&switched, &event(&messages)).await;
    assert_eq!(first(&trips, "provider.disable"), 2);
    assert_eq!(switched.alerts(AlertKind::KillRefused).len(), 9);
}

#[tokio::test(start_paused = true)]
async fn cloudwatch_is_waited_for_two_seconds_and_no_more() {
    for call in ["alarms.tags", "alarms.changes"] {
        let switched = Switched::new().await;
        let event = event(&[switched.fires()]);
        switched.gate.record();
        switched.handle(&event).await.unwrap();
        let (calls, _) = switched.gate.disarm();
        let number = calls.iter().position(|made| *made == call).unwrap();

        let switched = Switched::new().await;
        let event = self::event(&[switched.fires()]);
        switched.gate.arm(number, Cut::Before);
        let trips = trips(&switched, &event).await;
        assert_eq!(first(&trips, "provider.disable"), 21, "{call}");
        let evidence = switched.incidents()[0].triggers[0].evidence;
        assert_eq!(evidence, Evidence::UncheckedAlarm, "{call}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_inventory_that_does_not_answer_holds_containment_up_for_two_seconds() {
    for (call, at_most) in [("inventory.versions", 24), ("inventory.open_incident", 24)] {
        let switched = Switched::new().await;
        let event = event(&[switched.fires()]);
        switched.gate.record();
        switched.handle(&event).await.unwrap();
        let (calls, _) = switched.gate.disarm();
        let number = calls.iter().position(|made| *made == call).unwrap();

        let switched = Switched::new().await;
        let event = self::event(&[switched.fires()]);
        switched.gate.arm(number, Cut::Before);
        let trips = trips(&switched, &event).await;
        let disabled = first(&trips, "provider.disable");
        assert!(disabled <= at_most, "{call}: {disabled}");
        assert!(disabled >= 20, "{call}: {disabled}");
        assert!(!switched.is_alive(), "{call}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_never_comes_to_be_in_the_history_is_answered_in_two_seconds() {
    let switched = Switched::new().await;
    let event = event(&[switched.message(switched.now(), "ALARM")]);
    let trips = trips(&switched, &event).await;
    let readings = trips.iter().filter(|(call, _)| *call == "alarms.changes");
    assert!(readings.count() >= 4);
    assert!(first(&trips, "alerts.send") <= 20);
    assert!(switched.is_alive());
}

#[tokio::test(start_paused = true)]
async fn a_history_that_is_behind_its_message_is_read_again() {
    for (readings, kills) in [(1, true), (5, true), (6, false)] {
        let switched = Switched::new().await;
        let event = event(&[switched.fires()]);
        switched.alarms.fall_behind(readings);
        trips(&switched, &event).await;
        assert_eq!(switched.is_alive(), !kills, "{readings}");
        let evidence = switched.incidents().into_iter();
        let evidence: Vec<Evidence> = evidence.map(|i| i.triggers[0].evidence).collect();
        assert_eq!(
            evidence,
            vec![Evidence::Alarm; usize::from(kills)],
            "{readings}"
        );
    }
}
