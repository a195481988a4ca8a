//! What a rotation policy must satisfy, and the schedule that follows from it.

use jiff::{SignedDuration, Timestamp};

use crate::model::slot::Policy;

/// Secrets Manager starts a rotation at some time within a window of this length.
const WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// Time kept back to mend a rotation that fails.
const TIME_TO_MEND: SignedDuration = SignedDuration::from_hours(3 * 24);

/// No policy lets a key grow older.
const GREATEST_MAX_AGE_DAYS: i64 = 365;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Whole days between two scheduled rotations, so that no key is ever older than the policy: max age - overlap -
/// deadline - one day of window - three days to mend failures. Zero or less means the policy cannot be kept.
pub const fn interval_days(policy: &Policy) -> i64 {
    let seconds = policy.max_age.as_secs()
        - policy.overlap.as_secs()
        - policy.deadline.as_secs()
        - WINDOW.as_secs()
        - TIME_TO_MEND.as_secs();
    seconds.div_euclid(DAY_SECONDS)
}

/// When a key made at `created` should have been replaced: the schedule's interval and window are both over, or the end
/// that the provider gave it comes near. What is left until the greatest age, or that end, is there to mend failures.
pub fn overdue_at(policy: &Policy, created: Timestamp, expires: Option<Timestamp>) -> Timestamp {
    let by_age = created + SignedDuration::from_hours(24 * interval_days(policy)) + WINDOW;
    let reserve = policy.overlap + policy.deadline + TIME_TO_MEND;
    let by_end = expires.map(|end| end.saturating_sub(reserve).unwrap_or(Timestamp::MIN));
    by_end.map_or(by_age, |by_end| by_age.min(by_end))
}

/// Everything that is wrong with a policy: the field, and what to do about it. Empty when it can be kept.
pub fn problems(policy: &Policy) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let minutes = |d: SignedDuration| d.as_secs() / 60;
    if !(30..=60).contains(&minutes(policy.refresh)) {
        problems.push(("policy.refresh_minutes", "must be 30 to 60".to_owned()));
    }
    if policy.overlap < policy.refresh * 2 {
        let needed = minutes(policy.refresh) * 2;
        problems.push((
            "policy.overlap_minutes",
            format!("must be at least twice the refresh interval: {needed}"),
        ));
    }
    if policy.deadline < policy.overlap {
        problems.push((
            "policy.deadline_hours",
            "must not be shorter than the overlap".to_owned(),
        ));
    }
    if policy.max_age.as_secs() > GREATEST_MAX_AGE_DAYS * DAY_SECONDS {
        let text = format!("must be at most {GREATEST_MAX_AGE_DAYS}");
        problems.push(("policy.max_age_days", text));
    }
    let days = interval_days(policy);
    if days < 1 {
        let text = format!(
            "leaves a rotation interval of {days} days after overlap, deadline and reserves; at least 1 is needed"
        );
        problems.push(("policy.max_age_days", text));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fleet::PolicyEntry;

    #[test]
    fn a_key_is_overdue_while_there_is_time_to_mend() {
        let policy = Policy::from(PolicyEntry::default());
        let day = |days: i64| Timestamp::from_second(days * 24 * 60 * 60).unwrap();
        for (days, overdue) in [(0, false), (54, false), (55, true), (60, true)] {
            let at = overdue_at(&policy, day(0), None);
            assert_eq!(day(days) >= at, overdue, "day {days}");
        }
        assert_eq!(
            overdue_at(&policy, day(0), Some(day(60))),
            overdue_at(&policy, day(0), None),
            "a key of Keyward's own making"
        );
        assert_eq!(
            overdue_at(&policy, day(0), Some(day(30))),
            day(26) - policy.overlap,
            "an earlier end"
        );
        let reserve = policy.overlap + policy.deadline + TIME_TO_MEND;
        assert!(day(55) + reserve <= day(0) + policy.max_age);
    }

    #[test]
    fn the_interval_leaves_room_for_everything_that_follows() {
        for (name, entry, days) in [
            ("defaults", PolicyEntry::default(), 54),
            (
                "exactly whole",
                PolicyEntry {
                    max_age_days: Some(6),
                    overlap_minutes: Some(24 * 60),
                    ..PolicyEntry::default()
                },
                0,
            ),
            (
                "short",
                PolicyEntry {
                    max_age_days: Some(5),
                    ..PolicyEntry::default()
                },
                -1,
            ),
            (
                "least",
                PolicyEntry {
                    max_age_days: Some(7),
                    ..PolicyEntry::default()
                },
                1,
            ),
        ] {
            assert_eq!(interval_days(&entry.into()), days, "{name}");
            assert_eq!(problems(&entry.into()).is_empty(), days >= 1, "{name}");
        }
    }

    #[test]
    fn no_number_that_can_be_written_down_gives_a_time_beyond_the_calendar() {
        let large = |max_age_days, overlap_minutes, deadline_hours| PolicyEntry {
            max_age_days: Some(max_age_days),
            overlap_minutes: Some(overlap_minutes),
            deadline_hours: Some(deadline_hours),
            ..PolicyEntry::default()
        };
        for (name, entry, good) in [
            ("a year", large(365, 120, 24), true),
            ("longer", large(366, 120, 24), false),
            ("all", large(u32::MAX, u32::MAX, u32::MAX), false),
            ("overlap", large(365, u32::MAX, u32::MAX), false),
            ("deadline", large(365, 120, u32::MAX), false),
        ] {
            assert_eq!(problems(&entry.into()).is_empty(), good, "{name}");
        }
    }
}
