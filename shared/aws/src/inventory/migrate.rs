//! The pass over the whole table that `keyward migrate` makes.

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use keyward_core::model::act::Act;
use keyward_core::model::admin::AdminRecord;
use keyward_core::model::audit::AcceptedRisk;
use keyward_core::model::drill::Drill;
use keyward_core::model::incident::Incident;
use keyward_core::model::offboarding::Offboarding;
use keyward_core::model::pool::Pool;
use keyward_core::model::slot::Slot;
use keyward_core::model::text::{OutsideText, without_keys};
use keyward_core::model::told::ToldHour;
use keyward_core::model::usage_items::{AccountUsage, StoredWatch, UsageHour};
use keyward_core::model::version::Version;
use keyward_core::ports::{
    Held, InventoryError, MigratedPage, Migration, MigrationError, PageToken, Pass, Unreadable,
};

use super::items::{Item, Key, REVISION};
use super::usage::met;
use super::{DynamoInventory, pages};
use crate::fault::examine;

/// Items read at a time.
const PAGE: i32 = 250;

/// What became of one item.
enum Done {
    OfThisSchema,
    OfBefore,
    Written,
}

#[async_trait]
impl Migration for DynamoInventory {
    async fn page(
        &self,
        from: Option<&PageToken>,
        pass: Pass,
    ) -> Result<MigratedPage, MigrationError> {
        if pass == Pass::Write {
            self.release.refuse_unsettled()?;
        }
        let begin = from.map(pages::begin_after).transpose();
        let begin = begin.map_err(InventoryError::from)?;
        let request = self.client.scan().table_name(&self.table);
        let answer = request
            .consistent_read(true)
            .limit(PAGE)
            .set_exclusive_start_key(begin)
            .send()
            .await;
        let answer = answer.map_err(|e| examine("Scan", &e).of_inventory())?;
        // An empty page is no last page: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html
        let last = answer.last_evaluated_key.filter(|key| !key.is_empty());
        let next = last.as_ref().map(pages::token).transpose();
        let mut page = MigratedPage {
            next: next.map_err(InventoryError::from)?,
            ..MigratedPage::default()
        };
        for item in answer.items.unwrap_or_default() {
            page.items += 1;
            let key = Key::of(&item);
            match self.bring_over(item, pass).await {
                Ok(Done::OfThisSchema) => {}
                Ok(Done::OfBefore) => page.of_before += 1,
                Ok(Done::Written) => page.written += 1,
                Err(InventoryError::Corrupt { why, .. }) => page.unreadable.push(Unreadable {
                    key: OutsideText::new(&format!("{} / {}", key.pk, key.sk)),
                    // A message of the decoder may quote what stands there.
                    why: OutsideText::new(&without_keys(&why)),
                }),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(page)
    }
}

impl DynamoInventory {
    /// Reads an item as this release does, and writes it anew if it is of the schema before. Somebody who writes it
    /// meanwhile writes it in this release's schema, or it is found by the next pass.
    async fn bring_over(&self, item: Item, pass: Pass) -> Result<Done, InventoryError> {
        let is_of_before = !self.release.is_own(self.release.schema_of(&item)?);
        self.check(item.clone())?;
        if !is_of_before {
            return Ok(Done::OfThisSchema);
        }
        // A lease is over in minutes, and whoever takes the next writes it anew: one written back could cut it short.
        if pass == Pass::Look || Key::of(&item).sk == "LEASE" {
            return Ok(Done::OfBefore);
        }
        let lifted = self.release.lifted(item.clone())?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(lifted));
        match met(unchanged(put, &item)).await? {
            Held::Yes => Ok(Done::Written),
            Held::No => Ok(Done::OfBefore),
        }
    }

    /// Whether the item can be read as what its key says that it is.
    fn check(&self, item: Item) -> Result<(), InventoryError> {
        let key = Key::of(&item);
        let release = self.release;
        match key.sk.split('#').next().unwrap_or_default() {
            "SLOT" => release.decode::<Slot>(item).map(drop),
            "VERSION" => release.decode::<Version>(item).map(drop),
            "INCIDENT" => release.decode::<Incident>(item).map(drop),
            "DRILL" => release.decode::<Drill>(item).map(drop),
            "RISK" => release.decode::<AcceptedRisk>(item).map(drop),
            "OFFBOARD" => release.decode::<Offboarding>(item).map(drop),
            "POOL" => release.decode::<Pool>(item).map(drop),
            "ADMIN" => release.decode::<AdminRecord>(item).map(drop),
            "TOLD" => release.decode::<ToldHour>(item).map(drop),
            "BASELINE" => release.decode::<StoredWatch>(item).map(drop),
            "USAGE" if key.pk.starts_with("ACCOUNT#") => {
                release.decode::<AccountUsage>(item).map(drop)
            }
            "USAGE" => release.decode::<UsageHour>(item).map(drop),
            _ if key.pk.starts_with("ACT#") => release.decode::<Act>(item).map(drop),
            "TRIGGER" | "OWNER" | "PRICES" | "LEASE" => Ok(()),
            _ => Err(key.corrupt("no item of this release has such a key")),
        }
    }
}

/// Lets a write through only while the item is as it was read: by its revision, or where it has none by all it holds.
fn unchanged(put: PutItemFluentBuilder, item: &Item) -> PutItemFluentBuilder {
    let names: Vec<&String> = match item.contains_key(REVISION) {
        true => item.keys().filter(|name| *name == REVISION).collect(),
        false => item.keys().collect(),
    };
    let mut put = put;
    let mut terms = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        terms.push(format!("#n{number} = :v{number}"));
        put = put
            .expression_attribute_names(format!("#n{number}"), name)
            .expression_attribute_values(format!(":v{number}"), item[name].clone());
    }
    put.condition_expression(terms.join(" AND "))
}
