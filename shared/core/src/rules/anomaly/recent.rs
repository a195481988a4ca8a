//! The last 24 hours, bucket by bucket, with their sums.

use std::collections::VecDeque;

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
    entries: VecDeque<Entry>,
    spent: [u64; 4],
    requests: u64,
    tokens: u64,
}

/// One bucket, in 24 bytes: a day of each of thousands of slots is held at once. No rule asks for kinds of tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    cost: u64,
    tokens: u64,
    /// More calls than fit in five minutes are kept as the most that do.
    requests: u32,
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
            requests: u32::try_from(counts.requests).unwrap_or(u32::MAX),
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
            requests: self.requests.into(),
            tokens: TokenCounts {
                input: self.tokens,
                ..TokenCounts::default()
            },
        })
    }

    fn counted(&self) -> (u64, u64, u64) {
        match self.over {
            false => (self.cost, self.requests.into(), self.tokens),
            true => (0, 0, 0),
        }
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
        // A day, and the bucket that is pushed out: no room for more is kept.
        self.entries
            .reserve_exact(DAY_AND_ONE.saturating_sub(self.entries.len()));
        self.entries.push_back(entry);
        self.to = Some(bucket);
        let held = self.entries.len();
        for (sum, span) in self.spent.iter_mut().zip(SPANS) {
            let left = held.checked_sub(span as usize + 1);
            let left = left.map_or(0, |at| self.entries[at].counted().0);
            *sum = *sum + cost - left;
        }
        let left = held.checked_sub(SPANS[1] as usize + 1);
        let (_, old_requests, old_tokens) = left.map_or((0, 0, 0), |at| self.entries[at].counted());
        self.requests = self.requests + requests - old_requests;
        self.tokens = self.tokens + tokens - old_tokens;
        if held <= Bucket::PER_DAY as usize {
            return None;
        }
        let old = self.entries.pop_front()?;
        Some((bucket.minus(Bucket::PER_DAY), old))
    }

    /// Puts what is told of a bucket in the place of what was told before, and gives how much more spend that is that
    /// counts; `None` if it is none of the last 24 hours.
    pub(super) fn overwrite(&mut self, bucket: Bucket, reading: Reading) -> Option<u64> {
        let at = bucket.0.checked_sub(self.from()?.0)?;
        let entry = self.entries.get_mut(at as usize)?;
        let (before, ..) = entry.counted();
        *entry = Entry {
            place: entry.place,
            over: entry.over,
            ..Entry::new(reading)
        };
        let (after, ..) = entry.counted();
        self.sum_again();
        Some(after.saturating_sub(before))
    }

    /// Everything up to `last` is over: sums begin at zero after it.
    pub(super) fn restart_after(&mut self, last: Bucket) {
        self.each(|bucket, entry| entry.over |= bucket <= last);
        self.sum_again();
    }

    /// Gives the buckets from `from` to `to` a place.
    pub(super) fn set_place(&mut self, from: Bucket, to: Bucket, place: Place) {
        self.each(|bucket, entry| {
            if (from..=to).contains(&bucket) {
                entry.place = place;
            }
        });
    }

    fn each(&mut self, mut act: impl FnMut(Bucket, &mut Entry)) {
        let Some(from) = self.from() else { return };
        for (bucket, entry) in (from.0..).zip(&mut self.entries) {
            act(Bucket(bucket), entry);
        }
    }

    fn sum_again(&mut self) {
        let last = |span: u32| self.entries.iter().rev().take(span as usize);
        let spent = |span| last(span).map(|entry| entry.counted().0).sum();
        self.spent = SPANS.map(spent);
        self.requests = last(SPANS[1]).map(|entry| entry.counted().1).sum();
        self.tokens = last(SPANS[1]).map(|entry| entry.counted().2).sum();
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
        let entries = (first..last).map(|at| self.entries.get(at));
        entries.map(|entry| Some(entry?.counted().0)).sum()
    }

    /// Requests and tokens of the last hour.
    pub(super) const fn requests(&self) -> (u64, u64) {
        (self.requests, self.tokens)
    }

    /// What was spent from `from` on, whether it is over or not.
    pub(super) fn paid_since(&self, from: Bucket) -> u64 {
        let Some(first) = self.from() else { return 0 };
        let entries = (first.0..).zip(&self.entries);
        let since = entries.filter(|&(bucket, _)| bucket >= from.0);
        let costs = since.map(|(_, entry)| entry.cost);
        costs.fold(0, u64::saturating_add)
    }
}
