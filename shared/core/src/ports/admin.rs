//! The credentials that administer a provider account.

use async_trait::async_trait;
use jiff::Timestamp;

use super::provider::{ProviderError, Verdict};
use crate::model::admin::AdminLabel;
use crate::model::key::AdminKey;
use crate::model::names::{AccountName, KeyHandle, SecretArn};
use crate::model::slot::ProviderName;
use crate::model::text::OutsideText;

/// The tag of a secret that names the provider account whose admin credential it holds. It is another tag than that of
/// slots' secrets, which more roles may read.
pub const TAG_ADMIN: &str = "keyward:admin";

/// A provider account that is administered by a credential in a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administered {
    /// The account.
    pub account: AccountName,
    /// Whose it is.
    pub provider: ProviderName,
    /// The secret that holds the credential.
    pub secret: SecretArn,
    /// The secret of the credential for functions that only read, if there is one. A person makes and replaces that one.
    pub read: Option<SecretArn>,
}

/// Makes and ends admin credentials, where a provider has calls for that. Each call says by which credential it is made:
/// in a rotation two of them are good, and the old one is ended by the new.
#[async_trait]
pub trait AdminCredentials: Send + Sync {
    /// Makes one that ends by itself at `expires`. Never repeated by any layer: each label is used for one call.
    ///
    /// # Errors
    /// [`ProviderError::Ambiguous`] if one may exist now: look it up by its label.
    /// [`ProviderError::AdminCredential`] if `by` is refused.
    async fn mint(
        &self,
        by: &AdminKey,
        label: &AdminLabel,
        expires: Timestamp,
    ) -> Result<MintedAdmin, ProviderError>;

    /// All of the account's, whoever made them.
    ///
    /// # Errors
    /// [`ProviderError`]. A list that cannot be read to its end is an error, never a shorter one.
    async fn listed(&self, by: &AdminKey) -> Result<Vec<ListedAdmin>, ProviderError>;

    /// Whether the provider takes it for an administrator's, by a call that changes nothing and over a fresh connection.
    async fn accepts(&self, credential: &AdminKey) -> Verdict;

    /// Ends one for good. A second time is fine or [`ProviderError::NotFound`].
    ///
    /// # Errors
    /// [`ProviderError::NotFound`] proves nothing by itself: look at the list.
    async fn revoke(&self, by: &AdminKey, handle: &KeyHandle) -> Result<(), ProviderError>;
}

/// An admin credential that was just made: the only value that carries a new one.
#[derive(Debug)]
pub struct MintedAdmin {
    /// Its text, shown once.
    pub key: AdminKey,
    /// What must be named to end it.
    pub handle: KeyHandle,
    /// When it ends by itself, as the provider says; `None` if it does not.
    pub expires: Option<Timestamp>,
}

/// An admin credential as its provider lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAdmin {
    /// What must be named to end it.
    pub handle: KeyHandle,
    /// Its name.
    pub name: OutsideText,
    /// The provider's own redacted form of its text.
    pub redacted: OutsideText,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// When it was last used; `None` is unknown.
    pub last_used: Option<Timestamp>,
}
