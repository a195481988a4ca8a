//! Named persons who bring back what a kill took away.

use async_trait::async_trait;
use jiff::SignedDuration;
use keyward_core::model::act::CallerArn;
use keyward_core::model::alarm::{AlarmArn, AlarmState};
use keyward_core::model::incident::OwnerId;
use keyward_core::model::slot::{Slot, SlotState};
use keyward_core::ports::{AlarmStates, InventoryError};
use keyward_core::usecases::kill::Invocation;
use keyward_core::usecases::restore::{
    AlarmCounts, Refused, RestoreError, RestoreOrder, RestoreOutcome, Second, Wanted, restore,
};

use keyward_testkit::memory::KillSwitchHere;

use super::plan::Restoring;
use super::scene::Scene;

/// The tasks by which people restore.
pub(super) const RESTORERS: [&str; 2] = ["restore", "restore again"];

/// How often a person tries.
const TRIES: usize = 3;

/// A restore may bring a key back so long after it recorded that it would: its function's time, and the moment that
/// Lambda takes to end it.
pub(super) const AT_WORK: SignedDuration = SignedDuration::from_secs(5 * 60 + 2);

/// CloudWatch, by which every alarm is OK again.
struct AllOk;

#[async_trait]
impl AlarmStates for AllOk {
    async fn state(&self, _: &AlarmArn) -> Option<AlarmState> {
        Some(AlarmState::Ok)
    }
}

impl Scene {
    /// One person restores what was cut off.
    pub(super) async fn restorer(&self, number: usize) {
        let mut invocations = 0;
        for wanted in self.plan.restores.iter().skip(number).step_by(2) {
            self.wait(wanted.pause).await;
            for _ in 0..TRIES {
                invocations += 1;
                let owner = OwnerId::new(&format!("{} {invocations}", RESTORERS[number]));
                if self.restore_once(wanted, owner).await {
                    break;
                }
                self.wait(60).await;
            }
        }
    }

    /// One request; whether the person is content.
    async fn restore_once(&self, wanted: &Restoring, owner: OwnerId) -> bool {
        let invocation = Invocation {
            owner,
            deadline: self.world.deadline(),
        };
        let order = RestoreOrder {
            slot: self.world.slot.clone(),
            key: wanted.key.then_some(Wanted::Newest),
            alarm: AlarmCounts::Yes,
            by: CallerArn::new("arn:aws:iam::111122223333:user/ana"),
            second: Second::NotNeeded,
        };
        self.under_way.borrow_mut().restoring += 1;
        self.note_what_is_side_by_side();
        let switch = KillSwitchHere::on(&self.kill_ports);
        let work = restore(&self.kill_ports, &switch, &AllOk, &order, &invocation);
        let outcome = self.invoke(work).await;
        self.under_way.borrow_mut().restoring -= 1;
        let Some(outcome) = outcome else { return false };
        self.note(name_of(&outcome));
        if let Ok(RestoreOutcome::Restored(restored)) = &outcome {
            self.was_restored(&restored.slot);
        }
        outcome.is_ok()
    }

    /// The slot is lifted, unless it was cut off or suspended since.
    fn was_restored(&self, slot: &Slot) {
        let stored = self.world.outside.inventory.all_slots().remove(0);
        assert!(
            stored.epoch > slot.epoch || stored.state == SlotState::Active,
            "rule 5: the slot is {:?} after a restore",
            stored.state
        );
    }
}

/// How a restore ended, in the words that are counted.
fn name_of(outcome: &Result<RestoreOutcome, RestoreError>) -> &'static str {
    match outcome {
        Ok(RestoreOutcome::Asked(_)) => "restore: asked",
        Ok(RestoreOutcome::Restored(restored)) => match restored.key {
            Some(_) => "restore: a key is back",
            None => "restore: the slot is lifted",
        },
        Err(RestoreError::Refused(refused)) => match refused {
            Refused::NothingToRestore(_) => "restore: refused, nothing to restore",
            Refused::NotContainedYet(_) => "restore: refused, not contained yet",
            Refused::CutOffAgain(_) => "restore: refused, cut off again",
            Refused::Deleted(_) => "restore: refused, deleted",
            Refused::Leaked => "restore: refused, leaked",
            Refused::Busy(_) => "restore: refused, somebody is at work",
            Refused::NotFetched => "restore: refused, not fetched",
            Refused::TextGone(_) => "restore: refused, text gone",
            Refused::NotContained { .. } => "restore: refused, not contained",
            Refused::CannotResume(_)
            | Refused::Decommissioned(_)
            | Refused::NoSuchVersion { .. }
            | Refused::StillInAlarm(_)
            | Refused::AlarmUnknown(_)
            | Refused::PoolEmpty { .. }
            | Refused::SamePerson(_) => panic!("nothing here leads to that: {refused}"),
        },
        Err(RestoreError::KilledMeanwhile) => "restore: a kill came meanwhile",
        Err(RestoreError::NotAccepted(_)) => "restore: not accepted",
        Err(RestoreError::Inventory(InventoryError::Conflict)) => "restore: conflict",
        Err(RestoreError::Inventory(InventoryError::Fenced(_))) => "restore: fenced",
        Err(RestoreError::Inventory(InventoryError::Unavailable(_))) => {
            "restore: the inventory is down"
        }
        Err(RestoreError::Inventory(error)) => panic!("nothing here leads to that: {error}"),
        Err(RestoreError::Provider(_)) => "restore: provider error",
        Err(RestoreError::NotResumed(_)) => "restore: the kill switch could not resume the key",
        Err(RestoreError::Secret(_)) => "restore: secret error",
        Err(
            error @ (RestoreError::Wider(_)
            | RestoreError::KillSwitch(_)
            | RestoreError::Transition(_)
            | RestoreError::Unknown(_)),
        ) => {
            panic!("nothing here leads to that: {error}")
        }
    }
}
