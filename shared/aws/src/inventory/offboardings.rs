//! Cases of offboarding.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use keyward_core::model::offboarding::{Offboarding, OffboardingId};
use keyward_core::ports::{InventoryError, Offboardings};

use super::items::{self, Key};
use super::writes::Write;
use super::{DUE_INDEX, DynamoInventory};
use crate::fault::examine;

#[async_trait]
impl Offboardings for DynamoInventory {
    async fn offboarding(&self, id: &OffboardingId) -> Result<Option<Offboarding>, InventoryError> {
        let found = self.get(&Key::offboarding(id)).await?;
        found.map(|item| self.release.decode(item)).transpose()
    }

    async fn save_offboarding(&self, case: &Offboarding) -> Result<(), InventoryError> {
        let mut writes = self.writes();
        writes.push(Write::Offboarding(case))?;
        writes.commit(&self.client).await
    }

    async fn due_offboardings(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<OffboardingId>, InventoryError> {
        let partition = AttributeValue::S(items::OFFBOARD_PARTITION.to_owned());
        let request = self.client.query().table_name(&self.table);
        let answer = request
            .index_name(DUE_INDEX)
            .key_condition_expression("#due = :due AND #due_at <= :now")
            .expression_attribute_names("#due", items::DUE)
            .expression_attribute_names("#due_at", items::DUE_AT)
            .expression_attribute_values(":due", partition)
            .expression_attribute_values(":now", AttributeValue::S(items::sortable(now)))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await;
        let answer = answer.map_err(|e| examine("Query", &e).of_inventory())?;
        let mut due = Vec::new();
        for item in answer.items() {
            match items::due_case(item) {
                Ok(id) => due.push(id),
                // One bad item must not hide the others.
                Err(error) => {
                    tracing::error!(%error, "an item in the index of due work is skipped");
                }
            }
        }
        Ok(due)
    }
}
