//! What the suites of all drivers over HTTP have in common.

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::slot::Slot;
use keyward_core::model::version::VersionState;
use keyward_core::usecases::import::{Found, Search, unclaimed};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract::provider::{Fixture, Repeats};
use keyward_testkit::drive::{crash_at_every_call, disturb_before_every_call};
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{Body, Fault, FaultRule, RetryAfter, Settings, Simulator};

use super::{
    Backend as _, Make, RetireScenario, STEPS, Simulated, StepScenario, World, check_rules, say,
    token,
};

/// The driver and its other side, for the contract suite.
pub async fn fixture_of(settings: Settings) -> Fixture {
    let simulated = Simulated::start(Arc::new(ManualClock::start()), settings).await;
    Fixture {
        provider: simulated.driver(),
        world: Arc::new(simulated.simulator.clone()),
        repeats: Repeats::Untold,
    }
}

/// A slot with a key, and the provider's side.
pub async fn world_with(gate: Arc<Gate>, settings: Settings) -> (World, Simulator) {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock.clone(), settings).await;
    let simulator = simulated.simulator.clone();
    (
        World::with(&gate, clock, Box::new(simulated)).await,
        simulator,
    )
}

/// Looks through where the world's slot has its keys, as a person does who takes keys over.
pub async fn found_for_import(world: &World) -> Found {
    let slot = slot_of(world).await;
    let search = Search {
        account: slot.account,
        provider: slot.provider,
        scope: slot.scope,
        secrets: Vec::new(),
    };
    let found = unclaimed(&world.open, &search, world.deadline()).await;
    found.expect("all is seen")
}

async fn slot_of(world: &World) -> Slot {
    let names = world.open.inventory.slot_names().await.expect("names");
    let slot = world.open.inventory.slot(&names[0]).await;
    slot.expect("an answer").expect("a slot")
}

/// Cuts each step of a rotation off at every call, of which it makes at least so many.
pub async fn crash_at_every_call_of_a_rotation(make: Make, calls: usize) {
    for (i, step) in STEPS.iter().enumerate() {
        let ran = crash_at_every_call(&StepScenario { step: i, make }).await;
        say(format_args!("{step} over HTTP: {ran} points"));
        assert!(ran >= 3 * calls, "{step} made fewer calls than it must");
    }
}

/// Kills the slot before each call of each step of a rotation.
pub async fn a_kill_between_any_two_calls_of_a_rotation(make: Make) {
    for (i, step) in STEPS.iter().enumerate() {
        let scenario = StepScenario { step: i, make };
        let ran = disturb_before_every_call(&scenario, World::kill).await;
        say(format_args!(
            "{step} over HTTP, a kill before each call: {ran} points"
        ));
    }
}

/// Cuts a retirement off at every call, of which it makes at least so many.
pub async fn crash_at_every_call_of_retire(make: Make, calls: usize) {
    let ran = crash_at_every_call(&RetireScenario { make }).await;
    say(format_args!("retire over HTTP: {ran} points"));
    assert!(ran >= 3 * calls, "{ran}");
}

/// Each step twice, one after the other: the provider has known so many keys in the end, and the old one is dead.
pub async fn every_step_twice(world: &World, simulator: &Simulator, keys: usize) {
    let old = world.current_key();
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    for step in STEPS {
        for _ in 0..2 {
            world.step(step, &token(2)).await.unwrap();
        }
    }
    assert_ne!(world.current_key(), old);
    assert_eq!(simulator.keys().len(), keys);
    world.live_through(SignedDuration::from_hours(27)).await;
    check_rules(world, "every step twice").await;
    assert!(!world.outside.provider.accepts(&old));
    assert_eq!(world.versions().await[0].state, VersionState::Revoked);
}

/// The faults that every call has to be survived with.
pub fn faults() -> Vec<Fault> {
    vec![
        Fault::lost_after(),
        Fault::lost_before(),
        Fault::half_sent(),
        Fault::truncated(),
        Fault::error_object(),
        Fault::rate_limited(RetryAfter::Seconds(2)),
        Fault::rate_limited(RetryAfter::Absent),
        Fault::status(500, Body::Json),
        Fault::status(503, Body::Html),
        Fault::status(200, Body::Html),
        Fault::status(404, Body::Html),
        Fault::status(502, Body::Empty).after_effect(),
    ]
}

/// A rotation meets one fault; Secrets Manager tries again, and all is well: after at most so many requests to `create`.
pub async fn a_rotation_survives(
    (world, simulator): (World, Simulator),
    (method, path, fault): (&'static str, &'static str, Fault),
    (create, most): ((&str, &str), usize),
) {
    let context = format!("{method} {path} {fault:?}");
    simulator.inject(FaultRule::on(method, path, fault));
    for _ in 0..3 {
        if world.rotate(&token(2)).await.is_ok() {
            break;
        }
        world.pass(SignedDuration::from_mins(6));
    }
    let current = world.current_key();
    assert!(world.outside.provider.accepts(&current), "{context}");
    world.live_through(SignedDuration::from_hours(27)).await;
    check_rules(&world, &context).await;
    let made = simulator.requests_to(create.0, create.1).len();
    assert!(made <= most, "{context}: {made} creates");
    let old = &world.versions().await[0];
    assert_eq!(old.state, VersionState::Revoked, "{context}");
}
