//! Whether a key may stand by.

use crate::model::key::{ApiKey, Fingerprint, Hint};
use crate::model::names::SlotName;
use crate::model::pool::{Pool, StandbyKey};
use crate::model::text::OutsideText;
use crate::ports::{InventoryError, KeyOwner, KeyProvider, KeyRecord, Verdict};
use crate::usecases::Ports;
use crate::usecases::register::MIN_ENTROPY_BITS;

/// A key that was not put into the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedKey {
    /// Prefix and last four characters.
    pub hint: Hint,
    /// SHA-256 of its text.
    pub fingerprint: Fingerprint,
    /// Why.
    pub why: NotAdded,
}

/// Why a key was not put into the pool. Nothing was done to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdded {
    /// It does not look like a key of this provider.
    #[error("it does not begin as keys of this provider do")]
    WrongFormat,
    /// It could be guessed.
    #[error("it has {0} bits of entropy; {MIN_ENTROPY_BITS} are needed")]
    LowEntropy(u32),
    /// It was given more than once.
    #[error("it was given twice")]
    Repeated,
    /// It stands by already.
    #[error("it is in the pool already")]
    InPool,
    /// It stood by, and was found where it must not be.
    #[error("it leaked; make another key")]
    Leaked,
    /// It is a slot's.
    #[error("it belongs to slot `{0}`")]
    InUse(SlotName),
    /// The provider refuses it.
    #[error("the provider refuses it ({0})")]
    Dead(OutsideText),
    /// It is alive but cannot do an agent's work.
    #[error("it is not permitted to do an agent's work ({0})")]
    OutOfScope(OutsideText),
    /// Whether it works could not be seen; try again.
    #[error("the provider gave no answer that means anything ({0}); try again")]
    Unknown(OutsideText),
    /// The provider's list shows no such key: it is another account's, or too new.
    #[error(
        "the provider's list shows no key that begins and ends so; is it a key of this account?"
    )]
    NotListed,
    /// Its id cannot be told from those of others.
    #[error(
        "{0} keys in the provider's list begin and end so: which is it cannot be told; make another key"
    )]
    Ambiguous(usize),
    /// It ends when a person leaves.
    #[error("it belongs to a person and ends when they leave; make it for a service account")]
    Personal,
    /// It may end when a person leaves.
    #[error("the provider does not say whose it is; make it for a service account")]
    OwnerUntold,
    /// It stood by and could not be drawn yet; then somebody ended it.
    #[error("the provider knows it no more")]
    Gone,
    /// The call's time was over before it was looked at.
    #[error("there was no time left to look at it; give it again")]
    NoTime,
    /// It may reach more than the slots that would draw it.
    #[error(
        "the provider does not say that it lives in one workspace alone; make it in the workspace of the slots that are to use it"
    )]
    NoWorkspace,
}

/// What is known of a key before the provider is asked about it.
pub(super) async fn before_asking(
    ports: &Ports,
    pool: &Pool,
    provider: &dyn KeyProvider,
    key: &ApiKey,
) -> Result<Option<NotAdded>, InventoryError> {
    let format = provider.abilities().format;
    let Some(bits) = key.entropy_bits(&format) else {
        return Ok(Some(NotAdded::WrongFormat));
    };
    if bits < MIN_ENTROPY_BITS {
        return Ok(Some(NotAdded::LowEntropy(bits as u32)));
    }
    let fingerprint = key.fingerprint();
    if pool.standby.iter().any(|k| k.fingerprint == fingerprint) {
        return Ok(Some(NotAdded::InPool));
    }
    if pool.leaked.iter().any(|k| k.key.fingerprint == fingerprint) {
        return Ok(Some(NotAdded::Leaked));
    }
    let holder = ports.inventory.holder(&fingerprint).await?;
    Ok(holder.map(NotAdded::InUse))
}

/// The record of a key that may stand by, from the provider's list and its own word.
pub(super) async fn standby(
    ports: &Ports,
    provider: &dyn KeyProvider,
    listed: &[KeyRecord],
    key: &ApiKey,
) -> Result<StandbyKey, NotAdded> {
    let found: Vec<&KeyRecord> = listed.iter().filter(|r| provider.fits(r, key)).collect();
    let record = match found[..] {
        [] => return Err(NotAdded::NotListed),
        [one] => one,
        _ => return Err(NotAdded::Ambiguous(found.len())),
    };
    match record.owner {
        KeyOwner::Service => {}
        KeyOwner::Person => return Err(NotAdded::Personal),
        KeyOwner::Unknown => return Err(NotAdded::OwnerUntold),
    }
    let Some(workspace) = &record.workspace else {
        return Err(NotAdded::NoWorkspace);
    };
    match provider.verify(key).await {
        Verdict::Live | Verdict::BlockedForMoney(_) => {}
        Verdict::Dead(detail) => return Err(NotAdded::Dead(detail)),
        Verdict::BlockedForScope(detail) => return Err(NotAdded::OutOfScope(detail)),
        Verdict::Unknown(detail) => return Err(NotAdded::Unknown(detail)),
    }
    let now = ports.clock.now();
    Ok(StandbyKey {
        fingerprint: key.fingerprint(),
        hint: key.hint(&provider.abilities().format),
        handle: record.handle.clone(),
        workspace: Some(workspace.clone()),
        created: record.created.map_or(now, |at| at.min(now)),
        expires: record.expires,
        added: now,
        ready: None,
    })
}
