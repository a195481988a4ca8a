//! When a revoked key counts as dead: accepted is not done.

use jiff::{SignedDuration, Timestamp};

use crate::model::version::Refusals;
use crate::ports::Verdict;

/// How many refusals in a row, and over how long, prove that a key is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfirmPolicy {
    /// At least so many refusals in a row.
    pub refusals: u32,
    /// From the first to the last at least so long.
    pub over: SignedDuration,
}

impl Default for ConfirmPolicy {
    fn default() -> Self {
        Self {
            refusals: 3,
            over: SignedDuration::from_mins(2),
        }
    }
}

impl ConfirmPolicy {
    /// How far apart refusals are looked for.
    pub fn spacing(&self) -> SignedDuration {
        self.over / i32::try_from(self.refusals.max(2) - 1).unwrap_or(i32::MAX)
    }
}

/// What one more look at a revoked key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirming {
    /// Enough refusals: it is dead.
    Dead(Refusals),
    /// Refused once more, but not often or long enough yet.
    NotYet(Refusals),
    /// Accepted: the refusals so far prove nothing.
    Alive,
    /// No answer that means anything: the refusals so far stand.
    Unknown,
}

/// Takes one verdict into account. Only `Dead` counts as a refusal; a key without money or scope is alive.
pub fn confirm(
    so_far: Option<Refusals>,
    verdict: &Verdict,
    now: Timestamp,
    policy: &ConfirmPolicy,
) -> Confirming {
    match verdict {
        Verdict::Live | Verdict::BlockedForMoney(_) | Verdict::BlockedForScope(_) => {
            Confirming::Alive
        }
        Verdict::Unknown(_) => Confirming::Unknown,
        Verdict::Dead(_) => {
            let refusals = match so_far {
                Some(r) => Refusals {
                    count: r.count + 1,
                    first: r.first,
                    last: now,
                },
                None => Refusals {
                    count: 1,
                    first: now,
                    last: now,
                },
            };
            let long_enough = refusals.last.duration_since(refusals.first) >= policy.over;
            if refusals.count >= policy.refusals && long_enough {
                Confirming::Dead(refusals)
            } else {
                Confirming::NotYet(refusals)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::OutsideText;

    /// Feeds verdicts (seconds, verdict) and says at which the key counted as dead.
    fn dead_at(verdicts: &[(i64, char)]) -> Option<usize> {
        let mut refusals = None;
        for (i, (second, verdict)) in verdicts.iter().enumerate() {
            let text = OutsideText::new("");
            let verdict = match verdict {
                'D' => Verdict::Dead(text),
                'L' => Verdict::Live,
                'M' => Verdict::BlockedForMoney(text),
                'S' => Verdict::BlockedForScope(text),
                _ => Verdict::Unknown(text),
            };
            let now = Timestamp::from_second(*second).unwrap();
            match confirm(refusals, &verdict, now, &ConfirmPolicy::default()) {
                Confirming::Dead(_) => return Some(i),
                Confirming::NotYet(r) => refusals = Some(r),
                Confirming::Alive => refusals = None,
                Confirming::Unknown => {}
            }
        }
        None
    }

    #[test]
    fn only_refusals_in_a_row_over_time_prove_death() {
        for (name, verdicts, expected) in [
            (
                "three over two minutes",
                &[(0, 'D'), (60, 'D'), (120, 'D')][..],
                Some(2),
            ),
            ("too fast", &[(0, 'D'), (1, 'D'), (2, 'D')], None),
            ("too few", &[(0, 'D'), (300, 'D')], None),
            (
                "flapping",
                &[
                    (0, 'L'),
                    (60, 'D'),
                    (120, 'L'),
                    (180, 'D'),
                    (240, 'D'),
                    (300, 'D'),
                ],
                Some(5),
            ),
            (
                "out of money is alive",
                &[(0, 'D'), (60, 'D'), (120, 'M'), (180, 'D'), (240, 'D')],
                None,
            ),
            (
                "out of scope is alive",
                &[(0, 'D'), (60, 'S'), (120, 'D'), (180, 'D')],
                None,
            ),
            (
                "unknown counts for nothing",
                &[(0, 'D'), (60, 'U'), (120, 'U'), (180, 'U')],
                None,
            ),
            (
                "unknown breaks nothing",
                &[(0, 'D'), (60, 'U'), (120, 'D'), (180, 'D')],
                Some(3),
            ),
        ] {
            assert_eq!(dead_at(verdicts), expected, "{name}");
        }
    }

    #[test]
    fn refusals_are_looked_for_so_that_the_last_one_suffices() {
        assert_eq!(
            ConfirmPolicy::default().spacing(),
            SignedDuration::from_mins(1)
        );
    }
}
