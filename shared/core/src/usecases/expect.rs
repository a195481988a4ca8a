//! What a slot is expected to spend for a while: a launch, the end of a month. Its limit at the provider and what counts
//! as far above normal follow.

use jiff::Timestamp;

use super::Ports;
use super::cap::{CapSet, set_cap};
use super::known_slot::{SlotError, known_slot};
use crate::model::money::SpendCap;
use crate::model::names::SlotName;
use crate::model::slot::{Expectation, Slot};
use crate::model::version::{Version, VersionState};
use crate::ports::InventoryError;
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
    let cap = birth::cap(&slot, ports.clock.now());
    let followed = follow(ports, &slot, cap).await?;
    Ok((slot, followed))
}

/// Sets the limit on every key that agents may use.
async fn follow(ports: &Ports, slot: &Slot, cap: SpendCap) -> Result<CapSet, InventoryError> {
    let provider = match ports.providers.open(&slot.account, slot.provider).await {
        Ok(provider) => provider,
        Err(error) => return Ok(CapSet::Failed(error)),
    };
    if provider.caps().is_none() {
        return Ok(CapSet::NotThere);
    }
    let versions = ports.inventory.versions(&slot.name).await?;
    let others = versions.iter().filter(|v| is_used(v) && v.cap != Some(cap));
    for version in others {
        let set = set_cap(ports, slot, provider.as_ref(), version, cap).await?;
        if let CapSet::Failed(error) = set {
            return Ok(CapSet::Failed(error));
        }
    }
    Ok(CapSet::To(cap))
}

/// A key that is being made gets its limit in setSecret.
const fn is_used(version: &Version) -> bool {
    matches!(
        version.state,
        VersionState::Current | VersionState::Promoting | VersionState::Retiring
    )
}
