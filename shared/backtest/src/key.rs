//! One key: its traffic priced, and what its owner calls normal.

use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::ExpectedSpend;
use keyward_core::model::usage::{Counts, TokenCounts};
use keyward_core::rules::anomaly::Limits;

use crate::traces::Traffic;
use crate::{DAY, HOUR, chance};

/// How a key is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Has a baseline, and days that are much alike.
    Regular,
    /// Has a baseline, and days that are not.
    Irregular,
    /// Has none for most of the time.
    Unlearned,
}

/// A key with spend in micro-dollars for each bucket.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) cost: Vec<u64>,
    /// How many requests those are, where tokens are known, at [`PRICE`]; else empty.
    requests: Vec<u32>,
    /// Tokens per request, hour by hour; as long as `requests`.
    sizes: Vec<f64>,
    /// The first bucket that is counted.
    pub(crate) first: usize,
    /// On the mean, for each bucket.
    pub(crate) mean: f64,
    pub(crate) limits: Limits,
    pub(crate) habit: Habit,
}

const DOLLAR: f64 = 1_000_000.0;

/// Micro-dollars a token: $3 a million, in the middle of what is asked for input.
const PRICE: f64 = 3.0;

impl Key {
    /// `None` where there are ten days or less, or no requests.
    pub(crate) fn new(traffic: &Traffic) -> Option<Self> {
        let Traffic {
            name,
            requests,
            sizes,
        } = traffic;
        let buckets = requests.len();
        let all: f64 = requests.iter().sum();
        if buckets <= 10 * DAY || all <= 0.0 {
            return None;
        }
        let first = if buckets >= 20 * DAY {
            15 * DAY
        } else {
            8 * DAY
        };
        let day = 0.5 * 400f64.powf(chance::share_of(&format!("{name}$"))) * DOLLAR;
        let price = day * buckets as f64 / DAY as f64 / all;
        let cost: Vec<u64> = requests
            .iter()
            .map(|requests| (requests * price).round() as u64)
            .collect();
        let declared = mean_used_day(&cost) * (chance::share_of(&format!("{name}d")) - 0.5).exp();
        let daily = MicroDollars(declared.round() as u64);
        let monthly = MicroDollars(daily.0 * 30);
        Some(Self {
            name: name.clone(),
            first,
            mean: day / DAY as f64,
            limits: Limits::of(ExpectedSpend { daily, monthly }),
            habit: habit(&cost, first),
            requests: at_price(requests, sizes, cost.iter().sum()),
            sizes: sizes.clone(),
            cost,
        })
    }

    /// Whether its tokens are known.
    pub(crate) const fn has_sizes(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Its own use in a bucket, of which the cost is given.
    pub(crate) fn counts(&self, at: usize, cost: u64) -> Counts {
        let requests = self.requests.get(at).copied().unwrap_or(0);
        let size = self.sizes.get(at / HOUR).copied().unwrap_or(0.0);
        counts(cost, requests.into(), size)
    }

    /// Stolen use in a bucket, in requests of this size, or of the key's own. `rest` is what is left of a request.
    pub(crate) fn stolen(&self, at: usize, cost: u64, size: Option<f64>, rest: &mut f64) -> Counts {
        if !self.has_sizes() {
            return counts(cost, 0, 0.0);
        }
        let size = size.unwrap_or_else(|| self.sizes.get(at / HOUR).copied().unwrap_or(1.0));
        *rest += cost as f64 / PRICE / size.max(1.0);
        let requests = rest.floor();
        *rest -= requests;
        counts(cost, requests as u64, size)
    }

    /// How long it is counted, in months.
    pub(crate) fn months(&self) -> f64 {
        (self.cost.len() - self.first) as f64 / DAY as f64 / 30.4
    }

    /// Its mean day in dollars.
    pub(crate) fn daily_dollars(&self) -> f64 {
        self.mean * DAY as f64 / DOLLAR
    }
}

fn counts(cost: u64, requests: u64, size: f64) -> Counts {
    Counts {
        cost: MicroDollars(cost),
        requests,
        tokens: TokenCounts {
            input: (requests as f64 * size) as u64,
            ..TokenCounts::default()
        },
    }
}

/// So many requests, in the same proportions, that their tokens cost `cost` together.
fn at_price(requests: &[f64], sizes: &[f64], cost: u64) -> Vec<u32> {
    let with_sizes = requests
        .iter()
        .zip(sizes.iter().flat_map(|size| [size; HOUR]));
    let tokens: f64 = with_sizes
        .clone()
        .map(|(requests, size)| requests * size)
        .sum();
    let scale = cost as f64 / PRICE / tokens.max(1.0);
    let mut rest = 0.0;
    let whole = |(requests, _): (&f64, &f64)| {
        rest += requests * scale;
        let whole = f64::floor(rest);
        rest -= whole;
        whole as u32
    };
    with_sizes.map(whole).collect()
}

fn sum(cost: &[u64]) -> f64 {
    cost.iter().sum::<u64>() as f64
}

fn mean_used_day(cost: &[u64]) -> f64 {
    let days: Vec<f64> = cost
        .chunks_exact(DAY)
        .map(sum)
        .filter(|&day| day > 0.0)
        .collect();
    days.iter().sum::<f64>() / days.len().max(1) as f64
}

fn habit(cost: &[u64], first: usize) -> Habit {
    let used: Vec<bool> = cost.chunks(DAY).map(|day| sum(day) > 0.0).collect();
    let learned = |bucket: usize| {
        let today = bucket / DAY;
        let before = &used[today.saturating_sub(14)..today];
        before.iter().filter(|&&used| used).count() >= 5
    };
    let counted = first..cost.len();
    let with_baseline = counted.clone().filter(|&bucket| learned(bucket)).count();
    if with_baseline * 2 <= counted.len() {
        return Habit::Unlearned;
    }
    let end = (first + DAY).min(cost.len() - 1) + 1;
    let days: Vec<f64> = (1..=7)
        .map(|day| sum(&cost[end - (day + 1) * DAY..end - day * DAY]))
        .collect();
    let mean = days.iter().sum::<f64>() / 7.0;
    let variance = days.iter().map(|day| (day - mean).powi(2)).sum::<f64>() / 7.0;
    match variance.sqrt() <= 0.5 * mean {
        true => Habit::Regular,
        false => Habit::Irregular,
    }
}
