//! An inventory and alarms that are made up as they are asked for, so that the memory measured is the monitor's and not
//! the store's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::admin::AdminRecord;
use keyward_core::model::alarm::{AlarmArn, AlarmSettings, Change};
use keyward_core::model::drill::Drill;
use keyward_core::model::incident::{Incident, TriggerId};
use keyward_core::model::key::Fingerprint;
use keyward_core::model::kill_alarm::{FoundAlarm, KillAlarm};
use keyward_core::model::names::{AccountName, SlotName};
use keyward_core::model::slot::Slot;
use keyward_core::model::version::Version;
use keyward_core::ports::{
    AlarmError, AlarmSource, Due, Fence, Inventory, InventoryError, KillAlarmError, KillAlarms,
    TAG_SLOT, TAG_STACK,
};
use keyward_core::rules::alarms::wanted;
use keyward_core::rules::kill::Deployment;
use keyward_testkit::memory::MemoryInventory;

use super::scene::{ACCOUNTS, account, handle, made};
use crate::Result;

type Answer<T> = std::result::Result<T, InventoryError>;

/// Slots that differ by their number alone, shared out to accounts. Nothing of them can be written.
pub(crate) struct MadeUp {
    slots: usize,
    /// The first slot of each account, and its version.
    first: Vec<(Slot, Version)>,
    /// What is asked for beside slots and versions: there is none of it.
    rest: MemoryInventory,
}

impl MadeUp {
    pub(crate) fn of(slots: usize) -> Result<Self> {
        Ok(Self {
            slots,
            first: (0..ACCOUNTS).map(made).collect::<Result<_>>()?,
            rest: MemoryInventory::default(),
        })
    }

    fn find(&self, name: &SlotName) -> Option<(Slot, Version)> {
        let n: usize = name.as_str().strip_prefix("bench-")?.parse().ok()?;
        let (slot, version) = self.first.get(n % ACCOUNTS)?.clone();
        let slot = Slot {
            name: name.clone(),
            account: account(n % ACCOUNTS).ok()?,
            ..slot
        };
        let version = Version {
            slot: name.clone(),
            handle: handle(n).ok(),
            ..version
        };
        (n < self.slots).then_some((slot, version))
    }
}

#[async_trait]
impl Inventory for MadeUp {
    async fn slot(&self, name: &SlotName) -> Answer<Option<Slot>> {
        Ok(self.find(name).map(|(slot, _)| slot))
    }

    async fn versions(&self, slot: &SlotName) -> Answer<Vec<Version>> {
        Ok(self.find(slot).into_iter().map(|(_, v)| v).collect())
    }

    async fn slot_names(&self) -> Answer<Vec<SlotName>> {
        let names = (0..self.slots).map(|n| format!("bench-{n}").parse());
        Ok(names.filter_map(std::result::Result::ok).collect())
    }

    async fn create_slot(&self, slot: &Slot, current: Option<&Version>) -> Answer<()> {
        self.rest.create_slot(slot, current).await
    }

    async fn save_slot(&self, slot: &Slot) -> Answer<()> {
        self.rest.save_slot(slot).await
    }

    async fn add_version(&self, version: &Version, fence: Fence) -> Answer<()> {
        self.rest.add_version(version, fence).await
    }

    async fn save_versions(&self, versions: &[Version], fence: Fence) -> Answer<()> {
        self.rest.save_versions(versions, fence).await
    }

    async fn end_drill(&self, slot: &Slot, drill: &Drill) -> Answer<()> {
        self.rest.end_drill(slot, drill).await
    }

    async fn drills(&self, slot: &SlotName) -> Answer<Vec<Drill>> {
        self.rest.drills(slot).await
    }

    async fn open_incident(&self, new: &Incident, slot: &Slot, of: &[Version]) -> Answer<()> {
        self.rest.open_incident(new, slot, of).await
    }

    async fn save_incident(&self, incident: &Incident) -> Answer<()> {
        self.rest.save_incident(incident).await
    }

    async fn follow_up(&self, incident: &Incident) -> Answer<()> {
        self.rest.follow_up(incident).await
    }

    async fn attach_trigger(&self, incident: &Incident, trigger: &TriggerId) -> Answer<()> {
        self.rest.attach_trigger(incident, trigger).await
    }

    async fn incident(&self, id: &str) -> Answer<Option<Incident>> {
        self.rest.incident(id).await
    }

    async fn incident_of_slot(&self, slot: &SlotName) -> Answer<Option<Incident>> {
        self.rest.incident_of_slot(slot).await
    }

    async fn incident_of_trigger(&self, trigger: &TriggerId) -> Answer<Option<Incident>> {
        self.rest.incident_of_trigger(trigger).await
    }

    async fn holder(&self, fingerprint: &Fingerprint) -> Answer<Option<SlotName>> {
        self.rest.holder(fingerprint).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Answer<Vec<Due>> {
        self.rest.due(now, limit).await
    }

    async fn admin(&self, account: &AccountName) -> Answer<Option<AdminRecord>> {
        self.rest.admin(account).await
    }

    async fn save_admin(&self, record: &AdminRecord) -> Answer<()> {
        self.rest.save_admin(record).await
    }
}

/// Alarms of which nothing is kept but that they were made.
pub(crate) struct MadeAlarms {
    deployment: Deployment,
    of: Mutex<BTreeSet<SlotName>>,
}

impl MadeAlarms {
    pub(crate) const fn of(deployment: Deployment) -> Self {
        let of = Mutex::new(BTreeSet::new());
        Self { deployment, of }
    }

    fn slots(&self) -> MutexGuard<'_, BTreeSet<SlotName>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self, slot: &SlotName) -> Option<FoundAlarm> {
        let Deployment {
            account, region, ..
        } = &self.deployment;
        let KillAlarm { name, setup, .. } = wanted(&self.deployment, slot);
        let arn = format!("arn:aws:cloudwatch:{region}:{account}:alarm:{name}");
        Some(FoundAlarm {
            arn: arn.parse().ok()?,
            setup: Some(setup),
        })
    }
}

#[async_trait]
impl KillAlarms for MadeAlarms {
    async fn list(&self, _: &str) -> std::result::Result<Vec<FoundAlarm>, KillAlarmError> {
        let slots = self.slots();
        Ok(slots.iter().filter_map(|slot| self.found(slot)).collect())
    }

    async fn make(&self, alarm: &KillAlarm) -> std::result::Result<(), KillAlarmError> {
        self.slots().insert(alarm.slot.clone());
        Ok(())
    }

    async fn tag(&self, _: &AlarmArn, _: &KillAlarm) -> std::result::Result<(), KillAlarmError> {
        Ok(())
    }

    async fn remove(&self, arn: &AlarmArn) -> std::result::Result<(), KillAlarmError> {
        let is_it = |slot: &SlotName| self.found(slot).is_some_and(|found| found.arn == *arn);
        self.slots().retain(|slot| !is_it(slot));
        Ok(())
    }
}

#[async_trait]
impl AlarmSource for MadeAlarms {
    async fn tags(
        &self,
        alarm: &AlarmArn,
    ) -> std::result::Result<BTreeMap<String, String>, AlarmError> {
        let prefix = self.deployment.alarm_prefix();
        let slot = alarm.name().strip_prefix(prefix.as_str());
        let slot = slot.ok_or(AlarmError::NotThere)?;
        let stack = self.deployment.stack.to_string();
        let tags = [(TAG_STACK, stack), (TAG_SLOT, slot.to_owned())];
        Ok(tags.map(|(name, value)| (name.to_owned(), value)).into())
    }

    async fn changes(
        &self,
        _: &AlarmArn,
        _: Timestamp,
        _: Timestamp,
    ) -> std::result::Result<Vec<Change>, AlarmError> {
        Ok(Vec::new())
    }

    async fn settings(&self, _: &AlarmArn) -> std::result::Result<AlarmSettings, AlarmError> {
        Err(AlarmError::NotThere)
    }
}
