//! The list of keys that are known: SHA-256 of each text, whose it is and whether it lives. It says nothing that a key could
//! be made from: texts of keys are too long to be guessed.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use keyward_core::model::key::Fingerprint;
use keyward_core::model::names::SlotName;
use keyward_core::model::version::VersionState;
use keyward_core::ports::Clock;
use keyward_lambda::clock::SystemClock;
use keyward_providers::config::ProviderAccounts;
use serde::{Deserialize, Serialize};

use crate::aws::Aws;
use crate::print::{Outcome, line};
use crate::settings::{TABLE, required};

/// The layout of the list.
const SCHEMA: u32 = 1;

/// A slot's version that a text is the key of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    pub(super) slot: SlotName,
    pub(super) state: VersionState,
}

impl Holder {
    /// Whether its provider takes it, as far as the list knows.
    pub(super) fn is_live(&self) -> bool {
        !matches!(
            self.state,
            VersionState::Revoked | VersionState::Abandoned | VersionState::Contained
        )
    }
}

#[derive(Serialize, Deserialize)]
struct Row {
    sha256: String,
    #[serde(flatten)]
    holder: Holder,
}

#[derive(Serialize, Deserialize)]
struct List {
    schema: u32,
    made: Timestamp,
    keys: Vec<Row>,
}

/// The keys of a list, by what their texts come to.
#[derive(Default)]
pub(super) struct Known(HashMap<Fingerprint, Holder>);

impl Known {
    pub(super) fn read(file: &Path) -> Result<Self> {
        let name = file.display();
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{name} cannot be read; nothing was looked at"))?;
        let list: List = serde_json::from_str(&text).with_context(|| {
            format!("{name} is no list of keyward fingerprints; nothing was looked at")
        })?;
        if list.schema != SCHEMA {
            let schema = list.schema;
            bail!(
                "{name} has layout {schema}, and this keyward reads {SCHEMA}: write it again with keyward fingerprints"
            );
        }
        let rows = list.keys.into_iter().map(|row| {
            let print = Fingerprint::from_hex(&row.sha256);
            let print = print.with_context(|| {
                format!(
                    "{name} has an entry of {} that is no SHA-256; nothing was looked at",
                    row.holder.slot
                )
            })?;
            Ok((print, row.holder))
        });
        Ok(Self(rows.collect::<Result<_>>()?))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn holder(&self, print: &Fingerprint) -> Option<&Holder> {
        self.0.get(print)
    }

    #[cfg(test)]
    pub(super) fn of(keys: impl IntoIterator<Item = (Fingerprint, Holder)>) -> Self {
        Self(keys.into_iter().collect())
    }
}

/// `keyward fingerprints`: writes the list from the inventory to standard output. All of it, or nothing.
pub(crate) async fn export() -> Result<Outcome> {
    let [table] = required([TABLE])?;
    let aws = Aws::load().await?;
    let ports = aws.ports(&table, ProviderAccounts::default()).await?;
    let names = ports.inventory.slot_names().await;
    let names = names.map_err(|error| aws.explain(&table, error))?;
    let mut keys = Vec::new();
    for slot in names {
        let versions = ports.inventory.versions(&slot).await;
        for version in versions.map_err(|error| aws.explain(&table, error))? {
            let Some(print) = version.fingerprint else {
                continue;
            };
            keys.push(Row {
                sha256: print.to_hex(),
                holder: Holder {
                    slot: slot.clone(),
                    state: version.state,
                },
            });
        }
    }
    let list = List {
        schema: SCHEMA,
        made: SystemClock.now(),
        keys,
    };
    line(&serde_json::to_string_pretty(&list)?);
    Ok(Outcome::Done)
}
