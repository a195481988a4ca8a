//! Whether a slot's statistics may kill.

use super::Ports;
use crate::model::names::SlotName;
use crate::model::slot::{Mode, Slot, SlotState};
use crate::ports::InventoryError;

/// Why a slot's mode was not set; where the inventory's answer was lost, it may be.
#[derive(Debug, thiserror::Error)]
pub enum ModeError {
    /// There is no such slot.
    #[error("there is no slot `{0}` in the inventory")]
    Unknown(SlotName),
    /// Its agent is gone.
    #[error("slot `{0}` is decommissioned")]
    Decommissioned(SlotName),
    /// The inventory.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

/// The slot as it is, if its mode can be set.
///
/// # Errors
/// [`ModeError`].
pub async fn find(ports: &Ports, name: &SlotName) -> Result<Slot, ModeError> {
    let slot = ports.inventory.slot(name).await?;
    let slot = slot.ok_or_else(|| ModeError::Unknown(name.clone()))?;
    if slot.state == SlotState::Decommissioned {
        return Err(ModeError::Decommissioned(name.clone()));
    }
    Ok(slot)
}

/// Sets the mode of a slot that was just found; the slot as it is then. May be repeated.
///
/// # Errors
/// [`ModeError::Inventory`] with a conflict if somebody else wrote the slot meanwhile: find it again.
pub async fn set_mode(ports: &Ports, slot: Slot, mode: Mode) -> Result<Slot, ModeError> {
    if slot.mode == mode {
        return Ok(slot);
    }
    let changed = Slot { mode, ..slot };
    ports.inventory.save_slot(&changed).await?;
    Ok(changed)
}
