//! Kill: cuts a slot off. Claim, contain all live versions at once, tell people, ask for the replacement. Each step is saved, and whatever is not
//! finished is due work.

mod blind;
mod claim;
mod confirm;
mod contain;
mod foresee;
mod look;
mod place;
mod replace;
mod save;
mod settle;
mod tell;

use jiff::SignedDuration;

pub use blind::{FoundKeys, Whereabouts, contain_found, delete_found};
use claim::{Claimed, NoClaim, Ours};
pub use claim::{ReadAhead, read_ahead};
pub(crate) use contain::cut_key;
use contain::{Contained, Containing};
pub use foresee::{Foreseen, foresee};
pub use look::{Looked, look_for};
pub(crate) use place::place_tags;
use save::update;

use super::Ports;
use super::find::page_if_admin;
use crate::model::alert::Alert;
use crate::model::incident::{Evidence, Incident, KillStep, OwnerId, StepResult};
pub use crate::model::kill_outcome::{CutVersion, KillOutcome};
use crate::model::slot::{Mode, Slot};
use crate::model::text::OutsideText;
use crate::ports::{Deadline, InventoryError};
pub use crate::rules::kill::KillOrder;
use crate::rules::revoke::ConfirmPolicy;

/// A slot that is not contained so long after its kill began pages a person.
const LATE: SignedDuration = SignedDuration::from_mins(5);

/// Who does the work, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// One invocation of one function: no two have the same.
    pub owner: OwnerId,
    /// When it must have ended: so long its incidents are its own.
    pub deadline: Deadline,
}

/// Why an order came to nothing that is known.
#[derive(Debug, thiserror::Error)]
pub enum KillError {
    /// The inventory did not take the claim in time, and nothing was found without it. Give the order again.
    #[error("the inventory did not take the claim in time, and no key was found without it")]
    Late,
    /// The inventory cannot be read or written, and nothing was found without it. Give the order again.
    #[error("the kill could not be claimed, and no key was found without the inventory")]
    Inventory(#[from] InventoryError),
}

/// Cuts off the slot that the order names. Orders with the same trigger are carried out once.
///
/// # Errors
/// [`KillError`]: give the order again.
pub async fn kill(
    ports: &Ports,
    order: &KillOrder,
    invocation: &Invocation,
) -> Result<KillOutcome, KillError> {
    kill_after(ports, order, None, invocation).await
}

/// The same with what [`read_ahead`] read of the slot and the trigger.
///
/// # Errors
/// [`KillError`]: give the order again.
pub async fn kill_after(
    ports: &Ports,
    order: &KillOrder,
    ahead: Option<ReadAhead>,
    invocation: &Invocation,
) -> Result<KillOutcome, KillError> {
    let outcome = match claim::claim_in_time(ports, order, ahead, invocation).await {
        Ok(claimed) => act_on(ports, order, claimed, invocation).await,
        Err(why) => without_inventory(ports, order, invocation, why).await?,
    };
    match outcome {
        KillOutcome::Unrecorded(_) | KillOutcome::NoSuchSlot | KillOutcome::Untold => Ok(outcome),
        _ => Ok(settle::settle(ports, order, invocation, outcome).await),
    }
}

async fn act_on(
    ports: &Ports,
    order: &KillOrder,
    claimed: Claimed,
    invocation: &Invocation,
) -> KillOutcome {
    match claimed {
        Claimed::Ours(ours) => carry(ports, *ours, invocation, None).await,
        Claimed::Attached(incident) => {
            tracing::info!(slot = %order.slot, incident = %incident.id, "a further trigger of an incident that is being worked on");
            KillOutcome::Attached
        }
        Claimed::Over(incident) => {
            tracing::info!(slot = %order.slot, incident = %incident.id, "a trigger of an incident that is closed");
            KillOutcome::Over
        }
        Claimed::OfDeadKeys(slot) => {
            let alert = tell::of_dead_keys(&slot, order);
            told(ports, alert, KillOutcome::OfDeadKeys).await
        }
        Claimed::Observed(slot, versions) => {
            let alert = tell::would_contain(&slot, order, &versions);
            told(ports, alert, KillOutcome::Observed).await
        }
        // A person is told by the answer, and nothing stands behind a name that was mistyped.
        Claimed::NoSuchSlot if order.evidence == Evidence::Person => KillOutcome::NoSuchSlot,
        Claimed::NoSuchSlot => {
            told(ports, tell::no_such_slot(order), KillOutcome::NoSuchSlot).await
        }
    }
}

/// The outcome of an order that only tells people, if they were told.
async fn told(ports: &Ports, alert: Alert, outcome: KillOutcome) -> KillOutcome {
    match ports.tell(alert).await {
        true => outcome,
        false => KillOutcome::Untold,
    }
}

/// The inventory did not take the claim: what can be found without it is cut off first, and recorded if the inventory
/// is back by then. Whether the slot only observes is not known meanwhile.
async fn without_inventory(
    ports: &Ports,
    order: &KillOrder,
    invocation: &Invocation,
    why: NoClaim,
) -> Result<KillOutcome, KillError> {
    tracing::error!(slot = %order.slot, error = %why, "the inventory did not take the claim; what can be found without it is cut off");
    let blind = blind::contain(ports, order).await;
    let claimed = claim::claim_in_time(ports, order, None, invocation).await;
    match (claimed, blind) {
        (Ok(Claimed::Observed(..)) | Err(_), Ok(blind)) => {
            ports.tell(tell::unrecorded(order, &blind)).await;
            Ok(KillOutcome::Unrecorded(blind.found.cut_off()))
        }
        (Ok(claimed), _) => Ok(act_on(ports, order, claimed, invocation).await),
        (Err(_), Err(no_place)) => {
            ports.tell(tell::nothing_found(order, &no_place)).await;
            Err(why.into())
        }
    }
}

impl From<NoClaim> for KillError {
    fn from(why: NoClaim) -> Self {
        match why {
            NoClaim::Late => Self::Late,
            NoClaim::Inventory(error) => Self::Inventory(error),
        }
    }
}

/// Goes on with an incident, unless nothing is left to do about it or somebody else is at work on it: then `None`.
///
/// # Errors
/// [`InventoryError`]; the incident stays due.
pub async fn resume(
    ports: &Ports,
    id: &str,
    confirm: &ConfirmPolicy,
    invocation: &Invocation,
) -> Result<Option<KillOutcome>, InventoryError> {
    let Some(mut incident) = ports.inventory.incident(id).await? else {
        return Ok(None);
    };
    let now = ports.clock.now();
    let is_over = incident.closed.is_some() && incident.due_at.is_none();
    if is_over || incident.is_leased_by_another(&invocation.owner, now) {
        return Ok(None);
    }
    incident.lease(&invocation.owner, invocation.deadline.0);
    match incident.closed {
        None => ports.inventory.save_incident(&incident).await?,
        Some(_) => ports.inventory.follow_up(&incident).await?,
    }
    let Some(slot) = ports.inventory.slot(&incident.slot).await? else {
        return Ok(None);
    };
    let versions = ports.inventory.versions(&slot.name).await?;
    let provider = ports.providers.open(&slot.account, slot.provider).await;
    let incident = save::written(incident);
    let ours = Ours {
        incident: incident.clone(),
        slot,
        versions,
        provider,
    };
    let outcome = carry(ports, ours, invocation, Some(confirm)).await;
    Ok(Some(match outcome {
        KillOutcome::Contained(_) => {
            settle::settle_again(ports, &incident, invocation, outcome).await
        }
        _ => outcome,
    }))
}

/// Whether the order only tells people: the slot observes, and the evidence is a judgement about what is usual.
fn observes(slot: &Slot, order: &KillOrder) -> bool {
    slot.mode == Mode::Observe && order.evidence.is_statistical()
}

/// Takes an incident that is ours from wherever it stands as far as it goes now. Whoever comes with a policy also looks
/// whether the keys that were cut off are refused: that takes minutes, so it is not for the first invocation.
async fn carry(
    ports: &Ports,
    ours: Ours,
    invocation: &Invocation,
    confirm: Option<&ConfirmPolicy>,
) -> KillOutcome {
    let Ours {
        incident,
        slot,
        versions,
        provider,
    } = ours;
    let (incident, contained) = match &provider {
        Ok(provider) => {
            let containing = Containing {
                ports,
                slot: &slot,
                provider: provider.clone(),
                deadline: invocation.deadline,
            };
            containing.contain(incident, versions).await
        }
        Err(error) => (incident, Contained::unreached(error.clone())),
    };
    let first_failure = incident.steps.iter().all(|s| s.step != KillStep::Contain);
    let incident = record(ports, incident, &contained).await;
    if let Some(error) = contained.admin_refused().filter(|_| first_failure) {
        page_if_admin(ports, &slot, error).await;
    }
    let mut incident = tell::how_it_went(ports, &slot, incident, &contained, first_failure).await;
    if contained.is_whole() {
        incident = replace::see_to_replacement(ports, &slot, incident).await;
    }
    if let (Some(policy), Ok(provider)) = (confirm, &provider) {
        let provider = provider.as_ref();
        incident = confirm::look_at_cut_keys(ports, &slot, provider, policy, incident).await;
        incident = tell::what_became_of_it(ports, &slot, incident).await;
    }
    hand_back(ports, incident, invocation, &contained, confirm).await;
    let versions = contained.summary();
    match contained.is_whole() {
        true => KillOutcome::Contained(versions),
        false => KillOutcome::Unfinished(versions),
    }
}

/// Records how containment went.
async fn record(ports: &Ports, incident: Incident, contained: &Contained) -> Incident {
    let now = ports.clock.now();
    let result = match contained.first_failure() {
        None => StepResult::Done,
        Some(why) => StepResult::Failed(OutsideText::new(&why)),
    };
    update(ports, incident, |incident| {
        let is_done = incident.done(KillStep::Contain).is_some();
        if !(is_done && result == StepResult::Done) {
            incident.take(KillStep::Contain, now, result.clone());
        }
    })
    .await
}

/// Gives the incident back: closed once its keys are dead, people know and a replacement is in use or none will be; and
/// due again until the last word about it is said.
async fn hand_back(
    ports: &Ports,
    incident: Incident,
    invocation: &Invocation,
    contained: &Contained,
    confirm: Option<&ConfirmPolicy>,
) {
    let now = ports.clock.now();
    let is_cut = |incident: &Incident| {
        contained.is_whole()
            && incident.containment == contained.containment()
            && incident.done(KillStep::TellContained).is_some()
    };
    let again = confirm.map_or(SignedDuration::ZERO, ConfirmPolicy::spacing);
    update(ports, incident, |incident| {
        let is_cut = is_cut(incident);
        let is_replaced = incident.done(KillStep::Replace).is_some() || incident.suspends.is_some();
        if is_cut && is_replaced && incident.closed.is_none() {
            incident.closed = Some(now);
        }
        if incident
            .owner
            .as_ref()
            .is_some_and(|owner| *owner != invocation.owner)
        {
            return;
        }
        incident.owner = None;
        incident.lease_until = None;
        incident.due_at = match is_cut {
            false => Some(now),
            true if incident.done(KillStep::TellDone).is_some() => None,
            true => Some(now + again),
        };
    })
    .await;
}
