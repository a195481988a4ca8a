//! Taking a key into the inventory that Keyward did not make.

use jiff::{SignedDuration, Timestamp};

use super::Ports;
use super::find;
use crate::model::alert::{Alert, AlertKind, Command, Severity};
use crate::model::names::{KeyHandle, SecretVersionId};
use crate::model::secret_document::SecretDocument;
use crate::model::slot::{Epoch, Scope, Slot, SlotState};
use crate::model::version::{Version, VersionId, VersionState};
use crate::ports::{Fence, InventoryError, KeyProvider, ProviderError};
use crate::rules::birth;

/// The record of a key that stands under AWSCURRENT: its handle found at the provider by list and hint, or unknown.
///
/// # Errors
/// [`ProviderError`] if the list cannot be read: "not found" and "not seen" are not the same.
pub(crate) async fn describe_found_key(
    provider: &dyn KeyProvider,
    place: &FoundAt<'_>,
    document: &SecretDocument,
    now: Timestamp,
) -> Result<Version, ProviderError> {
    let hint = document.key().hint(&provider.abilities().format);
    let record = find::by_text(provider, place.scope, document.key()).await?;
    let id = VersionId {
        secret_version: place.secret_version.clone(),
        attempt: 0,
    };
    let mut version = Version::intended(place.slot, id, place.epoch, now);
    version.state = VersionState::Current;
    version.label = None;
    version.begun = None;
    version.scope = place.scope.clone();
    version.fingerprint = Some(document.key().fingerprint());
    version.hint = Some(hint);
    version.promoted = Some(now);
    if let Some(record) = record {
        version.handle = Some(record.handle);
        version.created = record.created.map_or(now, |at| at.min(now));
        version.expires = record.expires;
        version.cap = record.cap;
    }
    Ok(version)
}

/// Where a found key stands.
pub(crate) struct FoundAt<'a> {
    /// The slot it is to belong to.
    pub(crate) slot: &'a crate::model::names::SlotName,
    /// The slot's epoch.
    pub(crate) epoch: Epoch,
    /// Where the slot's keys live.
    pub(crate) scope: &'a Scope,
    /// The secret version that holds it.
    pub(crate) secret_version: &'a SecretVersionId,
}

/// Takes in the key that somebody put under AWSCURRENT by hand, if the inventory does not know it. What was current
/// before is retired.
///
/// # Errors
/// [`AdoptError`]; nothing was changed.
pub(crate) async fn adopt_current(
    ports: &Ports,
    slot: &Slot,
    provider: &dyn KeyProvider,
    secret_version: &SecretVersionId,
    document: &SecretDocument,
    versions: &[Version],
) -> Result<Adopted, AdoptError> {
    let fingerprint = document.key().fingerprint();
    let is_it = |v: &&Version| v.fingerprint == Some(fingerprint);
    if let Some(known) = versions.iter().find(is_it) {
        return Ok(Adopted::known(known));
    }
    let versions = ports.inventory.versions(&slot.name).await?;
    if let Some(known) = versions.iter().find(is_it) {
        return Ok(Adopted::known(known));
    }
    let now = ports.clock.now();
    let place = FoundAt {
        slot: &slot.name,
        epoch: slot.epoch,
        scope: &slot.scope,
        secret_version,
    };
    let mut found = describe_found_key(provider, &place, document, now).await?;
    found.told.taken_in_untold = Some(now);
    ports
        .inventory
        .add_version(&found, Fence::Epoch(slot.epoch))
        .await?;
    let superseded: Vec<Version> = versions
        .iter()
        .filter(|v| v.state == VersionState::Current)
        .filter_map(|v| retiring(v.clone(), slot, now))
        .collect();
    if !superseded.is_empty() {
        ports
            .inventory
            .save_versions(&superseded, Fence::Epoch(slot.epoch))
            .await?;
    }
    let told = tell_taken_in(ports, slot, &found).await;
    Ok(Adopted {
        handle: found.handle,
        told: Some(told),
    })
}

/// Tells people of a key that was taken in, and records that they were told: until then `retire` tells them again.
/// Returns whether they were told.
pub(crate) async fn tell_taken_in(ports: &Ports, slot: &Slot, found: &Version) -> bool {
    if !ports.tell(foreign_change(slot, found)).await {
        return false;
    }
    if let Err(error) = record_told(ports, found).await {
        tracing::warn!(slot = %slot.name, version = %found.id, %error, "people were told of a key that was taken in, but that is not recorded; they are told again");
    }
    true
}

async fn record_told(ports: &Ports, found: &Version) -> Result<(), InventoryError> {
    let stored = ports.inventory.versions(&found.slot).await?.into_iter();
    let mut told: Vec<Version> = stored.filter(|v| v.id == found.id).collect();
    told.iter_mut().for_each(|v| v.told.taken_in_untold = None);
    ports.inventory.save_versions(&told, Fence::None).await
}

/// The key under AWSCURRENT, as the inventory has it.
pub(crate) struct Adopted {
    /// The key's handle, if that is known.
    pub(crate) handle: Option<KeyHandle>,
    /// Whether people were told that it was taken in; `None` if the inventory had it.
    pub(crate) told: Option<bool>,
}

impl Adopted {
    fn known(version: &Version) -> Self {
        Self {
            handle: version.handle.clone(),
            told: None,
        }
    }
}

/// Why a key was not taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdoptError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

/// A version that another one has replaced: its overlap begins now.
pub(crate) fn retiring(version: Version, slot: &Slot, now: Timestamp) -> Option<Version> {
    let mut version = version.become_state(VersionState::Retiring).ok()?;
    version.retire_after = Some(now + slot.policy.overlap);
    version.deadline = Some(now + slot.policy.deadline);
    // One look before the overlap ends, so that a usage figure can be seen to stand still.
    version.due_at = Some(now + slot.policy.overlap - slot.policy.refresh);
    version.lease_until = None;
    Some(version)
}

fn foreign_change(slot: &Slot, found: &Version) -> Alert {
    let revocable = if found.handle.is_some() {
        "It was found at the provider and is looked after like any other."
    } else {
        "It was not found at the provider, so Keyward cannot revoke it."
    };
    let (severity, left) = match slot.state {
        SlotState::Suspended => (
            Severity::Page,
            "The slot is suspended, and this key works all the same: it was not cut off. Find out who changed the secret; CloudTrail names the caller of PutSecretValue. If it was not meant, cut the slot off.",
        ),
        _ => (
            Severity::Warning,
            "Find out who changed the secret; CloudTrail names the caller of PutSecretValue. If it was not meant, cut the slot off.",
        ),
    };
    Alert::about(
        &slot.name,
        severity,
        AlertKind::ForeignSecretChange,
        [
            &format!(
                "The secret of slot {} holds a key that Keyward did not put there (fingerprint {}).",
                slot.name,
                found.fingerprint.map(|f| f.to_string()).unwrap_or_default(),
            ),
            &format!("The key was taken into the inventory. {revocable}"),
            left,
        ],
    )
    .with_command(Command::about("kill", &slot.name).with("--reason \"...\""))
}

/// A current key is looked at again when it comes near its end.
pub(crate) fn due_for_age_check(version: &mut Version, slot: &Slot, now: Timestamp) {
    let left = birth::replace_by(&slot.policy, version).duration_since(now);
    let wait = left - super::retire::NEAR_END;
    version.due_at = Some(now + wait.max(SignedDuration::ZERO));
}
