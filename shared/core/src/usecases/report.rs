//! What a process of an agent tells of its own use is taken: absolute counts, so that what is sent twice, late or in
//! another order never counts twice.

use jiff::Timestamp;

use super::Ports;
use super::known_slot::{SlotError, known_slot};
use crate::model::act::CallerArn;
use crate::model::names::SlotName;
use crate::model::told::{ToldCell, ToldHour};
use crate::model::usage::Bucket;
use crate::ports::{InventoryError, UsageStore};
use crate::rules::told::{
    MOST_REPORTERS, Refused, Report, fits, has_room, is_no_key, may_begin, may_tell, taken,
    version_of,
};

/// How often an hour is read and written anew where the same process wrote it meanwhile.
const TRIES: usize = 5;

/// Whom a deployed control function is for. A function URL's permission is for all of its operations, so those who may tell
/// what they use have a function of their own: else every agent could lift its own limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// People and pipelines: every act, and no reports.
    People,
    /// Agents: reports, and no act.
    Agents,
}

/// Why a report was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The caller may not tell of this slot, or there is none that is in use: whoever may not tell learns nothing of either. A person
    /// names the caller's role among the slot's readers in the fleet file.
    #[error("the caller is not among the readers of a slot `{0}`")]
    NotAReader(SlotName),
    /// The report. Nothing of it was written.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The table. Some of the report may be written; the same report again brings it to its end.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

/// What was made of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Hours in which something is different now. None: all of it was told before.
    pub changed: usize,
    /// Whether the inventory has the secret version that it tells of.
    pub version: KnownVersion,
}

/// Whether the inventory has a secret version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownVersion {
    /// It has.
    Yes,
    /// It has not. What was used counts all the same, and people are told.
    No,
}

/// Takes a report, if its caller may give it. All of it is looked at before any of it is written. May be repeated.
///
/// # Errors
/// [`ReportError`].
pub async fn report(
    ports: &Ports,
    usage: &dyn UsageStore,
    caller: &CallerArn,
    report: &Report,
) -> Result<Taken, ReportError> {
    let slot = match known_slot(ports, &report.slot).await {
        Ok(slot) if may_tell(&slot.readers, caller) => slot,
        Ok(_) | Err(SlotError::Unknown(_) | SlotError::Decommissioned(_)) => {
            return Err(ReportError::NotAReader(report.slot.clone()));
        }
        Err(SlotError::Inventory(error)) => return Err(error.into()),
    };
    let versions = ports.inventory.versions(&slot.name).await?;
    let id = version_of(&versions, &report.version);
    let version = match versions.iter().any(|version| version.id == id) {
        true => KnownVersion::Yes,
        false => KnownVersion::No,
    };
    if version == KnownVersion::No {
        is_no_key(&report.version)?;
    }
    let now = ports.clock.now();
    let hours = taken(report, &id, now)?;
    let mut news = Vec::new();
    for (hour, cells) in hours {
        let mut item = hour_of(usage, report, hour, now).await?;
        if put(&mut item, report, &cells)? {
            news.push((item, cells));
        }
    }
    let changed = news.len();
    for (item, cells) in news {
        keep(usage, report, item, &cells, now).await?;
    }
    Ok(Taken { changed, version })
}

/// What the process told of an hour so far. One more process than may tell is refused, and one that is too late.
async fn hour_of(
    usage: &dyn UsageStore,
    report: &Report,
    hour: u32,
    now: Timestamp,
) -> Result<ToldHour, ReportError> {
    if let Some(known) = usage.told_by(&report.slot, hour, &report.reporter).await? {
        return Ok(known);
    }
    may_begin(hour, now)?;
    let others = usage.told(&report.slot, hour, hour + 1, MOST_REPORTERS);
    has_room(hour, others.await?.len())?;
    let (slot, reporter) = (report.slot.clone(), report.reporter.clone());
    Ok(ToldHour::empty(slot, hour, reporter))
}

/// Puts cells into an hour, and says whether that changes it.
fn put(item: &mut ToldHour, report: &Report, cells: &[ToldCell]) -> Result<bool, Refused> {
    let mut changes = false;
    for cell in cells {
        changes |= item.put(cell.clone());
    }
    fits(item)?;
    let last = report.buckets.iter().map(|bucket| bucket.from).max();
    if let Some(last) = last.filter(|_| report.ends) {
        changes |= item.end_with(Bucket::of(last));
    }
    Ok(changes)
}

/// Writes an hour with what is new in it, and anew where the same process wrote it meanwhile.
async fn keep(
    usage: &dyn UsageStore,
    report: &Report,
    mut item: ToldHour,
    cells: &[ToldCell],
    now: Timestamp,
) -> Result<(), ReportError> {
    for _ in 0..TRIES {
        match usage.save_told(&item).await {
            Ok(()) => return Ok(()),
            Err(InventoryError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        item = hour_of(usage, report, item.hour, now).await?;
        if !put(&mut item, report, cells)? {
            return Ok(());
        }
    }
    Err(InventoryError::Conflict.into())
}
