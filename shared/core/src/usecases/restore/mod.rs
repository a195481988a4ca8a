//! Restore: a named person brings back what a kill took away. A key that was cut off comes back only once its provider
//! is seen to accept it, and a kill that comes meanwhile wins; the slot is lifted out of restriction or suspension.

mod at_provider;
mod key;
mod lift;

use std::sync::Arc;

pub(crate) use at_provider::{TakeBackError, cut_again, resume, take_back};
pub use lift::NewKey;

use super::{Ports, key_text, pool};
use crate::model::act::CallerArn;
use crate::model::incident::Incident;
use crate::model::key::ApiKey;
use crate::model::names::SlotName;
use crate::model::slot::{Asked, CredentialKind, Slot, SlotState};
use crate::model::text::OutsideText;
use crate::model::version::{IllegalTransition, Version, VersionState};
use crate::ports::{
    ActOrderError, ActOrders, AlarmStates, InventoryError, KeyProvider, ProviderError, SecretError,
    Stage,
};
pub use crate::rules::consent::{CONSENT, Second};
use crate::rules::consent::{Consent, consent};
use crate::rules::pool::usable;
use crate::rules::restore::{
    KeyFacts, Picked, Place, alarms, is_over, may_be_lifted, may_come_back, pick, place,
};
pub use crate::rules::restore::{Refused, Wanted};
use crate::usecases::cap::CapSet;
use crate::usecases::kill::Invocation;
use crate::usecases::retire::needs_a_key;

/// So many of a slot's incidents are looked through for the one that cut a key off, latest first.
const INCIDENTS: usize = 20;

/// What a person wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreOrder {
    /// The slot.
    pub slot: SlotName,
    /// The key that is wanted back; without one, the slot is only lifted.
    pub key: Option<Wanted>,
    /// Whether an alarm that goes on, or cannot be asked, stands in the way.
    pub alarm: AlarmCounts,
    /// Who asks.
    pub by: CallerArn,
    /// Whether a second person must agree.
    pub second: Second,
}

/// Whether the alarm that set a kill off stands in the way of a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmCounts {
    /// It does while it is in ALARM, or cannot be asked.
    Yes,
    /// It does not: the person knows better.
    Forced,
}

/// What came of a restore.
#[derive(Debug)]
pub enum RestoreOutcome {
    /// The request is kept for [`CONSENT`], and waits for a second person to ask for the same.
    Asked(Asked),
    /// It is done.
    Restored(Box<Restored>),
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the slot was.
    pub was: SlotState,
    /// The slot as it is now.
    pub slot: Slot,
    /// The key, as it is now.
    pub key: Option<Version>,
    /// What the key that agents fetch may spend now.
    pub cap: CapSet,
    /// Whether a new key is made.
    pub new_key: NewKey,
}

/// Why nothing, or not everything, was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is no such slot.
    #[error("there is no slot `{0}` in the inventory")]
    Unknown(SlotName),
    /// Something stands in the way. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A kill came meanwhile, and wins: the key is cut off again.
    #[error("the slot was cut off again meanwhile: the key stays dead")]
    KilledMeanwhile,
    /// The provider does not take the key. It was cut off again.
    #[error("the key was resumed, but its provider does not accept it ({0}); it was cut off again")]
    NotAccepted(OutsideText),
    /// The key came back with more than it had. It was cut off again.
    #[error("the key came back with more reach than it had ({0}); it was cut off again")]
    Wider(String),
    /// The provider. A key that it may have resumed is cut off again at once, or by `retire`.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The kill switch could not resume the key for now. It was cut off again, if it was resumed.
    #[error("the kill switch could not do it ({0})")]
    NotResumed(OutsideText),
    /// What the kill switch did is not known. A key that may have come back is cut off again by `retire`, when the time is
    /// over in which it can come back.
    #[error(transparent)]
    KillSwitch(#[from] ActOrderError),
    /// Secrets Manager.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The inventory. Send it again: it goes on where it stands.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// A version is not where it should be.
    #[error(transparent)]
    Transition(#[from] IllegalTransition),
}

/// What there is to restore.
#[derive(Debug)]
pub struct Foreseen {
    /// The slot.
    pub slot: Slot,
    /// The key, as it stands.
    pub key: Option<Version>,
    /// What the key would be; `None` if no key comes back.
    pub becomes: Option<VersionState>,
}

/// Everything that was read, and nothing that speaks against it.
struct Found {
    slot: Slot,
    key: Option<FoundKey>,
}

enum FoundKey {
    IsBack(Box<Version>),
    CutOff(Box<CutOff>),
}

/// A key to bring back, and what that takes.
struct CutOff {
    version: Version,
    incident: Incident,
    place: Place,
    text: ApiKey,
    provider: Arc<dyn KeyProvider>,
}

/// What a restore would do. Nothing is changed.
///
/// # Errors
/// [`RestoreError`]: it would be refused.
pub async fn foresee(
    ports: &Ports,
    states: &dyn AlarmStates,
    order: &RestoreOrder,
    invocation: &Invocation,
) -> Result<Foreseen, RestoreError> {
    let found = look(ports, states, order, invocation).await?;
    let (key, becomes) = match found.key {
        None => (None, None),
        Some(FoundKey::IsBack(version)) => (Some(*version), None),
        Some(FoundKey::CutOff(cut)) => {
            let becomes = match cut.place {
                Place::Current => VersionState::Current,
                Place::Retiring => VersionState::Retiring,
            };
            (Some(cut.version), Some(becomes))
        }
    };
    Ok(Foreseen {
        slot: found.slot,
        key,
        becomes,
    })
}

/// Restores what the order names. May be repeated: what is back already stays so.
///
/// # Errors
/// [`RestoreError`].
pub async fn restore(
    ports: &Ports,
    orders: &dyn ActOrders,
    states: &dyn AlarmStates,
    order: &RestoreOrder,
    invocation: &Invocation,
) -> Result<RestoreOutcome, RestoreError> {
    let found = look(ports, states, order, invocation).await?;
    if order.second == Second::Needed
        && let Some(asked) = first_word(ports, order, &found.slot).await?
    {
        return Ok(RestoreOutcome::Asked(asked));
    }
    let (was, epoch) = (found.slot.state, found.slot.epoch);
    let key = match found.key {
        None => None,
        Some(FoundKey::IsBack(version)) => Some(*version),
        Some(FoundKey::CutOff(cut)) => {
            Some(key::bring_back(ports, orders, &found.slot, *cut, invocation).await?)
        }
    };
    let lifted = lift::lift(ports, orders, &order.slot, epoch).await?;
    Ok(RestoreOutcome::Restored(Box::new(Restored {
        was,
        slot: lifted.slot,
        key,
        cap: lifted.cap,
        new_key: lifted.new_key,
    })))
}

/// Reads everything, and refuses what may not be done.
async fn look(
    ports: &Ports,
    states: &dyn AlarmStates,
    order: &RestoreOrder,
    invocation: &Invocation,
) -> Result<Found, RestoreError> {
    let inventory = &ports.inventory;
    let slot = inventory.slot(&order.slot).await?;
    let slot = slot.ok_or_else(|| RestoreError::Unknown(order.slot.clone()))?;
    let versions = inventory.versions(&slot.name).await?;
    let open = inventory.incident_of_slot(&slot.name).await?;
    may_be_lifted(&slot, open.as_ref())?;
    let key = match &order.key {
        None => None,
        Some(wanted) => Some(match pick(&slot, &versions, wanted)? {
            Picked::IsBack(version) => FoundKey::IsBack(Box::new(version.clone())),
            Picked::CutOff(version) => {
                let cut = look_at_key(ports, &slot, &versions, open.as_ref(), version, invocation);
                FoundKey::CutOff(Box::new(cut.await?))
            }
        }),
    };
    if key.is_none() {
        can_have_a_key(ports, &slot, &versions).await?;
    }
    if order.alarm == AlarmCounts::Yes {
        let of_key = match &key {
            Some(FoundKey::CutOff(cut)) => Some(cut.incident.clone()),
            _ => last_incident(ports, &slot).await?,
        };
        for alarm in of_key.iter().flat_map(alarms) {
            is_over(&alarm, states.state(&alarm).await.as_ref())?;
        }
    }
    Ok(Found { slot, key })
}

/// A slot without a key is not lifted while its pool has none for it: it would be active, and its agent would have nothing.
async fn can_have_a_key(
    ports: &Ports,
    slot: &Slot,
    versions: &[Version],
) -> Result<(), RestoreError> {
    let lifted = Slot {
        state: SlotState::Active,
        ..slot.clone()
    };
    if slot.kind != CredentialKind::Pool || !needs_a_key(&lifted, versions) {
        return Ok(());
    }
    let pool = pool::read(ports, &slot.account).await?;
    match usable(&pool.standby, slot, ports.clock.now()).is_empty() {
        true => Err(RestoreError::Refused(Refused::PoolEmpty {
            slot: slot.name.clone(),
            account: slot.account.clone(),
        })),
        false => Ok(()),
    }
}

async fn look_at_key(
    ports: &Ports,
    slot: &Slot,
    versions: &[Version],
    open: Option<&Incident>,
    version: &Version,
    invocation: &Invocation,
) -> Result<CutOff, RestoreError> {
    let incident = cut_by(ports, slot, version).await?;
    let incident = incident.ok_or_else(|| Refused::NothingToRestore(slot.name.clone()))?;
    let provider = ports.providers.open(&slot.account, slot.provider).await?;
    may_come_back(&KeyFacts {
        slot,
        version,
        incident: &incident,
        open,
        owner: &invocation.owner,
        suspension: provider.abilities().suspension,
        now: ports.clock.now(),
    })?;
    let secret = ports.secrets.describe(slot.secret.as_str()).await?;
    let place = place(version, secret.holder(&Stage::Current), versions)?;
    let text = key_text::readable(ports, slot, provider.as_ref(), version).await?;
    let text = text.ok_or_else(|| Refused::TextGone(OutsideText::new(&version.shown())))?;
    Ok(CutOff {
        version: version.clone(),
        incident,
        place,
        text,
        provider,
    })
}

/// The incident that cut a version off.
async fn cut_by(
    ports: &Ports,
    slot: &Slot,
    version: &Version,
) -> Result<Option<Incident>, InventoryError> {
    for epoch in (1..=slot.epoch.0).rev().take(INCIDENTS) {
        let id = Incident::id_of(&slot.name, crate::model::slot::Epoch(epoch));
        let incident = ports.inventory.incident(&id).await?;
        let has = |i: &Incident| i.undo.iter().any(|undo| undo.version == version.id);
        if let Some(incident) = incident.filter(has) {
            return Ok(Some(incident));
        }
    }
    Ok(None)
}

async fn last_incident(ports: &Ports, slot: &Slot) -> Result<Option<Incident>, InventoryError> {
    match slot.killed {
        None => Ok(None),
        Some(killed) => {
            let id = Incident::id_of(&slot.name, killed.epoch);
            ports.inventory.incident(&id).await
        }
    }
}

/// Keeps the first word for a restore; `None` if this is the second.
async fn first_word(
    ports: &Ports,
    order: &RestoreOrder,
    slot: &Slot,
) -> Result<Option<Asked>, RestoreError> {
    let now = ports.clock.now();
    let what = match &order.key {
        Some(key) => format!("key {key}, alarm {:?}", order.alarm),
        None => format!("no key, alarm {:?}", order.alarm),
    };
    let request = Asked {
        by: order.by.clone(),
        at: now,
        what: OutsideText::new(&what),
        epoch: slot.epoch,
    };
    match consent(slot.restore_asked.as_ref(), request, now).map_err(Refused::from)? {
        Consent::Given => Ok(None),
        Consent::Asked(asked) => {
            let kept = Slot {
                restore_asked: Some(asked.clone()),
                ..slot.clone()
            };
            ports.inventory.save_slot(&kept).await?;
            Ok(Some(asked))
        }
    }
}
