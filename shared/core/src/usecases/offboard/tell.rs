//! What people are told of a case.

use super::save::update;
use super::{InventoryError, Offboarder};
use crate::model::alert::{Alert, AlertKind, Severity};
use crate::model::names::SlotName;
use crate::model::offboarding::{Leaver, Offboarding, SlotTask};
use crate::rules::offboard::{Reminder, reminder};
use crate::usecases::several::{alert, first_of, listed};

/// Tells people once of slots that nobody answers for, or nobody would after the next leaving.
pub(super) async fn ownerless(
    offboarder: &Offboarder,
    case: Offboarding,
) -> Result<Offboarding, InventoryError> {
    let Leaver::Person(person) = &case.leaver else {
        return Ok(case);
    };
    let is_handed = |task: &SlotTask| task.handed.is_some() || task.done.is_some();
    if case.told.ownerless.is_some() || case.listed.is_none() || !case.slots.iter().all(is_handed) {
        return Ok(case);
    }
    let lacking: Vec<(SlotName, String)> = case.slots.iter().filter_map(lack).collect();
    if lacking.is_empty() {
        return Ok(case);
    }
    let is_any_ownerless = case.slots.iter().any(is_ownerless);
    let severity = match is_any_ownerless {
        true => Severity::Page,
        false => Severity::Warning,
    };
    let what = format!("{} has left: {}.", person.name, listed(&lacking));
    let done = "What they answered for went to the backup owners that there were. Their keys are replaced all the same.";
    let left = "Name an owner and a backup owner for each in the fleet file, and send it: keyward plan, then keyward apply. The file still names who has left.";
    let alert = alert(
        &lacking,
        severity,
        AlertKind::OwnerMissing,
        [&what, done, left],
    );
    told(offboarder, case, alert, |case, at| {
        case.told.ownerless = Some(at)
    })
    .await
}

fn is_ownerless(task: &SlotTask) -> bool {
    task.handed
        .as_ref()
        .is_some_and(|handed| handed.is_ownerless)
}

fn lack(task: &SlotTask) -> Option<(SlotName, String)> {
    let handed = task.handed.as_ref()?;
    let lack = match (handed.is_ownerless, handed.lacks_backup) {
        (true, _) => "has no owner, for there was no backup owner to take over".to_owned(),
        (false, true) => format!("has no backup owner; its owner is {}", handed.owner),
        (false, false) => return None,
    };
    Some((task.slot.clone(), lack))
}

/// Tells people that the time runs out for keys that are not dead or replaced.
pub(super) async fn of_the_time(
    offboarder: &Offboarder,
    case: Offboarding,
) -> Result<Offboarding, InventoryError> {
    let now = offboarder.ports.clock.now();
    let open: Vec<(SlotName, String)> = case.open_tasks().map(why_open).collect();
    let is_listed = case.listed.is_some();
    let Some(reminder) = reminder(&case, now).filter(|_| !(is_listed && open.is_empty())) else {
        return Ok(case);
    };
    let which = match is_listed {
        true => listed(&open),
        false => "which slots, could not be read so far".to_owned(),
    };
    let (severity, how_late) = match reminder {
        Reminder::Half => (Severity::Warning, "half of its time is over"),
        Reminder::FourFifths => (Severity::Warning, "four fifths of its time are over"),
        Reminder::Late => (Severity::Page, "its deadline is past"),
    };
    let what = format!(
        "The offboarding of {} is not done, and {how_late} ({:.0}): {which}.",
        case.leaver, case.deadline
    );
    let done = match (reminder, case.leaver.ends_slots()) {
        (Reminder::Late, false) => {
            "Old keys are revoked now, without waiting for their agents to go quiet. A key that has no replacement yet was left in use."
        }
        (_, false) => {
            "Agents work. New keys are asked for, and old ones revoked, as soon as that can be done; at the deadline old keys are revoked whatever uses them."
        }
        (_, true) => {
            "Their slots are closed: no key is made for them any more. What is alive is cut off again and again."
        }
    };
    let left = match case.leaver.ends_slots() {
        true => {
            "See to what is named, or delete the keys at their provider by hand; their absence is noticed here."
        }
        false => {
            "See to what is named: why a rotation does not come, keyward status shows. To cut a key off at once although its agent stops: keyward kill with the slot's name."
        }
    };
    let alert = alert(
        &open,
        severity,
        AlertKind::OffboardBehind,
        [&what, done, left],
    );
    told(offboarder, case, alert, |case, at| match reminder {
        Reminder::Half => case.told.half = Some(at),
        Reminder::FourFifths => case.told.four_fifths = Some(at),
        Reminder::Late => case.told.late = Some(at),
    })
    .await
}

fn why_open(task: &SlotTask) -> (SlotName, String) {
    let why = task
        .waits_for
        .as_ref()
        .map_or("not begun", |why| why.as_str());
    (task.slot.clone(), why.to_owned())
}

/// Tells people that a case is done, and of what it could not see.
pub(super) async fn done(
    offboarder: &Offboarder,
    case: Offboarding,
) -> Result<Offboarding, InventoryError> {
    if case.told.done.is_some() {
        return Ok(case);
    }
    let unseen = case
        .reads
        .as_ref()
        .and_then(|reads| reads.not_seen.as_ref());
    let slots = first_of(case.slots.iter().map(|task| task.slot.to_string()));
    let did = match (&case.leaver, case.slots.is_empty()) {
        (_, true) => "No slot was found that they had to do with. Nothing was changed.".to_owned(),
        (Leaver::Person(_), false) => format!(
            "Every key that they may have known is seen dead, and replaced where it was in use: {slots}."
        ),
        (_, false) => format!(
            "Every key is seen dead, and the secrets are deleted, to be gone in {} days: {slots}.",
            offboarder.recovery_days
        ),
    };
    let what = format!("The offboarding of {} is done. {did}", case.leaver);
    let kept = case.evidence.as_ref().map_or("", |place| place.as_str());
    let done = format!("The evidence, for auditors: {kept}");
    let mut left = match (&case.leaver, case.slots.is_empty()) {
        (_, true) => {
            "If that is not so, look at how the name is written: keyward status.".to_owned()
        }
        (Leaver::Person(_), false) => {
            "Change owners and readers in the fleet file too: keyward plan shows what differs."
                .to_owned()
        }
        (_, false) => "Take them out of the fleet file.".to_owned(),
    };
    if let Some(why) = unseen {
        left = format!("NOT SEEN is what they read of other secrets: {why}. {left}");
    }
    if case.left_out > 0 {
        left = format!(
            "{} more slots did not fit: offboard again for them. {left}",
            case.left_out
        );
    }
    let is_smooth = unseen.is_none() && case.left_out == 0 && !case.slots.is_empty();
    let severity = match is_smooth {
        true => Severity::Notice,
        false => Severity::Warning,
    };
    let alert = Alert::general(severity, AlertKind::OffboardDone, [&what, &done, &left]);
    told(offboarder, case, alert, |case, at| {
        case.told.done = Some(at)
    })
    .await
}

/// Sends an alert, and notes that it was. One that was not sent is sent by the next run.
async fn told(
    offboarder: &Offboarder,
    case: Offboarding,
    alert: Alert,
    note: impl Fn(&mut Offboarding, jiff::Timestamp) + Send + Sync,
) -> Result<Offboarding, InventoryError> {
    if !offboarder.ports.tell(alert).await {
        return Ok(case);
    }
    let now = offboarder.ports.clock.now();
    update(offboarder.cases.as_ref(), case, |case| note(case, now)).await
}
