//! Where two people must agree: the first one's word is kept, and the second one's has it done.

use jiff::{SignedDuration, Timestamp};

use crate::model::slot::Asked;

/// So long the request of one person waits for the consent of another.
pub const CONSENT: SignedDuration = SignedDuration::from_hours(1);

/// Whether a second person must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// They must.
    Needed,
    /// They need not.
    NotNeeded,
}

/// What comes of a request where two people must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// This is the second word: it is done.
    Given,
    /// This is the first: it is kept, and waits for the second.
    Asked(Asked),
}

/// The second word must be somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the one who asked cannot consent too: a second person must, until {0:.0}")]
pub struct SamePerson(pub Timestamp);

/// Whether a request is the first or the second word. Both must be about the same, in the same epoch, from two callers.
///
/// # Errors
/// [`SamePerson`].
pub fn consent(
    first: Option<&Asked>,
    request: Asked,
    now: Timestamp,
) -> Result<Consent, SamePerson> {
    let first = first.filter(|first| {
        first.epoch == request.epoch
            && first.what == request.what
            && now.duration_since(first.at) < CONSENT
    });
    match first {
        Some(first) if first.by == request.by => Err(SamePerson(first.at + CONSENT)),
        Some(_) => Ok(Consent::Given),
        None => Ok(Consent::Asked(request)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::act::CallerArn;
    use crate::model::slot::Epoch;
    use crate::model::text::OutsideText;

    fn at(minute: i64) -> Timestamp {
        let start: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        start + SignedDuration::from_mins(minute)
    }

    #[test]
    fn it_is_a_second_persons_to_the_same_within_the_hour_and_the_epoch() {
        let asked = |by: &str, what: &str, epoch: u64, minute: i64| Asked {
            by: CallerArn::new(by),
            at: at(minute),
            what: OutsideText::new(what),
            epoch: Epoch(epoch),
        };
        let first = asked("ana", "key newest", 1, 0);
        for (name, second, minute, expected) in [
            ("another", asked("ben", "key newest", 1, 59), 59, Some(true)),
            ("the same person", asked("ana", "key newest", 1, 5), 5, None),
            (
                "something else",
                asked("ben", "no key", 1, 5),
                5,
                Some(false),
            ),
            (
                "after a kill",
                asked("ben", "key newest", 2, 5),
                5,
                Some(false),
            ),
            (
                "an hour later",
                asked("ben", "key newest", 1, 60),
                60,
                Some(false),
            ),
        ] {
            let outcome = consent(Some(&first), second.clone(), at(minute));
            let expected = match expected {
                Some(true) => Ok(Consent::Given),
                Some(false) => Ok(Consent::Asked(second)),
                None => Err(SamePerson(at(60))),
            };
            assert_eq!(outcome, expected, "{name}");
        }
        let alone = asked("ana", "key newest", 1, 0);
        assert_eq!(
            consent(None, alone.clone(), at(0)),
            Ok(Consent::Asked(alone))
        );
    }
}
