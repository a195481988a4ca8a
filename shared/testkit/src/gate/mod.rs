//! A gate that every port call passes: it counts calls, and can stop the caller before or after any of them, lose its
//! answer, let something else happen first, make all callers take turns, or take its time over each call.

mod monitor;
mod offboard;
mod ports;
mod provider;
mod slow;
mod usage;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard};

use fastrand::Rng;
use tokio::sync::Notify;

pub use monitor::gated_monitor;
pub use offboard::gated_offboarder;
pub use ports::{gated, gated_alarms, gated_metrics};
use slow::Slow;
pub use slow::{Timed, in_sequence};
pub use usage::gated_usage;

/// What is done to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The caller stops for good before the call.
    Before,
    /// The call has its effect; the caller stops for good without seeing the answer.
    After,
    /// The call has its effect; the caller sees an error and goes on.
    AnswerLost,
}

impl Cut {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Before, Self::After, Self::AnswerLost];
}

/// Something that happens when it is awaited.
pub type Event = Pin<Box<dyn Future<Output = ()> + Send>>;

/// See the module.
#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    stopped: Notify,
}

#[derive(Default)]
struct State {
    armed: bool,
    calls: Vec<&'static str>,
    cut: Option<(usize, Cut)>,
    event: Option<(usize, Event)>,
    fired: Option<&'static str>,
    turns: Option<Turns>,
    silent: Vec<&'static str>,
    slow: Option<Slow>,
}

struct Turns {
    chance: Rng,
    losses: Losses,
    down: Option<&'static str>,
    passed: Option<Passed>,
    under_way: Option<UnderWay>,
}

/// How often calls are lost: one in so many; 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Of those that make a key, store it, or move AWSCURRENT.
    pub making_one_in: u32,
    /// Of all others.
    pub other_one_in: u32,
}

/// A request that its sender takes for lost, and that may arrive yet.
pub struct UnderWay {
    /// The call's name.
    pub call: &'static str,
    /// Its effect.
    pub arrival: Event,
}

/// What happened to a call while all callers take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It had its effect, and its caller saw the answer.
    Done,
    /// It had its effect; its caller saw an error.
    AnswerLost,
    /// It had no effect so far; its caller saw an error.
    RequestLost,
}

/// A call that passed the gate while all callers take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// The call's name.
    pub call: &'static str,
    /// What happened to it.
    pub fate: Fate,
}

impl Turns {
    fn pass(&mut self, call: &'static str) -> Turn {
        let one_in = match call {
            ISSUE | PUT_PENDING | PROMOTE => self.losses.making_one_in,
            _ => self.losses.other_one_in,
        };
        let is_down = self.down.is_some_and(|part| call.starts_with(part));
        let lost = is_down || one_in > 0 && self.chance.u32(..one_in) == 0;
        let (fate, turn) = match (lost, lost && self.chance.bool()) {
            (false, _) => (Fate::Done, Turn::Go),
            (true, false) => (Fate::AnswerLost, Turn::Cut(Cut::AnswerLost)),
            (true, true) => (Fate::RequestLost, Turn::Silent),
        };
        self.passed = Some(Passed { call, fate });
        turn
    }
}

/// The call that makes a key.
pub const ISSUE: &str = "provider.issue";

/// The call that stores a key under AWSPENDING.
pub const PUT_PENDING: &str = "secrets.put_pending";

/// The call that moves AWSCURRENT.
pub const PROMOTE: &str = "secrets.promote";

enum Turn {
    Go,
    Cut(Cut),
    Silent,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    /// Counts from now on, and cuts nothing.
    pub fn record(&self) {
        *self.state() = State {
            armed: true,
            ..State::default()
        };
    }

    /// Counts from now on, and does `cut` to call number `at`, from zero.
    pub fn arm(&self, at: usize, cut: Cut) {
        *self.state() = State {
            armed: true,
            cut: Some((at, cut)),
            ..State::default()
        };
    }

    /// Counts from now on, and lets `event` happen before call number `at`, from zero.
    pub fn before(&self, at: usize, event: impl Future<Output = ()> + Send + 'static) {
        let event = Some((at, Box::pin(event) as Event));
        *self.state() = State {
            armed: true,
            event,
            ..State::default()
        };
    }

    /// From now on every call gives way to other tasks first, so that a task makes one in each of its turns; and some,
    /// drawn from `seed`, are lost: the answer, or the request itself.
    pub fn take_turns(&self, seed: u64, losses: Losses) {
        let chance = Rng::with_seed(seed);
        *self.state() = State {
            turns: Some(Turns {
                chance,
                losses,
                down: None,
                passed: None,
                under_way: None,
            }),
            ..State::default()
        };
    }

    /// While callers take turns: from now on every call whose name begins with `part` is lost; with `None`, none is but
    /// by chance.
    pub fn down(&self, part: Option<&'static str>) {
        if let Some(turns) = &mut self.state().turns {
            turns.down = part;
        }
    }

    /// Gives way to other tasks, and to the other calls that the same task makes at once: one call passes in a turn.
    async fn give_way(&self) {
        loop {
            tokio::task::yield_now().await;
            let passed = self.state().turns.as_ref().and_then(|turns| turns.passed);
            if passed.is_none() {
                return;
            }
        }
    }

    /// While callers take turns: gives way to other tasks, and then counts as a call named `name` that is never lost.
    pub async fn act(&self, name: &'static str) {
        self.give_way().await;
        self.note(name);
    }

    /// While callers take turns: counts as a call named `name`, without giving way.
    pub fn note(&self, name: &'static str) {
        if let Some(turns) = &mut self.state().turns {
            turns.passed = Some(Passed {
                call: name,
                fate: Fate::Done,
            });
        }
    }

    /// While callers take turns: the call that passed since this was last asked.
    pub fn take_passed(&self) -> Option<Passed> {
        self.state().turns.as_mut()?.passed.take()
    }

    /// From now on the named calls have no effect and no answer, as often as they are made.
    pub fn silence(&self, calls: &[&'static str]) {
        *self.state() = State {
            silent: calls.to_vec(),
            ..State::default()
        };
    }

    /// Lets everything pass. Returns the names of the calls counted, and of the one that was cut.
    pub fn disarm(&self) -> (Vec<&'static str>, Option<&'static str>) {
        let state = std::mem::take(&mut *self.state());
        (state.calls, state.fired)
    }

    /// Runs `work` until it ends, or is stopped at a call: then `None`.
    pub async fn until_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stopped.notified() => None,
            done = work => Some(done),
        }
    }

    /// While callers take turns: the latest request to make or move something that was lost, unless it was taken before.
    pub fn take_under_way(&self) -> Option<UnderWay> {
        self.state().turns.as_mut()?.under_way.take()
    }

    async fn arrive(&self, name: &'static str) -> Turn {
        if self.state().turns.is_some() {
            self.give_way().await;
        }
        let (event, turn) = {
            let mut state = self.state();
            if let Some(turns) = &mut state.turns {
                return turns.pass(name);
            }
            if state.silent.contains(&name) {
                return Turn::Silent;
            }
            if !state.armed {
                return Turn::Go;
            }
            let number = state.calls.len();
            state.calls.push(name);
            let event = state
                .event
                .take_if(|(at, _)| *at == number)
                .map(|(_, event)| event);
            let cut = state
                .cut
                .filter(|(at, _)| *at == number)
                .map(|(_, cut)| cut);
            if event.is_some() || cut.is_some() {
                state.fired = Some(name);
            }
            (event, cut.map_or(Turn::Go, Turn::Cut))
        };
        if let Some(event) = event {
            event.await;
        }
        turn
    }

    async fn stop(&self) -> ! {
        self.stopped.notify_one();
        std::future::pending().await
    }

    /// Passes one call through; `lost` is what a caller sees whose answer was lost.
    pub(crate) async fn pass<T>(
        &self,
        name: &'static str,
        lost: impl FnOnce() -> T,
        call: impl Future<Output = T>,
    ) -> T {
        let timed = self.take_time(name).await;
        let done = self.pass_at_once(name, lost, call).await;
        self.took_time(timed);
        done
    }

    async fn pass_at_once<T>(
        &self,
        name: &'static str,
        lost: impl FnOnce() -> T,
        call: impl Future<Output = T>,
    ) -> T {
        match self.arrive(name).await {
            Turn::Go => call.await,
            Turn::Silent => lost(),
            Turn::Cut(Cut::Before) => self.stop().await,
            Turn::Cut(Cut::After) => {
                call.await;
                self.stop().await
            }
            Turn::Cut(Cut::AnswerLost) => {
                call.await;
                lost()
            }
        }
    }

    /// The same for a call that can still have its effect, `arrival`, after its sender has taken it for lost.
    pub(crate) async fn pass_or_delay<T>(
        &self,
        name: &'static str,
        lost: impl FnOnce() -> T,
        call: impl Future<Output = T>,
        arrival: impl Future<Output = ()> + Send + 'static,
    ) -> T {
        let lost = || {
            if let Some(turns) = &mut self.state().turns
                && turns
                    .passed
                    .is_some_and(|passed| passed.fate == Fate::RequestLost)
            {
                turns.under_way = Some(UnderWay {
                    call: name,
                    arrival: Box::pin(arrival),
                });
            }
            lost()
        };
        self.pass(name, lost, call).await
    }
}

/// The source of errors that a cut makes.
#[derive(Debug, thiserror::Error)]
#[error("the answer was lost")]
pub(crate) struct Lost;

#[cfg(test)]
mod tests;
