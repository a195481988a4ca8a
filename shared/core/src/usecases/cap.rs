//! The limit of a key that agents may use.

use super::Ports;
use crate::model::money::SpendCap;
use crate::model::slot::Slot;
use crate::model::text::OutsideText;
use crate::model::version::{Version, VersionState};
pub use crate::ports::CapSet;
use crate::ports::{Fence, InventoryError, KeyProvider, ProviderError};
use crate::rules::caps;

/// Sets the limit of a slot's current key to what it is in the slot's state, and reads it back.
///
/// # Errors
/// [`InventoryError`]; [`InventoryError::Fenced`] if the slot was cut off meanwhile.
pub(crate) async fn set_current_cap(
    ports: &Ports,
    slot: &Slot,
    versions: &[Version],
) -> Result<CapSet, InventoryError> {
    let is_current = |v: &&Version| v.state == VersionState::Current;
    let Some(current) = versions.iter().find(is_current) else {
        return Ok(CapSet::NoKey);
    };
    let provider = match ports.providers.open(&slot.account, slot.provider).await {
        Ok(provider) => provider,
        Err(error) => return Ok(CapSet::Failed(error)),
    };
    let limit = provider.caps().map(|caps| caps.day_limit());
    let now = ports.clock.now();
    // One that is moved each day and was not yet is left to `retire`.
    match limit.and_then(|limit| caps::of_key(slot, current, limit, now)) {
        Some(cap) => set_cap(ports, slot, provider.as_ref(), current, cap).await,
        None => Ok(CapSet::NotThere),
    }
}

/// Sets the limit of one key of a slot, reads it back, and records it.
///
/// # Errors
/// [`InventoryError`]; [`InventoryError::Fenced`] if the slot was cut off meanwhile.
pub(crate) async fn set_cap(
    ports: &Ports,
    slot: &Slot,
    provider: &dyn KeyProvider,
    version: &Version,
    cap: SpendCap,
) -> Result<CapSet, InventoryError> {
    let set = put_cap(provider, version, cap).await;
    let is_recorded = version.cap == Some(cap) && version.told.uncapped.is_none();
    if matches!(set, CapSet::To(_)) && !is_recorded {
        record_cap(ports, slot, version, Some(cap)).await?;
    }
    Ok(set)
}

/// Sets the limit of one key and reads it back. What the inventory has of it is as it was.
pub(crate) async fn put_cap(
    provider: &dyn KeyProvider,
    version: &Version,
    cap: SpendCap,
) -> CapSet {
    let (Some(caps), Some(handle)) = (provider.caps(), &version.handle) else {
        return CapSet::NotThere;
    };
    let set = async {
        caps.set_cap(handle, cap).await?;
        let kept = provider.get(handle).await?;
        match kept.is_some_and(|kept| kept.cap == Some(cap)) {
            true => Ok(()),
            false => Err(ProviderError::Refused {
                detail: OutsideText::new("the key reads back another limit"),
            }),
        }
    };
    match set.await {
        Ok(()) => CapSet::To(cap),
        Err(error) => CapSet::Failed(error),
    }
}

/// Records the limit that a key was seen to have.
///
/// # Errors
/// As [`set_cap`].
pub(crate) async fn record_cap(
    ports: &Ports,
    slot: &Slot,
    version: &Version,
    cap: Option<SpendCap>,
) -> Result<(), InventoryError> {
    let mut known = Version {
        cap,
        ..version.clone()
    };
    known.told.uncapped = None;
    let fence = Fence::Epoch(slot.epoch);
    ports.inventory.save_versions(&[known], fence).await
}
