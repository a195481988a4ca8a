//! The record of what people did.

use async_trait::async_trait;

use super::inventory::InventoryError;
use crate::model::act::Act;

/// Keeps acts. Nothing in it is ever changed or removed.
#[async_trait]
pub trait Acts: Send + Sync {
    /// Adds one entry. The same entry twice is one.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`] if another entry has this act's id and phase.
    async fn append(&self, act: &Act) -> Result<(), InventoryError>;
}
