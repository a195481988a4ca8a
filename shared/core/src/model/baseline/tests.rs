use super::*;
use crate::model::money::MicroDollars;
use crate::model::usage::TokenCounts;

fn spent(cost: u64) -> Reading {
    Reading::Known(Counts {
        cost: MicroDollars(cost),
        ..Counts::default()
    })
}

fn calls(requests: u64, tokens: u64) -> Reading {
    let tokens = TokenCounts {
        input: tokens,
        ..TokenCounts::default()
    };
    Reading::Known(Counts {
        cost: MicroDollars(1),
        requests,
        tokens,
    })
}

const DAY: u32 = Bucket::PER_DAY;
const START: u32 = 20_000 * DAY;

fn settle(baseline: &mut Baseline, readings: impl IntoIterator<Item = Reading>) {
    for reading in readings {
        let next = baseline.last().map_or(Bucket(START), |last| last.plus(1));
        baseline.settle(next, reading, Place::Normal);
    }
}

fn days(count: u32, reading: Reading) -> impl Iterator<Item = Reading> {
    std::iter::repeat_n(reading, (count * DAY) as usize)
}

#[test]
fn the_mean_is_of_the_last_seven_days_and_of_known_buckets() {
    let mut baseline = Baseline::default();
    assert_eq!(baseline.mean(), None);
    settle(&mut baseline, [spent(10), Reading::Unknown]);
    assert_eq!(baseline.mean(), None, "half of a day is not enough");
    settle(&mut baseline, [spent(30), spent(20), spent(0)]);
    let scaled = Mean { sum: 60, known: 4 };
    assert_eq!(baseline.mean(), Some(scaled), "four of five are");
    assert_eq!(scaled.times(DAY), 4_320);

    settle(&mut baseline, days(7, spent(2)));
    let week = Mean {
        sum: 14 * u64::from(DAY),
        known: 7 * DAY,
    };
    assert_eq!(baseline.mean(), Some(week), "what came before is out");

    settle(&mut baseline, days(1, Reading::Unknown));
    let six = Mean {
        sum: 12 * u64::from(DAY),
        known: 6 * DAY,
    };
    assert_eq!(
        baseline.mean(),
        Some(six),
        "a day that is not known is left out"
    );
}

#[test]
fn the_largest_sums_last_as_many_days_as_asked_for() {
    let mut baseline = Baseline::default();
    settle(&mut baseline, [spent(1_000)]);
    settle(&mut baseline, days(14, spent(1)));
    assert_eq!(
        baseline.peak(Span::Hour, 14),
        Some(1_000 + 11),
        "the hour went on"
    );
    settle(&mut baseline, [spent(1); 10]);
    assert_eq!(baseline.peak(Span::Hour, 14), Some(1_011));
    settle(&mut baseline, [spent(1)]);
    assert_eq!(baseline.peak(Span::Hour, 14), Some(12));
    assert_eq!(baseline.peak(Span::SixHours, 14), Some(1_071));
    assert_eq!(baseline.peak(Span::Day, 14), Some(1_287));
    assert_eq!(baseline.peak(Span::Hour, 35), Some(1_011));
    settle(&mut baseline, days(22, spent(1)));
    assert_eq!(baseline.peak(Span::Hour, 35), Some(12));
}

#[test]
fn what_is_set_apart_is_paid_for_and_no_measure() {
    let mut baseline = Baseline::default();
    let all = [(5, Place::Normal), (900, Place::Apart), (7, Place::Normal)];
    for (bucket, (cost, place)) in (START..).zip(all) {
        baseline.settle(Bucket(bucket), spent(cost), place);
    }
    assert_eq!(baseline.peak(Span::Hour, 14), Some(12));
    assert_eq!(baseline.month_spent(Bucket(START)), 912);
    settle(&mut baseline, days(1, spent(0)));
    let (sum, known) = (7, DAY);
    let today = baseline.days[0].sum();
    assert_eq!((today, baseline.days[0].known()), (0, known));
    assert_eq!(baseline.days[1].sum(), 5 + sum);
}

#[test]
fn the_month_begins_anew_and_days_of_use_are_counted() {
    let first: jiff::Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
    let first = Bucket::of(first);
    assert_eq!(month_of(first), (first.day(), first.day() + 28));
    assert_eq!(month_of(first.minus(1)), (first.day() - 31, first.day()));

    let mut baseline = Baseline::default();
    for bucket in [first.minus(2), first.minus(1), first] {
        baseline.settle(bucket, spent(4), Place::Normal);
    }
    assert_eq!(baseline.month_spent(first), 4);
    assert_eq!(baseline.month_spent(first.minus(1)), 0, "it is over");

    let tomorrow = first.plus(DAY);
    assert_eq!(baseline.used_days(tomorrow, 14), 2);
    assert_eq!(baseline.used_days(first, 14), 1, "today is no whole day");
    assert_eq!(baseline.used_days(first.plus(14 * DAY), 14), 1);
    assert_eq!(baseline.used_days(first.plus(15 * DAY), 14), 0);
    assert_eq!(baseline.used_days(first.plus(90 * DAY), 14), 0);
    baseline.use_seen(tomorrow);
    baseline.use_seen(first.minus(5 * DAY));
    assert_eq!(baseline.used_days(tomorrow.plus(DAY), 14), 4);
    assert_eq!(baseline.last_used(), Some(tomorrow));
}

#[test]
fn requests_and_their_sizes_are_known_by_the_hour() {
    let mut baseline = Baseline::default();
    settle(&mut baseline, std::iter::repeat_n(calls(10, 1_000), 12));
    assert_eq!(baseline.requests_an_hour(), None, "the hour is not full");
    settle(&mut baseline, std::iter::repeat_n(calls(20, 4_000), 13));
    let hours = Mean { sum: 360, known: 2 };
    assert_eq!(baseline.requests_an_hour(), Some(hours));
    assert_eq!(baseline.tokens_and_requests(), (60_000, 360));
    assert_eq!(baseline.busiest_hour(14), Some(240));
    let usual = baseline.usual_size().unwrap();
    assert!((200..=224).contains(&usual), "{usual}");
    settle(&mut baseline, [calls(3, 90_000)]);
    assert_eq!(baseline.usual_size(), Some(usual), "3 of 383 are few");
    settle(&mut baseline, [calls(3, 90_000)]);
    assert!(baseline.usual_size().unwrap() >= 30_000);
    settle(&mut baseline, days(15, calls(1, 7)));
    assert_eq!(
        baseline.usual_size(),
        Some(7),
        "14 days on, it is forgotten"
    );
}

#[test]
fn sizes_fall_into_classes_of_an_eighth() {
    for size in (0..5_000).chain([u64::from(u32::MAX), 1 << 40]) {
        let most = most_of(class_of(size));
        assert!(size <= most && most <= size + size / 8, "{size} {most}");
    }
}

#[test]
fn gaps_are_unknown_and_repeats_are_passed_over() {
    let mut baseline = Baseline::default();
    settle(&mut baseline, days(7, spent(3)));
    let before = baseline.clone();
    baseline.settle(Bucket(START + 5), spent(1_000), Place::Normal);
    assert_eq!(baseline, before);
    baseline.settle(Bucket(START + 8 * DAY), spent(3), Place::Normal);
    let mean = baseline.mean().unwrap();
    assert_eq!(
        (mean.sum, mean.known),
        (3 * u64::from(mean.known), 6 * DAY - 1)
    );
    baseline.settle(Bucket(START + 60 * DAY), spent(8), Place::Normal);
    assert_eq!(baseline.mean(), Some(Mean { sum: 8, known: 1 }));
}

#[test]
fn only_the_second_model_is_new() {
    let mut baseline = Baseline::default();
    let [first, second] = ["gpt-small", "gpt-dear"].map(OutsideText::new);
    let seen = [&first, &first, &second, &second].map(|model| baseline.model_seen(model));
    assert_eq!(seen, [false, false, true, false]);
}

#[test]
fn it_is_small_and_goes_on_after_being_written_down() {
    let noise = |i: u32| {
        let random = u64::from(i.wrapping_mul(2_654_435_761) >> 8);
        calls(random % 900, random)
    };
    let mut whole = Baseline::default();
    settle(&mut whole, (0..36 * DAY).map(noise));
    let mut text = serde_json::to_string(&whole).unwrap();
    assert!(text.len() < 60_000, "{} bytes", text.len());

    let mut parts = Baseline::default();
    for part in 0..36 {
        text = serde_json::to_string(&parts).unwrap();
        parts = serde_json::from_str(&text).unwrap();
        settle(&mut parts, (part * DAY..(part + 1) * DAY).map(noise));
    }
    assert_eq!(parts, whole);

    let history = (0..36 * DAY).map(|i| (Bucket(START + i), noise(i), Place::Normal));
    assert_eq!(Baseline::rebuilt(&Baseline::default(), history), whole);
}
