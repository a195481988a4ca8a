//! Where usage is kept, and the lease of whoever writes it.

use async_trait::async_trait;
use jiff::Timestamp;

use super::inventory::InventoryError;
use crate::model::names::{AccountName, ReporterId, SlotName};
use crate::model::told::ToldHour;
use crate::model::usage_items::{AccountUsage, StoredWatch, UsageHour};

/// Keeps usage, and what is remembered of it.
///
/// Every write is conditional on the revision that was read and raises it by one; revision zero creates. Reads are
/// consistent. One item a write, so that a write costs no more than its own size: items do not depend on one another,
/// and what one run did not write the next one does.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// The hours of a slot from `from` on and before `until`, counted from 1970, oldest first. Those without use are
    /// not there.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn hours(
        &self,
        slot: &SlotName,
        from: u32,
        until: u32,
    ) -> Result<Vec<UsageHour>, InventoryError>;

    /// Writes one hour. It may be dropped after [`UsageHour::expires`].
    ///
    /// # Errors
    /// [`InventoryError::Conflict`]: read it again and put the same cells.
    async fn save_hour(&self, hour: &UsageHour) -> Result<(), InventoryError>;

    /// What processes told of a slot's hours from `from` on and before `until`, in order of hour and process: the first
    /// `most` of it. Processes may tell so much that all of a day is not to be held at once.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn told(
        &self,
        slot: &SlotName,
        from: u32,
        until: u32,
        most: usize,
    ) -> Result<Vec<ToldHour>, InventoryError>;

    /// What one process told of an hour.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn told_by(
        &self,
        slot: &SlotName,
        hour: u32,
        reporter: &ReporterId,
    ) -> Result<Option<ToldHour>, InventoryError>;

    /// Writes what one process told of an hour. It may be dropped after [`ToldHour::expires`].
    ///
    /// # Errors
    /// [`InventoryError::Conflict`]: read it again and put the same.
    async fn save_told(&self, told: &ToldHour) -> Result<(), InventoryError>;

    /// How far an account was read.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn account(&self, account: &AccountName) -> Result<Option<AccountUsage>, InventoryError>;

    /// The same; nothing is read of an account that is not kept.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn account_or_empty(&self, name: &AccountName) -> Result<AccountUsage, InventoryError> {
        let known = self.account(name).await?;
        Ok(known.unwrap_or_else(|| AccountUsage::empty(name.clone())))
    }

    /// Writes how far an account was read.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`].
    async fn save_account(&self, account: &AccountUsage) -> Result<(), InventoryError>;

    /// What the detector remembers of a slot.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn baseline(&self, slot: &SlotName) -> Result<Option<StoredWatch>, InventoryError>;

    /// Writes what the detector remembers of a slot.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`].
    async fn save_baseline(&self, baseline: &StoredWatch) -> Result<(), InventoryError>;

    /// The table of prices that was put in place of the shipped one, as JSON and unchecked; `None` if none was.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn prices(&self) -> Result<Option<String>, InventoryError>;

    /// Puts a table of prices, whatever was there.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn save_prices(&self, json: &str) -> Result<(), InventoryError>;
}

/// Leases: at most one holder at a time, by the clocks of those who ask.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the lease of `name` for `owner` until `until`, if nobody has it at `now`, or `owner` has. An owner is one
    /// run, so that a run which is repeated takes its own lease again.
    ///
    /// # Errors
    /// [`InventoryError::Unavailable`]: it may have been taken. Take it again.
    async fn take(
        &self,
        name: &str,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Held, InventoryError>;

    /// Moves the end of a lease that `owner` still has, though it be over: nobody took it since.
    ///
    /// # Errors
    /// As for [`take`](Self::take).
    async fn renew(
        &self,
        name: &str,
        owner: &str,
        until: Timestamp,
    ) -> Result<Held, InventoryError>;

    /// Gives a lease back. One that is another's by now stays so.
    ///
    /// # Errors
    /// [`InventoryError`]: it ends by itself.
    async fn give_back(&self, name: &str, owner: &str) -> Result<(), InventoryError>;
}

/// Who has a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Whoever asked.
    Yes,
    /// Somebody else, or nobody: do not go on.
    No,
}
