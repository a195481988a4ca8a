use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::version::{Tested, Version, VersionState};
use keyward_core::ports::{LATE_CREATE, SecretStore, Stage};
use keyward_testkit::drive::{Point, Scenario};
use keyward_testkit::gate::Gate;

use super::{World, check_rules, token};

/// The four steps in their order.
pub const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// Makes a world whose ports pass the gate.
pub type Make = fn(Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>>;

/// One step of a rotation, after the steps before it.
pub struct StepScenario {
    /// Which of [`STEPS`].
    pub step: usize,
    /// On which parts.
    pub make: Make,
}

impl Scenario for StepScenario {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        let world = (self.make)(gate.clone()).await;
        world
            .outside
            .secrets
            .begin_rotation(&world.secret, &token(2));
        for step in &STEPS[..self.step] {
            world.step_on(&world.open, step, &token(2)).await.unwrap();
        }
        world
    }

    async fn operation(&self, world: &World) {
        let _ = world.step(STEPS[self.step], &token(2)).await;
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("{} {point:?}", STEPS[self.step]);
        let key = world.current_key();
        let cut_off = world.slot().await.epoch.0 > 0;
        assert!(
            cut_off || world.outside.provider.accepts(&key),
            "rule 1: right after; {context}"
        );
        nothing_untested_was_promoted(world, &context).await;
        world.pass(SignedDuration::from_mins(6));
        retry(world).await;
        world.live_through(SignedDuration::from_hours(4)).await;
        if world.current_key() == key {
            world
                .rotate(&token(3))
                .await
                .unwrap_or_else(|e| panic!("rule 1: the next rotation; {context}: {e:?}"));
            world.live_through(SignedDuration::from_hours(27)).await;
        }
        world.live_through(long_after_a_create(world)).await;
        check_rules(world, &context).await;
        nothing_untested_was_promoted(world, &context).await;
        nothing_is_left(world, &context).await;
    }
}

/// What is looked for longer than all else here: a key that a create may still bring, where that can go on for a day.
fn long_after_a_create(world: &World) -> SignedDuration {
    let driver = world.outside.provider.driver();
    let latest = driver
        .issuer()
        .map_or(LATE_CREATE, |issuer| issuer.latest());
    latest - LATE_CREATE
}

/// Secrets Manager tries an unfinished rotation again, all four steps.
async fn retry(world: &World) {
    let secret = world
        .outside
        .secrets
        .describe(world.secret.as_str())
        .await
        .unwrap();
    if secret.has(&token(2), &Stage::Pending) {
        let _ = world.rotate(&token(2)).await;
    }
}

async fn nothing_untested_was_promoted(world: &World, context: &str) {
    for version in world.versions().await.iter().filter(|v| v.id.attempt > 0) {
        if version.promoted.is_some() {
            let tested = version
                .tested
                .is_some_and(|Tested { epoch, .. }| epoch == version.epoch);
            assert!(
                tested,
                "rule 1: promoted without a test in its epoch; {context}"
            );
        }
    }
}

async fn with_state(world: &World, state: VersionState) -> Vec<Version> {
    let mut versions = world.versions().await;
    versions.retain(|v| v.state == state);
    versions
}

/// Work has come to rest: nothing is left between intent and end.
async fn nothing_is_left(world: &World, context: &str) {
    for version in world.versions().await {
        let at_rest = matches!(
            version.state,
            VersionState::Current
                | VersionState::Retiring
                | VersionState::Revoked
                | VersionState::Contained
        );
        assert!(
            at_rest,
            "version {} is still {:?}; {context}",
            version.id, version.state
        );
    }
}

/// The way of an old key from its overlap to its confirmed end, over several runs of `retire`.
pub struct RetireScenario {
    /// On which parts.
    pub make: Make,
}

impl Scenario for RetireScenario {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        let world = (self.make)(gate.clone()).await;
        world.rotate(&token(2)).await.unwrap();
        world.outside.provider.call(&world.current_key());
        world.pass(SignedDuration::from_mins(55));
        world
    }

    async fn operation(&self, world: &World) {
        for _ in 0..24 {
            world.pass(SignedDuration::from_mins(5));
            let _ =
                crate::support::retire_due(&world.ports, &world.confirm, world.deadline()).await;
        }
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("retire {point:?}");
        let contained = with_state(world, VersionState::Contained).await;
        world.live_through(SignedDuration::from_hours(27)).await;
        check_rules(world, &context).await;
        for version in &contained {
            let kept = with_state(world, VersionState::Contained).await;
            assert!(
                kept.iter().any(|v| v.id == version.id),
                "{} was contained for 72 hours; {context}",
                version.id
            );
        }
        let versions = world.versions().await;
        if world.slot().await.epoch.0 == 0 {
            assert_eq!(versions[0].state, VersionState::Revoked, "{context}");
        }
    }
}
