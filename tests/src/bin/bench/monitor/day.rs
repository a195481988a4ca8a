//! A day of the monitor with everything counted that AWS bills.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::key::AdminKey;
use keyward_core::model::metric::KillScore;
use keyward_core::model::names::{AccountName, ReporterId, SlotName, StackName};
use keyward_core::model::slot::{Revision, Slot};
use keyward_core::model::told::ToldHour;
use keyward_core::model::usage::Bucket;
use keyward_core::model::usage_items::{AccountUsage, StoredWatch, UsageHour};
use keyward_core::model::version::Version;
use keyward_core::ports::{Inventory as _, InventoryError, Metrics, MetricsError, UsageStore};
use keyward_core::usecases::monitor::State;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::gate::{Gate, gated};
use keyward_testkit::memory::{MemoryAlarms, MemoryUsage};
use serde::Serialize;
use serde_dynamo::{AttributeValue, Item, to_item};

use super::scene::{Parts, Scene};
use super::{accounts, scene};
use crate::Result;

/// Slots that are watched for the day: what each costs does not depend on how many there are.
const SLOTS: usize = 50;

const MINUTES: usize = 24 * 60;

/// A process is ended and another begins after so many runs.
const RESTART: usize = 150;

/// What a day came to.
#[derive(Debug, Default)]
pub(crate) struct Day {
    /// Slots that it was counted for.
    pub(crate) slots: f64,
    /// Request units for reading and writing what slots have, all slots together.
    pub(crate) reads: f64,
    pub(crate) writes: f64,
    /// Bytes of usage that a day adds, all slots together.
    pub(crate) bytes: f64,
    /// The same units for what the stack has once.
    pub(crate) shared_reads: f64,
    pub(crate) shared_writes: f64,
    /// Hours in which each metric of a slot had a value.
    pub(crate) metric_hours: f64,
    /// Calls of PutMetricData.
    pub(crate) puts: f64,
    /// Alarms that stand at the end.
    pub(crate) alarms: f64,
    /// Times that all slots were read.
    pub(crate) fleets: f64,
    /// Runs.
    pub(crate) runs: f64,
    /// Reports that agents sent.
    pub(crate) reports: f64,
}

/// Who tells what slots use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Teller {
    /// Their provider.
    Provider,
    /// Their agents, each in so many processes, when a bucket is over.
    Agents(usize),
}

/// One day of runs, after one that fills the store.
pub(crate) async fn day(teller: Teller) -> Result<Day> {
    let clock = Arc::new(ManualClock::at("2026-12-01T09:00:10Z".parse()?));
    let inventory = Arc::new(scene::fill(SLOTS).await?);
    let store = Arc::new(Counting::default());
    let mut versions = Vec::new();
    for slot in inventory.slot_names().await? {
        let of_slot = inventory.versions(&slot).await?;
        versions.extend(
            of_slot
                .into_iter()
                .map(|version| (slot.clone(), version.id)),
        );
        let watch = StoredWatch {
            schema: 1,
            revision: Revision(0),
            slot,
            memory: scene::remembered(keyward_core::ports::Clock::now(&*clock))?,
        };
        store.inner.save_baseline(&watch).await?;
    }
    let sizes = sizes(&inventory).await?;
    let metrics = Arc::new(CountedMetrics::default());
    let alarms = Arc::new(MemoryAlarms::default());
    let parts = Parts {
        inventory,
        alarm_source: alarms.clone(),
        alarms,
        usage: store.clone(),
        metrics: metrics.clone(),
    };
    let key = AdminKey::new("EXAMPLE-admin-key");
    let urls = accounts(SLOTS).await?;
    let mut scene = Scene::new(&urls, key, clock, parts)?;
    if teller != Teller::Provider {
        scene.tell_nothing()?;
    }
    let mut reports = 0;
    let gate = Arc::new(Gate::default());
    scene.monitor.ports = gated(&scene.monitor.ports, &gate);
    for warm in [true, false] {
        if !warm {
            store.units().clear();
            reports = 0;
            metrics.put().clear();
        }
        gate.record();
        for run in 0..MINUTES {
            if run % RESTART == 0 {
                scene.state = State::default();
            }
            scene.pass();
            if let (Teller::Agents(processes), 0) = (teller, run % 5) {
                reports += scene.tell(&versions, processes).await?;
            }
            scene.run().await?;
        }
    }
    let (calls, _) = gate.disarm();
    let units = store.units().clone();
    let of = |name: &str| units.get(name).copied().unwrap_or_default();
    let count = |name: &str| calls.iter().filter(|call| **call == name).count() as f64;
    let until = Bucket::of(scene.monitor.ports.clock.now()).hour();
    let mut bytes = 0;
    for slot in scene.monitor.ports.inventory.slot_names().await? {
        let hours = store.inner.hours(&slot, until - 24, until).await?;
        bytes += hours.iter().map(size).sum::<usize>();
    }
    let prefix = scene.monitor.deployment.alarm_prefix();
    let alarms = scene.monitor.alarms.list(&prefix).await?;
    let puts = metrics.put();
    Ok(Day {
        slots: SLOTS as f64,
        reads: of("hours.read")
            + of("baseline.read")
            + of("told.read")
            + count("inventory.slot") * sizes.slot
            + count("inventory.versions") * sizes.versions,
        writes: of("hours.write") + of("baseline.write") + of("told.write"),
        bytes: bytes as f64,
        // The lease is taken and given back. Beside it one look for work that is due, half a unit, and the prices.
        shared_reads: of("account.read") + of("prices.read") + count("inventory.due") / 2.0,
        shared_writes: of("account.write") + 2.0 * MINUTES as f64,
        metric_hours: puts.hours.len() as f64,
        puts: puts.calls as f64,
        alarms: alarms.len() as f64,
        fleets: count("inventory.slot_names"),
        runs: MINUTES as f64,
        reports: reports as f64,
    })
}

/// Units for reading a slot, and its versions.
struct Sizes {
    slot: f64,
    versions: f64,
}

async fn sizes(inventory: &keyward_testkit::memory::MemoryInventory) -> Result<Sizes> {
    let slots: Vec<Slot> = inventory.all_slots();
    let slot = slots.first().ok_or("no slot")?;
    let versions: Vec<Version> = inventory.versions(&slot.name).await?;
    let bytes = versions.iter().map(size).sum::<usize>();
    Ok(Sizes {
        slot: read_units(size(slot)),
        versions: read_units(bytes),
    })
}

/// Units of a strongly consistent read: one for 4 KB, and one at least.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>
fn read_units(bytes: usize) -> f64 {
    bytes.div_ceil(4096).max(1) as f64
}

/// Units of a write: one for 1 KB.
fn write_units(bytes: usize) -> f64 {
    bytes.div_ceil(1024).max(1) as f64
}

/// The keys, and what the table's own attributes take.
const KEYS: usize = 100;

/// The size of an item by AWS's rules.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
fn size<T: Serialize>(value: &T) -> usize {
    let item: Item = to_item(value).unwrap_or_default();
    let attributes = item.inner().iter();
    let sizes = attributes.map(|(name, value)| name.len() + size_of_value(value));
    sizes.sum::<usize>() + KEYS
}

fn size_of_value(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::M(fields) => {
            let fields = fields.iter();
            let sizes = fields.map(|(name, value)| name.len() + 1 + size_of_value(value));
            3 + sizes.sum::<usize>()
        }
        AttributeValue::L(items) => {
            3 + items
                .iter()
                .map(|item| 1 + size_of_value(item))
                .sum::<usize>()
        }
        _ => 1,
    }
}

/// A store that counts units by what was read or written.
#[derive(Default)]
struct Counting {
    inner: MemoryUsage,
    units: Mutex<BTreeMap<&'static str, f64>>,
}

impl Counting {
    fn units(&self) -> MutexGuard<'_, BTreeMap<&'static str, f64>> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, what: &'static str, units: f64) {
        *self.units().entry(what).or_default() += units;
    }
}

#[async_trait]
impl UsageStore for Counting {
    async fn hours(
        &self,
        slot: &SlotName,
        from: u32,
        until: u32,
    ) -> std::result::Result<Vec<UsageHour>, InventoryError> {
        let hours = self.inner.hours(slot, from, until).await?;
        // A query's items are added up first.
        self.count("hours.read", read_units(hours.iter().map(size).sum()));
        Ok(hours)
    }

    async fn save_hour(&self, hour: &UsageHour) -> std::result::Result<(), InventoryError> {
        self.count("hours.write", write_units(size(hour)));
        self.inner.save_hour(hour).await
    }

    async fn told(
        &self,
        slot: &SlotName,
        from: u32,
        until: u32,
        most: usize,
    ) -> std::result::Result<Vec<ToldHour>, InventoryError> {
        let told = self.inner.told(slot, from, until, most).await?;
        self.count("told.read", read_units(told.iter().map(size).sum()));
        Ok(told)
    }

    async fn told_by(
        &self,
        slot: &SlotName,
        hour: u32,
        reporter: &ReporterId,
    ) -> std::result::Result<Option<ToldHour>, InventoryError> {
        let told = self.inner.told_by(slot, hour, reporter).await?;
        self.count("told.read", read_units(told.iter().map(size).sum()));
        Ok(told)
    }

    async fn save_told(&self, told: &ToldHour) -> std::result::Result<(), InventoryError> {
        self.count("told.write", write_units(size(told)));
        self.inner.save_told(told).await
    }

    async fn account(
        &self,
        account: &AccountName,
    ) -> std::result::Result<Option<AccountUsage>, InventoryError> {
        let found = self.inner.account(account).await?;
        self.count("account.read", read_units(found.iter().map(size).sum()));
        Ok(found)
    }

    async fn save_account(
        &self,
        account: &AccountUsage,
    ) -> std::result::Result<(), InventoryError> {
        self.count("account.write", write_units(size(account)));
        self.inner.save_account(account).await
    }

    async fn baseline(
        &self,
        slot: &SlotName,
    ) -> std::result::Result<Option<StoredWatch>, InventoryError> {
        let found = self.inner.baseline(slot).await?;
        self.count("baseline.read", read_units(found.iter().map(size).sum()));
        Ok(found)
    }

    async fn save_baseline(
        &self,
        baseline: &StoredWatch,
    ) -> std::result::Result<(), InventoryError> {
        self.count("baseline.write", write_units(size(baseline)));
        self.inner.save_baseline(baseline).await
    }

    async fn prices(&self) -> std::result::Result<Option<String>, InventoryError> {
        self.count("prices.read", 1.0);
        self.inner.prices().await
    }

    async fn save_prices(&self, json: &str) -> std::result::Result<(), InventoryError> {
        self.inner.save_prices(json).await
    }
}

/// What was put.
#[derive(Default)]
struct Put {
    /// Each hour in which a slot had a value.
    hours: BTreeSet<(SlotName, i64)>,
    calls: usize,
}

impl Put {
    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[derive(Default)]
struct CountedMetrics(Mutex<Put>);

impl CountedMetrics {
    fn put(&self) -> MutexGuard<'_, Put> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Metrics for CountedMetrics {
    async fn put_scores(
        &self,
        _: &StackName,
        scores: &[KillScore],
    ) -> std::result::Result<(), MetricsError> {
        let mut put = self.put();
        put.calls += scores.len().div_ceil(1000);
        let hours = scores.iter();
        let hours = hours.map(|score| (score.slot.clone(), score.at.as_second() / 3600));
        put.hours.extend(hours);
        Ok(())
    }

    async fn beat(&self, _: &StackName, _: Timestamp) -> std::result::Result<(), MetricsError> {
        self.put().calls += 1;
        Ok(())
    }
}
