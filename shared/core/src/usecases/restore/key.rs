//! Bringing one key back: recorded before the provider is asked, seen accepted before it counts, cut off again if a kill
//! came between.

use jiff::SignedDuration;

use super::{CutOff, RestoreError};
use crate::model::incident::Incident;
use crate::model::slot::Slot;
use crate::model::text::OutsideText;
use crate::model::version::{Version, VersionState};
use crate::ports::{ActOrders, Fence, InventoryError, Verdict};
use crate::rules::restore::Place;
use crate::usecases::adopt::retiring;
use crate::usecases::kill::Invocation;
use crate::usecases::rotate::settle_promotion;
use crate::usecases::{Ports, orders};

/// How long is waited before the provider is asked again whether it takes the key, in seconds: it may need a moment to
/// take notice.
const WAITS: [i64; 6] = [0, 1, 2, 4, 8, 15];

/// Brings a key back. The record says beforehand that it may be alive from now on.
pub(super) async fn bring_back(
    ports: &Ports,
    orders: &dyn ActOrders,
    slot: &Slot,
    cut: CutOff,
    invocation: &Invocation,
) -> Result<Version, RestoreError> {
    let incident = hold(ports, cut.incident.clone(), invocation).await?;
    let back = match begin(ports, slot, &cut, invocation).await {
        Ok(restoring) => finish(ports, orders, slot, &cut, restoring, invocation).await,
        Err(error) => Err(error),
    };
    release(ports, incident).await;
    back
}

/// Closes the incident if it is open, and keeps others from it meanwhile: who looks whether its keys are dead would cut
/// this one off again.
async fn hold(
    ports: &Ports,
    mut incident: Incident,
    invocation: &Invocation,
) -> Result<Option<Incident>, InventoryError> {
    let is_open = incident.closed.is_none();
    if !is_open && incident.due_at.is_none() {
        return Ok(None);
    }
    incident.lease(&invocation.owner, invocation.deadline.0);
    if is_open {
        incident.closed = Some(ports.clock.now());
        ports.inventory.save_incident(&incident).await?;
    } else {
        ports.inventory.follow_up(&incident).await?;
    }
    incident.revision = incident.revision.next();
    Ok(Some(incident))
}

async fn release(ports: &Ports, incident: Option<Incident>) {
    let Some(mut incident) = incident else {
        return;
    };
    incident.owner = None;
    incident.lease_until = None;
    incident.due_at = Some(ports.clock.now());
    if let Err(error) = ports.inventory.follow_up(&incident).await {
        tracing::warn!(incident = %incident.id, %error, "an incident could not be given back; it is due when its lease ends");
    }
}

/// Records, in this epoch, that the key may be alive until the invocation's end.
async fn begin(
    ports: &Ports,
    slot: &Slot,
    cut: &CutOff,
    invocation: &Invocation,
) -> Result<Version, RestoreError> {
    let mut version = cut.version.clone();
    if version.state != VersionState::Restoring {
        version = version.become_state(VersionState::Restoring)?;
    }
    // What a kill cuts off was made before it: from now on the key counts as one of this epoch.
    version.epoch = slot.epoch;
    version.restored = Some(ports.clock.now());
    lease(ports, slot, version, invocation)
        .await
        .map_err(|error| match error {
            InventoryError::Fenced(_) => RestoreError::KilledMeanwhile,
            error => error.into(),
        })
}

async fn lease(
    ports: &Ports,
    slot: &Slot,
    mut version: Version,
    invocation: &Invocation,
) -> Result<Version, InventoryError> {
    version.lease_until = Some(invocation.deadline.0);
    version.due_at = Some(invocation.deadline.0);
    save(ports, slot, &version).await?;
    version.revision = version.revision.next();
    Ok(version)
}

async fn save(ports: &Ports, slot: &Slot, version: &Version) -> Result<(), InventoryError> {
    let versions = std::slice::from_ref(version);
    let fence = Fence::Epoch(slot.epoch);
    ports.inventory.save_versions(versions, fence).await
}

/// Resumes the key, looks at it, and records it as what it is. Whatever goes wrong, it is cut off again.
async fn finish(
    ports: &Ports,
    orders: &dyn ActOrders,
    slot: &Slot,
    cut: &CutOff,
    restoring: Version,
    invocation: &Invocation,
) -> Result<Version, RestoreError> {
    let error = match resume(ports, orders, slot, cut, restoring.clone(), invocation).await {
        Ok(()) => match is_back(ports, slot, &restoring).await {
            Ok(Some(version)) => return Ok(version),
            Ok(None) => RestoreError::KilledMeanwhile,
            Err(error) => return Err(error.into()),
        },
        Err(error) => error,
    };
    // An answer that was lost may have been a yes.
    if let RestoreError::Inventory(InventoryError::Unavailable(_)) = &error
        && let Ok(Some(version)) = is_back(ports, slot, &restoring).await
    {
        return Ok(version);
    }
    // What is not known to be over may resume the key after it was cut off again: `retire` does that when the lease ends,
    // under which alone a key is resumed.
    if !matches!(error, RestoreError::KillSwitch(_)) {
        take_back(orders, &restoring, invocation).await;
    }
    Err(error)
}

async fn take_back(orders: &dyn ActOrders, restoring: &Version, invocation: &Invocation) {
    if let Err(error) = orders::take_back(orders, restoring, invocation.deadline).await {
        tracing::error!(slot = %restoring.slot, version = %restoring.id, %error, "a key that was to be restored could not be cut off again; it is tried again");
    }
}

/// The version, if it is recorded as back.
async fn is_back(
    ports: &Ports,
    slot: &Slot,
    restoring: &Version,
) -> Result<Option<Version>, InventoryError> {
    let versions = ports.inventory.versions(&slot.name).await?;
    let is_it = |v: &Version| v.id == restoring.id && v.state.is_promoted();
    Ok(versions.into_iter().find(is_it))
}

async fn resume(
    ports: &Ports,
    orders: &dyn ActOrders,
    slot: &Slot,
    cut: &CutOff,
    restoring: Version,
    invocation: &Invocation,
) -> Result<(), RestoreError> {
    orders::resume(orders, &restoring, invocation.deadline).await?;
    let restoring = lease(ports, slot, restoring, invocation)
        .await
        .map_err(meanwhile)?;
    accepted(ports, cut, invocation).await?;
    let written = match cut.place {
        Place::Current => settle_promotion(ports, slot, &restoring).await,
        Place::Retiring => {
            let now = ports.clock.now();
            let retiring = retiring(restoring, slot, now).ok_or(InventoryError::Conflict)?;
            save(ports, slot, &retiring).await
        }
    };
    written.map_err(meanwhile)
}

/// Whoever wrote the version or raised the epoch since was a kill.
fn meanwhile(error: InventoryError) -> RestoreError {
    match error {
        InventoryError::Fenced(_) | InventoryError::Conflict => RestoreError::KilledMeanwhile,
        error => error.into(),
    }
}

/// Waits until the provider accepts the key.
async fn accepted(
    ports: &Ports,
    cut: &CutOff,
    invocation: &Invocation,
) -> Result<(), RestoreError> {
    let mut said = OutsideText::new("it was not asked in time");
    for wait in WAITS.map(SignedDuration::from_secs) {
        if !invocation
            .deadline
            .allows(ports.clock.as_ref(), wait + wait)
        {
            break;
        }
        ports.clock.sleep(wait).await;
        said = match cut.provider.verify(&cut.text).await {
            Verdict::Live | Verdict::BlockedForMoney(_) => return Ok(()),
            Verdict::BlockedForScope(said) | Verdict::Dead(said) | Verdict::Unknown(said) => said,
        };
    }
    Err(RestoreError::NotAccepted(said))
}
