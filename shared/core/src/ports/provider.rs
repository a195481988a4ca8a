//! A provider's key API.

mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::admin::{AdminCredentials, Administered};
use super::found::{GonePage, LookUp};
use super::usage::UsageReports;
use crate::model::key::{ApiKey, Hint, KeyFormat};
use crate::model::money::{DayLimit, MicroDollars, SpendCap};
use crate::model::names::{AccountName, KeyHandle, OperationId, ScopeId, SecretArn};
use crate::model::slot::{ProviderName, Scope};
use crate::model::text::OutsideText;
use crate::model::version::KeyLabel;

/// Opens the configured provider accounts.
#[async_trait]
pub trait Providers: Send + Sync {
    /// The driver for an account.
    ///
    /// # Errors
    /// [`ProviderError::Refused`] if the deployment configures no such account, or one of another provider;
    /// [`ProviderError::AdminCredential`] if its admin credential cannot be read.
    async fn open(
        &self,
        account: &AccountName,
        provider: ProviderName,
    ) -> Result<Arc<dyn KeyProvider>, ProviderError>;

    /// The account's standby pool; `None` where the deployment configures none, or no such account.
    fn pool(&self, account: &AccountName) -> Option<PoolSettings>;

    /// The accounts that have a standby pool.
    fn pools(&self) -> Vec<AccountName> {
        Vec::new()
    }

    /// The credentials that the deployment does not name for the account, by their field in its configuration. Functions
    /// that open it by one of them cannot.
    fn missing_credentials(&self, _account: &AccountName) -> Vec<&'static str> {
        Vec::new()
    }

    /// The accounts that are administered by a credential in a secret.
    fn administered(&self) -> Vec<Administered> {
        Vec::new()
    }
}

/// Where an account's standby keys are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSettings {
    /// Whose keys they are.
    pub provider: ProviderName,
    /// The secret that holds their texts.
    pub secret: SecretArn,
    /// With fewer usable keys than this, people are told.
    pub low_water: u32,
}

/// What every provider has. Which of the optional abilities there are is told by what is returned.
#[async_trait]
pub trait KeyProvider: Send + Sync {
    /// What the provider's API can do.
    fn abilities(&self) -> Abilities;

    /// One page of all keys of the account in `scope`, disabled ones included.
    ///
    /// # Errors
    /// [`ProviderError`]. A page that cannot be read is an error, never an empty page.
    async fn list(&self, scope: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError>;

    /// One key; `None` only if the provider says that there is none.
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError>;

    /// Whether the provider accepts the key, at no cost and over a fresh connection.
    async fn verify(&self, key: &ApiKey) -> Verdict;

    /// Suspends the key, so that it is refused but can be resumed.
    ///
    /// # Errors
    /// [`ProviderError::NotFound`] proves nothing by itself: look at the list.
    /// [`ProviderError::Unsupported`] where keys can only be deleted.
    async fn disable(&self, handle: &KeyHandle) -> Result<Disabled, ProviderError>;

    /// Resumes a suspended key, with what `scope` permits. May be repeated.
    ///
    /// # Errors
    /// [`ProviderError`]; [`ProviderError::LimitReached`] where the provider counts active keys.
    async fn restore(&self, handle: &KeyHandle, scope: &Scope) -> Result<(), ProviderError>;

    /// Ends the key for good, and no other key with it. A second time is fine or [`ProviderError::NotFound`].
    ///
    /// # Errors
    /// [`ProviderError::NotFound`] proves nothing by itself: look at the list.
    async fn delete(&self, handle: &KeyHandle) -> Result<(), ProviderError>;

    /// Whether a listed key can be this one, by what the list shows of its text. Not proof: several keys may.
    fn fits(&self, listed: &KeyRecord, key: &ApiKey) -> bool {
        listed.may_be_key(key)
    }

    /// The key with this text, where its list shows nothing of texts.
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn look_up(&self, _scope: &Scope, _key: &ApiKey) -> Result<LookUp, ProviderError> {
        Ok(LookUp::ByTheList)
    }

    /// One page of the keys that were deleted and could be brought back. Empty where deleting is for good.
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn restorable(
        &self,
        _scope: &Scope,
        _page: Option<&PageToken>,
    ) -> Result<GonePage, ProviderError> {
        Ok(GonePage::default())
    }

    /// Creating keys, where the provider can.
    fn issuer(&self) -> Option<&dyn KeyIssuer>;

    /// Hard limits per key, where the provider has them.
    fn caps(&self) -> Option<&dyn SpendCaps>;

    /// What keys used and cost, where the provider tells it.
    fn reports(&self) -> Option<&dyn UsageReports> {
        None
    }

    /// Making and ending admin credentials, where the provider has calls for that. Else people do it by hand.
    fn admin(&self) -> Option<&dyn AdminCredentials> {
        None
    }
}

/// Creates keys.
#[async_trait]
pub trait KeyIssuer: Send + Sync {
    /// Creates one key. Never repeated by any layer: each label is used for one call.
    ///
    /// # Errors
    /// [`ProviderError::Ambiguous`] if a key may exist now: look it up by its label.
    /// [`ProviderError::UnderWay`] if the provider goes on with it after its answer: record the operation, then
    /// [`resume`](Self::resume).
    async fn issue(&self, request: &IssueRequest) -> Result<IssuedKey, ProviderError>;

    /// Asks once how far a create has come that goes on after its answer. Creates nothing; may be repeated.
    ///
    /// # Errors
    /// [`ProviderError::UnderWay`] while it goes on; [`ProviderError::Refused`] or [`ProviderError::LimitReached`] if
    /// it ended without a key.
    async fn resume(
        &self,
        _request: &IssueRequest,
        _operation: &OperationId,
    ) -> Result<IssuedKey, ProviderError> {
        Err(ProviderError::Unsupported("go on with a create"))
    }

    /// What a key is named by that is made under this label, where the create call chooses that. Nothing is asked.
    fn handle_of(&self, _scope: &Scope, _label: &KeyLabel) -> Option<KeyHandle> {
        None
    }

    /// A key can come to be so long after its create was sent.
    fn latest(&self) -> SignedDuration {
        LATE_CREATE
    }
}

/// A create request can still arrive at the provider so long after it was sent.
pub const LATE_CREATE: SignedDuration = SignedDuration::from_hours(1);

/// Hard limits per key, enforced by the provider.
#[async_trait]
pub trait SpendCaps: Send + Sync {
    /// Sets the limit of one key. May be repeated.
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn set_cap(&self, handle: &KeyHandle, cap: SpendCap) -> Result<(), ProviderError>;

    /// How its limits can hold for a day.
    fn day_limit(&self) -> DayLimit {
        DayLimit::ItsOwn
    }
}

/// What a provider's API can do for a single key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// The provider.
    pub provider: ProviderName,
    /// How its keys look.
    pub format: KeyFormat,
    /// How a key can be suspended and resumed.
    pub suspension: Suspension,
    /// Whether a key can be given an expiry at birth.
    pub expiry: bool,
    /// Whether a key carries a name from birth that finds it again.
    pub names: Naming,
    /// What a key can be limited to at birth.
    pub limits: Limits,
}

/// How a key is found again whose create was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// By the label that the create call gave it.
    Label,
    /// Keys have no names. The place that the slot's keys live in is the slot's own, so a key that turns up there with
    /// its intent, and that no record has, is the one.
    Place,
    /// There is nothing to find: a create only changes the text of a key that is always there.
    Nothing,
}

/// What a key can be limited to at birth, beyond where it lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// To models.
    pub models: bool,
    /// To parts of the API.
    pub endpoints: bool,
    /// To addresses that it is used from.
    pub addresses: bool,
}

/// What suspending a key does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspension {
    /// It is refused as a key, which can be confirmed.
    Refuses,
    /// It loses the permissions to do its work, but is still known as a key: enough to contain it, no proof of its end.
    Narrows,
    /// There is no such thing: keys can only be deleted.
    None,
}

/// What a new key is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueRequest {
    /// Its name at the provider.
    pub label: KeyLabel,
    /// What it may reach.
    pub scope: Scope,
    /// Its limit from birth, where the provider has them.
    pub cap: SpendCap,
    /// When it ends by itself, where the provider can.
    pub expires: Timestamp,
    /// The slot's other keys that may be in use. Where making a key changes one that is there, none of these.
    pub keep: Vec<KeyHandle>,
}

/// A key that was just made: the only value that carries a new key.
#[derive(Debug)]
pub struct IssuedKey {
    /// Its text, shown once.
    pub key: ApiKey,
    /// What must be named to kill it.
    pub handle: KeyHandle,
    /// When it ends by itself, as the provider says; `None` if it does not.
    pub expires: Option<Timestamp>,
}

/// A key as the provider lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// What must be named to kill it.
    pub handle: KeyHandle,
    /// Its name.
    pub label: OutsideText,
    /// The provider's own redacted form of its text.
    pub redacted: OutsideText,
    /// Whether it is suspended; `None` where the provider does not tell.
    pub suspended: Option<bool>,
    /// The one workspace or project that it lives in; `None` is the default one, several, or unknown.
    pub workspace: Option<ScopeId>,
    /// Whose it is.
    pub owner: KeyOwner,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// When it was last used; `None` is unknown.
    pub last_used: Option<Timestamp>,
    /// What it spent over its whole life; `None` is unknown, never zero.
    pub spent: Option<MicroDollars>,
    /// Its hard limit; `None` is none.
    pub cap: Option<SpendCap>,
    /// What it may reach.
    pub reach: Reach,
}

/// What a key may reach, as the provider tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Models.
    pub models: Extent,
    /// Parts of the API.
    pub endpoints: Extent,
    /// Addresses that it is used from.
    pub addresses: Extent,
}

/// How far one kind of limit lets a key reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Extent {
    /// The provider does not tell.
    #[default]
    Untold,
    /// There is no limit.
    All,
    /// These alone.
    Only(Vec<OutsideText>),
}

/// Whose a key is at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    /// A person's: it ends when they leave.
    Person,
    /// A service account's, or the account's own.
    Service,
    /// The provider does not say.
    Unknown,
}

impl KeyRecord {
    /// Whether it can be this key by the redacted form. Not proof: several keys may.
    pub fn may_be_key(&self, key: &ApiKey) -> bool {
        key.fits(self.redacted.as_str())
    }

    /// Whether the redacted form ends as `hint` does. Not proof: several keys may.
    pub fn may_be(&self, hint: &Hint) -> bool {
        !hint.tail().is_empty() && self.redacted.as_str().ends_with(hint.tail())
    }
}

/// Where the next page begins; opaque.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PageToken(pub String);

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys on it.
    pub keys: Vec<KeyRecord>,
    /// The next page; `None` on the last.
    pub next: Option<PageToken>,
}

/// What the provider says about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Accepted.
    Live,
    /// Alive, but without money.
    BlockedForMoney(OutsideText),
    /// Alive, but not allowed to do its work.
    BlockedForScope(OutsideText),
    /// Refused as a key: the provider said so in a form that is known to mean it.
    Dead(OutsideText),
    /// No answer that means anything. Never counts as dead, zero or clean.
    Unknown(OutsideText),
}

/// How a key came to be suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disabled {
    /// By this call.
    Now,
    /// It was already.
    Already,
}

/// Why a call to a provider had no, or no known, effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Too many requests, a passing fault, or no answer to a request that may be repeated.
    #[error("the provider did not answer usefully ({detail})")]
    RetryAfter {
        /// How long the provider asks to wait.
        after: Option<SignedDuration>,
        /// The provider's own words, cut and cleaned.
        detail: OutsideText,
    },
    /// A create whose answer was lost or could not be read: a key may exist.
    #[error("the answer to a create was lost, a key may exist ({detail})")]
    Ambiguous {
        /// What went wrong.
        detail: OutsideText,
    },
    /// The provider has taken a create on and goes on with it.
    #[error("the provider is still making the key")]
    UnderWay(OperationId),
    /// The provider knows no such key, under this credential.
    #[error("the provider knows no such key")]
    NotFound,
    /// No more keys can be made.
    #[error("the provider's limit of keys is reached ({detail})")]
    LimitReached {
        /// The provider's own words, cut and cleaned.
        detail: OutsideText,
    },
    /// The request is not acceptable, now or later.
    #[error("the provider refused the request ({detail})")]
    Refused {
        /// The provider's own words, cut and cleaned.
        detail: OutsideText,
    },
    /// The account's admin credential is refused or cannot be read.
    #[error("the admin credential of the provider account is refused or unreadable ({detail})")]
    AdminCredential {
        /// The provider's own words, cut and cleaned.
        detail: OutsideText,
    },
    /// The provider's API has no such call.
    #[error("the provider's API cannot {0}")]
    Unsupported(&'static str),
    /// The account was opened to read it and no more: nothing was sent.
    #[error("provider accounts are opened to read only here, so it cannot {0}; nothing was sent")]
    ReadOnly(&'static str),
}

/// What to do about a [`ProviderError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// The same call may succeed later.
    RetryLater,
    /// Look at the provider's list before anything else.
    LookUpFirst,
    /// Only a person can mend it.
    StopAndAlert,
}

impl ProviderError {
    /// What the caller should do. Exhaustive on purpose.
    pub const fn advice(&self) -> Advice {
        match self {
            Self::RetryAfter { .. } | Self::UnderWay(_) => Advice::RetryLater,
            Self::Ambiguous { .. } | Self::NotFound => Advice::LookUpFirst,
            Self::LimitReached { .. }
            | Self::Refused { .. }
            | Self::AdminCredential { .. }
            | Self::Unsupported(_)
            | Self::ReadOnly(_) => Advice::StopAndAlert,
        }
    }
}
