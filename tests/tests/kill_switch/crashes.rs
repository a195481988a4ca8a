//! Every call of the function cut off: the event given again, or the incident gone on with, ends it all.

use keyward_testkit::drive::{Point, Scenario, crash_at_every_call};
use keyward_tests::support::say;

use super::*;

/// A whole event: an alarm that kills, and one that is OK again.
struct Handled;

impl Scenario for Handled {
    type World = (Switched, Value);

    async fn world(&self, gate: &Arc<Gate>) -> Self::World {
        let switched = Switched::on(gate).await;
        let messages = [switched.fires(), switched.message(switched.now(), "OK")];
        (switched, event(&messages))
    }

    async fn operation(&self, (switched, event): &Self::World) {
        let _ = switched.handle(event).await;
    }

    /// Lambda gives an event again that did not end well, under the same id.
    async fn recover_and_check(&self, (switched, event): &Self::World, point: Option<Point>) {
        let context = format!("{point:?}");
        switched.world.pass(TIMEOUT);
        if point.is_some() {
            let again = switched.handle(event).await;
            again.unwrap_or_else(|error| panic!("{context}: {error}"));
        }
        let [incident] = &switched.incidents()[..] else {
            panic!("{context}: one incident");
        };
        assert_eq!(incident.triggers.len(), 1, "{context}");
        let killed = switched.world.versions().await;
        assert!(
            killed
                .iter()
                .all(|v| v.epoch >= incident.epoch || !v.state.is_promoted()),
            "{context}: {killed:?}"
        );
        assert!(!switched.is_alive(), "{context}");
        assert!(
            !switched.alerts(AlertKind::Contained).is_empty(),
            "{context}"
        );
        assert!(
            !switched.alerts(AlertKind::KillRefused).is_empty(),
            "{context}"
        );
        switched
            .world
            .live_through(SignedDuration::from_hours(2))
            .await;
        assert!(switched.is_alive(), "{context}: the replacement");
        let [incident] = &switched.incidents()[..] else {
            panic!("{context}: one incident");
        };
        assert!(incident.closed.is_some(), "{context}: {incident:?}");
    }
}

#[tokio::test]
async fn crash_at_every_call_of_the_function() {
    let ran = crash_at_every_call(&Handled).await;
    say(format_args!("an event of two messages: {ran} points"));
    assert!(ran >= 3 * 20);
}
