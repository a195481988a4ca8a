//! A slot: one agent's place for one provider.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::act::CallerArn;
use super::drill::DrillUnderWay;
use super::money::MicroDollars;
use super::names::{
    AccountName, AgentName, Endpoint, IamUser, ModelName, Network, Permission, Principal, Reader,
    ScopeId, SecretArn, SecretVersionId, SlotName,
};
use super::text::OutsideText;

/// Counts a slot's kills, suspensions and decommissioning. What began under an older epoch may not finish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Counts the writes of one item. Every write names the revision it read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Where an agent runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Development.
    Dev,
    /// Staging.
    Staging,
    /// Production.
    Prod,
}

/// The providers that this release can drive.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ProviderName {
    /// <https://openrouter.ai>
    #[serde(rename = "openrouter")]
    OpenRouter,
    /// <https://platform.openai.com>
    #[serde(rename = "openai")]
    OpenAi,
    /// <https://platform.claude.com>
    Anthropic,
    /// <https://aws.amazon.com/bedrock>
    Bedrock,
    /// <https://docs.litellm.ai/docs/simple_proxy>, on a host of one's own.
    #[serde(rename = "litellm")]
    LiteLlm,
    /// <https://ai.google.dev/gemini-api>
    Gemini,
    /// <https://learn.microsoft.com/azure/ai-services/openai>; an account is one resource.
    Azure,
}

impl ProviderName {
    /// Every provider.
    pub const ALL: [Self; 7] = [
        Self::OpenRouter,
        Self::OpenAi,
        Self::Anthropic,
        Self::Bedrock,
        Self::LiteLlm,
        Self::Gemini,
        Self::Azure,
    ];

    /// The name as it is written in the fleet file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenRouter => "openrouter",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Bedrock => "bedrock",
            Self::LiteLlm => "litellm",
            Self::Gemini => "gemini",
            Self::Azure => "azure",
        }
    }

    /// How slots come by their keys there. Azure's resources have two keys each, which are there from the start and are
    /// regenerated: <https://learn.microsoft.com/rest/api/aiservices/accountmanagement/accounts/regenerate-key>. Anthropic's Admin API lists and updates keys, and has no call that creates
    /// one: <https://platform.claude.com/docs/en/build-with-claude/administration-api>.
    pub const fn kind(self) -> CredentialKind {
        match self {
            Self::OpenRouter | Self::OpenAi => CredentialKind::Minted,
            Self::Anthropic => CredentialKind::Pool,
            Self::Bedrock => CredentialKind::Minted,
            Self::LiteLlm => CredentialKind::Minted,
            Self::Gemini => CredentialKind::Minted,
            Self::Azure => CredentialKind::Slots,
        }
    }

    /// How many keys of a slot there can be at a time, where that is a small number. Then no key is made by schedule
    /// while one is still retiring. Bedrock: an IAM user has two credentials at most for one service,
    /// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceSpecificCredential.html>.
    pub const fn keys_at_a_time(self) -> Option<usize> {
        match (self, self.kind()) {
            (Self::Bedrock, _) | (_, CredentialKind::Slots) => Some(2),
            (_, CredentialKind::Minted | CredentialKind::Pool) => None,
        }
    }

    /// What the keys of a slot live in, where that has to be the slot's alone: there can be few keys in it, or whatever
    /// turns up in it counts as the slot's. IAM takes names of users that differ in case alone for one:
    /// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html>.
    pub fn home(self, account: &AccountName, scope: &Scope) -> Option<String> {
        match self {
            Self::Bedrock => {
                let user = scope.user.as_ref()?;
                Some(format!("{account}#{}", user.as_str().to_ascii_lowercase()))
            }
            Self::OpenRouter | Self::OpenAi | Self::Anthropic | Self::LiteLlm | Self::Gemini => {
                None
            }
            Self::Azure => Some(account.to_string()),
        }
    }
}

impl std::fmt::Display for ProviderName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a slot comes by its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// The provider creates keys on request.
    Minted,
    /// People create keys; Keyward draws from what stands by.
    Pool,
    /// A fixed pair of keys: the idle one is regenerated.
    Slots,
}

/// Whether a kill acts at the provider or only reports what it would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Statistics report only; caps and leak orders act all the same.
    Observe,
    /// Statistics act.
    Enforce,
}

/// What a slot may do at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlotState {
    /// Rotates and serves its agent.
    Active,
    /// After a kill: rotates, its new key capped at one normal day until a person lifts it.
    Restricted,
    /// No key is made until a person says so.
    Suspended,
    /// The agent is gone; nothing is made any more.
    Decommissioned,
}

/// Where a slot's keys live at the provider and what they may reach, set at birth and never widened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// The workspace that the key lives in. OpenRouter: without it the default one. Anthropic: always needed.
    /// LiteLLM: a team; without it none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<ScopeId>,
    /// OpenAI, Gemini: the project that the key lives in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<ScopeId>,
    /// OpenAI: the service account that owns the key. Without it each key gets a service account of its own, which
    /// ends with the key. Gemini: the e-mail address of the service account that the key is bound to; without it none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ScopeId>,
    /// Bedrock: the IAM user that the key is one of, which belongs to this slot alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<IamUser>,
    /// OpenAI: what the key is permitted, such as `model.request`; needs a service account. Left out or empty, the key
    /// has the permissions of its service account, all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<Permission>,
    /// The models that the key may call, where the provider can limit that. Left out or empty, all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelName>,
    /// The parts of the API that the key may call, where the provider can limit that. Left out or empty, what the
    /// provider's keys may call by themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// The addresses or networks that the key may be used from, where the provider can limit that: `203.0.113.7`,
    /// `198.51.100.0/24`. Left out or empty, any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Network>,
}

impl Scope {
    /// Whether it limits what a key may reach, beyond where it lives.
    pub const fn limits_reach(&self) -> bool {
        !(self.models.is_empty() && self.endpoints.is_empty() && self.addresses.is_empty())
    }
}

/// How long a slot's keys live. All times in whole seconds when written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// No key is older than this.
    #[serde(with = "seconds")]
    pub max_age: SignedDuration,
    /// How long the old key stays valid beside the new one, at least.
    #[serde(with = "seconds")]
    pub overlap: SignedDuration,
    /// When after promotion the old key is revoked whatever happens.
    #[serde(with = "seconds")]
    pub deadline: SignedDuration,
    /// How often agents fetch their key, at most this far apart.
    #[serde(with = "seconds")]
    pub refresh: SignedDuration,
}

/// What may be lost for a slot before its statistics cut it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedLoss {
    /// What its owner accepts to lose in order not to stop the agent by mistake: less is never worth a kill.
    pub floor: MicroDollars,
    /// So much above anything on record is never normal, however much that was.
    pub ceiling: MicroDollars,
}

impl Default for AcceptedLoss {
    fn default() -> Self {
        Self {
            floor: MicroDollars::from_dollars(25),
            ceiling: MicroDollars::from_dollars(250),
        }
    }
}

/// What a slot normally spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedSpend {
    /// In a normal day.
    pub daily: MicroDollars,
    /// In a normal month.
    pub monthly: MicroDollars,
}

impl ExpectedSpend {
    /// Of what is expected in a month, in percent, what may be spent in one.
    const MONTH_PERCENT: u64 = 130;

    /// Days in a month of which nothing else is declared.
    const DAYS: u64 = 30;

    /// What is taken for normal where nobody declared anything: little, so that a stolen key is worth little, and least
    /// where no customer waits.
    pub const fn assumed(environment: Environment) -> Self {
        let daily = match environment {
            Environment::Dev => MicroDollars::from_dollars(2),
            Environment::Staging => MicroDollars::from_dollars(5),
            Environment::Prod => MicroDollars::from_dollars(10),
        };
        let monthly = MicroDollars(daily.0 * Self::DAYS);
        Self { daily, monthly }
    }

    /// What may be spent in a month, UTC.
    pub const fn monthly_cap(&self) -> MicroDollars {
        self.monthly.percent(Self::MONTH_PERCENT)
    }
}

/// One agent's place for one provider: one secret, one policy, many versions over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The item layout.
    pub schema: u32,
    /// Counts the writes of this item.
    pub revision: Revision,
    /// Stable name.
    pub name: SlotName,
    /// The workload that uses the key.
    pub agent: AgentName,
    /// Who answers for it.
    pub owner: Principal,
    /// Who takes over when the owner leaves.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub backup_owner: Option<Principal>,
    /// Where the agent runs.
    pub environment: Environment,
    /// Whose API the key opens.
    pub provider: ProviderName,
    /// Under which account of the deployment configuration.
    pub account: AccountName,
    /// What each key is limited to from birth.
    #[serde(default)]
    pub scope: Scope,
    /// Since when its owner is known to have left, while nobody took over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner_left: Option<Timestamp>,
    /// Who else can read the secret. The roles and users among them may tell what the slot uses.
    #[serde(default)]
    pub readers: Vec<Reader>,
    /// The secret that agents fetch.
    pub secret: SecretArn,
    /// How keys come about.
    pub kind: CredentialKind,
    /// How long they live.
    pub policy: Policy,
    /// What is normal.
    pub expected: ExpectedSpend,
    /// Nobody declared what is normal: it is what is assumed of its environment.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub expected_assumed: bool,
    /// What may be lost before its statistics cut it off.
    #[serde(default)]
    pub loss: AcceptedLoss,
    /// Whether statistics may kill.
    pub mode: Mode,
    /// Since when; absent where an older release set it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mode_since: Option<Timestamp>,
    /// Whether its key may be cut off to drill the kill switch: nobody depends on it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub canary: bool,
    /// The drill that is under way.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub drill: Option<DrillUnderWay>,
    /// What the slot may do now.
    pub state: SlotState,
    /// Raised by each kill, suspension and decommissioning.
    pub epoch: Epoch,
    /// When it was last cut off; absent if it never was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub killed: Option<Killed>,
    /// What a person asked to have restored, where a second must agree.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restore_asked: Option<Asked>,
    /// What a person asked to have it made, enforcing or observing, where a second must agree.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mode_asked: Option<Asked>,
    /// What it is expected to spend for a while, if that is not what is normal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expectation: Option<Expectation>,
    /// The last kill whose incident was rightful use, as a person says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rightful: Option<Epoch>,
    /// An AWSPENDING label that stands on a version other than AWSCURRENT, and since when it was seen.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pending_seen: Option<PendingSeen>,
    /// When people were told that work on the slot as a whole fails; absent while it does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub told_failed: Option<Timestamp>,
    /// When `retire` looks at the slot next.
    pub due_at: Timestamp,
}

impl Slot {
    /// Of what is normal, in percent, what the slot is expected to spend at `now`: 100 unless a person said otherwise.
    pub fn expected_percent(&self, now: Timestamp) -> u32 {
        self.expectation.map_or(100, |said| said.percent_at(now))
    }
}

/// What a person says of a slot's spend for a while: a launch, the end of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// Of what is normal, in percent: 200 is twice.
    pub percent: u32,
    /// Until when; from then on, what is normal is normal again.
    pub until: Timestamp,
}

impl Expectation {
    /// What it makes of what is normal, in percent, at `now`.
    pub fn percent_at(self, now: Timestamp) -> u32 {
        match now < self.until {
            true => self.percent,
            false => 100,
        }
    }
}

/// The last kill of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Killed {
    /// When it was claimed.
    pub at: Timestamp,
    /// The epoch that it began: versions of it and of later ones were made after the containment.
    pub epoch: Epoch,
    /// Set if it was a drill.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub drill: Option<Drilled>,
}

impl Killed {
    /// When the slot was last cut off for what its key did, and not for a drill.
    pub const fn in_earnest(self) -> Option<Timestamp> {
        match self.drill {
            None => Some(self.at),
            Some(drilled) => drilled.before,
        }
    }
}

/// That a kill was a drill, and what it must not hide.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drilled {
    /// When the slot was last cut off in earnest before it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<Timestamp>,
    /// What the slot was before it. Absent in what an earlier release wrote.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub was: Option<SlotState>,
}

/// One person's word for what a second must agree to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Who asked.
    pub by: CallerArn,
    /// When.
    pub at: Timestamp,
    /// For what, as it was asked for.
    pub what: OutsideText,
    /// The slot's epoch at that time: a kill since makes it void.
    pub epoch: Epoch,
}

/// An AWSPENDING label that `retire` keeps an eye on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingSeen {
    /// The secret version that carries the label.
    pub version: SecretVersionId,
    /// When it was first seen there.
    pub since: Timestamp,
}

/// Durations as whole seconds.
pub(crate) mod seconds {
    use jiff::SignedDuration;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        value: &SignedDuration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(value.as_secs())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SignedDuration, D::Error> {
        i64::deserialize(deserializer).map(SignedDuration::from_secs)
    }
}
