//! When a new key ends.

use jiff::Timestamp;

use crate::model::slot::Policy;
use crate::model::version::Version;

/// When a key made at `now` ends by itself: at the policy's greatest age. Rotation, overlap, deadline and the reserve
/// for mending all end before that.
pub fn expires(policy: &Policy, now: Timestamp) -> Timestamp {
    now + policy.max_age
}

/// When a key has to be replaced by: when it ends by itself, and at the policy's greatest age at the latest.
pub fn replace_by(policy: &Policy, version: &Version) -> Timestamp {
    let oldest = expires(policy, version.created);
    version.expires.map_or(oldest, |at| at.min(oldest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fleet::PolicyEntry;
    use crate::model::slot::Epoch;
    use crate::rules::policy::interval_days;

    #[test]
    fn expiry_is_a_backstop_beyond_the_planned_end() {
        let policy = Policy::from(PolicyEntry::default());
        let born = Timestamp::UNIX_EPOCH;
        let window = jiff::SignedDuration::from_hours(24);
        let planned_end = born
            + jiff::SignedDuration::from_hours(24 * interval_days(&policy))
            + window
            + policy.deadline;
        assert!(expires(&policy, born) >= planned_end + jiff::SignedDuration::from_hours(72));
    }

    #[test]
    fn a_key_is_replaced_by_its_expiry_or_the_greatest_age_whichever_is_first() {
        let policy = Policy::from(PolicyEntry::default());
        let id = "11111111-aaaa-4bbb-8ccc-000000000002.1".parse().unwrap();
        let born = Timestamp::UNIX_EPOCH;
        let mut version = Version::intended(&"s".parse().unwrap(), id, Epoch(0), born);
        let day = |days: i64| born + jiff::SignedDuration::from_hours(24 * days);
        for (name, expires, expected) in [
            ("no expiry", None, day(60)),
            ("early", Some(day(10)), day(10)),
            ("late", Some(day(365)), day(60)),
        ] {
            version.expires = expires;
            assert_eq!(replace_by(&policy, &version), expected, "{name}");
        }
    }
}
