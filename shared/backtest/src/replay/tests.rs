use super::*;
use crate::scenarios::{Kind, THEFTS};
use crate::testing::{key, sized_key};

fn kind(name: &str) -> Kind {
    *THEFTS.iter().find(|kind| kind.name == name).unwrap()
}

fn theft_of(key: &Key, name: &str) -> Theft {
    Theft::of(kind(name), key, &mut crate::chance::of(&key.name, "", 1)).unwrap()
}

fn watch_before(key: &Key, start: usize) -> Watch {
    let mut watch = Watch::default();
    for at in 0..start {
        step(&mut watch, &key.limits, at, key.counts(at, key.cost[at]));
    }
    watch
}

#[test]
fn firings_less_than_a_day_apart_are_one() {
    assert_eq!(begun([]), [0; 0]);
    assert_eq!(begun([5, 6, 7, 7 + DAY, 8 + 2 * DAY]), [5, 8 + 2 * DAY]);
}

#[test]
fn what_fires_before_the_key_is_counted_is_learning() {
    let events = Events {
        kills: vec![3, 10 * DAY, 13 * DAY],
        alerts: vec![3],
        first: 8 * DAY,
    };
    assert_eq!((events.kills(), events.alerts()), (2, 0));
    assert!(events.kills_within(12 * DAY..13 * DAY + 1));
    assert!(!events.kills_within(12 * DAY..13 * DAY));
}

#[test]
fn steady_traffic_fires_nothing_and_a_burst_once() {
    let steady = key(|_| 1.0);
    assert_eq!(harmless(&steady, &steady.cost, |_, _| {}).alerts, [0; 0]);
    let mut cost = steady.cost.clone();
    cost[10 * DAY..10 * DAY + 12].fill(50_000_000);
    let events = harmless(&steady, &cost, |_, _| {});
    assert_eq!((events.kills(), events.alerts()), (1, 1));
}

#[test]
fn a_theft_is_timed_to_the_end_of_the_bucket_that_kills_and_fires_no_second_time() {
    let key = key(|_| 1.0);
    let theft = theft_of(&key, "$400/h");
    let outcome = super::theft(&key, &theft, watch_before(&key, theft.start));
    assert!(outcome.caught, "{outcome:?}");
    let buckets = (outcome.minutes / 5.0) as usize;
    let stolen: u64 = theft.stolen[..buckets].iter().sum();
    assert!((outcome.dollars - stolen as f64 / 1e6).abs() < 1e-9);
    assert!(outcome.minutes <= 15.0, "{outcome:?}");
    assert_eq!(
        outcome.again,
        Some(Again::No),
        "what was stolen is no measure, and no evidence"
    );
}

#[test]
fn what_is_never_caught_counts_with_its_whole_length() {
    let key = key(|_| 1.0);
    let theft = theft_of(&key, "x1.6 for 5 days");
    let outcome = super::theft(&key, &theft, watch_before(&key, theft.start));
    assert!(!outcome.caught && outcome.again.is_none(), "{outcome:?}");
    assert_eq!(outcome.minutes, (theft.stolen.len() * 5) as f64);
}

#[test]
fn a_second_kill_that_comes_without_the_theft_as_well_is_the_keys_own() {
    let key = key(|_| 1.0);
    let theft = theft_of(&key, "$400/h");
    let killed = theft.start + 1;
    let outcome = Outcome {
        caught: true,
        minutes: 10.0,
        dollars: 20.0,
        again: Some(Again::OfTheTheft),
    };
    for (kills, expected) in [
        (vec![killed + 1], Again::Anyway),
        (vec![killed + DAY], Again::Anyway),
        (vec![killed], Again::OfTheTheft),
        (vec![killed + DAY + 1], Again::OfTheTheft),
    ] {
        let as_recorded = Events {
            kills,
            ..Events::default()
        };
        let mut outcome = outcome;
        outcome.compare(&key, &theft, &as_recorded);
        assert_eq!(outcome.again, Some(expected), "{as_recorded:?}");
    }
}

#[test]
fn large_requests_are_stopped_sooner_than_the_same_money_in_the_keys_own() {
    let key = sized_key();
    let [own, large] = ["x10, its own sizes", "x10, 350,000 tokens each"].map(|name| {
        let theft = theft_of(&key, name);
        super::theft(&key, &theft, watch_before(&key, theft.start))
    });
    assert!(own.caught && large.caught);
    assert!(large.minutes < own.minutes, "{large:?} {own:?}");
}

#[test]
fn a_sleeping_key_has_no_use_of_its_own() {
    let key = key(|_| 1.0);
    let theft = theft_of(&key, "$20/h, no use for 7 days");
    let asleep = theft.asleep_from(&key).unwrap();
    let uses = Uses {
        key: &key,
        theft: &theft,
        asleep,
    };
    assert_eq!(uses.own(asleep), Counts::default());
    assert!(uses.own(asleep - 1).cost.0 > 0);
    let outcome = super::theft(&key, &theft, watch_before(&key, asleep));
    assert!(outcome.caught, "{outcome:?}");
}
