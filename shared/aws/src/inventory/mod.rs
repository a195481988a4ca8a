//! The inventory in one DynamoDB table.

mod census;
mod items;
mod migrate;
mod offboardings;
mod pages;
mod risks;
mod schema;
mod table;
mod usage;
mod writes;

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use keyward_core::model::act::Act;
use keyward_core::model::admin::AdminRecord;
use keyward_core::model::audit::Period;
use keyward_core::model::drill::Drill;
use keyward_core::model::incident::{Incident, TriggerId};
use keyward_core::model::key::Fingerprint;
use keyward_core::model::names::{AccountName, SlotName};
use keyward_core::model::pool::Pool;
use keyward_core::model::slot::Slot;
use keyward_core::model::version::Version;
use keyward_core::ports::{Acts, Due, Fence, Inventory, InventoryError, StandbyPools, UniqueItem};

use serde::de::DeserializeOwned;

use crate::fault::examine;
use items::{DRILL_PREFIX, Item, Key, PK, SK, VERSION_PREFIX};
pub use schema::{Release, Step};
pub use table::{DUE_INDEX, create_table};
pub use usage::EXPIRES;
use writes::{Write, Writes};

/// Slots, versions and incidents in one table, laid out as [`create_table`] makes it.
///
/// Each write is one transaction, under a token that makes the SDK's own repetitions harmless for ten minutes:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>. A transaction holds
/// at most 100 items, so at most 33 versions are saved at once.
#[derive(Debug, Clone)]
pub struct DynamoInventory {
    client: Client,
    table: String,
    release: Release,
}

impl DynamoInventory {
    /// The inventory in `table`.
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self {
            client: Client::new(config),
            table: table.into(),
            release: Release::THIS,
        }
    }

    /// The same inventory, read and written as `release` does.
    pub fn as_of(self, release: Release) -> Self {
        Self { release, ..self }
    }

    fn writes(&self) -> Writes<'_> {
        Writes::to(&self.table, self.release)
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, InventoryError> {
        let request = self.client.get_item().table_name(&self.table);
        let answer = request
            .set_key(Some(key.to_item()))
            .consistent_read(true)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer.item),
            Err(error) => Err(examine("GetItem", &error).of_inventory()),
        }
    }

    /// The items under a slot whose sort keys begin with `prefix`, as they are, in the order of those.
    async fn raw(&self, slot: &SlotName, prefix: &str) -> Result<Vec<Item>, InventoryError> {
        let request = self.client.query().table_name(&self.table);
        let mut pages = request
            .consistent_read(true)
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :sk)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", AttributeValue::S(Key::slot(slot).pk))
            .expression_attribute_values(":sk", AttributeValue::S(prefix.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            found.push(item.map_err(|e| examine("Query", &e).of_inventory())?);
        }
        Ok(found)
    }

    /// The same, read as what they are.
    async fn of_slot<T: DeserializeOwned>(
        &self,
        slot: &SlotName,
        prefix: &str,
    ) -> Result<Vec<T>, InventoryError> {
        let items = self.raw(slot, prefix).await?.into_iter();
        items.map(|item| self.release.decode(item)).collect()
    }

    /// Writes versions of one slot, and claims what `claimed` carry.
    async fn write_versions(
        &self,
        versions: &[Version],
        claimed: &[Version],
        fence: Fence,
    ) -> Result<(), InventoryError> {
        let Some(first) = versions.first() else {
            return Ok(());
        };
        let has_handle = versions.iter().any(|version| version.handle.is_some());
        let account = match has_handle {
            true => Some(self.account(&first.slot).await?),
            false => None,
        };
        let mut writes = self.writes();
        writes.fence(&first.slot, fence)?;
        for version in versions {
            writes.push(Write::Version(version))?;
        }
        for version in claimed {
            writes.claim_version(version, account.as_ref())?;
        }
        writes.commit(&self.client).await
    }

    /// The versions without the fingerprints and handles that are theirs by what is stored already.
    async fn without_what_they_have(
        &self,
        versions: &[Version],
    ) -> Result<Vec<Version>, InventoryError> {
        let mut new = Vec::new();
        for version in versions {
            let mut version = version.clone();
            let stored = self.get(&Key::version(&version.slot, &version.id)).await?;
            if let Some(stored) = stored {
                let stored: Version = self.release.decode(stored)?;
                version.fingerprint = version
                    .fingerprint
                    .filter(|print| stored.fingerprint != Some(*print));
                version.handle = version
                    .handle
                    .filter(|handle| stored.handle.as_ref() != Some(handle));
            }
            new.push(version);
        }
        Ok(new)
    }

    /// The provider account that the handles of a slot's versions are unique in.
    async fn account(&self, slot: &SlotName) -> Result<AccountName, InventoryError> {
        match self.slot(slot).await? {
            Some(slot) => Ok(slot.account),
            None => Err(InventoryError::Conflict),
        }
    }
}

#[async_trait]
impl Inventory for DynamoInventory {
    async fn slot(&self, name: &SlotName) -> Result<Option<Slot>, InventoryError> {
        self.get(&Key::slot(name))
            .await?
            .map(|item| self.release.decode(item))
            .transpose()
    }

    async fn versions(&self, slot: &SlotName) -> Result<Vec<Version>, InventoryError> {
        let mut versions: Vec<Version> = self.of_slot(slot, VERSION_PREFIX).await?;
        versions.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        Ok(versions)
    }

    async fn create_slot(
        &self,
        slot: &Slot,
        current: Option<&Version>,
    ) -> Result<(), InventoryError> {
        let mut writes = self.writes();
        writes.push(Write::NewSlot(slot))?;
        writes.claim(UniqueItem::Secret, &slot.name, None, slot.secret.as_str())?;
        writes.claim(UniqueItem::Place, &slot.name, None, &items::place(slot))?;
        if let Some(home) = slot.provider.home(&slot.account, &slot.scope) {
            let home = format!("{}#{home}", slot.provider);
            writes.claim(UniqueItem::Home, &slot.name, None, &home)?;
        }
        if let Some(version) = current {
            writes.push(Write::NewVersion(version))?;
            writes.claim_version(version, Some(&slot.account))?;
        }
        writes.commit(&self.client).await
    }

    async fn save_slot(&self, slot: &Slot) -> Result<(), InventoryError> {
        let mut writes = self.writes();
        writes.push(Write::Slot(slot))?;
        writes.commit(&self.client).await
    }

    async fn add_version(&self, version: &Version, fence: Fence) -> Result<(), InventoryError> {
        let Some(slot) = self.slot(&version.slot).await? else {
            return Err(match fence {
                Fence::Epoch(epoch) => InventoryError::Fenced(epoch),
                Fence::None => InventoryError::Conflict,
            });
        };
        let mut writes = self.writes();
        writes.fence(&version.slot, fence)?;
        writes.push(Write::NewVersion(version))?;
        writes.claim_version(version, Some(&slot.account))?;
        writes.commit(&self.client).await
    }

    async fn save_versions(
        &self,
        versions: &[Version],
        fence: Fence,
    ) -> Result<(), InventoryError> {
        match self.write_versions(versions, versions, fence).await {
            // Somebody can have written one key into two slots past the inventory: it must be able to end in both.
            Err(taken @ InventoryError::Taken { .. }) => {
                match self.without_what_they_have(versions).await {
                    Ok(new) if new != versions => self.write_versions(versions, &new, fence).await,
                    Ok(_) | Err(_) => Err(taken),
                }
            }
            written => written,
        }
    }

    async fn end_drill(&self, slot: &Slot, drill: &Drill) -> Result<(), InventoryError> {
        let mut writes = self.writes();
        writes.push(Write::Slot(slot))?;
        writes.push(Write::NewDrill(drill))?;
        writes.commit(&self.client).await
    }

    async fn drills(&self, slot: &SlotName) -> Result<Vec<Drill>, InventoryError> {
        self.of_slot(slot, DRILL_PREFIX).await
    }

    async fn open_incident(
        &self,
        incident: &Incident,
        slot: &Slot,
        versions: &[Version],
    ) -> Result<(), InventoryError> {
        let raised = Slot {
            epoch: incident.epoch,
            ..slot.clone()
        };
        let mut writes = self.writes();
        writes.push(Write::Slot(&raised))?;
        writes.push(Write::NewIncident(incident))?;
        for trigger in &incident.triggers {
            writes.push(Write::Trigger(&trigger.id, incident))?;
        }
        for version in versions {
            writes.unchanged(version)?;
        }
        writes.commit(&self.client).await
    }

    async fn save_incident(&self, incident: &Incident) -> Result<(), InventoryError> {
        let mut writes = self.writes();
        writes.push(Write::Incident(incident))?;
        writes.commit(&self.client).await
    }

    async fn follow_up(&self, incident: &Incident) -> Result<(), InventoryError> {
        let mut writes = self.writes();
        writes.push(Write::ClosedIncident(incident))?;
        writes.commit(&self.client).await
    }

    async fn attach_trigger(
        &self,
        incident: &Incident,
        trigger: &TriggerId,
    ) -> Result<(), InventoryError> {
        let mut writes = self.writes();
        writes.push(Write::Incident(incident))?;
        writes.push(Write::Trigger(trigger, incident))?;
        writes.commit(&self.client).await
    }

    async fn incident(&self, id: &str) -> Result<Option<Incident>, InventoryError> {
        let found = self.get(&Key::incident(id)).await?;
        found.map(|item| self.release.decode(item)).transpose()
    }

    async fn incident_of_slot(&self, slot: &SlotName) -> Result<Option<Incident>, InventoryError> {
        let found = self.get(&Key::open_incident(slot)).await?;
        found.map(|item| self.release.decode(item)).transpose()
    }

    async fn incident_of_trigger(
        &self,
        trigger: &TriggerId,
    ) -> Result<Option<Incident>, InventoryError> {
        let key = Key::trigger(trigger);
        let Some(item) = self.get(&key).await? else {
            return Ok(None);
        };
        match items::text(&item, items::OF_INCIDENT) {
            Some(incident) => self.incident(incident).await,
            None => Err(key.corrupt("it names no incident")),
        }
    }

    async fn holder(&self, fingerprint: &Fingerprint) -> Result<Option<SlotName>, InventoryError> {
        let key = Key::unique(UniqueItem::Fingerprint, &fingerprint.to_hex());
        let Some(item) = self.get(&key).await? else {
            return Ok(None);
        };
        let slot = items::text(&item, items::OWNER_SLOT).and_then(|slot| slot.parse().ok());
        match slot {
            Some(slot) => Ok(Some(slot)),
            None => Err(key.corrupt("it names no slot")),
        }
    }

    /// Every slot is in the index of due work at all times.
    async fn slot_names(&self) -> Result<Vec<SlotName>, InventoryError> {
        let request = self.client.query().table_name(&self.table);
        let mut pages = request
            .index_name(DUE_INDEX)
            .key_condition_expression("#due = :due")
            .expression_attribute_names("#due", items::DUE)
            .expression_attribute_values(":due", AttributeValue::S(items::DUE_PARTITION.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut names = BTreeSet::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| examine("Query", &e).of_inventory())?;
            if let Due::Slot(name) = items::due(&item)? {
                names.insert(name);
            }
        }
        Ok(names.into_iter().collect())
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, InventoryError> {
        let mut due = Vec::new();
        if limit == 0 {
            return Ok(due);
        }
        let request = self.client.query().table_name(&self.table);
        let mut pages = request
            .index_name(DUE_INDEX)
            .key_condition_expression("#due = :due AND #due_at <= :now")
            .expression_attribute_names("#due", items::DUE)
            .expression_attribute_names("#due_at", items::DUE_AT)
            .expression_attribute_values(":due", AttributeValue::S(items::DUE_PARTITION.to_owned()))
            .expression_attribute_values(":now", AttributeValue::S(items::sortable(now)))
            .into_paginator()
            .page_size(i32::try_from(limit).unwrap_or(i32::MAX))
            .items()
            .send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| examine("Query", &e).of_inventory())?;
            match items::due(&item) {
                Ok(work) => due.push(work),
                // One bad item must not hide the work that is due on all others.
                Err(error) => {
                    tracing::error!(%error, "an item in the index of due work is skipped")
                }
            }
            if due.len() == limit {
                break;
            }
        }
        Ok(due)
    }

    async fn admin(&self, account: &AccountName) -> Result<Option<AdminRecord>, InventoryError> {
        self.get(&Key::admin(account))
            .await?
            .map(|item| self.release.decode(item))
            .transpose()
    }

    async fn save_admin(&self, record: &AdminRecord) -> Result<(), InventoryError> {
        let mut writes = self.writes();
        writes.push(Write::Admin(record))?;
        writes.commit(&self.client).await
    }
}

#[async_trait]
impl StandbyPools for DynamoInventory {
    async fn pool(&self, account: &AccountName) -> Result<Option<Pool>, InventoryError> {
        self.get(&Key::pool(account))
            .await?
            .map(|item| self.release.decode(item))
            .transpose()
    }

    async fn save_pool(&self, pool: &Pool) -> Result<(), InventoryError> {
        let mut writes = self.writes();
        writes.push(Write::Pool(pool))?;
        writes.commit(&self.client).await
    }

    async fn draw(
        &self,
        pool: &Pool,
        version: &Version,
        fence: Fence,
    ) -> Result<(), InventoryError> {
        let mut writes = self.writes();
        writes.fence(&version.slot, fence)?;
        writes.push(Write::Pool(pool))?;
        writes.push(Write::NewVersion(version))?;
        writes.claim_version(version, Some(&pool.account))?;
        writes.commit(&self.client).await
    }
}

#[async_trait]
impl Acts for DynamoInventory {
    async fn append(&self, act: &Act) -> Result<(), InventoryError> {
        let mut writes = self.writes();
        writes.push(Write::NewAct(act))?;
        match writes.commit(&self.client).await {
            Err(InventoryError::Conflict) => {
                let kept = self.get(&Key::act(act)).await?;
                match kept
                    .map(|item| self.release.decode::<Act>(item))
                    .transpose()?
                {
                    Some(kept) if kept == *act => Ok(()),
                    _ => Err(InventoryError::Conflict),
                }
            }
            done => done,
        }
    }

    async fn of_month(&self, month: Period) -> Result<Vec<Act>, InventoryError> {
        let request = self.client.query().table_name(&self.table);
        let mut pages = request
            .consistent_read(true)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_values(":pk", AttributeValue::S(Key::acts_of(month)))
            .into_paginator()
            .items()
            .send();
        let mut acts = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| examine("Query", &e).of_inventory())?;
            acts.push(self.release.decode(item)?);
        }
        Ok(acts)
    }
}

#[cfg(test)]
mod tests;
