//! The inventory read from end to end, item by item.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use keyward_core::model::admin::AdminRecord;
use keyward_core::model::names::{AccountName, SlotName};
use keyward_core::model::slot::Slot;
use keyward_core::model::text::{OutsideText, without_keys};
use keyward_core::model::version::Version;
use keyward_core::ports::{
    Census, Damaged, Due, Inventory, InventoryError, ListError, ListPage, Named, PageToken,
    SlotRows,
};
use serde::de::DeserializeOwned;

use super::items::{self, DRILL_PREFIX, Item, Key, VERSION_PREFIX};
use super::{DUE_INDEX, DynamoInventory, pages};
use crate::fault::examine;

#[async_trait]
impl Census for DynamoInventory {
    /// Every slot is in the index of due work at all times. A page of a query may be empty with more behind it:
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html>.
    async fn names(&self, after: Option<&PageToken>) -> Result<ListPage<Named>, ListError> {
        let request = self.client.query().table_name(&self.table);
        let page = request
            .index_name(DUE_INDEX)
            .key_condition_expression("#due = :due")
            .expression_attribute_names("#due", items::DUE)
            .expression_attribute_values(":due", AttributeValue::S(items::DUE_PARTITION.to_owned()))
            .set_exclusive_start_key(after.map(pages::begin_after).transpose()?)
            .send()
            .await;
        let page = page.map_err(|e| ListError::from(examine("Query", &e).of_inventory()))?;
        let named = page.items.unwrap_or_default().into_iter();
        let named = named.filter_map(|item| match items::due(&item) {
            Ok(Due::Slot(name)) => Some(Named::Slot(name)),
            Ok(Due::Version(..) | Due::Incident(_)) => None,
            Err(error) => Some(Named::Damaged(damaged(None, &error))),
        });
        let next = page.last_evaluated_key.filter(|key| !key.is_empty());
        Ok(ListPage {
            items: named.collect(),
            next: next.as_ref().map(pages::token).transpose()?,
        })
    }

    async fn slot(&self, name: &SlotName) -> Result<Option<Slot>, ListError> {
        let item = self.get(&Key::slot(name)).await?;
        Ok(item.and_then(|item| self.release.decode(item).ok()))
    }

    async fn admin(&self, account: &AccountName) -> Result<Option<AdminRecord>, ListError> {
        Ok(Inventory::admin(self, account).await?)
    }

    async fn rows(&self, slot: &SlotName) -> Result<SlotRows, ListError> {
        let mut rows = SlotRows::default();
        if let Some(item) = self.get(&Key::slot(slot)).await? {
            rows.slot = self.read(slot, item, &mut rows.damaged);
        }
        for item in self.raw(slot, VERSION_PREFIX).await? {
            let version: Option<Version> = self.read(slot, item, &mut rows.damaged);
            rows.versions.extend(version);
        }
        rows.versions
            .sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        for item in self.raw(slot, DRILL_PREFIX).await? {
            rows.drill = self.read(slot, item, &mut rows.damaged).or(rows.drill);
        }
        Ok(rows)
    }
}

impl DynamoInventory {
    /// The item, or what is wrong with it.
    fn read<T: DeserializeOwned>(
        &self,
        slot: &SlotName,
        item: Item,
        rows: &mut Vec<Damaged>,
    ) -> Option<T> {
        match self.release.decode(item) {
            Ok(item) => Some(item),
            Err(error) => {
                rows.push(damaged(Some(slot), &error));
                None
            }
        }
    }
}

/// A message of the decoder may quote what stands there.
fn damaged(slot: Option<&SlotName>, error: &InventoryError) -> Damaged {
    let (key, why) = match error {
        InventoryError::Corrupt { key, why } => (key.as_str(), without_keys(why)),
        other => ("", other.to_string()),
    };
    Damaged {
        key: OutsideText::new(key),
        slot: slot.cloned(),
        why: OutsideText::new(&why),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recorded::{Answer, Recorded};

    fn inventory(answers: impl IntoIterator<Item = Answer>) -> (DynamoInventory, Recorded) {
        let recorded = Recorded::new(answers);
        let inventory = DynamoInventory::new(&recorded.config(), "keyward");
        (inventory, recorded)
    }

    fn page(items: &serde_json::Value, last: Option<&str>) -> Answer {
        let mut body = json!({"Items": items, "Count": 0});
        if let Some(last) = last {
            body["LastEvaluatedKey"] = json!({
                "pk": {"S": last}, "sk": {"S": "SLOT"}, "due": {"S": "1"}, "due_at": {"S": "2026"},
            });
        }
        Answer::Body(200, body.to_string())
    }

    #[tokio::test]
    async fn an_empty_page_leads_to_the_next_one() {
        let one = json!([{"pk": {"S": "SLOT#a"}, "sk": {"S": "SLOT"}}, {"pk": {"S": "?"}, "sk": {"S": "SLOT"}}]);
        let (inventory, recorded) = inventory([page(&json!([]), Some("SLOT#0")), page(&one, None)]);
        let first = inventory.names(None).await.unwrap();
        assert!(first.items.is_empty());
        let next = first.next.expect("there is more");
        let last = inventory.names(Some(&next)).await.unwrap();
        assert_eq!(last.next, None);
        assert_eq!(last.items[0], Named::Slot("a".parse().unwrap()));
        assert!(matches!(&last.items[1], Named::Damaged(row) if row.key.as_str() == "? / SLOT"));
        let sent = recorded.sent();
        let begin = &sent[1].body["ExclusiveStartKey"];
        assert_eq!(
            begin["pk"]["S"], "SLOT#0",
            "it begins where the first ended"
        );
    }

    #[tokio::test]
    async fn a_damaged_item_hides_no_other() {
        let slot: SlotName = "a".parse().unwrap();
        let damaged =
            json!([{"pk": {"S": "SLOT#a"}, "sk": {"S": "VERSION#x"}, "schema": {"N": "1"}}]);
        let none = json!({}).to_string();
        let answers = [
            Answer::Body(200, none),
            page(&damaged, None),
            page(&json!([]), None),
        ];
        let (inventory, _) = inventory(answers);
        let rows = inventory.rows(&slot).await.unwrap();
        assert_eq!(
            (rows.slot, rows.versions.len(), rows.drill),
            (None, 0, None)
        );
        assert_eq!(rows.damaged.len(), 1);
        assert_eq!(rows.damaged[0].key.as_str(), "SLOT#a / VERSION#x");
        assert_eq!(rows.damaged[0].slot, Some(slot));
    }
}
