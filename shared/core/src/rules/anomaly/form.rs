//! The form of the rules on money: four clauses over three spans for a slot with a baseline, one sum for a slot without.

use serde::{Deserialize, Serialize};

use super::settings::{Evidence, Level, Limits, SpanLevel};
use crate::model::baseline::{Mean, Span};
use crate::model::metric::KillScore;
use crate::model::usage::Bucket;

/// Thousandths: from 1,000 on a limit is exceeded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score(pub u32);

impl Score {
    /// A limit is exceeded, or what it takes to act is there.
    pub const FIRES: Self = Self(KillScore::LINE);
    /// Proof: a key that is known to be dead is in use.
    pub const PROOF: Self = Self(10_000);
    /// More is not told apart.
    const MOST: u128 = 1_000_000;

    /// How far `value` is on its way to exceeding `limit`: 1,000 and more exactly where it is above it.
    fn of(value: i128, limit: i128) -> Self {
        let value = u128::try_from(value).unwrap_or(0);
        let limit = u128::try_from(limit).unwrap_or(0);
        let thousandths = match (value, limit) {
            (0, _) => 0,
            (_, 0) => Self::MOST,
            _ => (value * 1_000).div_ceil(limit) - 1,
        };
        Self(thousandths.min(Self::MOST) as u32)
    }
}

/// What one judgement is made of. Money in micro-dollars.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) limits: &'a Limits,
    /// Of a bucket; there where the slot has a baseline.
    pub(super) learned: Option<Mean>,
    /// The most on record, for each span.
    pub(super) peaks: [Option<u64>; 3],
    /// For each span.
    pub(super) spent: [u64; 3],
    /// In the last 15 minutes.
    pub(super) hot: u64,
    /// 100, or more while more spend is announced.
    pub(super) factor: u64,
    /// Signs of a theft beside money.
    pub(super) evidence: Evidence,
}

/// The three clauses of one span, each as a value and the limit that it must exceed.
pub(super) struct Clauses {
    scaled: [(i128, i128); 3],
    scale: [i128; 3],
}

impl Clauses {
    fn met(&self) -> bool {
        self.scaled.iter().all(|(value, limit)| value > limit)
    }

    fn score(&self) -> Score {
        let scores = self.scaled.map(|(value, limit)| Score::of(value, limit));
        scores.into_iter().min().unwrap_or_default()
    }

    /// The least spend that none of the clauses lets pass: the highest of the three limits, as money over the span.
    pub(super) fn limit(&self, normal: u64) -> u64 {
        let [mean, record, excess] = [0, 1, 2].map(|at| {
            let (_, limit) = self.scaled[at];
            u64::try_from(limit / self.scale[at]).unwrap_or(u64::MAX)
        });
        mean.max(record).max(excess.saturating_add(normal))
    }
}

impl Facts<'_> {
    /// The mean of a bucket as a fraction, raised by what was announced.
    fn mean(&self, mean: Mean) -> (i128, i128) {
        let sum = i128::from(mean.sum) * i128::from(self.factor);
        (sum, i128::from(mean.known) * 100)
    }

    fn expected(&self) -> i128 {
        i128::from(self.limits.expected.daily.0) * i128::from(self.factor) / 100
    }

    fn floor(&self, level: &Level) -> i128 {
        let accepted = self.limits.loss.floor;
        let floor = level.floor.map_or(accepted, |floor| floor.min(accepted));
        i128::from(floor.0)
    }

    /// What is spent over a span in normal times, rounded down.
    pub(super) fn normal(&self, mean: Mean, span: Span) -> u64 {
        let (sum, known) = self.mean(mean);
        u64::try_from(sum * i128::from(span.buckets()) / known).unwrap_or(u64::MAX)
    }

    /// The three clauses of a span for what was spent over it; `None` where there is no record.
    pub(super) fn clauses(
        &self,
        level: &Level,
        figures: &SpanLevel,
        mean: Mean,
        spent: u64,
    ) -> Option<Clauses> {
        let peak = i128::from(self.peaks[figures.span as usize]?) * i128::from(self.factor) / 100;
        let (sum, known) = self.mean(mean);
        let spent = i128::from(spent);
        let normal = sum * i128::from(figures.span.buckets());
        // With other evidence half of both is enough: everything else counts double.
        let doubled = match self.evidence {
            Evidence::None => 1,
            Evidence::LargeRequests => 2,
        };
        let ceiling = peak + i128::from(self.limits.loss.ceiling.0);
        let record = (i128::from(figures.record) * peak).min(100 * doubled * ceiling);
        let day = (sum * i128::from(Bucket::PER_DAY)).max(self.expected() * known);
        let share = i128::from(figures.share) * day;
        let excess = (self.floor(level) * known * 100 * doubled).max(share);
        Some(Clauses {
            scaled: [
                (spent * known * 10, i128::from(level.ratio) * normal),
                (spent * 100 * doubled, record),
                ((spent * known - normal) * 100 * doubled, excess),
            ],
            scale: [known * 10, 100 * doubled, known * 100 * doubled],
        })
    }

    /// Still going on: the last 15 minutes are above the ratio as well.
    fn is_hot(&self, level: &Level, mean: Mean) -> bool {
        let (sum, known) = self.mean(mean);
        let normal = sum * i128::from(super::recent::HOT);
        i128::from(self.hot) * known * 10 > i128::from(level.ratio) * normal
    }

    /// What a slot without a baseline may spend in 24 hours.
    pub(super) fn unlearned_limit(&self, level: &Level) -> u64 {
        let expected = self.expected();
        let days = i128::from(level.unlearned_days) * expected;
        let ceiling = expected + i128::from(self.limits.loss.ceiling.0);
        let limit = self.floor(level).max(days.min(ceiling));
        u64::try_from(limit).unwrap_or(u64::MAX)
    }

    /// Whether it goes on: with a baseline the fourth clause, without one any spend in the last 15 minutes.
    pub(super) fn goes_on(&self, level: &Level) -> bool {
        match self.learned {
            Some(mean) => self.is_hot(level, mean),
            None => self.hot > 0,
        }
    }

    /// Whether `spent` over a span exceeds its limits, whether it goes on or not.
    pub(super) fn exceeds(&self, level: &Level, span: Span, spent: u64) -> Option<Fired> {
        let limit = match self.learned {
            Some(mean) => {
                let figures = &level.spans[span as usize];
                let clauses = self.clauses(level, figures, mean, spent)?;
                clauses
                    .met()
                    .then(|| clauses.limit(self.normal(mean, span)))?
            }
            None if span != Span::Day => return None,
            None => Some(self.unlearned_limit(level)).filter(|&limit| spent > limit)?,
        };
        Some(Fired {
            span,
            value: spent,
            limit,
        })
    }

    /// What a span that goes on must spend to fire by itself; `None` where there is no record yet.
    pub(super) fn limit(&self, level: &Level, span: Span) -> Option<u64> {
        let Some(mean) = self.learned else {
            return Some(self.unlearned_limit(level));
        };
        let clauses = self.clauses(level, &level.spans[span as usize], mean, 0)?;
        Some(clauses.limit(self.normal(mean, span)))
    }

    /// What fires: the first span of which all limits are exceeded, while it goes on.
    pub(super) fn fires(&self, level: &Level) -> Option<Fired> {
        if !self.goes_on(level) {
            return None;
        }
        let mut spans = Span::ALL.into_iter();
        spans.find_map(|span| self.exceeds(level, span, self.spent[span as usize]))
    }

    /// How near it is to firing: from 1,000 on exactly where it does.
    pub(super) fn score(&self, level: &Level) -> Score {
        if !self.goes_on(level) {
            return Score::default();
        }
        let Some(mean) = self.learned else {
            let limit = i128::from(self.unlearned_limit(level));
            return Score::of(self.spent[Span::Day as usize].into(), limit);
        };
        let scores = level.spans.iter().filter_map(|figures| {
            let spent = self.spent[figures.span as usize];
            Some(self.clauses(level, figures, mean, spent)?.score())
        });
        scores.max().unwrap_or_default()
    }

    /// The excess over normal that is accepted, in micro-dollars: the third clause's, rounded down.
    pub(super) fn accepted_excess(&self, level: &Level, span: Span) -> u64 {
        let Some(mean) = self.learned else {
            return u64::try_from(self.floor(level)).unwrap_or(u64::MAX);
        };
        let (sum, known) = self.mean(mean);
        let share = i128::from(level.spans[span as usize].share);
        let day = (sum * i128::from(Bucket::PER_DAY) / known).max(self.expected());
        let excess = self.floor(level).max(share * day / 100);
        u64::try_from(excess).unwrap_or(u64::MAX)
    }
}

/// A rule on money that fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fired {
    pub(super) span: Span,
    pub(super) value: u64,
    pub(super) limit: u64,
}
