//! Taking a key into the inventory that Keyward did not make.

use jiff::{SignedDuration, Timestamp};

use super::Ports;
use super::find;
use crate::model::alert::{Alert, AlertKind, Command, Severity};
use crate::model::names::{KeyHandle, SecretVersionId};
use crate::model::secret_document::SecretDocument;
use crate::model::slot::{Epoch, Scope, Slot, SlotState};
use crate::model::version::{KeyLabel, Version, VersionId, VersionState};
use crate::ports::{Fence, InventoryError, KeyProvider, KeyRecord, ProviderError};
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
    let made_as = record.as_ref().and_then(|record| own_id(place, record));
    let is_own = made_as.is_some();
    let mut version = Version::intended(place.slot, made_as.unwrap_or(id), place.epoch, now);
    version.state = VersionState::Current;
    version.label = version.label.filter(|_| is_own);
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

/// What the key was recorded as when it was made, if its name says that it was made for this slot and secret version: the
/// inventory has lost it.
fn own_id(place: &FoundAt<'_>, record: &KeyRecord) -> Option<VersionId> {
    let label = record.label.as_str();
    let attempt = KeyLabel::attempt_in(label, place.slot, place.secret_version)?;
    Some(VersionId {
        secret_version: place.secret_version.clone(),
        attempt,
    })
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
    let alert = match found.id.attempt {
        0 => foreign_change(slot, found),
        _ => inventory_behind(slot, found),
    };
    if !ports.tell(alert).await {
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
    begin_overlap(&mut version, slot, now);
    Some(version)
}

/// An old key's overlap begins now.
pub(crate) fn begin_overlap(version: &mut Version, slot: &Slot, now: Timestamp) {
    version.retire_after = Some(now + slot.policy.overlap);
    version.deadline = Some(now + slot.policy.deadline);
    // One look before the overlap ends, so that a usage figure can be seen to stand still.
    version.due_at = Some(now + slot.policy.overlap - slot.policy.refresh);
    version.lease_until = None;
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

/// What people are told of a key that Keyward made, and that the inventory did not know.
fn inventory_behind(slot: &Slot, found: &Version) -> Alert {
    let done = match found.state {
        VersionState::Current => {
            "It is what agents fetch: it stays, and is looked after like any other."
        }
        VersionState::Retiring => {
            "It is an old key: it works through its overlap once more, and is then revoked."
        }
        _ => "It is not in use, and is being revoked.",
    };
    Alert::about(
        &slot.name,
        Severity::Warning,
        AlertKind::InventoryBehind,
        [
            &format!(
                "The inventory did not know the key {} of slot {}, which Keyward made: the table was put back from a backup, or lost items.",
                found.shown(),
                slot.name
            ),
            &format!("The key was taken into the inventory. {done}"),
            "If nobody put the table back, find out who wrote to it. Slots that were cut off since the backup was taken stand as they stood before: restrict, suspend or kill them again if need be.",
        ],
    )
    .with_command(Command::general("status"))
}

/// A current key is looked at again when it comes near its end.
pub(crate) fn due_for_age_check(version: &mut Version, slot: &Slot, now: Timestamp) {
    let left = birth::replace_by(&slot.policy, version).duration_since(now);
    let wait = left - super::retire::NEAR_END;
    version.due_at = Some(now + wait.max(SignedDuration::ZERO));
}
