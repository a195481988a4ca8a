//! The fleet: every agent, owner, provider account and slot of a deployment, as people write it down.
//!
//! Key text, provider hosts and admin credentials are never in it: unknown fields are refused by name, and a line that
//! holds what looks like a key is refused whatever it is there for.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::names::{AccountName, AgentName, SlotName};
use super::slot::{CredentialKind, ExpectedSpend, Policy, ProviderName};

mod check;
mod entries;
mod read;

pub use entries::{
    AccountEntry, AgentEntry, EnvironmentEntry, Environments, LossEntry, PolicyEntry, SlotEntry,
    SpendEntry,
};

/// The version of the fleet format that this release reads and writes.
pub const FLEET_VERSION: u32 = 1;

/// A fleet as written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Keyward fleet")]
pub struct Fleet {
    /// The format's version: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// What holds for the slots of an environment that do not say otherwise.
    #[serde(default, skip_serializing_if = "Environments::is_empty")]
    pub environments: Environments,
    /// Provider accounts by name. Their hosts and admin credentials are in the deployment's configuration.
    #[serde(default, deserialize_with = "each_once")]
    pub accounts: BTreeMap<AccountName, AccountEntry>,
    /// Agents by name.
    #[serde(default, deserialize_with = "each_once")]
    pub agents: BTreeMap<AgentName, AgentEntry>,
    /// Slots by name.
    #[serde(default, deserialize_with = "each_once")]
    pub slots: BTreeMap<SlotName, SlotEntry>,
}

/// Reads a map in which no name stands twice: of two entries, JSON readers keep one in silence.
fn each_once<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + std::fmt::Display,
    V: Deserialize<'de>,
{
    struct Entries<K, V>(PhantomData<(K, V)>);

    impl<'de, K, V> Visitor<'de> for Entries<K, V>
    where
        K: Deserialize<'de> + Ord + std::fmt::Display,
        V: Deserialize<'de>,
    {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = BTreeMap::new();
            while let Some(name) = map.next_key::<K>()? {
                if entries.contains_key(&name) {
                    return Err(A::Error::custom(format_args!("`{name}` stands here twice")));
                }
                entries.insert(name, map.next_value()?);
            }
            Ok(entries)
        }
    }

    deserializer.deserialize_map(Entries(PhantomData))
}

/// One thing that is wrong with a fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{place}: {problem}", .line.map(|line| format!("line {line}, ")).unwrap_or_default())]
pub struct Problem {
    /// In which line of the file, from 1 on; `None` where that was not seen.
    pub line: Option<usize>,
    /// Where, as a path into the file.
    pub place: String,
    /// What, and what to do about it.
    pub problem: String,
}

/// Everything that is wrong with a fleet, in one go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the fleet is refused, nothing was changed:{}", list(.0))]
pub struct FleetError(pub Vec<Problem>);

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("\n  - {p}")).collect()
}

/// A slot of a fleet with what it refers to, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedSlot {
    /// The slot's name.
    pub name: SlotName,
    /// Its agent.
    pub agent: AgentName,
    /// Who answers for the agent, who takes over, where it runs.
    pub people: AgentEntry,
    /// Whose API.
    pub provider: ProviderName,
    /// How keys come about there.
    pub kind: CredentialKind,
    /// The entry itself.
    pub entry: SlotEntry,
    /// How long keys live.
    pub policy: Policy,
    /// What is normal.
    pub expected: ExpectedSpend,
    /// Neither the slot nor its environment declares what is normal.
    pub expected_assumed: bool,
}

#[cfg(test)]
mod tests;
