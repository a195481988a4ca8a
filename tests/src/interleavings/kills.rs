//! What sets the kill switch off, and the kill switch.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::alarm::Transition;
use keyward_core::model::incident::{Evidence, OwnerId, TriggerId};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::Clock;
use keyward_core::rules::kill::{Kill, Trigger};
use keyward_core::usecases::Ports;
use keyward_core::usecases::kill::{Invocation, KillError, KillOrder, KillOutcome, kill};
use keyward_testkit::clock::ManualClock;

use super::plan::{Delivered, Ordered};
use super::scene::Scene;

/// How often Lambda tries an asynchronous invocation that fails:
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.
const TRIES: usize = 3;

/// The tasks that carry kills out.
pub(super) const KILL_SWITCHES: [&str; 2] = ["kill switch", "kill switch again"];

/// Messages about orders, on their way to the kill switch.
#[derive(Default)]
pub(super) struct Messages {
    waiting: Vec<KillOrder>,
    /// More may come.
    open: bool,
    /// Invocations that Lambda has given up on.
    pub(super) dead_letters: Vec<KillOrder>,
    invocations: usize,
}

impl Messages {
    /// Some are to come, or none.
    pub(super) fn new(open: bool) -> Self {
        Self {
            open,
            ..Self::default()
        }
    }
}

/// How many invocations of each kind are under way.
#[derive(Default)]
pub(super) struct UnderWay {
    pub(super) retiring: usize,
    pub(super) restoring: usize,
    killing: usize,
    /// createSecret, setSecret, testSecret, finishSecret.
    steps: [usize; 4],
}

impl UnderWay {
    fn of_step(&mut self, step: &str) -> &mut usize {
        let number = crate::support::STEPS.iter().position(|s| *s == step);
        &mut self.steps[number.expect("one of the four")]
    }

    pub(super) fn step_begins(&mut self, step: &str) {
        *self.of_step(step) += 1;
    }

    pub(super) fn step_ends(&mut self, step: &str) {
        *self.of_step(step) -= 1;
    }

    fn side_by_side(&self) -> Vec<&'static str> {
        let Self {
            retiring,
            restoring,
            killing,
            steps: [create, set, test, finish],
        } = *self;
        let all = [
            (create, "a kill beside createSecret"),
            (set, "a kill beside setSecret"),
            (test, "a kill beside testSecret"),
            (finish, "a kill beside finishSecret"),
            (retiring, "a kill beside retire"),
            (restoring, "a kill beside a restore"),
            (killing.saturating_sub(1), "a kill beside another"),
        ];
        let beside_restore = [
            (create + set + test + finish, "a rotation beside a restore"),
            (retiring, "retire beside a restore"),
            (restoring.saturating_sub(1), "a restore beside another"),
        ];
        let beside_kill = all.into_iter().filter(|_| killing > 0);
        let beside_restore = beside_restore.into_iter().filter(|_| restoring > 0);
        beside_kill
            .chain(beside_restore)
            .filter(|(n, _)| *n > 0)
            .map(|(_, what)| what)
            .collect()
    }
}

/// Time as an invocation of the kill switch knows it. Its waits are over when the clock says so or, since no time need
/// pass while others have their turns, after some turns: then the clock is moved.
pub(super) struct Turns {
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
        let (turns, by_clock) = {
            let mut chance = self.chance.lock().expect("not poisoned");
            ([5, 40, 40, 40][chance.usize(..4)], chance.u32(..4) == 0)
        };
        for _ in 0..turns {
            if by_clock && self.now() >= until {
                return;
            }
            tokio::task::yield_now().await;
        }
        let now = self.now();
        if now < until {
            self.clock.advance(until.duration_since(now));
        }
    }
}

impl Scene {
    /// The ports of the kill switch.
    pub(super) fn kill_ports(world: &crate::support::World, chance: Rng) -> Ports {
        let clock = Turns {
            clock: world.outside.clock.clone(),
            chance: Mutex::new(chance),
        };
        Ports {
            clock: Arc::new(clock),
            ..world.ports.clone()
        }
    }

    /// What sets the kill switch off happens, and messages about it are sent.
    pub(super) async fn orders(&self) {
        let mut once_more = Vec::new();
        for (number, ordered) in self.plan.orders.iter().enumerate() {
            self.wait(ordered.pause).await;
            if !self.plan.restores.is_empty() && self.once_in(3) {
                self.wait_for_a_restore().await;
            }
            let order = self.order(number, ordered);
            self.watch.borrow_mut().ordered(&order);
            self.send(&order);
            match ordered.delivered {
                Delivered::Once => {}
                Delivered::Twice => self.send(&order),
                Delivered::OnceMoreLater => once_more.push(order),
            }
            if number > 0 && !once_more.is_empty() && self.once_in(2) {
                let late = once_more.remove(self.draw(once_more.len()));
                self.send(&late);
            }
        }
        for order in once_more {
            self.wait(200).await;
            self.send(&order);
        }
        self.messages.borrow_mut().open = false;
    }

    /// Waits until somebody restores, though not for ever.
    async fn wait_for_a_restore(&self) {
        for _ in 0..300 {
            if self.under_way.borrow().restoring > 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    fn send(&self, order: &KillOrder) {
        self.messages.borrow_mut().waiting.push(order.clone());
    }

    fn order(&self, number: usize, ordered: &Ordered) -> KillOrder {
        let seen = self.world.outside.clock.now() - ordered.age;
        let cause = OutsideText::new("cost per hour 3.1 times the baseline");
        let by_hand = || KillOrder {
            slot: self.world.slot.clone(),
            trigger: TriggerId::new(&format!("order {number}")),
            evidence: ordered.evidence,
            cause: cause.clone(),
            seen,
            figures: ordered.figures,
        };
        let arn = format!("arn:aws:cloudwatch:us-east-1:111122223333:alarm:kill-{number}");
        let trigger = match ordered.evidence {
            Evidence::Alarm | Evidence::UncheckedAlarm => {
                Trigger::Alarm(Transition::new(arn.parse().expect("an ARN"), seen))
            }
            // Two judgements of one minute would be one.
            Evidence::Monitor => {
                let judged = seen - SignedDuration::from_millis(number as i64);
                Trigger::Monitor(self.world.slot.clone(), judged)
            }
            Evidence::Cap
            | Evidence::Leak
            | Evidence::Person
            | Evidence::Offboarding
            | Evidence::CutUnrecorded => return by_hand(),
        };
        KillOrder::from(Kill {
            slot: self.world.slot.clone(),
            trigger,
            evidence: ordered.evidence,
            cause: cause.clone(),
            figures: ordered.figures,
        })
    }

    /// The kill switch takes messages in any order.
    pub(super) async fn kill_switch(&self) {
        while self.are_messages_to_come() {
            let waiting = self.messages.borrow().waiting.len();
            if waiting == 0 {
                tokio::task::yield_now().await;
                continue;
            }
            let order = self.draw(waiting);
            let order = self.messages.borrow_mut().waiting.remove(order);
            self.carry_out_order(&order).await;
        }
    }

    fn are_messages_to_come(&self) -> bool {
        let messages = self.messages.borrow();
        messages.open || !messages.waiting.is_empty()
    }

    /// Whether kills are under way or to come.
    pub(super) fn are_kills_to_come(&self) -> bool {
        self.are_messages_to_come() || self.under_way.borrow().killing > 0
    }

    /// One message, as often as Lambda tries.
    async fn carry_out_order(&self, order: &KillOrder) {
        for _ in 0..TRIES {
            let owner = {
                let mut messages = self.messages.borrow_mut();
                messages.invocations += 1;
                OwnerId::new(&format!("kill switch {}", messages.invocations))
            };
            let invocation = Invocation {
                owner,
                deadline: self.world.deadline(),
            };
            self.under_way.borrow_mut().killing += 1;
            self.note_what_is_side_by_side();
            let outcome = self
                .invoke(kill(&self.kill_ports, order, &invocation))
                .await;
            self.under_way.borrow_mut().killing -= 1;
            if outcome.is_some_and(|outcome| self.is_taken(order, &outcome)) {
                return;
            }
            self.wait(40).await;
        }
        self.note("kill: left to the dead-letter queue");
        self.messages.borrow_mut().dead_letters.push(order.clone());
    }

    /// Whether the kill switch has done what it can about an order; else it is given again.
    pub(super) fn is_taken(
        &self,
        order: &KillOrder,
        outcome: &Result<KillOutcome, KillError>,
    ) -> bool {
        let (what, taken) = match outcome {
            Ok(KillOutcome::Contained(_)) => ("kill: contained", true),
            Ok(KillOutcome::Unfinished(_)) => ("kill: unfinished", true),
            Ok(KillOutcome::Unrecorded(_)) => ("kill: without the inventory", false),
            Ok(KillOutcome::Attached) => ("kill: attached", true),
            Ok(KillOutcome::Over) => ("kill: over", true),
            Ok(KillOutcome::OfDeadKeys) => ("kill: of dead keys", true),
            Ok(KillOutcome::Observed) => ("kill: observed", true),
            Ok(KillOutcome::Untold) => ("kill: nobody could be told", false),
            Ok(KillOutcome::NoSuchSlot) => panic!("the slot exists"),
            Err(KillError::Late) => ("kill: too late", false),
            Err(KillError::Inventory(_)) => ("kill: inventory error", false),
        };
        self.note(what);
        if let Ok(outcome) = outcome {
            self.watch.borrow_mut().came_to(order, outcome);
        }
        taken
    }

    /// Takes down what is under way at the same time.
    pub(super) fn note_what_is_side_by_side(&self) {
        for what in self.under_way.borrow().side_by_side() {
            self.note(what);
        }
    }

    /// A part of the outside is down for a while.
    pub(super) async fn outage(&self) {
        self.wait(200).await;
        self.gate.act("outage: begins").await;
        self.gate.down(self.plan.outage);
        self.wait(120).await;
        self.gate.act("outage: ends").await;
        self.gate.down(None);
    }
}
