//! A leak: whose the keys are that somebody found where they must not be, and the end of those that no agent uses. What is
//! alive is cut off by a kill of its slot.

use futures::{StreamExt, TryStreamExt, stream};

use super::{Ports, pool};
use crate::model::key::{Fingerprint, Hint};
use crate::model::names::{AccountName, SlotName};
use crate::model::version::{VersionId, VersionState};
use crate::ports::{Fence, InventoryError};

/// Keys that are looked up at once.
const AT_ONCE: usize = 16;

/// How often a key is ended anew where somebody else writes its record meanwhile.
const TRIES: usize = 4;

/// Whose a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// A slot's.
    Slot {
        /// The slot.
        slot: SlotName,
        /// The version that it is; `None` where the slot has it no more.
        version: Option<VersionId>,
        /// Whether it can be used.
        life: Life,
    },
    /// It stands by for slots of an account, or did until it leaked.
    Standby {
        /// The account.
        account: AccountName,
        /// Prefix and last four characters.
        hint: Hint,
        /// Whether it leaked before, and its provider was seen to have it no more.
        is_ended: bool,
    },
    /// Nobody's that is known.
    Nobody,
}

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It works, or may: its slot is to be cut off.
    Alive,
    /// A kill cut it off, and a person could bring it back.
    CutOff,
    /// It is being revoked: not seen refused often enough yet.
    Ending,
    /// It was seen to be refused for good.
    Dead,
}

impl Life {
    /// Of a version in this state. Whatever is not known to be cut off counts as alive.
    pub const fn of(state: VersionState) -> Self {
        match state {
            VersionState::Intended
            | VersionState::Pending
            | VersionState::Promoting
            | VersionState::Current
            | VersionState::Retiring
            | VersionState::Abandoned
            | VersionState::Restoring => Self::Alive,
            VersionState::Contained => Self::CutOff,
            VersionState::Revoking => Self::Ending,
            VersionState::Revoked => Self::Dead,
        }
    }
}

/// Looks up whose each key is, in the order given.
///
/// # Errors
/// [`InventoryError`]: of none of them is it known. What one of them is, unknown, must not be taken for nobody's.
pub async fn trace(
    ports: &Ports,
    prints: &[Fingerprint],
) -> Result<Vec<(Fingerprint, Whose)>, InventoryError> {
    let standby = standby(ports).await?;
    let traced = prints.iter().map(|print| {
        let by_pool = standby.iter().find(|(known, _)| known == print);
        let by_pool = by_pool.map(|(_, whose)| whose.clone());
        async move {
            let whose = match by_pool {
                Some(whose) => whose,
                None => of_slot(ports, print).await?,
            };
            Ok((*print, whose))
        }
    });
    stream::iter(traced).buffered(AT_ONCE).try_collect().await
}

/// The pools are read before the slots: a key that is drawn meanwhile is found in one of them.
async fn standby(ports: &Ports) -> Result<Vec<(Fingerprint, Whose)>, InventoryError> {
    let mut standby = Vec::new();
    for account in ports.providers.pools() {
        let pool = pool::read(ports, &account).await?;
        let stands_by = pool.standby.into_iter().map(|key| (key, false));
        let leaked = pool.leaked.into_iter();
        let leaked = leaked.map(|leaked| (leaked.key, leaked.ended.is_some()));
        standby.extend(stands_by.chain(leaked).map(|(key, is_ended)| {
            let whose = Whose::Standby {
                account: account.clone(),
                hint: key.hint,
                is_ended,
            };
            (key.fingerprint, whose)
        }));
    }
    Ok(standby)
}

async fn of_slot(ports: &Ports, print: &Fingerprint) -> Result<Whose, InventoryError> {
    let Some(slot) = ports.inventory.holder(print).await? else {
        return Ok(Whose::Nobody);
    };
    let versions = ports.inventory.versions(&slot).await?;
    // A key that was put back by hand is a version again.
    let of_key = versions
        .into_iter()
        .filter(|version| version.fingerprint.as_ref() == Some(print));
    let worst = of_key.max_by_key(|version| Life::of(version.state) == Life::Alive);
    Ok(match worst {
        Some(version) => Whose::Slot {
            slot,
            life: Life::of(version.state),
            version: Some(version.id),
        },
        // The claim on the key outlives its version.
        None => Whose::Slot {
            slot,
            version: None,
            life: Life::Dead,
        },
    })
}

/// Has a key that a kill suspended, and that nobody may bring back now, revoked at once instead of when its time is over:
/// `retire` carries on from there. What became of it by then; [`Life::Alive`] if somebody is bringing it back.
///
/// # Errors
/// [`InventoryError`]: it stays as it was. Send the same again.
pub async fn end_cut_off(
    ports: &Ports,
    slot: &SlotName,
    id: &VersionId,
) -> Result<Life, InventoryError> {
    for _ in 1..TRIES {
        match end_once(ports, slot, id).await {
            Err(InventoryError::Conflict) => {}
            done => return done,
        }
    }
    end_once(ports, slot, id).await
}

async fn end_once(ports: &Ports, slot: &SlotName, id: &VersionId) -> Result<Life, InventoryError> {
    let versions = ports.inventory.versions(slot).await?;
    let Some(version) = versions.into_iter().find(|version| version.id == *id) else {
        return Ok(Life::Dead);
    };
    let now = ports.clock.now();
    let at_work_until = version.lease_until.map_or(now, |until| until.max(now));
    let life = Life::of(version.state);
    if life != Life::CutOff {
        return Ok(life);
    }
    let Ok(mut ending) = version.become_state(VersionState::Revoking) else {
        return Ok(life);
    };
    ending.revoke_begun = Some(now);
    ending.due_at = Some(at_work_until);
    ports
        .inventory
        .save_versions(&[ending], Fence::None)
        .await?;
    Ok(Life::Ending)
}
