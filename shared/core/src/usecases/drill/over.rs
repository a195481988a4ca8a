//! The end of a drill: it is told, with the time of each stage, and recorded.

use jiff::{SignedDuration, Timestamp};

use crate::model::alert::{Alert, AlertKind, Command, Severity};
use crate::model::drill::{DONE_WITHIN, Drill, DrillOutcome, DrillStage, SETS_OFF_WITHIN};
use crate::model::incident::Incident;
use crate::model::slot::{Slot, SlotState};
use crate::ports::{Advice, InventoryError};
use crate::rules::drill::{ended, is_lifted_by, killed_after};
use crate::usecases::Ports;
use crate::usecases::cap::{CapSet, set_current_cap};

/// How often a drill that is under way is looked at.
const LOOK_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// When the slot's drill is to be looked at next; `None` if there is none under way.
pub(crate) fn next_look(slot: &Slot, now: Timestamp) -> Option<Timestamp> {
    let drill = slot.drill.as_ref()?;
    Some(match drill.incident {
        None => drill.decided_at().max(now + LOOK_EVERY),
        Some(_) => now + LOOK_EVERY,
    })
}

/// Whether what came of a drill could be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// There was nothing to tell, or it was told.
    Yes,
    /// It could not be told, so the drill is not over.
    No,
}

/// Looks at the slot's drill, if there is one, and ends it if it is over. Returns the slot as it is stored then.
pub(crate) async fn see_to(ports: &Ports, slot: Slot) -> Result<(Slot, Told), InventoryError> {
    let Some(drill) = &slot.drill else {
        return Ok((slot, Told::Yes));
    };
    let incident = match &drill.incident {
        Some(id) => ports.inventory.incident(id).await?,
        None => None,
    };
    let now = ports.clock.now();
    let Some(outcome) = ended(&slot, incident.as_ref(), now) else {
        return Ok((slot, Told::Yes));
    };
    let record = Drill::over(&slot.name, drill, outcome, incident.as_ref(), now);
    let is_lifted = incident
        .as_ref()
        .is_some_and(|i| is_lifted_by(&slot, i, outcome));
    let state = match is_lifted {
        true => match lifted(ports, &slot).await? {
            Lifted::To(state) => state,
            Lifted::NotYet if now < drill.started + DONE_WITHIN => return Ok((slot, Told::Yes)),
            Lifted::NotYet => slot.state,
        },
        false => slot.state,
    };
    let mut over = Slot {
        drill: None,
        state,
        killed: killed_after(&slot, incident.as_ref(), outcome),
        ..slot.clone()
    };
    if !ports.tell(alert(&over, &record, incident.as_ref())).await {
        return Ok((slot, Told::No));
    }
    ports.inventory.end_drill(&over, &record).await?;
    over.revision = over.revision.next();
    Ok((over, Told::Yes))
}

/// What became of a slot that a drill has restricted.
enum Lifted {
    /// It is this now.
    To(SlotState),
    /// The limit of its key could not be raised so far.
    NotYet,
}

/// Gives the slot's current key its normal limit again; a slot whose key cannot have that stays restricted. A kill that
/// comes meanwhile wins: then nothing is written, and it is looked at anew.
async fn lifted(ports: &Ports, slot: &Slot) -> Result<Lifted, InventoryError> {
    let active = Slot {
        state: SlotState::Active,
        ..slot.clone()
    };
    let versions = ports.inventory.versions(&slot.name).await?;
    let error = match set_current_cap(ports, &active, &versions).await? {
        CapSet::To(_) | CapSet::NoKey | CapSet::NotThere => {
            return Ok(Lifted::To(SlotState::Active));
        }
        CapSet::Failed(error) => error,
    };
    tracing::warn!(slot = %slot.name, %error, "the limit of a canary's new key could not be raised");
    Ok(match error.advice() {
        Advice::RetryLater | Advice::LookUpFirst => Lifted::NotYet,
        Advice::StopAndAlert => Lifted::To(slot.state),
    })
}

fn alert(slot: &Slot, drill: &Drill, incident: Option<&Incident>) -> Alert {
    let name = &slot.name;
    let (severity, kind) = match drill.outcome {
        DrillOutcome::Passed => (Severity::Notice, AlertKind::DrillDone),
        DrillOutcome::Overtaken => (Severity::Warning, AlertKind::DrillFailed),
        DrillOutcome::Incomplete | DrillOutcome::SetNothingOff => {
            (Severity::Page, AlertKind::DrillFailed)
        }
    };
    let what = what(slot, drill);
    let done = match drill.stages.is_empty() {
        true => "No key of it was cut off for the drill.".to_owned(),
        false => format!(
            "After its score was put at {:.0}: {}.",
            drill.started,
            times(&drill.stages)
        ),
    };
    let command = command(slot, drill.outcome);
    let left = left(slot, drill.outcome, &command);
    let alert = Alert::about(name, severity, kind, [&what, &done, &left])
        .with_drill(&drill.id)
        .with_cause(&drill.reason)
        .with_command(command);
    match incident {
        Some(incident) => alert.with_incident(&incident.id),
        None => alert,
    }
}

fn what(slot: &Slot, drill: &Drill) -> String {
    let name = &slot.name;
    match drill.outcome {
        DrillOutcome::Passed => format!(
            "The drill of slot {name} is done: its key was cut off and seen refused, and a replacement is in use."
        ),
        DrillOutcome::Incomplete => format!(
            "The drill of slot {name} is not whole: its key was cut off, but {}.",
            match slot.state {
                SlotState::Suspended => "it was left suspended".to_owned(),
                _ => format!(
                    "not everything was done within {} hours",
                    DONE_WITHIN.as_hours()
                ),
            }
        ),
        DrillOutcome::SetNothingOff => format!(
            "The drill of slot {name} set NOTHING off within {} minutes: a real alarm may kill nobody either.",
            SETS_OFF_WITHIN.as_mins()
        ),
        DrillOutcome::Overtaken => format!(
            "The drill of slot {name} did not come to its end: the slot was cut off in earnest meanwhile, or its alarm changed later than {} minutes after the score was put.",
            SETS_OFF_WITHIN.as_mins()
        ),
    }
}

fn command(slot: &Slot, outcome: DrillOutcome) -> Command {
    match outcome {
        DrillOutcome::Passed if slot.state == SlotState::Restricted => {
            Command::about("restore", &slot.name).with("--reason \"...\"")
        }
        DrillOutcome::Passed | DrillOutcome::Incomplete => Command::about("status", &slot.name),
        DrillOutcome::SetNothingOff | DrillOutcome::Overtaken => {
            Command::about("drill", &slot.name).with("--reason \"...\"")
        }
    }
}

fn left(slot: &Slot, outcome: DrillOutcome, command: &Command) -> String {
    let command = command.as_str();
    match outcome {
        DrillOutcome::Passed if slot.state != SlotState::Restricted => {
            format!("Nothing: the slot is as it was before the drill. Its keys: {command}")
        }
        DrillOutcome::Passed => format!(
            "Nothing. Its new key may spend one normal day's amount a day until a person lifts that: {command}"
        ),
        DrillOutcome::Incomplete => {
            format!("Look at the incident's other alerts, and at the slot: {command}")
        }
        DrillOutcome::SetNothingOff => format!(
            "Look at the alarm's history: whether it went to ALARM, and whether it could publish. A topic that is encrypted with AWS's own key, or whose policy does not name cloudwatch.amazonaws.com, takes nothing from alarms. Then at the topic's subscription and its dead-letter queue, and at the log of the kill switch. Until that is mended, cut off by hand what has to be: keyward kill. Then: {command}"
        ),
        DrillOutcome::Overtaken => {
            format!("See to that incident first. Then drill again: {command}")
        }
    }
}

fn times(stages: &[DrillStage]) -> String {
    let each = stages.iter().map(|reached| {
        let tenths = (reached.millis + 50) / 100;
        format!(
            "{} after {}.{} s",
            reached.words(),
            tenths / 10,
            tenths % 10
        )
    });
    each.collect::<Vec<_>>().join(", ")
}
