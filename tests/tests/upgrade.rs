//! A release takes over from the one before, and gives back, while agents' keys are rotated and cut off. The release after
//! this one is made up: its items look the same and carry the next schema's number.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use aws_config::SdkConfig;
use jiff::{SignedDuration, Timestamp};
use keyward_aws::{DynamoInventory, Release, Step, create_table};
use keyward_core::model::SCHEMA;
use keyward_core::model::incident::{Evidence, Figures, OwnerId, TriggerId};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::VersionState;
use keyward_core::ports::{
    Clock, Deadline, Inventory, InventoryError, Migration, MigrationError, Pass,
};
use keyward_core::usecases::Ports;
use keyward_core::usecases::kill::{Invocation, KillOrder, KillOutcome, kill};
use keyward_core::usecases::migrate::{Migrated, migrate};
use keyward_core::usecases::register::register;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::gate::Gate;
use keyward_testkit::memory::MemoryProvider;
use keyward_tests::emulators::Ministack;
use keyward_tests::support::{STEPS, World, fleet, retire_due, token};

const TABLE: &str = "keyward";

static LIFTED: AtomicUsize = AtomicUsize::new(0);
static LOWERED: AtomicUsize = AtomicUsize::new(0);

fn count(calls: &AtomicUsize) {
    calls.fetch_add(1, Ordering::SeqCst);
}

/// The release after this one.
fn next() -> Release {
    Release::next(Step {
        lift: |_| count(&LIFTED),
        lower: |_| count(&LOWERED),
    })
}

/// The test's time, with waits that last: what runs against a real store must not look as if it never answered.
struct Patient(Arc<ManualClock>);

#[async_trait]
impl Clock for Patient {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: SignedDuration) {
        tokio::time::sleep(duration.unsigned_abs()).await;
    }
}

/// A slot whose inventory is in a table that releases share.
struct Stage {
    world: World,
    config: SdkConfig,
    _ministack: Ministack,
}

impl Stage {
    async fn set() -> Option<Self> {
        let ministack = Ministack::start().await?;
        let config = ministack.sdk_config().await;
        let client = aws_sdk_dynamodb::Client::new(&config);
        create_table(&client, TABLE).await.unwrap();
        let clock = Arc::new(ManualClock::start());
        let provider = Arc::new(MemoryProvider::new(clock.clone()));
        let key = provider.seed("made by hand");
        let world = World::unregistered(&Arc::new(Gate::default()), clock, Box::new(provider));
        let secrets = &world.outside.secrets;
        secrets.create(&world.secret, Some((&token(1), &key)));
        let stage = Self {
            world,
            config,
            _ministack: ministack,
        };
        register(&stage.ports(Release::THIS), &fleet()[0])
            .await
            .unwrap();
        Some(stage)
    }

    fn items(&self, release: Release) -> DynamoInventory {
        DynamoInventory::new(&self.config, TABLE).as_of(release)
    }

    /// What the functions of a release work with.
    fn ports(&self, release: Release) -> Ports {
        let inventory = Arc::new(self.items(release));
        Ports {
            inventory: inventory.clone(),
            pools: inventory,
            clock: Arc::new(Patient(self.world.outside.clock.clone())),
            ..self.world.open.clone()
        }
    }

    /// A rotation whose steps are carried out by one release after the other, with `retire` of both at work beside it.
    async fn rotate(&self, number: u32, releases: [Release; 2]) {
        let world = &self.world;
        world.pass(SignedDuration::from_mins(11));
        world
            .outside
            .secrets
            .begin_rotation(&world.secret, &token(number));
        for (step, release) in STEPS.iter().zip(releases.iter().cycle()) {
            let ports = self.ports(*release);
            let id = token(number);
            let step = world.step_on(&ports, step, &id);
            // Two at once may be in each other's way; what fails is due again.
            let (step, _, _) =
                futures::join!(step, self.retire(releases[0]), self.retire(releases[1]));
            step.unwrap();
            self.agent_calls(&format!("in rotation {number}")).await;
        }
        world.pass(SignedDuration::from_hours(30));
        for release in releases.into_iter().cycle().take(6) {
            world.pass(SignedDuration::from_mins(5));
            self.retire(release).await.unwrap();
        }
    }

    async fn retire(&self, release: Release) -> Result<(), keyward_retire::RetireError> {
        let world = &self.world;
        let ports = self.ports(release);
        retire_due(&ports, &world.confirm, world.deadline()).await?;
        Ok(())
    }

    async fn agent_calls(&self, when: &str) {
        let key = self.world.current_key();
        assert!(self.world.outside.provider.call(&key), "refused {when}");
    }

    async fn kill(&self, trigger: &str, release: Release) {
        let now = self.world.outside.clock.now();
        let order = KillOrder {
            slot: self.world.slot.clone(),
            trigger: TriggerId::new(trigger),
            evidence: Evidence::Person,
            cause: OutsideText::new("a person"),
            seen: now,
            figures: Figures::OfLiveKeys,
        };
        let invocation = Invocation {
            owner: OwnerId::new("one"),
            deadline: Deadline(now + SignedDuration::from_secs(60)),
        };
        let outcome = kill(&self.ports(release), &order, &invocation).await;
        let outcome = outcome.unwrap();
        assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    }

    /// The rotations that were asked for, by one release.
    async fn rotate_as_asked(&self, release: Release) {
        for started in self.world.outside.secrets.take_started() {
            let ports = self.ports(release);
            let secrets = &self.world.outside.secrets;
            secrets.begin_rotation(&self.world.secret, &started.token);
            for step in STEPS {
                self.world
                    .step_on(&ports, step, &started.token)
                    .await
                    .unwrap();
            }
        }
    }

    /// Every key that works is recorded, and alive by the records of the release.
    async fn nothing_is_lost(&self, release: Release) {
        let versions = self
            .items(release)
            .versions(&self.world.slot)
            .await
            .unwrap();
        for key in self.world.outside.provider.live() {
            let is_it = |v: &&keyward_core::model::version::Version| {
                v.label
                    .as_ref()
                    .is_some_and(|label| label.as_str() == key.label)
            };
            let version = versions.iter().find(is_it);
            let state = version.map(|v| v.state);
            let alive = [VersionState::Current, VersionState::Retiring];
            assert!(
                state.is_some_and(|s| alive.contains(&s)),
                "{}: {state:?}",
                key.label
            );
        }
    }

    /// How many items are of each schema.
    async fn schemas(&self) -> Vec<(u32, usize)> {
        let client = aws_sdk_dynamodb::Client::new(&self.config);
        let found = client.scan().table_name(TABLE).send().await.unwrap();
        let of = |item: &std::collections::HashMap<_, aws_sdk_dynamodb::types::AttributeValue>| {
            let schema: u32 = item["schema"].as_n().unwrap().parse().unwrap();
            schema
        };
        let mut counts = std::collections::BTreeMap::new();
        for item in found.items() {
            *counts.entry(of(item)).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    async fn migrate(&self, release: Release, pass: Pass) -> Result<Migrated, MigrationError> {
        let clock = &*self.world.outside.clock;
        // Time for one page of each call.
        let deadline = Deadline(clock.now());
        let items = self.items(release);
        let mut sum = Migrated::default();
        loop {
            let part = migrate(&items, clock, sum.next.take(), pass, deadline).await?;
            sum.items += part.items;
            sum.of_before += part.of_before;
            sum.written += part.written;
            sum.unreadable += part.unreadable;
            sum.next = part.next;
            if sum.next.is_none() {
                return Ok(sum);
            }
        }
    }
}

#[tokio::test]
async fn an_upgrade_and_a_way_back_under_load_lose_nothing() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    let before = Release::THIS;
    let careful = next().writing(SCHEMA).unwrap();
    stage.rotate(2, [before, before]).await;
    // Functions of both releases are at work while a deployment goes on, and again on the way back.
    stage.rotate(3, [before, careful]).await;
    stage.rotate(4, [careful, careful]).await;
    stage.kill("during the upgrade", careful).await;
    stage.rotate_as_asked(careful).await;
    stage.nothing_is_lost(before).await;
    stage.rotate(6, [careful, before]).await;
    stage.rotate(7, [before, before]).await;
    stage.nothing_is_lost(before).await;
    let schemas = stage.schemas().await;
    assert!(matches!(schemas[..], [(SCHEMA, _)]), "{schemas:?}");
    let (lifted, lowered) = (
        LIFTED.load(Ordering::SeqCst),
        LOWERED.load(Ordering::SeqCst),
    );
    assert!(lifted > 20 && lowered > 10, "{lifted} {lowered}");
}

#[tokio::test]
async fn a_migration_is_refused_while_there_is_a_way_back_and_ends_with_all_items_anew() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    let careful = next().writing(SCHEMA).unwrap();
    stage.rotate(2, [Release::THIS, careful]).await;
    stage.kill("before", careful).await;
    stage.rotate_as_asked(careful).await;
    let refused = stage.migrate(careful, Pass::Write).await.unwrap_err();
    assert!(
        matches!(refused, MigrationError::WritesBefore { .. }),
        "{refused}"
    );
    let seen = stage.migrate(careful, Pass::Look).await.unwrap();
    assert_eq!(
        (seen.of_before, seen.written, seen.unreadable),
        (seen.items, 0, 0)
    );

    // The functions go on while the table is gone over.
    let moving = async {
        stage.rotate(3, [next(), careful]).await;
        stage.rotate(4, [next(), next()]).await;
    };
    let (_, done) = futures::join!(moving, stage.migrate(next(), Pass::Write));
    assert!(done.unwrap().written > 0);
    let last = stage.migrate(next(), Pass::Write).await.unwrap();
    assert_eq!((last.of_before, last.unreadable), (0, 0), "{last:?}");
    let schemas = stage.schemas().await;
    assert_eq!(schemas, [(SCHEMA + 1, last.items as usize)]);
    stage.nothing_is_lost(next()).await;
    stage.rotate(8, [next(), next()]).await;

    // The release before says that it cannot read them, and does nothing.
    let old = stage.items(Release::THIS);
    let refused = old.slot(&stage.world.slot).await.unwrap_err();
    assert!(
        matches!(refused, InventoryError::Corrupt { .. }),
        "{refused}"
    );
    let seen = stage.migrate(Release::THIS, Pass::Look).await.unwrap();
    assert_eq!(seen.unreadable, seen.items);
    stage.agent_calls("by a release that is too old").await;
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_left_as_it_is() {
    let Some(stage) = Stage::set().await else {
        return;
    };
    let client = aws_sdk_dynamodb::Client::new(&stage.config);
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let number = |text: &str| aws_sdk_dynamodb::types::AttributeValue::N(text.to_owned());
    let damaged = [
        ("SLOT#by-hand", "SLOT", Some("1"), "missing field"),
        (
            "SLOT#by-hand",
            "SLOT2",
            Some("1"),
            "no item of this release",
        ),
        ("SLOT#old", "SLOT", None, "names no schema"),
        ("SLOT#new", "SLOT", Some("9"), "newer than this release"),
    ];
    for (pk, sk, schema, _) in damaged {
        let put = client.put_item().table_name(TABLE);
        let put = put.item("pk", text(pk)).item("sk", text(sk));
        let put = match schema {
            Some(schema) => put.item("schema", number(schema)),
            None => put,
        };
        put.send().await.unwrap();
    }
    let seen = stage
        .items(Release::THIS)
        .page(None, Pass::Write)
        .await
        .unwrap();
    assert_eq!((seen.unreadable.len(), seen.written), (damaged.len(), 0));
    for (pk, sk, _, why) in damaged {
        let key = format!("{pk} / {sk}");
        let named = seen.unreadable.iter().find(|u| u.key.as_str() == key);
        assert!(named.unwrap().why.as_str().contains(why), "{named:?}");
    }
}
