//! Offboarding beside rotations, `retire`, kills and other offboarding, in orders drawn from seeds.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::incident::{Evidence, Figures, TriggerId};
use keyward_core::model::offboarding::Leaver;
use keyward_core::model::slot::{Epoch, SlotState};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::Clock;
use keyward_core::usecases::Ports;
use keyward_core::usecases::kill::{KillOrder, kill};
use keyward_core::usecases::offboard::{Offboarder, carry_on, open};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::drive::{Task, interleave};
use keyward_testkit::gate::{Gate, Losses};
use keyward_testkit::memory::KillSwitchHere;
use keyward_tests::support::{STEPS, retire_due, say, token};

use super::scene::{Scene, agent, ana, person};

const SEEDS: u64 = 600;

/// What one seed lets happen.
struct Plan {
    leavers: Vec<Leaver>,
    kills: usize,
    retires: usize,
    rotations: usize,
    pace: u32,
    losses: Losses,
    switch_one_in: u32,
}

impl Plan {
    fn draw(chance: &mut Rng) -> Self {
        let all = [agent(), ana(), person("platform-team")];
        let leavers = all
            .into_iter()
            .filter(|_| chance.u32(..5) < 3)
            .collect::<Vec<_>>();
        Self {
            leavers: match leavers.is_empty() {
                true => vec![agent()],
                false => leavers,
            },
            kills: chance.usize(..3),
            retires: [0, 1, 2, 2][chance.usize(..4)],
            rotations: chance.usize(..2),
            pace: [1, 60, 60, 300][chance.usize(..4)],
            losses: Losses {
                making_one_in: 0,
                other_one_in: [0, 60, 20][chance.usize(..3)],
            },
            switch_one_in: [1, 1, 4][chance.usize(..3)],
        }
    }
}

/// A clock whose sleeps last some turns of others: a claim in time is one that others leave turns to.
struct Turns {
    clock: Arc<ManualClock>,
    chance: Mutex<Rng>,
}

#[async_trait]
impl Clock for Turns {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn sleep(&self, duration: SignedDuration) {
        let until = self.now() + duration;
        let turns = [5, 80, 80, 80][self.chance.lock().unwrap().usize(..4)];
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        let now = self.now();
        if now < until {
            self.clock.advance(until.duration_since(now));
        }
    }
}

struct Beside {
    scene: Scene,
    kill_ports: Ports,
    offboarder: Offboarder,
    chance: RefCell<Rng>,
}

impl Beside {
    fn draw(&self, most: usize) -> usize {
        self.chance.borrow_mut().usize(..most)
    }

    async fn wait(&self, most: usize) {
        for _ in 0..self.draw(most) {
            tokio::task::yield_now().await;
        }
    }

    async fn leave(&self, leaver: Leaver) {
        self.wait(60).await;
        let order = self.scene.order(leaver, "event-1");
        let clock = self.offboarder.ports.clock.clone();
        for _ in 0..3 {
            let _ = open(self.offboarder.cases.as_ref(), clock.as_ref(), &order).await;
        }
    }

    async fn offboard(&self) {
        for _ in 0..12 {
            self.wait(40).await;
            let _ = carry_on(&self.offboarder, &self.scene.invocation()).await;
        }
    }

    async fn retire(&self) {
        for _ in 0..14 {
            self.wait(20).await;
            let world = &self.scene.world;
            let _ = retire_due(&world.ports, &world.confirm, world.deadline()).await;
        }
    }

    async fn kill(&self, number: usize) {
        self.wait(120).await;
        let order = KillOrder {
            slot: self.scene.world.slot.clone(),
            trigger: TriggerId::new(&format!("person@{number}")),
            evidence: [Evidence::Person, Evidence::Monitor, Evidence::Leak][self.draw(3)],
            cause: OutsideText::new("ana: it is abused"),
            seen: self.scene.now(),
            figures: Figures::OfLiveKeys,
        };
        let _ = kill(&self.kill_ports, &order, &self.scene.invocation()).await;
    }

    async fn rotate(&self, number: u32) {
        self.wait(60).await;
        let world = &self.scene.world;
        for _ in 0..2 {
            for step in STEPS {
                if world.step(step, &token(number)).await.is_err() {
                    break;
                }
            }
            self.wait(20).await;
        }
    }

    async fn as_asked(&self) {
        for _ in 0..200 {
            for started in self.scene.outside().secrets.take_started() {
                for step in STEPS {
                    if self.scene.world.step(step, &started.token).await.is_err() {
                        break;
                    }
                }
            }
            tokio::task::yield_now().await;
        }
    }

    async fn time(&self, gate: &Gate, pace: u32) {
        for _ in 0..60 {
            gate.act("time passes").await;
            let seconds = self.chance.borrow_mut().u32(..=pace);
            self.scene
                .world
                .pass(SignedDuration::from_secs(seconds.into()));
        }
    }
}

/// Plays one seed, and says what happened, each thing once.
async fn play(seed: u64) -> Vec<&'static str> {
    let mut chance = Rng::with_seed(seed);
    let plan = Plan::draw(&mut chance);
    let gate = Arc::new(Gate::default());
    let scene = Scene::new(&gate).await;
    let old = scene.world.current_key();
    let kill_ports = Ports {
        clock: Arc::new(Turns {
            clock: scene.outside().clock.clone(),
            chance: Mutex::new(chance.fork()),
        }),
        ..scene.world.ports.clone()
    };
    let offboarder = Offboarder {
        orders: Arc::new(KillSwitchHere::on(&kill_ports)),
        ..scene.gated.clone()
    };
    let beside = Beside {
        scene,
        kill_ports,
        offboarder,
        chance: RefCell::new(chance.fork()),
    };
    if plan.rotations > 0 {
        beside
            .scene
            .outside()
            .secrets
            .begin_rotation(&beside.scene.world.secret, &token(3));
    }
    gate.take_turns(chance.u64(..), plan.losses);
    let mut tasks = vec![
        Task::new("offboard", beside.offboard()),
        Task::new("offboard again", beside.offboard()),
        Task::new("as asked", beside.as_asked()),
        Task::new("time", beside.time(&gate, plan.pace)),
    ];
    for (name, leaver) in ["one leaves", "another leaves", "a third leaves"]
        .into_iter()
        .zip(&plan.leavers)
    {
        tasks.push(Task::new(name, beside.leave(leaver.clone())));
    }
    for (name, number) in ["kill", "another kill"].into_iter().zip(0..plan.kills) {
        tasks.push(Task::new(name, beside.kill(number)));
    }
    for name in ["retire", "retire again"].into_iter().take(plan.retires) {
        tasks.push(Task::new(name, beside.retire()));
    }
    for name in ["rotation"].into_iter().take(plan.rotations) {
        tasks.push(Task::new(name, beside.rotate(3)));
    }
    let seen = RefCell::new(BTreeMap::<&'static str, ()>::new());
    let watched = RefCell::new(Watched::default());
    interleave(&gate, &mut chance, plan.switch_one_in, tasks, |turn| {
        if let Some(passed) = turn.passed {
            seen.borrow_mut().insert(passed.call, ());
        }
        watched.borrow_mut().look(&beside.scene, seed);
    })
    .await;
    gate.disarm();
    come_to_rest(&beside.scene, &plan, &old, seed).await;
    seen.into_inner().into_keys().collect()
}

/// What was so once, and must stay so.
#[derive(Default)]
struct Watched {
    closed_in: Option<Epoch>,
}

impl Watched {
    /// After every turn: a slot that is given up stays so, no key of it is promoted, and its secret goes only after its
    /// keys.
    fn look(&mut self, scene: &Scene, seed: u64) {
        let slot = scene.outside().inventory.all_slots().remove(0);
        if self.closed_in.is_some() {
            assert_eq!(slot.state, SlotState::Decommissioned, "seed {seed}");
        }
        if slot.state == SlotState::Decommissioned {
            self.closed_in.get_or_insert(slot.epoch);
            let versions = scene.outside().inventory.all_versions();
            let is_new =
                |v: &&keyward_core::model::version::Version| Some(v.epoch) >= self.closed_in;
            assert_eq!(
                versions.iter().find(is_new),
                None,
                "seed {seed}: no key is begun any more"
            );
        }
        if scene
            .outside()
            .secrets
            .recovery_days(&scene.world.secret)
            .is_some()
        {
            assert_eq!(
                scene.live(),
                0,
                "seed {seed}: rule 9, the secret went before its key"
            );
        }
    }
}

async fn come_to_rest(scene: &Scene, plan: &Plan, old: &str, seed: u64) {
    let context = format!("seed {seed}");
    for leaver in &plan.leavers {
        scene.open_case(leaver.clone(), "event-1").await;
    }
    let ends = plan.leavers.contains(&agent());
    scene
        .live_through(SignedDuration::from_hours(if ends { 4 } else { 30 }))
        .await;
    if ends {
        scene.live_through(SignedDuration::from_hours(2)).await;
    }
    for leaver in &plan.leavers {
        let case = scene.case(leaver).await;
        assert!(case.closed.is_some(), "{context}: {case:#?}");
        match leaver {
            Leaver::Agent(_) | Leaver::Slot(_) => scene.check_ended(leaver, &context).await,
            Leaver::Person(_) => {
                assert!(!scene.outside().provider.accepts(old), "{context}");
                assert!(scene.record(&case).is_complete(), "{context}");
            }
        }
    }
    let cases = scene.outside().inventory.all_offboardings();
    assert_eq!(
        cases.len(),
        plan.leavers.len(),
        "{context}: each leaving is one case"
    );
}

#[test]
fn whatever_happens_beside_it_the_keys_die_and_none_comes_back() {
    let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
    for seed in 0..SEEDS {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for what in runtime.block_on(play(seed)) {
            *seen.entry(what).or_default() += 1;
        }
    }
    for must in [
        "secrets.promote",
        "secrets.rotate_now",
        "inventory.open_incident",
        "inventory.save_slot",
        "provider.issue",
        "cases.save",
        "reads.reads",
    ] {
        let often = seen.get(must).copied().unwrap_or(0);
        assert!(often >= 3, "{must}: {often}");
    }
    say(format_args!("{SEEDS} seeds: {seen:?}"));
}

#[test]
fn a_seed_is_played_the_same_way_each_time() {
    let once = |seed| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(play(seed))
    };
    for seed in 0..5 {
        assert_eq!(once(seed), once(seed));
    }
}
