//! The last 24 hours, bucket by bucket, with their sums.

use std::ops::{Range, RangeInclusive};

use super::column::Column;
use crate::model::baseline::{Place, Span};
use crate::model::money::MicroDollars;
use crate::model::usage::{Bucket, Counts, Reading, TokenCounts};

/// Fifteen minutes: what is "now".
pub(super) const HOT: u32 = 3;
const SPANS: [u32; 4] = [HOT, 12, 72, 288];
const DAY_AND_ONE: usize = Bucket::PER_DAY as usize + 1;

/// The last 24 hours. Unknown buckets add nothing to any sum.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    to: Option<Bucket>,
    entries: Entries,
    spent: [u64; 4],
    requests: u64,
    tokens: u64,
}

/// One bucket. No rule asks for kinds of tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    cost: u64,
    tokens: u64,
    requests: u64,
    is_known: bool,
    /// Whether it enters what is normal, once it is a day old.
    pub(super) place: Place,
    /// Contained: it belongs to an incident that is over, and enters no sum.
    over: bool,
}

impl Entry {
    fn new(reading: Reading) -> Self {
        let counts = reading.known().unwrap_or_default();
        Self {
            cost: counts.cost.0,
            tokens: counts.tokens.total(),
            // More calls than fit in five minutes are kept as the most that do.
            requests: counts.requests.min(u32::MAX.into()),
            is_known: reading.known().is_some(),
            place: Place::Normal,
            over: false,
        }
    }

    /// What was told of it, with all tokens as tokens read.
    pub(super) fn reading(&self) -> Reading {
        if !self.is_known {
            return Reading::Unknown;
        }
        Reading::Known(Counts {
            cost: MicroDollars(self.cost),
            requests: self.requests,
            tokens: TokenCounts {
                input: self.tokens,
                ..TokenCounts::default()
            },
        })
    }

    fn counted(&self) -> (u64, u64, u64) {
        match self.over {
            false => (self.cost, self.requests, self.tokens),
            true => (0, 0, 0),
        }
    }

    fn marks(&self) -> u64 {
        let marks = [self.is_known, self.place == Place::Apart, self.over];
        let bits = [KNOWN, APART, OVER].into_iter().zip(marks);
        bits.map(|(bit, is_set)| bit * u64::from(is_set)).sum()
    }
}

/// What is marked of a bucket.
const KNOWN: u64 = 1;
const APART: u64 = 2;
const OVER: u64 = 4;

/// Buckets in a row, in a third of the memory that entries take.
#[derive(Debug, Clone)]
struct Entries {
    costs: Column,
    tokens: Column,
    requests: Column,
    marks: Column,
}

impl Default for Entries {
    fn default() -> Self {
        // A day, and the bucket that is pushed out.
        let column = || Column::of(DAY_AND_ONE);
        Self {
            costs: column(),
            tokens: column(),
            requests: column(),
            marks: column(),
        }
    }
}

impl Entries {
    fn len(&self) -> usize {
        self.marks.len()
    }

    fn push(&mut self, entry: Entry) {
        self.costs.push(entry.cost);
        self.tokens.push(entry.tokens);
        self.requests.push(entry.requests);
        self.marks.push(entry.marks());
    }

    fn pop(&mut self) -> Option<Entry> {
        let first = self.get(0);
        for column in [
            &mut self.costs,
            &mut self.tokens,
            &mut self.requests,
            &mut self.marks,
        ] {
            column.pop();
        }
        first
    }

    fn get(&self, at: usize) -> Option<Entry> {
        let marks = self.marks.get(at)?;
        Some(Entry {
            cost: self.costs.get(at)?,
            tokens: self.tokens.get(at)?,
            requests: self.requests.get(at)?,
            is_known: marks & KNOWN > 0,
            place: match marks & APART > 0 {
                true => Place::Apart,
                false => Place::Normal,
            },
            over: marks & OVER > 0,
        })
    }

    /// Marks one, and says whether it was so before.
    fn mark(&mut self, at: usize, bit: u64) -> bool {
        let marks = self.marks.get(at).unwrap_or(bit);
        self.marks.set(at, marks | bit);
        marks & bit > 0
    }

    /// Takes a mark from one, and says whether it had it.
    fn unmark(&mut self, at: usize, bit: u64) -> bool {
        let marks = self.marks.get(at).unwrap_or(0);
        self.marks.set(at, marks & !bit);
        marks & bit > 0
    }

    fn set(&mut self, at: usize, entry: Entry) {
        self.costs.set(at, entry.cost);
        self.tokens.set(at, entry.tokens);
        self.requests.set(at, entry.requests);
        self.marks.set(at, entry.marks());
    }

    /// The cost that counts of one; nothing where there is none.
    fn cost(&self, at: Option<usize>) -> u64 {
        let counted = at.filter(|at| self.marks.get(*at).is_some_and(|marks| marks & OVER == 0));
        counted.and_then(|at| self.costs.get(at)).unwrap_or(0)
    }

    /// What the last `span` of them cost.
    fn spent(&self, span: u32) -> u64 {
        let at = self.last(span);
        at.map(|at| self.cost(Some(at))).sum()
    }

    /// Where the last `span` of them are.
    fn last(&self, span: u32) -> Range<usize> {
        let len = self.len();
        len.saturating_sub(span as usize)..len
    }
}

impl Recent {
    pub(super) const fn to(&self) -> Option<Bucket> {
        self.to
    }

    /// The oldest bucket that is held.
    pub(super) fn from(&self) -> Option<Bucket> {
        Some(self.to?.minus(self.entries.len() as u32 - 1))
    }

    /// Takes in the next bucket; gives back the one that is a day old now.
    pub(super) fn push(&mut self, bucket: Bucket, reading: Reading) -> Option<(Bucket, Entry)> {
        let entry = Entry::new(reading);
        let (cost, requests, tokens) = entry.counted();
        self.entries.push(entry);
        self.to = Some(bucket);
        let held = self.entries.len();
        let left = |span: u32| held.checked_sub(span as usize + 1);
        for (sum, span) in self.spent.iter_mut().zip(SPANS) {
            *sum = *sum + cost - self.entries.cost(left(span));
        }
        let left = left(SPANS[1]).and_then(|at| self.entries.get(at));
        let (_, old_requests, old_tokens) = left.map_or((0, 0, 0), |entry| entry.counted());
        self.requests = self.requests + requests - old_requests;
        self.tokens = self.tokens + tokens - old_tokens;
        if held <= Bucket::PER_DAY as usize {
            return None;
        }
        let old = self.entries.pop()?;
        Some((bucket.minus(Bucket::PER_DAY), old))
    }

    /// Puts what is told of a bucket in the place of what was told before, and gives how much more spend that is that
    /// counts; `None` if it is none of the last 24 hours.
    pub(super) fn overwrite(&mut self, bucket: Bucket, reading: Reading) -> Option<u64> {
        let at = bucket.0.checked_sub(self.from()?.0)? as usize;
        let known = self.entries.get(at)?;
        let entry = Entry {
            place: known.place,
            over: known.over,
            ..Entry::new(reading)
        };
        let (before, after) = (known.counted(), entry.counted());
        self.entries.set(at, entry);
        if before != after {
            self.sum_again();
        }
        Some(after.0.saturating_sub(before.0))
    }

    /// Everything up to `last` is over: sums begin at zero after it.
    pub(super) fn restart_after(&mut self, last: Bucket) {
        let all = Bucket(0)..=last;
        for at in self.within(&all).rev() {
            // What was over before is all that comes before it.
            if self.entries.mark(at, OVER) {
                break;
            }
        }
        match self.to.is_none_or(|to| to <= last) {
            true => (self.spent, self.requests, self.tokens) = ([0; 4], 0, 0),
            false => self.sum_again(),
        }
    }

    /// Gives the buckets from `from` to `to` a place.
    pub(super) fn set_place(&mut self, from: Bucket, to: Bucket, place: Place) {
        for at in self.within(&(from..=to)) {
            match place {
                Place::Apart => self.entries.mark(at, APART),
                Place::Normal => self.entries.unmark(at, APART),
            };
        }
    }

    /// Where the buckets of a range are that are held.
    fn within(&self, range: &RangeInclusive<Bucket>) -> Range<usize> {
        let first = self.from().map_or(0, |from| from.0);
        let at = |bucket: u32| (bucket.saturating_sub(first) as usize).min(self.entries.len());
        at(range.start().0)..at(range.end().0.saturating_add(1))
    }

    fn sum_again(&mut self) {
        self.spent = SPANS.map(|span| self.entries.spent(span));
        let hour = self.entries.last(SPANS[1]);
        let counted = hour.filter_map(|at| Some(self.entries.get(at)?.counted()));
        (self.requests, self.tokens) = counted.fold((0, 0), |(requests, tokens), one| {
            (requests + one.1, tokens + one.2)
        });
    }

    /// Spend over the spans that end now.
    pub(super) const fn spent(&self) -> [u64; 3] {
        [self.spent[1], self.spent[2], self.spent[3]]
    }

    /// Spend in the last 15 minutes.
    pub(super) const fn hot(&self) -> u64 {
        self.spent[0]
    }

    /// Spend over a span that ended with an earlier bucket; `None` where it began more than a day ago.
    pub(super) fn spent_until(&self, end: Bucket, span: Span) -> Option<u64> {
        let first = end
            .minus(span.buckets() - 1)
            .0
            .checked_sub(self.from()?.0)? as usize;
        let last = first + span.buckets() as usize;
        let is_held = last <= self.entries.len();
        is_held.then(|| (first..last).map(|at| self.entries.cost(Some(at))).sum())
    }

    /// Requests and tokens of the last hour.
    pub(super) const fn requests(&self) -> (u64, u64) {
        (self.requests, self.tokens)
    }

    /// What was spent from `from` on, whether it is over or not.
    pub(super) fn paid_since(&self, from: Bucket) -> u64 {
        let Some(first) = self.from() else { return 0 };
        let len = self.entries.len();
        let past = from.0.saturating_sub(first.0) as usize;
        let costs = self.entries.costs.last(len.saturating_sub(past));
        costs.fold(0, u64::saturating_add)
    }
}
