//! The slot that an act is about.

use super::Ports;
use crate::model::names::SlotName;
use crate::model::slot::{Slot, SlotState};
use crate::ports::InventoryError;

/// Why an act on a slot was not done; where the inventory's answer to a write was lost, it may be.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
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

/// The slot as it is, unless it is decommissioned.
///
/// # Errors
/// [`SlotError`].
pub async fn known_slot(ports: &Ports, name: &SlotName) -> Result<Slot, SlotError> {
    let slot = ports.inventory.slot(name).await?;
    let slot = slot.ok_or_else(|| SlotError::Unknown(name.clone()))?;
    if slot.state == SlotState::Decommissioned {
        return Err(SlotError::Decommissioned(name.clone()));
    }
    Ok(slot)
}
