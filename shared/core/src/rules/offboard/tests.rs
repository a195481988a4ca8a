use jiff::SignedDuration;

use super::*;
use crate::model::act::CallerArn;
use crate::model::fleet::Fleet;
use crate::model::incident::TriggerId;
use crate::model::slot::{Epoch, SlotState};
use crate::model::text::OutsideText;
use crate::model::version::{Version, VersionId, VersionState};
use crate::usecases::register::new_slot;

fn at(minutes: i64) -> Timestamp {
    let begin: Timestamp = "2026-12-01T09:00:00Z".parse().unwrap();
    begin + SignedDuration::from_mins(minutes)
}

fn asked(request: &str) -> AskedFor {
    AskedFor {
        request: TriggerId::new(request),
        by: CallerArn::new("arn:aws:iam::111122223333:user/otto"),
        reason: OutsideText::new("left"),
        at: at(0),
    }
}

fn person(names: &[&str]) -> Person {
    let mut names = names.iter().map(|name| name.parse().unwrap());
    Person {
        name: names.next().unwrap(),
        also: names.collect(),
    }
}

fn order(leaver: Leaver, request: &str) -> OffboardOrder {
    OffboardOrder {
        leaver,
        asked: asked(request),
    }
}

fn slot() -> Slot {
    let fleet = r#"{"version": 1, "accounts": {"main": {"provider": "openrouter"}},
        "agents": {"bot": {"owner": "ana@example.com", "backup_owner": "bo@example.com", "environment": "prod"}},
        "slots": {"bot": {"agent": "bot", "account": "main",
            "secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/bot-a1B2c3",
            "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000}}}}"#;
    let planned = Fleet::from_json(fleet).unwrap().check().unwrap();
    new_slot(&planned[0], at(-60 * 24 * 30))
}

#[test]
fn the_same_leaving_is_one_case_and_another_one_another() {
    let leaver = Leaver::Person(person(&["ana@example.com"]));
    let first = order(leaver.clone(), "event-1");
    let Admitted::Open(case) = admit(&[], &first, at(0)) else {
        panic!()
    };
    assert_eq!(case.deadline, at(24 * 60));
    let known = admit(std::slice::from_ref(&case), &first, at(1));
    assert_eq!(known, Admitted::Known(case.clone()));

    let mut second = order(leaver.clone(), "event-2");
    second.leaver = Leaver::Person(person(&[
        "ANA@example.com",
        "arn:aws:iam::111122223333:user/ana",
    ]));
    assert_eq!(
        OffboardingId::of(&second.leaver, 1),
        case.id,
        "whatever the case of its letters"
    );
    let Admitted::Attach(joined) = admit(std::slice::from_ref(&case), &second, at(1)) else {
        panic!()
    };
    assert_eq!((joined.asked.len(), joined.listed), (2, None));
    let Leaver::Person(known) = &joined.leaver else {
        panic!()
    };
    assert_eq!(known.names().count(), 3, "further names are looked for too");

    let mut over = *joined;
    over.closed = Some(at(2));
    for known in [&first, &second] {
        assert!(matches!(
            admit(std::slice::from_ref(&over), known, at(3)),
            Admitted::Known(_)
        ));
    }
    let again = order(leaver, "event-3");
    let Admitted::Open(case) = admit(&[over], &again, at(3)) else {
        panic!()
    };
    assert!(case.id.as_str().ends_with("-2"), "{}", case.id);
    assert!(
        !case.id.as_str().contains("ana"),
        "no name in the name of an object"
    );
}

#[test]
fn what_a_person_answered_for_goes_to_the_backup_or_is_told() {
    // Owner, backup before; owner, backup, and whether it is ownerless after.
    type Row = (
        &'static str,
        Option<&'static str>,
        &'static str,
        Option<&'static str>,
        bool,
    );
    let rows: [Row; 6] = [
        ("ana@example.com", Some("bo"), "bo", None, false),
        ("ana@example.com", None, "ana@example.com", None, true),
        (
            "ana@example.com",
            Some("ana@example.com"),
            "ana@example.com",
            None,
            true,
        ),
        (
            "ana@example.com",
            Some("Ana@Example.com"),
            "ana@example.com",
            None,
            true,
        ),
        ("bo", Some("ana@example.com"), "bo", None, false),
        ("bo", Some("cy"), "bo", Some("cy"), false),
    ];
    for (owner, backup, owner_after, backup_after, is_ownerless) in rows {
        let mut slot = slot();
        slot.owner = owner.parse().unwrap();
        slot.backup_owner = backup.map(|name| name.parse().unwrap());
        slot.readers = vec!["ana@example.com".parse().unwrap(), "cy".parse().unwrap()];
        let (next, handed) = hand_over(&slot, &person(&["ana@example.com"]), at(5));
        assert_eq!(next.owner.as_str(), owner_after, "{owner} {backup:?}");
        assert_eq!(next.backup_owner.as_ref().map(|b| b.as_str()), backup_after);
        assert_eq!(next.readers, vec!["cy".parse().unwrap()]);
        assert_eq!(handed.is_ownerless, is_ownerless, "{owner} {backup:?}");
        assert_eq!(next.owner_left, is_ownerless.then(|| at(5)));
        assert_eq!(handed.lacks_backup, backup_after.is_none());
        let (again, _) = hand_over(&next, &person(&["ana@example.com"]), at(9));
        assert_eq!(again, next, "a second time changes nothing");
    }
}

#[test]
fn a_secret_is_known_by_its_arn_a_part_of_it_or_its_name() {
    let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/bot-a1B2c3"
        .parse()
        .unwrap();
    for (asked, is_it) in [
        (
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/bot-a1B2c3",
            true,
        ),
        (
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/bot",
            true,
        ),
        ("llm/bot", true),
        ("llm/bot-a1B2c3", false),
        ("llm/bo", false),
        ("bot", false),
        ("", false),
    ] {
        assert_eq!(is_secret(&arn, asked), is_it, "{asked}");
    }
}

#[test]
fn people_are_reminded_at_half_at_four_fifths_and_when_it_is_over() {
    let order = order(Leaver::Agent("bot".parse().unwrap()), "event-1");
    let Admitted::Open(mut case) = admit(&[], &order, at(0)) else {
        panic!()
    };
    let hour = 60;
    for (minutes, expected) in [
        (0, None),
        (12 * hour - 1, None),
        (12 * hour, Some(Reminder::Half)),
        (19 * hour + 12, Some(Reminder::FourFifths)),
        (24 * hour - 1, Some(Reminder::FourFifths)),
        (24 * hour, Some(Reminder::Late)),
    ] {
        assert_eq!(reminder(&case, at(minutes)), expected, "{minutes}");
    }
    case.told.half = Some(at(12 * hour));
    case.told.four_fifths = Some(at(20 * hour));
    case.told.late = Some(at(24 * hour));
    for (minutes, expected) in [
        (13 * hour, None),
        (21 * hour, None),
        (29 * hour, None),
        (30 * hour, Some(Reminder::Late)),
    ] {
        assert_eq!(reminder(&case, at(minutes)), expected, "{minutes}");
    }
}

fn version(number: u32, begun: i64, state: VersionState) -> Version {
    let id: VersionId = format!("11111111-aaaa-4bbb-8ccc-{number:012}.1")
        .parse()
        .unwrap();
    let mut version = Version::intended(&slot().name, id, Epoch(0), at(begun));
    version.state = state;
    version.retire_after = (state == VersionState::Retiring).then(|| at(3 * 60));
    version.deadline = version.retire_after.map(|_| at(40 * 60));
    version
}

#[test]
fn a_known_key_is_replaced_and_its_end_is_not_later_than_the_deadline() {
    use VersionState::{
        Contained, Current, Intended, Pending, Promoting, Retiring, Revoked, Revoking,
    };
    let wait = Replacing::Wait;
    let begun = -2 * 24 * 60;
    type Edit = fn(&mut ReplaceFacts<'_>);
    type Row = (&'static str, Vec<Version>, Edit, Replacing);
    let rows: [Row; 15] = [
        ("no key", vec![], |_| {}, Replacing::Done),
        (
            "dead",
            vec![version(1, begun, Revoked)],
            |_| {},
            Replacing::Done,
        ),
        (
            "made since",
            vec![version(1, 5, Current)],
            |_| {},
            Replacing::Done,
        ),
        (
            "in use",
            vec![version(1, begun, Current)],
            |_| {},
            Replacing::Rotate,
        ),
        (
            "suspended slot",
            vec![version(1, begun, Revoking)],
            |_| {},
            wait(Hold::Ending),
        ),
        (
            "under way",
            vec![version(1, begun, Current), version(2, 5, Pending)],
            |_| {},
            wait(Hold::Rotating),
        ),
        (
            "begun before",
            vec![version(1, begun, Current), version(2, -1, Intended)],
            |_| {},
            wait(Hold::Rotating),
        ),
        (
            "its promotion",
            vec![version(1, begun, Promoting)],
            |_| {},
            wait(Hold::Rotating),
        ),
        (
            "asked",
            vec![version(1, begun, Current)],
            |f| f.asked = (1, Some(at(55))),
            wait(Hold::Asked),
        ),
        (
            "asked long ago",
            vec![version(1, begun, Current)],
            |f| f.asked = (1, Some(at(50))),
            Replacing::Rotate,
        ),
        (
            "label",
            vec![version(1, begun, Current)],
            |f| f.is_pending = true,
            wait(Hold::Rotating),
        ),
        (
            "a kill",
            vec![version(1, begun, Current)],
            |f| f.is_cut_off = true,
            wait(Hold::Incident),
        ),
        (
            "rotation off",
            vec![version(1, begun, Current)],
            |f| f.rotates = false,
            wait(Hold::RotationOff),
        ),
        (
            "pool",
            vec![version(1, begun, Current)],
            |f| f.has_standby = false,
            wait(Hold::PoolEmpty),
        ),
        (
            "too soon",
            vec![version(1, 0, Current), version(2, 55, Revoked)],
            |_| {},
            wait(Hold::Refused(crate::rules::rotation::Refusal::TooSoon(at(
                65,
            )))),
        ),
    ];
    for (name, versions, change, expected) in rows {
        let slot = slot();
        let mut facts = ReplaceFacts {
            slot: &slot,
            versions: &versions,
            known_until: at(0),
            deadline: at(24 * 60),
            is_cut_off: false,
            rotates: true,
            is_pending: false,
            has_standby: true,
            asked: (0, None),
            now: at(60),
        };
        change(&mut facts);
        assert_eq!(replace_known(&facts), expected, "{name}");
    }
    let slot = slot();
    let versions = [
        version(1, begun, Retiring),
        version(2, 5, Current),
        version(3, begun, Contained),
    ];
    let facts = ReplaceFacts {
        slot: &slot,
        versions: &versions,
        known_until: at(0),
        deadline: at(24 * 60),
        is_cut_off: false,
        rotates: true,
        is_pending: false,
        has_standby: true,
        asked: (1, Some(at(1))),
        now: at(60),
    };
    let Replacing::Hasten(hastened) = replace_known(&facts) else {
        panic!()
    };
    assert_eq!(hastened[0].deadline, Some(at(24 * 60)));
    assert_eq!(
        hastened[0].retire_after,
        Some(at(3 * 60)),
        "its overlap is left to it"
    );
    let facts = ReplaceFacts {
        versions: &hastened,
        ..facts
    };
    assert_eq!(replace_known(&facts), Replacing::Wait(Hold::Ending), "once");
    let soon = ReplaceFacts {
        deadline: at(60),
        ..facts
    };
    let Replacing::Hasten(hastened) = replace_known(&soon) else {
        panic!()
    };
    assert_eq!(
        hastened[0].retire_after,
        Some(at(60)),
        "past the deadline nothing waits for its overlap"
    );
}

#[test]
fn a_slot_is_closed_first_and_its_secret_goes_last() {
    use VersionState::{Abandoned, Contained, Current, Revoked, Revoking};
    let mut slot = slot();
    let decide = |slot: &Slot, versions: &[Version], is_secret_ended| {
        end_of_slot(&EndingFacts {
            slot,
            versions,
            is_secret_ended,
            now: at(0),
        })
    };
    let current = [version(1, -5, Current)];
    let Ending::Close(closed) = decide(&slot, &current, false) else {
        panic!()
    };
    assert_eq!(
        (closed.state, closed.epoch),
        (SlotState::Decommissioned, slot.epoch.next())
    );
    slot = *closed;
    let mut kept = version(1, -5, Contained);
    kept.due_at = Some(at(72 * 60));
    let mut dying = version(1, -5, Contained);
    dying.due_at = Some(at(5));
    for (name, versions, is_secret_ended, expected) in [
        ("alive", current.to_vec(), false, Ending::Cut),
        ("kept for a restore", vec![kept], false, Ending::Cut),
        ("on its way", vec![dying], false, Ending::Wait),
        (
            "being revoked",
            vec![version(1, -5, Revoking), version(2, -5, Abandoned)],
            false,
            Ending::Wait,
        ),
        (
            "one is alive",
            vec![version(1, -5, Revoked), version(2, -5, Revoking)],
            false,
            Ending::Wait,
        ),
        (
            "all dead",
            vec![version(1, -5, Revoked)],
            false,
            Ending::DeleteSecret,
        ),
        ("no key", vec![], false, Ending::DeleteSecret),
        ("over", vec![version(1, -5, Revoked)], true, Ending::Done),
        (
            "turned up later",
            vec![version(1, -5, Revoked), version(2, -5, Current)],
            true,
            Ending::Cut,
        ),
    ] {
        assert_eq!(
            decide(&slot, &versions, is_secret_ended),
            expected,
            "{name}"
        );
    }
}

#[test]
fn a_deleted_secret_ends_its_slot_alone() {
    let slot = slot();
    let order = case_for_agent_slot(&slot, asked("cloudtrail-1"));
    let Admitted::Open(case) = admit(&[], &order, at(0)) else {
        panic!()
    };
    assert!(task_of(&case, &slot).is_some());
    let mut other = slot.clone();
    other.name = "another".parse().unwrap();
    assert!(task_of(&case, &other).is_none(), "of the same agent");
}
