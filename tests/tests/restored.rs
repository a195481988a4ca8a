//! The table put back from a backup: it knows nothing of what happened since, and nothing that agents use may die of that.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::incident::{Evidence, Figures, OwnerId, TriggerId};
use keyward_core::model::secret_document::{SecretDocument, SecretText};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Clock, Deadline, KeyRecord, SecretStore, TAG_HANDLE_PREFIX};
use keyward_core::usecases::kill::{Invocation, KillOrder, kill};
use keyward_core::usecases::register::register;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::gate::Gate;
use keyward_testkit::memory::{Backup, MemoryInventory, MemoryProvider};
use keyward_tests::support::{STEPS, World, check_rules, fleet, token};
use secrecy::ExposeSecret;

/// One thing that happens to the slot between two backups.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A step of the rotation with this token; its first begins it.
    Step(u32, usize),
    /// Time passes, with `retire` at work.
    Hours(i64),
    /// A person puts a key under AWSCURRENT.
    ByHand(u32),
    /// A person has the slot cut off, and its key replaced.
    Kill(u32),
}

/// Rotations, a key put by hand and a kill, with time to come to rest and without.
const STORY: [Event; 21] = [
    Event::Step(2, 0),
    Event::Step(2, 1),
    Event::Step(2, 2),
    Event::Step(2, 3),
    Event::Hours(1),
    Event::Hours(30),
    Event::ByHand(3),
    Event::Hours(1),
    Event::Hours(30),
    Event::Step(4, 0),
    Event::Step(4, 1),
    Event::Step(4, 2),
    Event::Step(4, 3),
    Event::Hours(1),
    Event::Kill(1),
    Event::Hours(1),
    Event::Hours(30),
    Event::Step(5, 0),
    Event::Step(5, 1),
    Event::Step(5, 2),
    Event::Step(5, 3),
];

async fn happen(world: &World, event: Event) {
    match event {
        Event::Step(number, step) => {
            if step == 0 {
                let secrets = &world.outside.secrets;
                secrets.begin_rotation(&world.secret, &token(number));
            }
            let ports = &world.open;
            world
                .step_on(ports, STEPS[step], &token(number))
                .await
                .unwrap();
        }
        Event::Hours(hours) => {
            for _ in 0..hours {
                world.outside.provider.call(&world.current_key());
                world.live_through(SignedDuration::from_hours(1)).await;
            }
        }
        Event::ByHand(number) => {
            let key = world.outside.provider.seed("by hand");
            let secrets = &world.outside.secrets;
            secrets.put_current(&world.secret, &token(number), &key);
        }
        Event::Kill(number) => cut_off(world, number).await,
    }
}

async fn cut_off(world: &World, number: u32) {
    let now = world.outside.clock.now();
    let order = KillOrder {
        slot: world.slot.clone(),
        trigger: TriggerId::new(&format!("person {number}")),
        evidence: Evidence::Person,
        cause: OutsideText::new("a person"),
        seen: now,
        figures: Figures::OfLiveKeys,
    };
    let invocation = Invocation {
        owner: OwnerId::new("one"),
        deadline: Deadline(now + SignedDuration::from_secs(60)),
    };
    kill(&world.open, &order, &invocation).await.unwrap();
    world.rotate_as_asked().await;
}

/// The story up to and with event `until`, and what the inventory was after event `backed_up`.
async fn told(make: Make, backed_up: usize, until: usize) -> (World, Backup) {
    let clock = Arc::new(ManualClock::start());
    let provider = Arc::new(make(clock.clone()));
    let world = World::with(&Arc::new(Gate::default()), clock, Box::new(provider)).await;
    let mut backup = world.outside.inventory.back_up();
    for (number, event) in STORY.iter().enumerate().take(until + 1) {
        happen(&world, *event).await;
        if number == backed_up {
            backup = world.outside.inventory.back_up();
        }
    }
    (world, backup)
}

/// Lives on for three days; the agent calls every five minutes with what it fetches, and is never refused.
async fn agents_live_on(world: &World, context: &str) {
    for round in 0..3 * 24 * 12 {
        let works = world.outside.provider.call(&world.current_key());
        assert!(
            works,
            "rule 1: refused after {} minutes; {context}",
            round * 5
        );
        world.live_through(SignedDuration::from_mins(5)).await;
    }
}

type Make = fn(Arc<dyn Clock>) -> MemoryProvider;

/// Puts back every backup at every later moment of the story.
async fn put_back_everywhere(make: Make) {
    for until in 0..STORY.len() {
        for backed_up in 0..until {
            let context = format!("backed up after {backed_up}, put back after {until}");
            let (world, backup) = told(make, backed_up, until).await;
            let cut = dead_keys(&world).await;
            world.outside.inventory.put_back(&backup);
            agents_live_on(&world, &context).await;
            check_rules(&world, &context).await;
            for key in cut {
                let works = world.outside.provider.accepts(&key);
                assert!(!works, "rule 5: a dead key works again; {context}");
            }
        }
    }
}

#[tokio::test]
async fn whatever_backup_is_put_back_agents_keep_their_key_and_no_dead_one_works_again() {
    put_back_everywhere(MemoryProvider::new).await;
}

#[tokio::test]
async fn so_it_is_where_keys_are_drawn_from_a_pool() {
    put_back_everywhere(MemoryProvider::with_pool).await;
}

#[tokio::test]
async fn a_table_made_anew_comes_to_know_every_key_again() {
    for until in 0..STORY.len() {
        let context = format!("made anew after {until}");
        let (world, _) = told(MemoryProvider::new, 0, until).await;
        let empty = MemoryInventory::default().back_up();
        world.outside.inventory.put_back(&empty);
        register(&world.open, &fleet()[0]).await.unwrap();
        agents_live_on(&world, &context).await;
        check_rules(&world, &context).await;
    }
}

#[tokio::test]
async fn people_are_told_of_each_key_that_came_back_and_what_became_of_it() {
    let (world, backup) = told(MemoryProvider::new, 0, 9).await;
    world.outside.alerts.take();
    world.outside.inventory.put_back(&backup);
    world.live_through(SignedDuration::from_hours(3)).await;
    let told = world.outside.alerts.take();
    let kinds: Vec<AlertKind> = told.iter().map(|alert| alert.kind).collect();
    let behind = AlertKind::InventoryBehind;
    assert_eq!(
        kinds.iter().filter(|kind| **kind == behind).count(),
        1,
        "{told:?}"
    );
    let alert = told.iter().find(|alert| alert.kind == behind).unwrap();
    assert!(
        alert.done.as_str().contains("is being revoked"),
        "{alert:?}"
    );
}

#[tokio::test]
async fn a_tag_that_names_another_agents_key_ends_nothing() {
    let (world, _) = told(MemoryProvider::new, 0, 5).await;
    let other = world.outside.provider.seed("another agent's");
    let driver = world.outside.provider.driver();
    let listed = driver
        .list(&world.outside.provider.scope(), None)
        .await
        .unwrap();
    let is_other = |key: &&KeyRecord| key.label.as_str() == "another agent's";
    let handle = listed.keys.iter().find(is_other).unwrap().handle.clone();
    let tag = format!("{TAG_HANDLE_PREFIX}{}.1", token(99));
    let secrets = &world.outside.secrets;
    secrets
        .tag(&world.secret, &tag, handle.as_str())
        .await
        .unwrap();
    world.live_through(SignedDuration::from_hours(72)).await;
    assert!(world.outside.provider.accepts(&other));
    let versions = world.versions().await;
    assert!(versions.iter().all(|v| v.handle.as_ref() != Some(&handle)));
}

/// The slot's keys that were stored and are dead now.
async fn dead_keys(world: &World) -> Vec<String> {
    let provider = &world.outside.provider;
    let format = provider.driver().abilities().format;
    let texts = world.outside.secrets.all_texts().into_iter();
    let documents = texts.map(|text| SecretDocument::parse(&SecretText::new(text), &format));
    // The pool's secret is no slot's.
    let keys =
        documents.filter_map(|document| Some(document.ok()?.key().expose_secret().to_owned()));
    keys.filter(|key| !provider.accepts(key)).collect()
}
