//! The standby pool: keys that people made ahead, at providers whose API makes none.

mod add;
mod examine;
mod leaked;
mod suspend;

pub use add::{AddError, AddForeseen, AddReport, add, foresee_add};
pub use examine::{NotAdded, RefusedKey};
pub(crate) use leaked::end_leaked;
pub use leaked::{Ended, NotEnded, end};
pub(crate) use suspend::suspend_standby;

use super::Ports;
use crate::model::names::AccountName;
use crate::model::pool::Pool;
use crate::model::pool_document::{PoolDocument, PoolDocumentError};
use crate::model::slot::ProviderName;
use crate::ports::{InventoryError, PoolSettings, SecretError};

/// How often the pool is written anew when somebody else writes it meanwhile.
const TRIES: usize = 8;

/// Why the texts of a pool's keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TextsError {
    /// Secrets Manager.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// What the pool's secret holds.
    #[error(transparent)]
    Document(#[from] PoolDocumentError),
}

/// What people do about a pool that has no key, or too few.
pub(crate) fn refill(provider: ProviderName, account: &AccountName) -> String {
    format!(
        "Make keys at {provider} and put them in: keyward pool add {account} --reason \"...\" < keys.txt."
    )
}

/// The account's pool as it is recorded; an empty one if it never was.
///
/// # Errors
/// [`InventoryError`].
pub async fn read(ports: &Ports, account: &AccountName) -> Result<Pool, InventoryError> {
    let pool = ports.pools.pool(account).await?;
    Ok(pool.unwrap_or_else(|| Pool::empty(account)))
}

/// Writes the pool as `change` leaves it, on what is stored by then, if it changes anything.
async fn update(
    ports: &Ports,
    account: &AccountName,
    mut change: impl FnMut(&mut Pool) -> bool,
) -> Result<Pool, InventoryError> {
    for _ in 0..TRIES {
        let mut pool = read(ports, account).await?;
        if !change(&mut pool) {
            return Ok(pool);
        }
        match ports.pools.save_pool(&pool).await {
            Ok(()) => return Ok(pool),
            Err(InventoryError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(InventoryError::Conflict)
}

/// The texts of a pool's keys: from the one version of its secret that the record names, whatever else is there.
pub(crate) async fn texts(
    ports: &Ports,
    settings: &PoolSettings,
    pool: &Pool,
) -> Result<PoolDocument, TextsError> {
    let Some(version) = &pool.secret_version else {
        return Ok(PoolDocument::default());
    };
    let text = ports.value_written(&settings.secret, version).await?;
    let text = text.ok_or(PoolDocumentError::Unreadable)?;
    Ok(PoolDocument::parse(&text)?)
}
