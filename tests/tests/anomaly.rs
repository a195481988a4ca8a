//! The rules on money against the same formulas written down a second time: `tests/oracle/export.py`.
#![allow(clippy::unwrap_used, reason = "test code")]

use keyward_core::model::baseline::Baseline;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::ExpectedSpend;
use keyward_core::model::usage::{Bucket, Counts, Reading, TokenCounts};
use keyward_core::rules::anomaly::{Limits, Memory, Score, Watch};

const SERIES: &str = include_str!("../fixtures/anomaly/series.txt");
/// Midnight, 1 January 2026.
const START: u32 = 20_454 * Bucket::PER_DAY;

struct Series<'a> {
    name: &'a str,
    limits: Limits,
    readings: Vec<Reading>,
    kills: Vec<bool>,
    alerts: Vec<bool>,
}

fn series() -> Vec<Series<'static>> {
    let lines: Vec<_> = SERIES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    lines.chunks(6).map(read).collect()
}

fn read<'a>(lines: &[&'a str]) -> Series<'a> {
    let words = |line: usize, first: &str| {
        let mut words = lines[line].split_whitespace();
        assert_eq!(words.next(), Some(first));
        words
    };
    let mut head = words(0, "series");
    let name = head.next().unwrap();
    let daily = MicroDollars(head.next().unwrap().parse().unwrap());
    let monthly = MicroDollars(daily.0 * 30);
    let limits = Limits {
        record_days: head.next().unwrap().parse().unwrap(),
        ..Limits::of(ExpectedSpend { daily, monthly })
    };
    let numbers = |line, first| words(line, first).flat_map(numbers);
    let sizes = numbers(2, "requests").zip(numbers(3, "tokens"));
    let readings: Vec<_> = numbers(1, "costs").zip(sizes).map(reading).collect();
    let fires = |line, first| {
        let mut fires = vec![false; readings.len()];
        for run in words(line, first) {
            let (from, to) = run.split_once('-').unwrap();
            fires[from.parse().unwrap()..=to.parse().unwrap()].fill(true);
        }
        fires
    };
    let (kills, alerts) = (fires(4, "kill"), fires(5, "alert"));
    Series {
        name,
        limits,
        readings,
        kills,
        alerts,
    }
}

/// A number as often as it stands there; `None` is not known.
fn numbers(word: &str) -> impl Iterator<Item = Option<u64>> {
    let (value, times) = word.split_once('*').unwrap_or((word, "1"));
    let number = (value != "?").then(|| u64::from_str_radix(value, 36).unwrap());
    std::iter::repeat_n(number, times.parse().unwrap())
}

fn reading((cost, (requests, tokens)): (Option<u64>, (Option<u64>, Option<u64>))) -> Reading {
    let Some(cost) = cost else {
        return Reading::Unknown;
    };
    let input = tokens.unwrap();
    Reading::Known(Counts {
        cost: MicroDollars(cost * 1_000),
        requests: requests.unwrap(),
        tokens: TokenCounts {
            input,
            ..TokenCounts::default()
        },
    })
}

#[test]
fn every_bucket_is_judged_as_by_the_formulas() {
    let (mut buckets, mut kills, mut alerts) = (0, 0, 0);
    for series in series() {
        let mut watch = Watch::default();
        for (at, &reading) in series.readings.iter().enumerate() {
            watch.advance(Bucket(START + at as u32), reading);
            let judgement = watch.judge(&series.limits);
            let fired = (judgement.kill.is_some(), judgement.alert.is_some());
            let expected = (series.kills[at], series.alerts[at]);
            assert_eq!(fired, expected, "{} bucket {at}", series.name);
        }
        buckets += series.readings.len();
        let count = |fires: &[bool]| fires.iter().filter(|&&fires| fires).count();
        kills += count(&series.kills);
        alerts += count(&series.alerts);
    }
    assert!(
        buckets > 150_000 && kills > 500 && alerts > kills,
        "{buckets} {kills} {alerts}"
    );
}

#[test]
fn the_score_says_the_same_as_the_judgement() {
    for series in series().iter().step_by(5) {
        let mut watch = Watch::default();
        for (at, &reading) in series.readings.iter().enumerate() {
            watch.advance(Bucket(START + at as u32), reading);
            let score = watch.assess(&series.limits).score;
            let fires = score >= Score::FIRES;
            assert_eq!(
                fires, series.kills[at],
                "{} bucket {at}: {score:?}",
                series.name
            );
        }
    }
}

#[test]
fn a_watch_goes_on_from_what_was_written_down() {
    for series in series().iter().step_by(7) {
        let mut watch = Watch::default();
        for (at, &reading) in series.readings.iter().enumerate() {
            if at % 1_000 == 999 {
                watch = written_and_read(&watch, &series.readings[..at]);
            }
            watch.advance(Bucket(START + at as u32), reading);
            let judgement = watch.judge(&series.limits);
            let fired = (judgement.kill.is_some(), judgement.alert.is_some());
            let expected = (series.kills[at], series.alerts[at]);
            assert_eq!(fired, expected, "{} bucket {at}", series.name);
        }
    }
}

/// A new watch from the two items, and from the buckets that the baseline has not taken in.
fn written_and_read(watch: &Watch, readings: &[Reading]) -> Watch {
    let baseline = serde_json::to_string(watch.baseline()).unwrap();
    let memory = serde_json::to_string(watch.memory()).unwrap();
    assert!(baseline.len() < 100_000, "{} bytes", baseline.len());
    let baseline: Baseline = serde_json::from_str(&baseline).unwrap();
    let memory: Memory = serde_json::from_str(&memory).unwrap();
    let next = baseline.last().map_or(Bucket(START), |last| last.plus(1));
    let mut read = Watch::new(baseline, memory);
    for (bucket, &reading) in (START..).zip(readings).filter(|&(b, _)| b >= next.0) {
        read.advance(Bucket(bucket), reading);
    }
    read
}
