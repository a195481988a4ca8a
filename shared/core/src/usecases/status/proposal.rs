//! Whether a slot that only observes should let its statistics act: what they would have done with its own past.

use jiff::{SignedDuration, Timestamp};

use crate::model::kill_order::Basis;
use crate::model::slot::{Mode, SlotState};
use crate::model::usage::Bucket;
use crate::model::usage_items::{AccountUsage, UsageHour, by_bucket, oldest_kept};
use crate::ports::{InventoryError, UsageStore};
use crate::rules::anomaly::{Act, Limits, Watch};
use crate::rules::watching::reading;
use crate::usecases::monitor::Watched;

/// A slot that has observed, and was seen, for so long has shown what is normal for it.
const LONG_ENOUGH: SignedDuration = SignedDuration::from_hours(14 * 24);

/// That a slot's statistics be let act, and what speaks for and against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposal {
    /// Over so many days of its own past,
    pub days: u32,
    /// its statistics would have cut it off so often,
    pub kills: u32,
    /// and told people so often.
    pub alerts: u32,
    /// A kill by mistake leaves an agent without a key for so long at most: until it fetches its key again. One that does
    /// that when its key is refused is back within seconds.
    pub without_key: SignedDuration,
}

/// What is proposed for a slot, if anything is.
pub(super) async fn of(
    usage: &dyn UsageStore,
    watched: &Watched,
    account: &AccountUsage,
    now: Timestamp,
) -> Result<Option<Proposal>, InventoryError> {
    let slot = &watched.slot;
    let is_long = |since: Timestamp| now.duration_since(since) >= LONG_ENOUGH;
    if slot.mode == Mode::Enforce
        || slot.state != SlotState::Active
        || !slot.mode_since.is_none_or(is_long)
    {
        return Ok(None);
    }
    let until = account.seen_until().unwrap_or(Bucket(0));
    let first = oldest_kept(now);
    let hours = usage
        .hours(&slot.name, first.hour(), until.hour().saturating_add(1))
        .await?;
    let Some(from) = used_from(&hours).filter(|from| is_long(from.begins())) else {
        return Ok(None);
    };
    let since = slot.mode_since.map_or(from, Bucket::of).max(from);
    let (kills, alerts) = replay(watched, account, &hours, (from, until), since);
    Ok(Some(Proposal {
        days: until.0.saturating_sub(since.0) / Bucket::PER_DAY,
        kills,
        alerts,
        without_key: slot.policy.refresh,
    }))
}

/// The first bucket with any use.
fn used_from(hours: &[UsageHour]) -> Option<Bucket> {
    let mut cells = hours.iter().flat_map(|hour| &hour.cells);
    let used = cells.find(|cell| cell.counts().used());
    used.map(|cell| cell.bucket)
}

/// Kills and alerts that began from `since` on; the same is one within a day. What the owner declared acts whatever the
/// mode, and is none of them.
fn replay(
    watched: &Watched,
    account: &AccountUsage,
    hours: &[UsageHour],
    (from, until): (Bucket, Bucket),
    since: Bucket,
) -> (u32, u32) {
    let cells = by_bucket(hours);
    let limits = Limits {
        announced: None,
        ..Limits::of_slot(&watched.slot)
    };
    let mut watch = Watch::default();
    let (mut kills, mut alerts) = (0, 0);
    for bucket in (from.0..until.0).map(Bucket) {
        let of_bucket = cells.get(&bucket).map_or(&[][..], Vec::as_slice);
        let reading = reading(account, &watched.versions, None, (bucket, of_bucket));
        watch.advance(bucket, reading);
        let assessment = watch.assess(&limits);
        if bucket < since || assessment.basis == Basis::Declared {
            continue;
        }
        for finding in watch.memory_mut().untold(assessment.findings) {
            match finding.act {
                Act::Kill => kills += 1,
                Act::Alert => alerts += 1,
                Act::Page | Act::Restrict => {}
            }
        }
    }
    (kills, alerts)
}
