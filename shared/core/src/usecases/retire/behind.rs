//! An inventory that is behind: put back from a backup, or made anew, it lacks keys that were made since. The secret's
//! tags name their handles, and AWSPENDING the rotation they were made in.

use super::ItemError;
use crate::model::key::ApiKey;
use crate::model::names::{KeyHandle, SecretVersionId};
use crate::model::slot::{Slot, SlotState};
use crate::model::version::{KeyLabel, Version, VersionId, VersionState};
use crate::ports::{
    Fence, InventoryError, KeyProvider, KeyRecord, SecretDescription, Stage, TAG_HANDLE_PREFIX,
    handle_tag,
};
use crate::usecases::{Ports, adopt, find, key_text};

/// Takes in every key of the slot that the secret's tags name and the inventory does not. What may have been fetched has
/// its overlap from now on; what was cut off, or was never current, is revoked. The key under AWSCURRENT is left to who
/// looks at what agents fetch.
///
/// A tag is the word of anybody who may write tags: a key is taken in only if it is seen to be this slot's. A tag whose
/// key is gone is taken off.
pub(super) async fn take_in_tagged(
    ports: &Ports,
    slot: &Slot,
    secret: &SecretDescription,
    versions: &[Version],
) -> Result<(), ItemError> {
    let unknown = unknown_handles(secret, versions);
    if unknown.is_empty() {
        return Ok(());
    }
    let provider = ports.providers.open(&slot.account, slot.provider).await?;
    for (id, handle) in unknown {
        let Some(record) = provider.get(&handle).await? else {
            if !find::is_listed(provider.as_ref(), &slot.scope, &handle).await? {
                let tag = handle_tag(&id);
                ports.secrets.untag(&slot.secret, &tag).await?;
            }
            continue;
        };
        let text = key_text::stored(ports, slot, provider.as_ref(), &id.secret_version).await?;
        if !is_of_slot(slot, provider.as_ref(), &id, &record, text.as_ref()) {
            tracing::warn!(slot = %slot.name, version = %id, "a tag of the slot's secret names a key that cannot be seen to be the slot's; it is left alone");
            continue;
        }
        let state = match record.suspended == Some(true)
            || secret.has(&id.secret_version, &Stage::Pending)
            || slot.state == SlotState::Decommissioned
        {
            true => VersionState::Abandoned,
            false => VersionState::Retiring,
        };
        add(ports, slot, provider.as_ref(), id, (record, text), state).await?;
    }
    Ok(())
}

/// Takes in what a rotation that nobody goes on with has made, and the inventory knows nothing of: it is revoked.
pub(super) async fn take_in_pending(
    ports: &Ports,
    slot: &Slot,
    rotation: &SecretVersionId,
) -> Result<(), ItemError> {
    let provider = ports.providers.open(&slot.account, slot.provider).await?;
    let provider = provider.as_ref();
    let attempts = |attempt| VersionId {
        secret_version: rotation.clone(),
        attempt,
    };
    let named = |record: &KeyRecord| attempt_of(slot, rotation, record).is_some();
    for record in find::keys(provider, &slot.scope, named).await? {
        let id = attempts(attempt_of(slot, rotation, &record).unwrap_or(1));
        add(
            ports,
            slot,
            provider,
            id,
            (record, None),
            VersionState::Abandoned,
        )
        .await?;
    }
    let Some(key) = key_text::stored(ports, slot, provider, rotation).await? else {
        return Ok(());
    };
    if let Some(record) = find::by_text(provider, &slot.scope, &key).await? {
        let found = (record, Some(key));
        add(
            ports,
            slot,
            provider,
            attempts(1),
            found,
            VersionState::Abandoned,
        )
        .await?;
    }
    Ok(())
}

/// The attempt of a rotation that a key's name says it was made in.
fn attempt_of(slot: &Slot, rotation: &SecretVersionId, record: &KeyRecord) -> Option<u32> {
    KeyLabel::attempt_in(record.label.as_str(), &slot.name, rotation)
}

/// Handles that the tags name and no version has, but for the key that agents fetch.
fn unknown_handles(
    secret: &SecretDescription,
    versions: &[Version],
) -> Vec<(VersionId, KeyHandle)> {
    let tags = secret.tags.iter().filter_map(|(tag, handle)| {
        let id = tag.strip_prefix(TAG_HANDLE_PREFIX)?.parse().ok()?;
        Some((id, handle.parse().ok()?))
    });
    let is_known = |id: &VersionId, handle: &KeyHandle| {
        secret.has(&id.secret_version, &Stage::Current)
            || versions
                .iter()
                .any(|v| v.id == *id || v.handle.as_ref() == Some(handle))
    };
    tags.filter(|(id, handle)| !is_known(id, handle)).collect()
}

/// Whether the provider shows the key to be the slot's: by the name that it was made under, by the place that is the
/// slot's alone, or by its text, which the slot's secret holds.
fn is_of_slot(
    slot: &Slot,
    provider: &dyn KeyProvider,
    id: &VersionId,
    record: &KeyRecord,
    text: Option<&ApiKey>,
) -> bool {
    attempt_of(slot, &id.secret_version, record).is_some()
        || slot.provider.home(&slot.account, &slot.scope).is_some()
        || text.is_some_and(|key| provider.fits(record, key))
}

/// Records a key that was found, and that people have to be told of it. What is recorded by now is left as it is.
async fn add(
    ports: &Ports,
    slot: &Slot,
    provider: &dyn KeyProvider,
    id: VersionId,
    (record, text): (KeyRecord, Option<ApiKey>),
    state: VersionState,
) -> Result<(), ItemError> {
    let now = ports.clock.now();
    let mut version = Version::intended(&slot.name, id, slot.epoch, now);
    version.scope = slot.scope.clone();
    version.handle = Some(record.handle);
    version.created = record.created.map_or(now, |at| at.min(now));
    version.expires = record.expires;
    version.cap = record.cap;
    version.last_used = record.last_used;
    if let Some(key) = text {
        version.fingerprint = Some(key.fingerprint());
        version.hint = Some(key.hint(&provider.abilities().format));
    }
    version.told.taken_in_untold = Some(now);
    version.state = state;
    if state == VersionState::Retiring {
        adopt::begin_overlap(&mut version, slot, now);
    }
    let fence = Fence::Epoch(slot.epoch);
    match ports.inventory.add_version(&version, fence).await {
        Ok(()) => {}
        // Somebody else has recorded it meanwhile, or it is another slot's: then it is not this one's to end.
        Err(InventoryError::Conflict | InventoryError::Taken { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    adopt::tell_taken_in(ports, slot, &version).await;
    Ok(())
}
