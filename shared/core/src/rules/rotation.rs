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
    /// The slot was rotated a moment ago.
    #[error("the slot was rotated less than 10 minutes ago; the next rotation waits until {0}")]
    TooSoon(Timestamp),
}

impl Refusal {
    /// Whether the same step can be accepted later without a person.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Budget(_) | Self::TooSoon(_) => true,
            Self::OtherSecret { .. }
            | Self::RotationOff
            | Self::UnknownToken(_)
            | Self::NotPending { .. }
            | Self::SlotClosed(_) => false,
        }
    }
}

/// Decides whether a step may be carried out. Nothing is left to do once the records say that the rotation's key was
/// promoted. Where only the label says so, finishSecret proceeds, so that the records are brought up to date; and while
/// the key has yet to be tested, every step does: the first value of a secret becomes AWSCURRENT by itself
/// (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html>).
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
    if own_is(facts, &[VersionState::Current, VersionState::Retiring]) {
        return StepDecision::AlreadyDone;
    }
    let untested = own_is(facts, &[VersionState::Intended, VersionState::Pending]);
    if secret.has(token, &Stage::Current) && !untested {
        let finish = step == RotationStep::Finish;
        return if finish {
            StepDecision::Proceed
        } else {
            StepDecision::AlreadyDone
        };
    }
    if !secret.rotation_enabled {
        return StepDecision::Refuse(Refusal::RotationOff);
    }
    let Some(stages) = secret.stages.get(token) else {
        return StepDecision::Refuse(Refusal::UnknownToken(token.clone()));
    };
    if !stages.contains(&Stage::Pending) {
        let found: Vec<String> = stages.iter().map(Stage::to_string).collect();
        let found = if found.is_empty() {
            "no label".to_owned()
        } else {
            found.join(", ")
        };
        return StepDecision::Refuse(Refusal::NotPending {
            token: token.clone(),
            found,
        });
    }
    match slot.state {
        SlotState::Active | SlotState::Restricted => {}
        SlotState::Suspended => return StepDecision::Refuse(Refusal::SlotClosed("suspended")),
        SlotState::Decommissioned => {
            return StepDecision::Refuse(Refusal::SlotClosed("decommissioned"));
        }
    }
    match step {
        RotationStep::Create => budget(facts).map_or(StepDecision::Proceed, StepDecision::Refuse),
        RotationStep::Set | RotationStep::Test | RotationStep::Finish => StepDecision::Proceed,
    }
}

/// Whether a version that this rotation began is in one of `states`.
fn own_is(facts: &RotationFacts<'_>, states: &[VersionState]) -> bool {
    facts.versions.iter().any(|v| {
        v.id.attempt > 0 && v.id.secret_version == *facts.token && states.contains(&v.state)
    })
}

/// Whether the slot has rotated too often or too lately. The first rotation of an epoch, which a kill asks for, does
/// not wait for the spacing.
fn budget(facts: &RotationFacts<'_>) -> Option<Refusal> {
    let mut begun: Vec<(&SecretVersionId, Timestamp)> = facts
        .versions
        .iter()
        .filter(|v| v.id.attempt > 0 && v.id.secret_version != *facts.token)
        .filter(|v| v.created + BUDGET_WINDOW > facts.now)
        .map(|v| (&v.id.secret_version, v.created))
        .collect();
    begun.sort();
    begun.dedup_by_key(|(token, _)| *token);
    if begun.len() >= BUDGET {
        return Some(Refusal::Budget(begun.len()));
    }
    let first_of_its_epoch = !facts.versions.iter().any(|v| {
        v.id.attempt > 0 && v.id.secret_version != *facts.token && v.epoch == facts.slot.epoch
    });
    let latest = begun.iter().map(|(_, created)| *created).max()?;
    let next = latest + SPACING;
    (next > facts.now && !(first_of_its_epoch && facts.slot.epoch.0 > 0))
        .then_some(Refusal::TooSoon(next))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::model::fleet::Fleet;
    use crate::model::slot::Epoch;
    use crate::model::version::VersionId;

    fn token(number: u32) -> SecretVersionId {
        format!("11111111-aaaa-4bbb-8ccc-{number:012}")
            .parse()
            .unwrap()
    }

    fn slot() -> Slot {
        let fleet = serde_json::json!({
            "version": 1,
            "accounts": {"a": {"provider": "openrouter"}},
            "agents": {"bot": {"owner": "ana@example.com", "environment": "dev"}},
            "slots": {"s": {
                "agent": "bot", "account": "a",
                "secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:s",
                "expected_spend": {"daily_cents": 1, "monthly_cents": 1},
            }},
        });
        let planned = Fleet::from_json(&fleet.to_string())
            .unwrap()
            .check()
            .unwrap();
        crate::usecases::register::new_slot(&planned[0], Timestamp::UNIX_EPOCH)
    }

    fn secret(stages: &[(u32, Stage)]) -> SecretDescription {
        let mut by_version: BTreeMap<SecretVersionId, BTreeSet<Stage>> = BTreeMap::new();
        for (number, stage) in stages {
            by_version
                .entry(token(*number))
                .or_default()
                .insert(stage.clone());
        }
        let arn = slot().secret;
        SecretDescription {
            arn,
            rotation_enabled: true,
            stages: by_version,
            tags: BTreeMap::new(),
        }
    }

    fn decide(
        step: RotationStep,
        secret: &SecretDescription,
        slot: &Slot,
        versions: &[Version],
        minutes: i64,
    ) -> StepDecision {
        let now = Timestamp::from_second(minutes * 60).unwrap();
        guard(&RotationFacts {
            step,
            token: &token(2),
            secret,
            slot,
            versions,
            now,
        })
    }

    #[test]
    fn labels_decide_before_anything_is_done() {
        use RotationStep::{Create, Finish, Set, Test};
        use Stage::{Current, Pending, Previous};
        let begun = [(1, Current), (2, Pending)];
        let done = [(1, Previous), (2, Current), (2, Pending)];
        let refused = |why| StepDecision::Refuse(why);
        for (name, step, stages, expected) in [
            ("begun", Create, &begun[..], StepDecision::Proceed),
            ("begun", Set, &begun, StepDecision::Proceed),
            ("no current yet", Create, &begun[1..], StepDecision::Proceed),
            ("done", Create, &done, StepDecision::AlreadyDone),
            ("done", Test, &done, StepDecision::AlreadyDone),
            (
                "done, records may lag",
                Finish,
                &done,
                StepDecision::Proceed,
            ),
            (
                "not staged",
                Create,
                &begun[..1],
                refused(Refusal::UnknownToken(token(2))),
            ),
            (
                "other label",
                Set,
                &[(1, Current), (2, Previous)],
                refused(Refusal::NotPending {
                    token: token(2),
                    found: "AWSPREVIOUS".to_owned(),
                }),
            ),
        ] {
            assert_eq!(
                decide(step, &secret(stages), &slot(), &[], 0),
                expected,
                "{name} {step:?}"
            );
        }
    }

    #[test]
    fn rotation_off_refuses_but_never_what_is_done() {
        let mut off = secret(&[(1, Stage::Current), (2, Stage::Pending)]);
        off.rotation_enabled = false;
        let refused = StepDecision::Refuse(Refusal::RotationOff);
        assert_eq!(decide(RotationStep::Create, &off, &slot(), &[], 0), refused);
        let mut done = secret(&[(2, Stage::Current)]);
        done.rotation_enabled = false;
        assert_eq!(
            decide(RotationStep::Test, &done, &slot(), &[], 0),
            StepDecision::AlreadyDone
        );
    }

    fn own(state: VersionState) -> Version {
        let id = VersionId {
            secret_version: token(2),
            attempt: 1,
        };
        let begun = Version::intended(&slot().name, id, Epoch(0), Timestamp::UNIX_EPOCH);
        Version { state, ..begun }
    }

    #[test]
    fn a_promoted_key_is_never_worked_on_again_wherever_the_labels_are() {
        use Stage::{Current, Pending};
        for state in [VersionState::Current, VersionState::Retiring] {
            for stages in [
                &[(1, Current), (2, Pending)][..],
                &[(2, Current), (2, Pending)],
                &[(2, Current), (1, Pending)],
            ] {
                for step in RotationStep::ALL {
                    let decided = decide(step, &secret(stages), &slot(), &[own(state)], 0);
                    assert_eq!(decided, StepDecision::AlreadyDone, "{state:?} {step:?}");
                }
            }
        }
    }

    #[test]
    fn a_first_value_that_is_current_by_itself_still_takes_every_step() {
        let first = secret(&[(2, Stage::Current), (2, Stage::Pending)]);
        for state in [VersionState::Intended, VersionState::Pending] {
            for step in RotationStep::ALL {
                let decided = decide(step, &first, &slot(), &[own(state)], 0);
                assert_eq!(decided, StepDecision::Proceed, "{state:?} {step:?}");
            }
        }
        let promoting = [own(VersionState::Promoting)];
        let decided = decide(RotationStep::Test, &first, &slot(), &promoting, 0);
        assert_eq!(decided, StepDecision::AlreadyDone);
    }

    #[test]
    fn a_kill_asks_for_a_rotation_at_once_and_a_schedule_does_not() {
        let begun = secret(&[(1, Stage::Current), (2, Stage::Pending)]);
        let earlier = |epoch| {
            let id = VersionId {
                secret_version: token(9),
                attempt: 1,
            };
            Version::intended(&slot().name, id, Epoch(epoch), Timestamp::UNIX_EPOCH)
        };
        let mut killed = slot();
        killed.epoch = Epoch(1);
        let wait = StepDecision::Refuse(Refusal::TooSoon(Timestamp::from_second(600).unwrap()));
        for (name, slot, version, minutes, expected) in [
            (
                "schedule, 9 minutes later",
                &slot(),
                earlier(0),
                9,
                wait.clone(),
            ),
            (
                "schedule, 10 minutes later",
                &slot(),
                earlier(0),
                10,
                StepDecision::Proceed,
            ),
            (
                "first after a kill",
                &killed,
                earlier(0),
                1,
                StepDecision::Proceed,
            ),
            ("second after a kill", &killed, earlier(1), 1, wait),
        ] {
            assert_eq!(
                decide(RotationStep::Create, &begun, slot, &[version], minutes),
                expected,
                "{name}"
            );
        }
        let mut tried = own(VersionState::Abandoned);
        tried.epoch = Epoch(1);
        let versions = [earlier(0), tried];
        assert_eq!(
            decide(RotationStep::Create, &begun, &killed, &versions, 1),
            StepDecision::Proceed,
            "the first after a kill, tried again"
        );
    }
}
