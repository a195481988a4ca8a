//! Interleavings: rotations, `retire`, people, the kill switch and time side by side, in an order drawn from a seed. Each port
//! call is a point at which any other task can go on. Everything happens in memory, on one thread, without real time:
//! the same seed gives the same calls in the same order.

mod functions;
mod incidents;
mod kills;
mod many;
mod people;
mod plan;
mod rest;
mod restores;
mod scene;
mod served;
mod versions;
mod watch;

use std::collections::BTreeSet;

use fastrand::Rng;
use keyward_testkit::drive::{Schedule, Turn, interleave};

pub use many::{Broken, MUST_HAPPEN, Totals, many, one};
pub use plan::Plan;

/// What happened under one seed.
#[derive(Debug, Clone)]
pub struct Interleaving {
    /// The calls in their order.
    pub schedule: Schedule,
    /// The calls that were made and the things that happened, each once.
    pub seen: BTreeSet<&'static str>,
}

/// Lets one seed's tasks happen side by side, and checks the rules after each call and when work has come to rest.
/// `show` sees what is to happen, and then every turn.
///
/// # Panics
/// Where a rule is broken.
pub async fn play(seed: u64, show: &mut dyn FnMut(Shown<'_>)) -> Interleaving {
    let mut chance = Rng::with_seed(seed);
    let plan = Plan::draw(&mut chance);
    show(Shown::Plan(&plan));
    let (switch_one_in, losses) = (plan.switch_one_in, plan.losses);
    let scene = scene::Scene::set(plan, chance.fork()).await;
    scene.gate.take_turns(chance.u64(..), losses);
    let mut schedule = Schedule::default();
    interleave(
        &scene.gate,
        &mut chance,
        switch_one_in,
        scene.tasks(),
        |turn| {
            show(Shown::Turn(turn));
            for note in scene.take_notes() {
                show(Shown::Note(turn.task, note));
            }
            schedule.add(turn);
            scene.after(turn);
        },
    )
    .await;
    scene.gate.disarm();
    show(Shown::Rest);
    scene.come_to_rest().await;
    Interleaving {
        schedule,
        seen: scene.seen(),
    }
}

/// What is shown of an interleaving.
#[derive(Debug)]
pub enum Shown<'a> {
    /// What the seed lets happen.
    Plan(&'a Plan),
    /// One task has had its turn.
    Turn(&'a Turn),
    /// What came of something that a task did.
    Note(&'static str, &'static str),
    /// All tasks have ended; work comes to rest.
    Rest,
}
