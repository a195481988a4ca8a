//! Stop anywhere, take any step twice: whoever is woken next brings the case to its end.

use std::sync::Arc;

use futures::future::join;
use jiff::SignedDuration;
use keyward_core::model::offboarding::Leaver;
use keyward_testkit::drive::{Point, Scenario, crash_at_every_call, disturb_before_every_call};
use keyward_testkit::gate::Gate;
use keyward_tests::support::say;

use super::scene::{Scene, agent, ana};

/// How far the case has come when a run is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It was just opened.
    Opened,
    /// Everything is asked for, and the keys are seen dead.
    Dead,
}

struct OneRun {
    leaver: fn() -> Leaver,
    stage: Stage,
}

struct Tried {
    scene: Scene,
    old: String,
}

impl Scenario for OneRun {
    type World = Tried;

    async fn world(&self, gate: &Arc<Gate>) -> Tried {
        let scene = Scene::new(gate).await;
        let old = scene.world.current_key();
        scene
            .reads
            .read("ana@example.com", "llm/support-bot", scene.now());
        scene.open_case((self.leaver)(), "event-1").await;
        if self.stage == Stage::Dead {
            scene.run().await;
            scene.world.rotate_as_asked().await;
            let hours = match (self.leaver)().ends_slots() {
                true => 1,
                false => 4,
            };
            scene.run().await;
            scene
                .world
                .live_through(SignedDuration::from_hours(hours))
                .await;
            if !(self.leaver)().ends_slots() {
                // The second look at CloudTrail is over too.
                scene.run().await;
                scene.world.pass(SignedDuration::from_mins(2));
            }
        }
        Tried { scene, old }
    }

    async fn operation(&self, world: &Tried) {
        world.scene.run_on(&world.scene.gated).await;
    }

    async fn recover_and_check(&self, world: &Tried, point: Option<Point>) {
        let context = format!("{:?} {:?} {point:?}", (self.leaver)(), self.stage);
        let scene = &world.scene;
        scene.live_through(SignedDuration::from_hours(28)).await;
        match (self.leaver)() {
            Leaver::Person(_) => scene.check_replaced(&ana(), &world.old, &context).await,
            Leaver::Agent(_) | Leaver::Slot(_) => scene.check_ended(&agent(), &context).await,
        }
        assert_eq!(
            scene.outside().inventory.all_offboardings().len(),
            1,
            "{context}"
        );
    }
}

const RUNS: [OneRun; 4] = [
    OneRun {
        leaver: agent,
        stage: Stage::Opened,
    },
    OneRun {
        leaver: agent,
        stage: Stage::Dead,
    },
    OneRun {
        leaver: ana,
        stage: Stage::Opened,
    },
    OneRun {
        leaver: ana,
        stage: Stage::Dead,
    },
];

#[tokio::test]
async fn crash_at_every_call_of_a_run() {
    for run in RUNS {
        let ran = crash_at_every_call(&run).await;
        say(format_args!(
            "{:?}, {:?}: {ran} points",
            (run.leaver)(),
            run.stage
        ));
        assert!(ran >= 3 * 8, "{ran}");
    }
}

#[tokio::test]
async fn a_kill_between_any_two_calls_of_a_run() {
    for run in RUNS {
        let event = |tried: &Tried| {
            let (kill, inventory) = (
                tried.scene.world.kill(),
                tried.scene.outside().inventory.clone(),
            );
            let slot = tried.scene.world.slot.clone();
            // The stand-in of a kill leaves its incident open, which no function of this test goes on with.
            Box::pin(async move {
                kill.await;
                inventory.close_incident(&slot);
            }) as _
        };
        if (run.leaver)().ends_slots() && run.stage == Stage::Opened {
            disturb_before_every_call(&run, event).await;
        }
    }
}

#[tokio::test]
async fn every_step_twice() {
    for run in RUNS {
        let gate = Arc::new(Gate::default());
        let tried = run.world(&gate).await;
        for _ in 0..2 {
            run.operation(&tried).await;
            run.operation(&tried).await;
        }
        run.recover_and_check(&tried, None).await;
    }
}

#[tokio::test]
async fn two_runs_at_once() {
    for run in RUNS {
        let gate = Arc::new(Gate::default());
        let tried = run.world(&gate).await;
        join(run.operation(&tried), run.operation(&tried)).await;
        run.recover_and_check(&tried, None).await;
    }
}

#[tokio::test]
async fn a_run_that_died_is_taken_up_when_its_lease_is_over_and_not_before() {
    let scene = Scene::new(&Arc::new(Gate::default())).await;
    scene.open_case(agent(), "event-1").await;
    let mut case = scene.case(&agent()).await;
    let died = scene.invocation();
    case.lease(&died.owner, died.deadline.0);
    scene.open.cases.save_offboarding(&case).await.unwrap();
    scene.run().await;
    assert_eq!(scene.live(), 1, "somebody else is at work on it");
    scene.world.pass(SignedDuration::from_mins(5));
    scene.run().await;
    assert_eq!(scene.live(), 0);
}
