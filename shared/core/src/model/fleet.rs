//! The fleet: every agent, owner, provider account and slot of a deployment, as people write it down.
//!
//! Key text, provider hosts and admin credentials are never in it: unknown fields are refused by name.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::money::MicroDollars;
use super::names::{AccountName, AgentName, Principal, Reader, SecretArn, SlotName};
use super::slot::{
    AcceptedLoss, CredentialKind, Environment, ExpectedSpend, Mode, Policy, ProviderName, Scope,
};
use super::text::{OutsideText, without_keys};

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

/// A provider account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountEntry {
    /// Whose API it opens.
    pub provider: ProviderName,
}

/// An agent and the people behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentEntry {
    /// Who answers for it.
    pub owner: Principal,
    /// Who takes over when the owner leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_owner: Option<Principal>,
    /// Where it runs.
    pub environment: Environment,
}

/// One agent's place for one provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotEntry {
    /// The agent that uses the key.
    pub agent: AgentName,
    /// The provider account that the key is made in.
    pub account: AccountName,
    /// The secret that the agent fetches.
    pub secret: SecretArn,
    /// What the key is limited to from birth.
    #[serde(default)]
    pub scope: Scope,
    /// Who else can read the secret. The IAM roles and users among them, by ARN, may tell what the agent uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readers: Vec<Reader>,
    /// What the agent normally spends; caps are derived from it. Left out, little is assumed: $2 a day for an agent in
    /// dev, $5 in staging, $10 in prod, and 30 such days a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_spend: Option<SpendEntry>,
    /// What may be lost before usage statistics cut the slot off. Left out, $25 and $250.
    #[serde(default)]
    pub accepted_loss: LossEntry,
    /// How long keys live.
    #[serde(default)]
    pub policy: PolicyEntry,
    /// Whether usage statistics may kill; a new slot observes.
    #[serde(default = "observe")]
    pub mode: Mode,
    /// Whether its key may be cut off to drill the kill switch: only for a slot that nobody depends on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
}

const fn observe() -> Mode {
    Mode::Observe
}

/// Expected spend in US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpendEntry {
    /// In a normal day, in whole cents.
    #[schemars(range(min = 1))]
    pub daily_cents: u32,
    /// In a normal month, in whole cents.
    #[schemars(range(min = 1))]
    pub monthly_cents: u32,
}

impl SpendEntry {
    fn problems(&self) -> Vec<&'static str> {
        let mut problems = Vec::new();
        if self.daily_cents == 0 || self.monthly_cents == 0 {
            problems.push("must be above zero: the caps are derived from it");
        }
        if self.monthly_cents < self.daily_cents {
            problems.push("a month is expected to cost less than a day");
        }
        problems
    }
}

/// What may be lost, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LossEntry {
    /// What is accepted to be lost in order not to stop the agent by mistake, in whole cents: less above what is normal is
    /// never worth a kill.
    #[schemars(range(min = 1))]
    pub floor_cents: u32,
    /// So many cents above anything on record are never normal, however much that was: at least the floor.
    #[schemars(range(min = 1))]
    pub ceiling_cents: u32,
}

impl Default for LossEntry {
    fn default() -> Self {
        Self {
            floor_cents: 2_500,
            ceiling_cents: 25_000,
        }
    }
}

impl LossEntry {
    fn problems(&self) -> Vec<&'static str> {
        let mut problems = Vec::new();
        if self.floor_cents == 0 || self.ceiling_cents == 0 {
            problems.push("must be above zero: the smallest rise would cut the agent off");
        }
        if self.ceiling_cents < self.floor_cents {
            problems.push("the ceiling is below the floor");
        }
        problems
    }
}

/// How long keys live.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyEntry {
    /// No key is older than this many days.
    #[schemars(range(max = 365))]
    pub max_age_days: u32,
    /// The old key stays valid this long beside the new one: at least twice the refresh interval.
    pub overlap_minutes: u32,
    /// So long after promotion the old key is revoked whatever happens.
    pub deadline_hours: u32,
    /// Agents fetch their key at most this far apart: 30 to 60.
    #[schemars(range(min = 30, max = 60))]
    pub refresh_minutes: u32,
}

impl Default for PolicyEntry {
    fn default() -> Self {
        Self {
            max_age_days: 60,
            overlap_minutes: 120,
            deadline_hours: 24,
            refresh_minutes: 60,
        }
    }
}

impl From<PolicyEntry> for Policy {
    fn from(entry: PolicyEntry) -> Self {
        Self {
            max_age: SignedDuration::from_hours(i64::from(entry.max_age_days) * 24),
            overlap: SignedDuration::from_mins(i64::from(entry.overlap_minutes)),
            deadline: SignedDuration::from_hours(i64::from(entry.deadline_hours)),
            refresh: SignedDuration::from_mins(i64::from(entry.refresh_minutes)),
        }
    }
}

impl From<SpendEntry> for ExpectedSpend {
    fn from(entry: SpendEntry) -> Self {
        Self {
            daily: MicroDollars::from_cents(entry.daily_cents),
            monthly: MicroDollars::from_cents(entry.monthly_cents),
        }
    }
}

impl From<LossEntry> for AcceptedLoss {
    fn from(entry: LossEntry) -> Self {
        Self {
            floor: MicroDollars::from_cents(entry.floor_cents),
            ceiling: MicroDollars::from_cents(entry.ceiling_cents),
        }
    }
}

/// One thing that is wrong with a fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Problem {
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
}

/// What is wrong, without the place that stands before it already.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = text.strip_suffix(&place).unwrap_or(&text);
    match error.classify() {
        serde_json::error::Category::Data => what.to_owned(),
        _ => format!("not JSON: {what}"),
    }
}

impl Fleet {
    /// Reads a fleet from JSON. Unknown fields, missing ones and bad names are refused with their place; what is
    /// quoted of them holds no key that somebody wrote there.
    ///
    /// # Errors
    /// [`FleetError`] with one problem: reading stops at the first.
    pub fn from_json(text: &str) -> Result<Self, FleetError> {
        let place = |e: &serde_json::Error| format!("line {}, column {}", e.line(), e.column());
        serde_json::from_str(text).map_err(|e| {
            FleetError(vec![Problem {
                place: place(&e),
                problem: OutsideText::new(&without_keys(&without_place(&e))).to_string(),
            }])
        })
    }

    /// The JSON Schema of the format, for editors.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    /// Checks every slot against every rule that needs no look outside, and returns them ready to be registered.
    ///
    /// # Errors
    /// [`FleetError`] with all problems together.
    pub fn check(&self) -> Result<Vec<PlannedSlot>, FleetError> {
        let mut problems = Vec::new();
        if self.version != FLEET_VERSION {
            let problem = format!(
                "version {} is not known here; this release reads {FLEET_VERSION}",
                self.version
            );
            problems.push(Problem {
                place: "version".to_owned(),
                problem,
            });
        }
        let mut planned = Vec::new();
        for (name, entry) in &self.slots {
            match self.plan(name, entry) {
                Ok(slot) => planned.push(slot),
                Err(found) => problems.extend(found),
            }
        }
        problems.extend(twice(&planned));
        if problems.is_empty() {
            Ok(planned)
        } else {
            Err(FleetError(problems))
        }
    }

    fn plan(&self, name: &SlotName, entry: &SlotEntry) -> Result<PlannedSlot, Vec<Problem>> {
        let place = |field: &str| format!("slots.{name}.{field}");
        let mut problems = Vec::new();
        let mut problem = |field: &str, problem: String| {
            problems.push(Problem {
                place: place(field),
                problem,
            })
        };
        let people = self.agents.get(&entry.agent);
        if people.is_none() {
            problem(
                "agent",
                format!("there is no agent `{}` in this fleet", entry.agent),
            );
        }
        let account = self.accounts.get(&entry.account);
        if account.is_none() {
            problem(
                "account",
                format!(
                    "there is no provider account `{}` in this fleet",
                    entry.account
                ),
            );
        }
        for text in entry.expected_spend.iter().flat_map(SpendEntry::problems) {
            problem("expected_spend", text.to_owned());
        }
        for text in entry.accepted_loss.problems() {
            problem("accepted_loss", text.to_owned());
        }
        if let Some(account) = account {
            for (field, text) in crate::rules::scope::problems(account.provider, &entry.scope) {
                problem(field, text);
            }
        }
        let policy = Policy::from(entry.policy);
        for (field, text) in crate::rules::policy::problems(&policy) {
            problem(field, text);
        }
        match (people, account) {
            (Some(people), Some(account)) if problems.is_empty() => Ok(PlannedSlot {
                name: name.clone(),
                agent: entry.agent.clone(),
                people: people.clone(),
                provider: account.provider,
                kind: account.provider.kind(),
                entry: entry.clone(),
                policy,
                expected: entry.expected_spend.map_or_else(
                    || ExpectedSpend::assumed(people.environment),
                    ExpectedSpend::from,
                ),
            }),
            _ => Err(problems),
        }
    }
}

/// Slots that share an agent, provider and environment, a secret, or the place that their keys live in.
fn twice(planned: &[PlannedSlot]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (i, slot) in planned.iter().enumerate() {
        for earlier in &planned[..i] {
            let place = format!("slots.{}", slot.name);
            if slot.entry.secret == earlier.entry.secret {
                let problem = format!(
                    "has the same secret as slot `{}`; keys are never shared",
                    earlier.name
                );
                problems.push(Problem {
                    place: place.clone(),
                    problem,
                });
            }
            if share_a_home(slot, earlier) {
                let problem = format!(
                    "has the same place for its keys at {} as slot `{}`; each slot needs {} of its own",
                    slot.provider,
                    earlier.name,
                    match slot.kind {
                        CredentialKind::Slots => "an account",
                        CredentialKind::Minted | CredentialKind::Pool => "a place",
                    }
                );
                problems.push(Problem {
                    place: place.clone(),
                    problem,
                });
            }
            if slot.agent == earlier.agent && slot.provider == earlier.provider {
                let problem = format!(
                    "agent `{}` already has slot `{}` at {}",
                    slot.agent, earlier.name, slot.provider
                );
                problems.push(Problem { place, problem });
            }
        }
    }
    problems
}

fn share_a_home(one: &PlannedSlot, other: &PlannedSlot) -> bool {
    let home = |slot: &PlannedSlot| slot.provider.home(&slot.entry.account, &slot.entry.scope);
    one.provider == other.provider && home(one).is_some_and(|place| home(other) == Some(place))
}

#[cfg(test)]
mod tests;
