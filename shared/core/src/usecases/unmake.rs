//! Taking back a key that must not come into use.

use jiff::SignedDuration;

use super::find::FindError;
use super::{Ports, find};
use crate::model::alert::{Alert, AlertKind, Severity};
use crate::model::slot::{Scope, Slot};
use crate::model::version::{Version, VersionState};
use crate::ports::{Fence, InventoryError, KeyProvider, ProviderError, SecretError, Suspension};

/// Cuts off a key that a rotation leaves behind, at once and for good: at the provider first, then in the record,
/// which `retire` carries on to the confirmed end. What cannot be cut off now is an orphan: due at once, and alerted.
pub(crate) async fn unmake(
    ports: &Ports,
    slot: &Slot,
    provider: &dyn KeyProvider,
    version: &Version,
) {
    let cut_off = cut_off(ports, provider, version).await;
    abandon(ports, version, cut_off.as_ref().ok()).await;
    if let Err(error) = cut_off {
        ports.tell(orphan(slot, version, &error)).await;
    }
}

/// Records that a rotation leaves the version behind; `retire` carries it on to its end.
pub(crate) async fn abandon(ports: &Ports, version: &Version, cut_off: Option<&CutOff>) {
    if let Err(error) = record_abandoned(ports, version, cut_off).await {
        tracing::warn!(slot = %version.slot, version = %version.id, %error, "an abandoned key could not be recorded as such; retire finds its intent");
    }
}

/// What was seen of a key on the way to cutting it off.
pub(crate) enum CutOff {
    /// The provider accepted the revoke of this handle.
    Accepted(crate::model::names::KeyHandle),
    /// No key of it is listed, so far.
    NothingFound,
    /// The provider said that it made none.
    NotMade,
}

/// Suspends or deletes the version's key, looked up where its handle is unknown.
pub(crate) async fn cut_off(
    ports: &Ports,
    provider: &dyn KeyProvider,
    version: &Version,
) -> Result<CutOff, FindError> {
    let handle = match &version.handle {
        Some(handle) => handle.clone(),
        None => match find::made_for(ports, provider, version).await? {
            Some(record) => record.handle,
            None => return Ok(CutOff::NothingFound),
        },
    };
    revoke(provider, version, &handle).await?;
    Ok(CutOff::Accepted(handle))
}

/// Suspends a key, or deletes it where the provider cannot suspend. "No such key" is success once the list agrees.
pub(crate) async fn revoke(
    provider: &dyn KeyProvider,
    version: &Version,
    handle: &crate::model::names::KeyHandle,
) -> Result<(), ProviderError> {
    let answer = if provider.abilities().suspension == Suspension::Refuses {
        provider.disable(handle).await.map(drop)
    } else {
        provider.delete(handle).await
    };
    settle_not_found(provider, &version.scope, handle, answer).await
}

/// Deletes a key for good. "No such key" is success once the list agrees.
pub(crate) async fn delete(
    provider: &dyn KeyProvider,
    scope: &Scope,
    handle: &crate::model::names::KeyHandle,
) -> Result<(), ProviderError> {
    let answer = provider.delete(handle).await;
    settle_not_found(provider, scope, handle, answer).await
}

/// "No such key" is success once the list agrees: a wrong project or admin key answers so too.
pub(crate) async fn settle_not_found(
    provider: &dyn KeyProvider,
    scope: &Scope,
    handle: &crate::model::names::KeyHandle,
    answer: Result<(), ProviderError>,
) -> Result<(), ProviderError> {
    match answer {
        Err(ProviderError::NotFound) if !find::is_listed(provider, scope, handle).await? => Ok(()),
        other => other,
    }
}

/// Marks the version abandoned unless somebody else has taken it further meanwhile.
async fn record_abandoned(
    ports: &Ports,
    version: &Version,
    cut_off: Option<&CutOff>,
) -> Result<(), InventoryError> {
    let now = ports.clock.now();
    let stored = ports.inventory.versions(&version.slot).await?;
    let Some(stored) = stored.into_iter().find(|v| v.id == version.id) else {
        return Ok(());
    };
    let mut abandoned = match stored.state {
        VersionState::Abandoned | VersionState::Contained | VersionState::Revoking => stored,
        _ => match stored.become_state(VersionState::Abandoned) {
            Ok(abandoned) => abandoned,
            Err(_) => return Ok(()),
        },
    };
    abandoned.handle = abandoned.handle.or_else(|| version.handle.clone());
    abandoned.fingerprint = abandoned.fingerprint.or(version.fingerprint);
    abandoned.hint = abandoned.hint.or_else(|| version.hint.clone());
    match cut_off {
        Some(CutOff::Accepted(handle)) => abandoned.handle = Some(handle.clone()),
        Some(CutOff::NotMade) => abandoned.not_made = true,
        Some(CutOff::NothingFound) | None => {}
    }
    abandoned.lease_until = None;
    abandoned.due_at = Some(now);
    ports
        .inventory
        .save_versions(&[abandoned], Fence::None)
        .await
}

fn orphan(slot: &Slot, version: &Version, error: &FindError) -> Alert {
    Alert::about(
        &slot.name,
        Severity::Page,
        AlertKind::Orphan,
        [
            &format!(
                "A key made for slot {} did not come into use and could not be revoked: {error}.",
                slot.name
            ),
            "It is recorded; retire tries again every 5 minutes. The slot's current key is untouched.",
            &format!(
                "If it stays, delete the key {} at {}.",
                version.shown(),
                slot.provider
            ),
        ],
    )
}

/// Takes AWSPENDING off the version, so that Secrets Manager accepts the next rotation, and asks `retire` to look at
/// the slot at once, which starts it.
pub(crate) async fn make_room_for_the_next(
    ports: &Ports,
    slot: &Slot,
    version: &Version,
) -> Result<(), SecretError> {
    ports
        .secrets
        .unstage_pending(&slot.secret, &version.id.secret_version)
        .await?;
    let Ok(Some(mut stored)) = ports.inventory.slot(&slot.name).await else {
        return Ok(());
    };
    stored.due_at = ports.clock.now() + SignedDuration::from_secs(1);
    if let Err(error) = ports.inventory.save_slot(&stored).await {
        tracing::warn!(slot = %slot.name, %error, "the slot is looked at with the next regular check");
    }
    Ok(())
}
