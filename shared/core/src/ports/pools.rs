//! Standby pools.

use async_trait::async_trait;

use super::inventory::{Fence, InventoryError};
use crate::model::names::AccountName;
use crate::model::pool::Pool;
use crate::model::version::Version;

/// Stores the pool of each provider account. Writes are conditional on the revision that was read, as in
/// [`Inventory`](super::Inventory).
#[async_trait]
pub trait StandbyPools: Send + Sync {
    /// The account's pool, or `None` if it was never written. Consistent.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn pool(&self, account: &AccountName) -> Result<Option<Pool>, InventoryError>;

    /// Writes a pool; one of revision zero must not be there yet.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`].
    async fn save_pool(&self, pool: &Pool) -> Result<(), InventoryError>;

    /// Takes a key out of the pool and records it as a version of its slot, in one write: `pool` as it is to be
    /// without the key, `version` with the key's handle and fingerprint.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`] if the pool was written since, or the version exists;
    /// [`InventoryError::Fenced`]; [`InventoryError::Taken`] if the key is a slot's already. Nothing was written.
    async fn draw(
        &self,
        pool: &Pool,
        version: &Version,
        fence: Fence,
    ) -> Result<(), InventoryError>;
}
