//! Every call of a kill cut off, a kill before every call of a rotation, and a provider that is down.

use keyward_testkit::drive::{Point, Scenario, crash_at_every_call, disturb_before_every_call};
use keyward_tests::support::{STEPS, StepScenario, say};

use keyward_core::model::slot::ProviderName;

use super::*;

fn make(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    Box::pin(async move { World::in_memory(&gate).await })
}

/// A whole kill, by one kind of evidence.
pub(super) struct Killed {
    pub(super) evidence: Evidence,
    /// Over HTTP at this provider; `None` is in memory.
    pub(super) at: Option<ProviderName>,
}

impl Scenario for Killed {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        match self.at {
            None => busy_world(gate).await,
            Some(provider) => providers::rotated_at(provider, gate).await,
        }
    }

    async fn operation(&self, world: &World) {
        let order = order(world, "trigger", self.evidence);
        let _ = kill_on(&world.ports, &order, "one").await;
    }

    /// The function is invoked again if nothing was claimed. What was claimed is gone on with by itself.
    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("{:?} {:?} {point:?}", self.at, self.evidence);
        world.pass(TIMEOUT);
        if incidents(world).is_empty() {
            let order = order(world, "trigger", self.evidence);
            kill_on(&world.open, &order, "two").await.unwrap();
        }
        // Where the number of keys is limited, the first rotation makes room and the second makes the key.
        world.live_through(SignedDuration::from_mins(20)).await;
        let all = incidents(world);
        assert_eq!(all.len(), 1, "{context}");
        assert!(all[0].closed.is_some(), "{context}: {:?}", all[0]);
        assert_eq!(world.slot().await.epoch, Epoch(1), "{context}");
        assert_eq!(outdated_live(world).await, [""; 0], "{context}");
        for version in world.versions().await {
            let cut_off = matches!(
                version.state,
                VersionState::Contained | VersionState::Revoking | VersionState::Revoked
            );
            assert!(
                cut_off || version.epoch == Epoch(1),
                "{context}: {version:?}"
            );
        }
        assert!(!alerts(world, AlertKind::Contained).is_empty(), "{context}");
        world.live_through(SignedDuration::from_hours(2)).await;
        let [incident] = &incidents(world)[..] else {
            panic!("{context}: one incident");
        };
        assert!(
            incident.done(KillStep::TellDone).is_some(),
            "{context}: {incident:?}"
        );
        assert_eq!(incident.due_at, None, "{context}");
        assert!(!alerts(world, AlertKind::KillDone).is_empty(), "{context}");
        let key = world.current_key();
        assert!(world.outside.provider.accepts(&key), "{context}");
        assert_eq!(outdated_live(world).await, [""; 0], "{context}");
    }
}

#[tokio::test]
async fn crash_at_every_call_of_a_kill() {
    for evidence in [Evidence::Alarm, Evidence::Leak] {
        let ran = crash_at_every_call(&Killed { evidence, at: None }).await;
        say(format_args!("a kill by {evidence:?}: {ran} points"));
        assert!(ran >= 3 * 15);
    }
}

#[tokio::test]
async fn a_kill_before_every_call_of_a_rotation() {
    for (i, step) in STEPS.iter().enumerate() {
        let scenario = StepScenario { step: i, make };
        let ran = disturb_before_every_call(&scenario, killing).await;
        say(format_args!(
            "{step}, the kill before each call: {ran} points"
        ));
    }
}

#[tokio::test]
async fn a_provider_that_is_down_holds_up_no_claim_and_pages_after_five_minutes() {
    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    gate.silence(&["provider.disable"]);
    let order = order(&world, "alarm", Evidence::Alarm);
    let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
    assert!(matches!(outcome, KillOutcome::Unfinished(_)), "{outcome:?}");
    assert_eq!(world.slot().await.epoch, Epoch(1));
    let severities = |world: &World| {
        let told = alerts(world, AlertKind::NotContained);
        told.iter().map(|a| a.severity).collect::<Vec<_>>()
    };
    assert_eq!(severities(&world), [Severity::Warning]);
    let incident = &incidents(&world)[0];
    assert!(
        incident
            .due_at
            .is_some_and(|at| at <= world.outside.clock.now())
    );

    world.pass(SignedDuration::from_mins(6));
    for owner in ["two", "three"] {
        let outcome = kill_on(&world.ports, &order, owner).await.unwrap();
        assert!(matches!(outcome, KillOutcome::Unfinished(_)), "{outcome:?}");
    }
    assert_eq!(severities(&world), [Severity::Warning, Severity::Page]);

    gate.disarm();
    world.live_through(SignedDuration::from_mins(5)).await;
    assert_eq!(outdated_live(&world).await, [""; 0]);
    assert_eq!(alerts(&world, AlertKind::Contained).len(), 1);
    world.live_through(SignedDuration::from_mins(10)).await;
    assert!(incidents(&world)[0].closed.is_some());
}

#[tokio::test]
async fn one_version_that_cannot_be_cut_off_holds_up_no_other() {
    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    gate.record();
    let order = order(&world, "alarm", Evidence::Alarm);
    kill_on(&world.ports, &order, "one").await.unwrap();
    let (calls, _) = gate.disarm();
    let disables = calls.iter().enumerate();
    let disables: Vec<usize> = disables
        .filter(|(_, call)| **call == "provider.disable")
        .map(|(number, _)| number)
        .collect();
    assert_eq!(disables.len(), 3);
    for number in disables {
        let gate = Arc::new(Gate::default());
        let world = busy_world(&gate).await;
        gate.arm(number, keyward_testkit::gate::Cut::Before);
        let killed = gate.until_stopped(kill_on(&world.ports, &order, "one"));
        assert!(killed.await.is_none());
        assert_eq!(
            world.outside.provider.live().len(),
            1,
            "the other two are dead"
        );
    }
}
