//! What people are told of a kill.

mod after;
mod orders;

pub(super) use after::{suspended, what_became_of_it};
pub(super) use orders::{no_such_slot, nothing_found, of_dead_keys, unrecorded, would_contain};

use jiff::Timestamp;

use super::LATE;
use super::contain::{Contained, NotCut};
use super::save::update;
use crate::model::alert::{Alert, AlertKind, Command, Severity};
use crate::model::incident::{Containment, HowCut, Incident, KillStep, StepResult, Suspends, Undo};
use crate::model::slot::{Slot, SlotState};
use crate::model::version::VersionState;
use crate::ports::{Ability, Suspension};
use crate::rules::kill::{KEPT_FOR_RESTORE, LOOP_WINDOW};
use crate::usecases::Ports;

/// So many versions are named in one alert.
const NAMED: usize = 6;

/// Tells people that the slot is contained, once; or that it is not yet, the first time and when it has taken too long.
pub(super) async fn how_it_went(
    ports: &Ports,
    slot: &Slot,
    incident: Incident,
    contained: &Contained,
    first: bool,
) -> Incident {
    let now = ports.clock.now();
    let is_late = now.duration_since(incident.opened) >= LATE;
    let (step, alert) = if contained.is_whole() {
        let alert = is_contained(slot, &incident, contained);
        (KillStep::TellContained, alert)
    } else if is_late {
        let alert = not_contained(slot, &incident, contained, Severity::Page);
        (KillStep::TellLate, alert)
    } else if first {
        let alert = not_contained(slot, &incident, contained, Severity::Warning);
        ports.tell(alert).await;
        return incident;
    } else {
        return incident;
    };
    if incident.done(step).is_some() || !ports.tell(alert).await {
        return incident;
    }
    take_told(ports, incident, step, now).await
}

/// Records that people were told, unless a drill has turned earnest since: then they do not know it yet.
async fn take_told(ports: &Ports, incident: Incident, step: KillStep, at: Timestamp) -> Incident {
    let told_of = incident.drill.clone();
    update(ports, incident, |incident| {
        if incident.done(step).is_none() && incident.drill == told_of {
            incident.take(step, at, StepResult::Done);
        }
    })
    .await
}

/// In earnest it pages, but for a slot that is given up: whoever took a key may be at work, and an agent is without one.
fn is_contained(slot: &Slot, incident: &Incident, contained: &Contained) -> Alert {
    let name = &slot.name;
    let by_hand = contained
        .versions
        .values()
        .filter(|fared| matches!(fared.result, Err(NotCut::Unnamed)))
        .map(|fared| fared.shown.to_string())
        .collect::<Vec<_>>();
    let command = match (&incident.drill, incident.suspends) {
        (None, None) if can_be_restored(incident) => restore(slot),
        (None, Some(_)) if slot.state != SlotState::Decommissioned => lift(slot),
        _ => Command::about("status", name),
    };
    let is_whole = by_hand.is_empty();
    let severity = match (&incident.drill, is_whole, incident.suspends) {
        (_, true, _) if incident.is_planned() => Severity::Notice,
        (Some(_), true, None) => Severity::Warning,
        _ => Severity::Page,
    };
    let mut left = match (&incident.drill, incident.suspends) {
        _ if incident.is_planned() => "Nothing: the slot is given up. Its secret is deleted once its keys are seen dead.".to_owned(),
        (_, Some(why)) => {
            let settle = settle(slot, why);
            format!("No new key is made for it, {}. {settle}", because(why))
        }
        (Some(_), None) if is_whole => "Nothing: nobody took the key. A replacement is on its way, and how the drill ends is told by itself.".to_owned(),
        (Some(_), None) => "How the drill ends is told by itself.".to_owned(),
        (None, None) => find_out(slot, incident, &command),
    };
    if !is_whole {
        left = format!(
            "Delete at {} by hand, since Keyward does not know what it is called there: {}. {left}",
            slot.provider,
            listed(by_hand)
        );
    }
    let what = format!(
        "Slot {name} is cut off: {}. {}",
        incident.trigger.clause(),
        agent_has(slot, incident)
    );
    let done = what_was_done(slot, incident, contained);
    let text = [what.as_str(), &done, &left];
    about(incident, severity, AlertKind::Contained, text).with_command(command)
}

/// Whose agent is without a key, and for how long.
fn agent_has(slot: &Slot, incident: &Incident) -> String {
    let until = match incident.suspends {
        None => "until its replacement is in use, which is being made",
        Some(_) if slot.state == SlotState::Decommissioned => "and gets none",
        Some(_) => "until a person restores the slot",
    };
    format!("Agent {} of {} has no key {until}.", slot.agent, slot.owner)
}

/// Where to look for who used the key, and how the slot goes on.
fn find_out(slot: &Slot, incident: &Incident, command: &Command) -> String {
    let look = format!(
        "Find out what used the key, and who took it: its usage at {}, and who read its secret (GetSecretValue in CloudTrail).",
        slot.provider
    );
    let goes_on = match can_be_restored(incident) {
        true => format!(
            "If it was all right: {}, and, so that it counts as normal, keyward expect {} --incident {} --reason \"...\"",
            command.as_str(),
            slot.name,
            incident.id
        ),
        false => format!(
            "What is dead stays so. How the replacement stands: {}",
            command.as_str()
        ),
    };
    format!("{look} {goes_on}")
}

/// Whether a key that agents used can be brought back: it was only suspended, and no leak was proved.
fn can_be_restored(incident: &Incident) -> bool {
    let was_used = |undo: &&Undo| undo.was.is_promoted() || undo.was == VersionState::Promoting;
    let is_kept = |undo: &Undo| matches!(undo.cut, Some((HowCut::Suspended | HowCut::Narrowed, _)));
    incident.containment == Containment::Reversible
        && incident.undo.iter().filter(was_used).any(is_kept)
}

/// Why no new key is made for a slot.
fn because(why: Suspends) -> String {
    match why {
        Suspends::Loop => format!(
            "since its last replacement was abused within {} hours too",
            LOOP_WINDOW.as_hours()
        ),
        Suspends::NoReplacement => "since none can be made now".to_owned(),
        Suspends::Before => "since it was suspended or decommissioned before".to_owned(),
    }
}

/// What a person does before a slot gets a key again, and the command.
fn settle(slot: &Slot, why: Suspends) -> String {
    if slot.state == SlotState::Decommissioned {
        return "Find out what made the key that was cut off.".to_owned();
    }
    let first = match why {
        Suspends::Loop => "Find out who takes its keys, and end that",
        Suspends::NoReplacement => "See to it that one can be made, as its alert says",
        Suspends::Before => "Find out why it was suspended, and what made the key that was cut off",
    };
    format!("{first}. Then: {}", lift(slot).as_str())
}

fn not_contained(
    slot: &Slot,
    incident: &Incident,
    contained: &Contained,
    severity: Severity,
) -> Alert {
    let (name, provider) = (&slot.name, slot.provider);
    let why = contained.first_failure().unwrap_or_default();
    let what = format!(
        "Slot {name} is NOT cut off yet, since {:.0}: {}. {why}.",
        incident.opened,
        incident.trigger.clause()
    );
    let done = what_was_done(slot, incident, contained);
    let left = format!(
        "It is tried again every 5 minutes. Look at {provider}, and delete the slot's keys there by hand if it goes on. Its keys: keyward status {name}"
    );
    let text = [what.as_str(), &done, &left];
    let status = Command::about("status", name);
    about(incident, severity, AlertKind::NotContained, text).with_command(status)
}

const fn said(how: HowCut) -> &'static str {
    match how {
        HowCut::Suspended => "suspended",
        HowCut::Narrowed => "narrowed only",
        HowCut::Deleted => "deleted",
        HowCut::NothingFound => "not made yet, to be revoked when it turns up",
    }
}

/// What was done to each version, in this run and before, and what could not be done because the provider lacks it.
fn what_was_done(slot: &Slot, incident: &Incident, contained: &Contained) -> String {
    let cuts = incident
        .undo
        .iter()
        .filter_map(|undo| Some((undo, undo.cut?.0)));
    let mut done: Vec<String> = cuts
        .map(|(undo, how)| format!("{}: {}", undo.shown, said(how)))
        .collect();
    let failed = contained.versions.values();
    done.extend(failed.filter_map(|fared| {
        let error = fared.result.as_ref().err()?;
        Some(format!("{}: NOT cut off ({error})", fared.shown))
    }));
    if done.is_empty() {
        return "No key of it was alive.".to_owned();
    }
    let mut text = format!("{}.", listed(done));
    if let Some(missing) = missing(slot, incident, contained) {
        text.push_str(&missing);
    }
    text
}

/// What the provider's API lacks of what was to be done.
fn missing(slot: &Slot, incident: &Incident, contained: &Contained) -> Option<String> {
    let lacks = |ability: Ability| {
        format!(
            " {} cannot {ability}: {}.",
            slot.provider,
            ability.without()
        )
    };
    if incident.containment == Containment::Final {
        let is_suspended =
            |undo: &Undo| matches!(undo.cut, Some((HowCut::Suspended | HowCut::Narrowed, _)));
        let any = incident.undo.iter().any(is_suspended);
        return any.then(|| " What was suspended is revoked now.".to_owned());
    }
    match contained.suspension? {
        Suspension::Refuses => Some(format!(
            " What was suspended can be restored for {} hours.",
            KEPT_FOR_RESTORE.as_hours()
        )),
        Suspension::Narrows => Some(lacks(Ability::Refuse)),
        Suspension::None => Some(lacks(Ability::Suspend)),
    }
}

fn listed(mut items: Vec<String>) -> String {
    let more = items.len().saturating_sub(NAMED);
    items.truncate(NAMED);
    let named = items.join("; ");
    match more {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

/// An alert about an incident.
fn about(incident: &Incident, severity: Severity, kind: AlertKind, text: [&str; 3]) -> Alert {
    let [what, done, left] = text;
    let marked = match incident.drill {
        None => what.to_owned(),
        Some(_) => format!("DRILL: {what}"),
    };
    let alert = Alert::about(&incident.slot, severity, kind, [&marked, done, left])
        .with_incident(&incident.id)
        .with_cause(&incident.trigger)
        .at(incident.opened);
    match &incident.drill {
        None => alert,
        Some(drill) => alert.with_drill(drill),
    }
}

/// The command that lets a slot make keys again, or lifts the limit on its replacement.
fn lift(slot: &Slot) -> Command {
    Command::about("restore", &slot.name).with("--reason \"...\"")
}

/// The command that brings the key back that was cut off last.
fn restore(slot: &Slot) -> Command {
    Command::about("restore", &slot.name).with("--key newest --reason \"...\"")
}
