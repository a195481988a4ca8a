//! What agents told beside what the provider told of the same time.

use crate::model::money::MicroDollars;
use crate::model::usage::Bucket;
use crate::model::usage_items::{Cell, Source};

/// How far from one another what agents tell and what the provider tells may be: a dollar,
const NEGLIGIBLE: u64 = 1_000_000;
/// and of the larger of both, in percent.
const APART_PERCENT: u128 = 10;

/// Which side says more than the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// The provider: perhaps somebody else uses the key.
    ProviderSaysMore,
    /// The agents: perhaps they use another key too.
    AgentsSayMore,
}

/// Whether what agents told and what the provider told of the same buckets are more than 10 % of the larger apart.
pub fn apart(told: MicroDollars, seen: MicroDollars) -> Option<Apart> {
    let gap = told.0.abs_diff(seen.0);
    let larger = told.0.max(seen.0);
    if gap <= NEGLIGIBLE || u128::from(gap) * 100 <= u128::from(larger) * APART_PERCENT {
        return None;
    }
    Some(match seen > told {
        true => Apart::ProviderSaysMore,
        false => Apart::AgentsSayMore,
    })
}

/// So long after agents last told of a slot, in days, they are expected to.
const EXPECTED_FOR: u32 = 7;

/// Which part of a day is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// From this bucket on: agents began to tell then.
    From(Bucket),
    /// All of it: they told before, so that what they do not tell of they did not use.
    Whole,
    /// Nothing: agents do not tell of the slot.
    Nothing,
}

impl Day {
    /// Of the day `day`, counted from 1970, of which agents told first in a bucket, and of others last on a day.
    pub fn of(day: u32, first: Option<Bucket>, last_told: Option<u32>) -> Self {
        let is_expected = last_told.is_some_and(|last| day.saturating_sub(last) <= EXPECTED_FOR);
        match (first, is_expected) {
            (_, true) => Self::Whole,
            (Some(first), false) => Self::From(first),
            (None, false) => Self::Nothing,
        }
    }
}

/// What the provider told of a part of a day, of its cells, by the table's price, as agents' is.
pub fn seen_beside(day: Day, cells: &[Cell]) -> MicroDollars {
    let is_compared = |bucket: Bucket| match day {
        Day::From(first) => bucket >= first,
        Day::Whole => true,
        Day::Nothing => false,
    };
    let cells = cells.iter().filter(|cell| cell.source == Source::Provider);
    let beside = cells.filter(|cell| is_compared(cell.bucket));
    beside.fold(MicroDollars(0), |sum, cell| sum.plus(cell.priced()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::usage::Counts;
    use crate::model::version::VersionId;

    #[test]
    fn both_sides_may_be_a_tenth_and_a_dollar_apart() {
        let cents = |cents: u64| MicroDollars(cents * 10_000);
        for (told, seen, expected) in [
            (0, 100, None),
            (0, 101, Some(Apart::ProviderSaysMore)),
            (101, 0, Some(Apart::AgentsSayMore)),
            (1000, 1000, None),
            (9000, 10_000, None),
            (8999, 10_000, Some(Apart::ProviderSaysMore)),
            (10_000, 8999, Some(Apart::AgentsSayMore)),
            (1, 2, None),
        ] {
            assert_eq!(apart(cents(told), cents(seen)), expected, "{told} {seen}");
        }
    }

    #[test]
    fn a_day_is_compared_from_where_agents_began_and_then_whole() {
        let first = Bucket(300 * Bucket::PER_DAY + 100);
        for (name, told, last, expected) in [
            ("they never told", None, None, Day::Nothing),
            ("they begin", Some(first), None, Day::From(first)),
            ("they tell", Some(first), Some(299), Day::Whole),
            ("they told yesterday", None, Some(299), Day::Whole),
            ("they told a week ago", None, Some(293), Day::Whole),
            ("they told before that", None, Some(292), Day::Nothing),
            ("they begin again", Some(first), Some(292), Day::From(first)),
        ] {
            assert_eq!(Day::of(300, told, last), expected, "{name}");
        }
    }

    #[test]
    fn only_the_providers_word_is_what_was_seen() {
        let at = Bucket(10).begins();
        let version: VersionId = "11111111-aaaa-4bbb-8ccc-000000000001.1".parse().unwrap();
        let used = |cost| {
            let cost = MicroDollars(cost);
            [(
                "m".to_owned(),
                Counts {
                    cost,
                    ..Counts::default()
                },
            )]
        };
        let of = |bucket, cost| Cell::new(version.clone(), Bucket(bucket), at, used(cost));
        let told = Cell::told(version.clone(), Bucket(11), at, used(100), 1);
        let cells = [of(9, 1), of(10, 2), told];
        for (day, expected) in [
            (Day::Whole, 3),
            (Day::From(Bucket(10)), 2),
            (Day::Nothing, 0),
        ] {
            assert_eq!(seen_beside(day, &cells).0, expected, "{day:?}");
        }
    }
}
