//! What every source of alarms promises.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::alarm::{AlarmArn, AlarmState, Change};
use keyward_core::ports::{AlarmError, AlarmSource, TAG_SLOT, TAG_STACK};

use super::{Check, checks};

/// What an alarm watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmOn {
    /// A metric.
    Metric,
    /// Another alarm.
    Alarms,
}

/// A source whose alarms can be made and changed.
#[async_trait]
pub trait AlarmSubject: Send + Sync {
    /// The port.
    fn alarms(&self) -> &dyn AlarmSource;

    /// Makes an alarm.
    async fn make(&self, name: &str, on: AlarmOn, tags: &[(&str, &str)]) -> AlarmArn;

    /// Lets an alarm go to a state, now. Returns the time, to the second.
    async fn set(&self, alarm: &AlarmArn, state: &str) -> Timestamp;
}

/// The suite.
pub const CHECKS: &[Check<dyn AlarmSubject>] = checks![dyn AlarmSubject:
    tags_come_whole,
    an_alarm_that_is_not_there_is_told_from_one_without_tags,
    a_change_is_in_the_history_with_its_state_and_time,
    the_history_of_an_alarm_on_alarms_is_read_too,
    only_changes_within_the_time_asked_for_come,
    another_alarms_changes_do_not_come,
];

/// How far the source's clock may be from the subject's.
const APART: SignedDuration = SignedDuration::from_secs(5);

const TAGS: [(&str, &str); 2] = [(TAG_STACK, "prod"), (TAG_SLOT, "contract-alarms")];

async fn tags_come_whole(subject: &dyn AlarmSubject) {
    for (name, on) in [("tags", AlarmOn::Metric), ("tags-2", AlarmOn::Alarms)] {
        let alarm = subject.make(name, on, &TAGS).await;
        let tags = subject.alarms().tags(&alarm).await.expect("tags");
        let expected = TAGS.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(tags, BTreeMap::from(expected), "{on:?}");
    }
}

async fn an_alarm_that_is_not_there_is_told_from_one_without_tags(subject: &dyn AlarmSubject) {
    let alarm = subject.make("bare", AlarmOn::Metric, &[]).await;
    assert!(
        subject
            .alarms()
            .tags(&alarm)
            .await
            .expect("tags")
            .is_empty()
    );
    let other: AlarmArn = format!("{alarm}-that-is-not-there")
        .parse()
        .expect("an ARN");
    let tags = subject.alarms().tags(&other).await;
    assert!(matches!(tags, Err(AlarmError::NotThere)), "{tags:?}");
    let now = subject.set(&alarm, "OK").await;
    assert_eq!(changes(subject, &other, now).await, []);
}

/// The changes within a minute of `now`, oldest first.
async fn changes(subject: &dyn AlarmSubject, alarm: &AlarmArn, now: Timestamp) -> Vec<Change> {
    let minute = SignedDuration::from_mins(1);
    let read = subject.alarms().changes(alarm, now - minute, now + minute);
    let mut changes = read.await.expect("the history");
    changes.sort_by_key(|change| change.at);
    changes
}

async fn a_change_is_in_the_history_with_its_state_and_time(subject: &dyn AlarmSubject) {
    let alarm = subject.make("changes", AlarmOn::Metric, &TAGS).await;
    let now = subject.set(&alarm, "ALARM").await;
    let read = changes(subject, &alarm, now).await;
    let change = read.iter().find(|change| change.to == AlarmState::Alarm);
    let change = change.unwrap_or_else(|| panic!("{read:?}"));
    assert!(change.at.duration_since(now).abs() <= APART, "{change:?}");
    subject.set(&alarm, "OK").await;
    subject.set(&alarm, "INSUFFICIENT_DATA").await;
    let states = changes(subject, &alarm, now).await.into_iter();
    let states: Vec<AlarmState> = states.map(|change| change.to).collect();
    for state in [AlarmState::Ok, AlarmState::InsufficientData] {
        assert!(states.contains(&state), "{states:?}");
    }
}

async fn the_history_of_an_alarm_on_alarms_is_read_too(subject: &dyn AlarmSubject) {
    let alarm = subject.make("composite", AlarmOn::Alarms, &TAGS).await;
    let now = subject.set(&alarm, "ALARM").await;
    let read = changes(subject, &alarm, now).await;
    let to_alarm = |change: &Change| change.to == AlarmState::Alarm;
    assert!(read.iter().any(to_alarm), "{read:?}");
}

async fn only_changes_within_the_time_asked_for_come(subject: &dyn AlarmSubject) {
    let alarm = subject.make("window", AlarmOn::Metric, &TAGS).await;
    let now = subject.set(&alarm, "ALARM").await;
    for hours in [-1, 1] {
        let then = now + SignedDuration::from_hours(hours);
        assert_eq!(changes(subject, &alarm, then).await, [], "{hours}");
    }
}

async fn another_alarms_changes_do_not_come(subject: &dyn AlarmSubject) {
    let alarm = subject.make("one", AlarmOn::Metric, &TAGS).await;
    let other = subject.make("one-more", AlarmOn::Metric, &TAGS).await;
    let now = subject.set(&other, "ALARM").await;
    let read = changes(subject, &alarm, now).await;
    let to_alarm = |change: &Change| change.to == AlarmState::Alarm;
    assert!(!read.iter().any(to_alarm), "{read:?}");
}
