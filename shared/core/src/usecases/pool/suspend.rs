//! Suspending standby keys: what the kill switch does of putting keys into a pool, whose credentials can write.

use jiff::SignedDuration;

use crate::model::key::Fingerprint;
use crate::model::pool::{Pool, StandbyKey};
use crate::model::slot::Scope;
use crate::model::text::OutsideText;
use crate::ports::{Deadline, InventoryError, KeyProvider, ProviderError, Readied, Suspension};
use crate::usecases::{Ports, find};

/// What is left of the claim when a key is suspended, at least: what is sent arrives while no other call can be at work.
const TIME_TO_SUSPEND: SignedDuration = SignedDuration::from_secs(30);

/// Suspends every standby key that is not ready, where the provider can. One that cannot be drawn yet is nobody's, so no
/// agent is hit; one that became a slot's by another way works on. Nothing is recorded. May be repeated.
///
/// # Errors
/// [`InventoryError`]: whose a key is could not be seen; it works on.
pub(crate) async fn suspend_standby(
    ports: &Ports,
    provider: &dyn KeyProvider,
    pool: &Pool,
    deadline: Deadline,
) -> Result<Vec<(Fingerprint, Readied)>, InventoryError> {
    let mut readied = Vec::new();
    for key in pool.standby.iter().filter(|key| key.ready.is_none()) {
        let became = match ports.inventory.holder(&key.fingerprint).await? {
            Some(slot) => Readied::InUse(slot),
            None => match suspend(ports, provider, key, deadline).await {
                Ok(()) => Readied::Suspended,
                Err(ProviderError::NotFound) if is_gone(provider, key).await => Readied::Gone,
                Err(error) => Readied::Failed(error),
            },
        };
        readied.push((key.fingerprint, became));
    }
    Ok(readied)
}

/// Whether the list agrees that there is no such key.
async fn is_gone(provider: &dyn KeyProvider, key: &StandbyKey) -> bool {
    let listed = find::is_listed(provider, &Scope::default(), &key.handle).await;
    matches!(listed, Ok(false))
}

/// Suspends one key, while the claim on the pool holds.
async fn suspend(
    ports: &Ports,
    provider: &dyn KeyProvider,
    key: &StandbyKey,
    deadline: Deadline,
) -> Result<(), ProviderError> {
    match provider.abilities().suspension {
        Suspension::Narrows | Suspension::None => Ok(()),
        Suspension::Refuses if !deadline.allows(ports.clock.as_ref(), TIME_TO_SUSPEND) => {
            Err(ProviderError::RetryAfter {
                after: None,
                detail: OutsideText::new("there was no time left"),
            })
        }
        Suspension::Refuses => provider.disable(&key.handle).await.map(drop),
    }
}
