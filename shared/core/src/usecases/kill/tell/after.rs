//! What people are told once a slot is cut off: how it went on, and at last that everything is done.

use jiff::{SignedDuration, Timestamp};

use super::super::LATE;
use super::super::replace::NoReplacement;
use super::{about, lift, listed, take_told};
use crate::model::alert::{Alert, AlertKind, Command, Severity};
use crate::model::incident::{HowCut, Incident, KillStep, StepResult, Undo};
use crate::model::slot::Slot;
use crate::model::version::Confirmation;
use crate::usecases::Ports;

/// A key that was cut off and is not seen refused after this time pages.
const UNCONFIRMED_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// Tells people what comes after containment: that no replacement came, that a key is not seen refused, and at last that
/// everything is done. Each once.
pub(in crate::usecases::kill) async fn what_became_of_it(
    ports: &Ports,
    slot: &Slot,
    incident: Incident,
) -> Incident {
    let now = ports.clock.now();
    let since_claim = now.duration_since(incident.opened);
    let is_over = incident.done(KillStep::Replace).is_some() || incident.suspends.is_some();
    let is_contained = incident.done(KillStep::Contain).is_some();
    let is_confirmed = incident.done(KillStep::Confirm).is_some();
    let mut incident = incident;
    if is_contained && !is_over && since_claim >= LATE {
        let alert = not_replaced(slot, &incident);
        incident = once(ports, incident, KillStep::TellNoReplacement, alert).await;
    }
    if is_contained && !is_confirmed && since_claim >= UNCONFIRMED_AFTER {
        let alert = unconfirmed(slot, &incident);
        incident = once(ports, incident, KillStep::TellUnconfirmed, alert).await;
    }
    if is_over && is_confirmed && incident.done(KillStep::TellContained).is_some() {
        let alert = done(slot, &incident, now);
        incident = once(ports, incident, KillStep::TellDone, alert).await;
    }
    incident
}

/// Sends an alert unless it was sent, and records that it was.
async fn once(ports: &Ports, incident: Incident, step: KillStep, alert: Alert) -> Incident {
    if incident.done(step).is_some() || !ports.tell(alert).await {
        return incident;
    }
    let now = ports.clock.now();
    take_told(ports, incident, step, now).await
}

fn not_replaced(slot: &Slot, incident: &Incident) -> Alert {
    let name = &slot.name;
    let rotate = incident.steps.iter().find(|s| s.step == KillStep::Rotate);
    let why = match rotate.map(|taken| &taken.result) {
        Some(StepResult::Failed(why)) => format!("it could not be asked for: {why}"),
        Some(StepResult::Done) => "it was asked for, and is not in use yet".to_owned(),
        None => "it was not asked for yet".to_owned(),
    };
    let what = format!(
        "Slot {name} was cut off at {}, and its agent has no key since: {why}.",
        incident.opened
    );
    let rotate = Command::about("rotate", name);
    let left = format!(
        "Look at the secret's rotation and at the log of the rotate function, then: {}",
        rotate.as_str()
    );
    let done = "The old keys stay dead. A replacement is asked for again every 30 minutes.";
    let kind = AlertKind::NotReplaced;
    about(incident, Severity::Page, kind, [&what, done, &left]).with_command(rotate)
}

/// No replacement can be made: the slot is suspended.
pub(in crate::usecases::kill) fn suspended(
    slot: &Slot,
    incident: &Incident,
    why: &NoReplacement,
) -> Alert {
    let name = &slot.name;
    let what = format!(
        "Slot {name} was cut off at {}, and no replacement can be made: {why}.",
        incident.opened
    );
    let settle = match why {
        NoReplacement::PoolEmpty(account) => format!(
            "Make keys at {} and put them in: keyward pool add {account}. Then: {}",
            slot.provider,
            lift(slot).as_str()
        ),
        NoReplacement::Budget(_) => {
            let settle = match incident.drill {
                None => "Find out what cuts it off so often",
                Some(_) => "Let a day pass, and drill it less often",
            };
            format!("{settle}, then: {}", lift(slot).as_str())
        }
    };
    let done = "The slot is suspended: its agent has no key until a person restores it.";
    let kind = AlertKind::Suspended;
    about(incident, Severity::Page, kind, [&what, done, &settle]).with_command(lift(slot))
}

fn unconfirmed(slot: &Slot, incident: &Incident) -> Alert {
    let (name, provider) = (&slot.name, slot.provider);
    let open = incident.undo.iter().filter(|undo| undo.is_unconfirmed());
    let open: Vec<String> = open.map(|undo| undo.shown.to_string()).collect();
    let what = format!(
        "Keys of slot {name} were cut off at {provider}, but are not seen refused: {}.",
        listed(open)
    );
    let left = format!(
        "Look at these keys at {provider}, and delete them there by hand if they work. Its keys: keyward status {name}"
    );
    let done = "They are asked for, and cut off again if they work, every few minutes.";
    let kind = AlertKind::RevokeUnconfirmed;
    let status = Command::about("status", name);
    about(incident, Severity::Page, kind, [&what, done, &left]).with_command(status)
}

/// The end of a kill, with the seconds of each stage.
fn done(slot: &Slot, incident: &Incident, now: Timestamp) -> Alert {
    let name = &slot.name;
    let seen = incident.seen();
    let stages = incident.timeline().into_iter().skip(1);
    let mut stages: Vec<String> = stages
        .map(|(stage, at)| format!("{stage} after {} s", tenths(at.duration_since(seen))))
        .collect();
    stages.push(format!("done after {} s", tenths(now.duration_since(seen))));
    let what = format!("The kill of slot {name} is complete: {}.", incident.trigger);
    let ways = incident.undo.iter().map(how_known);
    let ways: Vec<String> = ways.collect();
    let keys = match ways.is_empty() {
        true => String::new(),
        false => format!(" {}.", listed(ways)),
    };
    let times = format!("Seen at {seen}: {}.{keys}", stages.join(", "));
    let (left, command) = match (incident.suspends, &incident.drill) {
        (Some(_), _) => ("It has no key. When the cause is settled", lift(slot)),
        (None, Some(_)) => (
            "Nothing: how the drill ended is told by itself. Its keys",
            Command::about("status", name),
        ),
        (None, None) => (
            "Its new key may spend one normal day's amount a day until a person lifts that",
            lift(slot),
        ),
    };
    let left = format!("{left}: {}", command.as_str());
    let kind = AlertKind::KillDone;
    about(incident, Severity::Notice, kind, [&what, &times, &left]).with_command(command)
}

fn how_known(undo: &Undo) -> String {
    let how = match (undo.confirmed.map(|c| c.by), undo.cut) {
        (Some(Confirmation::Refused), _) => "refused",
        (Some(Confirmation::ListOnly), _) => "gone by the provider's list only",
        (Some(Confirmation::NeverMade), _) => "never made",
        (None, Some((HowCut::Narrowed, _))) => "narrowed only, not refused",
        (None, Some((HowCut::NothingFound, _))) => "not made",
        (None, _) => "not seen refused",
    };
    format!("{}: {how}", undo.shown)
}

/// Seconds, with one decimal.
fn tenths(time: SignedDuration) -> String {
    let tenths = (time.as_millis() + 50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}
