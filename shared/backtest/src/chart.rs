//! What is drawn of one key.

use std::path::Path;

use keyward_core::model::usage::{Bucket, Reading};
use keyward_core::rules::anomaly::{Finding, Foreseen, Hour, Past, foresee};

use crate::key::Key;
use crate::scenarios::Theft;
use crate::{Inject, TraceError, keys, planned, play, replay, side_by_side};

/// One key or slot: its hours, and what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chart {
    /// Whose.
    pub name: String,
    /// What else there is to say, in one line.
    pub about: String,
    /// How each hour ended, oldest first.
    pub hours: Vec<(Bucket, Hour)>,
    /// In order of time.
    pub events: Vec<Event>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Bucket,
    /// What it is.
    pub mark: Mark,
    /// In words.
    pub text: String,
}

/// How an event is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// The slot would have been cut off.
    Kill,
    /// People would have been told.
    Alert,
    /// A theft was put in here. It is not in the curve.
    Theft,
}

impl Mark {
    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Alert => "alert",
            Self::Theft => "theft",
        }
    }
}

impl Chart {
    /// Of what the rules would have done.
    pub fn new(name: String, about: String, foreseen: Foreseen) -> Self {
        let marked = |mark: Mark| {
            move |finding: Finding| Event {
                at: finding.at,
                mark,
                text: finding.to_string(),
            }
        };
        let kills = foreseen.kills.into_iter().map(marked(Mark::Kill));
        let told = foreseen.told.into_iter().map(marked(Mark::Alert));
        let mut events: Vec<Event> = kills.chain(told).collect();
        events.sort_by_key(|event| (event.at, event.mark));
        Self {
            name,
            about,
            hours: foreseen.hours,
            events,
        }
    }
}

/// The keys of a folder of traces as the first seed has them, those with kills first.
///
/// # Errors
/// As for [`backtest`](crate::backtest).
pub fn charts(
    folder: &Path,
    inject: Inject,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<Chart>, TraceError> {
    let work = keys(folder, 1..=1)?;
    let mut charts = side_by_side(&work, progress, |key, seed| chart(key, seed, inject));
    let kills = |chart: &Chart| {
        let kills = chart.events.iter().filter(|event| event.mark == Mark::Kill);
        std::cmp::Reverse(kills.count())
    };
    charts.sort_by_cached_key(|chart| (kills(chart), chart.name.clone()));
    Ok(charts)
}

fn chart(key: &Key, seed: u64, inject: Inject) -> Chart {
    let past = key.cost.iter().enumerate().map(|(at, &cost)| Past {
        bucket: replay::bucket(at),
        reading: Reading::Known(key.counts(at, cost)),
        models: Vec::new(),
    });
    let about = format!(
        "${:.2} a day, declared {}; counted from {}",
        key.daily_dollars(),
        key.limits.expected.daily,
        day(replay::bucket(key.first)),
    );
    let mut chart = Chart::new(key.name.clone(), about, foresee(&key.limits, past));
    if inject == Inject::All {
        let outcomes = play(key, seed, inject).thefts;
        let thefts = planned(key, seed).into_iter().zip(outcomes);
        let events = thefts.filter_map(|(theft, outcome)| Some(stolen(&theft?, outcome?)));
        chart.events.extend(events);
        chart.events.sort_by_key(|event| (event.at, event.mark));
    }
    chart
}

fn stolen(theft: &Theft, outcome: replay::Outcome) -> Event {
    let end = match outcome.caught {
        true => "stopped after",
        false => "never stopped;",
    };
    Event {
        at: replay::bucket(theft.start),
        mark: Mark::Theft,
        text: format!(
            "{}: {end} {:.0} minutes, ${:.2} gone",
            theft.kind.name, outcome.minutes, outcome.dollars
        ),
    }
}

/// The day of a bucket, UTC.
pub(crate) fn day(bucket: Bucket) -> String {
    bucket.begins().strftime("%Y-%m-%d").to_string()
}
