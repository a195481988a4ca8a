//! After containment: the way is cleared for the replacement, and it is asked for.

use super::save::update;
use crate::model::incident::{Incident, KillStep, StepResult};
use crate::model::names::SecretVersionId;
use crate::model::slot::Slot;
use crate::model::text::OutsideText;
use crate::ports::{InventoryError, SecretError, Stage};
use crate::rules::rotation::{Refusal, refused_now};
use crate::usecases::Ports;

/// Why no replacement was asked for.
#[derive(Debug, thiserror::Error)]
enum NotAsked {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("rotation is not enabled for the secret")]
    RotationOff,
}

/// Asks for the replacement, once. Where that fails, `retire` asks for it when it looks at the slot: no incident waits
/// for it.
pub(super) async fn ask_for_replacement(
    ports: &Ports,
    slot: &Slot,
    incident: Incident,
) -> Incident {
    if incident.done(KillStep::Rotate).is_some() {
        return incident;
    }
    let asked = ask(ports, slot, &incident).await;
    let now = ports.clock.now();
    let result = match asked {
        Ok(()) => StepResult::Done,
        Err(why) => {
            tracing::warn!(slot = %slot.name, error = %why, "the replacement is not under way; retire asks for it");
            StepResult::Failed(OutsideText::new(&why.to_string()))
        }
    };
    update(ports, incident, |incident| {
        if incident.done(KillStep::Rotate).is_none() {
            incident.take(KillStep::Rotate, now, result.clone());
        }
    })
    .await
}

/// Takes AWSPENDING off a version that was cut off, since Secrets Manager refuses RotateSecret while it stands there, and
/// asks for a rotation under a token that is the incident's own: asked twice, it starts once.
async fn ask(ports: &Ports, slot: &Slot, incident: &Incident) -> Result<(), NotAsked> {
    let token = SecretVersionId::from_seed(&incident.id);
    let secret = ports.secrets.describe(slot.secret.as_str()).await?;
    let versions = ports.inventory.versions(&slot.name).await?;
    if let Some(pending) = secret.holder(&Stage::Pending)
        && !secret.has(pending, &Stage::Current)
    {
        let is_replacement = |id: &SecretVersionId| {
            versions
                .iter()
                .any(|v| v.id.secret_version == *id && v.epoch >= incident.epoch)
        };
        if *pending == token || is_replacement(pending) {
            return Ok(());
        }
        ports.secrets.unstage_pending(&slot.secret, pending).await?;
    }
    if !secret.rotation_enabled {
        return Err(NotAsked::RotationOff);
    }
    let stored = ports.inventory.slot(&slot.name).await?;
    let stored = stored.ok_or(InventoryError::Conflict)?;
    if stored.epoch != incident.epoch || versions.iter().any(|v| v.epoch >= incident.epoch) {
        return Ok(());
    }
    if let Some(refusal) = refused_now(&stored, &versions, ports.clock.now()) {
        return Err(refusal.into());
    }
    Ok(ports.secrets.rotate_now(&slot.secret, &token).await?)
}
