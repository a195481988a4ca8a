//! What every keeper of the slots' alarms promises.

use std::collections::BTreeSet;

use keyward_core::model::kill_alarm::{FoundAlarm, KillAlarm};
use keyward_core::model::kill_order::TopicArn;
use keyward_core::model::names::StackName;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{AlarmSource, KillAlarms, TAG_SLOT, TAG_STACK};
use keyward_core::rules::alarms::wanted;
use keyward_core::rules::kill::{AlarmMap, Deployment};

use super::{Check, checks};

/// A keeper whose alarms can be read.
pub trait KillAlarmSubject: Send + Sync {
    /// The port.
    fn keeper(&self) -> &dyn KillAlarms;

    /// Reads tags.
    fn source(&self) -> &dyn AlarmSource;

    /// A topic that alarms can tell.
    fn topic(&self) -> String;
}

/// The suite.
pub const CHECKS: &[Check<dyn KillAlarmSubject>] = checks![dyn KillAlarmSubject:
    an_alarm_is_found_as_it_was_made,
    an_alarm_that_is_made_again_is_changed_and_stays_one,
    only_alarms_of_the_prefix_are_found_and_all_of_them,
    tags_come_back_beside_those_of_others,
    what_is_removed_is_gone_and_may_be_removed_again,
];

fn deployment(subject: &dyn KillAlarmSubject, stack: &str) -> Deployment {
    Deployment {
        account: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        stack: stack.parse::<StackName>().expect("a stack"),
        topic: TopicArn::new(&subject.topic()),
        map: AlarmMap::default(),
    }
}

fn alarm(subject: &dyn KillAlarmSubject, stack: &str, slot: &str) -> KillAlarm {
    wanted(&deployment(subject, stack), &slot.parse().expect("a slot"))
}

async fn found(subject: &dyn KillAlarmSubject, stack: &str) -> Vec<FoundAlarm> {
    let prefix = deployment(subject, stack).alarm_prefix();
    subject.keeper().list(&prefix).await.expect("a list")
}

async fn an_alarm_is_found_as_it_was_made(subject: &dyn KillAlarmSubject) {
    let made = alarm(subject, "made", "chat");
    subject.keeper().make(&made).await.expect("made");
    let [found] = &found(subject, "made").await[..] else {
        panic!("one alarm");
    };
    assert_eq!(found.arn.name(), made.name);
    assert_eq!(found.setup.as_ref(), Some(&made.setup));
    let tags = subject.source().tags(&found.arn).await.expect("tags");
    let tag = |key: &str| tags.get(key).map(String::as_str);
    assert_eq!(
        (tag(TAG_STACK), tag(TAG_SLOT)),
        (Some("made"), Some("chat"))
    );
}

async fn an_alarm_that_is_made_again_is_changed_and_stays_one(subject: &dyn KillAlarmSubject) {
    let good = alarm(subject, "again", "chat");
    let mut bad = good.clone();
    bad.setup.is_enabled = false;
    bad.setup.line_thousandths = Some(2500);
    bad.setup.tells = BTreeSet::new();
    bad.setup.missing = OutsideText::new("ignore");
    for alarm in [&bad, &good] {
        subject.keeper().make(alarm).await.expect("made");
        let [found] = &found(subject, "again").await[..] else {
            panic!("one alarm");
        };
        assert_eq!(found.setup.as_ref(), Some(&alarm.setup));
    }
}

/// More than a page of CloudWatch's holds.
async fn only_alarms_of_the_prefix_are_found_and_all_of_them(subject: &dyn KillAlarmSubject) {
    let names: BTreeSet<String> = (0..101).map(|number| format!("slot-{number}")).collect();
    for slot in &names {
        let made = subject.keeper().make(&alarm(subject, "many", slot)).await;
        made.expect("made");
    }
    let other = alarm(subject, "many-more", "chat");
    subject.keeper().make(&other).await.expect("made");
    let prefix = deployment(subject, "many").alarm_prefix();
    let found = found(subject, "many").await;
    let found = found.iter().map(|found| found.arn.name());
    let found: BTreeSet<String> = found
        .filter_map(|name| Some(name.strip_prefix(&prefix)?.to_owned()))
        .collect();
    assert_eq!(found, names);
}

async fn tags_come_back_beside_those_of_others(subject: &dyn KillAlarmSubject) {
    let theirs = alarm(subject, "tagged", "other");
    let chat = KillAlarm {
        name: theirs.name.clone(),
        ..alarm(subject, "tagged", "chat")
    };
    subject.keeper().make(&theirs).await.expect("made");
    let [found] = &found(subject, "tagged").await[..] else {
        panic!("one alarm");
    };
    for alarm in [&chat, &theirs] {
        subject
            .keeper()
            .tag(&found.arn, alarm)
            .await
            .expect("tagged");
        let tags = subject.source().tags(&found.arn).await.expect("tags");
        let tagged = tags.get(TAG_SLOT).map(String::as_str);
        assert_eq!(tagged, Some(alarm.slot.as_str()));
        assert_eq!(tags.len(), 2, "{tags:?}");
    }
}

async fn what_is_removed_is_gone_and_may_be_removed_again(subject: &dyn KillAlarmSubject) {
    for slot in ["gone", "stays"] {
        let alarm = alarm(subject, "removed", slot);
        subject.keeper().make(&alarm).await.expect("made");
    }
    let gone = alarm(subject, "removed", "gone").name;
    let all = found(subject, "removed").await;
    let gone = all.iter().find(|found| found.arn.name() == gone);
    let gone = gone.expect("an alarm").arn.clone();
    for _ in 0..2 {
        subject.keeper().remove(&gone).await.expect("removed");
        let left = found(subject, "removed").await;
        assert!(left.iter().all(|found| found.arn != gone), "{left:?}");
        assert_eq!(left.len(), 1);
    }
}
