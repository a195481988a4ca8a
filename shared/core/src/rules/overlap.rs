//! When an old key may be revoked: overlap, then drain, then revocation.

use jiff::{SignedDuration, Timestamp};

use crate::model::money::MicroDollars;
use crate::model::version::UsageSeen;

/// What is known about a key's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// The provider tells when it was last used.
    Last(Timestamp),
    /// The provider tells only what it spent so far.
    Figure(UsageSeen),
    /// The provider tells nothing.
    Unknown,
}

/// What the decision about an old key rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainFacts {
    /// The time of the decision.
    pub now: Timestamp,
    /// When the overlap ends.
    pub retire_after: Timestamp,
    /// When the key is revoked whatever happens.
    pub deadline: Timestamp,
    /// Agents refresh at most so far apart.
    pub refresh: SignedDuration,
    /// The old key's use.
    pub old: Use,
    /// The use of the key that replaced it.
    pub new: Use,
    /// When AWSCURRENT was moved to the new key.
    pub promoted: Timestamp,
}

/// What to do with an old key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// Leave it.
    Hold(Hold),
    /// Revoke it.
    Revoke(Why),
}

/// Why an old key is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Its overlap is not over.
    Overlap,
    /// It is still in use: its agent has not fetched the new one.
    StillUsed,
    /// Its use was not looked at for long enough to say.
    NotYetKnown,
    /// It is quiet, but so is the new one: nobody has shown that the change arrived.
    ReplacementUnused,
}

/// Why an old key is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It has gone quiet and the new one is in use.
    Quiet,
    /// The overlap is over and the provider cannot say whether it is in use.
    ProviderCannotSay,
    /// The hard deadline is past; whether it was quiet by then.
    Deadline {
        /// Whether it was seen in use within the last refresh interval.
        still_used: bool,
    },
}

/// Decides about an old key.
pub fn drain(facts: &DrainFacts) -> Drain {
    if facts.now < facts.retire_after {
        return Drain::Hold(Hold::Overlap);
    }
    let quiet = quiet(facts.old, facts.now, facts.refresh);
    if facts.now >= facts.deadline {
        return Drain::Revoke(Why::Deadline {
            still_used: quiet == Quiet::No,
        });
    }
    match (quiet, is_used_since(facts.new, facts.promoted)) {
        (Quiet::CannotSay, _) => Drain::Revoke(Why::ProviderCannotSay),
        (Quiet::NotYetKnown, _) => Drain::Hold(Hold::NotYetKnown),
        (Quiet::No, _) => Drain::Hold(Hold::StillUsed),
        (Quiet::Yes, Some(false)) => Drain::Hold(Hold::ReplacementUnused),
        (Quiet::Yes, Some(true) | None) => Drain::Revoke(Why::Quiet),
    }
}

/// What is known of an old key's use, where its agents said when they last used it. Their word can hold a key that the
/// provider knows nothing of, and never ends one: without it, or once it is as old as a refresh interval, it is as if they
/// had said nothing.
pub fn or_told(seen: Use, told: Option<Timestamp>, now: Timestamp, refresh: SignedDuration) -> Use {
    match (seen, told) {
        (Use::Unknown, Some(at)) if now.duration_since(at) < refresh => Use::Last(at),
        (seen, _) => seen,
    }
}

/// Whether a key was not used for a whole refresh interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quiet {
    Yes,
    No,
    NotYetKnown,
    CannotSay,
}

/// A figure that never left zero may be a key that calls free models only, so it tells nothing.
fn quiet(key_use: Use, now: Timestamp, refresh: SignedDuration) -> Quiet {
    let still = |since: Timestamp| {
        if now.duration_since(since) >= refresh {
            Quiet::Yes
        } else {
            Quiet::No
        }
    };
    match key_use {
        Use::Last(at) => still(at),
        Use::Figure(seen) if seen.total == MicroDollars(0) => Quiet::CannotSay,
        Use::Figure(seen) => match still(seen.since) {
            Quiet::No if seen.since <= seen.watched_from => Quiet::NotYetKnown,
            known => known,
        },
        Use::Unknown => Quiet::CannotSay,
    }
}

/// Whether a key was used since `promoted`; `None` where that cannot be known.
fn is_used_since(key_use: Use, promoted: Timestamp) -> Option<bool> {
    match key_use {
        Use::Last(at) => Some(at >= promoted),
        Use::Figure(seen) => Some(seen.total > MicroDollars(0)),
        Use::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(minutes * 60).unwrap()
    }

    fn figure(dollars: u64, since: i64) -> Use {
        Use::Figure(UsageSeen {
            total: MicroDollars::from_dollars(dollars),
            since: at(since),
            watched_from: at(0),
        })
    }

    /// A figure that has not moved since it was first looked at.
    fn watched(from: i64) -> Use {
        Use::Figure(UsageSeen {
            total: MicroDollars(1),
            since: at(from),
            watched_from: at(from),
        })
    }

    #[test]
    fn what_agents_say_holds_an_old_key_and_never_ends_one() {
        let refresh = SignedDuration::from_mins(60);
        for (name, seen, told, expected) in [
            ("nothing said", Use::Unknown, None, Use::Unknown),
            ("used lately", Use::Unknown, Some(at(61)), Use::Last(at(61))),
            ("long ago", Use::Unknown, Some(at(60)), Use::Unknown),
            (
                "the provider knows",
                Use::Last(at(1)),
                Some(at(119)),
                Use::Last(at(1)),
            ),
            ("by its figure", figure(5, 0), Some(at(119)), figure(5, 0)),
        ] {
            assert_eq!(or_told(seen, told, at(120), refresh), expected, "{name}");
        }
    }

    #[test]
    fn an_old_key_ends_when_it_is_quiet_and_its_successor_works() {
        let hold = Drain::Hold;
        let revoke = Drain::Revoke;
        let used = figure(1, 0);
        for (name, now, old, new, expected) in [
            ("overlap", 119, figure(5, 0), used, hold(Hold::Overlap)),
            ("quiet", 120, figure(5, 60), used, revoke(Why::Quiet)),
            (
                "moved lately",
                120,
                figure(5, 61),
                used,
                hold(Hold::StillUsed),
            ),
            (
                "used lately",
                120,
                Use::Last(at(61)),
                used,
                hold(Hold::StillUsed),
            ),
            (
                "last used long ago",
                120,
                Use::Last(at(60)),
                used,
                revoke(Why::Quiet),
            ),
            (
                "nobody calls",
                120,
                figure(5, 0),
                figure(0, 0),
                hold(Hold::ReplacementUnused),
            ),
            (
                "new one used before",
                120,
                Use::Last(at(0)),
                Use::Last(at(-1)),
                hold(Hold::ReplacementUnused),
            ),
            (
                "new one unknown",
                120,
                figure(5, 0),
                Use::Unknown,
                revoke(Why::Quiet),
            ),
            (
                "free models only",
                120,
                figure(0, 0),
                used,
                revoke(Why::ProviderCannotSay),
            ),
            (
                "no figures",
                120,
                Use::Unknown,
                Use::Unknown,
                revoke(Why::ProviderCannotSay),
            ),
            (
                "deadline, used",
                1440,
                figure(5, 1439),
                used,
                revoke(Why::Deadline { still_used: true }),
            ),
            (
                "looked at for an hour less a minute",
                180,
                watched(121),
                used,
                hold(Hold::NotYetKnown),
            ),
            (
                "looked at for an hour",
                180,
                watched(120),
                used,
                revoke(Why::Quiet),
            ),
            (
                "deadline, first look",
                1440,
                watched(1440),
                used,
                revoke(Why::Deadline { still_used: false }),
            ),
            (
                "the provider's clock is at the end of the calendar",
                120,
                Use::Last(Timestamp::MAX),
                used,
                hold(Hold::StillUsed),
            ),
            (
                "deadline, quiet",
                1440,
                figure(5, 0),
                figure(0, 0),
                revoke(Why::Deadline { still_used: false }),
            ),
        ] {
            let facts = DrainFacts {
                now: at(now),
                retire_after: at(120),
                deadline: at(1440),
                refresh: SignedDuration::from_mins(60),
                old,
                new,
                promoted: at(0),
            };
            assert_eq!(drain(&facts), expected, "{name}");
        }
    }
}
