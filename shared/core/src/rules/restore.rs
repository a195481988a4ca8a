//! Whether a person may bring back what a kill took away: a key that was cut off, or the slot's freedom to make keys.

use jiff::Timestamp;

use crate::model::alarm::{AlarmArn, AlarmState};
use crate::model::incident::{Containment, Evidence, HowCut, Incident, KillStep, OwnerId};
use crate::model::names::{AccountName, SecretVersionId, SlotName};
use crate::model::slot::{ProviderName, Slot, SlotState};
use crate::model::text::OutsideText;
use crate::model::version::{Version, VersionId, VersionState};
use crate::ports::Suspension;
use crate::rules::consent::SamePerson;

/// Which key is wanted back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The one that agents fetched last before it was cut off.
    Newest,
    /// This one.
    Version(VersionId),
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Newest => f.write_str("newest"),
            Self::Version(id) => id.fmt(f),
        }
    }
}

/// What stands in a restore's way. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The agent is gone.
    #[error("slot `{0}` is decommissioned: nothing is made or restored for it")]
    Decommissioned(SlotName),
    /// No key that was cut off is there to be brought back.
    #[error("slot `{0}` has no key that was cut off and can be brought back")]
    NothingToRestore(SlotName),
    /// It is not one of the slot's keys.
    #[error("slot `{slot}` has no version `{version}`")]
    NoSuchVersion {
        /// The slot.
        slot: SlotName,
        /// What was asked for.
        version: VersionId,
    },
    /// It is in a state that no restore leads out of.
    #[error("version {version} is {state:?}: only what a kill cut off can be brought back")]
    NotContained {
        /// The version.
        version: VersionId,
        /// Its state.
        state: VersionState,
    },
    /// The key does not exist any more.
    #[error("the key {0} was deleted at the provider, and cannot be brought back by anybody")]
    Deleted(OutsideText),
    /// A leak is final.
    #[error("a leak of the slot's keys was proved: they stay dead")]
    Leaked,
    /// The provider cannot resume a key.
    #[error("{0} has no call that resumes a key")]
    CannotResume(ProviderName),
    /// The kill is not over.
    #[error("the slot is not cut off whole yet (incident {0})")]
    NotContainedYet(String),
    /// Another incident than the one that cut the key off is open.
    #[error("the slot was cut off again since (incident {0}), and that is not over")]
    CutOffAgain(String),
    /// Somebody else is at work.
    #[error("somebody else is at work on it, until {0:.0} at the latest")]
    Busy(Timestamp),
    /// What set it off goes on.
    #[error("the alarm {0} that cut the slot off is still in ALARM")]
    StillInAlarm(AlarmArn),
    /// Whether it goes on is not known.
    #[error("CloudWatch could not be asked whether the alarm {0} is still in ALARM")]
    AlarmUnknown(AlarmArn),
    /// The key's text cannot be read back, so nobody can see whether it works.
    #[error("the text of the key {0} cannot be read any more, so nobody can see whether it works")]
    TextGone(OutsideText),
    /// Agents fetch neither this key nor a replacement that works.
    #[error("agents fetch another key, which is cut off too: bring that one back")]
    NotFetched,
    /// The slot has no key, and people have to make one first. Nothing was lifted: a slot in use has a key.
    #[error(
        "slot `{slot}` has no key, and the standby pool of account {account} has none that it can use"
    )]
    PoolEmpty {
        /// The slot.
        slot: SlotName,
        /// The account.
        account: AccountName,
    },
    /// The second word must be somebody else's.
    #[error(transparent)]
    SamePerson(#[from] SamePerson),
}

/// The key that is meant, as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picked<'a> {
    /// It was cut off, or somebody began to bring it back.
    CutOff(&'a Version),
    /// It is back already.
    IsBack(&'a Version),
}

/// Finds the key that is wanted.
///
/// # Errors
/// [`Refused`].
pub fn pick<'a>(
    slot: &Slot,
    versions: &'a [Version],
    wanted: &Wanted,
) -> Result<Picked<'a>, Refused> {
    let version = match wanted {
        Wanted::Version(id) => {
            let found = versions.iter().find(|v| v.id == *id);
            found.ok_or_else(|| Refused::NoSuchVersion {
                slot: slot.name.clone(),
                version: id.clone(),
            })?
        }
        Wanted::Newest => {
            let was_cut_off = |v: &&Version| match v.state {
                VersionState::Contained | VersionState::Restoring => true,
                VersionState::Current | VersionState::Retiring => v.restored.is_some(),
                _ => false,
            };
            let is_ending =
                |v: &&Version| matches!(v.state, VersionState::Revoking | VersionState::Revoked);
            let used = || versions.iter().filter(|v| v.promoted.is_some());
            let newest = used().filter(was_cut_off).max_by_key(|v| v.promoted);
            newest
                .or_else(|| used().filter(is_ending).max_by_key(|v| v.promoted))
                .ok_or_else(|| Refused::NothingToRestore(slot.name.clone()))?
        }
    };
    match version.state {
        VersionState::Contained | VersionState::Restoring => Ok(Picked::CutOff(version)),
        VersionState::Current | VersionState::Retiring => Ok(Picked::IsBack(version)),
        VersionState::Revoking | VersionState::Revoked => {
            Err(Refused::Deleted(OutsideText::new(&version.shown())))
        }
        state => Err(Refused::NotContained {
            version: version.id.clone(),
            state,
        }),
    }
}

/// What is known when a key is wanted back.
#[derive(Debug, Clone)]
pub struct KeyFacts<'a> {
    /// The slot.
    pub slot: &'a Slot,
    /// The key.
    pub version: &'a Version,
    /// The incident that cut it off.
    pub incident: &'a Incident,
    /// The slot's open incident.
    pub open: Option<&'a Incident>,
    /// Who would do the work.
    pub owner: &'a OwnerId,
    /// How its provider suspends keys.
    pub suspension: Suspension,
    /// The time.
    pub now: Timestamp,
}

/// Whether the key may be brought back at all.
///
/// # Errors
/// [`Refused`].
pub fn may_come_back(facts: &KeyFacts<'_>) -> Result<(), Refused> {
    let KeyFacts {
        version,
        incident,
        now,
        ..
    } = *facts;
    if incident.containment == Containment::Final {
        return Err(Refused::Leaked);
    }
    if facts.suspension == Suspension::None {
        return Err(Refused::CannotResume(facts.slot.provider));
    }
    let shown = || OutsideText::new(&version.shown());
    let undo = incident.undo.iter().find(|undo| undo.version == version.id);
    match undo.and_then(|undo| undo.cut) {
        Some((HowCut::Suspended | HowCut::Narrowed, _)) => {}
        Some((HowCut::Deleted | HowCut::NothingFound, _)) => {
            return Err(Refused::Deleted(shown()));
        }
        None => return Err(Refused::NotContainedYet(incident.id.clone())),
    }
    if version.handle.is_none() {
        return Err(Refused::NothingToRestore(facts.slot.name.clone()));
    }
    if let Some(open) = facts.open.filter(|open| open.id != incident.id) {
        return Err(Refused::CutOffAgain(open.id.clone()));
    }
    if incident.closed.is_none() && incident.done(KillStep::Contain).is_none() {
        return Err(Refused::NotContainedYet(incident.id.clone()));
    }
    if incident.is_leased_by_another(facts.owner, now) {
        return Err(Refused::Busy(incident.lease_until.unwrap_or(now)));
    }
    let at_work = version.lease_until.filter(|until| *until > now);
    match at_work.filter(|_| version.state == VersionState::Restoring) {
        Some(until) => Err(Refused::Busy(until)),
        None => Ok(()),
    }
}

/// What a key is once it is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Agents fetch it.
    Current,
    /// Agents fetch its replacement; those that hold it still work until its overlap is over.
    Retiring,
}

/// Where a key comes back to, by which secret version carries AWSCURRENT.
///
/// # Errors
/// [`Refused::NotFetched`].
pub fn place(
    version: &Version,
    holder: Option<&SecretVersionId>,
    versions: &[Version],
) -> Result<Place, Refused> {
    if holder == Some(&version.id.secret_version) {
        return Ok(Place::Current);
    }
    let works =
        |v: &Version| Some(&v.id.secret_version) == holder && v.state == VersionState::Current;
    match versions.iter().any(works) {
        true => Ok(Place::Retiring),
        false => Err(Refused::NotFetched),
    }
}

/// Whether the slot can be lifted out of what a kill put it into.
///
/// # Errors
/// [`Refused`].
pub fn may_be_lifted(slot: &Slot, open: Option<&Incident>) -> Result<(), Refused> {
    if slot.state == SlotState::Decommissioned {
        return Err(Refused::Decommissioned(slot.name.clone()));
    }
    match open.filter(|open| open.done(KillStep::Contain).is_none()) {
        Some(open) => Err(Refused::NotContainedYet(open.id.clone())),
        None => Ok(()),
    }
}

/// The alarms that set an incident off.
pub fn alarms(incident: &Incident) -> Vec<AlarmArn> {
    let of_alarms = incident
        .triggers
        .iter()
        .filter(|trigger| matches!(trigger.evidence, Evidence::Alarm | Evidence::UncheckedAlarm));
    let arns = of_alarms.filter_map(|t| t.id.as_str().rsplit_once('@')?.0.parse().ok());
    let mut arns: Vec<AlarmArn> = arns.collect();
    arns.dedup();
    arns
}

/// Whether what an alarm says lets a restore go on. `None`: it could not be asked.
///
/// # Errors
/// [`Refused`].
pub fn is_over(alarm: &AlarmArn, state: Option<&AlarmState>) -> Result<(), Refused> {
    match state {
        Some(AlarmState::Alarm) => Err(Refused::StillInAlarm(alarm.clone())),
        Some(AlarmState::Ok | AlarmState::InsufficientData) => Ok(()),
        Some(AlarmState::Other(_)) | None => Err(Refused::AlarmUnknown(alarm.clone())),
    }
}

#[cfg(test)]
mod tests;
