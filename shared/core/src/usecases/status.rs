//! What there is to know about slots at a glance. Reads only.

use jiff::{SignedDuration, Timestamp};

use super::Ports;
use crate::model::names::SlotName;
use crate::model::slot::Slot;
use crate::model::version::{Version, VersionState};
use crate::ports::InventoryError;
use crate::rules::{birth, policy};

/// One slot and its keys.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotStatus {
    /// The slot.
    pub slot: Slot,
    /// Its current key, if it has one.
    pub current: Option<CurrentKey>,
    /// Keys that were replaced and still work, oldest first.
    pub retiring: Vec<Version>,
    /// Keys that are on their way in.
    pub arriving: Vec<Version>,
    /// Keys whose end is not confirmed yet: revoked, abandoned or contained.
    pub ending: Vec<Version>,
}

/// The key that agents fetch.
#[derive(Debug, Clone, PartialEq)]
pub struct CurrentKey {
    /// Its record.
    pub version: Version,
    /// How old it is.
    pub age: SignedDuration,
    /// When it should have been replaced.
    pub due: Timestamp,
    /// When it ends, or reaches the policy's greatest age.
    pub end: Timestamp,
}

/// One slot's status; an item that cannot be read is shown as such.
pub type Row = (SlotName, Result<SlotStatus, InventoryError>);

/// The status of one slot, or of all of them in the order of their names. A slot that cannot be read is a row of its
/// own and hides no other.
///
/// # Errors
/// [`InventoryError`] if the list of slots cannot be read.
pub async fn slots(ports: &Ports, only: Option<&SlotName>) -> Result<Vec<Row>, InventoryError> {
    let names = match only {
        Some(name) => vec![name.clone()],
        None => ports.inventory.slot_names().await?,
    };
    let mut rows = Vec::new();
    for name in names {
        match one(ports, &name).await {
            Ok(Some(status)) => rows.push((name, Ok(status))),
            Ok(None) => {}
            Err(error) => rows.push((name, Err(error))),
        }
    }
    Ok(rows)
}

async fn one(ports: &Ports, name: &SlotName) -> Result<Option<SlotStatus>, InventoryError> {
    let Some(slot) = ports.inventory.slot(name).await? else {
        return Ok(None);
    };
    let versions = ports.inventory.versions(name).await?;
    Ok(Some(judge(slot, versions, ports.clock.now())))
}

fn judge(slot: Slot, versions: Vec<Version>, now: Timestamp) -> SlotStatus {
    let mut status = SlotStatus {
        current: None,
        retiring: Vec::new(),
        arriving: Vec::new(),
        ending: Vec::new(),
        slot,
    };
    for version in versions {
        match version.state {
            VersionState::Current => {
                let policy = &status.slot.policy;
                status.current = Some(CurrentKey {
                    age: now.duration_since(version.created),
                    due: policy::overdue_at(policy, version.created, version.expires),
                    end: birth::replace_by(policy, &version),
                    version,
                });
            }
            VersionState::Retiring => status.retiring.push(version),
            VersionState::Intended | VersionState::Pending | VersionState::Promoting => {
                status.arriving.push(version);
            }
            VersionState::Revoking
            | VersionState::Abandoned
            | VersionState::Contained
            | VersionState::Restoring => {
                status.ending.push(version);
            }
            VersionState::Revoked => {}
        }
    }
    status
}
