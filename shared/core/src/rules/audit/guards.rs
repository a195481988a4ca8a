//! Rules on what Keyward itself needs to be able to act: alarms, drills, pools, admin credentials.

use jiff::SignedDuration;

use super::Fault;
use super::facts::{
    BreakGlassFacts, CredentialFacts, FleetFacts, GuardFacts, PoolFacts, SlotFacts,
};
use crate::model::admin::BreakGlassResult;
use crate::model::alarm::AlarmState;
use crate::model::drill::Drill;
use crate::model::names::SlotName;
use crate::model::slot::SlotState;
use crate::rules::admin::{BREAK_GLASS_TRIED, HOLDS};
use crate::rules::alarms::AlarmChange;
use crate::rules::doctor::{self, Health};

/// An alarm without data for so long watches nothing.
const SILENT_AFTER: SignedDuration = SignedDuration::from_hours(24);

const DAY_HOURS: i64 = 24;

pub(super) fn unguarded(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let Some(change) = facts.alarm.seen().flatten() else {
        return Vec::new();
    };
    let evidence = match change {
        AlarmChange::Make(alarm) => format!("there is no alarm {}", alarm.name),
        AlarmChange::Correct(alarm, _, differs) => format!(
            "the alarm {} is not as it is to be: {}",
            alarm.name,
            differs.join(", ")
        ),
        AlarmChange::Taken(alarm, _) => {
            format!("the alarm {} belongs to another deployment", alarm.name)
        }
        AlarmChange::Remove(..) => return Vec::new(),
    };
    let is_gone = facts.slot.state == SlotState::Decommissioned;
    Fault::when(!is_gone, || (evidence, None))
}

/// Whether an alarm that guards by the deployment's map, or tells the kill switch, can ever cut anything off.
pub(super) fn guards_nothing(facts: &GuardFacts<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut say = |part: &str, what: String, since| faults.push(Fault::of(part, what, since));
    let topic = facts.deployment.topic.as_str();
    if facts.slots.is_empty() {
        let what = "it tells the kill switch, and neither its metric nor the deployment's map names a slot for it";
        say("slot", what.to_owned(), None);
    }
    for slot in facts.unknown {
        let part = format!("slot {slot}");
        say(
            &part,
            format!("there is no slot {slot} for it to guard"),
            None,
        );
    }
    let is_silent = *facts.state == AlarmState::InsufficientData
        && facts.since.is_none_or(|at| facts.now > at + SILENT_AFTER);
    if is_silent {
        let what = "its metric gets no data: a wrong name or dimension can never set it off";
        say("data", what.to_owned(), facts.since);
    }
    let setup = facts.alarm.setup.as_ref();
    if setup.is_some_and(|setup| !setup.is_enabled) {
        say("actions", "its actions are turned off".to_owned(), None);
    } else if setup.is_some_and(|s| !s.tells.iter().any(|arn| arn.as_str() == topic)) {
        let what = "it does not tell the kill switch's topic".to_owned();
        say("actions", what, None);
    }
    faults
}

pub(super) fn not_drilled(facts: &FleetFacts<'_>) -> Vec<Fault> {
    let check = doctor::drill(facts.canaries, 0, facts.now);
    let last = facts
        .canaries
        .iter()
        .filter_map(|(_, drill)| drill.as_ref());
    let since = last.map(|drill| drill.ended).max();
    let is_wrong = check.health == Health::Wrong && facts.slots > 0;
    Fault::when(is_wrong, || (check.what, since))
}

/// The slot that the next drill cuts off: the one that was drilled last.
pub(super) fn canary<'a>(facts: &FleetFacts<'a>) -> Option<&'a SlotName> {
    let ended = |drill: &Option<Drill>| drill.as_ref().map(|drill| drill.ended);
    let canaries = facts.canaries.iter().rev();
    let last = canaries.max_by_key(|(_, drill)| ended(drill));
    last.map(|(slot, _)| slot)
}

pub(super) fn pool_low(facts: &PoolFacts<'_>) -> Vec<Fault> {
    let ready = facts.pool.map_or(0, |pool| pool.standby.len());
    Fault::when(ready < facts.low_water as usize, || {
        let evidence = format!("{ready} keys stand by; {} is few", facts.low_water);
        (evidence, None)
    })
}

/// A standby key that has less of its life before it than behind it serves its agent for less than half of it.
pub(super) fn pool_old(facts: &PoolFacts<'_>) -> Vec<Fault> {
    let (Some(pool), Some(days)) = (facts.pool, facts.max_age_days) else {
        return Vec::new();
    };
    let half = SignedDuration::from_hours(days * DAY_HOURS / 2);
    let old = pool.standby.iter().filter(|key| {
        let is_old = facts.now > key.created + half;
        let ends = key.expires.is_some_and(|end| end < facts.now + half);
        is_old || ends
    });
    let faults = old.map(|key| {
        let age = facts.now.duration_since(key.created).as_hours() / DAY_HOURS;
        let evidence = format!("the standby key {} is {age} days old", key.hint);
        Fault::of(key.fingerprint.to_string(), evidence, Some(key.created))
    });
    faults.collect()
}

pub(super) fn credential_old(facts: &CredentialFacts<'_>) -> Vec<Fault> {
    let purpose = facts.purpose;
    let what = match facts.changed {
        Some(at) if facts.now <= at + HOLDS => return Vec::new(),
        Some(at) => {
            let days = facts.now.duration_since(at).as_hours() / DAY_HOURS;
            format!("its {purpose} credential is {days} days old")
        }
        None => format!("nobody knows how old its {purpose} credential is"),
    };
    vec![Fault::of(purpose, what, facts.changed)]
}

/// One that was refused when it was tried is worth no more than one that nobody tried.
pub(super) fn break_glass_untried(facts: &BreakGlassFacts<'_>) -> Vec<Fault> {
    let Some(tried) = facts.tried else {
        return Fault::when(true, || {
            (
                "nobody ever tried its break-glass credential".to_owned(),
                None,
            )
        });
    };
    let days = facts.now.duration_since(tried.at).as_hours() / DAY_HOURS;
    let what = match tried.result {
        BreakGlassResult::Refused => {
            format!("its break-glass credential was refused when it was tried {days} days ago")
        }
        BreakGlassResult::Works if facts.now <= tried.at + BREAK_GLASS_TRIED => return Vec::new(),
        BreakGlassResult::Works => {
            format!("its break-glass credential was tried last {days} days ago")
        }
    };
    Fault::when(true, || (what, Some(tried.at)))
}
