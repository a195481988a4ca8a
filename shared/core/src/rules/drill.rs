//! Whether a drill may begin, what it has set off, and how it ended.

use jiff::{SignedDuration, Timestamp};

use crate::model::alarm::{AlarmMetric, AlarmSettings, AlarmState};
use crate::model::drill::{DONE_WITHIN, DrillOutcome, DrillUnderWay};
use crate::model::incident::{Evidence, Figures, Incident, KillStep};
use crate::model::slot::{Killed, Mode, Slot, SlotState};
use crate::model::version::{Version, VersionState};
use crate::rules::kill::{Deployment, KillOrder};
use crate::rules::rotation::{Refusal, refused_now};

/// How far the alarm's clock may be behind ours.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(1);

/// What is known when a drill is asked for.
#[derive(Debug, Clone)]
pub struct DrillFacts<'a> {
    /// The slot.
    pub slot: &'a Slot,
    /// Its versions.
    pub versions: &'a [Version],
    /// Its open incident.
    pub open: Option<&'a Incident>,
    /// Its alarm; `None` if there is no such alarm.
    pub alarm: Option<&'a AlarmSettings>,
    /// Whether the alarm's tags name this stack and this slot.
    pub is_tagged: bool,
    /// Whether the standby pool has a key for the slot, where it needs one.
    pub has_standby: bool,
    /// Who we are.
    pub deployment: &'a Deployment,
    /// The time.
    pub now: Timestamp,
}

/// Why a drill does not begin. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDrilled {
    /// Nobody said that its key may be cut off.
    #[error(
        "it is no canary: a drill cuts its key off. Choose a slot that nobody depends on, set `canary` to true for it in the fleet file, and apply that"
    )]
    NoCanary,
    /// A kill would only be told.
    #[error("it only observes, so nothing would be cut off: keyward enforce")]
    Observes,
    /// It has no key and gets none.
    #[error("it is {0}: keyward restore")]
    Closed(&'static str),
    /// No key is in use.
    #[error("it has no key in use, so there is nothing to cut off: keyward rotate")]
    NoKey,
    /// It is being cut off.
    #[error("its incident {0} is still open: wait until that is closed")]
    Incident(String),
    /// Another drill of it is not over.
    #[error("a drill of it has been under way since {0}: wait until that is over")]
    UnderWay(Timestamp),
    /// The kill would leave it suspended.
    #[error("no replacement could be made, and it would be left suspended: {0}")]
    NoReplacement(String),
    /// There is no alarm.
    #[error("it has no alarm `{0}`: nothing would be set off. The monitor makes it")]
    NoAlarm(String),
    /// The alarm is not what the kill switch takes for ours.
    #[error(
        "its alarm does not carry the tags of this deployment and slot, so it would kill nobody"
    )]
    NotOurs,
    /// The alarm looks elsewhere.
    #[error("its alarm does not watch its KillScore, so it can never be set off")]
    WatchesOther,
    /// The alarm tells nobody.
    #[error("the actions of its alarm are turned off, so nothing would be set off")]
    ActionsOff,
    /// The alarm tells somebody else.
    #[error("its alarm does not publish to the alarm topic `{0}`, so nothing would be set off")]
    OtherTopic(String),
    /// The alarm cannot go to ALARM once more.
    #[error(
        "its alarm is in ALARM already, and acts on a change only: wait until it is OK, and look whether somebody uses the canary"
    )]
    InAlarm,
}

/// Whether a drill of the slot may begin now.
///
/// # Errors
/// [`NotDrilled`]: the first of the reasons why not.
pub fn may_begin(facts: &DrillFacts<'_>) -> Result<(), NotDrilled> {
    of_slot(facts)?;
    of_alarm(facts)
}

fn of_slot(facts: &DrillFacts<'_>) -> Result<(), NotDrilled> {
    let DrillFacts { slot, now, .. } = *facts;
    if !slot.canary {
        return Err(NotDrilled::NoCanary);
    }
    if slot.mode != Mode::Enforce {
        return Err(NotDrilled::Observes);
    }
    match slot.state {
        SlotState::Active | SlotState::Restricted => {}
        SlotState::Suspended => return Err(NotDrilled::Closed("suspended")),
        SlotState::Decommissioned => return Err(NotDrilled::Closed("decommissioned")),
    }
    if let Some(drill) = &slot.drill {
        return Err(NotDrilled::UnderWay(drill.started));
    }
    if let Some(open) = facts.open {
        return Err(NotDrilled::Incident(open.id.clone()));
    }
    let is_current = |v: &Version| v.state == VersionState::Current;
    if !facts.versions.iter().any(is_current) {
        return Err(NotDrilled::NoKey);
    }
    if let Some(refusal @ Refusal::Budget(_)) = refused_now(slot, facts.versions, now) {
        return Err(NotDrilled::NoReplacement(refusal.to_string()));
    }
    if !facts.has_standby {
        let why = "the standby pool has no key that it can use";
        return Err(NotDrilled::NoReplacement(why.to_owned()));
    }
    Ok(())
}

fn of_alarm(facts: &DrillFacts<'_>) -> Result<(), NotDrilled> {
    let (slot, deployment) = (facts.slot, facts.deployment);
    let name = deployment.alarm_name(&slot.name);
    let alarm = facts.alarm.ok_or(NotDrilled::NoAlarm(name))?;
    if !facts.is_tagged {
        return Err(NotDrilled::NotOurs);
    }
    let score = AlarmMetric::kill_score(&deployment.stack, &slot.name);
    if alarm.metric != Some(score) {
        return Err(NotDrilled::WatchesOther);
    }
    if !alarm.actions_enabled {
        return Err(NotDrilled::ActionsOff);
    }
    let topic = deployment.topic.as_str();
    if !alarm.actions.iter().any(|action| action.as_str() == topic) {
        return Err(NotDrilled::OtherTopic(topic.to_owned()));
    }
    if alarm.state == AlarmState::Alarm {
        return Err(NotDrilled::InAlarm);
    }
    Ok(())
}

/// The drill that an order to cut the slot off comes from: the slot waits for it, and the order is its own alarm's.
pub fn drill_of<'a>(slot: &'a Slot, order: &KillOrder) -> Option<&'a DrillUnderWay> {
    let drill = slot.drill.as_ref().filter(|_| slot.canary)?;
    let is_alarm = matches!(order.evidence, Evidence::Alarm | Evidence::UncheckedAlarm);
    let is_its_own = is_alarm && order.figures == Figures::OfLiveKeys;
    let is_after = order.seen + CLOCK_SKEW >= drill.started;
    (is_its_own && is_after && drill.waits(order.seen)).then_some(drill)
}

/// How a drill ended; `None` while it goes on. `incident` is the one that it set off.
pub fn ended(slot: &Slot, incident: Option<&Incident>, now: Timestamp) -> Option<DrillOutcome> {
    let drill = slot.drill.as_ref()?;
    let Some(incident) = incident else {
        let killed_since = slot.killed.is_some_and(|k| k.at >= drill.started);
        return (now >= drill.decided_at()).then_some(match killed_since {
            true => DrillOutcome::Overtaken,
            false => DrillOutcome::SetNothingOff,
        });
    };
    if incident.drill.is_none() {
        return Some(DrillOutcome::Overtaken);
    }
    if incident.done(KillStep::TellDone).is_none() {
        return (now.duration_since(drill.started) >= DONE_WITHIN)
            .then_some(DrillOutcome::Incomplete);
    }
    let is_whole = incident.suspends.is_none() && incident.done(KillStep::Replace).is_some();
    Some(match is_whole {
        true => DrillOutcome::Passed,
        false => DrillOutcome::Incomplete,
    })
}

/// Whether the slot is restricted for a drill that passed, and for nothing else: it was active before, and was neither cut
/// off nor suspended since. Whoever asked for the drill has said that its key was not abused, so nobody else need say it.
pub fn is_lifted_by(slot: &Slot, incident: &Incident, outcome: DrillOutcome) -> bool {
    let was_active = slot
        .killed
        .filter(|killed| killed.epoch == incident.epoch)
        .and_then(|killed| killed.drill)
        .is_some_and(|drilled| drilled.was == Some(SlotState::Active));
    outcome == DrillOutcome::Passed
        && was_active
        && slot.state == SlotState::Restricted
        && slot.epoch == incident.epoch
}

/// The slot's last kill once its drill is over so: one that turned out to be in earnest is counted as such.
pub fn killed_after(
    slot: &Slot,
    incident: Option<&Incident>,
    outcome: DrillOutcome,
) -> Option<Killed> {
    let killed = slot.killed?;
    let is_of = incident.is_some_and(|i| i.epoch == killed.epoch);
    Some(match outcome {
        DrillOutcome::Overtaken if is_of => Killed {
            drill: None,
            ..killed
        },
        _ => killed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::act::{ActId, CallerArn};
    use crate::model::drill::{SETS_OFF_WITHIN, TAKEN_ON_WITHIN};
    use crate::model::incident::{StepResult, Suspends, TriggerId};
    use crate::model::slot::{Drilled, Epoch, Killed};
    use crate::model::text::OutsideText;

    fn at(seconds: i64) -> Timestamp {
        let start: Timestamp = "2026-12-01T09:00:00Z".parse().unwrap();
        start + SignedDuration::from_secs(seconds)
    }

    /// A canary whose drill began at zero.
    fn canary() -> Slot {
        let entry = serde_json::json!({
            "schema": 1, "revision": 3, "name": "canary", "agent": "canary", "owner": "team",
            "environment": "prod", "provider": "openrouter", "account": "main",
            "secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:canary-AbCdEf",
            "kind": "minted", "mode": "enforce", "epoch": 4, "due_at": at(0), "state": "active",
            "expected": {"daily": 1, "monthly": 30},
            "policy": {"max_age": 5_184_000, "overlap": 7200, "deadline": 86_400, "refresh": 1800},
        });
        let slot: Slot = serde_json::from_value(entry).unwrap();
        assert!(!slot.canary, "an item without the field is no canary");
        Slot {
            canary: true,
            drill: Some(DrillUnderWay {
                id: ActId::new("drill-1"),
                by: CallerArn::new("arn:aws:iam::111122223333:user/ana"),
                reason: OutsideText::new("monthly"),
                started: at(0),
                incident: None,
            }),
            ..slot
        }
    }

    #[test]
    fn only_the_canarys_own_alarm_within_its_time_is_the_drill() {
        type Change = fn(&mut Slot, &mut KillOrder);
        let cases: [(&str, Change, bool); 9] = [
            ("its alarm", |_, _| {}, true),
            (
                "CloudWatch could not be asked",
                |_, o| o.evidence = Evidence::UncheckedAlarm,
                true,
            ),
            (
                "at once, by a clock that is behind",
                |_, o| o.seen = at(-1),
                true,
            ),
            ("before it", |_, o| o.seen = at(-2), false),
            ("too late for it", |_, o| o.seen = at(600), false),
            (
                "somebody else's alarm",
                |_, o| o.figures = Figures::OfAllKeys,
                false,
            ),
            ("a leak", |_, o| o.evidence = Evidence::Leak, false),
            ("no canary any more", |s, _| s.canary = false, false),
            (
                "one more after its incident",
                |s, _| s.drill.as_mut().unwrap().incident = Some("canary-5".to_owned()),
                false,
            ),
        ];
        for (name, change, expected) in cases {
            let mut slot = canary();
            let mut order = KillOrder {
                slot: slot.name.clone(),
                trigger: TriggerId::new("alarm"),
                evidence: Evidence::Alarm,
                cause: OutsideText::new("why"),
                seen: at(40),
                figures: Figures::OfLiveKeys,
            };
            change(&mut slot, &mut order);
            assert_eq!(drill_of(&slot, &order).is_some(), expected, "{name}");
        }
    }

    #[test]
    fn a_drill_ends_with_its_incident_or_by_the_clock() {
        use DrillOutcome::{Incomplete, Overtaken, Passed, SetNothingOff};
        let killed = |at, drill| Killed {
            at,
            epoch: Epoch(5),
            drill,
        };
        let mut slot = canary();
        // An alarm that changed at the last moment may still be on its way to the kill switch.
        let decided = SETS_OFF_WITHIN + TAKEN_ON_WITHIN;
        assert!(slot.drill.as_ref().unwrap().waits(at(599)));
        let after = |seconds| at(decided.as_secs() + seconds);
        assert_eq!(ended(&slot, None, after(-1)), None);
        assert_eq!(ended(&slot, None, after(0)), Some(SetNothingOff));
        slot.killed = Some(killed(at(-9), None));
        assert_eq!(ended(&slot, None, after(0)), Some(SetNothingOff));
        slot.killed = Some(killed(at(9), None));
        assert_eq!(ended(&slot, None, after(0)), Some(Overtaken));
        slot.killed = Some(killed(at(9), Some(Drilled::default())));
        assert_eq!(slot.killed.unwrap().in_earnest(), None);

        let mut incident = Incident::open(&slot.name, Epoch(4), OutsideText::new("drill"), at(40));
        assert_eq!(ended(&slot, Some(&incident), at(41)), Some(Overtaken));
        incident.drill = slot.drill.as_ref().map(|drill| drill.id.clone());
        assert_eq!(ended(&slot, Some(&incident), at(86_399)), None);
        assert_eq!(ended(&slot, Some(&incident), at(86_400)), Some(Incomplete));
        incident.take(KillStep::TellDone, at(300), StepResult::Done);
        assert_eq!(ended(&slot, Some(&incident), at(301)), Some(Incomplete));
        incident.take(KillStep::Replace, at(90), StepResult::Done);
        assert_eq!(ended(&slot, Some(&incident), at(301)), Some(Passed));
        incident.suspends = Some(Suspends::NoReplacement);
        assert_eq!(ended(&slot, Some(&incident), at(301)), Some(Incomplete));
        slot.drill = None;
        assert_eq!(ended(&slot, Some(&incident), at(301)), None);
    }

    #[test]
    fn only_what_the_drill_alone_restricted_is_lifted_when_it_passes() {
        type Change = fn(&mut Slot);
        let drilled = |was| {
            let before = None;
            Some(Drilled { before, was })
        };
        let slot = Slot {
            state: SlotState::Restricted,
            epoch: Epoch(5),
            killed: Some(Killed {
                at: at(40),
                epoch: Epoch(5),
                drill: drilled(Some(SlotState::Active)),
            }),
            ..canary()
        };
        let incident = Incident::open(&slot.name, Epoch(4), OutsideText::new("drill"), at(40));
        let lifted = |slot: &Slot| is_lifted_by(slot, &incident, DrillOutcome::Passed);
        assert!(lifted(&slot));
        assert!(!is_lifted_by(&slot, &incident, DrillOutcome::Incomplete));
        let cases: [(&str, Change); 6] = [
            ("restricted before", |s| {
                let was = Some(SlotState::Restricted);
                s.killed.as_mut().unwrap().drill = Some(Drilled { before: None, was });
            }),
            ("by an earlier release", |s| {
                s.killed.as_mut().unwrap().drill = Some(Drilled::default());
            }),
            ("in earnest", |s| s.killed.as_mut().unwrap().drill = None),
            ("cut off again", |s| {
                s.epoch = Epoch(6);
                s.killed.as_mut().unwrap().epoch = Epoch(6);
            }),
            ("suspended since, and rotated again", |s| s.epoch = Epoch(6)),
            ("suspended", |s| s.state = SlotState::Suspended),
        ];
        for (name, change) in cases {
            let mut slot = slot.clone();
            change(&mut slot);
            assert!(!lifted(&slot), "{name}");
        }

        let killed = |outcome| killed_after(&slot, Some(&incident), outcome).unwrap();
        assert_eq!(killed(DrillOutcome::Overtaken).in_earnest(), Some(at(40)));
        assert_eq!(killed(DrillOutcome::Passed).in_earnest(), None);
        let another = Incident::open(&slot.name, Epoch(3), OutsideText::new("drill"), at(9));
        let kept = killed_after(&slot, Some(&another), DrillOutcome::Overtaken);
        assert_eq!(kept, slot.killed);
    }
}
