//! The inventory: slots, versions, incidents.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::admin::AdminRecord;
use crate::model::drill::Drill;
use crate::model::incident::{Incident, TriggerId};
use crate::model::key::Fingerprint;
use crate::model::names::{AccountName, SlotName};
use crate::model::slot::{Epoch, Slot};
use crate::model::version::{Version, VersionId};

/// How many versions one write may depend on. The table's transactions take 100 items, the written ones included:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>.
pub const CHECKED_AT_ONCE: usize = 90;

/// Whether a write depends on the slot's epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// Only while the slot is still in this epoch: for everything that brings a key nearer to use.
    Epoch(Epoch),
    /// In any epoch: for everything that brings a key nearer to its end.
    None,
}

/// Work that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Look at the slot and its secret.
    Slot(SlotName),
    /// Carry the version on.
    Version(SlotName, VersionId),
    /// Carry the incident on.
    Incident(String),
}

/// Stores slots, versions and incidents.
///
/// Every write is conditional on the revision that was read and raises it by one: pass the item as it is to be, with
/// the revision as read. A write of several items happens whole or not at all. Reads by key are consistent.
#[async_trait]
pub trait Inventory: Send + Sync {
    /// The slot, or `None`.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn slot(&self, name: &SlotName) -> Result<Option<Slot>, InventoryError>;

    /// All versions of a slot, oldest first.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn versions(&self, slot: &SlotName) -> Result<Vec<Version>, InventoryError>;

    /// Creates a slot, and its current version if it has a key already, with the uniqueness items of its secret, its
    /// place (agent, provider, environment), the home of its keys where that is a slot's alone, the key's fingerprint
    /// and its handle.
    ///
    /// # Errors
    /// [`InventoryError::Taken`] names the slot that has one of them; nothing was written.
    async fn create_slot(
        &self,
        slot: &Slot,
        current: Option<&Version>,
    ) -> Result<(), InventoryError>;

    /// Writes a slot that exists.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`].
    async fn save_slot(&self, slot: &Slot) -> Result<(), InventoryError>;

    /// Records a version that is new to the inventory, before the provider is asked for its key; with uniqueness items
    /// for whichever of fingerprint and handle it already has.
    ///
    /// # Errors
    /// [`InventoryError::Fenced`], [`InventoryError::Taken`], or [`InventoryError::Conflict`] if it exists.
    async fn add_version(&self, version: &Version, fence: Fence) -> Result<(), InventoryError>;

    /// Writes versions of one slot that exist, in one transaction, with uniqueness items for each fingerprint and
    /// handle that they carry. What a version has by what is stored is no ground to refuse it, even where another slot
    /// has it too: a key that somebody put into two slots can end in both.
    ///
    /// # Errors
    /// [`InventoryError::Fenced`], [`InventoryError::Taken`] or [`InventoryError::Conflict`]; nothing was written.
    async fn save_versions(&self, versions: &[Version], fence: Fence)
    -> Result<(), InventoryError>;

    /// Writes a slot whose drill is over, in one transaction with the record of the drill.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`], also if there is a record of that drill already.
    async fn end_drill(&self, slot: &Slot, drill: &Drill) -> Result<(), InventoryError>;

    /// The drills of a slot that are over, oldest first.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn drills(&self, slot: &SlotName) -> Result<Vec<Drill>, InventoryError>;

    /// Opens an incident, in one transaction with the slot's raised epoch and with what finds it by its triggers; only
    /// while `versions`, [`CHECKED_AT_ONCE`] of the slot's at most, are as they were read. They are not written.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`] if the slot or one of the versions was written since, if the slot has an open
    /// incident, or if a trigger belongs to another one; nothing was written.
    async fn open_incident(
        &self,
        incident: &Incident,
        slot: &Slot,
        versions: &[Version],
    ) -> Result<(), InventoryError>;

    /// Writes an incident that is open. One with a time in `closed` is open no more, and can be read by its id and its
    /// triggers only.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`].
    async fn save_incident(&self, incident: &Incident) -> Result<(), InventoryError>;

    /// Writes an incident that is closed, for what is still to be done about it.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`], also if it is open.
    async fn follow_up(&self, incident: &Incident) -> Result<(), InventoryError>;

    /// The same as [`save_incident`](Self::save_incident), with what finds it by one more trigger.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`], also if the trigger belongs to another incident.
    async fn attach_trigger(
        &self,
        incident: &Incident,
        trigger: &TriggerId,
    ) -> Result<(), InventoryError>;

    /// One incident, open or closed.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn incident(&self, id: &str) -> Result<Option<Incident>, InventoryError>;

    /// The slot's open incident.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn incident_of_slot(&self, slot: &SlotName) -> Result<Option<Incident>, InventoryError>;

    /// The incident that a trigger belongs to, open or closed.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn incident_of_trigger(
        &self,
        trigger: &TriggerId,
    ) -> Result<Option<Incident>, InventoryError>;

    /// The slot that has the key with this fingerprint, whatever became of the key.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn holder(&self, fingerprint: &Fingerprint) -> Result<Option<SlotName>, InventoryError>;

    /// The names of all slots, in order. Found through an index that lags.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn slot_names(&self) -> Result<Vec<SlotName>, InventoryError>;

    /// Work due at `now`, most urgent first, at most `limit`. Found through an index that lags: read the item itself
    /// again before acting.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, InventoryError>;

    /// What is known of a provider account's admin credentials, or `None` if nothing was ever written.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn admin(&self, account: &AccountName) -> Result<Option<AdminRecord>, InventoryError>;

    /// Writes it; one of revision zero must not be there yet.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`].
    async fn save_admin(&self, record: &AdminRecord) -> Result<(), InventoryError>;
}

/// What must be unique across the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UniqueItem {
    /// A key's fingerprint.
    Fingerprint,
    /// A key's handle within its provider account.
    Handle,
    /// A secret.
    Secret,
    /// An agent's place at a provider in an environment.
    Place,
    /// What a slot's keys live in, where that has to be one slot's: [`home`](crate::model::slot::ProviderName::home).
    Home,
    /// The slot's own name.
    Name,
}

impl std::fmt::Display for UniqueItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fingerprint => "key",
            Self::Handle => "key handle",
            Self::Secret => "secret",
            Self::Place => "agent, provider and environment",
            Self::Home => "place of its keys at the provider",
            Self::Name => "name",
        })
    }
}

/// Why the inventory was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// Somebody else wrote the item first. Read it again and decide anew.
    #[error("an inventory item was changed by somebody else meanwhile")]
    Conflict,
    /// The slot is in another epoch: a kill, suspension or decommissioning came between. Do not finish.
    #[error("the slot was cut off meanwhile (its epoch is no longer {})", .0.0)]
    Fenced(Epoch),
    /// Another slot has it.
    #[error("the {what} already belongs to {}", holder(.by.as_ref()))]
    Taken {
        /// What.
        what: UniqueItem,
        /// The slot that has it, where the store can tell.
        by: Option<SlotName>,
    },
    /// An item cannot be read as what it should be. Others are not affected.
    #[error("inventory item {key} cannot be read ({why})")]
    Corrupt {
        /// The item's key.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// The store refuses the call as such: permissions or the table are not as they must be. A person must mend it.
    #[error(
        "the inventory refused the call: look at the function's permissions and at the table's name"
    )]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer, or a passing fault: a write may have had its effect. Read again.
    #[error("the inventory did not answer as expected")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn holder(slot: Option<&SlotName>) -> String {
    slot.map_or_else(
        || "another slot".to_owned(),
        |slot| format!("slot `{slot}`"),
    )
}

impl InventoryError {
    /// Whether the same work can succeed later without a person. Exhaustive on purpose.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Conflict | Self::Unavailable(_) => true,
            Self::Fenced(_) | Self::Taken { .. } | Self::Corrupt { .. } | Self::Refused(_) => false,
        }
    }
}
