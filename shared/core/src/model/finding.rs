//! What an audit finds: something that is not as it should be, under a name that stays the same from audit to audit.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::alert::Command;
use super::audit::Source;
use super::names::{AccountName, KeyHandle, Principal, SecretArn, SlotName};
use super::text::{AlertText, OutsideText};

/// How bad it is if nobody mends it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Gravity {
    /// Worth mending some day.
    Low,
    /// Makes a theft easier, or its damage greater.
    Medium,
    /// A key is out of control, or about to stop working.
    High,
    /// A key that nobody controls is alive, or can be taken by many.
    Critical,
}

impl Gravity {
    /// Every gravity, the worst first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// In one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Gravity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A risk that others have named. Non-human identities: <https://owasp.org/www-project-non-human-identities-top-10/2025/>;
/// applications of language models: <https://genai.owasp.org/llm-top-10/>.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Owasp {
    /// Improper offboarding.
    #[serde(rename = "NHI1:2025")]
    Nhi1,
    /// Secret leakage.
    #[serde(rename = "NHI2:2025")]
    Nhi2,
    /// Insecure authentication.
    #[serde(rename = "NHI4:2025")]
    Nhi4,
    /// Overprivileged identities.
    #[serde(rename = "NHI5:2025")]
    Nhi5,
    /// Long-lived secrets.
    #[serde(rename = "NHI7:2025")]
    Nhi7,
    /// Environment isolation.
    #[serde(rename = "NHI8:2025")]
    Nhi8,
    /// Reuse of identities.
    #[serde(rename = "NHI9:2025")]
    Nhi9,
    /// Human use of identities that are not human.
    #[serde(rename = "NHI10:2025")]
    Nhi10,
    /// Excessive agency.
    #[serde(rename = "LLM06:2025")]
    Llm06,
    /// Unbounded consumption.
    #[serde(rename = "LLM10:2025")]
    Llm10,
}

impl Owasp {
    /// Its number and year.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nhi1 => "NHI1:2025",
            Self::Nhi2 => "NHI2:2025",
            Self::Nhi4 => "NHI4:2025",
            Self::Nhi5 => "NHI5:2025",
            Self::Nhi7 => "NHI7:2025",
            Self::Nhi8 => "NHI8:2025",
            Self::Nhi9 => "NHI9:2025",
            Self::Nhi10 => "NHI10:2025",
            Self::Llm06 => "LLM06:2025",
            Self::Llm10 => "LLM10:2025",
        }
    }

    /// What it is called.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Nhi1 => "Improper Offboarding",
            Self::Nhi2 => "Secret Leakage",
            Self::Nhi4 => "Insecure Authentication",
            Self::Nhi5 => "Overprivileged NHI",
            Self::Nhi7 => "Long-Lived Secrets",
            Self::Nhi8 => "Environment Isolation",
            Self::Nhi9 => "NHI Reuse",
            Self::Nhi10 => "Human Use of NHI",
            Self::Llm06 => "Excessive Agency",
            Self::Llm10 => "Unbounded Consumption",
        }
    }
}

/// The stable name of what a finding says: lower-case words with dashes between.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct RuleId(Cow<'static, str>);

impl RuleId {
    /// A rule of this release.
    pub const fn new(id: &'static str) -> Self {
        Self(Cow::Borrowed(id))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A slot.
    Slot(SlotName),
    /// A key at a provider that is no slot's.
    Key(AccountName, ShownHandle),
    /// A secret that is no slot's.
    Secret(SecretArn),
    /// A provider account.
    Account(AccountName),
    /// An item of the inventory, by its key.
    Row(OutsideText),
    /// A Lambda function, by its ARN.
    Function(OutsideText),
    /// A user of IAM, by its name.
    User(OutsideText),
    /// An alarm, by its ARN.
    Alarm(OutsideText),
    /// An IAM role or user that reads secrets, by its ARN.
    Reader(OutsideText),
    /// The deployment as a whole.
    Deployment,
}

impl About {
    /// The slot, if it is one.
    pub const fn slot(&self) -> Option<&SlotName> {
        match self {
            Self::Slot(slot) => Some(slot),
            _ => None,
        }
    }

    /// What kind of thing it is, in one word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Slot(_) => "slot",
            Self::Key(..) => "key",
            Self::Secret(_) => "secret",
            Self::Account(_) => "account",
            Self::Row(_) => "row",
            Self::Function(_) => "function",
            Self::User(_) => "user",
            Self::Alarm(_) => "alarm",
            Self::Reader(_) => "reader",
            Self::Deployment => "deployment",
        }
    }
}

/// Its name alone.
impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(slot) => write!(f, "{slot}"),
            Self::Key(account, handle) => write!(f, "{account}/{handle}"),
            Self::Secret(arn) => write!(f, "{arn}"),
            Self::Account(account) => write!(f, "{account}"),
            Self::Row(text)
            | Self::Function(text)
            | Self::User(text)
            | Self::Alarm(text)
            | Self::Reader(text) => write!(f, "{text}"),
            Self::Deployment => f.write_str("deployment"),
        }
    }
}

/// How a key's handle is shown: as it is, but for an id that is the hash of the key's text (LiteLLM names keys so), of
/// which twelve digits are shown, as of every fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ShownHandle(OutsideText);

impl ShownHandle {
    /// How many hex digits a hash has.
    const HASH: usize = 64;

    /// How many of them are shown.
    const SHOWN: usize = 12;

    /// What may be shown of a handle.
    pub fn new(handle: &KeyHandle) -> Self {
        let shown = handle.ids().map(|id| {
            let is_hash = id.len() >= Self::HASH && id.bytes().all(|b| b.is_ascii_hexdigit());
            if is_hash { &id[..Self::SHOWN] } else { id }
        });
        Self(OutsideText::new(&shown.collect::<Vec<_>>().join("/")))
    }
}

impl fmt::Display for ShownHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one finding from audit to audit: 32 hex digits, made of the rule, of what it is about, and of which part of that.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FindingId([u8; 16]);

impl FindingId {
    /// The id of what `rule` says about `part` of `about`.
    pub fn new(rule: &RuleId, about: &About, part: &str) -> Self {
        let mut hash = Sha256::new();
        for text in [rule.as_str(), about.kind(), &about.to_string(), part] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FindingId({self})")
    }
}

/// A text that is no finding's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a finding's id is 32 hex digits")]
pub struct NoFindingId;

impl FromStr for FindingId {
    type Err = NoFindingId;

    fn from_str(text: &str) -> Result<Self, NoFindingId> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NoFindingId);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| NoFindingId)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl JsonSchema for FindingId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "FindingId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9a-f]{32}$"})
    }
}

impl Serialize for FindingId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FindingId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One thing that is not as it should be. Carries no key text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Its name from audit to audit.
    pub id: FindingId,
    /// The rule that found it.
    pub rule: RuleId,
    /// How bad it is.
    pub gravity: Gravity,
    /// What it is about.
    pub about: About,
    /// The slot that it concerns, if it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub slot: Option<SlotName>,
    /// Who answers for that slot.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<Principal>,
    /// What was seen.
    pub evidence: AlertText,
    /// Since when it is so, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// The command that mends it, or that shows how far it is mended; absent where a person mends it elsewhere.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub command: Option<Command>,
    /// What has to be read to tell whether it is still so.
    pub sources: Vec<Source>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_rule_subject_and_part() {
        let about = |name: &str| About::Slot(name.parse().unwrap());
        let (a, b) = (RuleId::new("a"), RuleId::new("b"));
        let id = FindingId::new(&a, &about("bot"), "1");
        assert_eq!(id, FindingId::new(&a, &about("bot"), "1"));
        for other in [
            FindingId::new(&b, &about("bot"), "1"),
            FindingId::new(&a, &about("bo"), "t1"),
            FindingId::new(&a, &about("bot"), "2"),
            FindingId::new(&a, &About::Row(OutsideText::new("bot")), "1"),
        ] {
            assert_ne!(id, other);
        }
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "zz", &"g".repeat(32), &"0".repeat(33)] {
            assert_eq!(wrong.parse::<FindingId>(), Err(NoFindingId), "{wrong}");
        }
    }

    #[test]
    fn a_handle_that_is_a_hash_is_cut() {
        let hash = "0f".repeat(32);
        for (handle, shown) in [
            (hash.as_str(), "0f0f0f0f0f0f"),
            ("proj_EXAMPLE/-/key_EXAMPLE", "proj_EXAMPLE/-/key_EXAMPLE"),
            (&format!("team/{hash}"), "team/0f0f0f0f0f0f"),
        ] {
            assert_eq!(
                ShownHandle::new(&handle.parse().unwrap()).to_string(),
                shown
            );
        }
    }
}
