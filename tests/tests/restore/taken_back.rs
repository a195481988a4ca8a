//! `retire` cuts off again what a restore did not bring back to the end, and a second restore comes meanwhile.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use keyward_testkit::drive::{Point, Scenario, crash_at_every_call, disturb_before_every_call};
use keyward_tests::support::say;

use super::crashes::old_key_works;
use super::*;

/// A run of `retire` on a key that works at the provider, of which nobody knows whether it is back.
#[derive(Default)]
struct TakeBack {
    /// Whether the second restore said that the key is back.
    is_back: Arc<AtomicBool>,
}

impl Scenario for TakeBack {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        self.is_back.store(false, Ordering::SeqCst);
        let (world, key) = killed(gate, Evidence::Person).await;
        // The provider takes the key back, and then cannot be reached.
        gate.silence(&["provider.verify", "provider.disable"]);
        let order = order(&world, Some(Wanted::Newest));
        assert!(restore_on(&world.ports, &order, None).await.is_err());
        gate.disarm();
        assert!(world.outside.provider.accepts(&key));
        world.pass(TIMEOUT);
        world
    }

    async fn operation(&self, world: &World) {
        let retired =
            keyward_tests::support::retire_due(&world.ports, &world.confirm, world.deadline());
        let _ = retired.await;
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        world.pass(TIMEOUT);
        world.live_through(SignedDuration::from_mins(15)).await;
        let restoring = version(world, VersionState::Restoring).await;
        assert_eq!(restoring, None, "{point:?}");
        let is_back = self.is_back.load(Ordering::SeqCst);
        assert_eq!(old_key_works(world).await, is_back, "{point:?}");
        let recorded = world.versions().await.into_iter();
        let mut recorded = recorded.filter(|v| v.id.secret_version == token(2));
        let recorded = recorded.next().unwrap();
        assert_eq!(recorded.state.is_promoted(), is_back, "{recorded:?}");
        let current = world.current_key();
        assert!(world.outside.provider.accepts(&current), "{point:?}");
    }
}

#[tokio::test]
async fn crash_at_every_call_of_a_key_taken_back() {
    let ran = crash_at_every_call(&TakeBack::default()).await;
    say(format_args!("retire after a restore: {ran} points"));
}

#[tokio::test]
async fn a_restore_before_every_call_of_a_key_taken_back_counts_or_is_refused() {
    let scenario = TakeBack::default();
    let said_yes = Arc::new(AtomicBool::new(false));
    let restoring = |world: &World| -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (ports, order) = (world.open.clone(), order(world, Some(Wanted::Newest)));
        let (is_back, said_yes) = (Arc::clone(&scenario.is_back), Arc::clone(&said_yes));
        Box::pin(async move {
            let restored = restore_on(&ports, &order, None).await.is_ok();
            is_back.store(restored, Ordering::SeqCst);
            said_yes.fetch_or(restored, Ordering::SeqCst);
        })
    };
    let ran = disturb_before_every_call(&scenario, restoring).await;
    say(format_args!("a restore beside retire: {ran} points"));
    assert!(said_yes.load(Ordering::SeqCst), "none came through");
}
