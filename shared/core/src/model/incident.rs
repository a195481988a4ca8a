//! An incident: one decision to cut off one slot.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::names::SlotName;
use super::slot::{Epoch, Revision};
use super::text::OutsideText;

/// One decision to cut off one slot. A slot has at most one that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// The item layout.
    pub schema: u32,
    /// Counts the writes of this item.
    pub revision: Revision,
    /// Made from the slot and the epoch that this incident began: the same order gives the same id.
    pub id: String,
    /// The slot that is cut off.
    pub slot: SlotName,
    /// The epoch that opening the incident raised the slot to.
    pub epoch: Epoch,
    /// What set it off.
    pub trigger: OutsideText,
    /// When it was opened.
    pub opened: Timestamp,
}

impl Incident {
    /// The incident that raises `slot` from `epoch` to the next.
    pub fn open(slot: &SlotName, epoch: Epoch, trigger: OutsideText, now: Timestamp) -> Self {
        let epoch = epoch.next();
        Self {
            schema: super::SCHEMA,
            revision: Revision::default(),
            id: format!("{slot}-{}", epoch.0),
            slot: slot.clone(),
            epoch,
            trigger,
            opened: now,
        }
    }
}
