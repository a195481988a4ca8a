//! What a slot is expected to spend for a while: a launch, the end of a month. Its limit at the provider and what counts
//! as far above normal follow.

use jiff::Timestamp;

use super::Ports;
use crate::model::money::SpendCap;
use crate::model::names::SlotName;
use crate::model::slot::{Expectation, Slot, SlotState};
use crate::model::text::OutsideText;
use crate::model::version::{Version, VersionState};
use crate::ports::{Fence, InventoryError, ProviderError};
use crate::rules::birth;
use crate::rules::expect::{NotExpected, expectation};

/// What a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// So much of what is normal, in percent, until then.
    More(u32, Timestamp),
    /// What is normal.
    Normal,
}

/// Why it was not taken down; where the inventory's answer was lost, it may be.
#[derive(Debug, thiserror::Error)]
pub enum ExpectError {
    /// There is no such slot.
    #[error("there is no slot `{0}` in the inventory")]
    Unknown(SlotName),
    /// Its agent is gone.
    #[error("slot `{0}` is decommissioned")]
    Decommissioned(SlotName),
    /// It cannot be said.
    #[error(transparent)]
    NotExpected(#[from] NotExpected),
    /// The inventory.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

/// The limit at the provider.
#[derive(Debug)]
pub enum CapFollowed {
    /// It is this now, on every key that agents may use.
    To(SpendCap),
    /// The provider has none.
    NotThere,
    /// It was not set on every key. Say it again.
    Failed(ProviderError),
}

/// The slot as it is, if something can be expected of it; and what, as it is to be.
///
/// # Errors
/// [`ExpectError`].
pub async fn find(
    ports: &Ports,
    name: &SlotName,
    said: Said,
) -> Result<(Slot, Option<Expectation>), ExpectError> {
    let now = ports.clock.now();
    let wanted = match said {
        Said::Normal => None,
        Said::More(percent, until) => Some(expectation(percent, until, now)?),
    };
    let slot = ports.inventory.slot(name).await?;
    let slot = slot.ok_or_else(|| ExpectError::Unknown(name.clone()))?;
    if slot.state == SlotState::Decommissioned {
        return Err(ExpectError::Decommissioned(name.clone()));
    }
    Ok((slot, wanted))
}

/// Takes down what is expected of a slot that was just found, and lets the limit of its keys follow. May be repeated.
///
/// # Errors
/// [`InventoryError::Conflict`] if somebody else wrote the slot meanwhile: find it again.
pub async fn expect(
    ports: &Ports,
    mut slot: Slot,
    wanted: Option<Expectation>,
) -> Result<(Slot, CapFollowed), InventoryError> {
    if slot.expectation != wanted {
        slot.expectation = wanted;
        ports.inventory.save_slot(&slot).await?;
        slot.revision = slot.revision.next();
    }
    let cap = birth::cap(&slot, ports.clock.now());
    let followed = follow(ports, &slot, cap).await?;
    Ok((slot, followed))
}

/// Sets the limit on every key that agents may use, and reads it back.
async fn follow(ports: &Ports, slot: &Slot, cap: SpendCap) -> Result<CapFollowed, InventoryError> {
    let provider = match ports.providers.open(&slot.account, slot.provider).await {
        Ok(provider) => provider,
        Err(error) => return Ok(CapFollowed::Failed(error)),
    };
    let Some(caps) = provider.caps() else {
        return Ok(CapFollowed::NotThere);
    };
    let versions = ports.inventory.versions(&slot.name).await?;
    for version in versions.into_iter().filter(is_used) {
        let Some(handle) = &version.handle else {
            continue;
        };
        if version.cap == Some(cap) {
            continue;
        }
        let set = async {
            caps.set_cap(handle, cap).await?;
            match provider.get(handle).await? {
                Some(kept) if kept.cap == Some(cap) => Ok(()),
                _ => Err(ProviderError::Refused {
                    detail: OutsideText::new("the key reads back another limit"),
                }),
            }
        };
        if let Err(error) = set.await {
            return Ok(CapFollowed::Failed(error));
        }
        let known = Version {
            cap: Some(cap),
            ..version
        };
        ports
            .inventory
            .save_versions(&[known], Fence::Epoch(slot.epoch))
            .await?;
    }
    Ok(CapFollowed::To(cap))
}

/// A key that is being made gets its limit in setSecret.
const fn is_used(version: &Version) -> bool {
    matches!(
        version.state,
        VersionState::Current | VersionState::Promoting | VersionState::Retiring
    )
}
