use std::any::Any;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tokio::runtime::Builder;

use super::{Interleaving, Shown, play};

/// What a run of many seeds must have tried: the rules are hard to keep where these happen.
pub const MUST_HAPPEN: [&str; 54] = [
    "secrets.promote",
    "person: PutSecretValue",
    "person: PutSecretValue, unknown key",
    "person: CancelRotateSecret",
    "person: RotateSecret",
    "person: AWSCURRENT moved back",
    "person: AWSPENDING taken off",
    "crash",
    "out of time",
    "answer lost",
    "request lost",
    "a request that was taken for lost arrived",
    "outage: begins",
    "provider.delete",
    "step: done",
    "step: already done",
    "step: conflict",
    "step: fenced",
    "step: cut off",
    "step: spent",
    "step: in progress elsewhere",
    "step: not tested",
    "step: refused, unknown token",
    "a kill beside createSecret",
    "a kill beside setSecret",
    "a kill beside testSecret",
    "a kill beside finishSecret",
    "a kill beside retire",
    "a kill beside another",
    "kill: contained",
    "kill: unfinished",
    "kill: attached",
    "kill: over",
    "kill: of dead keys",
    "kill: observed",
    "kill: without the inventory",
    "kill: left to the dead-letter queue",
    "an incident resumed by retire",
    "an incident followed up by retire",
    "incident: a further trigger",
    "incident: made harder",
    "incident: replaced",
    "incident: a cut that was not recorded",
    "incident: loop guard",
    "provider.restore",
    "a kill beside a restore",
    "a rotation beside a restore",
    "retire beside a restore",
    "a restore beside another",
    "restore: a key is back",
    "restore: the slot is lifted",
    "restore: a kill came meanwhile",
    "restore: not accepted",
    "restore: refused, cut off again",
];

/// Fewer seeds need not try everything.
const MANY: u64 = 1000;

/// What many interleavings came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many seeds were tried.
    pub seeds: u64,
    /// How many different schedules there were among them.
    pub distinct: u64,
    /// How many calls were made in all.
    pub calls: u64,
    /// Under how many seeds each thing happened.
    pub seen: BTreeMap<&'static str, u64>,
}

impl Totals {
    /// Whether at least nine in ten schedules were different: then the seeds have tried what they claim.
    pub fn are_various(&self) -> bool {
        self.distinct * 10 >= self.seeds * 9
    }

    /// What should have happened and did not, in fewer than one seed in a thousand. Nothing is missed in a small run.
    pub fn missed(&self) -> Vec<&'static str> {
        let seldom = |what: &&str| self.seen.get(what).is_none_or(|n| n * 1000 < self.seeds);
        match self.seeds < MANY {
            true => Vec::new(),
            false => MUST_HAPPEN.into_iter().filter(seldom).collect(),
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seeds,
            distinct,
            calls,
            ..
        } = self;
        write!(
            f,
            "{seeds} interleavings of {calls} calls, {distinct} distinct"
        )
    }
}

/// A rule was broken under a seed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}: {why}\nreplay: cargo run -p keyward-tests --bin soak -- --seed {seed}")]
pub struct Broken {
    /// The seed.
    pub seed: u64,
    /// What was broken.
    pub why: String,
}

/// Plays one seed on this thread.
///
/// # Errors
/// [`Broken`]: a rule.
pub fn one(seed: u64, show: &mut dyn FnMut(Shown<'_>)) -> Result<Interleaving, Broken> {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let played = catch_unwind(AssertUnwindSafe(|| runtime.block_on(play(seed, show))));
    played.map_err(|panic| Broken {
        seed,
        why: words(panic.as_ref()),
    })
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

/// Plays every seed, on all processors, up to the first that breaks a rule.
///
/// # Errors
/// [`Broken`]: the lowest of the seeds that were found to break one.
pub fn many(seeds: Range<u64>) -> Result<Totals, Broken> {
    let next = AtomicU64::new(seeds.start);
    let broken: Mutex<Option<Broken>> = Mutex::new(None);
    let all: Mutex<(HashSet<u64>, Totals)> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            match one(seed, &mut |_| {}) {
                Ok(Interleaving { schedule, seen }) => {
                    let mut all = all.lock().expect("not poisoned");
                    all.0.insert(schedule.digest());
                    all.1.seeds += 1;
                    all.1.calls += schedule.calls() as u64;
                    for what in seen {
                        *all.1.seen.entry(what).or_default() += 1;
                    }
                }
                Err(found) => {
                    next.store(seeds.end, Ordering::Relaxed);
                    let mut broken = broken.lock().expect("not poisoned");
                    if broken.as_ref().is_none_or(|known| known.seed > seed) {
                        *broken = Some(found);
                    }
                    return;
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    if let Some(broken) = broken.into_inner().expect("not poisoned") {
        return Err(broken);
    }
    let (distinct, totals) = all.into_inner().expect("not poisoned");
    Ok(Totals {
        distinct: distinct.len() as u64,
        ..totals
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_in_ten_schedules_must_be_distinct() {
        for (distinct, enough) in [(10, true), (9, true), (8, false)] {
            let totals = Totals {
                seeds: 10,
                distinct,
                ..Totals::default()
            };
            assert_eq!(totals.are_various(), enough, "{distinct}");
        }
    }

    #[test]
    fn a_run_of_many_seeds_must_have_tried_everything() {
        let mut totals = Totals {
            seeds: 1000,
            seen: MUST_HAPPEN.into_iter().map(|what| (what, 1)).collect(),
            ..Totals::default()
        };
        assert_eq!(totals.missed(), [""; 0]);
        totals.seen.remove("kill: contained");
        assert_eq!(totals.missed(), ["kill: contained"]);
        totals.seeds = 2000;
        assert_eq!(totals.missed(), MUST_HAPPEN);
        totals.seeds = 999;
        assert_eq!(totals.missed(), [""; 0]);
    }

    #[test]
    fn what_is_broken_names_the_seed_and_how_to_play_it_again() {
        let panicked = catch_unwind(|| panic!("rule {}", 1)).unwrap_err();
        let why = words(panicked.as_ref());
        let broken = Broken { seed: 81, why }.to_string();
        assert!(broken.starts_with("seed 81: rule 1\n"), "{broken}");
        assert!(broken.ends_with("--seed 81"), "{broken}");
    }

    #[test]
    fn every_seed_is_played_once() {
        let totals = many(5..25).unwrap();
        assert_eq!((totals.seeds, totals.distinct), (20, 20));
        assert!(totals.calls > 20 * 20);
    }
}
