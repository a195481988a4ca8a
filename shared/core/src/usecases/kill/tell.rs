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
use crate::model::incident::{Containment, HowCut, Incident, KillStep, StepResult, Suspends};
use crate::model::slot::Slot;
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

fn is_contained(slot: &Slot, incident: &Incident, contained: &Contained) -> Alert {
    let name = &slot.name;
    let by_hand = contained
        .versions
        .values()
        .filter(|fared| matches!(fared.result, Err(NotCut::Unnamed)))
        .map(|fared| fared.shown.to_string())
        .collect::<Vec<_>>();
    let (severity, left) = if let Some(why) = incident.suspends {
        let why = match why {
            Suspends::Loop => format!(
                "since its last replacement was abused within {} hours too: find out who takes its keys",
                LOOP_WINDOW.as_hours()
            ),
            Suspends::NoReplacement => "since none can be made now".to_owned(),
            Suspends::Before => "since it was suspended or decommissioned before".to_owned(),
        };
        let left = format!(
            "No new key is made for it, {why}. When that is settled: {}",
            lift(slot).as_str()
        );
        (Severity::Page, left)
    } else if by_hand.is_empty() && incident.drill.is_some() {
        let left = "Nothing: nobody took the key. A replacement is on its way, and how the drill ends is told by itself.";
        (Severity::Warning, left.to_owned())
    } else if by_hand.is_empty() {
        let left = format!(
            "Find out what used the key, and who took it. If it was all right: keyward restore {name} --key newest --reason \"...\", and, so that it counts as normal, keyward expect {name} --incident {} --reason \"...\"",
            incident.id
        );
        (Severity::Warning, left)
    } else {
        let left = format!(
            "Delete at {} by hand, since Keyward does not know what it is called there: {}.",
            slot.provider,
            listed(by_hand)
        );
        (Severity::Page, left)
    };
    let what = format!("Slot {name} is cut off: {}.", incident.trigger);
    let done = what_was_done(slot, incident, contained);
    let text = [what.as_str(), &done, &left];
    let command = match incident.drill {
        None => restore(slot),
        Some(_) => Command::about("status", name),
    };
    about(incident, severity, AlertKind::Contained, text).with_command(command)
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
        "Slot {name} is NOT cut off yet, since {}: {}. {why}.",
        incident.opened, incident.trigger
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
        return Some(" What was suspended is revoked now.".to_owned());
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
