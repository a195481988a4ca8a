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

#[derive(Debug, Default, Clone)]
struct Tables {
    slots: BTreeMap<SlotName, Slot>,
    versions: BTreeMap<(SlotName, VersionId), Version>,
    unique: BTreeMap<String, Owner>,
    incidents: BTreeMap<String, Incident>,
    open: BTreeMap<SlotName, String>,
    pools: BTreeMap<AccountName, Pool>,
    acts: BTreeMap<(Timestamp, ActId, Phase), Act>,
}

impl MemoryInventory {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().expect("not poisoned")
    }

    /// Runs `write` on a copy that replaces the tables only if it succeeds: whole or not at all.
    fn transact<T>(
        &self,
        write: impl FnOnce(&mut Tables) -> Result<T, InventoryError>,
    ) -> Result<T, InventoryError> {
        let mut tables = self.tables();
        let mut copy = tables.clone();
        let done = write(&mut copy)?;
        *tables = copy;
        Ok(done)
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

impl Tables {
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
            _ => {
                self.unique.insert(key, owner.clone());
                Ok(())
            }
        }
    }

    fn claim_key(&mut self, version: &Version, slot: &Slot) -> Result<(), InventoryError> {
        let owner = Owner {
            slot: version.slot.clone(),
            version: Some(version.id.clone()),
        };
        if let Some(print) = version.fingerprint {
            let key = format!("FINGERPRINT#{}", print.to_hex());
            self.claim(key, UniqueItem::Fingerprint, &owner)?;
        }
        if let Some(handle) = &version.handle {
            self.claim(
                format!("HANDLE#{}#{handle}", slot.account),
                UniqueItem::Handle,
                &owner,
            )?;
        }
        Ok(())
    }

    fn slot_of(&self, version: &Version) -> Result<Slot, InventoryError> {
        self.slots
            .get(&version.slot)
            .cloned()
            .ok_or(InventoryError::Conflict)
    }

    fn add(&mut self, version: &Version) -> Result<(), InventoryError> {
        let key = (version.slot.clone(), version.id.clone());
        if self.versions.contains_key(&key) {
            return Err(InventoryError::Conflict);
        }
        let slot = self.slot_of(version)?;
        self.claim_key(version, &slot)?;
        let stored = Version {
            revision: version.revision.next(),
            ..version.clone()
        };
        self.versions.insert(key, stored);
        Ok(())
    }

    fn save(&mut self, version: &Version) -> Result<(), InventoryError> {
        let key = (version.slot.clone(), version.id.clone());
        match self.versions.get(&key) {
            Some(stored) if stored.revision == version.revision => {}
            _ => return Err(InventoryError::Conflict),
        }
        let slot = self.slot_of(version)?;
        self.claim_key(version, &slot)?;
        let stored = Version {
            revision: version.revision.next(),
            ..version.clone()
        };
        self.versions.insert(key, stored);
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
        self.pools.insert(pool.account.clone(), saved);
        Ok(())
    }

    fn save_slot(&mut self, slot: &Slot) -> Result<(), InventoryError> {
        match self.slots.get(&slot.name) {
            Some(stored) if stored.revision == slot.revision => {}
            _ => return Err(InventoryError::Conflict),
        }
        let stored = Slot {
            revision: slot.revision.next(),
            ..slot.clone()
        };
        self.slots.insert(slot.name.clone(), stored);
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
            let stored = Slot {
                revision: slot.revision.next(),
                ..slot.clone()
            };
            tables.slots.insert(slot.name.clone(), stored);
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
            tables
                .incidents
                .insert(incident.id.clone(), incident.clone());
            tables.open.insert(slot.name.clone(), incident.id.clone());
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
