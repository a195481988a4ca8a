//! A run that is cut off anywhere, and a kill in the middle of one.

use keyward_testkit::drive::{Point, Scenario, crash_at_every_call, disturb_before_every_call};

use super::*;

/// A limit was taken away by somebody, what is expected ends, more is spent than it allows.
struct Everything;

impl Scenario for Everything {
    type World = Kept;

    async fn world(&self, gate: &Arc<Gate>) -> Kept {
        let kept = Kept::new(gate).await;
        kept.expect(200, 1).await;
        kept.world.rotate(&token(3)).await.unwrap();
        kept.keep().await;
        kept.world.pass(SignedDuration::from_hours(24));
        kept.sees(2).await;
        kept.spends(30, 2).await;
        kept.somebody_sets(daily(900));
        kept.told();
        kept
    }

    async fn operation(&self, kept: &Kept) {
        let slots = kept.watched().await;
        let _ = kept.keep_on(&kept.world.ports, &slots).await;
    }

    async fn recover_and_check(&self, kept: &Kept, point: Option<Point>) {
        for _ in 0..2 {
            let slots = kept.watched().await;
            kept.keep_on(&kept.world.open, &slots).await.unwrap();
        }
        let told = kinds(&kept.told());
        let mut is_told = vec![AlertKind::CapChanged];
        let slot = kept.world.slot().await;
        if slot.epoch.0 == 0 {
            assert_eq!(kept.at_provider(), Some(CAP), "{point:?}");
            is_told.push(AlertKind::CapBelowSpend);
            for version in kept.world.versions().await {
                let is_live = version.state != VersionState::Revoked;
                assert!(!is_live || version.cap == Some(CAP), "{point:?}");
            }
        }
        // A message whose answer was lost went out all the same; one more is no harm, none is.
        for kind in is_told {
            let killed = slot.epoch.0 > 0;
            assert!(
                killed || told.contains(&kind),
                "{point:?}: {kind:?} of {told:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_run_may_end_anywhere_and_the_next_one_goes_on() {
    let ran = crash_at_every_call(&Everything).await;
    assert!(ran >= 3 * 15, "{ran}");
}

#[tokio::test]
async fn a_slot_that_is_killed_meanwhile_gets_no_key_back_and_no_record() {
    let event = |kept: &Kept| kept.world.kill();
    let ran = disturb_before_every_call(&Everything, event).await;
    assert!(ran >= 15, "{ran}");
}

#[tokio::test]
async fn a_kill_leaves_what_it_contained_contained() {
    let gate = Arc::new(Gate::default());
    let kept = Kept::with_key_made_by_hand(&gate).await;
    let slots = kept.watched().await;
    kept.world.kill().await;
    let report = kept.keep_on(&kept.world.ports, &slots).await.unwrap();
    assert_eq!((report.set, report.left), (0, 0));
    assert_eq!(kept.provider.live().len(), 0);
}
