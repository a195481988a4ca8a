//! A person has left.

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::model::offboarding::Tie;
use keyward_core::model::slot::Mode;
use keyward_core::ports::{Inventory, SecretStore};
use keyward_testkit::gate::Gate;
use keyward_tests::support::token;

use super::scene::{Scene, ana, change_slot, person};

async fn scene() -> Scene {
    Scene::new(&Arc::new(Gate::default())).await
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[tokio::test]
async fn the_key_of_an_owner_who_left_is_replaced_at_once_and_the_slot_is_the_backups() {
    let scene = scene().await;
    let old = scene.world.current_key();
    scene.open_case(ana(), "event-1").await;
    scene.run().await;
    assert!(
        scene.outside().secrets.has_started(),
        "a new key is asked for in the first run"
    );
    let slot = scene.slot().await;
    assert_eq!(
        (slot.owner.as_str(), slot.backup_owner),
        ("platform-team", None)
    );
    scene.world.rotate_as_asked().await;
    assert!(
        scene.outside().provider.accepts(&old),
        "agents have their overlap"
    );
    scene.live_through(HOUR * 26).await;
    scene.check_replaced(&ana(), &old, "in the end").await;
    let told = scene.outside().alerts.take();
    let missing: Vec<_> = told
        .iter()
        .filter(|a| a.kind == AlertKind::OwnerMissing)
        .collect();
    assert_eq!(missing.len(), 1, "once");
    assert_eq!(missing[0].severity, Severity::Warning);
    assert!(
        missing[0].what.as_str().contains("no backup owner"),
        "{missing:?}"
    );
    let record = scene.record(&scene.case(&ana()).await);
    assert_eq!(record.slots[0].ties, [Tie::Owner]);
    assert!(record.slots[0].handed_over.as_ref().unwrap().is_new_owner);
    assert!(record.reads.unwrap().not_seen.is_none());
}

#[tokio::test]
async fn without_a_backup_the_key_is_replaced_all_the_same_and_people_are_paged() {
    let scene = scene().await;
    change_slot(&scene, |slot| slot.backup_owner = None).await;
    let old = scene.world.current_key();
    scene.open_case(ana(), "event-1").await;
    scene.live_through(HOUR * 26).await;
    scene.check_replaced(&ana(), &old, "in the end").await;
    let told = scene.outside().alerts.take();
    let missing: Vec<_> = told
        .iter()
        .filter(|a| a.kind == AlertKind::OwnerMissing)
        .collect();
    assert_eq!((missing.len(), missing[0].severity), (1, Severity::Page));
    let slot = scene.slot().await;
    assert_eq!(
        slot.owner.as_str(),
        "ana@example.com",
        "people see whose it was"
    );
    assert!(slot.owner_left.is_some(), "the audit finds it");
}

#[tokio::test]
async fn whoever_only_stood_by_or_read_is_taken_out_and_the_key_replaced() {
    for (name, tie) in [
        ("platform-team", Tie::BackupOwner),
        ("cy@example.com", Tie::Reader),
    ] {
        let scene = scene().await;
        change_slot(&scene, |slot| {
            slot.readers = vec!["cy@example.com".parse().unwrap()]
        })
        .await;
        let old = scene.world.current_key();
        scene.open_case(person(name), "event-1").await;
        scene.live_through(HOUR * 26).await;
        scene.check_replaced(&person(name), &old, name).await;
        let slot = scene.slot().await;
        assert_eq!(slot.owner.as_str(), "ana@example.com");
        assert_eq!(slot.backup_owner.is_none(), tie == Tie::BackupOwner);
        assert_eq!(slot.readers.is_empty(), tie == Tie::Reader);
        let missing = scene.outside().alerts.count(AlertKind::OwnerMissing);
        assert_eq!(missing, usize::from(tie == Tie::BackupOwner), "{name}");
    }
}

#[tokio::test]
async fn what_somebody_read_by_cloudtrail_is_replaced_and_other_slots_are_not() {
    let scene = scene().await;
    let old = scene.world.current_key();
    let dan = person("dan@example.com");
    let now = scene.now();
    // Five pages; all but one are of other secrets, and one is too old to be listed.
    for day in [1, 10, 20, 89, 91] {
        scene
            .reads
            .read("dan@example.com", "llm/another", now - HOUR * 24 * day);
        scene
            .reads
            .read("dan@example.com", "llm/unknown", now - HOUR * 24 * day);
    }
    scene
        .reads
        .read("dan@example.com", "llm/support-bot", now - HOUR);
    scene.open_case(dan.clone(), "event-1").await;
    scene.live_through(HOUR * 27).await;
    scene.check_replaced(&dan, &old, "by its name").await;
    let record = scene.record(&scene.case(&dan).await);
    assert_eq!(record.slots[0].ties, [Tie::HasRead]);
    assert_eq!(scene.slot().await.owner.as_str(), "ana@example.com");
}

#[tokio::test]
async fn a_key_that_was_replaced_since_it_was_read_is_not_replaced_again() {
    let scene = scene().await;
    let key = scene.world.current_key();
    let dan = person("dan@example.com");
    let arn = scene.world.secret.to_string();
    scene
        .reads
        .read("dan@example.com", &arn, scene.now() - HOUR * 48);
    scene.open_case(dan.clone(), "event-1").await;
    scene.live_through(HOUR).await;
    assert!(scene.case(&dan).await.closed.is_some());
    assert_eq!(
        scene.world.current_key(),
        key,
        "what they read is dead already"
    );
}

#[tokio::test]
async fn a_read_that_cloudtrail_tells_late_is_found() {
    let scene = scene().await;
    let old = scene.world.current_key();
    let dan = person("dan@example.com");
    scene.open_case(dan.clone(), "event-1").await;
    let just_before = scene.now() - SignedDuration::from_mins(4);
    scene.run().await;
    scene
        .reads
        .read("dan@example.com", "llm/support-bot", just_before);
    scene.live_through(HOUR * 27).await;
    scene.check_replaced(&dan, &old, "by the second look").await;
}

#[tokio::test]
async fn what_could_not_be_seen_is_told_and_is_never_none() {
    let scene = scene().await;
    scene.reads.refuse();
    let old = scene.world.current_key();
    scene.open_case(ana(), "event-1").await;
    scene.live_through(HOUR * 27).await;
    scene
        .check_replaced(&ana(), &old, "what is known is done")
        .await;
    let record = scene.record(&scene.case(&ana()).await);
    let not_seen = record.reads.unwrap().not_seen.unwrap();
    assert!(not_seen.as_str().contains("AccessDenied"), "{not_seen}");
    let told = scene.outside().alerts.take();
    let done = told
        .iter()
        .find(|a| a.kind == AlertKind::OffboardDone)
        .unwrap();
    assert_eq!(done.severity, Severity::Warning);
    assert!(done.left.as_str().contains("NOT SEEN"), "{done:?}");
}

#[tokio::test]
async fn a_trail_that_is_down_for_a_while_is_waited_for() {
    let scene = scene().await;
    scene.reads.set_down(true);
    let old = scene.world.current_key();
    let dan = person("dan@example.com");
    scene
        .reads
        .read("dan@example.com", "llm/support-bot", scene.now() - HOUR);
    scene.open_case(dan.clone(), "event-1").await;
    scene.live_through(HOUR * 3).await;
    assert!(scene.case(&dan).await.closed.is_none());
    assert_eq!(scene.world.current_key(), old);
    scene.reads.set_down(false);
    scene.live_through(HOUR * 27).await;
    scene.check_replaced(&dan, &old, "once it answers").await;
}

#[tokio::test]
async fn a_rotation_that_began_before_they_left_is_not_enough() {
    let scene = scene().await;
    let secrets = &scene.outside().secrets;
    secrets.begin_rotation(&scene.world.secret, &token(3));
    scene
        .world
        .step_on(&scene.world.open, "createSecret", &token(3))
        .await
        .unwrap();
    scene.world.pass(SignedDuration::from_secs(1));
    scene.open_case(ana(), "event-1").await;
    scene.run().await;
    assert!(!secrets.has_started(), "one is under way");
    scene.world.rotate(&token(3)).await.unwrap();
    let made_before = scene.world.current_key();
    scene.live_through(HOUR * 27).await;
    scene
        .check_replaced(
            &ana(),
            &made_before,
            "an owner may have read what was pending",
        )
        .await;
}

#[tokio::test]
async fn a_slot_that_only_observes_gets_its_new_key_too() {
    let scene = scene().await;
    change_slot(&scene, |slot| slot.mode = Mode::Observe).await;
    let old = scene.world.current_key();
    scene.open_case(ana(), "event-1").await;
    scene.live_through(HOUR * 26).await;
    scene.check_replaced(&ana(), &old, "observed").await;
}

#[tokio::test]
async fn no_more_than_the_rotations_of_a_day_are_asked_for() {
    let scene = scene().await;
    for number in 3..23 {
        scene.world.pass(SignedDuration::from_mins(11));
        scene.world.rotate(&token(number)).await.unwrap();
    }
    let old = scene.world.current_key();
    scene.world.pass(SignedDuration::from_secs(1));
    scene.open_case(ana(), "event-1").await;
    scene.live_through(HOUR).await;
    assert!(!scene.outside().secrets.has_started());
    assert_eq!(scene.world.current_key(), old);
    let case = scene.case(&ana()).await;
    let waits_for = case.slots[0].waits_for.as_ref().unwrap();
    assert!(waits_for.as_str().contains("20"), "{waits_for}");
    scene.live_through(HOUR * 48).await;
    scene.check_replaced(&ana(), &old, "the next day").await;
}

#[tokio::test]
async fn owner_and_backup_who_leave_together_leave_nobody() {
    let scene = scene().await;
    let backup = person("platform-team");
    let old = scene.world.current_key();
    scene.open_case(ana(), "event-1").await;
    scene.open_case(backup.clone(), "event-2").await;
    scene.live_through(HOUR * 28).await;
    scene.check_replaced(&ana(), &old, "owner").await;
    scene.check_replaced(&backup, &old, "backup").await;
    let slot = scene.slot().await;
    assert_eq!(slot.backup_owner, None);
    assert!(
        slot.owner_left.is_some(),
        "whoever was first: {}",
        slot.owner
    );
    let pages = scene.outside().alerts.take();
    let is_page = |a: &&keyward_core::model::alert::Alert| {
        a.kind == AlertKind::OwnerMissing && a.severity == Severity::Page
    };
    assert!(pages.iter().any(|a| is_page(&a)), "{pages:?}");
}

#[tokio::test]
async fn a_slot_without_rotation_waits_and_says_so() {
    let scene = scene().await;
    scene.outside().secrets.cancel_rotation(&scene.world.secret);
    scene.open_case(ana(), "event-1").await;
    scene.live_through(HOUR).await;
    let case = scene.case(&ana()).await;
    let waits_for = case.slots[0].waits_for.as_ref().unwrap();
    assert!(waits_for.as_str().contains("not enabled"), "{waits_for}");
    let secret = scene
        .outside()
        .secrets
        .describe(scene.world.secret.as_str())
        .await
        .unwrap();
    assert!(
        !secret.rotation_enabled,
        "what people turned off is not turned on"
    );
    assert!(
        scene
            .outside()
            .inventory
            .slot(&scene.world.slot)
            .await
            .unwrap()
            .is_some()
    );
}
