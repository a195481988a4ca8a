//! After containment: whether what was cut off is really dead. Accepted is not done.

use futures::future::join_all;
use jiff::SignedDuration;

use super::contain::cut_key;
use super::save::update;
use crate::model::incident::{Containment, Incident, KillStep, StepResult, Undo};
use crate::model::slot::Slot;
use crate::model::version::{Confirmation, Confirmed, Refusals, Version, VersionState};
use crate::ports::{InventoryError, KeyProvider, ProviderError, SecretError};
use crate::rules::revoke::{ConfirmPolicy, Confirming, confirm as judge};
use crate::usecases::{Ports, key_text};

/// What is accepted this long after it was cut off is cut off again: a provider may need a moment to take notice.
const TAKES_NOTICE: SignedDuration = SignedDuration::from_secs(30);

/// Why a key could not be looked at. It is looked at again.
#[derive(Debug, thiserror::Error)]
enum NotSeen {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// What one look at a key came to.
enum Look {
    /// It is dead, or as gone as can be known.
    Dead(Confirmed),
    /// It was refused once more, or nothing was learned.
    NotYet(Option<Refusals>),
    /// A person brought it back, or it was never this incident's to end.
    NotOurs,
}

/// Looks at every key that was cut off and not seen dead yet, once.
pub(super) async fn look_at_cut_keys(
    ports: &Ports,
    slot: &Slot,
    provider: &dyn KeyProvider,
    policy: &ConfirmPolicy,
    incident: Incident,
) -> Incident {
    let is_open = incident.undo.iter().any(Undo::is_unconfirmed);
    if incident.done(KillStep::Confirm).is_some() && !is_open {
        return incident;
    }
    let looks = match looks(ports, slot, provider, policy, &incident).await {
        Ok(looks) => looks,
        Err(error) => {
            tracing::warn!(slot = %slot.name, %error, "the keys that were cut off could not be looked at");
            return incident;
        }
    };
    let now = ports.clock.now();
    update(ports, incident, |incident| {
        for (undo, look) in &looks {
            let known = incident.undo.iter_mut().find(|u| u.version == undo.version);
            let Some(known) = known else { continue };
            match look {
                Look::Dead(confirmed) => known.confirmed = Some(*confirmed),
                Look::NotYet(refusals) => known.refusals = *refusals,
                Look::NotOurs => {}
            }
        }
        let not_ours = |undo: &Undo| {
            looks
                .iter()
                .any(|(seen, look)| seen.version == undo.version && matches!(look, Look::NotOurs))
        };
        let all = || incident.undo.iter();
        // What is not cut off yet cannot have been seen dead.
        let is_contained = incident.done(KillStep::Contain).is_some();
        if is_contained && all().all(|undo| !undo.is_unconfirmed() || not_ours(undo)) {
            let last = all().filter_map(|undo| Some(undo.confirmed?.at)).max();
            incident.take(KillStep::Confirm, last.unwrap_or(now), StepResult::Done);
        }
    })
    .await
}

async fn looks(
    ports: &Ports,
    slot: &Slot,
    provider: &dyn KeyProvider,
    policy: &ConfirmPolicy,
    incident: &Incident,
) -> Result<Vec<(Undo, Look)>, InventoryError> {
    let versions = ports.inventory.versions(&slot.name).await?;
    let unconfirmed = incident.undo.iter().filter(|undo| undo.is_unconfirmed());
    let looks = unconfirmed.map(|undo| {
        let version = versions.iter().find(|v| v.id == undo.version);
        async move {
            let look = match version {
                Some(version) => look_at(ports, slot, provider, policy, undo, version).await,
                None => Ok(Look::NotOurs),
            };
            let look = look.unwrap_or_else(|error| {
                tracing::warn!(slot = %slot.name, version = %undo.version, %error, "a key that was cut off could not be looked at");
                Look::NotYet(undo.refusals)
            });
            (undo.clone(), look)
        }
    });
    Ok(join_all(looks).await)
}

/// What is being revoked is confirmed by `retire`, and what it found is taken over. What is only suspended is asked here.
async fn look_at(
    ports: &Ports,
    slot: &Slot,
    provider: &dyn KeyProvider,
    policy: &ConfirmPolicy,
    undo: &Undo,
    version: &Version,
) -> Result<Look, NotSeen> {
    match version.state {
        VersionState::Contained => {}
        VersionState::Abandoned | VersionState::Revoking | VersionState::Revoked => {
            return Ok(match version.revoke_confirmed {
                Some(confirmed) => Look::Dead(confirmed),
                None => Look::NotYet(undo.refusals),
            });
        }
        VersionState::Intended
        | VersionState::Pending
        | VersionState::Promoting
        | VersionState::Current
        | VersionState::Retiring
        | VersionState::Restoring => return Ok(Look::NotOurs),
    }
    let by = |by| Confirmed {
        at: ports.clock.now(),
        by,
    };
    let Some(key) = key_text::readable(ports, slot, provider, version).await? else {
        let Some(handle) = &version.handle else {
            return Ok(Look::NotYet(undo.refusals));
        };
        let record = provider.get(handle).await?;
        if record.is_none_or(|record| record.suspended == Some(true)) {
            return Ok(Look::Dead(by(Confirmation::ListOnly)));
        }
        cut_again(ports, provider, undo, version).await?;
        return Ok(Look::NotYet(undo.refusals));
    };
    let verdict = provider.verify(&key).await;
    match judge(undo.refusals, &verdict, ports.clock.now(), policy) {
        Confirming::Dead(_) => Ok(Look::Dead(by(Confirmation::Refused))),
        Confirming::NotYet(refusals) => Ok(Look::NotYet(Some(refusals))),
        Confirming::Unknown => Ok(Look::NotYet(undo.refusals)),
        Confirming::Alive => {
            cut_again(ports, provider, undo, version).await?;
            Ok(Look::NotYet(None))
        }
    }
}

/// A key that is accepted although it was cut off a while ago: somebody brought it back at the provider, or the provider
/// lost it.
async fn cut_again(
    ports: &Ports,
    provider: &dyn KeyProvider,
    undo: &Undo,
    version: &Version,
) -> Result<(), ProviderError> {
    let now = ports.clock.now();
    let is_due = |(_, cut): (_, jiff::Timestamp)| now.duration_since(cut) >= TAKES_NOTICE;
    let Some(handle) = version
        .handle
        .as_ref()
        .filter(|_| undo.cut.is_some_and(is_due))
    else {
        return Ok(());
    };
    tracing::warn!(slot = %version.slot, version = %version.id, "a key that was cut off is accepted; it is cut off again");
    let containment = Containment::Reversible;
    cut_key(provider, &version.scope, handle, containment).await?;
    Ok(())
}
