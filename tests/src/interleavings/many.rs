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
