use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::names::{AccountName, ReporterId, SlotName};
use keyward_core::model::slot::Revision;
use keyward_core::model::told::ToldHour;
use keyward_core::model::usage_items::{AccountUsage, StoredWatch, UsageHour};
use keyward_core::ports::{Held, InventoryError, Leases, UsageStore};

/// Usage and leases in memory, with the same conditions on every write as the table.
#[derive(Debug, Default)]
pub struct MemoryUsage(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    hours: BTreeMap<(SlotName, u32), UsageHour>,
    told: BTreeMap<(SlotName, u32, ReporterId), ToldHour>,
    accounts: BTreeMap<AccountName, AccountUsage>,
    baselines: BTreeMap<SlotName, StoredWatch>,
    prices: Option<String>,
    leases: BTreeMap<String, (String, Timestamp)>,
    writes: usize,
    broken: BTreeSet<SlotName>,
    refused: BTreeSet<SlotName>,
    told_reads: Vec<(SlotName, usize)>,
}

impl MemoryUsage {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().expect("not poisoned")
    }

    /// All hours of all slots, in order of slot and time, for looking at from a test.
    pub fn all_hours(&self) -> Vec<UsageHour> {
        self.tables().hours.values().cloned().collect()
    }

    /// All that processes told, in order of slot, time and process.
    pub fn all_told(&self) -> Vec<ToldHour> {
        self.tables().told.values().cloned().collect()
    }

    /// From now on what agents told of these slots cannot be read.
    pub fn break_told(&self, slots: &[&str]) {
        self.tables().broken = names(slots);
    }

    /// From now on the hours of these slots cannot be written.
    pub fn refuse_hours(&self, slots: &[&str]) {
        self.tables().refused = names(slots);
    }

    /// The slots of which was read what agents told, since this was last asked, and how many items at a time.
    pub fn told_reads(&self) -> Vec<(SlotName, usize)> {
        std::mem::take(&mut self.tables().told_reads)
    }

    /// How many items were written so far.
    pub fn writes(&self) -> usize {
        self.tables().writes
    }
}

fn names(slots: &[&str]) -> BTreeSet<SlotName> {
    let names = slots.iter().map(|name| name.parse());
    names.map(|name| name.expect("a slot's name")).collect()
}

fn broken(slot: &SlotName) -> InventoryError {
    InventoryError::Corrupt {
        key: format!("an item of {slot}"),
        why: "a test breaks it".to_owned(),
    }
}

/// Writes `item` where the one that is there has the revision that it was read at.
fn put<K: Ord, T: Clone>(
    items: &mut BTreeMap<K, T>,
    key: K,
    item: &T,
    revision: fn(&mut T) -> &mut Revision,
) -> Result<(), InventoryError> {
    let mut item = item.clone();
    let read = *revision(&mut item);
    *revision(&mut item) = read.next();
    let found = items.get_mut(&key);
    if found.map_or(Revision(0), |known| *revision(known)) != read {
        return Err(InventoryError::Conflict);
    }
    items.insert(key, item);
    Ok(())
}

#[async_trait]
impl UsageStore for MemoryUsage {
    async fn hours(
        &self,
        slot: &SlotName,
        from: u32,
        until: u32,
    ) -> Result<Vec<UsageHour>, InventoryError> {
        let tables = self.tables();
        if from >= until {
            return Ok(Vec::new());
        }
        let found = tables
            .hours
            .range((slot.clone(), from)..(slot.clone(), until));
        Ok(found.map(|(_, hour)| hour.clone()).collect())
    }

    async fn save_hour(&self, hour: &UsageHour) -> Result<(), InventoryError> {
        let mut tables = self.tables();
        if tables.refused.contains(&hour.slot) {
            return Err(broken(&hour.slot));
        }
        let key = (hour.slot.clone(), hour.hour);
        put(&mut tables.hours, key, hour, |hour| &mut hour.revision)?;
        tables.writes += 1;
        Ok(())
    }

    async fn told(
        &self,
        slot: &SlotName,
        from: u32,
        until: u32,
        most: usize,
    ) -> Result<Vec<ToldHour>, InventoryError> {
        let mut tables = self.tables();
        if tables.broken.contains(slot) {
            return Err(broken(slot));
        }
        let ours = tables
            .told
            .iter()
            .filter(|((of, hour, _), _)| of == slot && (from..until).contains(hour));
        let told: Vec<ToldHour> = ours.take(most).map(|(_, told)| told.clone()).collect();
        tables.told_reads.push((slot.clone(), told.len()));
        Ok(told)
    }

    async fn told_by(
        &self,
        slot: &SlotName,
        hour: u32,
        reporter: &ReporterId,
    ) -> Result<Option<ToldHour>, InventoryError> {
        let key = (slot.clone(), hour, reporter.clone());
        Ok(self.tables().told.get(&key).cloned())
    }

    async fn save_told(&self, told: &ToldHour) -> Result<(), InventoryError> {
        let mut tables = self.tables();
        let key = (told.slot.clone(), told.hour, told.reporter.clone());
        put(&mut tables.told, key, told, |told| &mut told.revision)?;
        tables.writes += 1;
        Ok(())
    }

    async fn account(&self, account: &AccountName) -> Result<Option<AccountUsage>, InventoryError> {
        Ok(self.tables().accounts.get(account).cloned())
    }

    async fn save_account(&self, account: &AccountUsage) -> Result<(), InventoryError> {
        let mut tables = self.tables();
        let key = account.account.clone();
        put(&mut tables.accounts, key, account, |a| &mut a.revision)?;
        tables.writes += 1;
        Ok(())
    }

    async fn baseline(&self, slot: &SlotName) -> Result<Option<StoredWatch>, InventoryError> {
        Ok(self.tables().baselines.get(slot).cloned())
    }

    async fn save_baseline(&self, baseline: &StoredWatch) -> Result<(), InventoryError> {
        let mut tables = self.tables();
        let key = baseline.slot.clone();
        put(&mut tables.baselines, key, baseline, |b| &mut b.revision)?;
        tables.writes += 1;
        Ok(())
    }

    async fn prices(&self) -> Result<Option<String>, InventoryError> {
        Ok(self.tables().prices.clone())
    }

    async fn save_prices(&self, json: &str) -> Result<(), InventoryError> {
        self.tables().prices = Some(json.to_owned());
        Ok(())
    }
}

#[async_trait]
impl Leases for MemoryUsage {
    async fn take(
        &self,
        name: &str,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Held, InventoryError> {
        let mut tables = self.tables();
        let is_anothers = tables
            .leases
            .get(name)
            .is_some_and(|(by, end)| by != owner && *end > now);
        if is_anothers {
            return Ok(Held::No);
        }
        tables
            .leases
            .insert(name.to_owned(), (owner.to_owned(), until));
        Ok(Held::Yes)
    }

    async fn renew(
        &self,
        name: &str,
        owner: &str,
        until: Timestamp,
    ) -> Result<Held, InventoryError> {
        match self.tables().leases.get_mut(name) {
            Some((by, end)) if by == owner => {
                *end = until;
                Ok(Held::Yes)
            }
            _ => Ok(Held::No),
        }
    }

    async fn give_back(&self, name: &str, owner: &str) -> Result<(), InventoryError> {
        let mut tables = self.tables();
        if tables.leases.get(name).is_some_and(|(by, _)| by == owner) {
            tables.leases.remove(name);
        }
        Ok(())
    }
}
