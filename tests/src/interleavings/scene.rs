use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::slot::Slot;
use keyward_core::ports::{Clock, Inventory};
use keyward_core::usecases::Ports;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::drive::{Task, Turn};
use keyward_testkit::gate::{Fate, Gate, ISSUE, PROMOTE, PUT_PENDING};
use keyward_testkit::memory::MemoryProvider;

use super::functions::NETWORK;
use super::kills::{KILL_SWITCHES, Messages, UnderWay};
use super::plan::{Before, Plan};
use super::restores::RESTORERS;
use super::watch::Watch;
use crate::support::{World, token};

/// The rotation that is under way when all begins.
pub(super) const FIRST: u32 = 3;

/// The rotation that a person starts instead of it.
pub(super) const ANEW: u32 = 4;

/// An invocation has crashed.
const CRASH: &str = "crash";

/// An invocation has used its time up.
const OUT_OF_TIME: &str = "out of time";

/// Lambda ends an invocation so long after the deadline that it is given.
const GRACE: SignedDuration = SignedDuration::from_secs(2);

/// One deployment, and what happens in it side by side.
pub(super) struct Scene {
    pub(super) plan: Plan,
    pub(super) world: World,
    pub(super) provider: Arc<MemoryProvider>,
    pub(super) gate: Arc<Gate>,
    pub(super) watch: RefCell<Watch>,
    pub(super) kill_ports: Ports,
    pub(super) messages: RefCell<Messages>,
    pub(super) under_way: RefCell<UnderWay>,
    chance: RefCell<Rng>,
    seen: RefCell<BTreeSet<&'static str>>,
    notes: RefCell<Vec<&'static str>>,
    last_lost: Cell<Timestamp>,
}

impl Scene {
    /// A deployment as `plan` wants it, with the first rotation begun.
    pub(super) async fn set(plan: Plan, mut chance: Rng) -> Self {
        let gate = Arc::new(Gate::default());
        let clock = Arc::new(ManualClock::start());
        let provider = Arc::new(MemoryProvider::new(clock.clone()));
        let world = World::with(&gate, clock, Box::new(provider.clone())).await;
        let slot = Slot {
            mode: plan.mode,
            ..world.slot().await
        };
        world.outside.inventory.save_slot(&slot).await.unwrap();
        match plan.before {
            Before::Registered(age) => world.pass(age),
            Before::Rotated(age) => {
                world.rotate(&token(2)).await.unwrap();
                world.pass(age);
            }
        }
        let secrets = &world.outside.secrets;
        secrets.begin_rotation(&world.secret, &token(FIRST));
        let watch = RefCell::new(Watch::begin(&world, provider.clone()));
        let kill_ports = Self::kill_ports(&world, chance.fork());
        let messages = RefCell::new(Messages::new(!plan.orders.is_empty()));
        Self {
            plan,
            world,
            provider,
            gate,
            watch,
            kill_ports,
            messages,
            under_way: RefCell::default(),
            chance: RefCell::new(chance),
            seen: RefCell::default(),
            notes: RefCell::default(),
            last_lost: Cell::default(),
        }
    }

    /// Everything that happens side by side.
    pub(super) fn tasks(&self) -> Vec<Task<'_>> {
        let plan = &self.plan;
        let mut tasks = Vec::new();
        for name in ["rotation", "rotation again"].iter().take(plan.deliveries) {
            tasks.push(Task::new(name, self.rotation()));
        }
        for name in ["retire", "retire again"].iter().take(plan.retires) {
            tasks.push(Task::new(name, self.retire()));
        }
        tasks.push(Task::new("time", self.time()));
        tasks.push(Task::new("Secrets Manager", self.carry_out_as_asked()));
        if plan.losses.making_one_in > 0 {
            tasks.push(Task::new(NETWORK, self.network()));
        }
        if !plan.acts.is_empty() {
            tasks.push(Task::new("person", self.person()));
        }
        if !plan.orders.is_empty() {
            tasks.push(Task::new("orders", self.orders()));
            for name in KILL_SWITCHES {
                tasks.push(Task::new(name, self.kill_switch()));
            }
        }
        for (number, name) in RESTORERS.into_iter().enumerate().take(plan.restores.len()) {
            tasks.push(Task::new(name, self.restorer(number)));
        }
        if plan.outage.is_some() {
            tasks.push(Task::new("outage", self.outage()));
        }
        if plan.late_steps > 0 {
            tasks.push(Task::new("late steps", self.late_steps()));
        }
        tasks
    }

    /// A number below `most`.
    pub(super) fn draw(&self, most: usize) -> usize {
        self.chance.borrow_mut().usize(..most)
    }

    /// True once in `n` times; never if `n` is 0.
    pub(super) fn once_in(&self, n: u32) -> bool {
        n > 0 && self.chance.borrow_mut().u32(..n) == 0
    }

    fn saw(&self, what: &'static str) {
        self.seen.borrow_mut().insert(what);
    }

    /// Takes down what came of something, for those who read the turns.
    pub(super) fn note(&self, what: &'static str) {
        self.saw(what);
        self.notes.borrow_mut().push(what);
    }

    /// What was noted in the last turn.
    pub(super) fn take_notes(&self) -> Vec<&'static str> {
        self.notes.take()
    }

    /// Takes down what a turn came to, and looks whether the rules hold.
    pub(super) fn after(&self, turn: &Turn) {
        if let Some(passed) = turn.passed {
            self.saw(passed.call);
            match passed.fate {
                Fate::Done => {}
                Fate::AnswerLost => self.saw("answer lost"),
                Fate::RequestLost => {
                    self.saw("request lost");
                    if [ISSUE, PUT_PENDING, PROMOTE].contains(&passed.call) {
                        self.last_lost.set(self.world.outside.clock.now());
                    }
                }
            }
        }
        let mut watch = self.watch.borrow_mut();
        watch.after(&self.world, turn);
        for what in watch.incidents.take_seen() {
            self.saw(what);
        }
        if let Some(passed) = turn.passed
            && turn.task.starts_with("retire")
        {
            match passed.call {
                "inventory.save_incident" => self.saw("an incident resumed by retire"),
                "inventory.follow_up" => self.saw("an incident followed up by retire"),
                _ => {}
            }
        }
    }

    /// When the latest request that may still arrive was sent.
    pub(super) fn last_lost(&self) -> Timestamp {
        self.last_lost.get()
    }

    /// What happened, each once.
    pub(super) fn seen(self) -> BTreeSet<&'static str> {
        self.seen.into_inner()
    }

    /// Waits for up to `most` turns.
    pub(super) async fn wait(&self, most: usize) {
        for _ in 0..self.draw(most.max(1)) {
            tokio::task::yield_now().await;
        }
    }

    /// One invocation of a function. Lambda ends it when its time is over; and it may crash between any two calls.
    /// `None` if it was ended.
    pub(super) async fn invoke<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let clock = &self.world.outside.clock;
        let end = self.world.deadline().0 + GRACE;
        let mut work = pin!(work);
        let mut begun = false;
        poll_fn(|cx| {
            if begun && clock.now() >= end {
                self.gate.note(OUT_OF_TIME);
                return Poll::Ready(None);
            }
            if begun && self.once_in(self.plan.crash_one_in) {
                self.gate.note(CRASH);
                return Poll::Ready(None);
            }
            begun = true;
            work.as_mut().poll(cx).map(Some)
        })
        .await
    }
}
