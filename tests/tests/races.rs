//! Rotations, retire, people and kills side by side, in orders drawn from seeds: the rules of the design hold.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code")]

use std::sync::Arc;

use fastrand::Rng;
use jiff::SignedDuration;
use keyward_core::model::version::VersionState;
use keyward_core::ports::{SecretStore, Stage};
use keyward_testkit::drive::{Task, interleave};
use keyward_testkit::gate::Gate;
use keyward_tests::support::{STEPS, World, check_rules, token};

/// Secrets Manager: the four steps, the whole again if one fails.
async fn rotate(world: &World, number: u32) {
    for _ in 0..3 {
        let mut done = true;
        for step in STEPS {
            done = done && world.step(step, &token(number)).await.is_ok();
        }
        if done {
            return;
        }
    }
}

async fn retire(world: &World) {
    for _ in 0..6 {
        let _ = keyward_retire::handle(&world.ports, &world.confirm, world.deadline()).await;
    }
}

/// Time passes, by up to `most` minutes at a time, while agents call with the key they fetch.
async fn time(world: &World, mut chance: Rng, most: i64, context: &str) {
    for _ in 0..40 {
        tokio::task::yield_now().await;
        world.pass(SignedDuration::from_secs(chance.i64(0..=most * 60)));
        let key = world.current_key();
        let works = world.outside.provider.call(&key);
        let cut_off = world.slot().await.epoch.0 > 0;
        assert!(works || cut_off, "rule 1: an agent failed; {context}");
    }
}

/// Waits for up to `most` turns of others.
async fn wait(chance: &mut Rng, most: usize) {
    for _ in 0..chance.usize(..most) {
        tokio::task::yield_now().await;
    }
}

/// What may happen beside two rotations of one token and two runs of retire.
async fn happens(world: &World, mut chance: Rng) {
    wait(&mut chance, 80).await;
    let secrets = &world.outside.secrets;
    match chance.u32(..6) {
        0 => world.kill().await,
        1 => {
            let by_hand = world.outside.provider.seed("by hand");
            secrets.put_current(&world.secret, &token(9), &by_hand);
        }
        2 => {
            let pending = secrets.describe(world.secret.as_str()).await.unwrap();
            if let Some(id) = pending.holder(&Stage::Pending) {
                secrets.unstage_pending(&world.secret, id).await.unwrap();
            }
        }
        3 => {
            secrets.cancel_rotation(&world.secret);
            wait(&mut chance, 40).await;
            secrets.allow_rotation(&world.secret);
        }
        _ => {}
    }
}

async fn one(seed: u64) {
    let mut chance = Rng::with_seed(seed);
    let gate = Arc::new(Gate::default());
    let world = World::in_memory(&gate).await;
    world.rotate(&token(2)).await.unwrap();
    world.pass(SignedDuration::from_mins(chance.i64(10..130)));
    world
        .outside
        .secrets
        .begin_rotation(&world.secret, &token(3));
    let (stop_one_in, lose_one_in) = [(0, 0), (0, 40), (200, 0), (200, 40)][chance.usize(..4)];
    gate.take_turns(chance.u64(..), lose_one_in);
    let most = [0, 1, 10][chance.usize(..3)];
    let context = format!("seed {seed}");
    let tasks: Vec<Task<'_>> = vec![
        Box::pin(rotate(&world, 3)),
        Box::pin(rotate(&world, 3)),
        Box::pin(retire(&world)),
        Box::pin(retire(&world)),
        Box::pin(time(&world, chance.fork(), most, &context)),
        Box::pin(happens(&world, chance.fork())),
    ];
    interleave(&mut chance, stop_one_in, tasks).await;
    gate.disarm();
    world.outside.secrets.allow_rotation(&world.secret);

    world.live_through(SignedDuration::from_hours(4)).await;
    let key = world.current_key();
    world
        .rotate(&token(4))
        .await
        .unwrap_or_else(|e| panic!("the next rotation; {context}: {e:?}"));
    assert_ne!(world.current_key(), key, "{context}");
    world.live_through(SignedDuration::from_hours(27)).await;
    check_rules(&world, &context).await;
    for version in world.versions().await {
        let at_rest = matches!(
            version.state,
            VersionState::Current | VersionState::Revoked | VersionState::Contained
        );
        assert!(at_rest, "{} is {:?}; {context}", version.id, version.state);
    }
}

#[tokio::test]
async fn whatever_happens_side_by_side_the_rules_hold() {
    for seed in 0..300 {
        one(seed).await;
    }
}
