//! Every call of a restore cut off, and a kill before every call of it.

use std::pin::Pin;

use keyward_testkit::drive::{Point, Scenario, crash_at_every_call, disturb_before_every_call};
use keyward_tests::support::say;

use super::*;

/// Bringing a key back, before or after its replacement is in use.
struct BringBack {
    is_replaced: bool,
    kill_wins: bool,
}

impl BringBack {
    async fn slot_was_killed(&self, gate: &Arc<Gate>) -> World {
        let (world, _) = killed(gate, Evidence::Person).await;
        if self.is_replaced {
            world.live_through(SignedDuration::from_mins(30)).await;
        }
        world
    }
}

/// Whether the key that the first kill cut off is accepted.
pub(super) async fn old_key_works(world: &World) -> bool {
    let first = world
        .versions()
        .await
        .into_iter()
        .find(|v| v.id.secret_version == token(2));
    let handle = first.unwrap().handle.unwrap();
    let live = world.outside.provider.live();
    let record = world.outside.provider.driver().get(&handle).await.unwrap();
    record.is_some_and(|r| live.iter().any(|key| key.label == r.label.as_str()))
}

impl Scenario for BringBack {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        self.slot_was_killed(gate).await
    }

    async fn operation(&self, world: &World) {
        let _ = restore_on(&world.ports, &order(world, Some(Wanted::Newest)), None).await;
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("replaced {}, {point:?}", self.is_replaced);
        world.pass(TIMEOUT);
        world.live_through(SignedDuration::from_mins(10)).await;
        let works = old_key_works(world).await;
        assert_eq!(
            version(world, VersionState::Restoring).await,
            None,
            "{context}"
        );
        let of_old = world
            .versions()
            .await
            .into_iter()
            .find(|v| v.id.secret_version == token(2));
        let of_old = of_old.unwrap();
        assert_eq!(works, of_old.state.is_promoted(), "{context}: {of_old:?}");
        // A kill that was over before the restore looked is one that it undoes. Where the first kill's incident is open
        // still, the second only joins it, and is seen when that is read.
        let looked = if self.is_replaced { 0 } else { 3 };
        if self.kill_wins && point.is_some_and(|point| point.number > looked) {
            assert!(!works, "{context}: {of_old:?}");
            return;
        }
        if point.is_none() {
            assert!(works, "{context}: {of_old:?}");
        }
        // What was not brought back to the end is there to be brought back.
        restored(world, Some(Wanted::Version(of_old.id))).await;
        assert!(old_key_works(world).await, "{context}");
        assert_eq!(world.slot().await.state, SlotState::Active, "{context}");
        assert!(
            world.outside.provider.accepts(&world.current_key()),
            "{context}"
        );
        world.live_through(SignedDuration::from_mins(30)).await;
        assert!(old_key_works(world).await, "{context}");
        let incidents = world.outside.inventory.all_incidents();
        assert!(incidents.iter().all(|i| i.closed.is_some()), "{context}");
    }
}

#[tokio::test]
async fn crash_at_every_call_of_a_restore() {
    for is_replaced in [false, true] {
        let scenario = BringBack {
            is_replaced,
            kill_wins: false,
        };
        let ran = crash_at_every_call(&scenario).await;
        say(format_args!(
            "a restore, replaced {is_replaced}: {ran} points"
        ));
        assert!(ran >= 3 * 12);
    }
}

#[tokio::test]
async fn a_kill_before_every_call_of_a_restore_wins() {
    let killing = |world: &World| -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (ports, slot) = (world.open.clone(), world.slot.clone());
        Box::pin(async move {
            let order = KillOrder {
                slot,
                trigger: TriggerId::new("person@again"),
                evidence: Evidence::Person,
                cause: OutsideText::new("a test"),
                seen: ports.clock.now(),
                figures: Figures::OfLiveKeys,
            };
            let again = invocation(ports.clock.as_ref(), "killer again");
            kill(&ports, &order, &again).await.unwrap();
        })
    };
    for is_replaced in [false, true] {
        let scenario = BringBack {
            is_replaced,
            kill_wins: true,
        };
        let ran = disturb_before_every_call(&scenario, killing).await;
        say(format_args!(
            "a kill before each call of a restore, replaced {is_replaced}: {ran} points"
        ));
    }
}
