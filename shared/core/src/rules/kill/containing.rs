//! What is cut off in a kill, and what becomes of its record.

use jiff::{SignedDuration, Timestamp};

use crate::model::incident::{Containment, HowCut};
use crate::model::names::KeyHandle;
use crate::model::version::{IllegalTransition, Version, VersionState};

/// So long a suspended key can be restored. Then it is revoked.
pub const KEPT_FOR_RESTORE: SignedDuration = SignedDuration::from_hours(72);

/// What was done to one version's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutMade {
    /// What.
    pub how: HowCut,
    /// What the key is called by, where that is known.
    pub handle: Option<KeyHandle>,
}

/// Whether the provider has to be asked to cut the version's key off.
pub fn is_to_be_cut(version: &Version, containment: Containment) -> bool {
    match version.state {
        VersionState::Intended
        | VersionState::Pending
        | VersionState::Promoting
        | VersionState::Current
        | VersionState::Retiring
        | VersionState::Restoring => true,
        VersionState::Contained => containment == Containment::Final,
        VersionState::Abandoned | VersionState::Revoking => version.revoke_accepted.is_none(),
        VersionState::Revoked => false,
    }
}

/// What a version ends as. One that was on its way out before goes on dying, however soft the kill is.
pub fn containment_of(version: &Version, containment: Containment) -> Containment {
    match version.state {
        VersionState::Abandoned | VersionState::Revoking => Containment::Final,
        _ => containment,
    }
}

/// The version's record after its key was cut off, or `None` if it says so already. A key that can be restored waits
/// for that; one that cannot, or that nobody has used, is revoked as soon as no invocation can be at work on it.
///
/// # Errors
/// [`IllegalTransition`]: none of the states that [`is_to_be_cut`] leads there.
pub fn contained_as(
    version: Version,
    cut: &CutMade,
    containment: Containment,
    now: Timestamp,
) -> Result<Option<Version>, IllegalTransition> {
    if !is_to_be_cut(&version, containment) {
        return Ok(None);
    }
    let containment = containment_of(&version, containment);
    let was_in_use = version.state.is_promoted() || version.state == VersionState::Promoting;
    let at_work_until = version.lease_until.map_or(now, |until| until.max(now));
    let mut next = version;
    next.handle = next.handle.or_else(|| cut.handle.clone());
    if next.state.may_become(VersionState::Contained) {
        next = next.become_state(VersionState::Contained)?;
    }
    let can_be_restored = matches!(cut.how, HowCut::Suspended | HowCut::Narrowed);
    if containment == Containment::Reversible && can_be_restored {
        next.due_at = Some(match was_in_use {
            true => now + KEPT_FOR_RESTORE,
            false => at_work_until,
        });
        return Ok(Some(next));
    }
    next.due_at = Some(at_work_until);
    if cut.how == HowCut::NothingFound {
        return Ok(Some(next));
    }
    if next.state != VersionState::Revoking {
        next = next.become_state(VersionState::Revoking)?;
        next.revoke_begun = Some(now);
    }
    // Whoever is at work on it may bring it to life once more: then it is cut off again after their end.
    if at_work_until == now {
        next.revoke_accepted = Some(now);
    }
    Ok(Some(next))
}
