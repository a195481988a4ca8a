use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::model::fleet::Fleet;
use crate::model::slot::Epoch;
use crate::model::version::{VersionId, VersionState};

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
        is_deleted: false,
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
fn what_agents_fetch_is_told_by_the_key_under_the_label() {
    use VersionState::{Abandoned, Contained, Current, Restoring, Retiring, Revoked};
    let now = Timestamp::UNIX_EPOCH;
    let version = |number: u32, attempt: u32, state| {
        let id = VersionId {
            secret_version: token(number),
            attempt,
        };
        let mut version = Version::intended(&slot().name, id, Epoch(0), now);
        version.state = state;
        version
    };
    let holds = [(1, Stage::Current)];
    for (name, stages, versions, expected) in [
        ("no value", &[][..], vec![], Served::Nothing),
        ("a person's", &holds, vec![], Served::Unknown),
        ("current", &holds, vec![(1, Current)], Served::Works),
        (
            "moved back",
            &holds,
            vec![(1, Retiring), (2, Current)],
            Served::Works,
        ),
        ("killed", &holds, vec![(1, Contained)], Served::CutOff),
        (
            "killed, the next is dead too",
            &holds,
            vec![(1, Revoked), (2, Abandoned)],
            Served::CutOff,
        ),
        ("coming back", &holds, vec![(1, Restoring)], Served::Unknown),
        (
            "a retry's key",
            &holds,
            vec![(1, Abandoned), (1, Current)],
            Served::Works,
        ),
    ] {
        let attempts = versions.into_iter().zip(1..);
        let versions = attempts.map(|((number, state), attempt)| version(number, attempt, state));
        let versions: Vec<Version> = versions.collect();
        assert_eq!(served(&secret(stages), &versions), expected, "{name}");
    }
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
        ("done", Finish, &done, StepDecision::AlreadyDone),
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

fn own(state: VersionState) -> Version {
    let id = VersionId {
        secret_version: token(2),
        attempt: 1,
    };
    let begun = Version::intended(&slot().name, id, Epoch(0), Timestamp::UNIX_EPOCH);
    Version { state, ..begun }
}

#[test]
fn a_version_that_is_current_before_its_rotation_is_over_is_carried_on() {
    let first_value = secret(&[(2, Stage::Current), (2, Stage::Pending)]);
    for state in [
        VersionState::Intended,
        VersionState::Pending,
        VersionState::Promoting,
    ] {
        for step in RotationStep::ALL {
            let decision = decide(step, &first_value, &slot(), &[own(state)], 0);
            assert_eq!(decision, StepDecision::Proceed, "{state:?} {step:?}");
        }
    }
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
