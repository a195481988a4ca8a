//! The guard before the four rotation steps.
//!
//! The contract is Secrets Manager's:
//! <https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html>.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::model::names::SecretVersionId;
use crate::model::slot::{Slot, SlotState};
use crate::model::version::{Version, VersionState};
use crate::ports::{SecretDescription, Stage};

/// Rotations of one slot within [`BUDGET_WINDOW`], at most: a secret holds 100 versions, and those younger than a day
/// are not pruned.
const BUDGET: usize = 20;

/// The window of [`BUDGET`].
const BUDGET_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// Two rotations of one slot begin at least so far apart, unless a kill asks for the second.
const SPACING: SignedDuration = SignedDuration::from_mins(10);

/// The four steps of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStep {
    /// Make the new key and store it under AWSPENDING.
    Create,
    /// Put limits on it.
    Set,
    /// See that the provider accepts it.
    Test,
    /// Move AWSCURRENT to it.
    Finish,
}

impl RotationStep {
    /// All steps in their order.
    pub const ALL: [Self; 4] = [Self::Create, Self::Set, Self::Test, Self::Finish];
}

/// The step is none of the four.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no rotation step; known are createSecret, setSecret, testSecret and finishSecret"
)]
pub struct UnknownStep(pub String);

impl FromStr for RotationStep {
    type Err = UnknownStep;

    /// Reads a step as Secrets Manager sends it (`createSecret`) and as its guide spells it (`create_secret`).
    fn from_str(text: &str) -> Result<Self, UnknownStep> {
        match text {
            "createSecret" | "create_secret" => Ok(Self::Create),
            "setSecret" | "set_secret" => Ok(Self::Set),
            "testSecret" | "test_secret" => Ok(Self::Test),
            "finishSecret" | "finish_secret" => Ok(Self::Finish),
            other => Err(UnknownStep(
                crate::model::text::OutsideText::new(other)
                    .as_str()
                    .chars()
                    .take(40)
                    .collect(),
            )),
        }
    }
}

/// What the guard looks at.
#[derive(Debug, Clone, Copy)]
pub struct RotationFacts<'a> {
    /// The step that is asked for.
    pub step: RotationStep,
    /// The ClientRequestToken of the rotation.
    pub token: &'a SecretVersionId,
    /// The secret as it is.
    pub secret: &'a SecretDescription,
    /// The slot that the secret's tag names.
    pub slot: &'a Slot,
    /// The slot's versions.
    pub versions: &'a [Version],
    /// The time of the decision.
    pub now: Timestamp,
}

/// What to do about a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepDecision {
    /// Carry it out.
    Proceed,
    /// Nothing is left to do.
    AlreadyDone,
    /// Do nothing, and say why.
    Refuse(Refusal),
}

/// Why a step is refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The slot names another secret.
    #[error("the secret's tag names slot `{slot}`, but that slot belongs to another secret")]
    OtherSecret {
        /// The slot in the tag.
        slot: crate::model::names::SlotName,
    },
    /// Rotation is off, or was never configured.
    #[error("rotation is not enabled for the secret")]
    RotationOff,
    /// The secret has no version with this token that carries a label.
    #[error(
        "version {0} carries no label of the secret: the rotation it belonged to is over or was cancelled"
    )]
    UnknownToken(SecretVersionId),
    /// The version carries labels, but not AWSPENDING.
    #[error("version {token} carries {found} instead of AWSPENDING")]
    NotPending {
        /// The version.
        token: SecretVersionId,
        /// Its labels.
        found: String,
    },
    /// The slot makes no keys at present.
    #[error("the slot is {0}: no key is made until a person says so")]
    SlotClosed(&'static str),
    /// The slot has rotated too often lately.
    #[error("the slot was rotated {0} times within 24 hours; the next rotation waits")]
    Budget(usize),
    /// All keys that the slot can have at a time may be in use.
    #[error(
        "the slot's replaced key is not revoked yet, and it can have no third; the next rotation waits, until {0} at the latest"
    )]
    StillRetiring(Timestamp),
    /// The slot was rotated a moment ago.
    #[error("the slot was rotated less than 10 minutes ago; the next rotation waits until {}", .0.strftime("%Y-%m-%d %H:%M:%S UTC"))]
    TooSoon(Timestamp),
}

impl Refusal {
    /// Whether the same step can be accepted later without a person.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Budget(_) | Self::TooSoon(_) | Self::StillRetiring(_) => true,
            Self::OtherSecret { .. }
            | Self::RotationOff
            | Self::UnknownToken(_)
            | Self::NotPending { .. }
            | Self::SlotClosed(_) => false,
        }
    }
}

/// Decides whether a step may be carried out. Nothing is left to do once the records say that the rotation's key was
/// promoted, wherever the labels are. A version can be AWSCURRENT before its rotation is over: the label has moved and
/// the records lag, or it is the secret's first value, which Secrets Manager makes current by itself
/// (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html>). Then the steps proceed.
pub fn guard(facts: &RotationFacts<'_>) -> StepDecision {
    let RotationFacts {
        step,
        token,
        secret,
        slot,
        ..
    } = *facts;
    if secret.arn != slot.secret {
        return StepDecision::Refuse(Refusal::OtherSecret {
            slot: slot.name.clone(),
        });
    }
    let own = |v: &&Version| v.id.attempt > 0 && v.id.secret_version == *token;
    let mut own = facts.versions.iter().filter(own);
    if own.clone().any(|v| v.state.is_promoted()) {
        return StepDecision::AlreadyDone;
    }
    if secret.has(token, &Stage::Current) {
        return if own.any(|v| v.state.is_in_rotation()) {
            StepDecision::Proceed
        } else {
            StepDecision::AlreadyDone
        };
    }
    if let Some(refusal) = not_pending(secret, token).or_else(|| closed(slot)) {
        return StepDecision::Refuse(refusal);
    }
    match step {
        RotationStep::Create => budget(slot, facts.versions, Some(token), facts.now)
            .or_else(|| full(slot, facts.versions, facts.now))
            .map_or(StepDecision::Proceed, StepDecision::Refuse),
        RotationStep::Set | RotationStep::Test | RotationStep::Finish => StepDecision::Proceed,
    }
}

/// Why Secrets Manager is not rotating the secret under this token, as far as its description says; `None` if it is.
pub(super) fn not_pending(secret: &SecretDescription, token: &SecretVersionId) -> Option<Refusal> {
    if !secret.rotation_enabled {
        return Some(Refusal::RotationOff);
    }
    let Some(stages) = secret.stages.get(token) else {
        return Some(Refusal::UnknownToken(token.clone()));
    };
    let found: Vec<String> = stages.iter().map(Stage::to_string).collect();
    let is_pending = stages.contains(&Stage::Pending);
    (!is_pending).then(|| Refusal::NotPending {
        token: token.clone(),
        found: match found.is_empty() {
            true => "no label".to_owned(),
            false => found.join(", "),
        },
    })
}

/// Why createSecret would refuse a rotation that is begun now; `None` if it would not.
pub fn refused_now(slot: &Slot, versions: &[Version], now: Timestamp) -> Option<Refusal> {
    closed(slot)
        .or_else(|| budget(slot, versions, None, now))
        .or_else(|| full(slot, versions, now))
}

/// Whether the slot takes no key at present.
const fn closed(slot: &Slot) -> Option<Refusal> {
    match slot.state {
        SlotState::Active | SlotState::Restricted => None,
        SlotState::Suspended => Some(Refusal::SlotClosed("suspended")),
        SlotState::Decommissioned => Some(Refusal::SlotClosed("decommissioned")),
    }
}

/// Whether as many keys as the slot can have may be in use. One that was cut off is not: room is made for the next.
fn full(slot: &Slot, versions: &[Version], now: Timestamp) -> Option<Refusal> {
    let most = slot.provider.keys_at_a_time()?;
    let in_use = versions.iter().filter(|v| v.state.is_promoted());
    if in_use.clone().count() < most {
        return None;
    }
    let until = in_use.filter_map(|v| v.deadline).min();
    Some(Refusal::StillRetiring(until.unwrap_or(now)))
}

/// Whether the slot has rotated too often or too lately for the rotation `token`. The first rotation of an epoch, which
/// a kill asks for, does not wait for the spacing.
fn budget(
    slot: &Slot,
    versions: &[Version],
    token: Option<&SecretVersionId>,
    now: Timestamp,
) -> Option<Refusal> {
    let others = versions
        .iter()
        .filter(|v| v.id.attempt > 0 && Some(&v.id.secret_version) != token);
    let mut begun: Vec<(&SecretVersionId, Timestamp)> = others
        .clone()
        .filter(|v| v.begun_at() + BUDGET_WINDOW > now)
        .map(|v| (&v.id.secret_version, v.begun_at()))
        .collect();
    begun.sort();
    begun.dedup_by_key(|(token, _)| *token);
    if begun.len() >= BUDGET {
        return Some(Refusal::Budget(begun.len()));
    }
    let first_of_its_epoch = !others.clone().any(|v| v.epoch == slot.epoch);
    let latest = begun.iter().map(|(_, at)| *at).max()?;
    let next = latest + SPACING;
    (next > now && !(first_of_its_epoch && slot.epoch.0 > 0)).then_some(Refusal::TooSoon(next))
}

/// What agents fetch from AWSCURRENT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// A key that works, by the records.
    Works,
    /// A key that is cut off, revoked or on its way there.
    CutOff,
    /// None: the secret has no value yet.
    Nothing,
    /// A key that the records do not know, or that somebody is bringing back.
    Unknown,
}

/// What agents fetch from AWSCURRENT, by the records.
pub fn served(secret: &SecretDescription, versions: &[Version]) -> Served {
    let Some(holder) = secret.holder(&Stage::Current) else {
        return Served::Nothing;
    };
    let under_it = versions.iter().filter(|v| v.id.secret_version == *holder);
    let states: Vec<VersionState> = under_it.map(|v| v.state).collect();
    let works = |state: &VersionState| state.is_promoted() || *state == VersionState::Promoting;
    let is_cut_off = |state: &VersionState| {
        matches!(
            state,
            VersionState::Contained
                | VersionState::Abandoned
                | VersionState::Revoking
                | VersionState::Revoked
        )
    };
    match &states[..] {
        states if states.iter().any(works) => Served::Works,
        [] => Served::Unknown,
        states if states.iter().all(is_cut_off) => Served::CutOff,
        _ => Served::Unknown,
    }
}

#[cfg(test)]
mod tests;
