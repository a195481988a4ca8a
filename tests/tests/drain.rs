//! Old keys that do not go quietly, and what rotations leave behind.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::model::version::{Confirmation, VersionState};
use keyward_core::ports::{Clock, Fence, Inventory, SecretStore, Stage, TAG_HANDLE_PREFIX};
use keyward_testkit::gate::Gate;
use keyward_tests::support::{STEPS, World, check_rules, token};

async fn rotated() -> (World, String) {
    let world = World::in_memory(&Arc::new(Gate::default())).await;
    let old = world.current_key();
    world.rotate(&token(2)).await.unwrap();
    world.outside.provider.call(&world.current_key());
    (world, old)
}

/// Lives through `hours` while something calls with `key` every five minutes; how many calls were refused.
async fn call_for(world: &World, key: &str, hours: i64) -> usize {
    let mut refused = 0;
    for _ in 0..hours * 12 {
        refused += usize::from(!world.outside.provider.call(key));
        world.live_through(SignedDuration::from_mins(5)).await;
    }
    refused
}

#[tokio::test]
async fn a_key_in_use_is_held_until_its_deadline_and_its_owner_is_told() {
    let (world, old) = rotated().await;
    let promoted = world.versions().await[1].promoted.unwrap();
    assert_eq!(call_for(&world, &old, 23).await, 0, "held");
    let told = world.outside.alerts.sent();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].kind, AlertKind::OldKeyStillUsed);
    assert!(
        told[0]
            .what
            .as_str()
            .contains("support-bot (owner ana@example.com)"),
        "{}",
        told[0].what
    );
    assert!(
        call_for(&world, &old, 3).await > 0,
        "the deadline is 24 hours"
    );
    let version = world.versions().await.remove(0);
    let begun = version.revoke_begun.unwrap();
    assert!(begun >= promoted + SignedDuration::from_hours(24));
    assert!(begun <= promoted + SignedDuration::from_mins(24 * 60 + 5));
    assert_eq!(version.state, VersionState::Revoked);
    let page = world.outside.alerts.sent().pop().unwrap();
    assert_eq!(
        (page.kind, page.severity),
        (AlertKind::DeadlineRevocation, Severity::Page)
    );
}

#[tokio::test]
async fn a_key_in_use_goes_soon_after_it_falls_quiet() {
    let (world, old) = rotated().await;
    call_for(&world, &old, 5).await;
    world.live_through(SignedDuration::from_mins(75)).await;
    assert!(!world.outside.provider.accepts(&old));
    check_rules(&world, "quiet at last").await;
}

#[tokio::test]
async fn an_idle_agent_keeps_its_old_key_until_the_deadline_without_an_alert() {
    let world = World::in_memory(&Arc::new(Gate::default())).await;
    let old = world.current_key();
    world.outside.provider.call(&old);
    world.rotate(&token(2)).await.unwrap();
    world.live_through(SignedDuration::from_hours(23)).await;
    assert!(world.outside.provider.accepts(&old));
    world.live_through(SignedDuration::from_hours(2)).await;
    assert!(!world.outside.provider.accepts(&old));
    assert_eq!(world.outside.alerts.sent(), []);
}

#[tokio::test]
async fn what_agents_fetch_is_not_revoked_even_if_it_was_replaced() {
    let (world, old) = rotated().await;
    world
        .outside
        .secrets
        .stage(&world.secret, Stage::Current, &token(1));
    world.live_through(SignedDuration::from_hours(30)).await;
    assert!(world.outside.provider.accepts(&old), "rule 1");
    assert!(world.outside.alerts.count(AlertKind::ForeignSecretChange) >= 1);
}

#[tokio::test]
async fn what_agents_fetched_until_now_has_its_overlap_even_if_it_was_replaced_before() {
    let (world, old) = rotated().await;
    let secrets = &world.outside.secrets;
    secrets.move_current(&world.secret, &token(1));
    world.live_through(SignedDuration::from_hours(30)).await;
    world.rotate(&token(3)).await.unwrap();
    world.outside.provider.call(&world.current_key());
    world.live_through(SignedDuration::from_mins(115)).await;
    assert!(world.outside.provider.accepts(&old), "rule 3");
    world.live_through(SignedDuration::from_hours(27)).await;
    assert!(!world.outside.provider.accepts(&old), "rule 3");
    check_rules(&world, "moved back, then rotated").await;
}

#[tokio::test]
async fn a_key_that_was_current_unrecorded_has_its_overlap_when_another_is_put_over_it() {
    let (world, _) = rotated().await;
    world.pass(SignedDuration::from_mins(11));
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(3));
    for step in &STEPS[..3] {
        world.step(step, &token(3)).await.unwrap();
    }
    // finishSecret moves the label, and does not come to record so.
    let mut tested = world.versions().await.pop().unwrap();
    tested = tested.become_state(VersionState::Promoting).unwrap();
    let saved = [tested];
    let inventory = &world.outside.inventory;
    inventory.save_versions(&saved, Fence::None).await.unwrap();
    secrets.move_current(&world.secret, &token(3));
    let key = world.current_key();
    let by_hand = world.outside.provider.seed("by hand");
    secrets.put_current(&world.secret, &token(9), &by_hand);
    world.live_through(SignedDuration::from_mins(175)).await;
    assert!(world.outside.provider.accepts(&key), "rule 3");
    world.rotate(&token(4)).await.unwrap();
    world.live_through(SignedDuration::from_hours(27)).await;
    assert!(!world.outside.provider.accepts(&key), "rule 3");
    check_rules(&world, "put over an unrecorded promotion").await;
}

#[tokio::test]
async fn a_rotation_that_nobody_finishes_is_cleared_away() {
    for steps in 1..=3 {
        let world = World::in_memory(&Arc::new(Gate::default())).await;
        world
            .outside
            .secrets
            .begin_rotation(&world.secret, &token(2));
        for step in ["createSecret", "setSecret", "testSecret"]
            .into_iter()
            .take(steps)
        {
            world.step(step, &token(2)).await.unwrap();
        }
        let refused = world
            .outside
            .secrets
            .rotate_now(&world.secret, &token(3))
            .await;
        assert!(refused.is_err(), "a rotation is under way");
        world.live_through(SignedDuration::from_mins(90)).await;
        world
            .outside
            .secrets
            .rotate_now(&world.secret, &token(3))
            .await
            .unwrap();
        world.rotate_as_asked().await;
        assert_ne!(world.current_key(), "");
        let late = world.step("finishSecret", &token(2)).await;
        assert!(late.is_err(), "a late step of the cleared rotation");
        assert_eq!(
            world.outside.alerts.count(AlertKind::StuckPendingCleared),
            1
        );
        check_rules(&world, "cleared").await;
    }
}

/// AWSPENDING can stand on a version that no rotation of this inventory ever reached.
#[tokio::test]
async fn a_label_without_a_record_is_cleared_after_an_hour() {
    let world = World::in_memory(&Arc::new(Gate::default())).await;
    world
        .outside
        .secrets
        .begin_rotation(&world.secret, &token(2));
    world.live_through(SignedDuration::from_mins(55)).await;
    let secret = world
        .outside
        .secrets
        .describe(world.secret.as_str())
        .await
        .unwrap();
    assert!(secret.has(&token(2), &Stage::Pending), "too early");
    world.live_through(SignedDuration::from_mins(100)).await;
    let secret = world
        .outside
        .secrets
        .describe(world.secret.as_str())
        .await
        .unwrap();
    assert_eq!(secret.holder(&Stage::Pending), None);
    check_rules(&world, "a label without a record").await;
}

#[tokio::test]
async fn a_key_that_nobody_rotates_pages_before_its_end() {
    let world = World::in_memory(&Arc::new(Gate::default())).await;
    for day in 1..=58 {
        world.pass(SignedDuration::from_hours(24));
        world.retire().await.unwrap();
        let pages = world.outside.alerts.count(AlertKind::KeyNearEnd);
        assert_eq!(
            pages,
            usize::try_from((day - 56).max(0)).unwrap(),
            "day {day}"
        );
    }
}

/// Two keys end alike, so the slot's own cannot be told from the other: nothing is revoked on a guess.
#[tokio::test]
async fn a_key_that_cannot_be_named_is_not_revoked_on_a_guess() {
    let gate = Arc::new(Gate::default());
    let clock = Arc::new(keyward_testkit::clock::ManualClock::start());
    let provider = Arc::new(keyward_testkit::memory::MemoryProvider::new(clock.clone()));
    let old = provider.seed("one");
    let twin = provider.seed_twin("two", &old);
    let world = World::unregistered(&gate, clock, Box::new(provider));
    world
        .outside
        .secrets
        .create(&world.secret, Some((&token(1), &old)));
    let fleet = keyward_tests::support::fleet();
    let registered = keyward_core::usecases::register::register(&world.open, &fleet[0]).await;
    assert_eq!(
        registered.unwrap(),
        keyward_core::usecases::register::Registered::WithKey {
            handle_known: false
        }
    );
    world.rotate(&token(2)).await.unwrap();
    world.outside.provider.call(&world.current_key());
    world.live_through(SignedDuration::from_hours(26)).await;
    assert!(world.outside.provider.accepts(&twin) && world.outside.provider.accepts(&old));
    assert!(world.outside.alerts.count(AlertKind::HandleUnknown) >= 2);
    let version = world.versions().await.remove(0);
    assert_eq!(
        (version.state, version.revoke_accepted),
        (VersionState::Revoking, None)
    );
    // A person deletes the other by hand: what is left can be named.
    let twin_handle = world
        .outside
        .provider
        .driver()
        .list(&Default::default(), None)
        .await
        .unwrap()
        .keys
        .remove(1)
        .handle;
    world
        .outside
        .provider
        .driver()
        .delete(&twin_handle)
        .await
        .unwrap();
    world.live_through(SignedDuration::from_hours(25)).await;
    let version = world.versions().await.remove(0);
    assert_eq!(
        version.revoke_confirmed.map(|c| c.by),
        Some(Confirmation::Refused)
    );
    assert!(!world.outside.provider.accepts(&old));
}

/// Work that cannot be done keeps nothing else from its turn.
#[tokio::test]
async fn failed_work_goes_to_the_back_of_the_line() {
    let (world, _) = rotated().await;
    world.pass(SignedDuration::from_hours(3));
    world.outside.secrets.remove(&world.secret);
    let before = world
        .outside
        .inventory
        .due(world.outside.clock.now(), 100)
        .await
        .unwrap();
    assert!(!before.is_empty());
    world.retire().await.unwrap_err();
    let after = world
        .outside
        .inventory
        .due(world.outside.clock.now(), 100)
        .await
        .unwrap();
    assert_eq!(after, []);
    assert!(world.outside.alerts.count(AlertKind::WorkFailed) >= 1);
}

/// The schedule's rotation failed, or never came: retire asks for one while there is time to mend.
#[tokio::test]
async fn an_overdue_key_is_rotated_without_its_schedule() {
    let world = World::in_memory(&Arc::new(Gate::default())).await;
    let old = world.current_key();
    world.pass(SignedDuration::from_hours(24 * 54));
    world.live_through(SignedDuration::from_hours(1)).await;
    assert_eq!(world.current_key(), old, "its schedule's day is not over");
    world.pass(SignedDuration::from_hours(23));
    world.live_through(SignedDuration::from_hours(1)).await;
    assert_ne!(world.current_key(), old);
    check_rules(&world, "overdue").await;
    world.outside.secrets.cancel_rotation(&world.secret);
    world.pass(SignedDuration::from_hours(24 * 56));
    world.retire().await.unwrap();
    assert_eq!(
        world.outside.secrets.take_started(),
        [],
        "a person switched rotation off"
    );
}

#[tokio::test]
async fn the_handle_of_a_revoked_key_does_not_stay_in_the_tags() {
    let (world, _) = rotated().await;
    world.live_through(SignedDuration::from_hours(27)).await;
    let revoked = world.versions().await.remove(0);
    assert_eq!(revoked.state, VersionState::Revoked);
    let secrets = &world.outside.secrets;
    let tag = format!("{TAG_HANDLE_PREFIX}{}", revoked.id);
    // As a setSecret does that began before the key's end was recorded.
    secrets.tag(&world.secret, &tag, "handle-1").await.unwrap();
    world.live_through(SignedDuration::from_mins(35)).await;
    let secret = secrets.describe(world.secret.as_str()).await.unwrap();
    assert!(!secret.tags.contains_key(&tag), "{:?}", secret.tags);
    let kept = |tag: &&String| tag.starts_with(TAG_HANDLE_PREFIX);
    assert_eq!(secret.tags.keys().filter(kept).count(), 1);
}
