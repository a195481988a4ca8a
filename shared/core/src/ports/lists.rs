//! Lists that an audit reads from end to end, page by page. A page may be empty with more behind it: the list is over when
//! there is no next page.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;

use super::inventory::InventoryError;
use super::provider::PageToken;
use crate::model::admin::AdminRecord;
use crate::model::alarm::AlarmState;
use crate::model::drill::Drill;
use crate::model::key::ApiKey;
use crate::model::kill_alarm::FoundAlarm;
use crate::model::names::{AccountName, Principal, SecretArn, SecretVersionId, SlotName};
use crate::model::slot::Slot;
use crate::model::text::OutsideText;
use crate::model::version::Version;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The next page; `None` on the last.
    pub next: Option<PageToken>,
}

/// Why a page was not read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Refused: a permission is missing, or the call is not there. A person must mend it.
    #[error("the call was refused ({0})")]
    Refused(OutsideText),
    /// Too many requests, no answer, or a passing fault. The same page may be asked for again.
    #[error("there was no useful answer ({0})")]
    Unavailable(OutsideText),
}

impl ListError {
    /// Whether the same page may be read later without a person. Exhaustive on purpose.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Refused(_) => false,
        }
    }
}

impl From<InventoryError> for ListError {
    fn from(error: InventoryError) -> Self {
        let why = OutsideText::new(&error.to_string());
        match error.is_retryable() {
            true => Self::Unavailable(why),
            false => Self::Refused(why),
        }
    }
}

/// An item of the inventory that cannot be read as what it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damaged {
    /// Its key.
    pub key: OutsideText,
    /// The slot that it is of, where its key tells.
    pub slot: Option<SlotName>,
    /// What is wrong with it.
    pub why: OutsideText,
}

/// The name of a slot, or of an item that should be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A slot.
    Slot(SlotName),
    /// What cannot be read.
    Damaged(Damaged),
}

/// All that the inventory has under one slot, but for its usage. One damaged item hides no other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotRows {
    /// The slot; `None` if there is none, or it is damaged.
    pub slot: Option<Slot>,
    /// Its keys, oldest first.
    pub versions: Vec<Version>,
    /// Its last drill that is over.
    pub drill: Option<Drill>,
    /// What cannot be read.
    pub damaged: Vec<Damaged>,
}

/// The inventory, read from end to end.
#[async_trait]
pub trait Census: Send + Sync {
    /// One page of the names of all slots, in no order; a name may come twice.
    ///
    /// # Errors
    /// [`ListError`].
    async fn names(&self, after: Option<&PageToken>) -> Result<ListPage<Named>, ListError>;

    /// A slot; `None` if there is none, or it cannot be read.
    ///
    /// # Errors
    /// [`ListError`].
    async fn slot(&self, name: &SlotName) -> Result<Option<Slot>, ListError>;

    /// A slot with its keys and its last drill.
    ///
    /// # Errors
    /// [`ListError`]; an item that cannot be read is none.
    async fn rows(&self, slot: &SlotName) -> Result<SlotRows, ListError>;

    /// The record of an account's admin credentials; `None` before there is one.
    ///
    /// # Errors
    /// [`ListError`].
    async fn admin(&self, account: &AccountName) -> Result<Option<AdminRecord>, ListError>;
}

/// A secret as Secrets Manager lists it, without its value:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_SecretListEntry.html>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSecret {
    /// Its ARN.
    pub arn: SecretArn,
    /// Whether rotation is on.
    pub rotates: bool,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was last rotated; `None` if it never was.
    pub last_rotated: Option<Timestamp>,
    /// When it is to be rotated by; `None` if it is not.
    pub next_rotation: Option<Timestamp>,
    /// When its deletion was asked for; `None` if it was not.
    pub deleted: Option<Timestamp>,
    /// The slot that its tag names.
    pub slot: Option<OutsideText>,
    /// The version under AWSCURRENT.
    pub current: Option<SecretVersionId>,
    /// The version under AWSPENDING.
    pub pending: Option<SecretVersionId>,
}

/// Lists secrets. No value is read.
#[async_trait]
pub trait SecretLists: Send + Sync {
    /// One page of the secrets of the account and region, those that are being deleted included. What changed within the last
    /// minutes may not be in it.
    ///
    /// # Errors
    /// [`ListError`].
    async fn secrets(&self, after: Option<&PageToken>)
    -> Result<ListPage<ListedSecret>, ListError>;

    /// One secret as it is now, of whatever account it is; `None` if there is no such secret. The list does not show what
    /// changed within the last five minutes, and this does:
    /// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html>.
    ///
    /// # Errors
    /// [`ListError`].
    async fn secret(&self, secret: &SecretArn) -> Result<Option<ListedSecret>, ListError>;

    /// A secret's resource policy, as JSON; `None` if it has none, or there is no such secret.
    ///
    /// # Errors
    /// [`ListError`].
    async fn policy(&self, secret: &SecretArn) -> Result<Option<String>, ListError>;
}

/// An alarm as CloudWatch lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAlarm {
    /// The alarm.
    pub alarm: FoundAlarm,
    /// What it is in.
    pub state: AlarmState,
    /// Since when; `None` if that is not told.
    pub since: Option<Timestamp>,
}

/// Lists alarms on metrics.
#[async_trait]
pub trait AlarmLists: Send + Sync {
    /// One page of all alarms on metrics of the region.
    ///
    /// # Errors
    /// [`ListError`].
    async fn alarms(&self, after: Option<&PageToken>) -> Result<ListPage<ListedAlarm>, ListError>;
}

/// A Lambda function, or a published version of one, with its environment variables.
#[derive(Debug)]
pub struct FunctionVariables {
    /// The function's ARN, without a version.
    pub function: OutsideText,
    /// Which published version; `None` for what is edited, `$LATEST`. A version keeps its variables for ever.
    pub version: Option<OutsideText>,
    /// What it has.
    pub variables: Variables,
}

/// The environment variables of a function. A value may be a key, so all are kept as if they were.
#[derive(Debug)]
pub enum Variables {
    /// Each one's name and value.
    Read(Vec<(OutsideText, ApiKey)>),
    /// Nobody knows: they are encrypted with a key that the caller may not use, or that is not there. Why, in AWS's word.
    NotRead(OutsideText),
}

/// Lists Lambda functions.
#[async_trait]
pub trait FunctionLists: Send + Sync {
    /// One page of the functions of the region, their published versions included.
    ///
    /// # Errors
    /// [`ListError`].
    async fn functions(
        &self,
        after: Option<&PageToken>,
    ) -> Result<ListPage<FunctionVariables>, ListError>;
}

/// A service-specific credential for Bedrock, an API key:
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ServiceSpecificCredentialMetadata.html>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BedrockCredential {
    /// The user that it is of.
    pub user: OutsideText,
    /// Its id.
    pub id: OutsideText,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

/// Lists IAM's credentials for Bedrock.
#[async_trait]
pub trait CredentialLists: Send + Sync {
    /// One page of the active credentials of all users of the account.
    ///
    /// # Errors
    /// [`ListError`].
    async fn bedrock(
        &self,
        after: Option<&PageToken>,
    ) -> Result<ListPage<BedrockCredential>, ListError>;
}

/// When the credential that administers a provider account was last put into its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialAge {
    /// What it is for: `admin`, `read`.
    pub purpose: &'static str,
    /// When; `None` if that is not told.
    pub changed: Option<Timestamp>,
}

/// Tells how old admin credentials are. None of them is read.
#[async_trait]
pub trait CredentialAges: Send + Sync {
    /// The credentials of an account; none where it needs none.
    ///
    /// # Errors
    /// [`ListError`].
    async fn ages(&self, account: &AccountName) -> Result<Vec<CredentialAge>, ListError>;
}

/// Knows who works here.
#[async_trait]
pub trait People: Send + Sync {
    /// Those of them who have left; `None` where nobody has set a directory up. Who is not known to the directory has not.
    ///
    /// # Errors
    /// [`ListError`].
    async fn left(
        &self,
        people: &BTreeSet<Principal>,
    ) -> Result<Option<BTreeSet<Principal>>, ListError>;
}
