//! Playing traffic to the detector.

use std::ops::Range;

use keyward_core::model::baseline::{Baseline, Place};
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

fn step(watch: &mut Watch, limits: &Limits, at: usize, counts: Counts) -> (bool, bool) {
    watch.advance(bucket(at), Reading::Known(counts));
    let judgement = watch.judge(limits);
    (judgement.kill.is_some(), judgement.alert.is_some())
}

/// Where kills and alerts fired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Events {
    /// Each bucket with a kill.
    pub(crate) kills: Vec<usize>,
    /// Each bucket with an alert.
    pub(crate) alerts: Vec<usize>,
    /// The first bucket that is counted.
    first: usize,
}

impl Events {
    /// How many times kills began; those less than a day apart are one.
    pub(crate) fn kills(&self) -> u32 {
        self.begun(&self.kills)
    }

    /// How many times alerts began.
    pub(crate) fn alerts(&self) -> u32 {
        self.begun(&self.alerts)
    }

    fn begun(&self, fired: &[usize]) -> u32 {
        begun(fired.iter().copied().filter(|&at| at >= self.first)).len() as u32
    }

    fn kills_within(&self, buckets: Range<usize>) -> bool {
        self.kills.iter().any(|at| buckets.contains(at))
    }
}

/// The first of each stretch; those less than a day apart are one.
pub(crate) fn begun(fired: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let (mut begun, mut last) = (Vec::new(), None);
    for at in fired {
        if last.replace(at).is_none_or(|last: usize| at - last > DAY) {
            begun.push(at);
        }
    }
    begun
}

/// Plays traffic without a theft; `at_start` sees the watch before each bucket.
pub(crate) fn harmless(key: &Key, cost: &[u64], mut at_start: impl FnMut(usize, &Watch)) -> Events {
    let mut watch = Watch::default();
    let mut events = Events {
        first: key.first,
        ..Events::default()
    };
    for (at, &cost) in cost.iter().enumerate() {
        at_start(at, &watch);
        let (kill, alert) = step(&mut watch, &key.limits, at, key.counts(at, cost));
        events.kills.extend(kill.then_some(at));
        events.alerts.extend(alert.then_some(at));
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
    /// What came within a day after the kill, where there was one.
    pub(crate) again: Option<Again>,
}

/// Whether a slot that was killed for a theft is killed a second time within a day, when only the rightful traffic goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// No.
    No,
    /// Yes, and the same day has a kill in the traffic as recorded: a false kill of the key's own.
    Anyway,
    /// Yes, and without the theft there is none.
    OfTheTheft,
}

impl Outcome {
    /// Tells second kills of the theft's from those that come without it as well.
    pub(crate) fn compare(&mut self, key: &Key, theft: &Theft, as_recorded: &Events) {
        let asleep = theft.asleep_from(key).is_some();
        let killed = theft.start + (self.minutes / 5.0) as usize - 1;
        let anyway = !asleep && as_recorded.kills_within(killed + 1..killed + 1 + DAY);
        if self.again == Some(Again::OfTheTheft) && anyway {
            self.again = Some(Again::Anyway);
        }
    }
}

/// The rightful use of a key from which a theft is made, and the stolen one.
struct Uses<'a> {
    key: &'a Key,
    theft: &'a Theft,
    /// From here on the rightful owner uses nothing.
    asleep: usize,
}

impl Uses<'_> {
    fn own(&self, at: usize) -> Counts {
        match at >= self.asleep {
            true => Counts::default(),
            false => self.key.counts(at, self.key.cost[at]),
        }
    }

    fn stolen(&self) -> impl Iterator<Item = (usize, Counts)> {
        let Self { key, theft, .. } = self;
        let mut rest = 0.0;
        let counts =
            move |(at, &cost): (usize, &u64)| (at, key.stolen(at, cost, theft.size(), &mut rest));
        (theft.start..).zip(&theft.stolen).map(counts)
    }
}

/// Plays a theft from its start on to the kill, and the day after it.
pub(crate) fn theft(key: &Key, theft: &Theft, mut watch: Watch) -> Outcome {
    let asleep = theft.asleep_from(key).unwrap_or(usize::MAX);
    let uses = Uses { key, theft, asleep };
    for at in asleep.min(theft.start)..theft.start {
        step(&mut watch, &key.limits, at, Counts::default());
    }
    let mut stolen = 0;
    for (at, more) in uses.stolen() {
        stolen += more.cost.0;
        let (kill, _) = step(&mut watch, &key.limits, at, uses.own(at) + more);
        if kill {
            let minutes = (at + 1 - theft.start) * 5;
            return Outcome {
                caught: true,
                minutes: minutes as f64,
                dollars: stolen as f64 / 1e6,
                again: Some(match killed_again(&uses, watch, at) {
                    true => Again::OfTheTheft,
                    false => Again::No,
                }),
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
fn killed_again(uses: &Uses<'_>, mut watch: Watch, killed: usize) -> bool {
    if watch.contained(bucket(killed)) == Settled::Rebuild {
        let last = watch.baseline().last().unwrap_or(bucket(0));
        let mut stolen = uses.stolen().peekable();
        let past = (0..=(last.0 - START) as usize).map(|at| {
            let more = stolen.next_if(|&(of, _)| of == at);
            let counts = uses.own(at) + more.map_or_else(Counts::default, |(_, more)| more);
            let place: Place = watch.memory().place(bucket(at));
            (bucket(at), Reading::Known(counts), place)
        });
        let baseline = Baseline::rebuilt(watch.baseline(), past);
        watch.set_baseline(baseline);
    }
    let key = uses.key;
    (killed + 1..(killed + 1 + DAY).min(key.cost.len()))
        .any(|at| step(&mut watch, &key.limits, at, uses.own(at)).0)
}

#[cfg(test)]
mod tests;
