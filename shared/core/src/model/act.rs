//! An act of a person or a pipeline, as it is kept for ever.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding::FindingId;
use super::names::{AccountName, SlotName};
use super::text::{CleanText, OutsideText};

/// Who asked. IAM's longest ARN is that of a user under a path: 512 characters, and 64 of the name at its end.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub type CallerArn = CleanText<1024>;

/// One entry of the append-only record of acts. An act has two: one before anything is changed, one when it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Act {
    /// The item layout.
    pub schema: u32,
    /// The same for both entries of an act.
    pub id: ActId,
    /// Whether this is the first or the last entry.
    pub phase: Phase,
    /// When it was written.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Who asked: the ARN that AWS authenticated.
    pub caller: CallerArn,
    /// What was asked for, as the operation is called.
    pub operation: OutsideText,
    /// Why, in the caller's words.
    pub reason: OutsideText,
    /// What it is about.
    pub subject: Subject,
    /// How that stood before; in the last entry, how it stands now. JSON without key text.
    pub state: serde_json::Value,
    /// How the act ended; absent in the first entry.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<OutsideText>,
}

/// The id of an act: the id of the request that asked for it, 1 to 64 letters, digits and dashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ActId(String);

impl ActId {
    /// Takes an id; what cannot stand in one is left out.
    pub fn new(text: &str) -> Self {
        let allowed = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        Self(text.chars().filter(allowed).take(64).collect())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which entry of an act this is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing was changed yet.
    Begun,
    /// It is over, one way or the other.
    Ended,
}

/// What an act is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The fleet as a whole.
    Fleet,
    /// One slot.
    Slot(SlotName),
    /// The standby pool of an account.
    Pool(AccountName),
    /// What an audit found.
    Finding(FindingId),
}
