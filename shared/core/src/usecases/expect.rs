//! What a slot is expected to spend for a while: a launch, the end of a month. Its limit at the provider and what counts
//! as far above normal follow. And that an incident was rightful use: what is normal follows, with the monitor's next look
//! at the slot.

use jiff::Timestamp;

use super::Ports;
use super::cap::{CapSet, set_cap};
use super::known_slot::{SlotError, known_slot};
use super::orders::set_limits;
use crate::model::act_order::LimitedKeys;
use crate::model::names::SlotName;
use crate::model::slot::Slot;
use crate::model::version::{Version, VersionState};
use crate::ports::{ActOrders, InventoryError};
use crate::rules::caps;
use crate::rules::expect::{NotExpected, expectation, rightful};

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// So much of what is normal, in percent, until then.
    More(u32, Timestamp),
    /// What is normal.
    Normal,
    /// What the incident of this id spent was rightful use.
    Rightful(String),
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

/// The slot as it is, if that can be said of it; and as it is to be.
///
/// # Errors
/// [`ExpectError`].
pub async fn find(ports: &Ports, name: &SlotName, said: Said) -> Result<(Slot, Slot), ExpectError> {
    let slot = known_slot(ports, name).await?;
    let mut wanted = slot.clone();
    match said {
        Said::Normal => wanted.expectation = None,
        Said::More(percent, until) => {
            wanted.expectation = Some(expectation(percent, until, ports.clock.now())?);
        }
        Said::Rightful(incident) => wanted.rightful = Some(rightful(&slot, &incident)?),
    }
    Ok((slot, wanted))
}

/// Takes down what was said of a slot that was just found, and lets the limit of its keys follow. May be repeated.
///
/// # Errors
/// [`InventoryError::Conflict`] if somebody else wrote the slot meanwhile: find it again.
pub async fn expect(
    ports: &Ports,
    orders: &dyn ActOrders,
    slot: &Slot,
    mut wanted: Slot,
) -> Result<(Slot, CapSet), InventoryError> {
    if *slot != wanted {
        ports.inventory.save_slot(&wanted).await?;
        wanted.revision = wanted.revision.next();
    }
    let followed = set_limits(orders, &wanted, LimitedKeys::InUse).await?;
    Ok((wanted, followed))
}

/// Sets the limit on every key that agents may use. One that is moved each day and was not yet is left to the monitor.
///
/// # Errors
/// [`InventoryError`]; [`InventoryError::Fenced`] if the slot was cut off meanwhile.
pub(crate) async fn follow(
    ports: &Ports,
    slot: &Slot,
    versions: &[Version],
) -> Result<CapSet, InventoryError> {
    let provider = match ports.providers.open(&slot.account, slot.provider).await {
        Ok(provider) => provider,
        Err(error) => return Ok(CapSet::Failed(error)),
    };
    let Some(limit) = provider.caps().map(|caps| caps.day_limit()) else {
        return Ok(CapSet::NotThere);
    };
    let now = ports.clock.now();
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
