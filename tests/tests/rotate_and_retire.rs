//! The main job on parts in memory: a key is rotated, the old one drains, is revoked and confirmed dead.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::version::{Confirmation, VersionState};
use keyward_testkit::gate::Gate;
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
