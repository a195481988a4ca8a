//! Lifting a slot out of restriction or suspension: the current key's limit is the normal one again, and a slot without
//! a key gets one.

use super::RestoreError;
use crate::model::act_order::LimitedKeys;
use crate::model::names::SlotName;
use crate::model::slot::{Epoch, Slot, SlotState};
use crate::model::version::Version;
use crate::ports::{ActOrders, InventoryError};
use crate::rules::rotation::{Refusal, refused_now};
use crate::usecases::Ports;
use crate::usecases::cap::CapSet;
use crate::usecases::orders::set_limits;
use crate::usecases::retire::{ItemError, needs_a_key, start_rotation};

/// Whether a new key is made for the slot.
#[derive(Debug)]
pub enum NewKey {
    /// It has one, or one is on its way.
    NotNeeded,
    /// It was asked for.
    AskedFor,
    /// It could not be asked for now: `retire` asks within 5 minutes.
    Later(String),
    /// None can be begun now.
    Refused(Refusal),
}

pub(super) struct Lifted {
    pub(super) slot: Slot,
    pub(super) cap: CapSet,
    pub(super) new_key: NewKey,
}

/// Lifts the slot, if it is still in this epoch.
pub(super) async fn lift(
    ports: &Ports,
    orders: &dyn ActOrders,
    name: &SlotName,
    epoch: Epoch,
) -> Result<Lifted, RestoreError> {
    let slot = write(ports, name, epoch).await?;
    let versions = ports.inventory.versions(name).await?;
    let cap = match set_limits(orders, &slot, LimitedKeys::Current).await {
        Err(InventoryError::Fenced(_)) => return Err(RestoreError::KilledMeanwhile),
        set => set?,
    };
    let new_key = see_to_a_key(ports, &slot, &versions).await;
    Ok(Lifted { slot, cap, new_key })
}

async fn write(ports: &Ports, name: &SlotName, epoch: Epoch) -> Result<Slot, RestoreError> {
    let slot = ports.inventory.slot(name).await?;
    let slot = slot.ok_or_else(|| RestoreError::Unknown(name.clone()))?;
    if slot.epoch != epoch {
        return Err(RestoreError::KilledMeanwhile);
    }
    let is_lifted = match slot.state {
        SlotState::Active => slot.restore_asked.is_none(),
        SlotState::Restricted | SlotState::Suspended => false,
        SlotState::Decommissioned => true,
    };
    if is_lifted {
        return Ok(slot);
    }
    let mut lifted = Slot {
        state: SlotState::Active,
        restore_asked: None,
        due_at: ports.clock.now(),
        ..slot
    };
    ports.inventory.save_slot(&lifted).await?;
    lifted.revision = lifted.revision.next();
    Ok(lifted)
}

/// Asks for a key where the slot has none. What cannot be asked for now is asked for by `retire`, which looks at the slot
/// next.
async fn see_to_a_key(ports: &Ports, slot: &Slot, versions: &[Version]) -> NewKey {
    if !needs_a_key(slot, versions) {
        return NewKey::NotNeeded;
    }
    if let Some(refusal) = refused_now(slot, versions, ports.clock.now()) {
        return NewKey::Refused(refusal);
    }
    let asked = start_rotation(ports, slot, versions).await;
    match asked.map_err(|error: ItemError| error.to_string()) {
        Ok(()) => NewKey::AskedFor,
        Err(why) => NewKey::Later(why),
    }
}
