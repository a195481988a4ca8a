//! The keys of a slot that kills cut off lately, and until when they can be brought back.

use jiff::Timestamp;

use crate::model::incident::{Containment, HowCut, Incident};
use crate::model::slot::{Epoch, Slot};
use crate::model::text::OutsideText;
use crate::model::version::{Version, VersionId, VersionState};
use crate::ports::InventoryError;
use crate::rules::kill::KEPT_FOR_RESTORE;
use crate::usecases::Ports;

/// So many epochs of a slot are looked through for incidents, latest first.
const EPOCHS: usize = 20;

/// A key that a kill cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutKey {
    /// Its version: what `keyward restore --key` takes.
    pub version: VersionId,
    /// How people know it.
    pub shown: OutsideText,
    /// What was done to it.
    pub how: HowCut,
    /// When.
    pub at: Timestamp,
    /// What the kill was set off by.
    pub cause: OutsideText,
    /// Whether it can be brought back.
    pub back: Back,
}

/// Whether a key that was cut off can be brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// It can, until then.
    Until(Timestamp),
    /// Somebody is about it.
    UnderWay,
    /// It is back: it works again.
    Already,
    /// It cannot: it is gone at the provider, a leak was proved, its time is over, or no agent ever had it.
    No,
}

impl Back {
    /// Until when it can be brought back, if it can.
    pub const fn until(self) -> Option<Timestamp> {
        match self {
            Self::Until(until) => Some(until),
            Self::UnderWay | Self::Already | Self::No => None,
        }
    }
}

/// The keys that were cut off within the time in which a key can be brought back, latest first.
pub(super) async fn lately(
    ports: &Ports,
    slot: &Slot,
    versions: &[Version],
    now: Timestamp,
) -> Result<Vec<CutKey>, InventoryError> {
    let Some(killed) = slot.killed else {
        return Ok(Vec::new());
    };
    let since = now - KEPT_FOR_RESTORE;
    let mut keys = Vec::new();
    if killed.at < since {
        return Ok(keys);
    }
    for epoch in (1..=killed.epoch.0).rev().take(EPOCHS) {
        let id = Incident::id_of(&slot.name, Epoch(epoch));
        // A suspension raises the epoch without an incident.
        let Some(incident) = ports.inventory.incident(&id).await? else {
            continue;
        };
        if incident.opened < since {
            break;
        }
        keys.extend(of_incident(&incident, versions, now));
    }
    Ok(keys)
}

fn of_incident(incident: &Incident, versions: &[Version], now: Timestamp) -> Vec<CutKey> {
    let cut = incident.undo.iter().filter_map(|undo| {
        let (how, at) = undo.cut?;
        let version = versions.iter().find(|v| v.id == undo.version);
        Some(CutKey {
            version: undo.version.clone(),
            shown: undo.shown.clone(),
            how,
            at,
            cause: incident.trigger.clone(),
            back: version.map_or(Back::No, |v| back(incident, v, how, now)),
        })
    });
    cut.collect()
}

/// A key that agents used waits suspended until its time is over, unless a leak was proved.
fn back(incident: &Incident, version: &Version, how: HowCut, now: Timestamp) -> Back {
    let is_kept = incident.containment == Containment::Reversible
        && matches!(how, HowCut::Suspended | HowCut::Narrowed)
        && version.promoted.is_some();
    match (version.state, version.due_at) {
        (VersionState::Current | VersionState::Retiring, _) => Back::Already,
        (VersionState::Restoring, _) => Back::UnderWay,
        (VersionState::Contained, Some(until)) if is_kept && until > now => Back::Until(until),
        _ => Back::No,
    }
}
