//! What the rules find, as types and in words.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::form::Fired;
use crate::model::baseline::Span;
use crate::model::money::MicroDollars;
use crate::model::text::OutsideText;
use crate::model::usage::Bucket;

/// What a finding asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Tell people.
    Alert,
    /// Wake somebody.
    Page,
    /// Limit the slot's key; its agent goes on.
    Restrict,
    /// Cut the slot off.
    Kill,
}

/// Which rule found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Spend far above the slot's own normal and record.
    AboveBaseline,
    /// Spend far above what the owner declared, of a slot that has no baseline.
    NoBaseline,
    /// Spend that was told late, and would have fired in time.
    LateSpend,
    /// The month's cap is spent.
    MonthSpent,
    /// At this pace the month's cap will be exceeded.
    MonthProjected,
    /// First use after a week of silence or more.
    FirstUse,
    /// A model that the slot never used.
    NewModel,
    /// Requests far larger than nearly all before.
    LargeRequests,
    /// More requests in an hour than is normal and on record.
    RequestRate,
    /// More tokens per request than normal.
    RequestSize,
    /// Nobody tells what the slot uses.
    Blind,
}

/// One thing that was found about a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it asks for.
    pub act: Act,
    /// Which rule found it.
    pub rule: Rule,
    /// The last bucket that was judged.
    pub at: Bucket,
    /// What was measured.
    pub measured: Measured,
}

/// Which measure fired: its value, and the limit that it exceeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measured {
    /// Money over a span.
    Spend {
        /// The span.
        span: Span,
        /// What was spent.
        value: MicroDollars,
        /// What may be spent.
        limit: MicroDollars,
    },
    /// Money in this month, spent or projected.
    Month {
        /// The money.
        value: MicroDollars,
        /// The cap.
        limit: MicroDollars,
    },
    /// Requests in an hour.
    Requests {
        /// How many there were.
        value: u64,
        /// How many there may be.
        limit: u64,
    },
    /// Tokens per request over an hour.
    Tokens {
        /// How many there were.
        value: u64,
        /// How many there may be.
        limit: u64,
    },
    /// A model's name.
    Model(OutsideText),
    /// For how long there was nothing: no use, or no data.
    Silence(SignedDuration),
}

impl Finding {
    pub(super) const fn spend(act: Act, rule: Rule, at: Bucket, fired: Fired) -> Self {
        let Fired { span, value, limit } = fired;
        let measured = Measured::Spend {
            span,
            value: MicroDollars(value),
            limit: MicroDollars(limit),
        };
        Self {
            act,
            rule,
            at,
            measured,
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hour => "1 hour",
            Self::SixHours => "6 hours",
            Self::Day => "24 hours",
        })
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spend { span, value, limit } => {
                write!(f, "{value} in {span}, limit {limit}")
            }
            Self::Month { value, limit } => write!(f, "{value} in this month, limit {limit}"),
            Self::Requests { value, limit } => {
                write!(f, "{value} requests in 1 hour, limit {limit}")
            }
            Self::Tokens { value, limit } => {
                write!(f, "{value} tokens per request in 1 hour, limit {limit}")
            }
            Self::Model(model) => write!(f, "model {}", model.as_str()),
            Self::Silence(time) => write!(f, "for {} hours", time.as_hours()),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AboveBaseline => "spend is far above this slot's own normal",
            Self::NoBaseline => {
                "spend is far above the declared normal day, and there is no other measure yet"
            }
            Self::LateSpend => "spend that the provider told late is far above normal",
            Self::MonthSpent => "the month's cap is spent",
            Self::MonthProjected => "at this pace the month's cap will be exceeded",
            Self::FirstUse => "first use after a week of silence or more",
            Self::NewModel => "a model that this slot never used",
            Self::LargeRequests => "requests are far larger than nearly all of the last 14 days",
            Self::RequestRate => "more requests than normal, and than in any hour on record",
            Self::RequestSize => "more tokens per request than normal",
            Self::Blind => "nobody tells what this slot uses",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.measured)
    }
}

/// How long data may be missing before people are told.
pub const BLIND: SignedDuration = SignedDuration::from_mins(15);
/// And before somebody is woken, where the provider answers everything else.
const BLIND_PAGE: SignedDuration = SignedDuration::from_mins(60);

/// Whether a provider that does not tell usage answers other calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherCalls {
    /// It does: the reports themselves fail.
    Answered,
    /// It answers nothing.
    Failing,
}

/// Judges how long nothing is known of a slot's use. Blindness never kills.
pub fn blind(known_until: Timestamp, now: Timestamp, other: OtherCalls) -> Option<Finding> {
    let silent = now.duration_since(known_until);
    let act = match other {
        _ if silent < BLIND => return None,
        OtherCalls::Answered if silent >= BLIND_PAGE => Act::Page,
        OtherCalls::Answered | OtherCalls::Failing => Act::Alert,
    };
    Some(Finding {
        act,
        rule: Rule::Blind,
        at: Bucket::of(now),
        measured: Measured::Silence(silent),
    })
}
