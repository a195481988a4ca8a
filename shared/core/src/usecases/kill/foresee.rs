//! What a kill would do, without doing it.

use super::Ports;
use crate::model::incident::{Containment, Evidence, HowCut};
use crate::model::names::SlotName;
use crate::model::slot::Slot;
use crate::model::version::Version;
use crate::ports::{InventoryError, ProviderError, Suspension};
use crate::rules::kill::{containment_of, is_to_be_cut};

/// What a kill would find to cut off.
#[derive(Debug)]
pub struct Foreseen {
    /// Whose keys they are.
    pub slot: Slot,
    /// Each version, and what would be done to it; `None` if that is not known.
    pub versions: Vec<(Version, Option<HowCut>)>,
    /// Why the provider could not be reached now.
    pub unreached: Option<ProviderError>,
}

/// What a kill of the slot would do; `None` if there is no such slot. Nothing is changed.
///
/// # Errors
/// [`InventoryError`].
pub async fn foresee(
    ports: &Ports,
    slot: &SlotName,
    evidence: Evidence,
) -> Result<Option<Foreseen>, InventoryError> {
    let Some(slot) = ports.inventory.slot(slot).await? else {
        return Ok(None);
    };
    let versions = ports.inventory.versions(&slot.name).await?;
    let (suspension, unreached) = match ports.providers.open(&slot.account, slot.provider).await {
        Ok(provider) => (Some(provider.abilities().suspension), None),
        Err(error) => (None, Some(error)),
    };
    let containment = evidence.containment();
    let versions = versions
        .into_iter()
        .filter(|version| is_to_be_cut(version, containment))
        .map(|version| {
            let of_this = containment_of(&version, containment);
            let how = suspension.map(|suspension| how(suspension, of_this));
            (version, how)
        })
        .collect();
    Ok(Some(Foreseen {
        slot,
        versions,
        unreached,
    }))
}

const fn how(suspension: Suspension, containment: Containment) -> HowCut {
    match (suspension, containment) {
        (Suspension::Refuses, _) => HowCut::Suspended,
        (Suspension::Narrows, Containment::Reversible) => HowCut::Narrowed,
        (Suspension::Narrows, Containment::Final) | (Suspension::None, _) => HowCut::Deleted,
    }
}
