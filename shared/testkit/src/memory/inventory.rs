mod tables;

use std::collections::btree_map::Entry;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::act::Act;
use keyward_core::model::admin::AdminRecord;
use keyward_core::model::audit::Period;
use keyward_core::model::drill::Drill;
use keyward_core::model::incident::{Incident, TriggerId};
use keyward_core::model::key::Fingerprint;
use keyward_core::model::names::{AccountName, SlotName};
use keyward_core::model::offboarding::{Offboarding, OffboardingId};
use keyward_core::model::pool::Pool;
use keyward_core::model::slot::Slot;
use keyward_core::model::version::{Version, VersionId};
use keyward_core::ports::{
    Acts, Due, Fence, Inventory, InventoryError, MigratedPage, Migration, MigrationError,
    Offboardings, PageToken, Pass, StandbyPools, UniqueItem,
};

use tables::{Owner, Tables};

/// The whole inventory as it was at a moment.
#[derive(Debug, Clone)]
pub struct Backup(Tables);

/// An inventory in memory, with the same conditions on every write as the table.
#[derive(Debug, Default)]
pub struct MemoryInventory(Mutex<Tables>);

impl MemoryInventory {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().expect("not poisoned")
    }

    /// Runs `write`, and takes back what it wrote if it fails: whole or not at all.
    fn transact<T>(
        &self,
        write: impl FnOnce(&mut Tables) -> Result<T, InventoryError>,
    ) -> Result<T, InventoryError> {
        let mut tables = self.tables();
        tables.replaced.clear();
        let done = write(&mut tables);
        if done.is_err() {
            tables.take_back();
        }
        done
    }

    /// When the next work is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        let tables = self.tables();
        let slots = tables.slots.values().map(|slot| slot.due_at);
        let versions = tables.versions.values().filter_map(|v| v.due_at);
        let incidents = tables.incidents.values().filter_map(|i| i.due_at);
        slots.chain(versions).chain(incidents).min()
    }

    /// Closes the slot's open incident, so that another can be opened.
    pub fn close_incident(&self, slot: &SlotName) {
        self.tables().open.remove(slot);
    }

    /// All slots, for looking at from a test.
    pub fn all_slots(&self) -> Vec<Slot> {
        self.tables().slots.values().cloned().collect()
    }

    /// All versions of all slots, for looking at from a test.
    pub fn all_versions(&self) -> Vec<Version> {
        self.tables().versions.values().cloned().collect()
    }

    /// All incidents, open and closed, for looking at from a test.
    pub fn all_incidents(&self) -> Vec<Incident> {
        self.tables().incidents.values().cloned().collect()
    }

    /// All cases of offboarding, for looking at from a test.
    pub fn all_offboardings(&self) -> Vec<Offboarding> {
        self.tables().offboardings.values().cloned().collect()
    }

    /// All entries of the record of acts, oldest first.
    pub fn all_acts(&self) -> Vec<Act> {
        self.tables().acts.values().cloned().collect()
    }

    /// The inventory as it is now.
    pub fn back_up(&self) -> Backup {
        Backup(self.tables().clone())
    }

    /// Puts a backup in place of everything, as a person can.
    pub fn put_back(&self, backup: &Backup) {
        *self.tables() = backup.0.clone();
    }

    /// Puts a version in place as it is, also with another slot's key, as somebody can who writes into the table.
    pub fn put_as_it_is(&self, version: &Version) {
        self.tables().put_version(version);
    }

    /// Loses a version, as no store may.
    pub fn forget(&self, slot: &SlotName, id: &VersionId) {
        self.tables().versions.remove(&(slot.clone(), id.clone()));
    }

    /// Every item as text, for looking for what must not be there.
    pub fn dump(&self) -> String {
        let tables = self.tables();
        let slots = tables
            .slots
            .values()
            .map(|s| serde_json::to_string(s).expect("serialises"));
        let versions = tables
            .versions
            .values()
            .map(|v| serde_json::to_string(v).expect("serialises"));
        let pools = serde_json::to_string(&tables.pools).expect("serialises");
        let admins = serde_json::to_string(&tables.admins).expect("serialises");
        let acts = tables.acts.values();
        let acts = serde_json::to_string(&acts.collect::<Vec<_>>()).expect("serialises");
        let rest = format!(
            "{:?} {:?} {:?} {:?} {:?} {pools} {admins} {acts}",
            tables.unique, tables.incidents, tables.open, tables.drills, tables.offboardings
        );
        slots
            .chain(versions)
            .chain([rest])
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// The id that stands before all others.
fn first_id() -> VersionId {
    let least = "-".repeat(32);
    VersionId {
        secret_version: least.parse().expect("a valid id"),
        attempt: 0,
    }
}

/// In memory everything is as this release writes it.
#[async_trait]
impl Migration for MemoryInventory {
    async fn page(
        &self,
        _from: Option<&PageToken>,
        _pass: Pass,
    ) -> Result<MigratedPage, MigrationError> {
        let tables = self.tables();
        let items = tables.slots.len() + tables.versions.len() + tables.incidents.len();
        Ok(MigratedPage {
            items: items as u64,
            ..MigratedPage::default()
        })
    }
}

#[async_trait]
impl Inventory for MemoryInventory {
    async fn slot(&self, name: &SlotName) -> Result<Option<Slot>, InventoryError> {
        Ok(self.tables().slots.get(name).cloned())
    }

    async fn versions(&self, slot: &SlotName) -> Result<Vec<Version>, InventoryError> {
        let tables = self.tables();
        let from = (slot.clone(), first_id());
        let of_slot = tables.versions.range(from..);
        let of_slot = of_slot.take_while(|((of, _), _)| of == slot);
        let mut found: Vec<Version> = of_slot.map(|(_, version)| version.clone()).collect();
        found.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        Ok(found)
    }

    async fn create_slot(
        &self,
        slot: &Slot,
        current: Option<&Version>,
    ) -> Result<(), InventoryError> {
        self.transact(|tables| {
            if tables.slots.contains_key(&slot.name) {
                let by = Some(slot.name.clone());
                return Err(InventoryError::Taken {
                    what: UniqueItem::Name,
                    by,
                });
            }
            let owner = Owner {
                slot: slot.name.clone(),
                version: None,
            };
            tables.claim(
                format!("SECRET#{}", slot.secret),
                UniqueItem::Secret,
                &owner,
            )?;
            let environment = serde_json::to_string(&slot.environment).expect("serialises");
            let place = format!("PLACE#{}#{}#{environment}", slot.agent, slot.provider);
            tables.claim(place, UniqueItem::Place, &owner)?;
            if let Some(home) = slot.provider.home(&slot.account, &slot.scope) {
                let home = format!("HOME#{}#{home}", slot.provider);
                tables.claim(home, UniqueItem::Home, &owner)?;
            }
            tables.put_slot(slot);
            current.map_or(Ok(()), |version| tables.add(version))
        })
    }

    async fn save_slot(&self, slot: &Slot) -> Result<(), InventoryError> {
        self.transact(|tables| tables.save_slot(slot))
    }

    async fn add_version(&self, version: &Version, fence: Fence) -> Result<(), InventoryError> {
        self.transact(|tables| {
            tables.fence(&version.slot, fence)?;
            tables.add(version)
        })
    }

    async fn save_versions(
        &self,
        versions: &[Version],
        fence: Fence,
    ) -> Result<(), InventoryError> {
        self.transact(|tables| {
            for version in versions {
                tables.fence(&version.slot, fence)?;
                tables.save(version)?;
            }
            Ok(())
        })
    }

    async fn end_drill(&self, slot: &Slot, drill: &Drill) -> Result<(), InventoryError> {
        let key = (drill.slot.clone(), drill.started);
        self.transact(|tables| {
            if tables.drills.contains_key(&key) {
                return Err(InventoryError::Conflict);
            }
            tables.save_slot(slot)?;
            tables.drills.insert(key, drill.clone());
            Ok(())
        })
    }

    async fn drills(&self, slot: &SlotName) -> Result<Vec<Drill>, InventoryError> {
        let tables = self.tables();
        let of_slot = tables.drills.values().filter(|drill| drill.slot == *slot);
        Ok(of_slot.cloned().collect())
    }

    async fn open_incident(
        &self,
        incident: &Incident,
        slot: &Slot,
        versions: &[Version],
    ) -> Result<(), InventoryError> {
        self.transact(|tables| {
            if tables.open.contains_key(&slot.name) || tables.incidents.contains_key(&incident.id) {
                return Err(InventoryError::Conflict);
            }
            for version in versions {
                tables.unchanged(version)?;
            }
            tables.put_incident(incident);
            for trigger in &incident.triggers {
                tables.put_trigger(&trigger.id, &incident.id)?;
            }
            tables.save_slot(&Slot {
                epoch: incident.epoch,
                ..slot.clone()
            })
        })
    }

    async fn save_incident(&self, incident: &Incident) -> Result<(), InventoryError> {
        self.transact(|tables| tables.save_incident(incident))
    }

    async fn follow_up(&self, incident: &Incident) -> Result<(), InventoryError> {
        self.transact(|tables| tables.follow_up(incident))
    }

    async fn attach_trigger(
        &self,
        incident: &Incident,
        trigger: &TriggerId,
    ) -> Result<(), InventoryError> {
        self.transact(|tables| {
            tables.put_trigger(trigger, &incident.id)?;
            tables.save_incident(incident)
        })
    }

    async fn incident(&self, id: &str) -> Result<Option<Incident>, InventoryError> {
        Ok(self.tables().incidents.get(id).cloned())
    }

    async fn incident_of_slot(&self, slot: &SlotName) -> Result<Option<Incident>, InventoryError> {
        let tables = self.tables();
        let id = tables.open.get(slot);
        Ok(id.and_then(|id| tables.incidents.get(id)).cloned())
    }

    async fn incident_of_trigger(
        &self,
        trigger: &TriggerId,
    ) -> Result<Option<Incident>, InventoryError> {
        let tables = self.tables();
        let id = tables.triggers.get(trigger.as_str());
        Ok(id.and_then(|id| tables.incidents.get(id)).cloned())
    }

    async fn holder(&self, fingerprint: &Fingerprint) -> Result<Option<SlotName>, InventoryError> {
        let key = format!("FINGERPRINT#{}", fingerprint.to_hex());
        let tables = self.tables();
        Ok(tables.unique.get(&key).map(|owner| owner.slot.clone()))
    }

    async fn slot_names(&self) -> Result<Vec<SlotName>, InventoryError> {
        Ok(self.tables().slots.keys().cloned().collect())
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, InventoryError> {
        let tables = self.tables();
        let slots = tables
            .slots
            .values()
            .map(|s| (s.due_at, Due::Slot(s.name.clone())));
        let versions = tables
            .versions
            .values()
            .filter_map(|v| Some((v.due_at?, Due::Version(v.slot.clone(), v.id.clone()))));
        let incidents = tables
            .incidents
            .values()
            .filter_map(|i| Some((i.due_at?, Due::Incident(i.id.clone()))));
        let all = slots.chain(versions).chain(incidents);
        let mut due: Vec<_> = all.filter(|(at, _)| *at <= now).collect();
        due.sort_by_key(|(at, _)| *at);
        Ok(due.into_iter().take(limit).map(|(_, due)| due).collect())
    }

    async fn admin(&self, account: &AccountName) -> Result<Option<AdminRecord>, InventoryError> {
        Ok(self.tables().admins.get(account).cloned())
    }

    async fn save_admin(&self, record: &AdminRecord) -> Result<(), InventoryError> {
        let admins = &mut self.tables().admins;
        let stored = admins.get(&record.account).map(|stored| stored.revision);
        if stored.unwrap_or_default() != record.revision {
            return Err(InventoryError::Conflict);
        }
        let saved = AdminRecord {
            revision: record.revision.next(),
            ..record.clone()
        };
        admins.insert(record.account.clone(), saved);
        Ok(())
    }
}

#[async_trait]
impl Offboardings for MemoryInventory {
    async fn offboarding(&self, id: &OffboardingId) -> Result<Option<Offboarding>, InventoryError> {
        Ok(self.tables().offboardings.get(id).cloned())
    }

    async fn save_offboarding(&self, case: &Offboarding) -> Result<(), InventoryError> {
        let mut tables = self.tables();
        let stored = tables
            .offboardings
            .get(&case.id)
            .map(|stored| stored.revision);
        if stored.unwrap_or_default() != case.revision {
            return Err(InventoryError::Conflict);
        }
        let saved = Offboarding {
            revision: case.revision.next(),
            ..case.clone()
        };
        tables.offboardings.insert(case.id.clone(), saved);
        Ok(())
    }

    async fn due_offboardings(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<OffboardingId>, InventoryError> {
        let tables = self.tables();
        let mut due: Vec<_> = tables
            .offboardings
            .values()
            .filter_map(|c| Some((c.due_at?, &c.id)))
            .collect();
        due.retain(|(at, _)| *at <= now);
        due.sort();
        Ok(due
            .into_iter()
            .take(limit)
            .map(|(_, id)| id.clone())
            .collect())
    }
}

#[async_trait]
impl StandbyPools for MemoryInventory {
    async fn pool(&self, account: &AccountName) -> Result<Option<Pool>, InventoryError> {
        Ok(self.tables().pools.get(account).cloned())
    }

    async fn save_pool(&self, pool: &Pool) -> Result<(), InventoryError> {
        self.transact(|tables| tables.save_pool(pool))
    }

    async fn draw(
        &self,
        pool: &Pool,
        version: &Version,
        fence: Fence,
    ) -> Result<(), InventoryError> {
        self.transact(|tables| {
            tables.fence(&version.slot, fence)?;
            tables.save_pool(pool)?;
            tables.add(version)
        })
    }
}

#[async_trait]
impl Acts for MemoryInventory {
    async fn append(&self, act: &Act) -> Result<(), InventoryError> {
        let key = (act.at, act.id.clone(), act.phase);
        match self.tables().acts.entry(key) {
            Entry::Occupied(kept) if kept.get() != act => Err(InventoryError::Conflict),
            kept => {
                kept.or_insert_with(|| act.clone());
                Ok(())
            }
        }
    }

    async fn of_month(&self, month: Period) -> Result<Vec<Act>, InventoryError> {
        let tables = self.tables();
        let acts = tables
            .acts
            .values()
            .filter(|act| Period::of(act.at) == month);
        Ok(acts.cloned().collect())
    }
}
