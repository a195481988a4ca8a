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
    /// OpenAI: how the key of a service account can be ended.
    pub key_end: KeyEnd,
    /// OpenAI: where new keys are asked for.
    pub home: Home,
    /// OpenAI: what a new service account comes with.
    pub first_key: FirstKey,
    /// Bedrock: how far IAM's clock is ahead of everybody else's.
    pub clock_ahead: SignedDuration,
    /// Gemini: how long operations go on after their answer.
    pub operation_delay: SignedDuration,
    /// Gemini: what new keys are bound to.
    pub binding: Binding,
    /// Whether answers carry fields that no release of Keyward knows.
    pub unknown_fields: UnknownFields,
}

/// What tests have Gemini's keys bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// Nothing: they are standard keys.
    Nothing,
    /// A service account.
    ServiceAccount,
}

/// Whether answers carry fields that no release of Keyward knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownFields {
    /// None.
    Absent,
    /// Each object of each JSON answer, errors included.
    Everywhere,
}

/// How the key of a service account can be ended at OpenAI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyEnd {
    /// By deleting it.
    Deletable,
    /// By letting it expire, or with its account.
    Expires,
    /// With its account only.
    WithItsAccountOnly,
}

/// Where tests have OpenAI's keys made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Home {
    /// In the service account that is there from the start.
    StandingAccount,
    /// Each in an account of its own.
    OwnAccount,
}

/// What a new service account comes with at OpenAI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstKey {
    /// A key.
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
            key_end: KeyEnd::Deletable,
            home: Home::StandingAccount,
            first_key: FirstKey::Given,
            clock_ahead: SignedDuration::ZERO,
            operation_delay: SignedDuration::ZERO,
            binding: Binding::Nothing,
            unknown_fields: UnknownFields::Absent,
        }
    }
}
