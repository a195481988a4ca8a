//! What of each driver was checked against its provider's published description, and which one that was.
//!
//! `conformance.json` beside this file is written by `make conformance` and compared by it: what is verified there may
//! not become unverified.

use std::collections::BTreeMap;

use keyward_core::model::slot::ProviderName;
use serde::{Deserialize, Serialize};

/// Each driver's operations, by the provider's name.
pub type Table = BTreeMap<String, Vec<Operation>>;

const TABLE: &str = include_str!("conformance.json");

/// One kind of request that a driver sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// What for.
    pub operation: String,
    /// HTTP method.
    pub method: String,
    /// The path below the API's base, with names in braces.
    pub path: String,
    /// How far it was checked.
    pub verified: Verified,
    /// The descriptions, each with its version or commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<String>,
}

/// How far an operation was checked. The greater, the further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// No description has it.
    Unverified,
    /// The request is as described. Of the answers nothing is described, or not all.
    RequestOnly,
    /// Request and answers are as described.
    Exact,
}

impl std::fmt::Display for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Unverified => "unverified",
            Self::RequestOnly => "request only",
            Self::Exact => "exact",
        })
    }
}

/// The whole table.
///
/// # Panics
/// Never: that it can be read is tested.
pub fn table() -> Table {
    serde_json::from_str(TABLE).expect("the table is tested")
}

/// What is known of one driver's operations; nothing if it was never checked.
pub fn operations(provider: ProviderName) -> Vec<Operation> {
    table().remove(provider.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_providers_and_what_was_checked_against_what() {
        let table = table();
        assert!(!table.is_empty());
        for (provider, operations) in &table {
            let known = ProviderName::ALL.map(ProviderName::as_str);
            assert!(known.contains(&provider.as_str()), "{provider}");
            for operation in operations {
                let is_checked = operation.verified > Verified::Unverified;
                assert_eq!(is_checked, !operation.against.is_empty(), "{operation:?}");
            }
        }
    }
}
