//! What a person may say of a slot's spend: what is expected of it for a while, and that an incident was rightful use.

use jiff::{SignedDuration, Timestamp};

use crate::model::incident::Incident;
use crate::model::slot::{Epoch, Expectation, Slot};

/// The most that can be expected, in percent of what is normal. More than that is a new normal: change the fleet file.
pub const MOST_PERCENT: u32 = 2000;

/// The longest that it can be expected for: a month and the days around it.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 35);

/// Why something cannot be expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotExpected {
    /// Not more than is normal: less is no reason to look away.
    #[error("only more than is normal can be expected, up to x20 (and x1 is what is normal)")]
    OutOfRange,
    /// In the past, or too far ahead.
    #[error("it can be expected until a time within the next 35 days")]
    OutOfTime,
    /// Of an incident that is none of the slot's, or not its last.
    #[error("only the incident of the slot's last kill can be called rightful use: {0}")]
    NotTheLast(LastIncident),
}

/// The incident of a slot's last kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastIncident(Option<String>);

impl std::fmt::Display for LastIncident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(id) => write!(f, "that is {id}"),
            None => f.write_str("it was never cut off"),
        }
    }
}

/// The kill that an incident belongs to, if it was the slot's last: what it spent was rightful use, a person says, and is a
/// measure for later like all other use. May be said again.
///
/// # Errors
/// [`NotExpected::NotTheLast`].
pub fn rightful(slot: &Slot, incident: &str) -> Result<Epoch, NotExpected> {
    let last = slot.killed.map(|killed| killed.epoch);
    let id = |epoch: Epoch| Incident::id_of(&slot.name, epoch);
    match last.filter(|epoch| id(*epoch) == incident) {
        Some(epoch) => Ok(epoch),
        None => Err(NotExpected::NotTheLast(LastIncident(last.map(id)))),
    }
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
