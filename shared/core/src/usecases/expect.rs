//! What a slot is expected to spend for a while: a launch, the end of a month. Its limit at the provider and what counts
//! as far above normal follow.

use jiff::Timestamp;

use super::Ports;
use super::cap::{CapSet, set_cap};
use super::known_slot::{SlotError, known_slot};
use crate::model::names::SlotName;
use crate::model::slot::{Expectation, Slot};
use crate::model::version::VersionState;
use crate::ports::InventoryError;
use crate::rules::caps;
use crate::rules::expect::{NotExpected, expectation};

/// What a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// So much of what is normal, in percent, until then.
    More(u32, Timestamp),
    /// What is normal.
    Normal,
}

/// Why it was not taken down.
#[derive(Debug, thiserror::Error)]
pub enum ExpectError {
    /// The slot.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// It cannot be said.
    #[error(transparent)]
    NotExpected(#[from] NotExpected),
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
    Ok((known_slot(ports, name).await?, wanted))
}

/// Takes down what is expected of a slot that was just found, and lets the limit of its keys follow. May be repeated.
///
/// # Errors
/// [`InventoryError::Conflict`] if somebody else wrote the slot meanwhile: find it again.
pub async fn expect(
    ports: &Ports,
    mut slot: Slot,
    wanted: Option<Expectation>,
) -> Result<(Slot, CapSet), InventoryError> {
    if slot.expectation != wanted {
        slot.expectation = wanted;
        ports.inventory.save_slot(&slot).await?;
        slot.revision = slot.revision.next();
    }
    let followed = follow(ports, &slot).await?;
    Ok((slot, followed))
}

/// Sets the limit on every key that agents may use. One that is moved each day and was not yet is left to the monitor.
async fn follow(ports: &Ports, slot: &Slot) -> Result<CapSet, InventoryError> {
    let provider = match ports.providers.open(&slot.account, slot.provider).await {
        Ok(provider) => provider,
        Err(error) => return Ok(CapSet::Failed(error)),
    };
    let Some(limit) = provider.caps().map(|caps| caps.day_limit()) else {
        return Ok(CapSet::NotThere);
    };
    let now = ports.clock.now();
    let versions = ports.inventory.versions(&slot.name).await?;
    let mut followed = CapSet::To(caps::of_new_key(slot, limit, now));
    for version in versions.iter().filter(|version| caps::is_kept(version)) {
        let Some(cap) = caps::of_key(slot, version, limit, now) else {
            continue;
        };
        if version.cap != Some(cap) {
            let set = set_cap(ports, slot, provider.as_ref(), version, cap).await?;
            if let CapSet::Failed(error) = set {
                return Ok(CapSet::Failed(error));
            }
        }
        if version.state == VersionState::Current {
            followed = CapSet::To(cap);
        }
    }
    Ok(followed)
}
