//! After an order: a key that is recorded as in use, but was cut off without a record. While the inventory is down a
//! message that comes again cuts off whatever carries the slot's name, the replacement too.

use super::claim::claim_in_time;
use super::{Invocation, KillOrder, KillOutcome, act_on};
use crate::model::incident::{Evidence, Figures, TriggerId};
use crate::model::names::SlotName;
use crate::model::slot::Slot;
use crate::model::version::{Version, VersionState};
use crate::ports::{InventoryError, ProviderError};
use crate::usecases::Ports;

/// Why it is not known whether the slot's key works.
#[derive(Debug, thiserror::Error)]
enum NotSeen {
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// Looks whether the slot's current key was cut off without a record, and makes up for that: a kill of its own, which
/// gets a replacement. Returns what came of the order.
pub(super) async fn settle(
    ports: &Ports,
    order: &KillOrder,
    invocation: &Invocation,
    outcome: KillOutcome,
) -> KillOutcome {
    let slot = match cut_without_record(ports, &order.slot).await {
        Ok(None) => return outcome,
        Ok(Some(slot)) => slot,
        Err(error) => {
            tracing::warn!(slot = %order.slot, %error, "it could not be seen whether the slot's key was cut off without a record; the order is needed again");
            return KillOutcome::Unrecorded(0);
        }
    };
    tracing::error!(slot = %slot.name, "the slot's current key is cut off, and no incident says so; it becomes one");
    let of_its_own = KillOrder {
        trigger: TriggerId::new(&format!(
            "{}, unrecorded in epoch {}",
            order.trigger, slot.epoch.0
        )),
        evidence: Evidence::CutUnrecorded,
        seen: ports.clock.now(),
        figures: Figures::OfLiveKeys,
        ..order.clone()
    };
    match claim_in_time(ports, &of_its_own, None, invocation).await {
        Ok(claimed) => act_on(ports, &of_its_own, claimed, invocation).await,
        Err(error) => {
            tracing::warn!(slot = %slot.name, %error, "a key that was cut off could not be recorded so; the order is needed again");
            KillOutcome::Unrecorded(0)
        }
    }
}

/// Whether agents fetch the version's key, or will without a further look at it.
fn is_served(version: &Version) -> bool {
    match version.state {
        VersionState::Current | VersionState::Promoting => true,
        // What is drawn from a pool stands by suspended until setSecret; whether it is taken, testSecret sees.
        VersionState::Pending => version.tested.is_some() || version.label.is_some(),
        VersionState::Intended
        | VersionState::Restoring
        | VersionState::Retiring
        | VersionState::Revoking
        | VersionState::Revoked
        | VersionState::Abandoned
        | VersionState::Contained => false,
    }
}

/// The slot, if a key that it serves is cut off.
async fn cut_without_record(ports: &Ports, name: &SlotName) -> Result<Option<Slot>, NotSeen> {
    let versions = ports.inventory.versions(name).await?;
    let mut served = versions.into_iter().filter(is_served).peekable();
    if served.peek().is_none() {
        return Ok(None);
    }
    let Some(slot) = ports.inventory.slot(name).await? else {
        return Ok(None);
    };
    let provider = ports.providers.open(&slot.account, slot.provider).await?;
    for version in served.filter(|v| v.epoch == slot.epoch) {
        let Some(handle) = &version.handle else {
            continue;
        };
        let record = provider.get(handle).await?;
        if record.is_none_or(|record| record.suspended == Some(true)) {
            return Ok(Some(slot));
        }
    }
    Ok(None)
}
