//! Resuming a key at its provider, and cutting one off again that was not brought back to the end: what the kill switch and
//! `retire` do of a restore, whose credentials can write.

use jiff::Timestamp;

use crate::model::incident::{Containment, HowCut};
use crate::model::names::KeyHandle;
use crate::model::text::OutsideText;
use crate::model::version::{IllegalTransition, Version, VersionState};
use crate::ports::{ActOutcome, Fence, InventoryError, KeyProvider, ProviderError};
use crate::rules::kill::KEPT_FOR_RESTORE;
use crate::rules::scope;
use crate::usecases::Ports;
use crate::usecases::kill::cut_key;

/// How often a record is written again on what somebody else has written.
const SAVE_TRIES: usize = 5;

/// Resumes the key, with the limits that it had.
pub(crate) async fn resume(provider: &dyn KeyProvider, restoring: &Version) -> ActOutcome {
    let Some(handle) = &restoring.handle else {
        return ActOutcome::Provider(ProviderError::NotFound);
    };
    let done = async {
        provider.restore(handle, &restoring.scope).await?;
        put_back(provider, restoring, handle).await
    };
    match done.await {
        Ok(None) => ActOutcome::Resumed,
        Ok(Some(what)) => ActOutcome::Wider(what),
        Err(error) => ActOutcome::Provider(error),
    }
}

/// The limits that the key had are on it again, and it reaches no further: else, what it reaches further in.
async fn put_back(
    provider: &dyn KeyProvider,
    restoring: &Version,
    handle: &KeyHandle,
) -> Result<Option<OutsideText>, ProviderError> {
    let before = &restoring.scope;
    let cap = provider.caps().zip(restoring.cap);
    if cap.is_none() && !before.limits_reach() {
        return Ok(None);
    }
    let mut kept = provider.get(handle).await?.ok_or(ProviderError::NotFound)?;
    if let Some((caps, cap)) = cap
        && kept.cap != Some(cap)
    {
        caps.set_cap(handle, cap).await?;
        kept = provider.get(handle).await?.ok_or(ProviderError::NotFound)?;
        if kept.cap != Some(cap) {
            return Ok(Some(OutsideText::new("its limit")));
        }
    }
    let wider = scope::wider(before, &kept.reach);
    Ok(wider.map(OutsideText::new))
}

/// Cuts off a key that was resumed while a kill cut the slot off.
///
/// # Errors
/// [`ProviderError`].
pub(crate) async fn cut_again(
    provider: &dyn KeyProvider,
    version: &Version,
) -> Result<HowCut, ProviderError> {
    match &version.handle {
        Some(handle) => cut_key(provider, &version.scope, handle, Containment::Reversible).await,
        None => Ok(HowCut::NothingFound),
    }
}

/// Why a key that was to come back is not cut off again yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeBackError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Transition(#[from] IllegalTransition),
}

/// Cuts a key off again that was not brought back to the end, by whoever holds `version`'s lease: at the provider first,
/// then in the record. Where the record was written meanwhile, both are done again, unless the key is somebody else's.
pub(crate) async fn take_back(
    ports: &Ports,
    provider: &dyn KeyProvider,
    version: &Version,
) -> Result<(), TakeBackError> {
    let mut last = InventoryError::Conflict;
    let mut known = version.clone();
    for _ in 0..SAVE_TRIES {
        let how = cut_again(provider, &known).await?;
        let contained = taken_back(known, how, ports.clock.now())?;
        match ports
            .inventory
            .save_versions(&[contained], Fence::None)
            .await
        {
            Ok(()) => return Ok(()),
            Err(error) if error.is_retryable() => last = error,
            Err(error) => return Err(error.into()),
        }
        let stored = ports.inventory.versions(&version.slot).await?.into_iter();
        let mut stored = stored.filter(|v| {
            let until = version.lease_until;
            v.id == version.id && until.is_some_and(|until| v.is_being_restored(until))
        });
        match stored.next() {
            Some(stored) => known = stored,
            None => return Ok(()),
        }
    }
    Err(last.into())
}

fn taken_back(version: Version, how: HowCut, now: Timestamp) -> Result<Version, IllegalTransition> {
    let mut contained = version.become_state(VersionState::Contained)?;
    contained.lease_until = None;
    contained.due_at = Some(match how {
        HowCut::Suspended | HowCut::Narrowed => now + KEPT_FOR_RESTORE,
        HowCut::Deleted | HowCut::NothingFound => now,
    });
    Ok(contained)
}
