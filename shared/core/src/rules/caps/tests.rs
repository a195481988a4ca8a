use jiff::SignedDuration;

use super::*;
use crate::model::fleet::{Fleet, PlannedSlot};
use crate::model::slot::{Environment, Epoch, Expectation, ExpectedSpend};
use crate::usecases::register::new_slot;

const NOON: &str = "2026-11-25T12:00:00Z";

fn now() -> Timestamp {
    NOON.parse().unwrap()
}

fn dollars(amount: u64) -> MicroDollars {
    MicroDollars::from_dollars(amount)
}

/// A slot that is expected to spend $10 in a day and $300 in a month.
fn slot() -> Slot {
    let text = serde_json::json!({
        "version": 1,
        "accounts": {"main": {"provider": "openrouter"}},
        "agents": {"bot": {"owner": "ana@example.com", "environment": "prod"}},
        "slots": {"bot": {
            "agent": "bot", "account": "main",
            "secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/bot-a1B2c3",
            "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000},
        }},
    });
    let planned: Vec<PlannedSlot> = Fleet::from_json(&text.to_string())
        .unwrap()
        .check()
        .unwrap();
    new_slot(&planned[0], now())
}

fn version(begun: Timestamp) -> Version {
    let id = "11111111-aaaa-4bbb-8ccc-000000000002.1".parse().unwrap();
    Version::intended(&"bot".parse().unwrap(), id, Epoch(0), begun)
}

fn hours(from: Timestamp, hours: i64) -> Timestamp {
    from + SignedDuration::from_hours(hours)
}

#[test]
fn a_slot_may_spend_so_much_in_a_day_and_in_a_month() {
    let twice = |until| {
        Some(Expectation {
            percent: 200,
            until,
        })
    };
    let (later, over) = (hours(now(), 1), now());
    for (name, state, expectation, expected, day, month) in [
        ("normal", SlotState::Active, None, (10, 300), 25, 390),
        (
            "launch",
            SlotState::Active,
            twice(later),
            (10, 300),
            50,
            780,
        ),
        (
            "launch over",
            SlotState::Active,
            twice(over),
            (10, 300),
            25,
            390,
        ),
        (
            "restricted",
            SlotState::Restricted,
            None,
            (10, 300),
            10,
            390,
        ),
        (
            "both",
            SlotState::Restricted,
            twice(later),
            (10, 300),
            10,
            390,
        ),
        (
            "suspended",
            SlotState::Suspended,
            twice(later),
            (10, 300),
            10,
            390,
        ),
        ("one day a month", SlotState::Active, None, (10, 10), 13, 13),
    ] {
        let expected = ExpectedSpend {
            daily: dollars(expected.0),
            monthly: dollars(expected.1),
        };
        let slot = Slot {
            state,
            expectation,
            expected,
            ..slot()
        };
        let found = (daily(&slot, now()), monthly(&slot, now()));
        assert_eq!(found, (dollars(day), dollars(month)), "{name}");
    }
}

#[test]
fn what_nobody_declared_is_little_and_least_in_dev() {
    for (environment, day, month, limit) in [
        (Environment::Dev, 2, 60, 5_000_000),
        (Environment::Staging, 5, 150, 12_500_000),
        (Environment::Prod, 10, 300, 25_000_000),
    ] {
        let expected = ExpectedSpend::assumed(environment);
        assert_eq!(
            (expected.daily, expected.monthly),
            (dollars(day), dollars(month))
        );
        let slot = Slot { expected, ..slot() };
        assert_eq!(daily(&slot, now()), MicroDollars(limit), "{environment:?}");
    }
}

#[test]
fn a_limit_by_the_month_is_moved_to_what_was_spent_before_and_a_day() {
    let today = Bucket::of(now()).day();
    let recorded = |day, spent| {
        Some(SpentBefore {
            day,
            amount: dollars(spent),
        })
    };
    let long_ago = hours(now(), -24 * 40);
    for (name, begun, before, expected) in [
        ("moved today", long_ago, recorded(today, 100), Some(125)),
        (
            "not above the month's",
            long_ago,
            recorded(today, 380),
            Some(390),
        ),
        ("moved yesterday", long_ago, recorded(today - 1, 100), None),
        ("never moved", long_ago, None, None),
        ("made today", hours(now(), -12), None, Some(25)),
        ("made last night", hours(now(), -13), None, None),
    ] {
        let mut version = version(begun);
        version.spent_before = before;
        let cap = of_key(&slot(), &version, DayLimit::MovedEachDay, now());
        let expected = expected.map(|amount| SpendCap {
            amount: dollars(amount),
            period: CapPeriod::Monthly,
        });
        assert_eq!(cap, expected, "{name}");
        let own = of_key(&slot(), &version, DayLimit::ItsOwn, now()).unwrap();
        assert_eq!((own.amount, own.period), (dollars(25), CapPeriod::Daily));
    }
    let first = "2026-12-01T00:00:00Z".parse().unwrap();
    let mut version = version(long_ago);
    version.spent_before = recorded(today, 100);
    let cap = of_key(&slot(), &version, DayLimit::MovedEachDay, first);
    assert_eq!(cap.map(|cap| cap.amount), Some(dollars(25)), "a new month");
}

#[test]
fn a_limit_does_not_fall_by_what_was_not_seen() {
    for (name, last, known, seen, expected) in [
        (
            "all seen",
            Some((125, CapPeriod::Monthly)),
            60,
            Seen::Whole,
            85,
        ),
        (
            "less seen than before",
            Some((125, CapPeriod::Monthly)),
            60,
            Seen::Partly,
            125,
        ),
        (
            "more seen than before",
            Some((125, CapPeriod::Monthly)),
            130,
            Seen::Partly,
            155,
        ),
        ("no limit before", None, 60, Seen::Partly, 85),
        (
            "another kind before",
            Some((25, CapPeriod::Daily)),
            60,
            Seen::Partly,
            85,
        ),
        (
            "the month is spent",
            Some((390, CapPeriod::Monthly)),
            500,
            Seen::Whole,
            390,
        ),
    ] {
        let mut version = version(hours(now(), -24 * 10));
        version.cap = last.map(|(amount, period)| SpendCap {
            amount: dollars(amount),
            period,
        });
        let known = dollars(known);
        let (cap, before) = moved(&slot(), &version, Spent { known, seen }, now());
        assert_eq!(cap.amount, dollars(expected), "{name}");
        version.spent_before = Some(before);
        let again = of_key(&slot(), &version, DayLimit::MovedEachDay, hours(now(), 11));
        assert_eq!(again, Some(cap), "{name}: the same all day");
    }
}

#[test]
fn a_lower_limit_is_told_from_a_higher_one() {
    let cap = |amount, period| SpendCap {
        amount: dollars(amount),
        period,
    };
    let old = cap(25, CapPeriod::Daily);
    assert!(is_lower(cap(24, CapPeriod::Daily), old));
    assert!(!is_lower(cap(50, CapPeriod::Daily), old));
    assert!(!is_lower(old, old));
    assert!(is_lower(cap(50, CapPeriod::Monthly), old));
}

#[test]
fn a_limit_that_somebody_changed_is_told_from_one_that_is_on_its_way() {
    let cap = |amount| {
        Some(SpendCap {
            amount: dollars(amount),
            period: CapPeriod::Daily,
        })
    };
    for (name, set, wanted, found, foreign) in [
        ("as it was set", cap(25), cap(25), cap(25), false),
        ("to be raised", cap(25), cap(50), cap(25), false),
        (
            "raised, and not recorded yet",
            cap(25),
            cap(50),
            cap(50),
            false,
        ),
        ("raised by somebody", cap(25), cap(25), cap(900), true),
        ("lowered by somebody", cap(25), cap(25), cap(1), true),
        ("taken away", cap(25), cap(25), None, true),
        (
            "taken away, what is wanted is not known",
            cap(25),
            None,
            None,
            true,
        ),
        ("never set", None, cap(25), cap(900), false),
    ] {
        let mut version = version(now());
        version.cap = set;
        assert_eq!(is_foreign(&version, wanted, found), foreign, "{name}");
    }
}
