//! Usage and leases in the same table.
//!
//! Each write is one `PutItem` with a condition: it costs the units of its own size, half of what a transaction does, and
//! unlike `BatchWriteItem` it can have one.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use jiff::tz::Offset;
use keyward_core::model::names::{AccountName, ReporterId, SlotName};
use keyward_core::model::slot::Revision;
use keyward_core::model::told::ToldHour;
use keyward_core::model::usage::Bucket;
use keyward_core::model::usage_items::{AccountUsage, StoredWatch, UsageHour};
use keyward_core::ports::{Held, InventoryError, Leases, UsageStore};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::items::{self, Item, Key, PK, REVISION, SK};
use super::{DynamoInventory, Release};
use crate::fault::examine;

/// When an item may go, in seconds since 1970: the attribute that the table's time to live is set to.
pub const EXPIRES: &str = "expires";

/// What a condition that was not met is called.
const UNMET: &str = "ConditionalCheckFailedException";

const OWNER: &str = "owner";
const UNTIL: &str = "until";
const TABLE: &str = "table";

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// An hour as text that is in order of time.
fn hour_text(hour: u32) -> String {
    let begins = Bucket(hour.saturating_mul(Bucket::PER_HOUR)).begins();
    let begins = Offset::UTC.to_datetime(begins);
    let (day, hour) = (begins.date(), begins.hour());
    format!("{day}#{hour:02}")
}

/// Keys of items of usage: in order of time, within a slot.
fn hour_key(slot: &SlotName, hour: u32) -> Key {
    Key {
        pk: Key::slot(slot).pk,
        sk: format!("USAGE#{}", hour_text(hour)),
    }
}

/// Keys of what processes told: in order of time and process, within a slot.
fn told_key(slot: &SlotName, hour: u32, reporter: &str) -> Key {
    Key {
        pk: Key::slot(slot).pk,
        sk: format!("TOLD#{}#{reporter}", hour_text(hour)),
    }
}

/// What stands behind every letter of a process's id.
const AFTER_ALL: &str = "~";

fn baseline_key(slot: &SlotName) -> Key {
    Key {
        pk: Key::slot(slot).pk,
        sk: "BASELINE".to_owned(),
    }
}

fn account_key(account: &AccountName) -> Key {
    Key {
        pk: format!("ACCOUNT#{account}"),
        sk: "USAGE".to_owned(),
    }
}

fn prices_key() -> Key {
    Key {
        pk: "PRICES".to_owned(),
        sk: "PRICES".to_owned(),
    }
}

fn lease_key(name: &str) -> Key {
    Key {
        pk: format!("LEASE#{name}"),
        sk: "LEASE".to_owned(),
    }
}

impl DynamoInventory {
    fn put(&self, item: Item) -> PutItemFluentBuilder {
        let request = self.client.put_item().table_name(&self.table);
        request.set_item(Some(item))
    }

    /// The first items of one partition from one sort key to another, read consistently.
    async fn between<T: DeserializeOwned>(
        &self,
        first: Key,
        last: Key,
        most: usize,
    ) -> Result<Vec<T>, InventoryError> {
        let mut found = Vec::new();
        let request = self.client.query().table_name(&self.table);
        let mut pages = request
            .consistent_read(true)
            .key_condition_expression("#pk = :pk AND #sk BETWEEN :first AND :last")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", text(first.pk))
            .expression_attribute_values(":first", text(first.sk))
            .expression_attribute_values(":last", text(last.sk))
            .into_paginator()
            .items()
            .send();
        while found.len() < most
            && let Some(item) = pages.next().await
        {
            let item = item.map_err(|e| examine("Query", &e).of_inventory())?;
            found.push(self.release.decode(item)?);
        }
        Ok(found)
    }

    /// Writes an item that was read at `revision`; zero creates it.
    async fn put_revised<T: Serialize + Sync>(
        &self,
        key: &Key,
        value: &T,
        revision: Revision,
        expires: Option<Timestamp>,
    ) -> Result<(), InventoryError> {
        let mut item = self.release.encode(key, value, revision, None)?;
        if let Some(expires) = expires {
            let seconds = expires.as_second().to_string();
            item.insert(EXPIRES.to_owned(), AttributeValue::N(seconds));
        }
        let request = self.put(item);
        let request = match revision {
            Revision(0) => request
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", PK),
            Revision(read) => request
                .condition_expression("#revision = :revision")
                .expression_attribute_names("#revision", REVISION)
                .expression_attribute_values(":revision", items::number(read)),
        };
        match met(request).await? {
            Held::Yes => Ok(()),
            Held::No => Err(InventoryError::Conflict),
        }
    }
}

/// Sends a write, and says whether its condition was met.
pub(super) async fn met(request: PutItemFluentBuilder) -> Result<Held, InventoryError> {
    match request.send().await {
        Ok(_) => Ok(Held::Yes),
        Err(error) => {
            let failure = examine("PutItem", &error);
            match failure.code() {
                UNMET => Ok(Held::No),
                _ => Err(failure.of_inventory()),
            }
        }
    }
}

#[async_trait]
impl UsageStore for DynamoInventory {
    async fn hours(
        &self,
        slot: &SlotName,
        from: u32,
        until: u32,
    ) -> Result<Vec<UsageHour>, InventoryError> {
        if from >= until {
            return Ok(Vec::new());
        }
        let last = hour_key(slot, until - 1);
        self.between(hour_key(slot, from), last, usize::MAX).await
    }

    async fn told(
        &self,
        slot: &SlotName,
        from: u32,
        until: u32,
        most: usize,
    ) -> Result<Vec<ToldHour>, InventoryError> {
        if from >= until {
            return Ok(Vec::new());
        }
        let last = told_key(slot, until - 1, AFTER_ALL);
        self.between(told_key(slot, from, ""), last, most).await
    }

    async fn told_by(
        &self,
        slot: &SlotName,
        hour: u32,
        reporter: &ReporterId,
    ) -> Result<Option<ToldHour>, InventoryError> {
        let found = self.get(&told_key(slot, hour, reporter.as_str())).await?;
        found.map(|item| self.release.decode(item)).transpose()
    }

    async fn save_told(&self, told: &ToldHour) -> Result<(), InventoryError> {
        let key = told_key(&told.slot, told.hour, told.reporter.as_str());
        self.put_revised(&key, told, told.revision, Some(told.expires()))
            .await
    }

    async fn save_hour(&self, hour: &UsageHour) -> Result<(), InventoryError> {
        let key = hour_key(&hour.slot, hour.hour);
        self.put_revised(&key, hour, hour.revision, Some(hour.expires()))
            .await
    }

    async fn account(&self, account: &AccountName) -> Result<Option<AccountUsage>, InventoryError> {
        let found = self.get(&account_key(account)).await?;
        found.map(|item| self.release.decode(item)).transpose()
    }

    async fn save_account(&self, account: &AccountUsage) -> Result<(), InventoryError> {
        let key = account_key(&account.account);
        self.put_revised(&key, account, account.revision, None)
            .await
    }

    async fn baseline(&self, slot: &SlotName) -> Result<Option<StoredWatch>, InventoryError> {
        let found = self.get(&baseline_key(slot)).await?;
        found.map(|item| self.release.decode(item)).transpose()
    }

    async fn save_baseline(&self, baseline: &StoredWatch) -> Result<(), InventoryError> {
        let key = baseline_key(&baseline.slot);
        self.put_revised(&key, baseline, baseline.revision, None)
            .await
    }

    async fn prices(&self) -> Result<Option<String>, InventoryError> {
        let key = prices_key();
        match self.get(&key).await? {
            None => Ok(None),
            Some(item) => match items::text(&item, TABLE) {
                Some(json) => Ok(Some(json.to_owned())),
                None => Err(key.corrupt("it holds no table")),
            },
        }
    }

    async fn save_prices(&self, json: &str) -> Result<(), InventoryError> {
        let mut item = prices_key().to_item();
        self.release.mark(&mut item);
        item.insert(TABLE.to_owned(), text(json));
        met(self.put(item)).await.map(|_| ())
    }
}

/// A lease as it is written.
fn lease(release: Release, name: &str, owner: &str, until: Timestamp) -> Item {
    let mut item = lease_key(name).to_item();
    release.mark(&mut item);
    item.extend([
        (OWNER.to_owned(), text(owner)),
        (UNTIL.to_owned(), text(items::sortable(until))),
    ]);
    item
}

#[async_trait]
impl Leases for DynamoInventory {
    async fn take(
        &self,
        name: &str,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Held, InventoryError> {
        let request = self
            .put(lease(self.release, name, owner, until))
            .condition_expression("attribute_not_exists(#pk) OR #until <= :now OR #owner = :owner")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#until", UNTIL)
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_values(":now", text(items::sortable(now)))
            .expression_attribute_values(":owner", text(owner));
        met(request).await
    }

    async fn renew(
        &self,
        name: &str,
        owner: &str,
        until: Timestamp,
    ) -> Result<Held, InventoryError> {
        let request = self
            .put(lease(self.release, name, owner, until))
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_values(":owner", text(owner));
        met(request).await
    }

    async fn give_back(&self, name: &str, owner: &str) -> Result<(), InventoryError> {
        let request = self.client.delete_item().table_name(&self.table);
        let answer = request
            .set_key(Some(lease_key(name).to_item()))
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", OWNER)
            .expression_attribute_values(":owner", text(owner))
            .send()
            .await;
        let Err(error) = answer else {
            return Ok(());
        };
        let failure = examine("DeleteItem", &error);
        match failure.code() {
            UNMET => Ok(()),
            _ => Err(failure.of_inventory()),
        }
    }
}

#[cfg(test)]
mod tests;
