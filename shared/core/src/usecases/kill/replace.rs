//! After containment: the replacement. The way is cleared for it, it is asked for once, and watched until it is in use;
//! or the slot is suspended, where none can be made.

use jiff::SignedDuration;

use super::save::update;
use super::tell;
use crate::model::incident::{Incident, KillStep, StepResult, Suspends};
use crate::model::names::SecretVersionId;
use crate::model::slot::{CredentialKind, Slot, SlotState};
use crate::model::text::OutsideText;
use crate::model::version::Version;
use crate::ports::{InventoryError, SecretError, Stage};
use crate::rules::pool::usable;
use crate::rules::rotation::{Refusal, refused_now};
use crate::usecases::{Ports, pool};

/// A rotation that was asked for so long ago and is not at work is asked for anew.
const ASK_AGAIN: SignedDuration = SignedDuration::from_mins(10);

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

/// Why no replacement can be made until a person acts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoReplacement {
    /// The standby pool has no key for the slot.
    #[error("the standby pool of account {0} has no key that it can use")]
    PoolEmpty(crate::model::names::AccountName),
    /// As many rotations as a secret bears in a day.
    #[error(transparent)]
    Budget(Refusal),
}

/// Sees to the replacement, as far as that can be done now. Where asking for it fails, `retire` asks when it looks at the
/// slot.
pub(super) async fn see_to_replacement(ports: &Ports, slot: &Slot, incident: Incident) -> Incident {
    if incident.suspends.is_some() || incident.done(KillStep::Replace).is_some() {
        return incident;
    }
    let outcome = go_on(ports, slot, &incident).await;
    let now = ports.clock.now();
    let (step, at, result) = match outcome {
        Ok(Seen::Replaced(at)) => (KillStep::Replace, at, StepResult::Done),
        Ok(Seen::Asked) => (KillStep::Rotate, now, StepResult::Done),
        Ok(Seen::OnItsWay) => return incident,
        Ok(Seen::Impossible(why)) => return suspend(ports, slot, incident, &why).await,
        Err(why) => {
            tracing::warn!(slot = %slot.name, error = %why, "the replacement is not under way; retire asks for it");
            let why = StepResult::Failed(OutsideText::new(&why.to_string()));
            (KillStep::Rotate, now, why)
        }
    };
    let asked =
        incident.asked + u32::from((step, &result) == (KillStep::Rotate, &StepResult::Done));
    update(ports, incident, |incident| {
        incident.asked = incident.asked.max(asked);
        if incident.done(step).is_none() {
            incident.take(step, at, result.clone());
        }
    })
    .await
}

/// How the replacement stands.
enum Seen {
    Replaced(jiff::Timestamp),
    OnItsWay,
    Asked,
    Impossible(NoReplacement),
}

async fn go_on(ports: &Ports, slot: &Slot, incident: &Incident) -> Result<Seen, NotAsked> {
    let versions = ports.inventory.versions(&slot.name).await?;
    let of_now = || versions.iter().filter(|v| v.epoch >= incident.epoch);
    // A key that a person brought back was promoted before the kill; it is in use since it came back.
    let in_use_since = |v: &Version| v.promoted.max(v.promoted.and(v.restored));
    if let Some(since) = of_now().filter_map(in_use_since).min() {
        return Ok(Seen::Replaced(since));
    }
    let asked = incident.done(KillStep::Rotate);
    if of_now().any(|v| v.state.is_in_rotation()) {
        return Ok(match asked {
            Some(_) => Seen::OnItsWay,
            None => Seen::Asked,
        });
    }
    if let Some(why) = impossible(ports, slot, &versions).await? {
        // Whoever drew the pool's last key meanwhile had recorded that it would.
        let versions = ports.inventory.versions(&slot.name).await?;
        let came = |v: &Version| {
            v.epoch >= incident.epoch && (v.state.is_in_rotation() || v.promoted.is_some())
        };
        return Ok(match versions.iter().any(came) {
            true => Seen::OnItsWay,
            false => Seen::Impossible(why),
        });
    }
    let wait = ASK_AGAIN * i32::try_from(incident.asked).unwrap_or(i32::MAX);
    if asked.is_some_and(|at| ports.clock.now().duration_since(at) < wait) {
        return Ok(Seen::OnItsWay);
    }
    ask(ports, slot, incident, &versions).await?;
    Ok(Seen::Asked)
}

/// Whether a rotation would come to nothing.
async fn impossible(
    ports: &Ports,
    slot: &Slot,
    versions: &[Version],
) -> Result<Option<NoReplacement>, InventoryError> {
    let now = ports.clock.now();
    if let Some(refusal @ Refusal::Budget(_)) = refused_now(slot, versions, now) {
        return Ok(Some(NoReplacement::Budget(refusal)));
    }
    if slot.kind != CredentialKind::Pool {
        return Ok(None);
    }
    let pool = pool::read(ports, &slot.account).await?;
    let is_empty = usable(&pool.standby, slot, now).is_empty();
    Ok(is_empty.then(|| NoReplacement::PoolEmpty(slot.account.clone())))
}

/// Takes AWSPENDING off a version that was cut off or that no rotation is at work on, since Secrets Manager refuses
/// RotateSecret while it stands there, and asks for a rotation under a token that is the incident's own: asked twice, it
/// starts once.
async fn ask(
    ports: &Ports,
    slot: &Slot,
    incident: &Incident,
    versions: &[Version],
) -> Result<(), NotAsked> {
    let token = match incident.asked {
        0 => SecretVersionId::from_seed(&incident.id),
        times => SecretVersionId::from_seed(&format!("{}/{times}", incident.id)),
    };
    let secret = ports.secrets.describe(slot.secret.as_str()).await?;
    if let Some(pending) = secret.holder(&Stage::Pending)
        && !secret.has(pending, &Stage::Current)
    {
        let is_replacement = |id: &SecretVersionId| {
            versions.iter().any(|v| {
                v.id.secret_version == *id && v.epoch >= incident.epoch && v.state.is_in_rotation()
            })
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
    if stored.epoch != incident.epoch {
        return Ok(());
    }
    if let Some(refusal) = refused_now(&stored, versions, ports.clock.now()) {
        return Err(refusal.into());
    }
    Ok(ports.secrets.rotate_now(&slot.secret, &token).await?)
}

/// Suspends the slot, in a new epoch, and pages. Where that cannot be written now, it is looked at again.
async fn suspend(ports: &Ports, slot: &Slot, incident: Incident, why: &NoReplacement) -> Incident {
    match write_suspended(ports, slot).await {
        Ok(()) => {}
        Err(error) => {
            tracing::warn!(slot = %slot.name, %error, "the slot could not be suspended; it is tried again");
            return incident;
        }
    }
    if !ports.tell(tell::suspended(slot, &incident, why)).await {
        return incident;
    }
    update(ports, incident, |incident| {
        incident.suspends = incident.suspends.or(Some(Suspends::NoReplacement));
    })
    .await
}

async fn write_suspended(ports: &Ports, slot: &Slot) -> Result<(), InventoryError> {
    let stored = ports.inventory.slot(&slot.name).await?;
    let Some(mut stored) = stored else {
        return Ok(());
    };
    if !matches!(stored.state, SlotState::Active | SlotState::Restricted) {
        return Ok(());
    }
    stored.state = SlotState::Suspended;
    stored.epoch = stored.epoch.next();
    ports.inventory.save_slot(&stored).await
}
