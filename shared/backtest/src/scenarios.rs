//! What is put into recorded traffic: harmless changes, and thefts.

use fastrand::Rng;

use crate::key::Key;
use crate::{DAY, HOUR};

/// A harmless change of a key's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harmless {
    AsRecorded,
    Growth,
    Launch,
    Mondays,
    SummerTime,
    Nightly,
    NewNightly,
    MonthEnd,
}

impl Harmless {
    pub(crate) const ALL: [Self; 8] = [
        Self::AsRecorded,
        Self::Growth,
        Self::Launch,
        Self::Mondays,
        Self::SummerTime,
        Self::Nightly,
        Self::NewNightly,
        Self::MonthEnd,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AsRecorded => "as recorded",
            Self::Growth => "growth of 10 % a week",
            Self::Launch => "launch, x1.4",
            Self::Mondays => "Mondays x1.6",
            Self::SummerTime => "clock moved by an hour",
            Self::Nightly => "nightly batch",
            Self::NewNightly => "new nightly batch, 25 % of a day",
            Self::MonthEnd => "month end, x1.8 for 2 days",
        }
    }

    /// The traffic with it.
    pub(crate) fn apply(self, key: &Key) -> Vec<u64> {
        let (cost, changes) = (&key.cost, key.first + DAY);
        let times = |factor: f64, cost: u64| (cost as f64 * factor).round() as u64;
        let night = |at: usize| (2 * HOUR..3 * HOUR).contains(&(at % DAY));
        let batch = (6.0 * key.mean).round() as u64;
        let bucket = |(at, &cost): (usize, &u64)| match self {
            Self::AsRecorded => cost,
            Self::Growth => times(1.1f64.powf(at as f64 / (7 * DAY) as f64), cost),
            Self::Launch if at > changes => times(1.4, cost),
            Self::Mondays if (at / DAY).is_multiple_of(7) => times(1.6, cost),
            Self::SummerTime if at >= changes => key.cost[at - HOUR],
            Self::Nightly if night(at) => cost + batch,
            Self::NewNightly if night(at) && at > changes => cost + batch,
            Self::MonthEnd if at > changes && at <= changes + 2 * DAY => times(1.8, cost),
            _ => cost,
        };
        cost.iter().enumerate().map(bucket).collect()
    }
}

/// A theft: its name, how fast it spends, how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    rate: Rate,
    hours: usize,
    when: When,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Rate {
    /// So many times the key's mean, on top.
    Times(f64),
    /// So many dollars an hour.
    Hourly(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    AnyTime,
    /// In the quietest six hours of the key's own day.
    AtNight,
    /// Of a key without use for a week.
    Asleep,
    /// Of a key of less than $5 a day.
    SmallKey,
    /// Of a key whose tokens are known, in requests as its own,
    OwnSize,
    /// or of 350,000 tokens, as a published theft had them.
    LargeRequests,
}

const fn kind(name: &'static str, rate: Rate, hours: usize, when: When) -> Kind {
    Kind {
        name,
        rate,
        hours,
        when,
    }
}

pub(crate) const X10: &str = "x10";
pub(crate) const X50: &str = "x50";
const X3: &str = "x3";
pub(crate) const HOURLY_200: &str = "$200/h";
pub(crate) const HOURLY_400: &str = "$400/h";

/// All of them.
pub(crate) const THEFTS: [Kind; 15] = [
    kind(HOURLY_200, Rate::Hourly(200.0), 24, When::AnyTime),
    kind(HOURLY_400, Rate::Hourly(400.0), 24, When::AnyTime),
    kind(
        "$300/h on a key below $5/day",
        Rate::Hourly(300.0),
        24,
        When::SmallKey,
    ),
    kind(
        "$20/h, no use for 7 days",
        Rate::Hourly(20.0),
        24,
        When::Asleep,
    ),
    kind(X3, Rate::Times(2.0), 72, When::AnyTime),
    kind(X10, Rate::Times(9.0), 72, When::AnyTime),
    kind("x10 at night", Rate::Times(9.0), 72, When::AtNight),
    kind(X50, Rate::Times(49.0), 72, When::AnyTime),
    kind("x1.6 for 5 days", Rate::Times(0.6), 120, When::AnyTime),
    sized("$200/h, its own sizes", Rate::Hourly(200.0), When::OwnSize),
    sized(
        "$200/h, 350,000 tokens each",
        Rate::Hourly(200.0),
        When::LargeRequests,
    ),
    sized("$400/h, its own sizes", Rate::Hourly(400.0), When::OwnSize),
    sized(
        "$400/h, 350,000 tokens each",
        Rate::Hourly(400.0),
        When::LargeRequests,
    ),
    sized("x10, its own sizes", Rate::Times(9.0), When::OwnSize),
    sized(
        "x10, 350,000 tokens each",
        Rate::Times(9.0),
        When::LargeRequests,
    ),
];

const LARGE: f64 = 350_000.0;

const fn sized(name: &'static str, rate: Rate, when: When) -> Kind {
    let hours = match rate {
        Rate::Times(_) => 72,
        Rate::Hourly(_) => 24,
    };
    kind(name, rate, hours, when)
}

impl Kind {
    /// Whether big keys are told apart: those where a multiple is much money.
    pub(crate) const fn is_of_big_keys(self) -> bool {
        matches!(self.rate, Rate::Times(_))
            && self.hours == 72
            && !matches!(self.when, When::AtNight)
    }

    /// Kinds that differ in their requests alone begin at the same moment.
    pub(crate) fn begins_as(&self) -> &'static str {
        self.name.split(", ").next().unwrap_or(self.name)
    }
}

/// One theft of one key.
#[derive(Debug, Clone)]
pub(crate) struct Theft {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    /// Micro-dollars on top, bucket by bucket.
    pub(crate) stolen: Vec<u64>,
}

impl Theft {
    /// Begins at a random moment; `None` where such a theft does not fit the key.
    pub(crate) fn of(kind: Kind, key: &Key, rng: &mut Rng) -> Option<Self> {
        let buckets = key.cost.len();
        let length = (kind.hours * HOUR).min(buckets - key.first - DAY);
        let last = buckets - length;
        let any = rng.usize(key.first..=last);
        let start = match kind.when {
            When::SmallKey if key.daily_dollars() >= 5.0 => return None,
            When::OwnSize | When::LargeRequests if !key.has_sizes() => return None,
            When::AtNight => (any / DAY * DAY + quietest(&key.cost)).clamp(key.first, last),
            _ => any,
        };
        let rate = match kind.rate {
            Rate::Times(times) => times * key.mean,
            Rate::Hourly(dollars) => dollars * 1_000_000.0 / HOUR as f64,
        };
        // Full after a quarter of an hour.
        let ramp = |at: usize| ((at + 1) as f64 / 3.0).min(1.0);
        let stolen = (0..length)
            .map(|at| (rate * ramp(at)).round() as u64)
            .collect();
        Some(Self {
            kind,
            start,
            stolen,
        })
    }

    /// Tokens per request, if they are not as the key's own.
    pub(crate) fn size(&self) -> Option<f64> {
        (self.kind.when == When::LargeRequests).then_some(LARGE)
    }

    /// From where on the key has no use of its own.
    pub(crate) fn asleep_from(&self, key: &Key) -> Option<usize> {
        (self.kind.when == When::Asleep).then(|| key.first - 7 * DAY)
    }
}

/// Where in the day the six hours with the least spend begin.
fn quietest(cost: &[u64]) -> usize {
    let day: Vec<u64> = (0..DAY)
        .map(|at| cost.iter().skip(at).step_by(DAY).sum())
        .collect();
    let six_hours = |start: &usize| {
        (*start..start + 6 * HOUR)
            .map(|at| day[at % DAY])
            .sum::<u64>()
    };
    (0..DAY).min_by_key(six_hours).unwrap_or(0)
}

#[cfg(test)]
mod tests;
