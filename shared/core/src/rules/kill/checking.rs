//! What an alarm's tags and history say.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::model::alarm::{AlarmState, Change, Transition};
use crate::model::names::{SlotName, StackName};
use crate::ports::{TAG_SLOT, TAG_STACK};

/// How far around a change its history is read.
pub const AROUND: SignedDuration = SignedDuration::from_mins(1);

/// How far an entry's time may be from the time in the alarm's message. CloudWatch tells the same instant to the
/// millisecond in both: an entry about a notification keeps it as `stateUpdateTimestamp` beside the `StateChangeTime`
/// that it published, <https://github.com/aws/aws-sdk-java/issues/1723>. But no document promises that, and some tools cut
/// it to the second. An alarm is evaluated every 10 seconds at most, so no other change to ALARM is as near:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html>.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(1);

/// The slot that an alarm of this stack's names in its tags; `None` for any other alarm.
pub fn slot_in_tags(tags: &BTreeMap<String, String>, stack: &StackName) -> Option<SlotName> {
    let is_ours = tags.get(TAG_STACK).is_some_and(|of| of == stack.as_str());
    let slot = tags.get(TAG_SLOT).filter(|_| is_ours)?;
    slot.parse().ok()
}

/// Whether a history holds a change to ALARM.
pub fn holds(changes: &[Change], transition: &Transition) -> bool {
    let is_near = |change: &Change| {
        let apart = change.at.duration_since(transition.changed()).abs();
        apart < TOLERANCE
    };
    changes
        .iter()
        .any(|change| change.to == AlarmState::Alarm && is_near(change))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_alarm_with_both_tags_is_ours() {
        let stack: StackName = "prod".parse().unwrap();
        for (tags, expected) in [
            (
                &[("keyward:stack", "prod"), ("keyward:slot", "chat-eu")][..],
                Some("chat-eu"),
            ),
            (
                &[("keyward:stack", "prod"), ("keyward:slot", "Chat EU")],
                None,
            ),
            (
                &[("keyward:stack", "test"), ("keyward:slot", "chat-eu")],
                None,
            ),
            (&[("keyward:slot", "chat-eu")], None),
            (&[("keyward:stack", "prod")], None),
            (&[], None),
        ] {
            let map = tags.iter();
            let map = map
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect();
            let slot = slot_in_tags(&map, &stack).map(|slot| slot.to_string());
            assert_eq!(slot.as_deref(), expected, "{tags:?}");
        }
    }

    #[test]
    fn a_change_is_the_one_to_alarm_at_its_time() {
        let arn = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:a";
        let transition = Transition::new(
            arn.parse().unwrap(),
            "2026-11-25T15:00:04.987Z".parse().unwrap(),
        );
        for (at, to, expected) in [
            ("2026-11-25T15:00:04.987Z", "ALARM", true),
            ("2026-11-25T15:00:04Z", "ALARM", true),
            ("2026-11-25T15:00:05.986Z", "ALARM", true),
            ("2026-11-25T15:00:05.987Z", "ALARM", false),
            ("2026-11-25T15:00:03.987Z", "ALARM", false),
            ("2026-11-25T15:00:04.987Z", "OK", false),
            ("2026-11-25T15:00:04.987Z", "INSUFFICIENT_DATA", false),
        ] {
            let change = Change {
                at: at.parse().unwrap(),
                to: AlarmState::new(to),
            };
            assert_eq!(holds(&[change], &transition), expected, "{at} {to}");
        }
        assert!(!holds(&[], &transition));
    }
}
