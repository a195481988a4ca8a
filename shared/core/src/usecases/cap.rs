//! The limit of a key that agents may use.

use super::Ports;
use crate::model::money::SpendCap;
use crate::model::slot::Slot;
use crate::model::text::OutsideText;
use crate::model::version::{Version, VersionState};
use crate::ports::{Fence, InventoryError, KeyProvider, ProviderError};
use crate::rules::birth;

/// What keys that agents fetch may spend now.
#[derive(Debug)]
pub enum CapSet {
    /// So much; the provider was seen to keep it.
    To(SpendCap),
    /// There is no key in use.
    NoKey,
    /// The provider has no limits for a key, or does not know this one by an id.
    NotThere,
    /// A limit could not be set, and is what it was. Send the same again.
    Failed(ProviderError),
}

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
    let cap = birth::cap(slot, ports.clock.now());
    match ports.providers.open(&slot.account, slot.provider).await {
        Ok(provider) => set_cap(ports, slot, provider.as_ref(), current, cap).await,
        Err(error) => Ok(CapSet::Failed(error)),
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
    let (Some(caps), Some(handle)) = (provider.caps(), &version.handle) else {
        return Ok(CapSet::NotThere);
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
    if let Err(error) = set.await {
        return Ok(CapSet::Failed(error));
    }
    if version.cap != Some(cap) {
        let known = Version {
            cap: Some(cap),
            ..version.clone()
        };
        let fence = Fence::Epoch(slot.epoch);
        ports.inventory.save_versions(&[known], fence).await?;
    }
    Ok(CapSet::To(cap))
}
