use super::*;
use crate::model::incident::{Incident, OwnerId, Suspends, TriggerId};
use crate::model::money::MicroDollars;
use crate::model::slot::{Epoch, Killed, Slot, SlotState};
use crate::model::version::{Tested, Version, VersionState};
use crate::rules::kill::{Claim, ClaimFacts, Figures, KillOrder, LATE_BILLS, claim};

fn slot(state: SlotState) -> Slot {
    let entry = serde_json::json!({
        "schema": 1, "revision": 3, "name": "chat-eu", "agent": "chat", "owner": "team-chat",
        "environment": "prod", "provider": "openrouter", "account": "main",
        "secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:chat-AbCdEf",
        "kind": "minted", "mode": "enforce", "epoch": 4, "due_at": at(0),
        "state": state, "expected": {"daily": MicroDollars(1), "monthly": MicroDollars(30)},
        "policy": {"max_age": 5_184_000, "overlap": 7200, "deadline": 86_400, "refresh": 1800},
        "killed": Killed { at: at(0), epoch: Epoch(4), drill: None },
    });
    serde_json::from_value(entry).unwrap()
}

fn version(state: VersionState, epoch: u64, promoted: Option<i64>) -> Version {
    let id = format!("11111111-aaaa-4bbb-8ccc-{epoch:012}.1");
    let slot = "chat-eu".parse().unwrap();
    Version {
        state,
        promoted: promoted.map(at),
        ..Version::intended(&slot, id.parse().unwrap(), Epoch(epoch), at(0))
    }
}

/// What is known ten minutes after a kill whose replacement came into use after two.
struct Case {
    versions: Vec<Version>,
    state: SlotState,
    open: bool,
    leased: bool,
    evidence: Evidence,
    figures: Figures,
    seen: i64,
    now: i64,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            versions: vec![
                version(VersionState::Contained, 3, Some(-900)),
                version(VersionState::Current, 4, Some(2)),
            ],
            state: SlotState::Restricted,
            open: false,
            leased: false,
            evidence: Evidence::Alarm,
            figures: Figures::OfLiveKeys,
            seen: 9,
            now: 10,
        }
    }
}

/// What comes of the order, in a word, and whether the slot gets no replacement.
fn outcome(case: &Case) -> (&'static str, Option<Suspends>) {
    let slot = slot(case.state);
    let owner = OwnerId::new("one");
    let order = KillOrder {
        slot: slot.name.clone(),
        trigger: TriggerId::new("an order"),
        evidence: case.evidence,
        cause: OutsideText::new("why"),
        seen: at(case.seen),
        figures: case.figures,
    };
    let mut open = Incident::open(&slot.name, Epoch(3), OutsideText::new("first"), at(0));
    if case.leased {
        open.lease(&OwnerId::new("two"), at(case.now + 5));
    }
    let claim = claim(&ClaimFacts {
        order: &order,
        owner: &owner,
        until: at(case.now + 1),
        slot: &slot,
        versions: &case.versions,
        open: case.open.then_some(&open),
        of_trigger: None,
        now: at(case.now),
    });
    match claim {
        Claim::Open(incident, raised) => {
            assert_eq!(raised.killed.unwrap().epoch, incident.epoch);
            ("opened", incident.suspends)
        }
        Claim::GoOn(_) => ("gone on with", None),
        Claim::Attach(_) => ("attached", None),
        Claim::Attached(_) => ("known", None),
        Claim::Over(_) => ("over", None),
        Claim::CloseFirst(closed) => {
            assert_eq!(
                (closed.closed, closed.due_at),
                (Some(at(case.now)), Some(at(case.now)))
            );
            ("closed first", None)
        }
        Claim::OfDeadKeys => ("of dead keys", None),
    }
}

#[test]
fn an_order_is_judged_by_the_keys_that_its_evidence_can_be_about() {
    let late = 1 + LATE_BILLS.as_mins();
    let suspended = Some(Suspends::Loop);
    for (name, case, expected) in [
        (
            "fresh evidence of its own score",
            Case::default(),
            ("opened", suspended),
        ),
        (
            "seen before the replacement was in use",
            Case {
                seen: 1,
                ..Case::default()
            },
            ("of dead keys", None),
        ),
        (
            "bills may be late",
            Case {
                figures: Figures::OfAllKeys,
                ..Case::default()
            },
            ("of dead keys", None),
        ),
        (
            "bills are late no more",
            Case {
                figures: Figures::OfAllKeys,
                seen: late,
                now: late,
                ..Case::default()
            },
            ("opened", suspended),
        ),
        (
            "the monitor's word, too early",
            Case {
                evidence: Evidence::Monitor,
                seen: 2,
                ..Case::default()
            },
            ("of dead keys", None),
        ),
        (
            "a person's word",
            Case {
                evidence: Evidence::Person,
                figures: Figures::OfAllKeys,
                ..Case::default()
            },
            ("opened", None),
        ),
        (
            "a leak",
            Case {
                evidence: Evidence::Leak,
                figures: Figures::OfAllKeys,
                ..Case::default()
            },
            ("opened", suspended),
        ),
        (
            "a day later",
            Case {
                seen: 24 * 60 + 1,
                now: 24 * 60 + 1,
                ..Case::default()
            },
            ("opened", None),
        ),
        (
            "an older key works again",
            Case {
                versions: vec![version(VersionState::Current, 3, Some(-900))],
                figures: Figures::OfAllKeys,
                ..Case::default()
            },
            ("opened", None),
        ),
        (
            "a slot that gets no key, and has none",
            Case {
                versions: vec![version(VersionState::Contained, 3, Some(-900))],
                state: SlotState::Suspended,
                ..Case::default()
            },
            ("of dead keys", None),
        ),
        (
            "the same, on proof of a leak: what is suspended is deleted",
            Case {
                versions: vec![version(VersionState::Contained, 3, Some(-900))],
                state: SlotState::Suspended,
                evidence: Evidence::Leak,
                ..Case::default()
            },
            ("opened", Some(Suspends::Before)),
        ),
        (
            "a slot whose keys are dead, and that gets another",
            Case {
                versions: vec![],
                ..Case::default()
            },
            ("of dead keys", None),
        ),
        (
            "the same, a day later",
            Case {
                versions: vec![],
                seen: 24 * 60 + 1,
                now: 24 * 60 + 1,
                ..Case::default()
            },
            ("opened", None),
        ),
    ] {
        assert_eq!(outcome(&case), expected, "{name}");
    }
}

#[test]
fn an_open_incident_takes_orders_until_its_replacement_is_what_they_are_about() {
    let open = || Case {
        open: true,
        ..Case::default()
    };
    let unreplaced = || Case {
        versions: vec![
            version(VersionState::Contained, 3, Some(-900)),
            version(VersionState::Pending, 4, None),
        ],
        ..open()
    };
    let uncut = || Case {
        versions: vec![
            version(VersionState::Current, 3, Some(-900)),
            version(VersionState::Current, 4, Some(2)),
        ],
        ..open()
    };
    for (name, case, expected) in [
        ("no replacement yet", unreplaced(), "gone on with"),
        (
            "no replacement yet, and somebody at work",
            Case {
                leased: true,
                ..unreplaced()
            },
            "attached",
        ),
        (
            "a person, no replacement yet",
            Case {
                evidence: Evidence::Person,
                ..unreplaced()
            },
            "gone on with",
        ),
        ("the replacement is abused", open(), "closed first"),
        (
            "the same, with somebody at work",
            Case {
                leased: true,
                ..open()
            },
            "closed first",
        ),
        (
            "evidence from before",
            Case { seen: 2, ..open() },
            "gone on with",
        ),
        (
            "late bills",
            Case {
                figures: Figures::OfAllKeys,
                ..open()
            },
            "gone on with",
        ),
        ("an old key is not cut off yet", uncut(), "gone on with"),
    ] {
        assert_eq!(outcome(&case).0, expected, "{name}");
    }
}

/// The incident was closed early by a restore, or a person has lifted a suspended slot: no key is in use, one is being made.
#[test]
fn what_dead_keys_spent_does_not_cut_off_a_replacement_that_is_still_being_made() {
    let beside = |others: &[Version]| {
        let dead = version(VersionState::Contained, 3, Some(-900));
        [&[dead], others].concat()
    };
    let made = |state| version(state, 4, None);
    let promoting = || Version {
        tested: Some(Tested {
            at: at(8),
            epoch: Epoch(4),
        }),
        ..made(VersionState::Promoting)
    };
    let restored = || Version {
        restored: Some(at(5)),
        ..version(VersionState::Current, 4, Some(-900))
    };
    let restoring = || Version {
        restored: Some(at(5)),
        ..version(VersionState::Restoring, 4, Some(-900))
    };
    let case = |versions, evidence, seen| Case {
        versions,
        evidence,
        seen,
        ..Case::default()
    };
    let dead = "of dead keys";
    let monitor = Evidence::Monitor;
    for (name, case, expected) in [
        (
            "one that is begun",
            case(beside(&[made(VersionState::Intended)]), Evidence::Alarm, 9),
            dead,
        ),
        (
            "one that is stored",
            case(beside(&[made(VersionState::Pending)]), monitor, 9),
            dead,
        ),
        (
            "one that failed",
            case(beside(&[made(VersionState::Abandoned)]), monitor, 9),
            dead,
        ),
        (
            "one that agents may fetch by now, seen before",
            case(beside(&[promoting()]), Evidence::Alarm, 8),
            dead,
        ),
        (
            "one that agents may fetch by now, seen since",
            case(beside(&[promoting()]), Evidence::Alarm, 9),
            "opened",
        ),
        (
            "one that is being brought back, seen before that began",
            case(beside(&[restoring()]), Evidence::Alarm, 5),
            dead,
        ),
        (
            "one that is being brought back, seen since",
            case(beside(&[restoring()]), Evidence::Alarm, 6),
            "opened",
        ),
        (
            "one from before the kill, not cut off",
            case(
                beside(&[version(VersionState::Pending, 3, None)]),
                Evidence::Alarm,
                1,
            ),
            "opened",
        ),
        (
            "a person's word",
            case(beside(&[made(VersionState::Pending)]), Evidence::Person, 9),
            "opened",
        ),
        (
            "a leak",
            case(beside(&[made(VersionState::Pending)]), Evidence::Leak, 9),
            "opened",
        ),
        (
            "a key that is back, seen before a person brought it back",
            case(vec![restored()], Evidence::Alarm, 5),
            dead,
        ),
        (
            "a key that is back, seen since",
            case(vec![restored()], Evidence::Alarm, 6),
            "opened",
        ),
    ] {
        assert_eq!(outcome(&case).0, expected, "{name}");
    }
}
