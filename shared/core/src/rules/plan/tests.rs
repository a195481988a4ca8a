use std::collections::BTreeSet;

use super::*;
use crate::model::fleet::Fleet;
use crate::model::money::{CapPeriod, MicroDollars};
use crate::model::names::SecretVersionId;
use crate::model::slot::Epoch;
use crate::model::text::OutsideText;
use crate::ports::{KeyOwner, Reach};
use crate::usecases::register::new_slot;

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

/// A slot that is expected to spend $10 in a day: its keys may spend $25.
fn slot() -> Slot {
    let fleet = r#"{"version": 1, "accounts": {"main": {"provider": "openrouter"}},
        "agents": {"bot": {"owner": "ana@example.com", "environment": "prod"}},
        "slots": {"bot": {"agent": "bot", "account": "main",
            "secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/bot-a1B2c3",
            "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000}}}}"#;
    let planned = Fleet::from_json(fleet).unwrap().check().unwrap();
    new_slot(&planned[0], now())
}

fn token(number: u32) -> SecretVersionId {
    let text = format!("11111111-aaaa-4bbb-8ccc-{number:012}");
    text.parse().unwrap()
}

fn version(number: u32, state: VersionState) -> Version {
    let id = format!("{}.1", token(number)).parse().unwrap();
    let mut version = Version::intended(&slot().name, id, Epoch(0), now());
    version.state = state;
    version.handle = format!("handle-{number}").parse().ok();
    version
}

fn secret(current: Option<u32>) -> SecretDescription {
    let labels = |number| (token(number), BTreeSet::from([Stage::Current]));
    SecretDescription {
        arn: slot().secret,
        rotation_enabled: true,
        is_deleted: false,
        stages: current.into_iter().map(labels).collect(),
        tags: BTreeMap::new(),
    }
}

fn menders(remarks: &[Remark]) -> Vec<(Source, Mender)> {
    let each = remarks.iter();
    each.map(|remark| (remark.source, remark.mender)).collect()
}

#[test]
fn a_secret_is_held_against_the_inventory() {
    use Mender::{Apply, Keyward, Person};
    let off = SecretDescription {
        rotation_enabled: false,
        ..secret(Some(1))
    };
    let tags = ["keyward:slot".to_owned()];
    let current = [version(1, VersionState::Current)];
    for (name, versions, secret, missing, expected) in [
        (
            "as it should be",
            &current[..],
            secret(Some(1)),
            &[][..],
            vec![],
        ),
        ("tags", &current, secret(Some(1)), &tags, vec![Apply]),
        ("rotation off", &current, off, &[], vec![Person]),
        (
            "moved by hand",
            &current,
            secret(Some(2)),
            &[],
            vec![Keyward],
        ),
        ("label gone", &current, secret(None), &[], vec![Keyward]),
        ("never had a key", &[], secret(None), &[], vec![Keyward]),
        (
            "a key not taken in",
            &[],
            secret(Some(1)),
            &[],
            vec![Keyward],
        ),
    ] {
        let remarks = of_secret(&slot(), versions, &secret, missing);
        let expected: Vec<_> = expected.into_iter().map(|m| (Source::Secret, m)).collect();
        assert_eq!(menders(&remarks), expected, "{name}");
    }
}

#[test]
fn what_a_kill_left_is_for_a_person() {
    use Mender::{Keyward, Person};
    let cut_off = [version(1, VersionState::Contained)];
    let lift = (Source::Inventory, Person);
    for (state, versions, expected) in [
        (SlotState::Suspended, &cut_off[..], vec![lift]),
        (SlotState::Suspended, &[], vec![lift]),
        (
            SlotState::Restricted,
            &cut_off,
            vec![lift, (Source::Secret, Keyward)],
        ),
        (
            SlotState::Restricted,
            &[version(1, VersionState::Current)],
            vec![lift],
        ),
    ] {
        let slot = Slot { state, ..slot() };
        let remarks = of_secret(&slot, versions, &secret(Some(1)), &[]);
        assert_eq!(menders(&remarks), expected, "{state:?}");
        assert!(remarks[0].how.contains("keyward restore bot"));
    }
}

fn listed(number: u32, dollars_a_day: Option<u64>) -> KeyRecord {
    KeyRecord {
        handle: format!("handle-{number}").parse().unwrap(),
        label: OutsideText::new("keyward"),
        redacted: OutsideText::new(""),
        suspended: Some(false),
        workspace: None,
        owner: KeyOwner::Unknown,
        created: None,
        expires: None,
        last_used: None,
        spent: None,
        cap: dollars_a_day.map(|dollars| SpendCap {
            amount: MicroDollars::from_dollars(dollars),
            period: CapPeriod::Daily,
        }),
        reach: Reach::default(),
    }
}

#[test]
fn keys_are_held_against_the_providers_list() {
    use Mender::{Keyward, NotSeen, Person};
    use VersionState::{Current, Retiring, Revoked};
    let nameless = Version {
        handle: None,
        ..version(1, Current)
    };
    let suspended = KeyRecord {
        suspended: Some(true),
        ..listed(1, Some(25))
    };
    let limit = Some(DayLimit::ItsOwn);
    for (name, versions, found, limit, expected) in [
        (
            "as it should be",
            vec![version(1, Current)],
            vec![listed(1, Some(25))],
            limit,
            vec![],
        ),
        (
            "no limits there",
            vec![version(1, Current)],
            vec![listed(1, None)],
            None,
            vec![],
        ),
        (
            "no limit set",
            vec![version(1, Current)],
            vec![listed(1, None)],
            limit,
            vec![(Source::Cap, Keyward)],
        ),
        (
            "another limit",
            vec![version(1, Current)],
            vec![listed(1, Some(99))],
            limit,
            vec![(Source::Cap, Keyward)],
        ),
        (
            "gone",
            vec![version(1, Current), version(2, Retiring)],
            vec![],
            limit,
            vec![(Source::Provider, Person), (Source::Provider, Keyward)],
        ),
        (
            "suspended",
            vec![version(1, Current)],
            vec![suspended],
            limit,
            vec![(Source::Provider, Person)],
        ),
        (
            "without an id",
            vec![nameless],
            vec![listed(1, Some(25))],
            limit,
            vec![(Source::Provider, NotSeen)],
        ),
        ("dead", vec![version(1, Revoked)], vec![], limit, vec![]),
    ] {
        let found = found.into_iter();
        let found = found.map(|key| (key.handle.to_string(), key)).collect();
        let remarks = of_keys(&slot(), &versions, &found, limit, now());
        assert_eq!(menders(&remarks), expected, "{name}");
    }
}

#[test]
fn a_mode_that_the_file_does_not_name_is_no_difference() {
    let mut slot = slot();
    for (mode, wanted, differs) in [
        (Mode::Observe, None, None),
        (Mode::Enforce, None, None),
        (Mode::Enforce, Some(Mode::Enforce), None),
        (
            Mode::Observe,
            Some(Mode::Enforce),
            Some("keyward enforce bot --reason ..."),
        ),
        (
            Mode::Enforce,
            Some(Mode::Observe),
            Some("keyward enforce bot --observe --reason ..."),
        ),
    ] {
        slot.mode = mode;
        let remark = of_mode(&slot, wanted);
        assert_eq!(remark.as_ref().map(|r| r.how.as_str()), differs);
    }
}
