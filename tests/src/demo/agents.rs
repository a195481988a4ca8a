use keyward_core::ports::Clock;

use super::deployment::Deployment;
use super::timeline::Timeline;
use crate::support::agent_call;

/// The agents' processes: each holds a key, calls with it, and fetches it anew every 30 to 60 minutes.
pub(super) struct Agents {
    http: reqwest::Client,
    processes: Vec<Process>,
    chance: fastrand::Rng,
}

struct Process {
    slot: usize,
    key: String,
    next_fetch: i64,
    calls_every: i64,
    habit: Habit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Fetches as it should.
    Regular,
    /// Fetches far too seldom, until somebody restarts it.
    Straggler,
}

/// How often the straggler fetches, in minutes: longer than the overlap.
const STRAGGLER_FETCHES: i64 = 290;

impl Agents {
    pub(super) fn new(deployment: &Deployment) -> Self {
        let mut processes = Vec::new();
        for slot in 0..deployment.fleet.len() {
            for calls_every in [1, 3] {
                processes.push(Process {
                    slot,
                    key: String::new(),
                    next_fetch: 0,
                    calls_every,
                    habit: Habit::Regular,
                });
            }
        }
        // Of the slot at OpenRouter.
        processes[5].habit = Habit::Straggler;
        Self {
            http: deployment.http.clone(),
            processes,
            chance: fastrand::Rng::with_seed(7),
        }
    }

    /// One minute of every process: fetch if it is time to, call if it is time to.
    pub(super) async fn minute(
        &mut self,
        deployment: &Deployment,
        minute: i64,
        timeline: &mut Timeline<'_>,
    ) {
        for process in &mut self.processes {
            if process.next_fetch <= minute {
                let key = deployment.current_key(process.slot);
                if process.habit == Habit::Straggler
                    && !process.key.is_empty()
                    && process.key != key
                {
                    let agent = &deployment.fleet[process.slot].agent;
                    let at = deployment.clock.now();
                    timeline.line(
                        at,
                        &format!(
                            "{agent}: the process that fetches too seldom has its new key at last"
                        ),
                    );
                }
                process.key = key;
                process.next_fetch = minute
                    + match process.habit {
                        Habit::Regular => self.chance.i64(30..=60),
                        Habit::Straggler => STRAGGLER_FETCHES,
                    };
            }
            if minute % process.calls_every == 0 {
                agent_call(&self.http, deployment.simulator(process.slot), &process.key).await;
            }
        }
    }
}
