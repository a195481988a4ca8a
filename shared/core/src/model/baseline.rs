//! What is normal for a slot: its usage up to a day ago, taken in bucket by bucket, never read again as a whole.

mod packed;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::text::OutsideText;
use super::usage::{Bucket, Counts, Reading};
use packed::{Peaks, Stretch};

/// The lengths that spend is summed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// One hour.
    Hour,
    /// Six hours.
    SixHours,
    /// 24 hours.
    Day,
}

impl Span {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hour, Self::SixHours, Self::Day];

    /// How many buckets it has.
    pub const fn buckets(self) -> u32 {
        match self {
            Self::Hour => Bucket::PER_HOUR,
            Self::SixHours => 6 * Bucket::PER_HOUR,
            Self::Day => Bucket::PER_DAY,
        }
    }
}

/// Whether a bucket says something about what is normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Ordinary use.
    Normal,
    /// Part of an incident or a confirmed alert: paid for, but no measure for later.
    Apart,
}

/// A mean as its sum and its number, so that nothing is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mean {
    /// Of what is known.
    pub sum: u64,
    /// How many are known; never 0.
    pub known: u32,
}

impl Mean {
    fn of(sum: u64, known: u32) -> Option<Self> {
        (known > 0).then_some(Self { sum, known })
    }

    /// Of so many of them, rounded down.
    pub const fn times(self, count: u32) -> u64 {
        (self.sum as u128 * count as u128 / self.known as u128) as u64
    }
}

/// How long the largest sums are kept.
const PEAK_DAYS: u32 = 35;
/// Longer gaps start afresh.
const LONGEST_GAP: u32 = PEAK_DAYS * Bucket::PER_DAY;
const WEEK_HOURS: u16 = 7 * 24;
const SIZE_DAYS: usize = 14;
/// Models beyond these are not remembered: a slot that calls so many has no usual one.
const MOST_MODELS: usize = 64;

/// What is normal for one slot. Buckets enter it once, in order, when they are a day old: a theft does not raise its own
/// measure, and what providers tell late is in. The same buckets make the same baseline, however often it was written
/// down in between, so it need not be written at each poll: whoever reads it back takes in what came since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    last: Option<Bucket>,
    days: [Stretch; 7],
    hour: Stretch,
    six_hours: Stretch,
    peaks: [Peaks; 3],
    used: UsedDays,
    month: Month,
    requests_hour: Stretch,
    requests_peaks: Peaks,
    requests: Stretch,
    tokens: Stretch,
    filling: Option<Filling>,
    sizes: Vec<Sizes>,
    models: Vec<OutsideText>,
}

/// The hour that is being filled, of requests and tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Filling {
    hour: u32,
    requests: Option<u64>,
    tokens: Option<u64>,
}

/// On which days there was any use: bit 0 is `last`, bit 1 the day before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct UsedDays {
    last: u32,
    days: u64,
    at: Option<Bucket>,
}

/// What was spent in the calendar month that begins with the day `from`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Month {
    from: u32,
    until: u32,
    spent: u64,
}

/// How large requests were on one day: how many of each class of size.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sizes {
    day: u32,
    requests: Vec<(u16, u32)>,
}

impl Default for Baseline {
    fn default() -> Self {
        Self {
            last: None,
            days: std::array::from_fn(|_| Stretch::of(Bucket::PER_DAY as u16)),
            hour: Stretch::of(Span::Hour.buckets() as u16),
            six_hours: Stretch::of(Span::SixHours.buckets() as u16),
            peaks: Default::default(),
            used: UsedDays::default(),
            month: Month::default(),
            requests_hour: Stretch::of(Bucket::PER_HOUR as u16),
            requests_peaks: Peaks::default(),
            requests: Stretch::of(WEEK_HOURS),
            tokens: Stretch::of(WEEK_HOURS),
            filling: None,
            sizes: Vec::new(),
            models: Vec::new(),
        }
    }
}

impl Baseline {
    /// From what is stored, for when the past itself is seen differently: an incident is set apart, a person says that
    /// it was expected, prices change. Models are kept from `before`.
    pub fn rebuilt(
        before: &Self,
        history: impl IntoIterator<Item = (Bucket, Reading, Place)>,
    ) -> Self {
        let mut baseline = Self {
            models: before.models.clone(),
            ..Self::default()
        };
        for (bucket, reading, place) in history {
            baseline.settle(bucket, reading, place);
        }
        // Use that is not a day old yet is in no history.
        baseline.used = before.used.with(baseline.used);
        baseline
    }

    /// The last bucket that was taken in.
    pub const fn last(&self) -> Option<Bucket> {
        self.last
    }

    /// Takes in a bucket that is a day old. One that is in already is passed over; those that were skipped are unknown.
    pub fn settle(&mut self, bucket: Bucket, reading: Reading, place: Place) {
        if let Some(last) = self.last {
            if bucket <= last {
                return;
            }
            match bucket.0 - last.0 > LONGEST_GAP {
                true => *self = Self::fresh(self),
                false => {
                    for missed in last.0 + 1..bucket.0 {
                        self.take(Bucket(missed), None);
                    }
                }
            }
        }
        if let Some(counts) = reading.known() {
            self.month.add(bucket, counts.cost.0);
        }
        let counts = reading.known().filter(|_| place == Place::Normal);
        if counts.is_some_and(|counts| counts.used()) {
            self.use_seen(bucket);
        }
        self.take(bucket, counts);
    }

    /// After a gap that nothing outlives but what models were used, and what was spent this month.
    fn fresh(before: &Self) -> Self {
        Self {
            models: before.models.clone(),
            used: before.used,
            month: before.month,
            ..Self::default()
        }
    }

    fn take(&mut self, bucket: Bucket, counts: Option<Counts>) {
        let cost = counts.map(|counts| counts.cost.0);
        let mut passing = Some(cost);
        for day in &mut self.days {
            let Some(number) = passing else { break };
            passing = day.push(number);
        }
        self.hour.push(cost);
        self.six_hours.push(cost);
        let keep = PEAK_DAYS * Bucket::PER_DAY;
        let sums = [self.hour.sum(), self.six_hours.sum(), self.days[0].sum()];
        for (peaks, sum) in self.peaks.iter_mut().zip(sums) {
            peaks.push(bucket.0, sum, keep);
        }
        self.take_requests(bucket, counts, keep);
        self.last = Some(bucket);
    }

    fn take_requests(&mut self, bucket: Bucket, counts: Option<Counts>, keep: u32) {
        self.requests_hour
            .push(counts.map(|counts| counts.requests));
        self.requests_peaks
            .push(bucket.0, self.requests_hour.sum(), keep);
        if let Some(full) = self.filling.take_if(|hour| hour.hour != bucket.hour()) {
            self.requests.push(full.requests);
            self.tokens.push(full.tokens);
        }
        let filling = self.filling.get_or_insert(Filling {
            hour: bucket.hour(),
            requests: None,
            tokens: None,
        });
        let Some(counts) = counts else { return };
        *filling.requests.get_or_insert(0) += counts.requests;
        *filling.tokens.get_or_insert(0) += counts.tokens.total();
        if let Some(size) = counts.tokens.total().checked_div(counts.requests) {
            self.size_seen(bucket.day(), size, counts.requests);
        }
    }

    fn size_seen(&mut self, day: u32, size: u64, requests: u64) {
        if self.sizes.last().is_none_or(|sizes| sizes.day != day) {
            self.sizes
                .retain(|sizes| sizes.day + SIZE_DAYS as u32 > day);
            let requests = Vec::new();
            self.sizes.push(Sizes { day, requests });
        }
        let Some(today) = self.sizes.last_mut() else {
            return;
        };
        let class = class_of(size);
        let requests = u32::try_from(requests).unwrap_or(u32::MAX);
        match today.requests.binary_search_by_key(&class, |&(of, _)| of) {
            Ok(at) => today.requests[at].1 = today.requests[at].1.saturating_add(requests),
            Err(at) => today.requests.insert(at, (class, requests)),
        }
    }

    /// Notes that there was use, also of late: buckets that are no day old yet count for [`used_days`](Self::used_days).
    pub fn use_seen(&mut self, bucket: Bucket) {
        self.used.mark(bucket);
    }

    /// Notes that a model was used; whether it is the first time. The first model of all is nothing new.
    pub fn model_seen(&mut self, model: &OutsideText) -> bool {
        if self.models.contains(model) || self.models.len() >= MOST_MODELS {
            return false;
        }
        self.models.push(model.clone());
        self.models.len() > 1
    }

    /// Spend in a bucket on the mean: over the known buckets of the last seven days, of those days of which at least
    /// 80 % is known.
    pub fn mean(&self) -> Option<Mean> {
        let counted = self
            .days
            .iter()
            .filter(|day| day.known() * 5 >= day.held() * 4);
        let (sum, known) = counted.fold((0, 0), |(sum, known), day| {
            (sum + day.sum(), known + day.known())
        });
        Mean::of(sum, known)
    }

    /// The largest spend over the span that ended in the last `days` days.
    pub fn peak(&self, span: Span, days: u32) -> Option<u64> {
        self.peaks[span as usize].largest(self.days_ago(days))
    }

    /// The most requests in any hour of the last `days` days.
    pub fn busiest_hour(&self, days: u32) -> Option<u64> {
        self.requests_peaks.largest(self.days_ago(days))
    }

    fn days_ago(&self, days: u32) -> Option<u32> {
        self.last?.0.checked_sub(days * Bucket::PER_DAY)
    }

    /// Requests in an hour on the mean of the last 168 whole hours.
    pub fn requests_an_hour(&self) -> Option<Mean> {
        Mean::of(self.requests.sum(), self.requests.known())
    }

    /// Tokens and requests of the last 168 whole hours.
    pub fn tokens_and_requests(&self) -> (u64, u64) {
        (self.tokens.sum(), self.requests.sum())
    }

    /// Of the requests of the last 14 days, 99 in 100 had no more tokens than this, to an eighth.
    pub fn usual_size(&self) -> Option<u64> {
        let mut all = std::collections::BTreeMap::<u16, u64>::new();
        for &(class, requests) in self.sizes.iter().flat_map(|sizes| &sizes.requests) {
            *all.entry(class).or_default() += u64::from(requests);
        }
        let total: u64 = all.values().sum();
        let mut seen = 0;
        for (class, requests) in all {
            seen += requests;
            if u128::from(seen) * 100 >= u128::from(total) * 99 {
                return Some(most_of(class));
            }
        }
        None
    }

    /// On how many of the `days` whole days before this bucket's there was any use; 63 at most.
    pub const fn used_days(&self, bucket: Bucket, days: u32) -> u32 {
        self.used.before(bucket.day(), days)
    }

    /// The last bucket with any use.
    pub const fn last_used(&self) -> Option<Bucket> {
        self.used.at
    }

    /// What was spent in this bucket's month, as far as it was taken in.
    pub const fn month_spent(&self, bucket: Bucket) -> u64 {
        match self.month.covers(bucket) {
            true => self.month.spent,
            false => 0,
        }
    }
}

impl UsedDays {
    fn mark(&mut self, bucket: Bucket) {
        let day = bucket.day();
        match day.checked_sub(self.last) {
            Some(later) => {
                self.days = self.days.checked_shl(later).unwrap_or(0) | 1;
                self.last = day;
            }
            None => self.days |= 1u64.checked_shl(self.last - day).unwrap_or(0),
        }
        self.at = self.at.max(Some(bucket));
    }

    const fn before(&self, day: u32, days: u32) -> u32 {
        // Bit 0 becomes the day before `day`.
        let bits = match (self.last + 1).checked_sub(day) {
            Some(later) => self.days.wrapping_shr(later),
            None => match self.days.checked_shl(day - 1 - self.last) {
                Some(bits) => bits,
                None => 0,
            },
        };
        (bits & ((1 << days) - 1)).count_ones()
    }

    /// Those of `settled`, and of these the days after them.
    fn with(self, settled: Self) -> Self {
        let mut used = settled;
        for back in (0..64u32).rev().filter(|back| self.days >> back & 1 == 1) {
            let Some(day) = self.last.checked_sub(back) else {
                continue;
            };
            if day > settled.last {
                used.mark(Bucket(day * Bucket::PER_DAY));
            }
        }
        used.at = used.at.max(self.at);
        used
    }
}

impl Month {
    const fn covers(&self, bucket: Bucket) -> bool {
        self.from <= bucket.day() && bucket.day() < self.until
    }

    fn add(&mut self, bucket: Bucket, cost: u64) {
        if !self.covers(bucket) {
            let (from, until) = month_of(bucket);
            let spent = 0;
            *self = Self { from, until, spent };
        }
        self.spent = self.spent.saturating_add(cost);
    }
}

/// The first day of a bucket's month and of the next one, counted from 1970.
pub fn month_of(bucket: Bucket) -> (u32, u32) {
    let date = TimeZone::UTC.to_datetime(bucket.begins()).date();
    let last = date.last_of_month();
    let first_day = bucket.day() + 1 - u32::from(date.day().unsigned_abs());
    let days = u32::from(Date::days_in_month(last).unsigned_abs());
    (first_day, first_day + days)
}

/// Eight classes for each doubling.
const fn class_of(size: u64) -> u16 {
    if size < 8 {
        return size as u16;
    }
    let doublings = size.ilog2();
    (doublings as u16 - 2) * 8 + ((size >> (doublings - 3)) & 7) as u16
}

/// The largest size of a class.
const fn most_of(class: u16) -> u64 {
    if class < 8 {
        return class as u64;
    }
    let doublings = class as u32 / 8 + 2;
    let least = (8 + class as u64 % 8) << (doublings - 3);
    least + ((1 << (doublings - 3)) - 1)
}

#[cfg(test)]
mod tests;
