//! Where keys come from: Secrets Manager, as far as it is needed here.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use secrecy::{SecretSlice, SecretString};

use crate::error::FetchError;

/// A secret by its name or its ARN.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretId(String);

/// A text that can be no secret's name or ARN. It is not shown: somebody may have put a key in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret is named by its ARN, or by 1 to 512 of a-z A-Z 0-9 / _ + = . @ -; this is neither"
)]
pub struct BadSecretId;

impl SecretId {
    /// Takes a name (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html>) or an ARN.
    ///
    /// # Errors
    /// [`BadSecretId`].
    pub fn new(text: &str) -> Result<Self, BadSecretId> {
        let is_arn = text.starts_with("arn:") && text.contains(":secretsmanager:");
        let most = if is_arn { 2048 } else { 512 };
        let allowed =
            |b: u8| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b) || (is_arn && b == b':');
        match (1..=most).contains(&text.len()) && text.bytes().all(allowed) {
            true => Ok(Self(text.to_owned())),
            false => Err(BadSecretId),
        }
    }

    /// As AWS takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// The name of a slot, as the fleet file has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SlotName(String);

/// A text that can be no slot's name. It is not shown: somebody may have put a key in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a slot's name has 1 to 63 lower-case letters and digits, with single dashes between")]
pub struct BadSlotName;

impl SlotName {
    /// Takes a name.
    ///
    /// # Errors
    /// [`BadSlotName`].
    pub fn new(text: &str) -> Result<Self, BadSlotName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let placed = !text.starts_with('-') && !text.ends_with('-') && !text.contains("--");
        match (1..=63).contains(&text.len()) && placed && text.bytes().all(allowed) {
            true => Ok(Self(text.to_owned())),
            false => Err(BadSlotName),
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of one version of a secret: what stands for a key where it must not be shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionId(Arc<str>);

impl VersionId {
    /// As Secrets Manager answers it.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// As Secrets Manager answers it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is asked for. Without a version and a stage, AWSCURRENT.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    /// Of which secret.
    pub secret: SecretId,
    /// Which version.
    pub version: Option<String>,
    /// The version with which label.
    pub stage: Option<String>,
}

impl Query {
    /// The version that agents use.
    pub const fn current(secret: SecretId) -> Self {
        Self {
            secret,
            version: None,
            stage: None,
        }
    }
}

/// What a version holds. Wiped when it is dropped.
#[derive(Debug)]
pub enum Content {
    /// Text.
    Text(SecretString),
    /// Bytes.
    Binary(SecretSlice<u8>),
}

/// One version of a secret: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>.
#[derive(Debug)]
pub struct SecretValue {
    /// The secret's ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The version's id.
    pub version: VersionId,
    /// What it holds.
    pub content: Content,
    /// Its labels.
    pub stages: Vec<String>,
    /// When the version was made.
    pub created: Option<SystemTime>,
}

/// What a secret's tags say of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// `keyward:slot`: whose secret it is.
    pub slot: Option<String>,
    /// `keyward:environment`: `dev` or `staging`; whatever else, and nothing, counts as production.
    pub environment: Option<String>,
}

impl Tags {
    /// Whether the secret counts as one of production.
    pub fn are_of_production(&self) -> bool {
        !matches!(self.environment.as_deref(), Some("dev" | "staging"))
    }
}

/// Secrets Manager.
#[async_trait]
pub trait SecretSource: fmt::Debug + Send + Sync {
    /// One version of a secret.
    ///
    /// # Errors
    /// [`FetchError`].
    async fn get(&self, query: &Query) -> Result<SecretValue, FetchError>;

    /// A secret's tags.
    ///
    /// # Errors
    /// [`FetchError`].
    async fn tags(&self, secret: &SecretId) -> Result<Tags, FetchError>;

    /// All secrets whose tag `keyward:slot` names the slot. What was changed in the last minutes may be missing.
    ///
    /// # Errors
    /// [`FetchError`].
    async fn of_slot(&self, slot: &SlotName) -> Result<Vec<SecretId>, FetchError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_aws_and_keyward_take_them() {
        let long = "a".repeat(512);
        for good in [
            "llm/support-bot",
            "MyTest",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:llm/x-aBcDeF",
            &long,
        ] {
            assert_eq!(SecretId::new(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a b",
            "a:b",
            "arn:aws:s3:::x",
            "a\n",
            &format!("{long}a"),
        ] {
            assert_eq!(SecretId::new(bad), Err(BadSecretId), "{bad:?}");
        }
        assert_eq!(
            SlotName::new("support-bot").unwrap().as_str(),
            "support-bot"
        );
        for bad in ["", "-a", "a--b", "A", "sk-EXAMPLE", &"a".repeat(64)] {
            assert_eq!(SlotName::new(bad), Err(BadSlotName), "{bad:?}");
        }
    }

    #[test]
    fn a_secret_counts_as_production_until_it_says_otherwise() {
        for (tag, production) in [
            (None, true),
            (Some("prod"), true),
            (Some("Dev"), true),
            (Some("dev"), false),
            (Some("staging"), false),
        ] {
            let tags = Tags {
                environment: tag.map(str::to_owned),
                slot: None,
            };
            assert_eq!(tags.are_of_production(), production, "{tag:?}");
        }
    }
}
