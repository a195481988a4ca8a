//! What a restore has the kill switch do: orders whose answers are lost, that come late, or that nothing stands behind.

use std::sync::Mutex;

use async_trait::async_trait;
use keyward_core::model::act_order::{ActOrder, LimitedKeys};
use keyward_core::model::slot::Epoch;
use keyward_core::ports::{ActOrderError, ActOrders, ActOutcome, CapSet, Fence};

use super::*;

/// A kill switch that cannot be heard, or that does not even hear.
struct Unheard {
    switch: KillSwitchHere,
    hears: bool,
    given: Mutex<Vec<ActOrder>>,
}

impl Unheard {
    fn on(world: &World, hears: bool) -> Self {
        Self {
            switch: KillSwitchHere::on(&world.open),
            hears,
            given: Mutex::default(),
        }
    }

    fn given(&self) -> Vec<ActOrder> {
        self.given.lock().unwrap().clone()
    }
}

#[async_trait]
impl ActOrders for Unheard {
    async fn carry_out(&self, order: &ActOrder) -> Result<ActOutcome, ActOrderError> {
        self.given.lock().unwrap().push(order.clone());
        if self.hears {
            self.switch.carry_out(order).await?;
        }
        Err(ActOrderError::Unknown("the answer was lost".into()))
    }
}

async fn restore_by(world: &World, orders: &dyn ActOrders) -> Result<RestoreOutcome, RestoreError> {
    let invocation = invocation(world.open.clock.as_ref(), "restorer");
    let order = order(world, Some(Wanted::Newest));
    let says = Says(Some(AlarmState::Ok));
    restore(&world.open, orders, &says, &order, &invocation).await
}

/// Whether the key came back is not known then, and it is not cut off at once: the order may be on its way still.
#[tokio::test]
async fn a_key_whose_resuming_was_not_answered_is_cut_off_when_its_lease_is_over() {
    for hears in [true, false] {
        let (world, key) = killed(&Arc::default(), Evidence::Person).await;
        let unheard = Unheard::on(&world, hears);
        let failed = restore_by(&world, &unheard).await;
        assert!(
            matches!(failed, Err(RestoreError::KillSwitch(_))),
            "{failed:?}"
        );
        assert_eq!(
            unheard.given().len(),
            1,
            "no taking back: {:?}",
            unheard.given()
        );
        assert_eq!(world.outside.provider.accepts(&key), hears);
        assert!(version(&world, VersionState::Restoring).await.is_some());

        world.pass(TIMEOUT);
        world.live_through(SignedDuration::from_mins(10)).await;
        assert!(!world.outside.provider.accepts(&key));
        assert_eq!(version(&world, VersionState::Restoring).await, None);

        // The order arrives after all.
        let late = KillSwitchHere::on(&world.open);
        let outcome = late.carry_out(&unheard.given()[0]).await.unwrap();
        assert_eq!(outcome, ActOutcome::Overtaken);
        assert!(!world.outside.provider.accepts(&key));
        let restored = restored(&world, Some(Wanted::Newest)).await;
        assert!(restored.key.is_some());
    }
}

/// An order that is given twice, since its answer was lost on the way, cuts off no key that is back by the other one.
#[tokio::test]
async fn a_key_that_is_back_by_the_same_order_stays_so() {
    let mut looks_again = 0;
    for is_back in [false, true] {
        let gate = Arc::new(Gate::default());
        let (world, key) = killed(&gate, Evidence::Person).await;
        let unheard = Unheard::on(&world, false);
        restore_by(&world, &unheard).await.unwrap_err();
        let order = unheard.given().remove(0);
        let switch = KillSwitchHere::on(&world.ports);
        match is_back {
            false => gate.record(),
            true => {
                let restoring = version(&world, VersionState::Restoring).await.unwrap();
                let inventory = world.outside.inventory.clone();
                gate.before(looks_again, async move {
                    let back = restoring.become_state(VersionState::Current).unwrap();
                    let saved = inventory.save_versions(&[back], Fence::None).await;
                    saved.unwrap();
                });
            }
        }
        let outcome = switch.carry_out(&order).await.unwrap();
        let (calls, before) = gate.disarm();
        assert_eq!(outcome, ActOutcome::Resumed);
        assert!(world.outside.provider.accepts(&key));
        let looks = calls.iter().rposition(|call| *call == "inventory.versions");
        looks_again = looks.unwrap();
        assert_eq!(before.is_some(), is_back);
    }
}

/// The record says what is being restored; an order alone brings nothing back.
#[tokio::test]
async fn a_key_that_nobody_is_restoring_is_not_resumed() {
    let (world, key) = killed(&Arc::default(), Evidence::Person).await;
    let switch = KillSwitchHere::on(&world.open);
    let contained = version(&world, VersionState::Contained).await.unwrap();
    let until = world.deadline().0;
    let resume = ActOrder::Resume {
        slot: world.slot.clone(),
        version: contained.id.clone(),
        until,
    };
    assert_eq!(
        switch.carry_out(&resume).await.unwrap(),
        ActOutcome::Overtaken
    );

    // It is being restored, but not in the epoch that the slot is in.
    let mut restoring = contained.become_state(VersionState::Restoring).unwrap();
    restoring.lease_until = Some(until);
    let inventory = &world.outside.inventory;
    let saved = inventory.save_versions(&[restoring], Fence::None).await;
    saved.unwrap();
    assert_eq!(
        switch.carry_out(&resume).await.unwrap(),
        ActOutcome::Overtaken
    );
    assert!(!world.outside.provider.accepts(&key));

    // What is taken back was leased for that.
    let ActOrder::Resume {
        slot, version: id, ..
    } = resume
    else {
        unreachable!("made above");
    };
    let other = ActOrder::TakeBack {
        slot,
        version: id,
        until: until + SignedDuration::from_secs(1),
    };
    assert_eq!(
        switch.carry_out(&other).await.unwrap(),
        ActOutcome::TakenBack
    );
    assert!(version(&world, VersionState::Restoring).await.is_some());
}

/// What is sent shortly before the lease ends could arrive after it.
#[tokio::test]
async fn a_key_is_not_resumed_at_the_end_of_its_lease() {
    let (world, key) = killed(&Arc::default(), Evidence::Person).await;
    let unheard = Unheard::on(&world, false);
    restore_by(&world, &unheard).await.unwrap_err();
    world.pass(TIMEOUT - SignedDuration::from_secs(29));
    let late = KillSwitchHere::on(&world.open);
    let outcome = late.carry_out(&unheard.given()[0]).await.unwrap();
    assert!(matches!(outcome, ActOutcome::Failed(_)), "{outcome:?}");
    assert!(!world.outside.provider.accepts(&key));
}

#[tokio::test]
async fn limits_are_not_set_of_a_slot_that_was_cut_off_meanwhile() {
    let world = rotated(&Arc::default()).await;
    let switch = KillSwitchHere::on(&world.open);
    let epoch = world.slot().await.epoch;
    for (epoch, is_set) in [(epoch, true), (Epoch(epoch.0 + 1), false)] {
        let order = ActOrder::SetLimits {
            slot: world.slot.clone(),
            epoch,
            keys: LimitedKeys::Current,
        };
        let outcome = switch.carry_out(&order).await.unwrap();
        match is_set {
            true => assert!(
                matches!(outcome, ActOutcome::Limits(CapSet::To(_))),
                "{outcome:?}"
            ),
            false => assert_eq!(outcome, ActOutcome::Overtaken),
        }
    }
}

/// A slot whose current key is recorded without its limit, and the order to set that.
async fn unlimited(gate: &Arc<Gate>) -> (World, ActOrder) {
    let world = rotated(gate).await;
    let mut current = version(&world, VersionState::Current).await.unwrap();
    current.cap = None;
    let inventory = &world.outside.inventory;
    let saved = inventory.save_versions(&[current], Fence::None).await;
    saved.unwrap();
    let order = ActOrder::SetLimits {
        slot: world.slot.clone(),
        epoch: world.slot().await.epoch,
        keys: LimitedKeys::Current,
    };
    (world, order)
}

#[tokio::test]
async fn limits_are_set_anew_where_somebody_else_writes_the_key_meanwhile() {
    let gate = Arc::new(Gate::default());
    let (world, order) = unlimited(&gate).await;
    gate.record();
    let switch = KillSwitchHere::on(&world.ports);
    switch.carry_out(&order).await.unwrap();
    let calls = gate.disarm().0;
    let written = calls.iter().position(|c| *c == "inventory.save_versions");
    let written = written.unwrap();

    let gate = Arc::new(Gate::default());
    let (world, order) = unlimited(&gate).await;
    let inventory = world.outside.inventory.clone();
    let slot = world.slot.clone();
    gate.before(written, async move {
        let versions = inventory.versions(&slot).await.unwrap();
        let is_current = |v: &Version| v.state == VersionState::Current;
        let current = versions.into_iter().find(is_current).unwrap();
        let saved = inventory.save_versions(&[current], Fence::None).await;
        saved.unwrap();
    });
    let switch = KillSwitchHere::on(&world.ports);
    let outcome = switch.carry_out(&order).await.unwrap();
    assert!(
        matches!(outcome, ActOutcome::Limits(CapSet::To(_))),
        "{outcome:?}"
    );
    assert_eq!(gate.disarm().1, Some("inventory.save_versions"));
    let current = version(&world, VersionState::Current).await.unwrap();
    assert!(current.cap.is_some());
}
