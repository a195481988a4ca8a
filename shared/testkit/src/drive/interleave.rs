use std::future::poll_fn;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::task::Poll;

use fastrand::Rng;

use crate::gate::{Gate, Passed};

/// Something that happens beside other things.
pub struct Task<'a> {
    name: &'static str,
    work: Pin<Box<dyn Future<Output = ()> + 'a>>,
}

impl<'a> Task<'a> {
    /// Does `work`; is called `name` in schedules, as no other task is.
    pub fn new(name: &'static str, work: impl Future<Output = ()> + 'a) -> Self {
        let work = Box::pin(work);
        Self { name, work }
    }
}

/// One turn of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The task's name.
    pub task: &'static str,
    /// The call that it made; `None` where it only waited, began or ended.
    pub passed: Option<Passed>,
}

/// The calls of an interleaving in the order in which they were picked, each with its task, as one number.
#[derive(Debug, Default, Clone)]
pub struct Schedule {
    hasher: DefaultHasher,
    calls: usize,
}

impl Schedule {
    /// Adds a turn, if a call was made in it.
    pub fn add(&mut self, turn: &Turn) {
        if let Some(passed) = turn.passed {
            (turn.task, passed.call).hash(&mut self.hasher);
            self.calls += 1;
        }
    }

    /// The same for the same calls of the same tasks in the same order, and else another, but for chance.
    pub fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    /// How many calls there were.
    pub fn calls(&self) -> usize {
        self.calls
    }
}

/// Runs tasks side by side on one thread, each up to its next call at a time, in an order drawn from `chance`: the same
/// seed gives the same order. After one turn in `switch_one_in` a task is drawn anew; with 1 after every turn, with a
/// large number tasks make many calls in a row while others stand still. `after` sees every turn.
///
/// The tasks' ports pass `gate`, which was told to [take turns](Gate::take_turns); they wait for nothing else.
pub async fn interleave(
    gate: &Gate,
    chance: &mut Rng,
    switch_one_in: u32,
    tasks: Vec<Task<'_>>,
    mut after: impl FnMut(&Turn),
) {
    let mut waiting = tasks;
    let mut running = None;
    while !waiting.is_empty() {
        let next = match running {
            Some(running) if chance.u32(..switch_one_in.max(1)) != 0 => running,
            _ => chance.usize(..waiting.len()),
        };
        let task = &mut waiting[next];
        let name = task.name;
        let ended = poll_fn(|cx| Poll::Ready(task.work.as_mut().poll(cx).is_ready())).await;
        running = (!ended).then_some(next);
        if ended {
            drop(waiting.swap_remove(next));
        }
        after(&Turn {
            task: name,
            passed: gate.take_passed(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Fate, Losses};

    async fn turns(seed: u64, switch_one_in: u32) -> (Vec<Turn>, Schedule) {
        let gate = Gate::default();
        gate.take_turns(seed, Losses::default());
        let task = |name| {
            let gate = &gate;
            Task::new(name, async move {
                for call in ["a", "b", "c"] {
                    gate.act(call).await;
                }
            })
        };
        let mut chance = Rng::with_seed(seed);
        let mut turns = Vec::new();
        let mut schedule = Schedule::default();
        let tasks = vec![task("one"), task("two")];
        interleave(&gate, &mut chance, switch_one_in, tasks, |turn| {
            schedule.add(turn);
            turns.push(*turn);
        })
        .await;
        (turns, schedule)
    }

    #[tokio::test]
    async fn a_seed_gives_one_schedule_and_seeds_give_many() {
        let mut digests = Vec::new();
        for seed in 0..20 {
            let (first, schedule) = turns(seed, 1).await;
            assert_eq!(schedule.calls(), 6);
            assert_eq!(turns(seed, 1).await.0, first);
            digests.push(schedule.digest());
        }
        digests.sort_unstable();
        digests.dedup();
        assert!(digests.len() > 5, "{digests:?}");
    }

    #[tokio::test]
    async fn a_schedule_is_its_calls_and_their_tasks_in_order() {
        let made = |calls: &[(&'static str, Option<&'static str>)]| {
            let mut schedule = Schedule::default();
            for (task, call) in calls {
                let passed = call.map(|call| Passed {
                    call,
                    fate: Fate::Done,
                });
                schedule.add(&Turn { task, passed });
            }
            schedule.digest()
        };
        let one = made(&[("one", Some("a")), ("two", Some("a"))]);
        for (name, calls, same) in [
            (
                "a turn without a call",
                vec![("one", Some("a")), ("one", None), ("two", Some("a"))],
                true,
            ),
            (
                "another order",
                vec![("two", Some("a")), ("one", Some("a"))],
                false,
            ),
            (
                "another call",
                vec![("one", Some("a")), ("two", Some("b"))],
                false,
            ),
            (
                "another task",
                vec![("one", Some("a")), ("one", Some("a"))],
                false,
            ),
        ] {
            assert_eq!(made(&calls) == one, same, "{name}");
        }
    }

    #[tokio::test]
    async fn tasks_that_are_seldom_switched_make_many_calls_in_a_row() {
        for seed in 0..20 {
            let (turns, _) = turns(seed, u32::MAX).await;
            let switches = turns.windows(2).filter(|w| w[0].task != w[1].task).count();
            assert_eq!(switches, 1, "seed {seed}");
        }
    }
}
