//! What is seen of a slot outside the inventory that is not as it should be, and who sets it right.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::alarms::AlarmChange;
use super::caps;
use crate::model::money::{DayLimit, SpendCap};
use crate::model::names::{SecretVersionId, SlotName};
use crate::model::slot::{Mode, Slot, SlotState};
use crate::model::version::{Version, VersionState};
use crate::ports::{KeyRecord, SecretDescription, Stage};

/// Where something was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The fleet file beside the inventory.
    File,
    /// The inventory.
    Inventory,
    /// Secrets Manager.
    Secret,
    /// The provider's keys.
    Provider,
    /// The limits of keys at the provider.
    Cap,
    /// The alarm that guards the slot.
    Alarm,
}

impl Source {
    /// The name as people read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Inventory => "inventory",
            Self::Secret => "secret",
            Self::Provider => "provider",
            Self::Cap => "cap",
            Self::Alarm => "alarm",
        }
    }
}

/// Who sets a thing right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mender {
    /// `keyward apply`.
    Apply,
    /// Keyward, by itself.
    Keyward,
    /// A person.
    Person,
    /// Nobody yet: it was not seen, so it is not known whether anything is wrong.
    NotSeen,
}

/// One thing that is not as it should be, or was not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Where.
    pub source: Source,
    /// What.
    pub what: String,
    /// Who sets it right.
    pub mender: Mender,
    /// How: the part of Keyward that does it, or what a person does next.
    pub how: String,
}

impl Remark {
    /// Something that could not be looked at.
    pub fn not_seen(source: Source, why: impl Into<String>) -> Self {
        Self {
            source,
            what: why.into(),
            mender: Mender::NotSeen,
            how: "plan again once it can be read".to_owned(),
        }
    }

    fn of_keyward(source: Source, what: impl Into<String>, how: &str) -> Self {
        Self {
            source,
            what: what.into(),
            mender: Mender::Keyward,
            how: how.to_owned(),
        }
    }

    fn of_person(source: Source, what: impl Into<String>, how: impl Into<String>) -> Self {
        Self {
            source,
            what: what.into(),
            mender: Mender::Person,
            how: how.into(),
        }
    }
}

/// What the file says otherwise than the inventory, and `apply` does not change.
pub fn of_mode(slot: &Slot, wanted: Option<Mode>) -> Option<Remark> {
    let wanted = wanted.filter(|mode| *mode != slot.mode)?;
    let (what, option) = match wanted {
        Mode::Enforce => ("the file says that it enforces; it observes", ""),
        Mode::Observe => ("the file says that it observes; it enforces", " --observe"),
    };
    let how = format!("keyward enforce {}{option} --reason ...", slot.name);
    Some(Remark::of_person(Source::File, what, how))
}

/// What of a slot's secret is not as it should be; `missing_tags` are those that it is to have and has not.
pub fn of_secret(
    slot: &Slot,
    versions: &[Version],
    secret: &SecretDescription,
    missing_tags: &[String],
) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if !missing_tags.is_empty() {
        remarks.push(Remark {
            source: Source::Secret,
            what: format!("tags are missing or wrong: {}", missing_tags.join(", ")),
            mender: Mender::Apply,
            how: "keyward apply".to_owned(),
        });
    }
    if !secret.rotation_enabled {
        remarks.push(Remark::of_person(
            Source::Secret,
            "rotation is off: its key is not replaced",
            format!(
                "aws secretsmanager rotate-secret --secret-id {} --rotation-lambda-arn <the rotate function>",
                slot.secret
            ),
        ));
    }
    if let Some(remark) = of_state(slot) {
        remarks.push(remark);
    }
    if slot.state == SlotState::Suspended {
        return remarks;
    }
    let current = current(versions).map(|version| &version.id.secret_version);
    let is_known =
        |holder: &SecretVersionId| versions.iter().any(|v| v.id.secret_version == *holder);
    match (secret.holder(&Stage::Current), current) {
        (Some(holder), None) if is_known(holder) => remarks.push(Remark::of_keyward(
            Source::Secret,
            "AWSCURRENT stands on a key that was cut off or is revoked: its agent has none that works",
            "its replacement is on its way, or retire pages",
        )),
        (None, None) => remarks.push(Remark::of_keyward(
            Source::Secret,
            "it has no key yet",
            &format!("its first rotation makes one; now: {}", rotate(&slot.name)),
        )),
        (holder, recorded) if holder != recorded => remarks.push(Remark::of_keyward(
            Source::Secret,
            "AWSCURRENT stands on another version than the inventory's current key",
            "retire takes it in within half an hour, or pages",
        )),
        _ => {}
    }
    remarks
}

/// What a kill left, which a person lifts.
fn of_state(slot: &Slot) -> Option<Remark> {
    let what = match slot.state {
        SlotState::Suspended => "it is suspended: no key is made for it",
        SlotState::Restricted => "it is restricted: its key may spend one normal day's amount",
        SlotState::Active | SlotState::Decommissioned => return None,
    };
    let how = format!("keyward restore {} --reason ...", slot.name);
    Some(Remark::of_person(Source::Inventory, what, how))
}

fn current(versions: &[Version]) -> Option<&Version> {
    let mut versions = versions.iter();
    versions.find(|version| version.state == VersionState::Current)
}

fn rotate(slot: &SlotName) -> String {
    format!("keyward rotate {slot} --wait")
}

/// What of a slot's keys at the provider is not as the inventory has it. `limit` is how the provider limits a key, where
/// it can.
pub fn of_keys(
    slot: &Slot,
    versions: &[Version],
    listed: &BTreeMap<String, KeyRecord>,
    limit: Option<DayLimit>,
    now: Timestamp,
) -> Vec<Remark> {
    let used = versions.iter().filter(|version| caps::is_kept(version));
    used.flat_map(|version| match &version.handle {
        None => vec![Remark::not_seen(
            Source::Provider,
            format!(
                "its key {} is not known there by an id, and cannot be revoked",
                shown(version)
            ),
        )],
        Some(handle) => match listed.get(handle.as_str()) {
            None => vec![gone(slot, version)],
            Some(record) => of_key(slot, version, record, limit, now),
        },
    })
    .collect()
}

fn gone(slot: &Slot, version: &Version) -> Remark {
    let what = format!("its key {} is not in the provider's list", shown(version));
    match version.state {
        VersionState::Current => Remark::of_person(Source::Provider, what, rotate(&slot.name)),
        _ => Remark::of_keyward(Source::Provider, what, "retire confirms its end"),
    }
}

fn of_key(
    slot: &Slot,
    version: &Version,
    record: &KeyRecord,
    limit: Option<DayLimit>,
    now: Timestamp,
) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if version.state == VersionState::Current && record.suspended == Some(true) {
        let what = format!("its key {} is suspended there", shown(version));
        let remark = Remark::of_person(Source::Provider, what, rotate(&slot.name));
        remarks.push(remark);
    }
    let wanted = limit.and_then(|limit| caps::of_key(slot, version, limit, now));
    if let Some(wanted) = wanted.filter(|wanted| record.cap != Some(*wanted)) {
        let what = format!(
            "the limit of {}: {} → {wanted}",
            shown(version),
            limit_of(record.cap)
        );
        remarks.push(Remark::of_keyward(
            Source::Cap,
            what,
            "retire sets it within minutes",
        ));
    }
    remarks
}

fn limit_of(cap: Option<SpendCap>) -> String {
    cap.map_or_else(|| "none".to_owned(), |cap| cap.to_string())
}

fn shown(version: &Version) -> String {
    let hint = version.hint.as_ref();
    hint.map_or_else(|| "without a hint".to_owned(), ToString::to_string)
}

/// What of the alarm that guards a slot is not as it is to be.
pub fn of_alarm(change: &AlarmChange) -> Option<Remark> {
    const MONITOR: &str = "monitor makes it so within minutes";
    match change {
        AlarmChange::Make(_) => Some(Remark::of_keyward(Source::Alarm, "there is none", MONITOR)),
        AlarmChange::Correct(_, _, differs) => Some(Remark::of_keyward(
            Source::Alarm,
            format!("not as it is to be: {}", differs.join(", ")),
            MONITOR,
        )),
        AlarmChange::Taken(alarm, _) => Some(Remark::of_person(
            Source::Alarm,
            format!(
                "the alarm of its name, {}, belongs to another deployment",
                alarm.name
            ),
            "give one of the two slots another name",
        )),
        AlarmChange::Remove(..) => None,
    }
}

#[cfg(test)]
mod tests;
