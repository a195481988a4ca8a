//! Whether a slot's statistics may kill.

use super::Ports;
use crate::model::act::CallerArn;
use crate::model::slot::{Asked, Mode, Slot};
use crate::model::text::OutsideText;
use crate::ports::InventoryError;
pub use crate::rules::consent::{CONSENT, SamePerson, Second};
use crate::rules::consent::{Consent, consent};

/// What came of it.
#[derive(Debug)]
pub enum ModeSet {
    /// The request is kept for [`CONSENT`], and waits for a second person to ask for the same.
    Asked(Asked),
    /// The slot as it is now.
    Set(Box<Slot>),
}

/// Why the mode was not set, or not seen to be.
#[derive(Debug, thiserror::Error)]
pub enum EnforceError {
    /// The second word must be somebody else's. Nothing was changed.
    #[error(transparent)]
    SamePerson(#[from] SamePerson),
    /// The inventory; [`InventoryError::Conflict`] if somebody else wrote the slot meanwhile: find it again.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

/// Sets the mode of a slot that was just found, as `by` asks for. May be repeated.
///
/// # Errors
/// [`EnforceError`].
pub async fn set_mode(
    ports: &Ports,
    slot: Slot,
    mode: Mode,
    by: &CallerArn,
    second: Second,
) -> Result<ModeSet, EnforceError> {
    if slot.mode == mode {
        return Ok(ModeSet::Set(Box::new(slot)));
    }
    let now = ports.clock.now();
    if second == Second::Needed {
        let request = Asked {
            by: by.clone(),
            at: now,
            what: OutsideText::new(&format!("mode {mode:?}")),
            epoch: slot.epoch,
        };
        if let Consent::Asked(asked) = consent(slot.mode_asked.as_ref(), request, now)? {
            let kept = Slot {
                mode_asked: Some(asked.clone()),
                ..slot
            };
            ports.inventory.save_slot(&kept).await?;
            return Ok(ModeSet::Asked(asked));
        }
    }
    let changed = Slot {
        mode,
        mode_since: Some(now),
        mode_asked: None,
        ..slot
    };
    ports.inventory.save_slot(&changed).await?;
    Ok(ModeSet::Set(Box::new(changed)))
}
