//! What a slot used, in buckets of five minutes.

use std::ops::{Add, AddAssign};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::money::MicroDollars;

/// Five minutes of UTC, counted from 1970. Nothing depends on local hours.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Bucket(pub u32);

impl Bucket {
    /// How long a bucket is.
    pub const WIDTH: SignedDuration = SignedDuration::from_mins(5);
    /// Buckets in an hour.
    pub const PER_HOUR: u32 = 12;
    /// Buckets in a day.
    pub const PER_DAY: u32 = 288;

    /// The bucket that a moment lies in. Moments before 1970 lie in the first.
    pub fn of(moment: Timestamp) -> Self {
        let number = moment.as_second() / Self::WIDTH.as_secs();
        Self(u32::try_from(number.max(0)).unwrap_or(u32::MAX))
    }

    /// When it begins.
    pub fn begins(self) -> Timestamp {
        let seconds = i64::from(self.0) * Self::WIDTH.as_secs();
        Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
    }

    /// When it ends: the next one begins.
    pub fn ends(self) -> Timestamp {
        self.plus(1).begins()
    }

    /// The bucket so many later.
    pub const fn plus(self, buckets: u32) -> Self {
        Self(self.0.saturating_add(buckets))
    }

    /// The bucket so many earlier.
    pub const fn minus(self, buckets: u32) -> Self {
        Self(self.0.saturating_sub(buckets))
    }

    /// Its day, UTC, counted from 1970.
    pub const fn day(self) -> u32 {
        self.0 / Self::PER_DAY
    }

    /// Its hour, UTC, counted from 1970.
    pub const fn hour(self) -> u32 {
        self.0 / Self::PER_HOUR
    }
}

/// Tokens of the four kinds that are priced apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenCounts {
    /// Read by the model, cached ones left out.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Written to a cache.
    pub cache_write: u64,
}

impl TokenCounts {
    /// All kinds together.
    pub const fn total(self) -> u64 {
        self.input
            .saturating_add(self.output)
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
    }
}

/// What was used in one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// The money.
    pub cost: MicroDollars,
    /// Calls.
    pub requests: u64,
    /// Tokens.
    pub tokens: TokenCounts,
}

impl Counts {
    /// The same, no count of it more than `most`.
    #[must_use]
    pub fn at_most(self, most: u64) -> Self {
        let tokens = self.tokens;
        Self {
            cost: MicroDollars(self.cost.0.min(most)),
            requests: self.requests.min(most),
            tokens: TokenCounts {
                input: tokens.input.min(most),
                output: tokens.output.min(most),
                cache_read: tokens.cache_read.min(most),
                cache_write: tokens.cache_write.min(most),
            },
        }
    }

    /// Whether there was any use.
    pub const fn used(&self) -> bool {
        self.cost.0 > 0 || self.requests > 0 || self.tokens.total() > 0
    }
}

impl Add for TokenCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
        }
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cost: MicroDollars(self.cost.0.saturating_add(other.cost.0)),
            requests: self.requests.saturating_add(other.requests),
            tokens: self.tokens + other.tokens,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// What is known of a bucket. No answer is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The provider told.
    Known(Counts),
    /// Nobody told.
    Unknown,
}

impl Reading {
    /// The counts, where they are known.
    pub const fn known(self) -> Option<Counts> {
        match self {
            Self::Known(counts) => Some(counts),
            Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_five_minutes_of_utc() {
        let moment: Timestamp = "2026-03-01T13:07:59Z".parse().unwrap();
        let bucket = Bucket::of(moment);
        assert_eq!(bucket.begins().to_string(), "2026-03-01T13:05:00Z");
        assert_eq!(bucket.ends().to_string(), "2026-03-01T13:10:00Z");
        assert_eq!(Bucket::of(bucket.ends()), bucket.plus(1));
        assert_eq!(Bucket::of(bucket.begins()), bucket);
        assert_eq!(bucket.minus(bucket.0 % 288).day(), bucket.day());
        assert_eq!(bucket.hour() % 24, 13);
        assert_eq!(Bucket::of(Timestamp::from_second(-1).unwrap()), Bucket(0));
    }

    #[test]
    fn counts_add_up_and_never_overflow() {
        let tokens = TokenCounts {
            input: 1,
            output: 2,
            cache_read: 3,
            cache_write: u64::MAX,
        };
        let one = Counts {
            cost: MicroDollars(5),
            requests: 1,
            tokens,
        };
        let two = one + one;
        assert_eq!((two.cost.0, two.requests), (10, 2));
        assert_eq!((two.tokens.input, two.tokens.output), (2, 4));
        assert_eq!(two.tokens.cache_write, u64::MAX);
        assert_eq!(two.tokens.total(), u64::MAX);
        assert!(one.used() && !Counts::default().used());
    }
}
