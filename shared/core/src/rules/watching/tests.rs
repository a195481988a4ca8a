use std::collections::BTreeMap;

use super::*;
use crate::model::money::MicroDollars;
use crate::model::version::{Confirmation, Confirmed};

fn at(minutes: i64) -> Timestamp {
    let start: Timestamp = "2026-12-01T09:00:00Z".parse().unwrap();
    start + SignedDuration::from_mins(minutes)
}

fn bucket(minutes: i64) -> Bucket {
    Bucket::of(at(minutes))
}

fn version(number: u32, state: VersionState, epoch: u64) -> Version {
    let id = format!("11111111-aaaa-4bbb-8ccc-{number:012}.1");
    let slot = "chat".parse().unwrap();
    let mut version = Version::intended(&slot, id.parse().unwrap(), Epoch(epoch), at(0));
    version.state = state;
    version
}

fn cell(version: &Version, minutes: i64, micros: u64) -> Cell {
    let counts = Counts {
        cost: MicroDollars(micros),
        requests: 1,
        ..Counts::default()
    };
    let models = BTreeMap::from([("gpt-5".to_owned(), counts)]);
    Cell::new(version.id.clone(), bucket(minutes), at(minutes), models)
}

#[test]
fn what_a_key_uses_counts_until_it_is_cut_off_or_revoked() {
    use VersionState::{Contained, Current, Restoring, Retiring, Revoked, Revoking};
    let cut = Some(Cut {
        epoch: Epoch(2),
        bucket: bucket(60),
    });
    let revoked = |state, epoch, accepted| Version {
        revoke_accepted: Some(at(accepted)),
        ..version(1, state, epoch)
    };
    for (name, version, cut, minutes, expected) in [
        ("in use", version(1, Current, 1), None, 60, true),
        ("in use, before a cut", version(1, Current, 2), cut, 0, true),
        (
            "in use, after a cut",
            version(1, Current, 2),
            cut,
            120,
            true,
        ),
        ("on its way out", version(1, Retiring, 1), None, 60, true),
        ("coming back", version(1, Restoring, 1), cut, 120, true),
        ("cut off, before", version(1, Contained, 1), cut, 55, true),
        (
            "cut off, in its bucket",
            version(1, Contained, 1),
            cut,
            60,
            true,
        ),
        ("cut off, after", version(1, Contained, 1), cut, 65, false),
        ("of a later kill", version(1, Contained, 2), cut, 65, true),
        ("being cut off", version(1, Contained, 1), None, 65, true),
        ("revoked, before", revoked(Revoked, 1, 60), None, 55, true),
        ("revoked, after", revoked(Revoked, 1, 60), None, 60, false),
        ("to be revoked", version(1, Revoking, 1), None, 60, true),
        (
            "revoked after a cut",
            revoked(Revoking, 1, 90),
            cut,
            65,
            false,
        ),
    ] {
        let cells = [cell(&version, minutes, 7)];
        let sum = counted(std::slice::from_ref(&version), cut, &cells);
        assert_eq!(sum.cost.0 > 0, expected, "{name}");
    }
    let unknown = version(2, Current, 1);
    assert_eq!(counted(&[], cut, &[cell(&unknown, 120, 7)]).cost.0, 7);
}

#[test]
fn spend_a_quarter_of_an_hour_after_the_end_is_proof() {
    let dead = Version {
        revoke_confirmed: Some(Confirmed {
            at: at(10),
            by: Confirmation::Refused,
        }),
        ..version(1, VersionState::Revoked, 1)
    };
    let undead = version(2, VersionState::Revoking, 1);
    let versions = [dead.clone(), undead.clone()];
    for (name, cells, expected) in [
        ("before", vec![cell(&dead, 5, 7)], None),
        ("too early", vec![cell(&dead, 20, 7)], None),
        (
            "a quarter later",
            vec![cell(&dead, 25, 7)],
            Some(bucket(25)),
        ),
        ("no money", vec![cell(&dead, 25, 0)], None),
        ("not confirmed", vec![cell(&undead, 60, 7)], None),
        (
            "the last one",
            vec![cell(&dead, 60, 7), cell(&dead, 30, 7)],
            Some(bucket(60)),
        ),
    ] {
        let found = proofs(&versions, &cells);
        let found = found.first().map(|(version, last)| (&version.id, *last));
        assert_eq!(found, expected.map(|last| (&dead.id, last)), "{name}");
    }
}

#[test]
fn a_slot_is_sent_after_two_minutes_or_at_once_where_no_alarm_cuts_it_off() {
    use Basis::{Declared, Usual};
    use Mode::{Enforce, Observe};
    let fleet = r#"{"version": 1, "accounts": {"main": {"provider": "openrouter"}},
        "agents": {"bot": {"owner": "ana@example.com", "backup_owner": "team", "environment": "prod"}},
        "slots": {"bot": {"agent": "bot", "account": "main",
            "secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/bot-a1B2c3",
            "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000}}}}"#;
    let planned = crate::model::fleet::Fleet::from_json(fleet).unwrap();
    let planned = planned.check().unwrap().remove(0);
    let mut slot = crate::usecases::register::new_slot(&planned, at(0));
    for (name, mode, basis, score, since, judged, expected) in [
        ("just over", Enforce, Usual, 1000, Some(60), 60, false),
        ("for a minute", Enforce, Usual, 1000, Some(59), 60, false),
        ("for two", Enforce, Usual, 1000, Some(58), 60, true),
        (
            "for two, declared",
            Enforce,
            Declared,
            1000,
            Some(58),
            60,
            true,
        ),
        ("under", Enforce, Usual, 999, Some(58), 60, false),
        ("never over", Enforce, Usual, 1000, None, 60, false),
        ("observes", Observe, Usual, 9000, Some(0), 60, false),
        (
            "observes, declared",
            Observe,
            Declared,
            1000,
            Some(60),
            60,
            true,
        ),
        (
            "judged a while ago",
            Enforce,
            Usual,
            1000,
            Some(30),
            46,
            true,
        ),
        (
            "judged too long ago",
            Enforce,
            Usual,
            1000,
            Some(30),
            44,
            false,
        ),
    ] {
        slot.mode = mode;
        let standing = Standing {
            score,
            basis,
            at: at(judged),
            over_since: since.map(at),
        };
        assert_eq!(is_to_be_sent(&slot, &standing, at(60)), expected, "{name}");
    }
}
