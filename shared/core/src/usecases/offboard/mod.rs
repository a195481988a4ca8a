//! Offboard: an agent is given up, or a person has left. A case is durable and level-triggered: whoever is woken next goes
//! on with it from where its record, the slots and their versions stand. Each step may be taken twice.
//!
//! Nothing here asks a provider for anything. Keys are cut off by the kill switch, replaced by `rotate`, and revoked and
//! confirmed dead by `retire`.

mod list;
mod open;
mod reads;
mod record;
mod save;
mod slot;
mod tell;

use std::sync::Arc;

use futures::future::join_all;
use jiff::SignedDuration;
use serde::Serialize;

pub(crate) use list::slots_where;
pub use open::{Foreseen, Opened, cases_of, foresee, open};
pub use record::{KeyRecordOf, OffboardingRecord, SlotRecord, record_of};
use save::update;

use super::Ports;
use super::kill::Invocation;
use crate::model::offboarding::{Leaver, Offboarding, OffboardingId, SlotTask};
use crate::model::text::OutsideText;
use crate::ports::{
    ActOrders, Deadline, EvidenceSink, InventoryError, ListError, Offboardings, SecretReads,
};
use crate::rules::offboard::next_look;

/// Slots of one case that are worked on at once: so many, that a case of ten takes no longer than one slot.
const AT_ONCE: usize = 10;

/// Cases taken up in one run.
const BATCH: usize = 20;

/// No case, and no slot, is begun with less time left: a cut waits for the kill switch for up to a minute.
const MARGIN: SignedDuration = SignedDuration::from_secs(75);

/// What offboarding works with.
#[derive(Clone)]
pub struct Offboarder {
    /// What every use case has.
    pub ports: Ports,
    /// The cases.
    pub cases: Arc<dyn Offboardings>,
    /// What writes at a provider: the kill switch does it.
    pub orders: Arc<dyn ActOrders>,
    /// Who has read which secret.
    pub reads: Arc<dyn SecretReads>,
    /// Where the evidence is kept.
    pub evidence: Arc<dyn EvidenceSink>,
    /// For how many days a deleted secret can be brought back: 7 to 30.
    pub recovery_days: u16,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OffboardReport {
    /// Cases that were due.
    pub seen: usize,
    /// Cases that were closed.
    pub closed: usize,
    /// Cases that could not be read or saved. They are due again.
    pub failed: usize,
    /// Cases that there was no time for.
    pub left: usize,
}

/// Carries on whatever is due. One case's failure holds up no other.
///
/// # Errors
/// [`InventoryError`] if the list of due cases cannot be read.
pub async fn carry_on(
    offboarder: &Offboarder,
    invocation: &Invocation,
) -> Result<OffboardReport, InventoryError> {
    let now = offboarder.ports.clock.now();
    let due = offboarder.cases.due_offboardings(now, BATCH).await?;
    let mut report = OffboardReport {
        seen: due.len(),
        ..OffboardReport::default()
    };
    for id in due {
        if !has_time(offboarder, invocation) {
            report.left += 1;
            continue;
        }
        match carry_case(offboarder, &id, invocation).await {
            Ok(Some(case)) if case.closed.is_some() => report.closed += 1,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(case = %id, %error, "an offboarding could not be gone on with; it stays due");
                report.failed += 1;
            }
        }
    }
    Ok(report)
}

fn has_time(offboarder: &Offboarder, invocation: &Invocation) -> bool {
    let clock = offboarder.ports.clock.as_ref();
    invocation.deadline.allows(clock, MARGIN)
}

/// Goes on with a case as far as it goes now; `None` if there is none, it is closed, or somebody else is at work on it.
///
/// # Errors
/// [`InventoryError`]; the case stays due.
pub async fn carry_case(
    offboarder: &Offboarder,
    id: &OffboardingId,
    invocation: &Invocation,
) -> Result<Option<Offboarding>, InventoryError> {
    let Some(mut case) = offboarder.cases.offboarding(id).await? else {
        return Ok(None);
    };
    let now = offboarder.ports.clock.now();
    if case.closed.is_some() || case.is_leased_by_another(&invocation.owner, now) {
        return Ok(None);
    }
    case.lease(&invocation.owner, invocation.deadline.0);
    offboarder.cases.save_offboarding(&case).await?;
    let case = save::written(case);
    let case = work_on(offboarder, case, invocation.deadline).await?;
    hand_back(offboarder, case, invocation).await.map(Some)
}

/// Lists what there is to do, does what can be done, and says how it stands.
async fn work_on(
    offboarder: &Offboarder,
    case: Offboarding,
    deadline: Deadline,
) -> Result<Offboarding, InventoryError> {
    let case = match case.listed {
        Some(_) => case,
        None => list::list_slots(offboarder, case).await?,
    };
    // Keys that are known to be somebody's do not wait for CloudTrail, whose finds have their turn in the next run.
    let case = carry_slots(offboarder, case, deadline).await?;
    let case = reads::look(offboarder, case, deadline).await?;
    let case = tell::ownerless(offboarder, case).await?;
    let case = tell::of_the_time(offboarder, case).await?;
    finish(offboarder, case).await
}

/// Takes every slot as far as it goes now, several at once. One slot's failure holds up no other.
async fn carry_slots(
    offboarder: &Offboarder,
    case: Offboarding,
    deadline: Deadline,
) -> Result<Offboarding, InventoryError> {
    let clock = offboarder.ports.clock.as_ref();
    let open: Vec<SlotTask> = case.open_tasks().cloned().collect();
    let mut done: Vec<SlotTask> = Vec::new();
    for tasks in open.chunks(AT_ONCE) {
        if !deadline.allows(clock, MARGIN) {
            break;
        }
        let work = tasks
            .iter()
            .map(|task| slot::carry(offboarder, &case, task.clone()));
        done.extend(join_all(work).await);
    }
    update(offboarder.cases.as_ref(), case.clone(), |case| {
        for task in &done {
            let Some(known) = case.task(&task.slot) else {
                continue;
            };
            // What was found meanwhile to be known for longer is not done.
            let is_longer = known.known_until > task.known_until;
            let (ties, until) = (known.ties.clone(), known.known_until);
            *known = task.clone();
            if is_longer {
                (known.ties, known.known_until, known.done) = (ties, until, None);
            }
        }
    })
    .await
}

/// Closes the case once every slot is done, nothing new is found, and its evidence is kept and told.
async fn finish(offboarder: &Offboarder, case: Offboarding) -> Result<Offboarding, InventoryError> {
    let is_looked = match case.leaver {
        Leaver::Person(_) => case
            .reads
            .as_ref()
            .is_some_and(|reads| reads.over.is_some()),
        Leaver::Agent(_) | Leaver::Slot(_) => true,
    };
    if case.listed.is_none() || case.open_tasks().next().is_some() || !is_looked {
        return Ok(case);
    }
    // The list of slots lags, and a slot can have been registered since.
    let before = case.slots.len();
    let case = list::list_slots(offboarder, case).await?;
    if case.slots.len() > before || case.open_tasks().next().is_some() {
        return Ok(case);
    }
    let now = offboarder.ports.clock.now();
    let closed = Offboarding {
        closed: Some(now),
        ..case.clone()
    };
    let kept = match keep_evidence(offboarder, &closed).await {
        Ok(kept) => kept,
        Err(error) => {
            tracing::warn!(case = %case.id, %error, "the evidence of an offboarding could not be kept; the case stays open for it");
            return Ok(case);
        }
    };
    let case = update(offboarder.cases.as_ref(), case, |case| {
        case.evidence = Some(kept.clone());
    })
    .await?;
    let case = tell::done(offboarder, case).await?;
    if case.told.done.is_none() {
        return Ok(case);
    }
    update(offboarder.cases.as_ref(), case, |case| {
        if case.listed.is_some() && case.open_tasks().next().is_none() {
            case.closed = Some(now);
        }
    })
    .await
}

/// Why evidence was not kept.
#[derive(Debug, thiserror::Error)]
enum NotKept {
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Sink(#[from] ListError),
}

async fn keep_evidence(
    offboarder: &Offboarder,
    case: &Offboarding,
) -> Result<OutsideText, NotKept> {
    let inventory = offboarder.ports.inventory.as_ref();
    let record = record_of(inventory, case, offboarder.ports.clock.now()).await?;
    Ok(offboarder
        .evidence
        .put_evidence(&case.id, &record.to_json())
        .await?)
}

async fn hand_back(
    offboarder: &Offboarder,
    case: Offboarding,
    invocation: &Invocation,
) -> Result<Offboarding, InventoryError> {
    let now = offboarder.ports.clock.now();
    update(offboarder.cases.as_ref(), case, |case| {
        if case
            .owner
            .as_ref()
            .is_some_and(|owner| *owner != invocation.owner)
        {
            return;
        }
        case.owner = None;
        case.lease_until = None;
        case.due_at = next_look(case, now);
    })
    .await
}
