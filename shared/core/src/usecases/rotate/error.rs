//! Why a rotation step had no effect.

use jiff::Timestamp;

use crate::model::names::{AccountName, NameError, SecretArn, SecretVersionId, SlotName};
use crate::model::pool_document::PoolDocumentError;
use crate::model::secret_document::DocumentError;
use crate::model::text::OutsideText;
use crate::model::version::IllegalTransition;
use crate::ports::{Advice, InventoryError, ProviderError, SecretError};
use crate::rules::rotation::Refusal;
use crate::usecases::admin::AdminError;
use crate::usecases::pool::TextsError;

/// Why a rotation step had no effect. AWSCURRENT and its key are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The guard refused the step.
    #[error("the step is refused")]
    Refused(#[source] Refusal),
    /// The secret's tags name no slot.
    #[error("secret {secret} has no tag `keyward:slot`; register its slot first")]
    NoSlot {
        /// The secret.
        secret: SecretArn,
    },
    /// The secret's tag names a slot that is not registered.
    #[error("the secret's tag names slot `{slot}`, which is not registered")]
    UnknownSlot {
        /// The slot in the tag.
        slot: SlotName,
    },
    /// The secret's tag names no slot at all.
    #[error("the secret's tag `keyward:slot` is no slot name")]
    BadSlotTag(#[from] NameError),
    /// The secret's value cannot be used; no key was made.
    #[error("the secret's value cannot be used, and no key was made")]
    Document(#[from] DocumentError),
    /// The secret's current key is none of the slot's provider; no key was made.
    #[error(
        "the secret's current value does not look like a key of {provider}, and no key was made"
    )]
    WrongProvider {
        /// The slot's provider.
        provider: crate::model::slot::ProviderName,
    },
    /// Too little time is left in this invocation to make a key safely; none was made.
    #[error("too little time is left in this invocation to make a key and store it")]
    OutOfTime,
    /// Another invocation is at work on this rotation.
    #[error("an earlier invocation of this step may be at work until {until}")]
    InProgress {
        /// When it must have ended.
        until: Timestamp,
    },
    /// Another create for the slot is under way, whose key cannot be told from one that was lost.
    #[error("another create for the slot is under way; the step is tried again after it")]
    OtherUnderWay,
    /// The provider is still making the key; none is stored yet.
    #[error("the provider is still making the key; the next call of this step goes on with it")]
    UnderWay,
    /// The provider takes no more keys; a key of the slot that was cut off was deleted to make room.
    #[error(
        "the provider takes no more keys ({detail}); key {deleted} of the slot, which was cut off before, was deleted to make room"
    )]
    MadeRoom {
        /// The provider's own words.
        detail: OutsideText,
        /// The key that was deleted.
        deleted: String,
    },
    /// Making a key would change one that cannot be named and may be in use. Nothing was changed.
    #[error(
        "the id of key {shown} at the provider is unknown, so it cannot be told which key is idle; nothing was changed"
    )]
    InUseUnknown {
        /// The key.
        shown: String,
    },
    /// A key of the slot's fixed set is being revoked. Nothing was changed.
    #[error(
        "key {shown} of the slot is being revoked, which changes the same keys; the step is tried again after it"
    )]
    RevokeUnderWay {
        /// The key.
        shown: String,
    },
    /// The provider gave the new key more than was asked for; it was revoked.
    #[error("the provider let the new key reach more {0} than was asked for; the key was revoked")]
    WiderThanAsked(&'static str),
    /// AWSPENDING has no value: createSecret has not finished.
    #[error("version {token} has no value yet: createSecret has not finished")]
    NothingPending {
        /// The version.
        token: SecretVersionId,
    },
    /// AWSPENDING has a value that this rotation did not make.
    #[error("version {token} holds a key that this rotation did not make; it is not promoted")]
    ForeignValue {
        /// The version.
        token: SecretVersionId,
    },
    /// AWSPENDING holds a key of this rotation that was taken back meanwhile.
    #[error("version {token} holds a key that was revoked meanwhile; AWSPENDING was taken off it")]
    Spent {
        /// The version.
        token: SecretVersionId,
    },
    /// The slot was cut off while the rotation was under way; the new key was revoked.
    #[error("slot `{slot}` was cut off while its rotation was under way; the new key was revoked")]
    CutOff {
        /// The slot.
        slot: SlotName,
    },
    /// The provider does not accept the new key yet.
    #[error("the provider does not accept the new key yet ({detail})")]
    NotAcceptedYet {
        /// The provider's own words.
        detail: OutsideText,
    },
    /// The provider accepts the new key but does not let it do its work.
    #[error("the new key lacks the scope to do its work ({detail})")]
    OutOfScope {
        /// The provider's own words.
        detail: OutsideText,
    },
    /// The provider did not keep the limit that was put on the new key.
    #[error("the provider did not keep the limit that was put on the new key")]
    CapNotKept,
    /// The account's pool has no key that the slot can use. Nothing was changed.
    #[error(
        "the standby pool of account {account} has no key for the slot ({unusable} are in it, too old or of another workspace)"
    )]
    PoolEmpty {
        /// The account.
        account: AccountName,
        /// Keys in the pool all the same.
        unusable: usize,
    },
    /// The deployment configures no pool for the account.
    #[error("no standby pool is configured for provider account {account}")]
    NoPool {
        /// The account.
        account: AccountName,
    },
    /// The pool's secret.
    #[error(transparent)]
    PoolDocument(#[from] PoolDocumentError),
    /// finishSecret came before testSecret had passed in this epoch.
    #[error("the new key was not accepted in testSecret, so it is not promoted")]
    NotTested,
    /// The credential of a provider account was not replaced.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Secrets Manager.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The inventory.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The provider.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// A version was not where it should be.
    #[error(transparent)]
    Transition(#[from] IllegalTransition),
}

impl RotationError {
    /// Whether Secrets Manager's own retry can succeed without a person. Exhaustive on purpose.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(why) => why.is_retryable(),
            Self::Admin(error) => error.is_retryable(),
            Self::Secret(error) => error.is_retryable(),
            Self::Inventory(error) => error.is_retryable(),
            Self::Provider(error) => !matches!(error.advice(), Advice::StopAndAlert),
            Self::OutOfTime
            | Self::InProgress { .. }
            | Self::OtherUnderWay
            | Self::RevokeUnderWay { .. }
            | Self::UnderWay
            | Self::MadeRoom { .. }
            | Self::NothingPending { .. }
            | Self::NotAcceptedYet { .. }
            | Self::CapNotKept => true,
            Self::NoSlot { .. }
            | Self::UnknownSlot { .. }
            | Self::BadSlotTag(_)
            | Self::Document(_)
            | Self::WrongProvider { .. }
            | Self::ForeignValue { .. }
            | Self::Spent { .. }
            | Self::CutOff { .. }
            | Self::InUseUnknown { .. }
            | Self::WiderThanAsked(_)
            | Self::OutOfScope { .. }
            | Self::PoolEmpty { .. }
            | Self::NoPool { .. }
            | Self::PoolDocument(_)
            | Self::NotTested
            | Self::Transition(_) => false,
        }
    }
}

impl From<TextsError> for RotationError {
    fn from(error: TextsError) -> Self {
        match error {
            TextsError::Secret(error) => error.into(),
            TextsError::Document(error) => error.into(),
        }
    }
}
