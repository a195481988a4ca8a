//! What can be set, before and while the simulator runs.

use jiff::SignedDuration;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::ProviderName;
use serde::{Deserialize, Serialize};

/// How the simulator behaves. All but `provider` and `seed` can be changed at run time; over HTTP, durations are ISO
/// 8601 (`PT30S`) and money is whole micro-dollars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whose API is served. Read at the start only.
    pub provider: ProviderName,
    /// The same seed makes the same keys and handles. Read at the start only.
    pub seed: u64,
    /// A new key is refused for this long.
    pub birth_delay: SignedDuration,
    /// A suspended, resumed or deleted key keeps its former standing for this long.
    pub change_delay: SignedDuration,
    /// What calls meet within those delays.
    pub window: Window,
    /// Keys on one page of a list.
    pub page_size: usize,
    /// What one agent call costs.
    pub call_cost: MicroDollars,
    /// What the whole account may spend; absent for no end.
    pub credit: Option<MicroDollars>,
    /// The HTTP status of a refusal because a key's own limit is used up.
    pub limit_status: u16,
    /// Whether the management key is accepted.
    pub management: Management,
    /// What only OpenAI has.
    pub openai: OpenAiSettings,
}

/// What can be set of OpenAI's ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenAiSettings {
    /// Where keys are said to be made: by [`Simulator::route`](super::Simulator::route) and
    /// [`Simulator::scope_of`](super::Simulator::scope_of). The API answers either way.
    pub owners: Owners,
    /// What becomes of a delete of a service account's key.
    pub key_delete: KeyDelete,
    /// What a new service account comes with.
    pub first_key: FirstKey,
}

/// Which service accounts own keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owners {
    /// One that stays.
    #[default]
    Stable,
    /// One for each key.
    EachItsOwn,
}

/// Whether keys of service accounts can be deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyDelete {
    /// They can.
    #[default]
    Allowed,
    /// 400: only the whole account can, and a key can be made to end.
    Refused,
    /// 400, and a key cannot be made to end either.
    RefusedLikeEnds,
}

/// What a new service account comes with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstKey {
    /// A key.
    #[default]
    Given,
    /// `api_key: null`.
    Withheld,
}

/// What calls meet within a propagation delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The former standing until the delay is over.
    Steady,
    /// The new standing, then the former, and so on by turns.
    Flapping,
}

/// Whether the management key is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Management {
    /// It is.
    Accepted,
    /// It is refused like an unknown credential.
    Refused,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            provider: ProviderName::OpenRouter,
            seed: 1,
            birth_delay: SignedDuration::ZERO,
            change_delay: SignedDuration::ZERO,
            window: Window::Steady,
            page_size: 100,
            call_cost: MicroDollars(1_000),
            credit: None,
            limit_status: 402,
            management: Management::Accepted,
            openai: OpenAiSettings::default(),
        }
    }
}
