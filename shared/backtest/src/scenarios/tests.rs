use super::*;
use crate::chance;
use crate::testing::{key, sized_key};

#[test]
fn a_harmless_change_changes_what_its_name_says() {
    let key = key(|_| 1.0);
    let mean = key.cost[0];
    let after = key.first + DAY + 5;
    for (change, at, expected) in [
        (Harmless::AsRecorded, after, 1.0),
        (Harmless::Launch, after, 1.4),
        (Harmless::Launch, key.first, 1.0),
        (Harmless::Mondays, 7 * DAY, 1.6),
        (Harmless::Mondays, 8 * DAY, 1.0),
        (Harmless::Nightly, 2 * HOUR, 7.0),
        (Harmless::Nightly, 3 * HOUR, 1.0),
        (Harmless::NewNightly, 2 * HOUR, 1.0),
        (Harmless::NewNightly, key.first + 2 * DAY + 2 * HOUR, 7.0),
        (Harmless::MonthEnd, key.first + 2 * DAY, 1.8),
        (Harmless::MonthEnd, key.first + 4 * DAY, 1.0),
        (Harmless::Growth, 7 * DAY, 1.1),
    ] {
        let factor = change.apply(&key)[at] as f64 / mean as f64;
        assert!(
            (factor - expected).abs() < 1e-3,
            "{change:?} at {at}: {factor}"
        );
    }
}

#[test]
fn summer_time_moves_the_clock_by_an_hour() {
    let key = key(|at| (at % DAY) as f64 + 1.0);
    let moved = Harmless::SummerTime.apply(&key);
    let from = key.first + DAY;
    assert_eq!(moved[..from], key.cost[..from]);
    assert_eq!(moved[from + 50], key.cost[from + 50 - HOUR]);
}

#[test]
fn a_theft_lies_within_the_key_and_is_full_after_a_quarter_of_an_hour() {
    let key = key(|_| 1.0);
    for kind in THEFTS {
        for seed in 0..20 {
            let mut rng = chance::of(&key.name, kind.name, seed);
            let Some(theft) = Theft::of(kind, &key, &mut rng) else {
                continue;
            };
            assert!(theft.start >= key.first, "{}", kind.name);
            assert!(
                theft.start + theft.stolen.len() <= key.cost.len(),
                "{}",
                kind.name
            );
            let full = theft.stolen[2];
            assert!(theft.stolen[3..].iter().all(|&more| more == full));
            assert!(
                theft.stolen[0].abs_diff(full / 3) <= 1
                    && theft.stolen[1].abs_diff(2 * full / 3) <= 1
            );
        }
    }
    let kind = |name: &str| *THEFTS.iter().find(|kind| kind.name == name).unwrap();
    let of = |name: &str| Theft::of(kind(name), &key, &mut chance::of("", "", 1)).unwrap();
    assert_eq!(of(HOURLY_200).stolen[2], 16_666_667);
    let ten = of(X10).stolen[2] as f64;
    assert!((ten / key.mean - 9.0).abs() < 1e-3, "nine times on top");
}

#[test]
fn a_theft_at_night_begins_when_the_key_is_quiet() {
    // Nothing from 12:00 to 18:00.
    let key = key(|at| {
        if (at % DAY) / (6 * HOUR) == 2 {
            0.0
        } else {
            1.0
        }
    });
    let kind = *THEFTS
        .iter()
        .find(|kind| kind.when == When::AtNight)
        .unwrap();
    for seed in 0..20 {
        let theft = Theft::of(kind, &key, &mut chance::of("", "", seed)).unwrap();
        let last = key.cost.len() - theft.stolen.len();
        assert!(theft.start % DAY == 12 * HOUR || theft.start == last || theft.start == key.first);
    }
}

#[test]
fn thefts_in_other_requests_begin_at_the_same_moment_and_need_known_tokens() {
    let sized = sized_key();
    let of = |key: &Key, name: &str| {
        let kind = *THEFTS.iter().find(|kind| kind.name == name).unwrap();
        Theft::of(kind, key, &mut chance::of(&key.name, kind.begins_as(), 1))
    };
    let [own, large] =
        ["x10, its own sizes", "x10, 350,000 tokens each"].map(|name| of(&sized, name).unwrap());
    assert_eq!(own.start, large.start);
    assert_eq!((own.size(), large.size()), (None, Some(350_000.0)));
    assert_eq!(own.stolen, large.stolen);
    let plain = key(|_| 1.0);
    assert!(of(&plain, "x10, its own sizes").is_none());
}
