//! The clock of a case: who is told when that time runs out.

use jiff::{SignedDuration, Timestamp};

use crate::model::offboarding::Offboarding;

/// How soon an open case is looked at again.
const ROUND: SignedDuration = SignedDuration::from_mins(1);

/// A case that is past its deadline is told of again after so long.
const TELL_AGAIN: SignedDuration = SignedDuration::from_hours(6);

/// What people are to be told of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reminder {
    /// Half of it is over.
    Half,
    /// Four fifths of it are over.
    FourFifths,
    /// It is over: a person must act now.
    Late,
}

/// What people are to be told now of a case with slots that are not done; each once, but for the last.
pub fn reminder(case: &Offboarding, now: Timestamp) -> Option<Reminder> {
    let time = case.deadline.duration_since(case.opened);
    if now >= case.deadline {
        let lately = case
            .told
            .late
            .is_some_and(|at| now.duration_since(at) < TELL_AGAIN);
        return (!lately).then_some(Reminder::Late);
    }
    if now >= case.opened + time * 4 / 5 {
        return case
            .told
            .four_fifths
            .is_none()
            .then_some(Reminder::FourFifths);
    }
    let is_half = now >= case.opened + time / 2;
    (is_half && case.told.half.is_none()).then_some(Reminder::Half)
}

/// When an open case is looked at next.
pub fn next_look(case: &Offboarding, now: Timestamp) -> Option<Timestamp> {
    case.closed.is_none().then(|| now + ROUND)
}
