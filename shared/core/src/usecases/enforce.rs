//! Whether a slot's statistics may kill.

use super::Ports;
use crate::model::slot::{Mode, Slot};
use crate::ports::InventoryError;

/// Sets the mode of a slot that was just found; the slot as it is then. May be repeated.
///
/// # Errors
/// [`InventoryError::Conflict`] if somebody else wrote the slot meanwhile: find it again.
pub async fn set_mode(ports: &Ports, slot: Slot, mode: Mode) -> Result<Slot, InventoryError> {
    if slot.mode == mode {
        return Ok(slot);
    }
    let changed = Slot {
        mode,
        mode_since: Some(ports.clock.now()),
        ..slot
    };
    ports.inventory.save_slot(&changed).await?;
    Ok(changed)
}
