//! How a drill ends: at its last moment, in earnest, and with the slot as it was before.

use keyward_core::model::money::{DayLimit, SpendCap};
use keyward_core::rules::caps;
use keyward_core::usecases::retire;

use super::*;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// What a key of the slot may spend in this state.
fn limit(slot: &Slot, state: SlotState, now: Timestamp) -> SpendCap {
    let slot = Slot {
        state,
        ..slot.clone()
    };
    caps::of_new_key(&slot, DayLimit::ItsOwn, now)
}

impl Range {
    /// The limit of the key in use, as its provider has it.
    async fn limit_kept(&self) -> Option<SpendCap> {
        let versions = self.switched.world.versions().await;
        let current = versions.iter().find(|v| v.state == VersionState::Current);
        let handle = current.unwrap().handle.clone().unwrap();
        let driver = self.switched.world.outside.provider.driver();
        driver.get(&handle).await.unwrap().unwrap().cap
    }

    /// The monitor's judgement, at this moment.
    fn judged(&self) -> Value {
        json!({
            "keyward": "kill", "schema": 1, "stack": "prod", "slot": self.switched.world.slot,
            "score_thousandths": 2400, "basis": "usual", "judged": self.switched.now(),
            "reason": "3.1 times the baseline",
        })
    }
}

#[tokio::test]
async fn an_alarm_at_the_last_moment_is_the_drills_and_nobody_is_told_that_it_failed() {
    let range = Range::new().await;
    range.begin("drill-1").await.unwrap();
    let world = &range.switched.world;
    world.pass(MINUTE * 10 - SignedDuration::from_secs(1));
    let fired = event(&[range.switched.fires()]);
    // The message is on its way, or was given back once, while `retire` looks at the slot.
    for _ in 0..2 {
        world.pass(MINUTE * 2 - SignedDuration::from_secs(30));
        world.retire().await.unwrap();
    }
    let handled = range.switched.handle(&fired).await.unwrap();
    assert_eq!(handled, report(1, 0));
    let [incident] = &range.switched.incidents()[..] else {
        panic!("one incident");
    };
    assert!(incident.drill.is_some());
    range.recovers();
    range.goes_on(1).await;
    assert_eq!(range.switched.alerts(AlertKind::DrillFailed), []);
    let over = range.over().await;
    assert_eq!(over[0].outcome, DrillOutcome::Passed);
}

#[tokio::test]
async fn a_canary_is_as_it_was_once_its_drill_has_passed() {
    let range = Range::new().await;
    range.begin("drill-1").await.unwrap();
    range.alarm_reads().await;
    let restricted = range.switched.world.slot().await;
    assert_eq!(restricted.state, SlotState::Restricted);
    range.recovers();
    range.goes_on(1).await;
    let slot = range.switched.world.slot().await;
    assert_eq!(slot.state, SlotState::Active);
    let normal = limit(&slot, SlotState::Active, range.switched.now());
    assert_eq!(range.limit_kept().await, Some(normal));
    let [told] = &range.switched.alerts(AlertKind::DrillDone)[..] else {
        panic!("one alert");
    };
    assert!(told.left.as_str().starts_with("Nothing: "), "{told:?}");
}

#[tokio::test]
async fn a_limit_that_cannot_be_raised_for_a_day_after_a_drill_is_left_to_a_person() {
    let range = Range::new().await;
    range.begin("drill-1").await.unwrap();
    range.alarm_reads().await;
    range.recovers();
    range.goes_on(1).await;
    let over = range.over().await.remove(0);
    let now = range.switched.now();
    range
        .change(|slot| {
            slot.state = SlotState::Restricted;
            slot.drill = Some(under_way_again(over));
            slot.due_at = now;
        })
        .await;
    let world = &range.switched.world;
    range.switched.gate.silence(&["provider.set_cap"]);
    for is_over in [false, true] {
        let deadline = Deadline(range.switched.now() + MINUTE * 5);
        let run = retire::carry_on(&world.ports, &world.confirm, deadline).await;
        assert_eq!(run.unwrap().failed, 0);
        let slot = world.slot().await;
        assert_eq!(slot.state, SlotState::Restricted);
        assert_eq!(slot.drill.is_none(), is_over);
        world.pass(SignedDuration::from_hours(24));
    }
    range.switched.gate.disarm();
    let told = range.switched.alerts(AlertKind::DrillDone).pop().unwrap();
    let command = told.command.unwrap();
    assert!(command.as_str().starts_with("keyward restore "));
}

#[tokio::test]
async fn a_slot_that_was_restricted_before_its_drill_stays_so() {
    let range = Range::new().await;
    let fired = event(&[range.switched.fires()]);
    range.switched.handle(&fired).await.unwrap();
    range.recovers();
    range.goes_on(1).await;
    range.begin("drill-1").await.unwrap();
    range.alarm_reads().await;
    range.recovers();
    range.goes_on(1).await;
    assert_eq!(range.over().await[0].outcome, DrillOutcome::Passed);
    let slot = range.switched.world.slot().await;
    assert_eq!(slot.state, SlotState::Restricted);
    let told = range.switched.alerts(AlertKind::DrillDone).pop().unwrap();
    assert!(told.left.as_str().contains("keyward restore "), "{told:?}");
}

/// People read the texts at night: a drill's must not have them look for a thief.
#[tokio::test]
async fn no_text_of_a_drill_sends_people_hunting() {
    let range = Range::new().await;
    range.begin("drill-1").await.unwrap();
    range.alarm_reads().await;
    range.recovers();
    range.goes_on(2).await;
    let alerts = range.switched.world.outside.alerts.take();
    let drilled = alerts.iter().filter(|alert| alert.drill.is_some());
    assert!(drilled.clone().count() >= 3, "{alerts:?}");
    for alert in drilled {
        let left = alert.left.as_str();
        assert!(!left.contains("Find out"), "{alert:?}");
        assert!(!left.contains("--key newest"), "{alert:?}");
        if alert.kind != AlertKind::NotReplaced {
            assert!(left.starts_with("Nothing"), "{alert:?}");
        }
    }
}

/// What comes while a drill's incident is open is in earnest: the drill must not hide it, and people who were told of a
/// drill are told anew.
#[tokio::test]
async fn an_order_that_joins_a_drills_incident_turns_it_earnest() {
    let range = Range::new().await;
    range.begin("drill-1").await.unwrap();
    range.alarm_reads().await;
    let order = range.judged();
    range.switched.handle(&order).await.unwrap();
    let [incident] = &range.switched.incidents()[..] else {
        panic!("one incident");
    };
    assert_eq!((incident.triggers.len(), &incident.drill), (2, &None));
    let [drilled, earnest] = &range.switched.alerts(AlertKind::Contained)[..] else {
        panic!("two alerts");
    };
    assert!(drilled.drill.is_some());
    assert_eq!(earnest.drill, None);
    assert!(!earnest.what.as_str().contains("DRILL"), "{earnest:?}");
    assert!(earnest.what.as_str().contains("monitor"), "{earnest:?}");
    assert!(earnest.left.as_str().contains("Find out"), "{earnest:?}");

    range.recovers();
    range.goes_on(1).await;
    let over = range.over().await;
    assert_eq!(over[0].outcome, DrillOutcome::Overtaken);
    assert_eq!(range.switched.alerts(AlertKind::DrillDone), []);
    let slot = range.switched.world.slot().await;
    assert_eq!(slot.state, SlotState::Restricted);
    let killed = slot.killed.unwrap();
    assert_eq!(killed.in_earnest(), Some(killed.at));

    // Its replacement is abused too.
    let again = range.judged();
    range.switched.handle(&again).await.unwrap();
    let slot = range.switched.world.slot().await;
    assert_eq!(slot.state, SlotState::Suspended);
}

/// The kill switch is at work for the drill, and has told people so, when the order comes; or nobody can be told at once.
#[tokio::test]
async fn people_who_know_of_a_drill_only_are_told_that_it_is_in_earnest() {
    for silent in [&["alerts.send"][..], &[]] {
        let range = Range::new().await;
        range.begin("drill-1").await.unwrap();
        range.alarm_reads().await;
        let order = range.judged();
        range.switched.gate.silence(silent);
        let _ = range.switched.handle(&order).await;
        range.switched.gate.disarm();
        let _ = range.switched.handle(&order).await;
        range.recovers();
        range.goes_on(1).await;
        let told = range.switched.alerts(AlertKind::Contained);
        let earnest = told.iter().filter(|alert| alert.drill.is_none());
        assert_eq!(earnest.count(), 1, "{told:?}");
        assert_eq!(range.over().await[0].outcome, DrillOutcome::Overtaken);
    }
}

/// The same at each call of a kill for a drill: whatever was told as a drill's after the order came is told anew.
#[tokio::test]
async fn an_order_in_earnest_before_each_call_of_a_drills_kill_is_told_in_earnest() {
    let calls = {
        let range = Range::new().await;
        range.begin("drill-1").await.unwrap();
        range.switched.gate.record();
        range.alarm_reads().await;
        range.switched.gate.disarm().0
    };
    for at in 0..calls.len() {
        let range = Range::new().await;
        range.begin("drill-1").await.unwrap();
        let order = order_in_earnest(&range);
        range.switched.gate.before(at, order);
        let _ = range.alarm_reads().await;
        let (_, fired) = range.switched.gate.disarm();
        assert!(fired.is_some(), "{at}");
        range.recovers();
        range.goes_on(1).await;
        let told = range.switched.alerts(AlertKind::Contained);
        let earnest = told.iter().filter(|alert| alert.drill.is_none());
        assert!(earnest.count() >= 1, "{at}, {fired:?}: {told:?}");
        assert_eq!(range.drill().await, None, "{at}, {fired:?}");
        let slot = range.switched.world.slot().await;
        assert_ne!(slot.state, SlotState::Active, "{at}, {fired:?}");
        let killed = slot.killed.unwrap();
        assert!(killed.in_earnest().is_some(), "{at}, {fired:?}");
    }
}

/// A person's kill, when it is awaited.
fn order_in_earnest(range: &Range) -> impl Future<Output = ()> + Send + 'static {
    let world = &range.switched.world;
    let (ports, slot) = (world.open.clone(), world.slot.clone());
    async move {
        let order = KillOrder {
            slot,
            trigger: TriggerId::new("person@request"),
            evidence: Evidence::Person,
            cause: OutsideText::new("ana (person): it is abused"),
            seen: ports.clock.now(),
            figures: Figures::OfLiveKeys,
        };
        let invocation = invocation(ports.clock.as_ref(), "person");
        kill(&ports, &order, &invocation).await.unwrap();
    }
}

pub(super) fn under_way_again(over: Drill) -> DrillUnderWay {
    DrillUnderWay {
        id: over.id,
        by: over.by,
        reason: over.reason,
        started: over.started + SignedDuration::from_millis(1),
        incident: over.incident,
    }
}
