//! The main job on parts in memory: a key is rotated, the old one drains, is revoked and confirmed dead.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::version::{Confirmation, VersionState};
use keyward_testkit::gate::Gate;
use keyward_testkit::logs::CapturedLogs;
use keyward_tests::support::{World, check_rules, token};

#[tokio::test]
async fn a_key_is_rotated_and_the_old_one_dies() {
    let world = World::in_memory(&Arc::new(Gate::default())).await;
    let old = world.current_key();
    world.rotate(&token(2)).await.unwrap();
    let new = world.current_key();
    assert_ne!(old, new);
    assert!(world.outside.provider.call(&old) && world.outside.provider.call(&new));
    check_rules(&world, "after the rotation").await;

    world.live_through(SignedDuration::from_mins(115)).await;
    assert!(
        world.outside.provider.accepts(&old),
        "the overlap is two hours"
    );
    assert!(world.outside.provider.call(&new));
    world.live_through(SignedDuration::from_mins(90)).await;
    assert!(!world.outside.provider.accepts(&old));
    let versions = world.versions().await;
    let end = versions[0].revoke_confirmed.unwrap();
    assert_eq!(versions[0].state, VersionState::Revoked);
    assert_eq!(end.by, Confirmation::Refused);
    assert!(end.at >= versions[0].revoke_accepted.unwrap() + SignedDuration::from_mins(2));
    assert_eq!(versions[1].state, VersionState::Current);
    check_rules(&world, "at the end").await;
    assert_eq!(world.outside.alerts.sent(), []);
}

#[tokio::test]
async fn each_step_is_logged_by_slot_and_rotation_and_so_is_the_end_of_a_key() {
    let logs = CapturedLogs::default();
    let _guard = logs.on_this_thread();
    let world = World::in_memory(&Arc::new(Gate::default())).await;
    world
        .outside
        .secrets
        .begin_rotation(&world.secret, &token(2));
    world.step("finishSecret", &token(2)).await.unwrap_err();
    world.rotate(&token(2)).await.unwrap();
    world.live_through(SignedDuration::from_hours(27)).await;
    let of = |step: &str| format!("slot=support-bot-openrouter step={step} token={}", token(2));
    let log = logs.text();
    for line in [
        format!(
            "WARN keyward_core::usecases::rotate: a rotation step failed {}",
            of("Finish")
        ),
        format!(
            "a rotation step was carried out {} outcome=Done",
            of("Create")
        ),
        format!(
            "a rotation step was carried out {} outcome=Done",
            of("Finish")
        ),
        format!(
            "a key's end is confirmed slot=support-bot-openrouter version={}.0 by=Refused",
            token(1)
        ),
    ] {
        assert!(log.contains(&line), "{line} is not in the log");
    }
}
