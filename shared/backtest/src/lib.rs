#![doc = include_str!("../README.md")]

mod chance;
mod chart;
mod figures;
mod html;
mod key;
mod replay;
mod scenarios;
mod targets;
#[cfg(test)]
mod testing;
mod traces;

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;

pub use chart::{Chart, Event, Mark, charts};
pub use figures::{Figures, HarmlessFigures, TheftFigures};
pub use html::{Page, page};
pub use targets::{Target, targets};
pub use traces::TraceError;

use figures::HarmlessFigures as Kills;
use key::{Habit, Key};
use replay::{Again, Events, Outcome};
use scenarios::{Harmless, THEFTS, Theft};

/// Buckets in an hour and in a day.
const HOUR: usize = 12;
const DAY: usize = 24 * HOUR;

/// What is put into the recorded traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inject {
    /// Nothing: false kills and alerts are counted.
    Nothing,
    /// Harmless changes and thefts.
    All,
}

/// What several runs came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// All seeds together: every theft of every seed counts once.
    pub pooled: Figures,
    /// Each figure of the seed for which it is worst.
    pub worst: Figures,
    /// All seeds, in order.
    pub seeds: Vec<Figures>,
}

/// Replays the traces of a folder, once for each seed from 1 to `seeds`, one at least. `progress` is told how many of how
/// many keys are done.
///
/// # Errors
/// Traces that cannot be read; nothing is replayed then.
pub fn backtest(
    folder: &Path,
    inject: Inject,
    seeds: u64,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Report, TraceError> {
    let work = keys(folder, 1..=seeds.max(1))?;
    let played = side_by_side(&work, progress, |key, seed| play(key, seed, inject));
    let played: Vec<(u64, &Key, &Played)> = work
        .iter()
        .zip(&played)
        .map(|((seed, key), played)| (*seed, key, played))
        .collect();
    let of = |seeds: RangeInclusive<u64>| {
        let played = played.iter().filter(|(seed, ..)| seeds.contains(seed));
        sum_up(
            &played
                .map(|&(_, key, played)| (key, played))
                .collect::<Vec<_>>(),
        )
    };
    let pooled = of(1..=seeds.max(1));
    let seeds: Vec<Figures> = (1..=seeds.max(1)).map(|seed| of(seed..=seed)).collect();
    let mut worst = seeds[0].clone();
    for figures in &seeds[1..] {
        worst = worst.worse(figures);
    }
    Ok(Report {
        pooled,
        worst,
        seeds,
    })
}

/// What one key's replays came to.
#[derive(Debug, Clone, Default)]
struct Played {
    harmless: Vec<Events>,
    thefts: Vec<Option<Outcome>>,
}

/// Does something with every key, on as many threads as there are processors; the result does not depend on their number.
fn side_by_side<T: Send + Clone + Default>(
    work: &[(u64, Key)],
    progress: &(dyn Fn(usize, usize) + Sync),
    act: impl Fn(&Key, u64) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let results = Mutex::new(vec![T::default(); work.len()]);
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((seed, key)) = work.get(at) else {
                        break;
                    };
                    let result = act(key, *seed);
                    if let Ok(mut results) = results.lock() {
                        results[at] = result;
                    }
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1, work.len());
                }
            });
        }
    });
    results.into_inner().unwrap_or_default()
}

/// The keys of the traces, split and priced by the chance of each seed.
fn keys(folder: &Path, seeds: RangeInclusive<u64>) -> Result<Vec<(u64, Key)>, TraceError> {
    let files = traces::files(folder)?;
    let mut keys = Vec::new();
    for seed in seeds {
        for file in &files {
            let traffic = file.traffic(seed)?;
            keys.extend(traffic.iter().filter_map(Key::new).map(|key| (seed, key)));
        }
    }
    match keys.is_empty() {
        true => Err(TraceError::None {
            path: folder.to_owned(),
        }),
        false => Ok(keys),
    }
}

fn play(key: &Key, seed: u64, inject: Inject) -> Played {
    if inject == Inject::Nothing {
        let harmless = vec![replay::harmless(key, &key.cost, |_, _| {})];
        let thefts = Vec::new();
        return Played { harmless, thefts };
    }
    let planned = planned(key, seed);
    let mut thefts = vec![None; planned.len()];
    let play_thefts = |at: usize, watch: &keyward_core::rules::anomaly::Watch| {
        for (theft, outcome) in planned.iter().zip(&mut thefts) {
            let Some(theft) = theft else { continue };
            if theft.asleep_from(key).unwrap_or(theft.start) == at {
                *outcome = Some(replay::theft(key, theft, watch.clone()));
            }
        }
    };
    let mut harmless = vec![replay::harmless(key, &key.cost, play_thefts)];
    for (theft, outcome) in planned.iter().zip(&mut thefts) {
        if let (Some(theft), Some(outcome)) = (theft, outcome) {
            outcome.compare(key, theft, &harmless[0]);
        }
    }
    for change in &Harmless::ALL[1..] {
        harmless.push(replay::harmless(key, &change.apply(key), |_, _| {}));
    }
    Played { harmless, thefts }
}

fn planned(key: &Key, seed: u64) -> [Option<Theft>; THEFTS.len()] {
    THEFTS.map(|kind| {
        let mut rng = chance::of(&key.name, kind.begins_as(), seed);
        Theft::of(kind, key, &mut rng)
    })
}

fn sum_up(played: &[(&Key, &Played)]) -> Figures {
    let months = |of: &dyn Fn(&Key) -> bool| -> f64 {
        let keys = played.iter().filter(|(key, _)| of(key));
        keys.map(|(key, _)| key.months()).sum()
    };
    let events = |change: usize, of: &dyn Fn(&Key) -> bool, count: fn(&Events) -> u32| -> f64 {
        let keys = played.iter().filter(|(key, _)| of(key));
        let counts = keys.filter_map(|(_, played)| played.harmless.get(change).map(count));
        f64::from(counts.sum::<u32>())
    };
    let all = |_: &Key| true;
    let regular = |key: &Key| key.habit == Habit::Regular;
    let kills: fn(&Events) -> u32 = Events::kills;
    let key_months = months(&all);
    let changes = played
        .first()
        .map_or(0, |(_, played)| played.harmless.len());
    let harmless = Harmless::ALL.into_iter().take(changes).enumerate();
    let again: Vec<Again> = played
        .iter()
        .flat_map(|(_, played)| played.thefts.iter().flatten())
        .filter_map(|outcome| outcome.again)
        .collect();
    let after = |what: &[Again]| {
        let count = again.iter().filter(|again| what.contains(again)).count();
        100.0 * count as f64 / again.len().max(1) as f64
    };
    Figures {
        keys: played.len(),
        key_months,
        false_kills_per_100_key_months: 100.0 * events(0, &all, kills) / key_months,
        regular_false_kills_per_100_key_months: 100.0 * events(0, &regular, kills)
            / months(&regular).max(1e-9),
        alerts_per_key_month: events(0, &all, Events::alerts) / key_months,
        harmless: harmless
            .map(|(at, change)| Kills {
                name: change.name(),
                kills_per_100_key_months: 100.0 * events(at, &all, kills) / key_months,
            })
            .collect(),
        thefts: thefts(played),
        second_kills_percent: after(&[Again::OfTheTheft]),
        own_second_kills_percent: after(&[Again::Anyway]),
    }
}

/// Keys with a baseline, of $10 a day or more, are told apart: others are too small for a multiple to be much money.
const BIG_KEY: f64 = 10.0;

fn thefts(played: &[(&Key, &Played)]) -> Vec<TheftFigures> {
    let mut figures = Vec::new();
    for (at, kind) in THEFTS.iter().enumerate() {
        let outcomes = |of: &dyn Fn(&Key) -> bool| -> Vec<Outcome> {
            let keys = played.iter().filter(|(key, _)| of(key));
            keys.filter_map(|(_, played)| *played.thefts.get(at)?)
                .collect()
        };
        let all = outcomes(&|_| true);
        if all.is_empty() {
            continue;
        }
        figures.push(TheftFigures::of(kind.name.to_owned(), &all));
        if kind.is_of_big_keys() {
            let big = |key: &Key| key.habit != Habit::Unlearned && key.daily_dollars() >= BIG_KEY;
            let name = format!("{}{}", kind.name, targets::OF_BIG_KEYS);
            figures.push(TheftFigures::of(name, &outcomes(&big)));
        }
    }
    figures
}
