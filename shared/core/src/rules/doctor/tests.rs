use super::*;
use crate::model::act::{ActId, CallerArn};
use crate::model::drill::DrillUnderWay;
use crate::model::text::OutsideText;

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
        let check = monitor("main", tells, &usage, now());
        assert_eq!(check.health, expected, "{name}");
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
        monitor("main", Tells::Usage, &usage, now()),
        drill(&[], 0, now()),
    ] {
        assert_eq!(check.health, Health::Wrong);
        assert!(!check.next.is_empty(), "{check:?}");
    }
    assert!(Health::Wrong > Health::NotSeen && Health::NotSeen > Health::Ok);
}
