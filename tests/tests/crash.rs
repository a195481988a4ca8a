//! Stop anywhere, go on as Secrets Manager would, sweep: the rules of the design hold.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code")]

use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::version::{Tested, VersionState};
use keyward_core::ports::{SecretStore, Stage};
use keyward_core::usecases::register::register;
use keyward_testkit::drive::{Point, Scenario, crash_at_every_call, disturb_before_every_call};
use keyward_testkit::gate::Gate;
use keyward_tests::support::{World, check_rules, fleet, token};

const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// One step of a rotation, after the steps before it.
struct Step(usize);

impl Scenario for Step {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        let world = World::in_memory(gate).await;
        world
            .outside
            .secrets
            .begin_rotation(&world.secret, &token(2));
        for step in &STEPS[..self.0] {
            world.step_on(&world.open, step, &token(2)).await.unwrap();
        }
        world
    }

    async fn operation(&self, world: &World) {
        let _ = world.step(STEPS[self.0], &token(2)).await;
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("{} {point:?}", STEPS[self.0]);
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
        check_rules(world, &context).await;
        nothing_untested_was_promoted(world, &context).await;
        nothing_is_left(world, &context).await;
    }
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
struct Retire;

impl Scenario for Retire {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        let world = World::in_memory(gate).await;
        world.rotate(&token(2)).await.unwrap();
        world.outside.provider.call(&world.current_key());
        world.pass(SignedDuration::from_mins(55));
        world
    }

    async fn operation(&self, world: &World) {
        for _ in 0..24 {
            world.pass(SignedDuration::from_mins(5));
            let _ = keyward_retire::handle(&world.ports, &world.confirm, world.deadline()).await;
        }
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("retire {point:?}");
        world.live_through(SignedDuration::from_hours(27)).await;
        check_rules(world, &context).await;
        let versions = world.versions().await;
        if world.slot().await.epoch.0 == 0 {
            assert_eq!(versions[0].state, VersionState::Revoked, "{context}");
        }
    }
}

/// Registering a slot whose secret holds a key.
struct Register;

impl Scenario for Register {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        let clock = Arc::new(keyward_testkit::clock::ManualClock::start());
        let provider = Arc::new(keyward_testkit::memory::MemoryProvider::new(clock.clone()));
        let key = provider.seed("made by hand");
        let world = World::unregistered(gate, clock, Box::new(provider));
        world
            .outside
            .secrets
            .create(&world.secret, Some((&token(1), &key)));
        world
    }

    async fn operation(&self, world: &World) {
        let _ = register(&world.ports, &fleet()[0]).await;
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("register {point:?}");
        register(&world.open, &fleet()[0])
            .await
            .unwrap_or_else(|e| panic!("{context}: {e:?}"));
        world
            .rotate(&token(2))
            .await
            .unwrap_or_else(|e| panic!("{context}: {e:?}"));
        world.live_through(SignedDuration::from_hours(27)).await;
        check_rules(world, &context).await;
    }
}

fn contain(world: &World) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let (outside, slot) = (world.outside.clone(), world.slot.clone());
    Box::pin(async move { outside.contain(&slot).await })
}

#[tokio::test]
async fn crash_at_every_call_of_a_rotation() {
    for (i, step) in STEPS.iter().enumerate() {
        let ran = crash_at_every_call(&Step(i)).await;
        eprintln!("{step}: {ran} points");
        assert!(ran >= 3 * 7, "{step} made fewer calls than it must");
    }
}

#[tokio::test]
async fn crash_at_every_call_of_retire() {
    let ran = crash_at_every_call(&Retire).await;
    eprintln!("retire: {ran} points");
    assert!(ran >= 3 * 40);
}

#[tokio::test]
async fn crash_at_every_call_of_register() {
    let ran = crash_at_every_call(&Register).await;
    eprintln!("register: {ran} points");
    assert!(ran >= 3 * 7);
}

#[tokio::test]
async fn a_kill_between_any_two_calls_of_a_rotation() {
    for (i, step) in STEPS.iter().enumerate() {
        let ran = disturb_before_every_call(&Step(i), async |world: &World| contain(world)).await;
        eprintln!("{step}: {ran} points");
    }
}

#[tokio::test]
async fn a_kill_between_any_two_calls_of_retire() {
    let ran = disturb_before_every_call(&Retire, async |world: &World| contain(world)).await;
    eprintln!("retire: {ran} points");
}
