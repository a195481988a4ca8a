//! The slot as a whole: labels that stand where they should not, and a slot without a key.

use jiff::{SignedDuration, Timestamp};

use super::serving::{self, Serving};
use super::{ItemError, ROUND, STUCK_AFTER, behind};
use crate::model::alert::{Alert, AlertKind, Severity};
use crate::model::names::SecretVersionId;
use crate::model::slot::{PendingSeen, Slot, SlotState};
use crate::model::version::{Version, VersionState};
use crate::ports::{Fence, SecretDescription, SecretError, Stage, handle_tag};
use crate::rules::policy;
use crate::usecases::Ports;
use crate::usecases::adopt::{retiring, tell_taken_in};
use crate::usecases::drill;

/// How often a slot is looked at when nothing is the matter.
const REGULAR: SignedDuration = SignedDuration::from_mins(30);

/// How often a slot is looked at that is given up.
const SELDOM: SignedDuration = SignedDuration::from_hours(24);

/// Looks at one slot and its secret, and mends what it can.
pub(super) async fn watch(ports: &Ports, mut slot: Slot) -> Result<(), ItemError> {
    let secret = match ports.secrets.describe(slot.secret.as_str()).await {
        Err(SecretError::NotFound(_)) if slot.state == SlotState::Decommissioned => None,
        secret => Some(secret?).filter(|s| !is_given_up(&slot, s)),
    };
    let Some(secret) = secret else {
        return put_by(ports, slot).await;
    };
    let versions = ports.inventory.versions(&slot.name).await?;
    let stray = stray_pending(&secret);
    let found = clear_stray(ports, &mut slot, stray.as_ref(), &versions).await?;
    retire_superseded(ports, &slot, &secret, &versions).await?;
    untag_revoked(ports, &slot, &secret, &versions).await?;
    behind::take_in_tagged(ports, &slot, &secret, &versions).await?;
    let told_of_all = tell_taken_in_again(ports, &slot, &versions).await;
    // Read after the records: what a rotation promotes meanwhile is recorded by then, or on its way.
    let serving = serving::look(ports, &slot, &secret, &versions).await;
    let now = ports.clock.now();
    let needs_rotation = match &serving {
        Ok(Serving::TakenIn { .. }) => false,
        Ok(Serving::Dead { .. }) => {
            is_open(&slot) && !versions.iter().any(|v| is_on_its_way(&slot, v))
        }
        Ok(Serving::Known) | Err(_) => {
            needs_a_key(&slot, &versions) || is_overdue(&slot, &versions, now)
        }
    };
    let can_rotate = secret.rotation_enabled && !is_full(&slot, &versions);
    if can_rotate && needs_rotation && found != Stray::Stays {
        start_rotation(ports, &slot, &versions).await?;
    }
    let serving = serving?;
    let untold = !told_of_all
        || found == Stray::Cleared { told: false }
        || matches!(
            serving,
            Serving::TakenIn { told: false } | Serving::Dead { told: false }
        );
    let next = now + if untold { ROUND } else { REGULAR };
    slot.due_at = drill::next_look(&slot, now).map_or(next, |look| look.min(next));
    slot.told_failed = None;
    ports.inventory.save_slot(&slot).await?;
    match untold {
        true => Err(ItemError::Untold),
        false => Ok(()),
    }
}

/// Whether the slot is given up and its secret on its way out: there is nothing in it to look after.
fn is_given_up(slot: &Slot, secret: &SecretDescription) -> bool {
    slot.state == SlotState::Decommissioned && secret.is_deleted
}

/// A slot without a secret is looked at once a day. Its versions have their own work.
async fn put_by(ports: &Ports, mut slot: Slot) -> Result<(), ItemError> {
    slot.due_at = ports.clock.now() + SELDOM;
    slot.told_failed = None;
    Ok(ports.inventory.save_slot(&slot).await?)
}

/// What became of an AWSPENDING label apart from AWSCURRENT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stray {
    None,
    Stays,
    Cleared { told: bool },
}

/// The version that carries AWSPENDING apart from AWSCURRENT: Secrets Manager refuses RotateSecret while there is one.
fn stray_pending(secret: &SecretDescription) -> Option<SecretVersionId> {
    let pending = secret.holder(&Stage::Pending)?;
    (!secret.has(pending, &Stage::Current)).then(|| pending.clone())
}

/// Takes the label off a version that no rotation is at work on any more. What this inventory has a version for is
/// left to that version's own work.
async fn clear_stray(
    ports: &Ports,
    slot: &mut Slot,
    stray: Option<&SecretVersionId>,
    versions: &[Version],
) -> Result<Stray, ItemError> {
    let now = ports.clock.now();
    let Some(stray) = stray else {
        slot.pending_seen = None;
        return Ok(Stray::None);
    };
    let is_at_work = |v: &Version| v.id.secret_version == *stray && is_on_its_way(slot, v);
    if versions.iter().any(is_at_work) {
        return Ok(Stray::Stays);
    }
    let since = match &slot.pending_seen {
        Some(seen) if seen.version == *stray => seen.since,
        _ => now,
    };
    slot.pending_seen = Some(PendingSeen {
        version: stray.clone(),
        since,
    });
    if !is_over(slot, stray, versions) && now < since + STUCK_AFTER {
        return Ok(Stray::Stays);
    }
    if !versions.iter().any(|v| v.id.secret_version == *stray) {
        behind::take_in_pending(ports, slot, stray).await?;
    }
    ports.secrets.unstage_pending(&slot.secret, stray).await?;
    slot.pending_seen = None;
    let told = ports.tell(cleared(slot, stray)).await;
    Ok(Stray::Cleared { told })
}

/// Whether no step of the rotation can come any more: it has promoted its key, or was begun before the slot was cut
/// off. One whose attempts have failed so far is tried again by Secrets Manager.
fn is_over(slot: &Slot, rotation: &SecretVersionId, versions: &[Version]) -> bool {
    versions.iter().any(|v| {
        v.id.secret_version == *rotation
            && v.id.attempt > 0
            && (v.promoted.is_some() || v.epoch != slot.epoch)
    })
}

/// What is recorded as current but is not under AWSCURRENT, while another recorded key is, begins its overlap.
async fn retire_superseded(
    ports: &Ports,
    slot: &Slot,
    secret: &SecretDescription,
    versions: &[Version],
) -> Result<(), ItemError> {
    let Some(holder) = secret.holder(&Stage::Current) else {
        return Ok(());
    };
    let is_current = |v: &&Version| v.state == VersionState::Current;
    if !versions
        .iter()
        .filter(is_current)
        .any(|v| v.id.secret_version == *holder)
    {
        return Ok(());
    }
    let now = ports.clock.now();
    let superseded: Vec<Version> = versions
        .iter()
        .filter(is_current)
        .filter(|v| v.id.secret_version != *holder)
        .filter_map(|v| retiring(v.clone(), slot, now))
        .collect();
    if superseded.is_empty() {
        return Ok(());
    }
    Ok(ports
        .inventory
        .save_versions(&superseded, Fence::Epoch(slot.epoch))
        .await?)
}

/// Takes off the handles of revoked keys: a setSecret that was under way when a key's end was recorded can have mirrored
/// its handle once more, and a secret takes no more than 50 tags:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_TagResource.html>.
async fn untag_revoked(
    ports: &Ports,
    slot: &Slot,
    secret: &SecretDescription,
    versions: &[Version],
) -> Result<(), ItemError> {
    for version in versions.iter().filter(|v| v.state == VersionState::Revoked) {
        let key = handle_tag(&version.id);
        if secret.tags.contains_key(&key) {
            ports.secrets.untag(&slot.secret, &key).await?;
        }
    }
    Ok(())
}

/// Tells people of keys that were taken in where nobody could be told so before. Returns whether that is settled.
async fn tell_taken_in_again(ports: &Ports, slot: &Slot, versions: &[Version]) -> bool {
    let mut all = true;
    for version in versions {
        if version.told.taken_in_untold.is_some() {
            all &= tell_taken_in(ports, slot, version).await;
        }
    }
    all
}

/// Whether the slot should have a key and has none that works or is on its way.
pub(crate) fn needs_a_key(slot: &Slot, versions: &[Version]) -> bool {
    let served = |v: &Version| v.state == VersionState::Current || is_on_its_way(slot, v);
    is_open(slot) && !versions.iter().any(served)
}

/// Whether the current key should have been replaced, and no other is on its way: the schedule's rotation failed, or
/// never started.
fn is_overdue(slot: &Slot, versions: &[Version], now: Timestamp) -> bool {
    let overdue = |v: &Version| {
        v.state == VersionState::Current
            && now >= policy::overdue_at(&slot.policy, v.created, v.expires)
    };
    is_open(slot)
        && versions.iter().any(overdue)
        && !versions.iter().any(|v| is_on_its_way(slot, v))
}

/// Whether a rotation would be refused because the slot can have no further key.
fn is_full(slot: &Slot, versions: &[Version]) -> bool {
    let in_use = versions.iter().filter(|v| v.state.is_promoted()).count();
    slot.provider
        .keys_at_a_time()
        .is_some_and(|most| in_use >= most)
}

fn is_open(slot: &Slot) -> bool {
    matches!(slot.state, SlotState::Active | SlotState::Restricted)
}

fn is_on_its_way(slot: &Slot, version: &Version) -> bool {
    version.state.is_in_rotation() && version.epoch == slot.epoch
}

/// Asks Secrets Manager for a rotation, under a token made from the slot's epoch and history: asked twice, it starts
/// once.
pub(crate) async fn start_rotation(
    ports: &Ports,
    slot: &Slot,
    versions: &[Version],
) -> Result<(), ItemError> {
    let seed = format!("{}/{}/{}", slot.name, slot.epoch.0, versions.len());
    let token = SecretVersionId::from_seed(&seed);
    match ports.secrets.rotate_now(&slot.secret, &token).await {
        Ok(()) | Err(SecretError::RotationUnfinished) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn cleared(slot: &Slot, stray: &SecretVersionId) -> Alert {
    Alert::about(
        &slot.name,
        Severity::Warning,
        AlertKind::StuckPendingCleared,
        [
            &format!(
                "AWSPENDING of slot {} stood on version {stray}, on which no rotation is at work.",
                slot.name
            ),
            "The label was taken off; the current key is untouched.",
            "The next rotation can start. Look at the rotate function's log for why the last one did not finish.",
        ],
    )
}
