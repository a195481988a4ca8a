//! The record of what people did.

use async_trait::async_trait;

use super::inventory::InventoryError;
use crate::model::act::Act;
use crate::model::audit::Period;

/// Keeps acts. Nothing in it is ever changed or removed.
#[async_trait]
pub trait Acts: Send + Sync {
    /// Adds one entry. The same entry twice is one.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`] if another entry has this act's id and phase.
    async fn append(&self, act: &Act) -> Result<(), InventoryError>;

    /// All entries of a month, UTC, oldest first.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn of_month(&self, month: Period) -> Result<Vec<Act>, InventoryError>;
}
