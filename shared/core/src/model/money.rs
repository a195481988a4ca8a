//! Money as whole micro-dollars, so that sums are exact.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An amount in millionths of a US dollar.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct MicroDollars(pub u64);

impl MicroDollars {
    /// Whole US dollars.
    pub const fn from_dollars(dollars: u64) -> Self {
        Self(dollars * 1_000_000)
    }

    /// Whole cents.
    pub const fn from_cents(cents: u32) -> Self {
        Self(cents as u64 * 10_000)
    }

    /// `percent` of this amount, rounded up: a cap is never below what was asked for.
    pub const fn percent(self, percent: u64) -> Self {
        Self((self.0 as u128 * percent as u128).div_ceil(100) as u64)
    }

    /// Both together.
    pub const fn plus(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }
}

impl fmt::Display for MicroDollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "${}.{:02}",
            self.0 / 1_000_000,
            self.0 % 1_000_000 / 10_000
        )
    }
}

/// A ceiling on what one key may spend in each period, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct SpendCap {
    /// The most that may be spent in one period.
    pub amount: MicroDollars,
    /// When the count starts again.
    pub period: CapPeriod,
}

/// As a person reads it: `$25.00 a day`.
impl fmt::Display for SpendCap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = match self.period {
            CapPeriod::Daily => "a day",
            CapPeriod::Monthly => "a month",
            CapPeriod::Lifetime => "in all",
        };
        write!(f, "{} {period}", self.amount)
    }
}

/// How a provider's limit can hold for a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayLimit {
    /// It has limits that begin again each day.
    ItsOwn,
    /// Its limits begin again each month: one is moved each day to what was spent before, and a day's allowance.
    MovedEachDay,
}

/// The period of a [`SpendCap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapPeriod {
    /// From midnight UTC.
    Daily,
    /// From the first of the month, UTC.
    Monthly,
    /// Never starts again.
    Lifetime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_up_and_print_as_dollars() {
        assert_eq!(MicroDollars(1).percent(130), MicroDollars(2));
        assert_eq!(
            MicroDollars::from_dollars(40).percent(130).to_string(),
            "$52.00"
        );
        assert_eq!(
            MicroDollars(u64::MAX / 200).percent(150).0,
            (u64::MAX / 200 * 3).div_ceil(2)
        );
    }
}
