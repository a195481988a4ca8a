//! Stop anywhere, go on as Secrets Manager would, sweep: the rules of the design hold.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::usecases::register::register;
use keyward_testkit::drive::{Point, Scenario, crash_at_every_call, disturb_before_every_call};
use keyward_testkit::gate::Gate;
use keyward_tests::support::{
    RetireScenario, STEPS, StepScenario, World, check_rules, fleet, say, token,
};

fn make(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    Box::pin(async move { World::in_memory(&gate).await })
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

#[tokio::test]
async fn crash_at_every_call_of_a_rotation() {
    for (i, step) in STEPS.iter().enumerate() {
        let ran = crash_at_every_call(&StepScenario { step: i, make }).await;
        say(format_args!("{step}: {ran} points"));
        assert!(ran >= 3 * 7, "{step} made fewer calls than it must");
    }
}

#[tokio::test]
async fn crash_at_every_call_of_retire() {
    let ran = crash_at_every_call(&RetireScenario { make }).await;
    say(format_args!("retire: {ran} points"));
    assert!(ran >= 3 * 40);
}

#[tokio::test]
async fn crash_at_every_call_of_register() {
    let ran = crash_at_every_call(&Register).await;
    say(format_args!("register: {ran} points"));
    assert!(ran >= 3 * 7);
}

#[tokio::test]
async fn a_kill_between_any_two_calls_of_a_rotation() {
    for (i, step) in STEPS.iter().enumerate() {
        let ran = disturb_before_every_call(&StepScenario { step: i, make }, World::kill).await;
        say(format_args!(
            "{step}, a kill before each call: {ran} points"
        ));
    }
}

#[tokio::test]
async fn a_kill_between_any_two_calls_of_retire() {
    let ran = disturb_before_every_call(&RetireScenario { make }, World::kill).await;
    say(format_args!(
        "retire, a kill before each call: {ran} points"
    ));
}
