//! After an order: a key that is recorded as in use, but was cut off without a record. While the inventory is down a
//! message that comes again cuts off whatever carries the slot's name, the replacement too.

use super::claim::claim_in_time;
use super::{Invocation, KillOrder, KillOutcome, act_on};
use crate::model::incident::{Evidence, Figures, Incident, TriggerId};
use crate::model::names::{SecretVersionId, SlotName};
use crate::model::slot::Slot;
use crate::model::version::{Version, VersionState};
use crate::ports::{InventoryError, ProviderError, SecretError, Stage};
use crate::usecases::Ports;

/// Why it is not known whether the slot's key works.
#[derive(Debug, thiserror::Error)]
enum NotSeen {
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Secret(#[from] SecretError),
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
            tracing::warn!(slot = %order.slot, %error, "it could not be seen whether the slot's key was cut off without a record; that is looked at again");
            return seen_later(outcome);
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
            tracing::warn!(slot = %slot.name, %error, "a key that was cut off could not be recorded so; that is tried again");
            seen_later(outcome)
        }
    }
}

/// The same when an incident is gone on with.
pub(super) async fn settle_again(
    ports: &Ports,
    incident: &Incident,
    invocation: &Invocation,
    outcome: KillOutcome,
) -> KillOutcome {
    let Some(first) = incident.triggers.first() else {
        return outcome;
    };
    let order = KillOrder {
        slot: incident.slot.clone(),
        trigger: first.id.clone(),
        evidence: Evidence::CutUnrecorded,
        cause: incident.trigger.clone(),
        seen: ports.clock.now(),
        figures: Figures::OfLiveKeys,
    };
    settle(ports, &order, invocation, outcome).await
}

/// Whoever goes on with the order's incident looks again. Where it has none that is due, the order is needed again.
fn seen_later(outcome: KillOutcome) -> KillOutcome {
    match outcome {
        KillOutcome::Contained(_) | KillOutcome::Unfinished(_) | KillOutcome::Attached => outcome,
        KillOutcome::Unrecorded(_)
        | KillOutcome::Over
        | KillOutcome::OfDeadKeys
        | KillOutcome::Observed
        | KillOutcome::NoSuchSlot
        | KillOutcome::Untold => KillOutcome::Unrecorded(0),
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
    let may_be_served = |v: &Version| is_served(v) || v.state == VersionState::Retiring;
    if !versions.iter().any(may_be_served) {
        return Ok(None);
    }
    let Some(slot) = ports.inventory.slot(name).await? else {
        return Ok(None);
    };
    let mut served = versions;
    served.retain(|v| v.epoch == slot.epoch && may_be_served(v));
    let moved_back = moved_back(ports, &slot, &served).await?;
    served.retain(|v| is_served(v) || moved_back.as_ref() == Some(&v.id.secret_version));
    let provider = ports.providers.open(&slot.account, slot.provider).await?;
    for version in served {
        let Some(handle) = &version.handle else {
            continue;
        };
        let record = provider.get(handle).await?;
        if record.is_none_or(|record| record.suspended == Some(true)) {
            // A kill that came since has cut it off, and says so.
            let stored = ports.inventory.slot(name).await?;
            return Ok(stored.filter(|stored| stored.epoch == slot.epoch));
        }
    }
    Ok(None)
}

/// What AWSCURRENT is on, where that may be a key which is recorded as replaced: somebody has moved the label back.
async fn moved_back(
    ports: &Ports,
    slot: &Slot,
    served: &[Version],
) -> Result<Option<SecretVersionId>, NotSeen> {
    if served.iter().all(is_served) {
        return Ok(None);
    }
    match ports.secrets.describe(slot.secret.as_str()).await {
        Ok(secret) => Ok(secret.holder(&Stage::Current).cloned()),
        Err(SecretError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
