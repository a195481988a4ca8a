//! What a person may say of a slot's spend, and for how long.

use jiff::{SignedDuration, Timestamp};

use crate::model::slot::Expectation;

/// The most that can be expected, in percent of what is normal. More than that is a new normal: change the fleet file.
pub const MOST_PERCENT: u32 = 2000;

/// The longest that it can be expected for: a month and the days around it.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 35);

/// Why something cannot be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotExpected {
    /// Not more than is normal: less is no reason to look away.
    #[error("only more than is normal can be expected, up to x20 (and x1 is what is normal)")]
    OutOfRange,
    /// In the past, or too far ahead.
    #[error("it can be expected until a time within the next 35 days")]
    OutOfTime,
}

/// What a person says, if it can be said at `now`.
///
/// # Errors
/// [`NotExpected`].
pub fn expectation(
    percent: u32,
    until: Timestamp,
    now: Timestamp,
) -> Result<Expectation, NotExpected> {
    if !(101..=MOST_PERCENT).contains(&percent) {
        return Err(NotExpected::OutOfRange);
    }
    if until <= now || until.duration_since(now) > LONGEST {
        return Err(NotExpected::OutOfTime);
    }
    Ok(Expectation { percent, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_normal_can_be_expected_for_a_month() {
        let now: Timestamp = "2026-11-25T15:00:00Z".parse().unwrap();
        let day = SignedDuration::from_hours(24);
        for (percent, until, expected) in [
            (200, now + day, Ok(())),
            (101, now + LONGEST, Ok(())),
            (2000, now + day, Ok(())),
            (2001, now + day, Err(NotExpected::OutOfRange)),
            (100, now + day, Err(NotExpected::OutOfRange)),
            (0, now + day, Err(NotExpected::OutOfRange)),
            (200, now, Err(NotExpected::OutOfTime)),
            (200, now + LONGEST + day, Err(NotExpected::OutOfTime)),
            (200, Timestamp::MIN, Err(NotExpected::OutOfTime)),
            (200, Timestamp::MAX, Err(NotExpected::OutOfTime)),
        ] {
            let said = expectation(percent, until, now);
            assert_eq!(said.map(drop), expected, "{percent} until {until}");
        }
    }
}
