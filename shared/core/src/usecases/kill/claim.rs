//! The claim: one open incident for each slot, taken by a conditional write.

use std::sync::Arc;

use futures::future::{Either, join, select};
use futures::try_join;
use jiff::{SignedDuration, Timestamp};

use super::save::written;
use super::{Invocation, KillOrder};
use crate::model::incident::{Incident, TriggerId};
use crate::model::names::SlotName;
use crate::model::slot::Slot;
use crate::model::version::{Version, VersionState};
use crate::ports::{CHECKED_AT_ONCE, InventoryError, KeyProvider, ProviderError};
use crate::rules::kill::{Claim, ClaimFacts, LOOP_WINDOW, claim as decide};
use crate::usecases::Ports;

/// If the inventory has not taken the claim by then, the slot is contained without it.
const CLAIM_TIME: SignedDuration = SignedDuration::from_secs(2);

/// How often the claim is tried again when somebody else wrote first, or an answer was lost.
const TRIES: usize = 5;

/// A provider account's driver, or why there is none.
pub(super) type Opened = Result<Arc<dyn KeyProvider>, ProviderError>;

/// What the claim came to.
pub(super) enum Claimed {
    /// The incident is ours to go on with.
    Ours(Box<Ours>),
    /// Somebody else is at work on it, and knows of this order now.
    Attached(Box<Incident>),
    /// The order's incident is closed.
    Over(Box<Incident>),
    /// The slot only observes, and the evidence is statistical.
    Observed(Box<Slot>, Vec<Version>),
    /// What speaks for the order is the use of keys that are cut off already.
    OfDeadKeys(Box<Slot>),
    /// There is no such slot.
    NoSuchSlot,
}

/// An incident to go on with, and what was read for it.
pub(super) struct Ours {
    pub(super) incident: Incident,
    pub(super) slot: Slot,
    pub(super) versions: Vec<Version>,
    pub(super) provider: Opened,
}

/// Why there is no claim.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoClaim {
    #[error("the inventory did not answer in time")]
    Late,
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

/// What is read before the claim, in one round trip.
#[derive(Debug)]
pub(super) struct Read {
    slot: Slot,
    versions: Vec<Version>,
    open: Option<Incident>,
    of_trigger: Option<Incident>,
}

/// What the claim begins with, read before it is known whether there will be one.
#[derive(Debug)]
pub struct ReadAhead {
    /// `None` if the inventory did not answer in time.
    read: Option<Result<Option<Read>, InventoryError>>,
    /// How much of the claim's time it took.
    took: SignedDuration,
}

/// Reads what a claim begins with, and writes nothing.
pub async fn read_ahead(ports: &Ports, slot: &SlotName, trigger: &TriggerId) -> ReadAhead {
    let began = ports.clock.now();
    let read = std::pin::pin!(read(ports, slot, trigger));
    let read = match select(read, ports.clock.sleep(CLAIM_TIME)).await {
        Either::Left((read, _)) => Some(read),
        Either::Right(((), _)) => None,
    };
    let took = ports.clock.now().duration_since(began);
    ReadAhead { read, took }
}

/// Claims the slot for the order within [`CLAIM_TIME`], of which reading ahead took its part.
pub(super) async fn claim_in_time(
    ports: &Ports,
    order: &KillOrder,
    ahead: Option<ReadAhead>,
    invocation: &Invocation,
) -> Result<Claimed, NoClaim> {
    let (first, left) = match ahead {
        None => (None, CLAIM_TIME),
        Some(ReadAhead { read: None, .. }) => return Err(NoClaim::Late),
        Some(ahead) => (ahead.read, CLAIM_TIME - ahead.took),
    };
    let claimed = std::pin::pin!(claim(ports, order, first, invocation));
    let late = ports.clock.sleep(left);
    match select(claimed, late).await {
        Either::Left((claimed, _)) => Ok(claimed?),
        Either::Right(((), _)) => Err(NoClaim::Late),
    }
}

/// Claims the slot for the order, at first by what was read already.
///
/// # Errors
/// [`InventoryError`]; the claim may have been taken all the same.
async fn claim(
    ports: &Ports,
    order: &KillOrder,
    mut first: Option<Result<Option<Read>, InventoryError>>,
    invocation: &Invocation,
) -> Result<Claimed, InventoryError> {
    let mut last = InventoryError::Conflict;
    for _ in 0..TRIES {
        let read = match first.take() {
            Some(read) => read,
            None => read(ports, &order.slot, &order.trigger).await,
        };
        let claimed = match read {
            Ok(read) => attempt(ports, order, read, invocation).await,
            Err(error) => Err(error),
        };
        match claimed {
            Err(error) if error.is_retryable() => last = error,
            done => return done,
        }
    }
    Err(last)
}

async fn attempt(
    ports: &Ports,
    order: &KillOrder,
    read: Option<Read>,
    invocation: &Invocation,
) -> Result<Claimed, InventoryError> {
    let Some(mut read) = read else {
        return Ok(Claimed::NoSuchSlot);
    };
    if let Some(open) = &read.open
        && open.epoch > read.slot.epoch
    {
        // It was opened while all this was read: the slot and its versions are of before.
        return Err(InventoryError::Conflict);
    }
    if was_killed_lately(&read, ports.clock.now()) && read.open.is_none() {
        // Its last incident may have closed, and its replacement come into use, since the versions were read.
        read.versions = ports.inventory.versions(&order.slot).await?;
    }
    if super::observes(&read.slot, order) && read.open.is_none() {
        return Ok(Claimed::Observed(Box::new(read.slot), read.versions));
    }
    let decided = decide(&ClaimFacts {
        order,
        owner: &invocation.owner,
        until: invocation.deadline.0,
        slot: &read.slot,
        versions: &read.versions,
        open: read.open.as_ref(),
        of_trigger: read.of_trigger.as_ref(),
        now: ports.clock.now(),
    });
    match decided {
        Claim::Open(incident, slot) => {
            let unchanged = decided_by(&read);
            let inventory = &ports.inventory;
            let write = inventory.open_incident(&incident, &slot, &unchanged);
            ours(ports, (*incident).clone(), read, write).await
        }
        Claim::GoOn(incident) => {
            let write = ports.inventory.attach_trigger(&incident, &order.trigger);
            ours(ports, (*incident).clone(), read, write).await
        }
        Claim::Attach(incident) => {
            let inventory = &ports.inventory;
            inventory.attach_trigger(&incident, &order.trigger).await?;
            Ok(Claimed::Attached(incident))
        }
        Claim::Attached(incident) => Ok(Claimed::Attached(incident)),
        Claim::Over(incident) => Ok(Claimed::Over(incident)),
        Claim::CloseFirst(incident) => {
            ports.inventory.save_incident(&incident).await?;
            Err(InventoryError::Conflict)
        }
        Claim::OfDeadKeys => Ok(Claimed::OfDeadKeys(Box::new(read.slot))),
    }
}

fn was_killed_lately(read: &Read, now: Timestamp) -> bool {
    let killed = read.slot.killed;
    killed.is_some_and(|killed| now.duration_since(killed.at) < LOOP_WINDOW)
}

/// The versions that must not change until the claim is written: one that comes into use or back meanwhile is judged
/// anew. There is none where no kill came before.
fn decided_by(read: &Read) -> Vec<Version> {
    if read.slot.killed.is_none() {
        return Vec::new();
    }
    let newest_first = read.versions.iter().rev();
    let counts = |v: &&Version| {
        let state = v.state;
        state.is_promoted() || state.is_in_rotation() || state == VersionState::Restoring
    };
    let decided_by = newest_first.filter(counts).take(CHECKED_AT_ONCE);
    decided_by.cloned().collect()
}

async fn read(
    ports: &Ports,
    slot: &SlotName,
    trigger: &TriggerId,
) -> Result<Option<Read>, InventoryError> {
    let inventory = &ports.inventory;
    let (slot, versions, open, of_trigger) = try_join!(
        inventory.slot(slot),
        inventory.versions(slot),
        inventory.incident_of_slot(slot),
        inventory.incident_of_trigger(trigger),
    )?;
    Ok(slot.map(|slot| Read {
        slot,
        versions,
        open,
        of_trigger,
    }))
}

/// Writes the claim, and opens the provider account beside it.
async fn ours(
    ports: &Ports,
    incident: Incident,
    read: Read,
    write: impl Future<Output = Result<(), InventoryError>>,
) -> Result<Claimed, InventoryError> {
    let slot = &read.slot;
    let open = ports.providers.open(&slot.account, slot.provider);
    let (claimed, provider) = join(write, open).await;
    claimed?;
    Ok(Claimed::Ours(Box::new(Ours {
        incident: written(incident),
        slot: read.slot,
        versions: read.versions,
        provider,
    })))
}
