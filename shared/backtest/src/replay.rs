//! Playing traffic to the detector.

use keyward_core::model::baseline::{Baseline, Place};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::usage::{Bucket, Counts, Reading};
use keyward_core::rules::anomaly::{Limits, Settled, Watch};

use crate::DAY;
use crate::key::Key;
use crate::scenarios::Theft;

/// Midnight of a Monday: 5 January 2026.
const START: u32 = 20_458 * Bucket::PER_DAY;

pub(crate) fn bucket(at: usize) -> Bucket {
    Bucket(START + at as u32)
}

fn reading(cost: u64) -> Reading {
    Reading::Known(Counts {
        cost: MicroDollars(cost),
        ..Counts::default()
    })
}

fn step(watch: &mut Watch, limits: &Limits, at: usize, cost: u64) -> (bool, bool) {
    watch.advance(bucket(at), reading(cost));
    let judgement = watch.judge(limits);
    (judgement.kill.is_some(), judgement.alert.is_some())
}

/// How many times kills and alerts began; firings less than a day apart are one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Events {
    pub(crate) kills: u32,
    pub(crate) alerts: u32,
}

#[derive(Debug, Default)]
struct Stretch(Option<usize>);

impl Stretch {
    fn begins(&mut self, fires: bool, at: usize) -> u32 {
        if !fires {
            return 0;
        }
        let before = self.0.replace(at);
        before.is_none_or(|before| at - before > DAY).into()
    }
}

/// Counts in traffic without a theft; `at_start` sees the watch before each bucket.
pub(crate) fn harmless(key: &Key, cost: &[u64], mut at_start: impl FnMut(usize, &Watch)) -> Events {
    let mut watch = Watch::default();
    let mut events = Events::default();
    let (mut kills, mut alerts) = (Stretch::default(), Stretch::default());
    for (at, &cost) in cost.iter().enumerate() {
        at_start(at, &watch);
        let (kill, alert) = step(&mut watch, &key.limits, at, cost);
        if at >= key.first {
            events.kills += kills.begins(kill, at);
            events.alerts += alerts.begins(alert, at);
        }
    }
    events
}

/// How a theft went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) caught: bool,
    /// Until the kill, or the end.
    pub(crate) minutes: f64,
    /// Stolen until then.
    pub(crate) dollars: f64,
    /// Whether the slot was killed again within a day, where it was played on.
    pub(crate) again: Option<bool>,
}

/// Plays a theft from its start on to the kill, and the day after it.
pub(crate) fn theft(key: &Key, theft: &Theft, mut watch: Watch) -> Outcome {
    let asleep = theft.asleep_from(key).unwrap_or(usize::MAX);
    let own = |at: usize| if at >= asleep { 0 } else { key.cost[at] };
    if asleep < theft.start {
        for at in asleep..theft.start {
            step(&mut watch, &key.limits, at, 0);
        }
    }
    let mut stolen = 0;
    for (&more, at) in theft.stolen.iter().zip(theft.start..) {
        stolen += more;
        let (kill, _) = step(&mut watch, &key.limits, at, own(at) + more);
        if kill {
            let minutes = (at + 1 - theft.start) * 5;
            return Outcome {
                caught: true,
                minutes: minutes as f64,
                dollars: stolen as f64 / 1e6,
                again: Some(killed_again(key, theft, watch, at, own)),
            };
        }
    }
    Outcome {
        caught: false,
        minutes: (theft.stolen.len() * 5) as f64,
        dollars: stolen as f64 / 1e6,
        again: None,
    }
}

/// Feeds the kill back: the stolen key is dead, the rightful traffic goes on.
fn killed_again(
    key: &Key,
    theft: &Theft,
    mut watch: Watch,
    killed: usize,
    own: impl Fn(usize) -> u64,
) -> bool {
    if watch.contained(bucket(killed)) == Settled::Rebuild {
        let last = watch.baseline().last().unwrap_or(bucket(0));
        let past = (0..=(last.0 - START) as usize).map(|at| {
            let stolen = at
                .checked_sub(theft.start)
                .and_then(|at| theft.stolen.get(at));
            let cost = own(at) + stolen.copied().unwrap_or(0);
            let place: Place = watch.memory().place(bucket(at));
            (bucket(at), reading(cost), place)
        });
        let baseline = Baseline::rebuilt(watch.baseline(), past);
        watch.set_baseline(baseline);
    }
    let day = killed + 1..(killed + 1 + DAY).min(key.cost.len());
    day.into_iter()
        .any(|at| step(&mut watch, &key.limits, at, own(at)).0)
}
