use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::act::{Act, ActId, Phase};
use keyward_core::model::incident::Incident;
use keyward_core::model::key::Fingerprint;
use keyward_core::model::names::{AccountName, SlotName};
use keyward_core::model::pool::Pool;
use keyward_core::model::slot::Slot;
use keyward_core::model::version::{Version, VersionId};
use keyward_core::ports::{Acts, Due, Fence, Inventory, InventoryError, StandbyPools, UniqueItem};

/// An inventory in memory, with the same conditions on every write as the table.
#[derive(Debug, Default)]
pub struct MemoryInventory(Mutex<Tables>);

/// What a uniqueness item belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owner {
    slot: SlotName,
    version: Option<VersionId>,
}

#[derive(Debug, Default)]
struct Tables {
    slots: BTreeMap<SlotName, Slot>,
    versions: BTreeMap<(SlotName, VersionId), Version>,
    unique: BTreeMap<String, Owner>,
    incidents: BTreeMap<String, Incident>,
    open: BTreeMap<SlotName, String>,
    pools: BTreeMap<AccountName, Pool>,
    acts: BTreeMap<(Timestamp, ActId, Phase), Act>,
    /// What the transaction under way has replaced, in order.
    replaced: Vec<Replaced>,
}

/// What stood in a place before a transaction wrote to it.
#[derive(Debug)]
enum Replaced {
    Slot(SlotName, Option<Box<Slot>>),
    Version((SlotName, VersionId), Option<Box<Version>>),
    Unique(String, Option<Owner>),
    Incident(String, Option<Incident>),
    Open(SlotName, Option<String>),
    Pool(AccountName, Option<Box<Pool>>),
}

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
        slots.chain(versions).min()
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

    /// All entries of the record of acts, oldest first.
    pub fn all_acts(&self) -> Vec<Act> {
        self.tables().acts.values().cloned().collect()
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
        let acts = tables.acts.values();
        let acts = serde_json::to_string(&acts.collect::<Vec<_>>()).expect("serialises");
        let rest = format!(
            "{:?} {:?} {:?} {pools} {acts}",
            tables.unique, tables.incidents, tables.open
        );
        slots
            .chain(versions)
            .chain([rest])
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn put_back<K: Ord, V>(table: &mut BTreeMap<K, V>, key: K, before: Option<V>) {
    match before {
        Some(before) => drop(table.insert(key, before)),
        None => drop(table.remove(&key)),
    }
}

impl Tables {
    fn take_back(&mut self) {
        while let Some(replaced) = self.replaced.pop() {
            match replaced {
                Replaced::Slot(key, before) => put_back(&mut self.slots, key, before.map(|b| *b)),
                Replaced::Version(key, before) => {
                    put_back(&mut self.versions, key, before.map(|b| *b))
                }
                Replaced::Unique(key, before) => put_back(&mut self.unique, key, before),
                Replaced::Incident(key, before) => put_back(&mut self.incidents, key, before),
                Replaced::Open(key, before) => put_back(&mut self.open, key, before),
                Replaced::Pool(key, before) => put_back(&mut self.pools, key, before.map(|b| *b)),
            }
        }
    }

    fn put_slot(&mut self, slot: &Slot) {
        let stored = Slot {
            revision: slot.revision.next(),
            ..slot.clone()
        };
        let before = self.slots.insert(slot.name.clone(), stored);
        self.replaced
            .push(Replaced::Slot(slot.name.clone(), before.map(Box::new)));
    }

    fn put_version(&mut self, version: &Version) {
        let key = (version.slot.clone(), version.id.clone());
        let stored = Version {
            revision: version.revision.next(),
            ..version.clone()
        };
        let before = self.versions.insert(key.clone(), stored);
        self.replaced
            .push(Replaced::Version(key, before.map(Box::new)));
    }

    fn put_incident(&mut self, incident: &Incident) {
        let id = incident.id.clone();
        let before = self.incidents.insert(id.clone(), incident.clone());
        self.replaced.push(Replaced::Incident(id.clone(), before));
        let before = self.open.insert(incident.slot.clone(), id);
        self.replaced
            .push(Replaced::Open(incident.slot.clone(), before));
    }

    fn fence(&self, slot: &SlotName, fence: Fence) -> Result<(), InventoryError> {
        let Fence::Epoch(epoch) = fence else {
            return Ok(());
        };
        match self.slots.get(slot) {
            Some(stored) if stored.epoch == epoch => Ok(()),
            _ => Err(InventoryError::Fenced(epoch)),
        }
    }

    fn claim(
        &mut self,
        key: String,
        what: UniqueItem,
        owner: &Owner,
    ) -> Result<(), InventoryError> {
        match self.unique.get(&key) {
            Some(holder) if holder != owner => Err(InventoryError::Taken {
                what,
                by: Some(holder.slot.clone()),
            }),
            Some(_) => Ok(()),
            None => {
                self.unique.insert(key.clone(), owner.clone());
                self.replaced.push(Replaced::Unique(key, None));
                Ok(())
            }
        }
    }

    /// Claims fingerprint and handle, except where the stored version has the same ones and so holds them already.
    fn claim_key(&mut self, version: &Version) -> Result<(), InventoryError> {
        let key = (version.slot.clone(), version.id.clone());
        let stored = self.versions.get(&key);
        let new_print = stored.is_none_or(|stored| stored.fingerprint != version.fingerprint);
        let new_handle = stored.is_none_or(|stored| stored.handle != version.handle);
        let slot = self.slots.get(&version.slot);
        let account = slot
            .map(|slot| slot.account.clone())
            .ok_or(InventoryError::Conflict)?;
        let owner = Owner {
            slot: version.slot.clone(),
            version: Some(version.id.clone()),
        };
        if let (Some(print), true) = (version.fingerprint, new_print) {
            let key = format!("FINGERPRINT#{}", print.to_hex());
            self.claim(key, UniqueItem::Fingerprint, &owner)?;
        }
        if let (Some(handle), true) = (&version.handle, new_handle) {
            self.claim(
                format!("HANDLE#{account}#{handle}"),
                UniqueItem::Handle,
                &owner,
            )?;
        }
        Ok(())
    }

    fn add(&mut self, version: &Version) -> Result<(), InventoryError> {
        let key = (version.slot.clone(), version.id.clone());
        if self.versions.contains_key(&key) {
            return Err(InventoryError::Conflict);
        }
        self.claim_key(version)?;
        self.put_version(version);
        Ok(())
    }

    fn save(&mut self, version: &Version) -> Result<(), InventoryError> {
        let key = (version.slot.clone(), version.id.clone());
        match self.versions.get(&key) {
            Some(stored) if stored.revision == version.revision => {}
            _ => return Err(InventoryError::Conflict),
        }
        self.claim_key(version)?;
        self.put_version(version);
        Ok(())
    }

    fn save_pool(&mut self, pool: &Pool) -> Result<(), InventoryError> {
        let stored = self.pools.get(&pool.account).map(|pool| pool.revision);
        if stored.unwrap_or_default() != pool.revision {
            return Err(InventoryError::Conflict);
        }
        let saved = Pool {
            revision: pool.revision.next(),
            ..pool.clone()
        };
        let before = self.pools.insert(pool.account.clone(), saved);
        self.replaced
            .push(Replaced::Pool(pool.account.clone(), before.map(Box::new)));
        Ok(())
    }

    fn save_slot(&mut self, slot: &Slot) -> Result<(), InventoryError> {
        match self.slots.get(&slot.name) {
            Some(stored) if stored.revision == slot.revision => {}
            _ => return Err(InventoryError::Conflict),
        }
        self.put_slot(slot);
        Ok(())
    }
}

#[async_trait]
impl Inventory for MemoryInventory {
    async fn slot(&self, name: &SlotName) -> Result<Option<Slot>, InventoryError> {
        Ok(self.tables().slots.get(name).cloned())
    }

    async fn versions(&self, slot: &SlotName) -> Result<Vec<Version>, InventoryError> {
        let tables = self.tables();
        let mut found: Vec<Version> = tables
            .versions
            .values()
            .filter(|v| v.slot == *slot)
            .cloned()
            .collect();
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

    async fn open_incident(&self, incident: &Incident, slot: &Slot) -> Result<(), InventoryError> {
        self.transact(|tables| {
            if tables.open.contains_key(&slot.name) || tables.incidents.contains_key(&incident.id) {
                return Err(InventoryError::Conflict);
            }
            tables.put_incident(incident);
            tables.save_slot(&Slot {
                epoch: incident.epoch,
                ..slot.clone()
            })
        })
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
        let mut due: Vec<_> = slots.chain(versions).filter(|(at, _)| *at <= now).collect();
        due.sort_by_key(|(at, _)| *at);
        Ok(due.into_iter().take(limit).map(|(_, due)| due).collect())
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
}
