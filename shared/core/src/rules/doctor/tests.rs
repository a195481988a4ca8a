use super::*;
use crate::model::act::{ActId, CallerArn};
use crate::model::alarm::AlarmArn;
use crate::model::drill::DrillUnderWay;
use crate::model::kill_order::TopicArn;
use crate::model::text::OutsideText;
use crate::rules::alarms::wanted;
use crate::rules::kill::Deployment;

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

#[test]
fn an_account_is_read_or_it_is_wrong() {
    use Health::{Ok, Wrong};
    for (name, tells, read_at, blind_since, expected) in [
        ("read now", Tells::Usage, Some(1), None, Ok),
        ("long ago", Tells::Usage, Some(15), None, Wrong),
        ("fails", Tells::Usage, Some(1), Some(1), Wrong),
        ("never", Tells::Usage, None, None, Wrong),
        ("tells nothing", Tells::Nothing, None, None, Ok),
    ] {
        let mut usage = AccountUsage::empty("main".parse().unwrap());
        usage.read_at = read_at.map(ago);
        usage.blind_since = blind_since.map(ago);
        for since in [None, Some(ago(15))] {
            let check = monitor("main", tells, &usage, since, now());
            assert_eq!(check.health, expected, "{name}, {since:?}");
        }
        // What is wrong where something was read or refused is so with a new slot too.
        let check = monitor("main", tells, &usage, Some(ago(14)), now());
        let expected = match name {
            "never" => Health::NotSeen,
            _ => expected,
        };
        assert_eq!(check.health, expected, "{name}, with a new slot");
    }
}

#[test]
fn a_new_slot_may_be_without_an_alarm_for_some_minutes() {
    use Health::{NotSeen, Ok, Wrong};
    let deployment = Deployment {
        account: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        stack: "prod".parse().unwrap(),
        topic: TopicArn::new("arn:aws:sns:us-east-1:111122223333:keyward-prod-kill"),
        map: std::iter::empty().collect(),
    };
    let alarm = |slot: &str| wanted(&deployment, &slot.parse().unwrap());
    let make = |slot| AlarmChange::Make(alarm(slot));
    let arn: AlarmArn = format!(
        "arn:aws:cloudwatch:us-east-1:111122223333:alarm:{}",
        alarm("chat").name
    )
    .parse()
    .unwrap();
    let corrected = || AlarmChange::Correct(alarm("chat"), arn.clone(), vec!["period"]);
    for (name, since, changes, expected) in [
        ("guarded", Some(1), vec![], Ok),
        ("new", Some(4), vec![make("chat")], NotSeen),
        ("not new any more", Some(5), vec![make("chat")], Wrong),
        ("age not known", None, vec![make("chat")], Wrong),
        ("new and changed", Some(1), vec![corrected()], Wrong),
        (
            "another is without",
            Some(1),
            vec![make("chat"), make("old")],
            Wrong,
        ),
    ] {
        let slots = [("chat", since.map(ago)), ("old", Some(ago(60)))];
        let slots = slots.map(|(slot, since)| (slot.parse().unwrap(), since));
        let check = alarms(&slots.into(), &changes, now());
        assert_eq!(check.health, expected, "{name}: {check:?}");
        assert_eq!(
            check.what.contains("chat"),
            name.contains("new") || name == "age not known",
            "{check:?}"
        );
    }
}

#[test]
fn a_credential_is_wrong_only_where_the_provider_says_so() {
    let detail = || OutsideText::new("as the provider says");
    let refused = ProviderError::AdminCredential { detail: detail() };
    let later = ProviderError::RetryAfter {
        after: None,
        detail: detail(),
    };
    for (listed, expected) in [
        (Ok(0), Health::Ok),
        (Err(&refused), Health::Wrong),
        (Err(&later), Health::NotSeen),
    ] {
        assert_eq!(account("main", listed).health, expected, "{listed:?}");
    }
}

fn drilled(days_ago: i64, outcome: DrillOutcome) -> Option<Drill> {
    let at = ago(days_ago * 24 * 60);
    let drill = DrillUnderWay {
        id: ActId::new("one"),
        by: CallerArn::new("arn:aws:iam::111122223333:user/ana"),
        reason: OutsideText::new("monthly"),
        started: at,
        incident: None,
    };
    let slot = "canary".parse().unwrap();
    Some(Drill::over(&slot, &drill, outcome, None, at))
}

#[test]
fn a_drill_proves_something_for_90_days() {
    let canary: SlotName = "canary".parse().unwrap();
    for (name, canaries, expected) in [
        ("no canary", vec![], Health::Wrong),
        ("never", vec![(canary.clone(), None)], Health::Wrong),
        (
            "passed",
            vec![(canary.clone(), drilled(89, DrillOutcome::Passed))],
            Health::Ok,
        ),
        (
            "long ago",
            vec![(canary.clone(), drilled(90, DrillOutcome::Passed))],
            Health::Wrong,
        ),
        (
            "failed",
            vec![(canary.clone(), drilled(1, DrillOutcome::SetNothingOff))],
            Health::Wrong,
        ),
        (
            "one of two",
            vec![
                (canary.clone(), None),
                (canary.clone(), drilled(1, DrillOutcome::Passed)),
            ],
            Health::Ok,
        ),
    ] {
        assert_eq!(drill(&canaries, 0, now()).health, expected, "{name}");
        let with_one_unread = match expected {
            Health::Ok => Health::Ok,
            _ => Health::NotSeen,
        };
        assert_eq!(drill(&canaries, 1, now()).health, with_one_unread, "{name}");
    }
}

#[test]
fn what_is_wrong_comes_with_what_mends_it() {
    let usage = AccountUsage::empty("main".parse().unwrap());
    for check in [
        retire(true),
        monitor("main", Tells::Usage, &usage, None, now()),
        drill(&[], 0, now()),
    ] {
        assert_eq!(check.health, Health::Wrong);
        assert!(!check.next.is_empty(), "{check:?}");
    }
    assert!(Health::Wrong > Health::NotSeen && Health::NotSeen > Health::Ok);
}
