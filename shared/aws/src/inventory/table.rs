//! The table's layout.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use keyward_core::ports::InventoryError;

use super::items::{DUE, DUE_AT, PK, SK};
use crate::fault::examine;

/// The index of due work: partition key `due`, sort key `due_at`, keys only. Sparse: items without work are not in it.
pub const DUE_INDEX: &str = "due";

/// Creates the inventory's table, on demand. For tests: a deployment's table comes from its template, which adds
/// point-in-time recovery and the customer's key.
///
/// # Errors
/// [`InventoryError::Refused`] also if it exists.
pub async fn create_table(client: &Client, name: &str) -> Result<(), InventoryError> {
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(keys(PK, SK)?));
    for attribute in [PK, SK, DUE, DUE_AT] {
        let definition = AttributeDefinition::builder()
            .attribute_name(attribute)
            .attribute_type(ScalarAttributeType::S)
            .build();
        request = request.attribute_definitions(definition.map_err(unbuilt)?);
    }
    let index = GlobalSecondaryIndex::builder()
        .index_name(DUE_INDEX)
        .set_key_schema(Some(keys(DUE, DUE_AT)?))
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::KeysOnly)
                .build(),
        )
        .build();
    let request = request.global_secondary_indexes(index.map_err(unbuilt)?);
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(examine("CreateTable", &error).of_inventory()),
    }
}

fn keys(partition: &str, sort: &str) -> Result<Vec<KeySchemaElement>, InventoryError> {
    [(partition, KeyType::Hash), (sort, KeyType::Range)]
        .into_iter()
        .map(|(name, kind)| {
            let element = KeySchemaElement::builder().attribute_name(name);
            element.key_type(kind).build().map_err(unbuilt)
        })
        .collect()
}

/// A request that lacks a required part: not reached, since every part is given.
pub(super) fn unbuilt(error: aws_sdk_dynamodb::error::BuildError) -> InventoryError {
    InventoryError::Unavailable(error.into())
}
