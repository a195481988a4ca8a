//! A slot's detector, made again from the store.

use jiff::Timestamp;

use super::super::Watched;
use super::{Held, Remembered, Stale, Stored};
use crate::model::money::MicroDollars;
use crate::model::names::SlotName;
use crate::model::slot::Revision;
use crate::model::usage::Bucket;
use crate::model::usage_items::{AccountUsage, StoredWatch, UsageHour, last_told, oldest_kept};
use crate::ports::{InventoryError, UsageStore};
use crate::rules::anomaly::{self, Watch};

/// Hours whose usage is held at once, where it is played again: a week.
const AT_A_TIME: u32 = 7 * 24;

/// Makes the detector of a slot again from the store: what was written down, and the usage since then.
///
/// # Errors
/// [`InventoryError`].
pub async fn load(
    usage: &dyn UsageStore,
    watched: &Watched,
    account: &AccountUsage,
    now: Timestamp,
) -> Result<Held, InventoryError> {
    let name = &watched.slot.name;
    let item = usage.baseline(name).await?;
    let revision = item.as_ref().map_or(Revision(0), |item| item.revision);
    let remembered = item.map(|item| remembered(name, &item)).unwrap_or_default();
    replay(usage, watched, account, remembered, (revision, now)).await
}

/// What was written down. What cannot be read is made again from the usage that is kept: nobody goes unwatched for it.
fn remembered(slot: &SlotName, item: &StoredWatch) -> Remembered {
    serde_json::from_str(&item.memory).unwrap_or_else(|error| {
        tracing::error!(%slot, %error, "what is remembered of a slot cannot be read; it is made again from its usage");
        Remembered::default()
    })
}

/// What a slot spends on a day by what was written down of it; `None` until that is learned, or where it cannot be read.
pub(crate) fn normal_day(item: &StoredWatch, now: Timestamp) -> Option<MicroDollars> {
    let remembered: Remembered = serde_json::from_str(&item.memory).ok()?;
    anomaly::normal_day(&remembered.baseline, Bucket::of(now))
}

/// Plays the usage since what is remembered, or all of it.
pub(super) async fn replay(
    usage: &dyn UsageStore,
    watched: &Watched,
    account: &AccountUsage,
    remembered: Remembered,
    (revision, now): (Revision, Timestamp),
) -> Result<Held, InventoryError> {
    let Remembered {
        baseline,
        memory,
        notes,
        saved,
    } = remembered;
    let is_told = account.told_at.is_some();
    let until = match is_told {
        true => Bucket::of(now),
        false => account.seen_until().unwrap_or(Bucket(0)),
    };
    let from = match baseline.last() {
        Some(last) => last.plus(1),
        None => oldest_kept(now),
    };
    let mut held = Held {
        stored: Stored {
            revision,
            memory: memory.clone(),
            notes: notes.clone(),
            at: saved,
        },
        watch: Watch::new(baseline, memory),
        notes,
        taken_in: None,
        told: None,
        standing: None,
        reason: String::new(),
        stale: Stale::No,
    };
    let mut seen_until = account.seen_until();
    let mut next = None;
    for (first, end) in parts(from, until) {
        let hours = usage.hours(&watched.slot.name, first, end).await?;
        let told = is_told.then(|| account.as_told(&hours));
        let account = told.as_ref().unwrap_or(account);
        held.told = held.told.max(last_told(&hours).filter(|_| is_told));
        seen_until = seen_until.max(account.seen_until());
        let until = Bucket(end.saturating_mul(Bucket::PER_HOUR)).min(until);
        let until = account.seen_until().unwrap_or(from).min(until);
        // Of the time before the first thing that is known there is nothing to play.
        let start = next.or_else(|| first_known(account, &hours).map(|first| first.max(from)));
        if let Some(start) = start.filter(|start| *start < until) {
            held.play(watched, account, &hours, (start, until), now);
            next = Some(until);
        }
    }
    held.taken_in = seen_until.and_then(|until| until.0.checked_sub(1).map(Bucket));
    Ok(held)
}

/// The hours of buckets from one on and before another, each with the one after its last, as many as are held at once.
fn parts(from: Bucket, until: Bucket) -> impl Iterator<Item = (u32, u32)> {
    let until = match from < until {
        true => until.hour().saturating_add(1),
        false => from.hour(),
    };
    let firsts = (from.hour()..until).step_by(AT_A_TIME as usize);
    firsts.map(move |first| (first, first.saturating_add(AT_A_TIME).min(until)))
}

fn first_known(account: &AccountUsage, hours: &[UsageHour]) -> Option<Bucket> {
    let cells = hours.iter().flat_map(|hour| &hour.cells);
    let seen = account.seen.iter().map(|span| span.from);
    cells.map(|cell| cell.bucket).chain(seen).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hour_is_played_once_and_a_week_is_held() {
        let hour = Bucket::PER_HOUR;
        for (from, until) in [(0, 0), (5, 3), (3, 7), (0, hour), (5, 5000 * hour + 3)] {
            let all: Vec<(u32, u32)> = parts(Bucket(from), Bucket(until)).collect();
            let hours: Vec<u32> = all.iter().flat_map(|(from, until)| *from..*until).collect();
            let expected = match from < until {
                true => from / hour..until / hour + 1,
                false => 0..0,
            };
            assert_eq!(hours, expected.collect::<Vec<u32>>(), "{from}..{until}");
            let held = all.iter().map(|(from, until)| until - from);
            assert!(held.max().is_none_or(|held| held <= AT_A_TIME));
        }
    }
}
