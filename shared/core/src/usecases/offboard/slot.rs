//! One slot of a case: given up for good, or handed over with a new key.

use super::Offboarder;
use crate::model::act_order::{CutOff, Ground};
use crate::model::incident::TriggerId;
use crate::model::kill_outcome::KillOutcome;
use crate::model::names::SecretVersionId;
use crate::model::offboarding::{HandedOver, Leaver, Offboarding, Person, SecretEnd, SlotTask};
use crate::model::slot::{CredentialKind, Slot};
use crate::model::text::{OutsideText, with_causes};
use crate::ports::{Fence, InventoryError, SecretDescription, SecretError, Stage, TAG_SLOT};
use crate::rules::offboard::{
    Ending, EndingFacts, ReplaceFacts, Replacing, end_of_slot, hand_over, replace_known,
};
use crate::rules::pool::usable;
use crate::usecases::orders::{NotCutOff, cut_off};
use crate::usecases::pool;

/// How often a slot is read and decided about anew in one turn.
const TURNS: usize = 6;

/// Why a slot was not taken further. It is tried again.
#[derive(Debug, thiserror::Error)]
enum NotDone {
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("its keys are not cut off: {0}")]
    Uncut(#[from] NotCutOff),
    #[error("its keys are not all cut off yet; the kill switch goes on with it")]
    CutUnfinished,
    #[error(
        "its secret does not carry the tag keyward:slot with its name, and is left alone: it may be another's"
    )]
    WrongSecret,
}

/// Takes one slot as far as it goes now. What it waits for is in the task.
pub(super) async fn carry(
    offboarder: &Offboarder,
    case: &Offboarding,
    mut task: SlotTask,
) -> SlotTask {
    let carried = match &case.leaver {
        Leaver::Agent(_) | Leaver::Slot(_) => end(offboarder, case, &mut task).await,
        Leaver::Person(person) => replace(offboarder, case, person, &mut task).await,
    };
    if let Err(error) = carried {
        tracing::warn!(slot = %task.slot, case = %case.id, %error, "a slot of an offboarding is not done yet");
        task.waits_for = Some(OutsideText::new(&with_causes(&error)));
    }
    task
}

/// Gives a slot up: closed in a new epoch first, then cut off for good, then, once every key is seen dead, its secret.
async fn end(
    offboarder: &Offboarder,
    case: &Offboarding,
    task: &mut SlotTask,
) -> Result<(), NotDone> {
    let ports = &offboarder.ports;
    for _ in 0..TURNS {
        let Some(slot) = ports.inventory.slot(&task.slot).await? else {
            return done(offboarder, task);
        };
        let versions = ports.inventory.versions(&task.slot).await?;
        let facts = EndingFacts {
            slot: &slot,
            versions: &versions,
            is_secret_ended: task.secret_end.is_some(),
            now: ports.clock.now(),
        };
        match end_of_slot(&facts) {
            Ending::Close(closed) => match ports.inventory.save_slot(&closed).await {
                Ok(()) | Err(InventoryError::Conflict) => {}
                Err(error) => return Err(error.into()),
            },
            Ending::Cut => cut(offboarder, case, task).await?,
            Ending::Wait => {
                task.waits_for = Some(OutsideText::new(
                    "its keys are cut off, and not all seen dead yet",
                ));
                return Ok(());
            }
            Ending::DeleteSecret => task.secret_end = Some(end_secret(offboarder, &slot).await?),
            Ending::Done => return done(offboarder, task),
        }
    }
    Err(InventoryError::Conflict.into())
}

/// Nothing is left to do.
fn done(offboarder: &Offboarder, task: &mut SlotTask) -> Result<(), NotDone> {
    task.done = Some(offboarder.ports.clock.now());
    task.waits_for = None;
    Ok(())
}

/// Has the kill switch cut the slot off for good. The same order stands until it is carried out: whatever turns up
/// after that is cut off by the next one.
async fn cut(
    offboarder: &Offboarder,
    case: &Offboarding,
    task: &mut SlotTask,
) -> Result<(), NotDone> {
    let asked = case.asked.first();
    let by = asked.map_or_else(String::new, |asked| {
        format!(" ({}): {}", asked.by, asked.reason)
    });
    let order = CutOff {
        slot: task.slot.clone(),
        trigger: TriggerId::new(&format!(
            "offboard {} {}@{}",
            case.id, task.slot, task.asked
        )),
        ground: Ground::Offboarding,
        cause: OutsideText::new(&format!("offboarding of {}{by}", case.leaver)),
        seen: case.opened,
    };
    let outcome = cut_off(offboarder.orders.as_ref(), &order).await?;
    tracing::info!(slot = %task.slot, case = %case.id, ?outcome, "a slot that is given up was to be cut off");
    task.asked_at = Some(offboarder.ports.clock.now());
    match outcome {
        KillOutcome::Contained(_) | KillOutcome::Over | KillOutcome::OfDeadKeys => {
            task.asked += 1;
            Ok(())
        }
        KillOutcome::Unfinished(_)
        | KillOutcome::Unrecorded(_)
        | KillOutcome::Attached
        | KillOutcome::Untold
        | KillOutcome::Observed
        | KillOutcome::NoSuchSlot => Err(NotDone::CutUnfinished),
    }
}

/// Has the slot's secret deleted, in so many days. One that is gone, or on its way, is as it is to be; one that carries
/// another slot's name is not touched.
async fn end_secret(offboarder: &Offboarder, slot: &Slot) -> Result<SecretEnd, NotDone> {
    let ports = &offboarder.ports;
    let now = ports.clock.now();
    let seen = SecretEnd {
        at: now,
        until: None,
    };
    let secret = match ports.secrets.describe(slot.secret.as_str()).await {
        Ok(secret) => secret,
        Err(SecretError::NotFound(_)) => return Ok(seen),
        Err(error) => return Err(error.into()),
    };
    if secret.is_deleted {
        return Ok(seen);
    }
    if secret.tags.get(TAG_SLOT).map(String::as_str) != Some(slot.name.as_str()) {
        return Err(NotDone::WrongSecret);
    }
    let days = offboarder.recovery_days;
    let until = ports.secrets.schedule_deletion(&slot.secret, days).await?;
    Ok(SecretEnd { until, ..seen })
}

/// Hands a slot over, and replaces what the person may know of its keys.
async fn replace(
    offboarder: &Offboarder,
    case: &Offboarding,
    person: &Person,
    task: &mut SlotTask,
) -> Result<(), NotDone> {
    for _ in 0..TURNS {
        let Some(slot) = offboarder.ports.inventory.slot(&task.slot).await? else {
            return done(offboarder, task);
        };
        let slot = match give(offboarder, person, slot).await {
            Ok((slot, handed)) => {
                task.handed = Some(later(task.handed.take(), handed));
                slot
            }
            Err(InventoryError::Conflict) => continue,
            Err(error) => return Err(error.into()),
        };
        match replace_once(offboarder, case, &slot, task).await? {
            Replaced::Again => {}
            Replaced::Done => return done(offboarder, task),
            Replaced::NotYet(why) => {
                task.waits_for = Some(OutsideText::new(&why));
                return Ok(());
            }
        }
    }
    Err(InventoryError::Conflict.into())
}

/// What was handed over first stays on record; how the slot stands is as it is now.
fn later(before: Option<HandedOver>, now: HandedOver) -> HandedOver {
    match before {
        Some(before) => HandedOver {
            at: before.at,
            is_new_owner: before.is_new_owner || now.is_new_owner,
            ..now
        },
        None => now,
    }
}

/// The slot without the person, as it is stored.
async fn give(
    offboarder: &Offboarder,
    person: &Person,
    slot: Slot,
) -> Result<(Slot, HandedOver), InventoryError> {
    let (mut next, handed) = hand_over(&slot, person, offboarder.ports.clock.now());
    if next != slot {
        offboarder.ports.inventory.save_slot(&next).await?;
        next.revision = next.revision.next();
    }
    Ok((next, handed))
}

/// How a key stands that is to be replaced.
enum Replaced {
    Done,
    NotYet(String),
    /// Something was written: it is looked at anew.
    Again,
}

async fn replace_once(
    offboarder: &Offboarder,
    case: &Offboarding,
    slot: &Slot,
    task: &mut SlotTask,
) -> Result<Replaced, NotDone> {
    let ports = &offboarder.ports;
    let inventory = &ports.inventory;
    let versions = inventory.versions(&slot.name).await?;
    let secret = match ports.secrets.describe(slot.secret.as_str()).await {
        Ok(secret) => Some(secret),
        Err(SecretError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let facts = ReplaceFacts {
        slot,
        versions: &versions,
        known_until: task.known_until,
        deadline: case.deadline,
        is_cut_off: inventory.incident_of_slot(&slot.name).await?.is_some(),
        rotates: secret
            .as_ref()
            .is_some_and(|s| s.rotation_enabled && !s.is_deleted),
        is_pending: secret.as_ref().is_some_and(is_pending),
        has_standby: has_standby(offboarder, slot).await?,
        asked: (task.asked, task.asked_at),
        now: ports.clock.now(),
    };
    match replace_known(&facts) {
        Replacing::Done => Ok(Replaced::Done),
        Replacing::Hasten(hastened) => {
            match inventory.save_versions(&hastened, Fence::None).await {
                Ok(()) | Err(InventoryError::Conflict) => Ok(Replaced::Again),
                Err(error) => Err(error.into()),
            }
        }
        Replacing::Rotate => {
            let seed = format!("{}/{}/{}", case.id, slot.name, task.asked);
            let token = SecretVersionId::from_seed(&seed);
            match ports.secrets.rotate_now(&slot.secret, &token).await {
                Ok(()) | Err(SecretError::RotationUnfinished) => {}
                Err(error) => return Err(error.into()),
            }
            task.asked += 1;
            task.asked_at = Some(facts.now);
            Ok(Replaced::NotYet("a new key was asked for".to_owned()))
        }
        Replacing::Wait(hold) => Ok(Replaced::NotYet(hold.to_string())),
    }
}

fn is_pending(secret: &SecretDescription) -> bool {
    let pending = secret.holder(&Stage::Pending);
    pending.is_some_and(|id| !secret.has(id, &Stage::Current))
}

/// Whether the slot's pool has a key for it; where keys come from elsewhere, it has.
async fn has_standby(offboarder: &Offboarder, slot: &Slot) -> Result<bool, InventoryError> {
    if slot.kind != CredentialKind::Pool {
        return Ok(true);
    }
    let ports = &offboarder.ports;
    let pool = pool::read(ports, &slot.account).await?;
    Ok(!usable(&pool.standby, slot, ports.clock.now()).is_empty())
}
