//! What stands in a fleet file: accounts, environments, agents, slots.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::money::MicroDollars;
use crate::model::names::{AccountName, AgentName, Principal, Reader, SecretArn};
use crate::model::slot::{
    AcceptedLoss, Environment, ExpectedSpend, Mode, Policy, ProviderName, Scope,
};

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
    /// What the agent normally spends; caps are derived from it. Left out, it is as the environment says; where that says
    /// nothing either, little is assumed: $2 a day for an agent in
    /// dev, $5 in staging, $10 in prod, and 30 such days a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_spend: Option<SpendEntry>,
    /// What may be lost before usage statistics cut the slot off. Left out, $25 and $250.
    #[serde(default)]
    pub accepted_loss: LossEntry,
    /// How long keys live.
    #[serde(default, skip_serializing_if = "PolicyEntry::is_empty")]
    pub policy: PolicyEntry,
    /// Whether usage statistics may kill. A new slot observes unless it says otherwise here; of one that is registered,
    /// `keyward enforce` changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Whether its key may be cut off to drill the kill switch: only for a slot that nobody depends on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
}

/// What holds for the slots of each environment that do not say otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Environments {
    /// Of agents in dev.
    #[serde(skip_serializing_if = "EnvironmentEntry::is_empty")]
    pub dev: EnvironmentEntry,
    /// Of agents in staging.
    #[serde(skip_serializing_if = "EnvironmentEntry::is_empty")]
    pub staging: EnvironmentEntry,
    /// Of agents in prod.
    #[serde(skip_serializing_if = "EnvironmentEntry::is_empty")]
    pub prod: EnvironmentEntry,
}

impl Environments {
    /// Whether nothing is said of any.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What holds in one.
    pub const fn of(&self, environment: Environment) -> &EnvironmentEntry {
        match environment {
            Environment::Dev => &self.dev,
            Environment::Staging => &self.staging,
            Environment::Prod => &self.prod,
        }
    }

    /// Each, with its name in the file.
    pub(super) const fn entries(&self) -> [(&'static str, &EnvironmentEntry); 3] {
        [
            ("dev", &self.dev),
            ("staging", &self.staging),
            ("prod", &self.prod),
        ]
    }
}

/// What holds for the slots of one environment that do not say otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnvironmentEntry {
    /// What an agent normally spends there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_spend: Option<SpendEntry>,
    /// How long keys live there; a slot's own policy goes before it, field by field.
    #[serde(skip_serializing_if = "PolicyEntry::is_empty")]
    pub policy: PolicyEntry,
}

impl EnvironmentEntry {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
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
    pub(super) fn problems(&self) -> Vec<&'static str> {
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
    pub(super) fn problems(&self) -> Vec<&'static str> {
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

/// How long keys live. What is left out is as the environment says, else what stands here in brackets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyEntry {
    /// No key is older than this many days (60).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 365))]
    pub max_age_days: Option<u32>,
    /// The old key stays valid this long beside the new one: at least twice the refresh interval (120).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap_minutes: Option<u32>,
    /// So long after promotion the old key is revoked whatever happens (24).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_hours: Option<u32>,
    /// Agents fetch their key at most this far apart: 30 to 60 (60).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 30, max = 60))]
    pub refresh_minutes: Option<u32>,
}

impl PolicyEntry {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What it says, and of the rest what `general` says.
    #[must_use]
    pub fn or(self, general: Self) -> Self {
        Self {
            max_age_days: self.max_age_days.or(general.max_age_days),
            overlap_minutes: self.overlap_minutes.or(general.overlap_minutes),
            deadline_hours: self.deadline_hours.or(general.deadline_hours),
            refresh_minutes: self.refresh_minutes.or(general.refresh_minutes),
        }
    }
}

impl From<PolicyEntry> for Policy {
    fn from(entry: PolicyEntry) -> Self {
        let days = entry.max_age_days.unwrap_or(60);
        let minutes = |value: Option<u32>, usual: u32| {
            SignedDuration::from_mins(i64::from(value.unwrap_or(usual)))
        };
        Self {
            max_age: SignedDuration::from_hours(i64::from(days) * 24),
            overlap: minutes(entry.overlap_minutes, 120),
            deadline: SignedDuration::from_hours(i64::from(entry.deadline_hours.unwrap_or(24))),
            refresh: minutes(entry.refresh_minutes, 60),
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
