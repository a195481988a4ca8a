use jiff::SignedDuration;

use super::*;
use crate::model::incident::{StepResult, Triggered};
use crate::model::slot::Epoch;
use crate::model::version::Version;

fn at(minutes: i64) -> Timestamp {
    let start: Timestamp = "2026-11-25T15:00:00Z".parse().unwrap();
    start + SignedDuration::from_mins(minutes)
}

fn slot() -> Slot {
    let fleet = r#"{"version": 1, "accounts": {"main": {"provider": "openrouter"}},
        "agents": {"bot": {"owner": "ana@example.com", "backup_owner": "team", "environment": "prod"}},
        "slots": {"bot": {"agent": "bot", "account": "main",
            "secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/bot-a1B2c3",
            "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000}}}}"#;
    let fleet = crate::model::fleet::Fleet::from_json(fleet).unwrap();
    let planned = fleet.check().unwrap().remove(0);
    let mut slot = crate::usecases::register::new_slot(&planned, at(0));
    slot.epoch = Epoch(1);
    slot
}

/// A version that agents fetched `minutes` after the start.
fn version(number: u32, state: VersionState, minutes: i64) -> Version {
    let id = format!("11111111-aaaa-4bbb-8ccc-{number:012}.1");
    let mut version = Version::intended(&slot().name, id.parse().unwrap(), Epoch(0), at(0));
    version.state = state;
    version.promoted = Some(at(minutes));
    version.handle = Some("handle-1".parse().unwrap());
    version
}

/// The incident that cut a version off a while ago, so.
fn incident(version: &Version, how: Option<HowCut>) -> Incident {
    let mut incident = Incident::open(&version.slot, Epoch(0), OutsideText::new("test"), at(5));
    incident.note(version);
    incident.undo[0].cut = how.map(|how| (how, at(5)));
    incident.take(KillStep::Contain, at(5), StepResult::Done);
    incident
}

#[test]
fn newest_is_the_key_that_agents_fetched_last_before_it_was_cut_off() {
    use VersionState::{Abandoned, Contained, Current, Pending, Restoring, Retiring, Revoked};
    let mut back = version(4, Current, 40);
    back.restored = Some(at(40));
    let never_used = Version {
        promoted: None,
        ..version(5, Contained, 0)
    };
    for (name, versions, expected) in [
        (
            "the later of two",
            vec![version(1, Contained, 1), version(2, Contained, 2)],
            Some(2),
        ),
        (
            "not the replacement",
            vec![version(1, Contained, 1), version(3, Current, 30)],
            Some(1),
        ),
        (
            "what is being brought back",
            vec![version(1, Contained, 1), version(2, Restoring, 2)],
            Some(2),
        ),
        (
            "what is back, not what is older",
            vec![version(1, Contained, 1), back.clone()],
            Some(4),
        ),
        ("never what nobody used", vec![never_used], None),
        (
            "nothing was cut off",
            vec![
                version(1, Retiring, 1),
                version(2, Current, 2),
                version(6, Pending, 3),
            ],
            None,
        ),
        ("a failed rotation", vec![version(1, Abandoned, 1)], None),
        ("an ended one", vec![version(1, Revoked, 1)], None),
    ] {
        let picked = pick(&slot(), &versions, &Wanted::Newest);
        let id = match &picked {
            Ok(Picked::CutOff(v) | Picked::IsBack(v)) => Some(v.id.clone()),
            Err(_) => None,
        };
        let expected = expected.map(|n| version(n, Contained, 0).id);
        assert_eq!(id, expected, "{name}: {picked:?}");
    }
}

#[test]
fn a_key_comes_back_only_from_a_suspension_that_is_over() {
    let owner = OwnerId::new("me");
    let cut = version(1, VersionState::Contained, 1);
    let whole = incident(&cut, Some(HowCut::Suspended));
    type Change = fn(&mut Incident, &mut Version);
    let cases: [(&str, Change, Option<Refused>); 9] = [
        ("suspended", |_, _| {}, None),
        (
            "narrowed",
            |i, _| i.undo[0].cut = Some((HowCut::Narrowed, at(5))),
            None,
        ),
        (
            "deleted",
            |i, _| i.undo[0].cut = Some((HowCut::Deleted, at(5))),
            Some(Refused::Deleted(OutsideText::new(&cut.shown()))),
        ),
        (
            "not cut off",
            |i, _| i.undo[0].cut = None,
            Some(Refused::NotContainedYet(whole.id.clone())),
        ),
        (
            "a leak",
            |i, _| i.containment = Containment::Final,
            Some(Refused::Leaked),
        ),
        (
            "another version of the slot is not cut off",
            |i, _| i.steps.clear(),
            Some(Refused::NotContainedYet(whole.id.clone())),
        ),
        (
            "closed before its record of containment",
            |i, _| {
                i.steps.clear();
                i.closed = Some(at(6));
            },
            None,
        ),
        (
            "somebody is at work on the incident",
            |i, _| i.lease(&OwnerId::new("retire"), at(20)),
            Some(Refused::Busy(at(20))),
        ),
        (
            "somebody is bringing it back",
            |_, v| {
                v.state = VersionState::Restoring;
                v.lease_until = Some(at(15));
            },
            Some(Refused::Busy(at(15))),
        ),
    ];
    for (name, change, expected) in cases {
        let (mut incident, mut version) = (whole.clone(), cut.clone());
        change(&mut incident, &mut version);
        let slot = slot();
        let facts = |open, suspension| KeyFacts {
            slot: &slot,
            version: &version,
            incident: &incident,
            open,
            owner: &owner,
            suspension,
            now: at(10),
        };
        let own = facts(Some(&incident), Suspension::Refuses);
        assert_eq!(may_come_back(&own).err(), expected, "{name}");
        if expected.is_none() {
            let mut other = incident.clone();
            other.id = "bot-2".to_owned();
            let again = may_come_back(&facts(Some(&other), Suspension::Refuses));
            assert_eq!(again, Err(Refused::CutOffAgain(other.id.clone())), "{name}");
            let none = may_come_back(&facts(None, Suspension::None));
            assert_eq!(none, Err(Refused::CannotResume(slot.provider)), "{name}");
        }
    }
}

#[test]
fn a_key_comes_back_to_where_agents_look() {
    let cut = version(1, VersionState::Contained, 1);
    let replacement = version(2, VersionState::Current, 2);
    let dead = version(3, VersionState::Contained, 3);
    let all = [cut.clone(), replacement.clone(), dead.clone()];
    for (holder, expected) in [
        (Some(&cut), Ok(Place::Current)),
        (Some(&replacement), Ok(Place::Retiring)),
        (Some(&dead), Err(Refused::NotFetched)),
        (None, Err(Refused::NotFetched)),
    ] {
        let holder = holder.map(|v| &v.id.secret_version);
        assert_eq!(place(&cut, holder, &all), expected, "{holder:?}");
    }
}

#[test]
fn only_alarms_are_asked_and_each_once() {
    let arn = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:kill@night";
    let cut = version(1, VersionState::Contained, 1);
    let mut incident = incident(&cut, Some(HowCut::Suspended));
    for (id, evidence) in [
        (format!("{arn}@2026-11-25T15:00:00.000Z"), Evidence::Alarm),
        (
            format!("{arn}@2026-11-25T15:01:00.000Z"),
            Evidence::UncheckedAlarm,
        ),
        ("person@1".to_owned(), Evidence::Person),
        (
            "monitor@2026-11-25T15:00:00.000Z".to_owned(),
            Evidence::Monitor,
        ),
    ] {
        incident.attach(Triggered {
            id: crate::model::incident::TriggerId::new(&id),
            evidence,
            cause: OutsideText::new("test"),
            at: at(0),
            seen: None,
        });
    }
    let asked: Vec<String> = alarms(&incident).iter().map(ToString::to_string).collect();
    assert_eq!(asked, [arn]);
}
