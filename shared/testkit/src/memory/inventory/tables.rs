//! The tables of the inventory in memory, and what a transaction does to them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use keyward_core::model::act::{Act, ActId, Phase};
use keyward_core::model::admin::AdminRecord;
use keyward_core::model::drill::Drill;
use keyward_core::model::incident::{Incident, TriggerId};
use keyward_core::model::names::{AccountName, SlotName};
use keyward_core::model::offboarding::{Offboarding, OffboardingId};
use keyward_core::model::pool::Pool;
use keyward_core::model::slot::Slot;
use keyward_core::model::version::{Version, VersionId};
use keyward_core::ports::{Fence, InventoryError, UniqueItem};

/// What a uniqueness item belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) slot: SlotName,
    pub(super) version: Option<VersionId>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Tables {
    pub(super) slots: BTreeMap<SlotName, Slot>,
    pub(super) versions: BTreeMap<(SlotName, VersionId), Version>,
    pub(super) unique: BTreeMap<String, Owner>,
    pub(super) incidents: BTreeMap<String, Incident>,
    pub(super) open: BTreeMap<SlotName, String>,
    pub(super) triggers: BTreeMap<String, String>,
    pub(super) pools: BTreeMap<AccountName, Pool>,
    pub(super) admins: BTreeMap<AccountName, AdminRecord>,
    pub(super) acts: BTreeMap<(Timestamp, ActId, Phase), Act>,
    pub(super) drills: BTreeMap<(SlotName, Timestamp), Drill>,
    pub(super) offboardings: BTreeMap<OffboardingId, Offboarding>,
    /// What the transaction under way has replaced, in order.
    pub(super) replaced: Vec<Replaced>,
}

/// What stood in a place before a transaction wrote to it.
#[derive(Debug, Clone)]
pub(super) enum Replaced {
    Slot(SlotName, Option<Box<Slot>>),
    Version((SlotName, VersionId), Option<Box<Version>>),
    Unique(String, Option<Owner>),
    Incident(String, Option<Box<Incident>>),
    Open(SlotName, Option<String>),
    Trigger(String),
    Pool(AccountName, Option<Box<Pool>>),
}

fn put_back<K: Ord, V>(table: &mut BTreeMap<K, V>, key: K, before: Option<V>) {
    match before {
        Some(before) => drop(table.insert(key, before)),
        None => drop(table.remove(&key)),
    }
}

impl Tables {
    pub(super) fn take_back(&mut self) {
        while let Some(replaced) = self.replaced.pop() {
            match replaced {
                Replaced::Slot(key, before) => put_back(&mut self.slots, key, before.map(|b| *b)),
                Replaced::Version(key, before) => {
                    put_back(&mut self.versions, key, before.map(|b| *b))
                }
                Replaced::Unique(key, before) => put_back(&mut self.unique, key, before),
                Replaced::Incident(key, before) => {
                    put_back(&mut self.incidents, key, before.map(|b| *b))
                }
                Replaced::Open(key, before) => put_back(&mut self.open, key, before),
                Replaced::Trigger(key) => drop(self.triggers.remove(&key)),
                Replaced::Pool(key, before) => put_back(&mut self.pools, key, before.map(|b| *b)),
            }
        }
    }

    pub(super) fn put_slot(&mut self, slot: &Slot) {
        let stored = Slot {
            revision: slot.revision.next(),
            ..slot.clone()
        };
        let before = self.slots.insert(slot.name.clone(), stored);
        self.replaced
            .push(Replaced::Slot(slot.name.clone(), before.map(Box::new)));
    }

    pub(super) fn put_version(&mut self, version: &Version) {
        let key = (version.slot.clone(), version.id.clone());
        let stored = Version {
            revision: version.revision.next(),
            ..version.clone()
        };
        let before = self.versions.insert(key.clone(), stored);
        self.replaced
            .push(Replaced::Version(key, before.map(Box::new)));
    }

    pub(super) fn put_incident(&mut self, incident: &Incident) {
        let id = incident.id.clone();
        let stored = Incident {
            revision: incident.revision.next(),
            ..incident.clone()
        };
        let before = self.incidents.insert(id.clone(), stored);
        self.replaced
            .push(Replaced::Incident(id.clone(), before.map(Box::new)));
        let slot = incident.slot.clone();
        let before = match incident.closed {
            None => self.open.insert(slot.clone(), id),
            Some(_) if self.open.get(&slot) == Some(&id) => self.open.remove(&slot),
            Some(_) => return,
        };
        self.replaced.push(Replaced::Open(slot, before));
    }

    pub(super) fn follow_up(&mut self, incident: &Incident) -> Result<(), InventoryError> {
        let stored = self.incidents.get(&incident.id);
        let known =
            |stored: &&Incident| stored.closed.is_some() && stored.revision == incident.revision;
        if incident.closed.is_none() || stored.filter(known).is_none() {
            return Err(InventoryError::Conflict);
        }
        self.put_incident(incident);
        Ok(())
    }

    pub(super) fn save_incident(&mut self, incident: &Incident) -> Result<(), InventoryError> {
        let stored = self.incidents.get(&incident.id);
        let is_open = self.open.get(&incident.slot) == Some(&incident.id);
        if !is_open || stored.is_none_or(|stored| stored.revision != incident.revision) {
            return Err(InventoryError::Conflict);
        }
        self.put_incident(incident);
        Ok(())
    }

    pub(super) fn put_trigger(
        &mut self,
        trigger: &TriggerId,
        incident: &str,
    ) -> Result<(), InventoryError> {
        let trigger = trigger.as_str().to_owned();
        match self.triggers.get(&trigger) {
            Some(of) if of != incident => return Err(InventoryError::Conflict),
            Some(_) => return Ok(()),
            None => {}
        }
        self.triggers.insert(trigger.clone(), incident.to_owned());
        self.replaced.push(Replaced::Trigger(trigger));
        Ok(())
    }

    pub(super) fn fence(&self, slot: &SlotName, fence: Fence) -> Result<(), InventoryError> {
        let Fence::Epoch(epoch) = fence else {
            return Ok(());
        };
        match self.slots.get(slot) {
            Some(stored) if stored.epoch == epoch => Ok(()),
            _ => Err(InventoryError::Fenced(epoch)),
        }
    }

    pub(super) fn claim(
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
    pub(super) fn claim_key(&mut self, version: &Version) -> Result<(), InventoryError> {
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

    pub(super) fn add(&mut self, version: &Version) -> Result<(), InventoryError> {
        let key = (version.slot.clone(), version.id.clone());
        if self.versions.contains_key(&key) {
            return Err(InventoryError::Conflict);
        }
        self.claim_key(version)?;
        self.put_version(version);
        Ok(())
    }

    /// Whether the version is as it was read.
    pub(super) fn unchanged(&self, version: &Version) -> Result<(), InventoryError> {
        let key = (version.slot.clone(), version.id.clone());
        match self.versions.get(&key) {
            Some(stored) if stored.revision == version.revision => Ok(()),
            _ => Err(InventoryError::Conflict),
        }
    }

    pub(super) fn save(&mut self, version: &Version) -> Result<(), InventoryError> {
        self.unchanged(version)?;
        self.claim_key(version)?;
        self.put_version(version);
        Ok(())
    }

    pub(super) fn save_pool(&mut self, pool: &Pool) -> Result<(), InventoryError> {
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

    pub(super) fn save_slot(&mut self, slot: &Slot) -> Result<(), InventoryError> {
        match self.slots.get(&slot.name) {
            Some(stored) if stored.revision == slot.revision => {}
            _ => return Err(InventoryError::Conflict),
        }
        self.put_slot(slot);
        Ok(())
    }
}
