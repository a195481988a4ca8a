//! What is kept of usage: the hours of a slot, and how far each provider account was read.

mod cell;
mod models;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::SCHEMA;
use super::money::MicroDollars;
use super::names::{AccountName, SlotName};
use super::slot::Revision;
use super::usage::{Bucket, Counts, Reading};
use super::version::VersionId;

pub use cell::{Cell, OTHER_MODELS, Source, UNTOLD_MODEL};
pub use models::Models;

/// How long usage is kept after its hour: five weeks of history and what a person takes to look.
pub const KEPT: SignedDuration = SignedDuration::from_hours(40 * 24);

/// The oldest bucket that is kept at `now`.
pub fn oldest_kept(now: Timestamp) -> Bucket {
    Bucket::of(now.checked_sub(KEPT).unwrap_or(Timestamp::MIN))
}

/// One hour of one slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageHour {
    /// The item layout.
    pub schema: u32,
    /// Counts the writes of this item; zero for one that is not written yet.
    pub revision: Revision,
    /// Whose it is.
    pub slot: SlotName,
    /// Which hour, UTC, counted from 1970.
    pub hour: u32,
    /// In order of bucket and version. Buckets without use have none.
    pub cells: Vec<Cell>,
}

impl UsageHour {
    /// An hour of which nothing is known.
    pub const fn empty(slot: SlotName, hour: u32) -> Self {
        Self {
            schema: SCHEMA,
            revision: Revision(0),
            slot,
            hour,
            cells: Vec::new(),
        }
    }

    /// When it began.
    pub fn begins(&self) -> Timestamp {
        Bucket(self.hour.saturating_mul(Bucket::PER_HOUR)).begins()
    }

    /// From when on the store may drop it.
    pub fn expires(&self) -> Timestamp {
        let ends = self.begins() + SignedDuration::from_hours(1);
        ends.checked_add(KEPT).unwrap_or(Timestamp::MAX)
    }

    /// Takes a reading of a bucket of this hour over, and says whether that changes anything. One that was asked for
    /// before what is known changes nothing, so a run that was held up undoes no later one's work. A bill stays: it is
    /// of the same usage, and comes later. Where the provider tells, nothing stands that agents told of the bucket.
    pub fn put(&mut self, cell: Cell) -> bool {
        if cell.bucket.hour() != self.hour {
            return false;
        }
        let before = self.cells.len();
        self.cells
            .retain(|known| known.bucket != cell.bucket || known.source == Source::Provider);
        let replaced = self.cells.len() != before;
        match self.find(cell.bucket, &cell.version) {
            Ok(at) => {
                let known = &mut self.cells[at];
                if cell.read_at < known.read_at || cell.models == known.models {
                    return replaced;
                }
                let billed = known.billed;
                *known = Cell { billed, ..cell };
                true
            }
            Err(_) if cell.models.is_empty() => replaced,
            Err(at) => {
                self.cells.insert(at, cell);
                true
            }
        }
    }

    /// Takes over all that agents told of one bucket of this hour, in order of version, and says whether that changes
    /// anything. It stands in place of what was kept of their word: a version that nobody knew may be known by now, and
    /// what it used counts once. The provider's word stands, and so does what was read later.
    pub fn put_told(&mut self, bucket: Bucket, cells: &[Cell]) -> bool {
        let Some(read_at) = cells.iter().map(|cell| cell.read_at).max() else {
            return false;
        };
        if bucket.hour() != self.hour {
            return false;
        }
        let from = self.cells.partition_point(|cell| cell.bucket < bucket);
        let until = self.cells.partition_point(|cell| cell.bucket <= bucket);
        let known = &self.cells[from..until];
        let is_older = |known: &Cell| known.source == Source::Agents && known.read_at <= read_at;
        let is_same = |(known, cell): (&Cell, &Cell)| {
            known.version == cell.version && known.models == cell.models
        };
        let are_same = known.len() == cells.len() && known.iter().zip(cells).all(is_same);
        if are_same || !known.iter().all(is_older) {
            return false;
        }
        self.cells.splice(from..until, cells.iter().cloned());
        true
    }

    /// Takes the provider's own cost of a bucket over, and says whether that changes anything.
    pub fn bill(
        &mut self,
        version: &VersionId,
        bucket: Bucket,
        amount: MicroDollars,
        at: Timestamp,
    ) -> bool {
        if bucket.hour() != self.hour {
            return false;
        }
        match self.find(bucket, version) {
            Ok(found) => {
                let known = &mut self.cells[found];
                let changes = known.billed != Some(amount);
                known.billed = Some(amount);
                changes
            }
            Err(_) if amount.0 == 0 => false,
            Err(place) => {
                let mut cell = Cell::new(version.clone(), bucket, at, []);
                cell.billed = Some(amount);
                self.cells.insert(place, cell);
                true
            }
        }
    }

    fn find(&self, bucket: Bucket, version: &VersionId) -> Result<usize, usize> {
        self.cells
            .binary_search_by(|cell| (cell.bucket, &cell.version).cmp(&(bucket, version)))
    }
}

/// Buckets in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first.
    pub from: Bucket,
    /// The one after the last.
    pub until: Bucket,
}

/// Buckets of before the newest that are still to be read, from the last back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    /// Which.
    pub span: Span,
    /// Whether some of them were never read: else they are read again for what came late.
    #[serde(default)]
    pub is_news: bool,
}

impl Backlog {
    /// This one and another.
    #[must_use]
    pub fn and(self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        let span = Span {
            from: self.span.from.min(other.span.from),
            until: self.span.until.max(other.span.until),
        };
        let is_news = self.is_news || other.is_news;
        Self { span, is_news }
    }

    /// What is left of it, oldest buckets first forgotten that are before `oldest`, newest that are not before `until`.
    pub fn within(self, oldest: Bucket, until: Bucket) -> Option<Self> {
        let span = Span {
            from: self.span.from.max(oldest),
            until: self.span.until.min(until),
        };
        (span.from < span.until).then_some(Self { span, ..self })
    }
}

/// A provider's running total for one key, and from which bucket on its growth is still to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// What the key had spent over its life before `bucket`.
    pub spent: MicroDollars,
    /// The first bucket whose growth is not settled.
    pub bucket: Bucket,
}

/// How far an account's usage was read, and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountUsage {
    /// The item layout.
    pub schema: u32,
    /// Counts the writes of this item; zero for one that is not written yet.
    pub revision: Revision,
    /// Which account.
    pub account: AccountName,
    /// The buckets that the provider told of whole, in order and apart. What is in none of them is not known.
    #[serde(default)]
    pub seen: Vec<Span>,
    /// When it was last read whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub read_at: Option<Timestamp>,
    /// When what agents told was last read, where the provider tells nothing. Of all slots but those that [`Self::blind_since`]
    /// is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub told_at: Option<Timestamp>,
    /// When the last day was last read again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reread_at: Option<Timestamp>,
    /// What is still to be read of before the newest buckets.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub backlog: Option<Backlog>,
    /// When its costs were last read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub costs_at: Option<Timestamp>,
    /// When the limits of its keys were last read back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub caps_at: Option<Timestamp>,
    /// Not to be asked before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wait_until: Option<Timestamp>,
    /// Since when it cannot be read; where agents tell, since when that of some slot cannot.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub blind_since: Option<Timestamp>,
    /// Readings that failed since.
    #[serde(default)]
    pub failures: u32,
    /// What people were told about the account, and when.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub told: BTreeMap<String, Timestamp>,
    /// Running totals by handle, where usage is told no other way.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub figures: BTreeMap<String, Figure>,
}

impl AccountUsage {
    /// An account that was never read.
    pub const fn empty(account: AccountName) -> Self {
        Self {
            schema: SCHEMA,
            revision: Revision(0),
            account,
            seen: Vec::new(),
            read_at: None,
            told_at: None,
            reread_at: None,
            backlog: None,
            costs_at: None,
            caps_at: None,
            wait_until: None,
            blind_since: None,
            failures: 0,
            told: BTreeMap::new(),
            figures: BTreeMap::new(),
        }
    }

    /// The bucket after the last one that was seen.
    pub fn seen_until(&self) -> Option<Bucket> {
        self.seen.last().map(|span| span.until)
    }

    /// The same for one slot of an account whose provider tells nothing now: known is what the provider told of while it did,
    /// and of `hours` those buckets that an agent told of.
    #[must_use]
    pub fn as_told(&self, hours: &[UsageHour]) -> Self {
        let cells = hours.iter().flat_map(|hour| &hour.cells);
        let told = cells.map(|cell| Span {
            from: cell.bucket,
            until: cell.bucket.plus(1),
        });
        let seen = merged(self.seen.iter().copied().chain(told).collect());
        Self {
            seen,
            ..self.clone()
        }
    }

    /// Adds what was seen now, and forgets what is no longer kept at `now`.
    pub fn see(&mut self, span: Span, now: Timestamp) {
        if span.from < span.until {
            self.seen.push(span);
        }
        let oldest = oldest_kept(now);
        self.seen.retain(|span| span.until > oldest);
        self.seen = merged(std::mem::take(&mut self.seen));
    }

    /// Whether the provider told of a bucket.
    pub fn saw(&self, bucket: Bucket) -> bool {
        let mut spans = self.seen.iter();
        spans.any(|span| (span.from..span.until).contains(&bucket))
    }
}

/// The same buckets in order, what touches put together.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| span.from);
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.from <= last.until => last.until = last.until.max(span.until),
            _ => merged.push(span),
        }
    }
    merged
}

/// The last bucket of hours that an agent told of.
pub fn last_told(hours: &[UsageHour]) -> Option<Bucket> {
    let cells = hours.iter().flat_map(|hour| &hour.cells);
    let told = cells.filter(|cell| cell.source == Source::Agents);
    told.map(|cell| cell.bucket).max()
}

/// The cells of hours by bucket.
pub fn by_bucket(hours: &[UsageHour]) -> BTreeMap<Bucket, Vec<Cell>> {
    let mut all: BTreeMap<Bucket, Vec<Cell>> = BTreeMap::new();
    for cell in hours.iter().flat_map(|hour| &hour.cells) {
        all.entry(cell.bucket).or_default().push(cell.clone());
    }
    all
}

/// What is known of a slot's buckets from `from` on and before `until`, all versions together: what is not stored is
/// zero where its account was seen, and not known elsewhere.
pub fn readings(
    account: &AccountUsage,
    hours: &[UsageHour],
    from: Bucket,
    until: Bucket,
) -> BTreeMap<Bucket, Reading> {
    let mut sums: BTreeMap<Bucket, Counts> = BTreeMap::new();
    for cell in hours.iter().flat_map(|hour| &hour.cells) {
        *sums.entry(cell.bucket).or_default() += cell.counts();
    }
    let reading = |bucket: Bucket| match sums.get(&bucket) {
        Some(counts) => Reading::Known(*counts),
        None if account.saw(bucket) => Reading::Known(Counts::default()),
        None => Reading::Unknown,
    };
    let all = (from.0..until.0).map(Bucket);
    all.map(|bucket| (bucket, reading(bucket))).collect()
}

/// How much of a time an account's usage is known for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// All of it.
    Whole,
    /// Not all of it: what is known is the least that there was.
    Partly,
}

/// What was spent, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Spent {
    /// What is known.
    pub known: MicroDollars,
    /// Whether that is all.
    pub seen: Seen,
}

/// What those versions of a slot that `counts` spent from the bucket `from` on and before `until`, of its hours.
pub fn spent(
    account: Option<&AccountUsage>,
    hours: &[UsageHour],
    (from, until): (Bucket, Bucket),
    counts: impl Fn(&VersionId) -> bool,
) -> Spent {
    let cells = hours.iter().flat_map(|hour| &hour.cells);
    let cells = cells.filter(|cell| (from..until).contains(&cell.bucket) && counts(&cell.version));
    let known = cells.fold(MicroDollars(0), |sum, cell| sum.plus(cell.counts().cost));
    let whole =
        account.is_some_and(|account| (from.0..until.0).all(|bucket| account.saw(Bucket(bucket))));
    let seen = if whole { Seen::Whole } else { Seen::Partly };
    Spent { known, seen }
}

/// What the monitor remembers of a slot, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredWatch {
    /// The item layout.
    pub schema: u32,
    /// Counts the writes of this item; zero for one that is not written yet.
    pub revision: Revision,
    /// Whose it is.
    pub slot: SlotName,
    /// JSON that only the monitor reads.
    pub memory: String,
}

#[cfg(test)]
mod tests;
