//! Secrets Manager, as far as Keyward uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::model::names::{SecretArn, SecretVersionId, SlotName};
use crate::model::secret_document::SecretText;
use crate::model::version::VersionId;

/// The tag of a secret that names the slot it belongs to.
pub const TAG_SLOT: &str = "keyward:slot";

/// The tag of a secret that names the provider account of its slot, as `<provider>/<account>`: what a kill without the
/// inventory needs to know.
pub const TAG_ACCOUNT: &str = "keyward:account";

/// The tag of a secret that says where in its provider account the slot's keys live: its workspace, project, service
/// account or IAM user, `-` where it has none of them.
pub const TAG_PLACE: &str = "keyward:place";

/// Tags of a secret that begin so mirror the handles of live keys: `keyward:handle:<version id>` = `<handle>`.
pub const TAG_HANDLE_PREFIX: &str = "keyward:handle:";

/// The tag that mirrors the handle of a version.
pub fn handle_tag(version: &VersionId) -> String {
    format!("{TAG_HANDLE_PREFIX}{version}")
}

/// A staging label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// `AWSCURRENT`
    Current,
    /// `AWSPENDING`
    Pending,
    /// `AWSPREVIOUS`
    Previous,
    /// Any other label.
    Other(String),
}

impl From<&str> for Stage {
    fn from(label: &str) -> Self {
        match label {
            "AWSCURRENT" => Self::Current,
            "AWSPENDING" => Self::Pending,
            "AWSPREVIOUS" => Self::Previous,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "AWSCURRENT",
            Self::Pending => "AWSPENDING",
            Self::Previous => "AWSPREVIOUS",
            Self::Other(label) => label,
        })
    }
}

/// What `DescribeSecret` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretDescription {
    /// The secret's full ARN.
    pub arn: SecretArn,
    /// Whether rotation is on. Absent in the answer means that it never was.
    pub rotation_enabled: bool,
    /// Whether it is scheduled for deletion: then its values cannot be read or written.
    pub is_deleted: bool,
    /// Labels of each version that has any.
    pub stages: BTreeMap<SecretVersionId, BTreeSet<Stage>>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

impl SecretDescription {
    /// The version that carries `stage`.
    pub fn holder(&self, stage: &Stage) -> Option<&SecretVersionId> {
        self.stages
            .iter()
            .find(|(_, stages)| stages.contains(stage))
            .map(|(id, _)| id)
    }

    /// Whether `version` carries `stage`.
    pub fn has(&self, version: &SecretVersionId, stage: &Stage) -> bool {
        self.stages
            .get(version)
            .is_some_and(|stages| stages.contains(stage))
    }
}

/// Which version of a secret to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionSelector<'a> {
    /// The one that carries AWSCURRENT.
    Current,
    /// This one, whatever it carries.
    Id(&'a SecretVersionId),
}

/// The credential that Secrets Manager hands a rotation for writing across accounts. Cannot be printed.
#[derive(Clone)]
pub struct RotationToken(SecretString);

impl RotationToken {
    /// Takes the token as it came in the event.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl fmt::Debug for RotationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RotationToken([hidden])")
    }
}

impl ExposeSecret<str> for RotationToken {
    fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Reads and writes secrets. Every call may be repeated.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// Labels, tags and rotation of a secret, by ARN or name.
    ///
    /// # Errors
    /// [`SecretError`].
    async fn describe(&self, id: &str) -> Result<SecretDescription, SecretError>;

    /// The secrets whose tag names the slot. Found through a list that lags by minutes.
    ///
    /// # Errors
    /// [`SecretError`].
    async fn tagged(&self, slot: &SlotName) -> Result<Vec<SecretArn>, SecretError>;

    /// The text of one version and the version's id; `None` where there is no value (a label can stand on a version without one, and
    /// a value just written may not be readable yet).
    ///
    /// # Errors
    /// [`SecretError`].
    async fn value(
        &self,
        arn: &SecretArn,
        version: VersionSelector<'_>,
    ) -> Result<Option<(SecretVersionId, SecretText)>, SecretError>;

    /// Stores `text` as version `token` under AWSPENDING alone.
    ///
    /// # Errors
    /// [`SecretError::TokenTaken`] if the version has another value, [`SecretError::VersionQuota`] if the secret is
    /// full; in both the new key must be revoked at once.
    async fn put_pending(
        &self,
        arn: &SecretArn,
        token: &SecretVersionId,
        rotation_token: Option<&RotationToken>,
        text: &SecretText,
    ) -> Result<(), SecretError>;

    /// Stores `text` as version `version` under AWSCURRENT: for secrets that are not rotated, such as a pool's.
    ///
    /// # Errors
    /// [`SecretError::TokenTaken`] if the version has another value.
    async fn store(
        &self,
        arn: &SecretArn,
        version: &SecretVersionId,
        text: &SecretText,
    ) -> Result<(), SecretError>;

    /// Moves AWSCURRENT from version `from` to version `to`.
    ///
    /// # Errors
    /// [`SecretError::Moved`] if `from` does not hold it: describe again.
    async fn promote(
        &self,
        arn: &SecretArn,
        to: &SecretVersionId,
        from: Option<&SecretVersionId>,
    ) -> Result<(), SecretError>;

    /// Takes AWSPENDING off version `from`; fine if it is not there.
    ///
    /// # Errors
    /// [`SecretError`].
    async fn unstage_pending(
        &self,
        arn: &SecretArn,
        from: &SecretVersionId,
    ) -> Result<(), SecretError>;

    /// Sets one tag.
    ///
    /// # Errors
    /// [`SecretError`].
    async fn tag(&self, arn: &SecretArn, key: &str, value: &str) -> Result<(), SecretError>;

    /// Removes one tag; fine if it is not there.
    ///
    /// # Errors
    /// [`SecretError`].
    async fn untag(&self, arn: &SecretArn, key: &str) -> Result<(), SecretError>;

    /// Starts a rotation now, under the client request token `token`: the same token starts it once.
    ///
    /// # Errors
    /// [`SecretError::RotationUnfinished`] while an earlier one is.
    async fn rotate_now(&self, arn: &SecretArn, token: &SecretVersionId)
    -> Result<(), SecretError>;

    /// Schedules the secret for deletion in `days`, 7 to 30, up to which it can be brought back. Returns from when it can be
    /// gone for good, where that is told; one that is scheduled already is left as it is.
    /// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html>
    ///
    /// # Errors
    /// [`SecretError`].
    async fn schedule_deletion(
        &self,
        arn: &SecretArn,
        days: u16,
    ) -> Result<Option<Timestamp>, SecretError>;
}

/// Why a call to Secrets Manager had no, or no known, effect.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no such secret.
    #[error("Secrets Manager knows no secret `{0}`")]
    NotFound(String),
    /// The secret holds bytes, not text.
    #[error("the secret is binary; store the key as a string or as a JSON object")]
    Binary,
    /// The version has another value already.
    #[error("version {0} has another value already")]
    TokenTaken(SecretVersionId),
    /// The secret's version quota is used up: <https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html>.
    #[error("the secret's version quota is used up; versions younger than a day are not pruned")]
    VersionQuota,
    /// The label is elsewhere by now.
    #[error("AWSCURRENT is not where it was when last read")]
    Moved,
    /// An earlier rotation has not finished.
    #[error("an earlier rotation of the secret has not finished")]
    RotationUnfinished,
    /// Not permitted. `kms` when it is the key that the secret is encrypted with.
    #[error("{}", if *.kms { "the KMS key of the secret may not be used: grant kms:Decrypt and kms:GenerateDataKey to this function's role" } else { "the function's role does not permit this call on the secret" })]
    Denied {
        /// Whether KMS refused rather than Secrets Manager.
        kms: bool,
    },
    /// Refused for another reason that a repetition will not change.
    #[error("Secrets Manager refused the call ({0})")]
    Refused(String),
    /// No answer, or a passing fault: the call may have had its effect. Repeat it.
    #[error("Secrets Manager did not answer as expected")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl SecretError {
    /// Whether the same call can succeed later without a person. Exhaustive on purpose.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Moved | Self::RotationUnfinished | Self::VersionQuota | Self::Unavailable(_) => {
                true
            }
            Self::NotFound(_)
            | Self::Binary
            | Self::TokenTaken(_)
            | Self::Denied { .. }
            | Self::Refused(_) => false,
        }
    }
}
