//! What people are told once a slot is cut off: how it went on, and at last that everything is done.

use jiff::{SignedDuration, Timestamp};

use super::super::LATE;
use super::super::replace::NoReplacement;
use super::{about, because, lift, listed, settle, take_told};
use crate::model::alert::{Alert, AlertKind, Command, Severity};
use crate::model::incident::{HowCut, Incident, KillStep, Stage, StepResult, Suspends, Undo};
use crate::model::slot::{Slot, SlotState};
use crate::model::version::{Confirmation, Version};
use crate::ports::InventoryError;
use crate::usecases::{Ports, pool};

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
        if incident.done(KillStep::TellDone).is_some() {
            return incident;
        }
        // A restore may have come since the slot was read.
        let Ok((slot, versions)) = as_they_are(ports, slot).await else {
            return incident;
        };
        let alert = done(&slot, &versions, &incident, now);
        incident = once(ports, incident, KillStep::TellDone, alert).await;
    }
    incident
}

async fn as_they_are(ports: &Ports, slot: &Slot) -> Result<(Slot, Vec<Version>), InventoryError> {
    let versions = ports.inventory.versions(&slot.name).await?;
    let stored = ports.inventory.slot(&slot.name).await?;
    Ok((stored.unwrap_or_else(|| slot.clone()), versions))
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
        "Slot {name} was cut off at {:.0}, and its agent has no key since: {why}.",
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
        "Slot {name} was cut off at {:.0}, and no replacement can be made: {why}.",
        incident.opened
    );
    let settle = match why {
        NoReplacement::PoolEmpty(account) => format!(
            "{} Then: {}",
            pool::refill(slot.provider, account),
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
fn done(slot: &Slot, versions: &[Version], incident: &Incident, now: Timestamp) -> Alert {
    let name = &slot.name;
    let seen = incident.seen();
    let stages = incident.timeline().into_iter().skip(1);
    let mut stages: Vec<String> = stages
        .filter(|(stage, at)| came_about(*stage, *at, incident, versions))
        .map(|(stage, at)| format!("{stage} after {} s", tenths(at.duration_since(seen))))
        .collect();
    stages.push(format!("done after {} s", tenths(now.duration_since(seen))));
    let what = format!(
        "The kill of slot {name} is complete: {}.",
        incident.trigger.clause()
    );
    let ways: Vec<String> = incident
        .undo
        .iter()
        .map(|undo| how_known(undo, brought_back(undo, incident, versions)))
        .collect();
    let keys = match ways.is_empty() {
        true => String::new(),
        false => format!(" {}.", listed(ways)),
    };
    let times = format!("Seen at {seen:.0}: {}.{keys}", stages.join(", "));
    let (left, command) = how_it_stands(slot, incident);
    let kind = AlertKind::KillDone;
    about(incident, Severity::Notice, kind, [&what, &times, &left]).with_command(command)
}

/// Whether a stage is one of this kill: what a person brought back is no replacement, and confirms no death.
fn came_about(stage: Stage, at: Timestamp, incident: &Incident, versions: &[Version]) -> bool {
    let was_cut_off = |v: &Version| incident.undo.iter().any(|undo| undo.version == v.id);
    match stage {
        Stage::Replaced => versions
            .iter()
            .any(|v| v.promoted == Some(at) && !was_cut_off(v)),
        Stage::Confirmed => incident.undo.iter().any(|undo| undo.confirmed.is_some()),
        Stage::Seen
        | Stage::Claimed
        | Stage::Contained
        | Stage::Told
        | Stage::ReplacementAsked
        | Stage::Done => true,
    }
}

/// When a person began to bring the key back, after this kill.
fn brought_back(undo: &Undo, incident: &Incident, versions: &[Version]) -> Option<Timestamp> {
    let version = versions.iter().find(|v| v.id == undo.version)?;
    let is_back = version.state.is_promoted() || version.epoch > incident.epoch;
    version
        .restored
        .filter(|at| *at >= incident.opened && is_back)
}

/// How the slot stands now, and what a person does.
fn how_it_stands(slot: &Slot, incident: &Incident) -> (String, Command) {
    let status = Command::about("status", &slot.name);
    if incident.drill.is_some() && incident.suspends.is_none() {
        let left = format!(
            "Nothing: how the drill ended is told by itself. Its keys: {}",
            status.as_str()
        );
        return (left, status);
    }
    match slot.state {
        SlotState::Active => {
            let left = format!(
                "Nothing: a person has restored the slot since. Its keys: {}",
                status.as_str()
            );
            (left, status)
        }
        SlotState::Restricted => {
            let lift = lift(slot);
            let left = format!(
                "Its key may spend one normal day's amount a day until a person lifts that: {}",
                lift.as_str()
            );
            (left, lift)
        }
        SlotState::Suspended => {
            let why = incident.suspends.unwrap_or(Suspends::Before);
            let left = format!("It has no key, {}. {}", because(why), settle(slot, why));
            (left, lift(slot))
        }
        SlotState::Decommissioned => {
            let left = "Nothing: the slot is decommissioned, and gets no key.".to_owned();
            (left, status)
        }
    }
}

fn how_known(undo: &Undo, brought_back: Option<Timestamp>) -> String {
    if let Some(at) = brought_back {
        return format!("{}: brought back by a person at {at:.0}", undo.shown);
    }
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
    let millis = time.as_millis();
    let tenths = (millis.abs() + 50) / 100;
    let sign = if millis < 0 && tenths > 0 { "-" } else { "" };
    format!("{sign}{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_one_decimal_on_either_side_of_zero() {
        for (millis, expected) in [
            (0, "0.0"),
            (49, "0.0"),
            (50, "0.1"),
            (14_949, "14.9"),
            (-49, "0.0"),
            (-14_900, "-14.9"),
        ] {
            assert_eq!(tenths(SignedDuration::from_millis(millis)), expected);
        }
    }
}
