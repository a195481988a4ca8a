//! Which alarms there must be, and what is to be done about those that there are.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::kill::Deployment;
use crate::model::alarm::{AlarmArn, AlarmMetric};
use crate::model::kill_alarm::{AlarmSetup, FoundAlarm, KillAlarm};
use crate::model::metric::{KillScore, SLOT, STACK};
use crate::model::names::SlotName;
use crate::model::text::OutsideText;

/// Five minutes: what usage is counted by.
const PERIOD: i32 = 300;

/// How many parts the alarms fall into whose tags are looked at, one part an hour: each alarm's once a day.
const PARTS: u64 = 24;

/// What is to be done about one alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlarmChange {
    /// There is none.
    Make(KillAlarm),
    /// Somebody changed the one that there is: what differs.
    Correct(KillAlarm, AlarmArn, Vec<&'static str>),
    /// It guards a slot that there may be no more: look, then remove it.
    Remove(AlarmArn, SlotName),
    /// The alarm of that name belongs to somebody else. It is left alone, and the slot has none.
    Taken(KillAlarm, AlarmArn),
}

impl AlarmChange {
    /// The slot that it is about.
    pub const fn slot(&self) -> &SlotName {
        match self {
            Self::Make(alarm) | Self::Correct(alarm, ..) | Self::Taken(alarm, _) => &alarm.slot,
            Self::Remove(_, slot) => slot,
        }
    }
}

/// The alarm that a slot must have. A score of 1 or more in any five minutes sets it off; no score is none.
pub fn wanted(deployment: &Deployment, slot: &SlotName) -> KillAlarm {
    KillAlarm {
        name: deployment.alarm_name(slot),
        stack: deployment.stack.clone(),
        slot: slot.clone(),
        setup: set_up(
            AlarmMetric::kill_score(&deployment.stack, slot),
            Some(deployment.topic.as_str()),
        ),
    }
}

/// An alarm on a score: from its line on in any five minutes, where no score is none, it tells a topic.
pub fn set_up(metric: AlarmMetric, topic: Option<&str>) -> AlarmSetup {
    let text = OutsideText::new;
    AlarmSetup {
        metric,
        statistic: text("Maximum"),
        period: PERIOD,
        periods: 1,
        to_alarm: 1,
        comparison: text("GreaterThanOrEqualToThreshold"),
        line_thousandths: Some(KillScore::LINE.into()),
        missing: text("notBreaching"),
        is_enabled: true,
        tells: topic.into_iter().map(text).collect(),
    }
}

/// What makes the alarms that were `found` under this deployment's prefix those that `slots` must have, new ones first:
/// a slot without an alarm is in more danger than one too many.
pub fn plan(
    deployment: &Deployment,
    slots: &BTreeSet<SlotName>,
    found: &[FoundAlarm],
) -> Vec<AlarmChange> {
    let by_name: BTreeMap<&str, &FoundAlarm> = found.iter().map(|f| (f.arn.name(), f)).collect();
    let wanted = slots.iter().map(|slot| wanted(deployment, slot));
    let (new, other): (Vec<_>, Vec<_>) = wanted
        .filter_map(|alarm| change(deployment, by_name.get(alarm.name.as_str()).copied(), alarm))
        .partition(|change| matches!(change, AlarmChange::Make(_)));
    let leftover = found.iter().filter_map(|found| {
        let slot: SlotName = found.dimension(SLOT)?.as_str().parse().ok()?;
        let is_ours =
            is_of_stack(found, deployment) && found.arn.name() == deployment.alarm_name(&slot);
        (is_ours && !slots.contains(&slot)).then(|| AlarmChange::Remove(found.arn.clone(), slot))
    });
    new.into_iter().chain(other).chain(leftover).collect()
}

fn change(
    deployment: &Deployment,
    found: Option<&FoundAlarm>,
    wanted: KillAlarm,
) -> Option<AlarmChange> {
    let Some(found) = found else {
        return Some(AlarmChange::Make(wanted));
    };
    // Two deployments' names can run into each other: `a` with `b-kill-c`, `a-kill-b` with `c`.
    let is_anothers = found.dimension(STACK).is_some() && !is_of_stack(found, deployment);
    if is_anothers {
        return Some(AlarmChange::Taken(wanted, found.arn.clone()));
    }
    let differs = differences(&wanted.setup, found.setup.as_ref());
    (!differs.is_empty()).then_some(AlarmChange::Correct(wanted, found.arn.clone(), differs))
}

fn is_of_stack(found: &FoundAlarm, deployment: &Deployment) -> bool {
    found.dimension(STACK).map(OutsideText::as_str) == Some(deployment.stack.as_str())
}

/// What of an alarm is not as it is to be, in words.
fn differences(wanted: &AlarmSetup, found: Option<&AlarmSetup>) -> Vec<&'static str> {
    let Some(found) = found else {
        return vec!["what it watches"];
    };
    let counts = |setup: &AlarmSetup| (setup.period, setup.periods, setup.to_alarm);
    let line = |setup: &AlarmSetup| (setup.line_thousandths, setup.comparison.clone());
    let pairs = [
        ("what it watches", wanted.metric == found.metric),
        ("its statistic", wanted.statistic == found.statistic),
        ("its periods", counts(wanted) == counts(found)),
        ("its line", line(wanted) == line(found)),
        (
            "what it takes missing data for",
            wanted.missing == found.missing,
        ),
        (
            "whether it tells anybody",
            wanted.is_enabled == found.is_enabled,
        ),
        ("whom it tells", wanted.tells == found.tells),
    ];
    let differing = pairs.iter().filter(|(_, is_same)| !is_same);
    differing.map(|(what, _)| *what).collect()
}

/// Whether this hour looks at the tags of this slot's alarm. CloudWatch tells them alarm by alarm.
pub fn is_tag_hour(slot: &SlotName, now: Timestamp) -> bool {
    let hour = now.as_second().div_euclid(3600).unsigned_abs() % PARTS;
    part_of(slot, PARTS) == hour
}

/// Which of so many parts a slot falls into, so that not all slots have their turn at once: the same on every machine and
/// in every release.
pub fn part_of(slot: &SlotName, parts: u64) -> u64 {
    // FNV-1a.
    let hash = slot
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    hash % parts.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(stack: &str) -> Deployment {
        Deployment {
            account: "111122223333".to_owned(),
            region: "us-east-1".to_owned(),
            stack: stack.parse().unwrap(),
            topic: crate::model::kill_order::TopicArn::new(
                "arn:aws:sns:us-east-1:111122223333:alarms",
            ),
            map: crate::rules::kill::AlarmMap::default(),
        }
    }

    fn slots(names: &[&str]) -> BTreeSet<SlotName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn found(alarm: &KillAlarm) -> FoundAlarm {
        let arn = format!(
            "arn:aws:cloudwatch:us-east-1:111122223333:alarm:{}",
            alarm.name
        );
        FoundAlarm {
            arn: arn.parse().unwrap(),
            setup: Some(alarm.setup.clone()),
        }
    }

    #[test]
    fn a_slot_without_an_alarm_gets_one_and_a_good_one_is_left_alone() {
        let prod = deployment("prod");
        let has = wanted(&prod, &"has".parse().unwrap());
        assert_eq!(has.name, "keyward-prod-kill-has");
        let changes = plan(&prod, &slots(&["has", "new"]), &[found(&has)]);
        let new = wanted(&prod, &"new".parse().unwrap());
        assert_eq!(changes, [AlarmChange::Make(new)]);
    }

    #[test]
    fn each_thing_that_somebody_changed_is_named_and_set_right() {
        let prod = deployment("prod");
        let alarm = wanted(&prod, &"chat".parse().unwrap());
        type Edit = fn(&mut AlarmSetup);
        let edits: [(&str, Edit); 12] = [
            ("what it watches", |s| {
                s.metric.name = OutsideText::new("Score")
            }),
            ("what it watches", |s| {
                s.metric.namespace = OutsideText::new("Other")
            }),
            ("what it watches", |s| {
                s.metric
                    .dimensions
                    .insert(OutsideText::new(SLOT), OutsideText::new("other"));
            }),
            ("its statistic", |s| {
                s.statistic = OutsideText::new("Average")
            }),
            ("its periods", |s| s.period = 3600),
            ("its periods", |s| s.periods = 5),
            ("its periods", |s| s.to_alarm = 2),
            ("its line", |s| s.line_thousandths = Some(1_000_000)),
            ("its line", |s| s.line_thousandths = None),
            ("what it takes missing data for", |s| {
                s.missing = OutsideText::new("ignore")
            }),
            ("whether it tells anybody", |s| s.is_enabled = false),
            ("whom it tells", |s| s.tells.clear()),
        ];
        for (what, edit) in edits {
            let mut other = found(&alarm);
            edit(other.setup.as_mut().unwrap());
            let arn = other.arn.clone();
            let changes = plan(&prod, &slots(&["chat"]), &[other]);
            let expected = AlarmChange::Correct(alarm.clone(), arn, vec![what]);
            assert_eq!(changes, [expected]);
        }
        let expression = FoundAlarm {
            setup: None,
            ..found(&alarm)
        };
        let arn = expression.arn.clone();
        let changes = plan(&prod, &slots(&["chat"]), &[expression]);
        let expected = AlarmChange::Correct(alarm, arn, vec!["what it watches"]);
        assert_eq!(changes, [expected]);
    }

    #[test]
    fn only_an_alarm_of_ours_is_removed() {
        let prod = deployment("prod");
        let gone = found(&wanted(&prod, &"gone".parse().unwrap()));
        let theirs = found(&wanted(
            &deployment("prod-kill-x"),
            &"gone".parse().unwrap(),
        ));
        assert!(theirs.arn.name().starts_with("keyward-prod-kill-"));
        let mut by_hand = gone.clone();
        by_hand.arn = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:keyward-prod-kill-by-hand"
            .parse()
            .unwrap();
        let changes = plan(&prod, &slots(&[]), &[gone.clone(), theirs, by_hand]);
        assert_eq!(
            changes,
            [AlarmChange::Remove(gone.arn, "gone".parse().unwrap())]
        );
    }

    #[test]
    fn a_name_that_another_deployment_has_is_left_to_it() {
        let theirs = found(&wanted(
            &deployment("prod-kill-x"),
            &"chat".parse().unwrap(),
        ));
        let prod = deployment("prod");
        let changes = plan(
            &prod,
            &slots(&["x-kill-chat"]),
            std::slice::from_ref(&theirs),
        );
        let ours = wanted(&prod, &"x-kill-chat".parse().unwrap());
        assert_eq!(ours.name, theirs.arn.name());
        assert_eq!(changes, [AlarmChange::Taken(ours, theirs.arn)]);
    }

    #[test]
    fn tags_are_looked_at_once_a_day() {
        let slot: SlotName = "chat".parse().unwrap();
        let begin: Timestamp = "2026-11-25T00:30:00Z".parse().unwrap();
        let hours = (0..48).map(|hour| begin + jiff::SignedDuration::from_hours(hour));
        assert_eq!(hours.filter(|hour| is_tag_hour(&slot, *hour)).count(), 2);
    }
}
