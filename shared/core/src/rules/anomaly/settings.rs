//! What a slot's owner accepts to lose, and the figures of the rules.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::baseline::Span;
use crate::model::money::MicroDollars;
use crate::model::slot::{AcceptedLoss, Expectation, ExpectedSpend, Slot};

/// What the rules need to know of a slot beside its usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// What its owner calls normal.
    pub expected: ExpectedSpend,
    /// What may be lost.
    pub loss: AcceptedLoss,
    /// How far back the busiest stretch on record is looked for, as far as there is a record.
    pub record_days: u32,
    /// A launch or a month's end that was announced: what is normal counts so much more until then.
    pub announced: Option<Expectation>,
}

impl Limits {
    /// Those of a slot whose owner set nothing but what is normal.
    pub fn of(expected: ExpectedSpend) -> Self {
        Self {
            expected,
            loss: AcceptedLoss::default(),
            record_days: 35,
            announced: None,
        }
    }

    /// Those of a slot, with what was announced of it.
    pub fn of_slot(slot: &Slot) -> Self {
        Self {
            loss: slot.loss,
            announced: slot.expectation,
            ..Self::of(slot.expected)
        }
    }
}

/// Signs of a theft beside money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// None.
    None,
    /// Requests far larger than the slot's own: what must be exceeded on record, and the excess that is accepted, are halved.
    LargeRequests,
}

/// One level of judgement: the same form with other figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    /// Tenths of the mean that must be exceeded.
    pub(super) ratio: u64,
    /// For each span.
    pub(super) spans: [SpanLevel; 3],
    /// The least excess; a kill's is a setting. An alert's is that one where it is less: whatever is worth a kill is worth
    /// an alert.
    pub(super) floor: Option<MicroDollars>,
    /// Declared normal days in 24 hours, for a slot without a baseline.
    pub(super) unlearned_days: u64,
}

/// The figures for one span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SpanLevel {
    pub(super) span: Span,
    /// Percent of the busiest such span on record.
    pub(super) record: u64,
    /// Excess in percent of a normal day.
    pub(super) share: u64,
}

const fn spans(figures: [(u64, u64); 3]) -> [SpanLevel; 3] {
    let [hour, six_hours, day] = figures;
    [
        level(Span::Hour, hour),
        level(Span::SixHours, six_hours),
        level(Span::Day, day),
    ]
}

const fn level(span: Span, (record, share): (u64, u64)) -> SpanLevel {
    SpanLevel {
        span,
        record,
        share,
    }
}

/// Cut off.
pub(super) const KILL: Level = Level {
    ratio: 20,
    spans: spans([(300, 50), (200, 75), (150, 100)]),
    floor: None,
    unlearned_days: 3,
};

/// Tell.
pub(super) const ALERT: Level = Level {
    ratio: 15,
    spans: spans([(200, 25), (150, 35), (115, 50)]),
    floor: Some(MicroDollars::from_dollars(10)),
    unlearned_days: 2,
};

/// What a slot may spend in a month, UTC, as it is expected at `now`: 30 % above that.
pub(super) fn monthly_cap(limits: &Limits, now: Timestamp) -> MicroDollars {
    let announced = limits.announced.map_or(100, |said| said.percent_at(now));
    limits.expected.monthly_cap().percent(announced.into())
}
