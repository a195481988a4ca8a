//! A gate that every port call passes: it counts calls, and can stop the caller before or after any of them, lose its
//! answer, let something else happen first, or make all callers take turns.

mod ports;
mod provider;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard};

use fastrand::Rng;
use tokio::sync::Notify;

pub use ports::gated;

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

type Event = Pin<Box<dyn Future<Output = ()> + Send>>;

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
}

struct Turns {
    chance: Rng,
    lose_one_in: u32,
}

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

    /// From now on every call gives way to other tasks first, and of one in `lose_one_in`, drawn from `seed`, the answer
    /// is lost; 0 loses none.
    pub fn take_turns(&self, seed: u64, lose_one_in: u32) {
        let chance = Rng::with_seed(seed);
        *self.state() = State {
            turns: Some(Turns {
                chance,
                lose_one_in,
            }),
            ..State::default()
        };
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

    async fn arrive(&self, name: &'static str) -> Turn {
        if self.state().turns.is_some() {
            tokio::task::yield_now().await;
        }
        let (event, turn) = {
            let mut state = self.state();
            if let Some(Turns {
                chance,
                lose_one_in,
            }) = &mut state.turns
            {
                let lose = *lose_one_in > 0 && chance.u32(..*lose_one_in) == 0;
                return if lose {
                    Turn::Cut(Cut::AnswerLost)
                } else {
                    Turn::Go
                };
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
}

/// The source of errors that a cut makes.
#[derive(Debug, thiserror::Error)]
#[error("the answer was lost")]
pub(crate) struct Lost;
