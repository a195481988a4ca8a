//! Who answers for which finding: items of one partition.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use keyward_core::model::audit::AcceptedRisk;
use keyward_core::model::finding::FindingId;
use keyward_core::model::slot::Revision;
use keyward_core::model::text::without_keys;
use keyward_core::ports::{AcceptedRisks, InventoryError, KeptRisk, ListError, RiskRegister};

use super::DynamoInventory;
use super::items::{self, Item, Key, PK};
use super::writes::Write;
use crate::fault::examine;

#[async_trait]
impl AcceptedRisks for DynamoInventory {
    async fn accepted(&self) -> Result<Vec<AcceptedRisk>, ListError> {
        let request = self.client.query().table_name(&self.table);
        let mut pages = request
            .consistent_read(true)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_values(":pk", AttributeValue::S(Key::RISKS.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut risks = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| examine("Query", &e).of_list())?;
            risks.push(self.kept(item)?.risk);
        }
        Ok(risks)
    }
}

#[async_trait]
impl RiskRegister for DynamoInventory {
    async fn risk(&self, finding: FindingId) -> Result<Option<KeptRisk>, InventoryError> {
        let item = self.get(&Key::risk(finding)).await?;
        item.map(|item| self.kept(item)).transpose()
    }

    async fn keep_risk(
        &self,
        risk: &AcceptedRisk,
        in_place_of: Option<&KeptRisk>,
    ) -> Result<(), InventoryError> {
        let revision = in_place_of.map_or_else(Revision::default, |kept| kept.revision);
        let mut writes = self.writes();
        writes.push(Write::Risk(risk, revision))?;
        writes.commit(&self.client).await
    }

    async fn withdraw_risk(&self, kept: &KeptRisk) -> Result<(), InventoryError> {
        let mut writes = self.writes();
        writes.delete(&Key::risk(kept.risk.finding), kept.revision)?;
        writes.commit(&self.client).await
    }
}

impl DynamoInventory {
    /// What an item holds. A message of the decoder may quote what stands there.
    fn kept(&self, item: Item) -> Result<KeptRisk, InventoryError> {
        let key = Key::of(&item);
        let revision = items::revision(&item);
        let revision = revision.ok_or_else(|| key.corrupt("it has no revision"))?;
        let risk: AcceptedRisk = self.release.decode(item).map_err(|error| match error {
            InventoryError::Corrupt { why, .. } => key.corrupt(without_keys(&why)),
            other => other,
        })?;
        match key == Key::risk(risk.finding) {
            true => Ok(KeptRisk { risk, revision }),
            false => Err(key.corrupt("it is of another finding than its key says")),
        }
    }
}

#[cfg(test)]
mod tests {
    use keyward_core::model::SCHEMA;
    use serde_json::{Value, json};

    use super::*;
    use crate::recorded::{Answer, Recorded};

    const FINDING: &str = "0123456789abcdef0123456789abcdef";

    fn item() -> Value {
        json!({
            "pk": {"S": "RISKS"}, "sk": {"S": format!("RISK#{FINDING}")}, "revision": {"N": "3"},
            "schema": {"N": SCHEMA.to_string()}, "finding": {"S": FINDING}, "owner": {"S": "ana"},
            "reason": {"S": "moves"}, "until": {"S": "2027-01-31T00:00:00Z"},
        })
    }

    async fn read(items: &Value) -> Result<Vec<AcceptedRisk>, ListError> {
        let answer = Answer::ok(&json!({"Items": items, "Count": 0}));
        let recorded = Recorded::new([answer]);
        let inventory = DynamoInventory::new(&recorded.config(), "keyward");
        inventory.accepted().await
    }

    /// One that was left out would be called open; one that was taken for another would hide a finding.
    #[tokio::test]
    async fn a_damaged_risk_is_never_left_out() {
        let risks = read(&json!([item()])).await.unwrap();
        assert_eq!(risks[0].finding.to_string(), FINDING);
        for (field, value) in [
            ("until", json!({"S": "some day"})),
            ("owner", json!({"S": ""})),
            ("schema", json!({"N": "99"})),
            ("revision", json!({"S": "3"})),
            ("sk", json!({"S": format!("RISK#{}", "f".repeat(32))})),
        ] {
            let mut damaged = item();
            damaged[field] = value;
            let error = read(&json!([item(), damaged])).await.unwrap_err();
            assert!(!error.is_retryable(), "{field}: {error}");
            assert!(error.to_string().contains("RISKS"), "{field}: {error}");
        }
    }
}
