//! What there is to know about slots at a glance. Reads only.

mod cut_off;
mod proposal;
mod watched;

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::Ports;
use super::monitor::Watched;
use crate::model::names::SlotName;
use crate::model::slot::{Slot, SlotState};
use crate::model::version::{Version, VersionState};
use crate::ports::{InventoryError, UsageStore};
use crate::rules::{birth, policy};

pub use cut_off::{Back, CutKey};
pub use proposal::Proposal;
pub use watched::{Protection, Sight, Use};

/// Slots that are read at once.
const AT_ONCE: usize = 16;

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
    /// Keys that kills cut off in the last 72 hours, latest first.
    pub cut_off: Vec<CutKey>,
    /// Why agents have no key now, if they have none.
    pub lacks_key: Option<LacksKey>,
    /// What it spends, and who watches it; or why that could not be read.
    pub usage: Result<Use, String>,
    /// That its statistics be let act, where it has only observed for long.
    pub proposal: Option<Proposal>,
}

/// Why agents have no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LacksKey {
    /// The slot is suspended: none is made until a person restores it.
    Suspended,
    /// It was cut off then, and its replacement is on its way.
    CutOff(Timestamp),
    /// None was made yet, or it is gone: a rotation makes one.
    Missing,
}

/// A replacement that did not come so long after a kill is not on its way any more.
const REPLACED_WITHIN: SignedDuration = SignedDuration::from_mins(5);

fn lacks_key(status: &SlotStatus, now: Timestamp) -> Option<LacksKey> {
    if status.current.is_some() {
        return None;
    }
    let cut_off = status.slot.killed.map(|killed| killed.at);
    match status.slot.state {
        SlotState::Decommissioned => None,
        SlotState::Suspended => Some(LacksKey::Suspended),
        SlotState::Active | SlotState::Restricted => match cut_off {
            _ if !status.arriving.is_empty() => None,
            Some(at) if now.duration_since(at) < REPLACED_WITHIN => Some(LacksKey::CutOff(at)),
            _ => Some(LacksKey::Missing),
        },
    }
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
pub async fn slots(
    ports: &Ports,
    usage: &dyn UsageStore,
    only: Option<&SlotName>,
) -> Result<Vec<Row>, InventoryError> {
    let names = match only {
        Some(name) => vec![name.clone()],
        None => ports.inventory.slot_names().await?,
    };
    let rows = names.into_iter().map(|name| async move {
        match one(ports, usage, &name).await {
            Ok(status) => status.map(|status| (name, Ok(status))),
            Err(error) => Some((name, Err(error))),
        }
    });
    let rows: Vec<Option<Row>> = stream::iter(rows).buffered(AT_ONCE).collect().await;
    Ok(rows.into_iter().flatten().collect())
}

async fn one(
    ports: &Ports,
    usage: &dyn UsageStore,
    name: &SlotName,
) -> Result<Option<SlotStatus>, InventoryError> {
    let Some(slot) = ports.inventory.slot(name).await? else {
        return Ok(None);
    };
    let versions = ports.inventory.versions(name).await?;
    let now = ports.clock.now();
    let cut_off = cut_off::lately(ports, &slot, &versions, now).await?;
    let watched = Watched { slot, versions };
    let found = watched::read(usage, &watched, now).await;
    let proposal = match &found {
        Ok((_, account)) => proposal::of(usage, &watched, account, now).await,
        Err(_) => Ok(None),
    };
    let mut status = judge(watched.slot, watched.versions, now);
    status.cut_off = cut_off;
    // The keys are known all the same.
    match found.and_then(|(usage, _)| proposal.map(|proposal| (usage, proposal))) {
        Ok((usage, proposal)) => (status.usage, status.proposal) = (Ok(usage), proposal),
        Err(error) => status.usage = Err(error.to_string()),
    }
    Ok(Some(status))
}

fn judge(slot: Slot, versions: Vec<Version>, now: Timestamp) -> SlotStatus {
    let mut status = SlotStatus {
        current: None,
        retiring: Vec::new(),
        arriving: Vec::new(),
        ending: Vec::new(),
        cut_off: Vec::new(),
        lacks_key: None,
        usage: Err(String::new()),
        proposal: None,
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
    status.lacks_key = lacks_key(&status, now);
    status
}
