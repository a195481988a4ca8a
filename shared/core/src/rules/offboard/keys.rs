//! What is to be done next about the keys of one slot.

use jiff::{SignedDuration, Timestamp};

use crate::model::slot::{Slot, SlotState};
use crate::model::version::{Version, VersionState};
use crate::rules::rotation::{Refusal, refused_now};

/// A rotation, or a cut, that was asked for so long ago and shows no effect is asked for anew; the second time after twice
/// as long, and so on.
const ASK_AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// A contained key that ends within so long is on its way.
const SOON: SignedDuration = SignedDuration::from_mins(15);

/// What keeps a key from being replaced or ended now. It is looked at again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Hold {
    /// A new key is being made.
    #[error("a rotation is under way")]
    Rotating,
    /// A rotation was asked for lately.
    #[error("a rotation was asked for")]
    Asked,
    /// The kill's own rotation replaces the key.
    #[error("the slot is being cut off by a kill, which replaces its key")]
    Incident,
    /// No rotation would be taken now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Secrets Manager rotates it no more.
    #[error("rotation is not enabled for the secret")]
    RotationOff,
    /// The pool has nothing to draw.
    #[error("the standby pool of its account has no key that it can use")]
    PoolEmpty,
    /// The old key has been replaced, or cut off, and is not seen dead yet.
    #[error("the old key is not seen dead yet")]
    Ending,
}

/// What is known of a slot whose key somebody who left may know.
#[derive(Debug, Clone, Copy)]
pub struct ReplaceFacts<'a> {
    /// The slot.
    pub slot: &'a Slot,
    /// Its versions.
    pub versions: &'a [Version],
    /// Keys that were begun up to then are known to who left.
    pub known_until: Timestamp,
    /// When they are to be dead.
    pub deadline: Timestamp,
    /// Whether a kill of the slot is open.
    pub is_cut_off: bool,
    /// Whether Secrets Manager rotates the secret.
    pub rotates: bool,
    /// Whether AWSPENDING stands apart from AWSCURRENT.
    pub is_pending: bool,
    /// Whether the pool has a key for it; `true` where keys come from elsewhere.
    pub has_standby: bool,
    /// How often a rotation was asked for, and when last.
    pub asked: (u32, Option<Timestamp>),
    /// The time.
    pub now: Timestamp,
}

/// What is to be done about a key that somebody who left may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replacing {
    /// Nothing: each such key is dead.
    Done,
    /// Ask for a new key.
    Rotate,
    /// Write these versions, whose end is brought forward.
    Hasten(Vec<Version>),
    /// Nothing now.
    Wait(Hold),
}

/// Whether somebody who could read the secret up to then may know the version's key, and it may be alive.
pub fn is_known(version: &Version, known_until: Timestamp) -> bool {
    version.state.may_be_alive() && version.begun_at() <= known_until
}

/// What is to be done next. An old key keeps its overlap and its drain up to the case's deadline, and not beyond it.
pub fn replace_known(facts: &ReplaceFacts<'_>) -> Replacing {
    let known = || {
        facts
            .versions
            .iter()
            .filter(|v| is_known(v, facts.known_until))
    };
    if known().next().is_none() {
        return Replacing::Done;
    }
    let hastened: Vec<Version> = known().filter_map(|v| hastened(v, facts)).collect();
    if !hastened.is_empty() {
        return Replacing::Hasten(hastened);
    }
    let in_rotation = |v: &Version| v.state.is_in_rotation() || v.state == VersionState::Restoring;
    if facts.versions.iter().any(in_rotation) {
        return Replacing::Wait(Hold::Rotating);
    }
    if !known().any(|v| v.state == VersionState::Current) {
        return Replacing::Wait(Hold::Ending);
    }
    if facts.is_cut_off {
        return Replacing::Wait(Hold::Incident);
    }
    if let Some(refusal) = refused_now(facts.slot, facts.versions, facts.now) {
        return Replacing::Wait(refusal.into());
    }
    if !facts.rotates {
        return Replacing::Wait(Hold::RotationOff);
    }
    if is_asked(facts.asked, facts.now) {
        return Replacing::Wait(Hold::Asked);
    }
    if facts.is_pending {
        return Replacing::Wait(Hold::Rotating);
    }
    match facts.has_standby {
        true => Replacing::Rotate,
        false => Replacing::Wait(Hold::PoolEmpty),
    }
}

/// Whether what was asked for has had no time to show an effect.
fn is_asked((times, last): (u32, Option<Timestamp>), now: Timestamp) -> bool {
    let wait = ASK_AGAIN * i32::try_from(times.max(1)).unwrap_or(i32::MAX);
    last.is_some_and(|at| now < at + wait)
}

/// The version with its end no later than the case's; `None` if that is so. One that AWSCURRENT was moved back to has no
/// end until it is replaced again.
fn hastened(version: &Version, facts: &ReplaceFacts<'_>) -> Option<Version> {
    let latest = facts.deadline;
    let mut next = version.clone();
    match version.state {
        VersionState::Retiring if version.retire_after.is_some() => {
            next.deadline = Some(version.deadline.map_or(latest, |at| at.min(latest)));
            next.retire_after = version.retire_after.min(Some(latest));
            next.due_at = Some(version.due_at.map_or(latest, |at| at.min(latest)));
        }
        VersionState::Contained => {
            next.due_at = Some(version.due_at.map_or(latest, |at| at.min(latest)));
        }
        _ => return None,
    }
    (next != *version).then_some(next)
}

/// What is known of a slot that is given up.
#[derive(Debug, Clone, Copy)]
pub struct EndingFacts<'a> {
    /// The slot.
    pub slot: &'a Slot,
    /// Its versions.
    pub versions: &'a [Version],
    /// Whether the secret's deletion is on record.
    pub is_secret_ended: bool,
    /// The time.
    pub now: Timestamp,
}

/// What is to be done about a slot that is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Write the slot, closed and in its next epoch: from then on no key is made, promoted or brought back.
    Close(Box<Slot>),
    /// Have its keys cut off for good.
    Cut,
    /// Nothing now: `retire` confirms that the keys are dead.
    Wait,
    /// Have its secret deleted: every key is dead.
    DeleteSecret,
    /// Nothing is left to do.
    Done,
}

/// What is to be done next about a slot that is given up. Its secret goes last: the key's text in it is what shows that the
/// key is refused.
pub fn end_of_slot(facts: &EndingFacts<'_>) -> Ending {
    if facts.slot.state != SlotState::Decommissioned {
        let mut closed = facts.slot.clone();
        closed.state = SlotState::Decommissioned;
        closed.epoch = closed.epoch.next();
        closed.due_at = facts.now;
        return Ending::Close(Box::new(closed));
    }
    let alive = || facts.versions.iter().filter(|v| v.state.may_be_alive());
    if alive().any(|v| is_uncut(v, facts.now)) {
        return Ending::Cut;
    }
    if alive().next().is_some() {
        return Ending::Wait;
    }
    match facts.is_secret_ended {
        true => Ending::Done,
        false => Ending::DeleteSecret,
    }
}

/// Whether nobody is at work on the version's end.
fn is_uncut(version: &Version, now: Timestamp) -> bool {
    match version.state {
        VersionState::Intended
        | VersionState::Pending
        | VersionState::Promoting
        | VersionState::Current
        | VersionState::Retiring
        | VersionState::Restoring => true,
        VersionState::Contained => version.due_at.is_none_or(|due| due > now + SOON),
        VersionState::Abandoned | VersionState::Revoking | VersionState::Revoked => false,
    }
}
