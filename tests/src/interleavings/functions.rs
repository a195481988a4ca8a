//! What AWS does: it invokes the functions, and time passes.

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::names::SecretVersionId;
use keyward_core::ports::{Clock, InventoryError, SecretError};
use keyward_core::rules::rotation::Refusal;
use keyward_core::usecases::rotate::{RotationError, StepOutcome};
use keyward_rotate::RotateError;
use keyward_testkit::gate::{ISSUE, UnderWay};

use super::scene::{ANEW, FIRST, Scene};
use crate::support::{STEPS, token};

/// How often Secrets Manager tries a rotation that fails.
const TRIES: usize = 4;

/// How often the clock is looked at.
const TICKS: usize = 40;

/// A request to create a key arrives at the provider so long after it was sent, at the latest.
const LATEST_CREATE: SignedDuration = SignedDuration::from_mins(50);

/// A request to move a label arrives so long after it was sent, at the latest.
const LATEST_MOVE: SignedDuration = SignedDuration::from_mins(5);

/// The task by which requests arrive late.
pub(super) const NETWORK: &str = "network";

/// An agent, with the key that it fetched.
struct Agent {
    key: String,
    fetched: Timestamp,
}

impl Scene {
    /// Secrets Manager carries out the rotation that is under way.
    pub(super) async fn rotation(&self) {
        self.carry_out(&token(FIRST)).await;
    }

    /// The four steps in their order, the whole again if one fails.
    async fn carry_out(&self, token: &SecretVersionId) {
        for _ in 0..TRIES {
            let mut done = true;
            for step in STEPS {
                done = done && self.step(step, token).await;
            }
            if done {
                return;
            }
            self.wait(20).await;
        }
    }

    /// One step; whether it succeeded.
    async fn step(&self, step: &str, token: &SecretVersionId) -> bool {
        self.under_way.borrow_mut().step_begins(step);
        self.note_what_is_side_by_side();
        let outcome = self.invoke(self.world.step(step, token)).await;
        self.under_way.borrow_mut().step_ends(step);
        let Some(outcome) = outcome else { return false };
        self.note(name_of(&outcome));
        if step == "finishSecret" && outcome.is_ok() {
            self.watch.borrow().served.finished(token);
        }
        outcome.is_ok()
    }

    /// Secrets Manager carries out the rotations that were asked for meanwhile.
    pub(super) async fn carry_out_as_asked(&self) {
        let mut idle = 0;
        while idle < 60 {
            idle = if self.are_kills_to_come() {
                0
            } else {
                idle + 1
            };
            for started in self.world.outside.secrets.take_started() {
                self.carry_out(&started.token).await;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Steps that come late, twice or out of order.
    pub(super) async fn late_steps(&self) {
        for _ in 0..self.plan.late_steps {
            self.wait(40).await;
            let step = STEPS[self.draw(STEPS.len())];
            let number = [2, FIRST, FIRST, FIRST, ANEW][self.draw(5)];
            self.step(step, &token(number)).await;
        }
    }

    /// Requests that their senders take for lost arrive late, or never.
    pub(super) async fn network(&self) {
        let clock = &self.world.outside.clock;
        for _ in 0..80 {
            tokio::task::yield_now().await;
            let Some(UnderWay { call, arrival }) = self.gate.take_under_way() else {
                continue;
            };
            let latest = if call == ISSUE {
                LATEST_CREATE
            } else {
                LATEST_MOVE
            };
            let latest = self.last_lost() + latest;
            self.wait(60).await;
            if clock.now() < latest && self.once_in(2) {
                self.gate.note(call);
                arrival.await;
                self.note("a request that was taken for lost arrived");
            }
        }
    }

    /// EventBridge wakes `retire`.
    pub(super) async fn retire(&self) {
        let world = &self.world;
        for _ in 0..6 {
            let run = crate::support::retire_due(&world.ports, &world.confirm, world.deadline());
            self.under_way.borrow_mut().retiring += 1;
            self.note_what_is_side_by_side();
            self.invoke(run).await;
            self.under_way.borrow_mut().retiring -= 1;
            self.wait(10).await;
        }
    }

    /// Time passes, while two agents call with the keys that they fetch.
    pub(super) async fn time(&self) {
        let mut agents: Vec<Agent> = (0..2).map(|_| self.fetch()).collect();
        let refresh = self.world.slot().await.policy.refresh;
        for _ in 0..TICKS {
            self.gate.act("time passes").await;
            self.world.pass(self.until_next_tick());
            let agent = self.draw(agents.len());
            let agent = &mut agents[agent];
            let now = self.world.outside.clock.now();
            if now.duration_since(agent.fetched) >= refresh || self.once_in(20) {
                *agent = self.fetch();
            }
            let works = self.provider.call(&agent.key);
            self.watch.borrow().agent_called(&agent.key, works);
        }
    }

    fn fetch(&self) -> Agent {
        Agent {
            key: self.world.current_key(),
            fetched: self.world.outside.clock.now(),
        }
    }

    fn until_next_tick(&self) -> SignedDuration {
        let pace = self.plan.pace;
        if self.once_in(pace.leap_one_in) {
            return SignedDuration::from_mins(30 + 60 * self.draw(26) as i64);
        }
        SignedDuration::from_secs(self.draw(pace.most.as_secs() as usize + 1) as i64)
    }
}

/// How a step ended, in the words that are counted.
fn name_of(outcome: &Result<StepOutcome, RotateError>) -> &'static str {
    let error = match outcome {
        Ok(StepOutcome::Done) => return "step: done",
        Ok(StepOutcome::AlreadyDone) => return "step: already done",
        Ok(StepOutcome::TestedOnly) => return "step: tested only",
        Err(RotateError::Event(_)) => return "step: no rotation event",
        Err(RotateError::Step(error)) => error,
    };
    match error {
        RotationError::Refused(Refusal::UnknownToken(_)) => "step: refused, unknown token",
        RotationError::Refused(Refusal::NotPending { .. }) => "step: refused, not pending",
        RotationError::Refused(Refusal::RotationOff) => "step: refused, rotation off",
        RotationError::Refused(Refusal::TooSoon(_)) => "step: refused, too soon",
        RotationError::Refused(_) => "step: refused, other",
        RotationError::InProgress { .. } => "step: in progress elsewhere",
        RotationError::NothingPending { .. } => "step: nothing pending",
        RotationError::ForeignValue { .. } => "step: foreign value",
        RotationError::Spent { .. } => "step: spent",
        RotationError::CutOff { .. } => "step: cut off",
        RotationError::NotTested => "step: not tested",
        RotationError::NotAcceptedYet { .. } => "step: not accepted",
        RotationError::Secret(SecretError::Moved) => "step: label moved meanwhile",
        RotationError::Secret(_) => "step: secret error",
        RotationError::Inventory(InventoryError::Conflict) => "step: conflict",
        RotationError::Inventory(InventoryError::Fenced(_)) => "step: fenced",
        RotationError::Inventory(InventoryError::Taken { .. }) => "step: key taken",
        RotationError::Inventory(_) => "step: inventory error",
        RotationError::Provider(_) => "step: provider error",
        RotationError::Transition(_) => "step: illegal transition",
        RotationError::OtherUnderWay | RotationError::UnderWay => "step: still being made",
        RotationError::MadeRoom { .. } => "step: made room",
        RotationError::RevokeUnderWay { .. } => "step: a revoke under way",
        RotationError::InUseUnknown { .. } => "step: idle key unknown",
        RotationError::WiderThanAsked(_) => "step: wider than asked",
        RotationError::OutOfTime => "step: too little time",
        RotationError::CapNotKept => "step: cap not kept",
        RotationError::PoolEmpty { .. }
        | RotationError::NoPool { .. }
        | RotationError::PoolDocument(_) => "step: no key in the pool",
        RotationError::Document(_)
        | RotationError::WrongProvider { .. }
        | RotationError::NoSlot { .. }
        | RotationError::UnknownSlot { .. }
        | RotationError::BadSlotTag(_)
        | RotationError::OutOfScope { .. }
        | RotationError::Admin(_) => "step: other error",
    }
}
