//! Keys and items of the table.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use keyward_core::model::act::{Act, Phase};
use keyward_core::model::audit::Period;
use keyward_core::model::drill::Drill;
use keyward_core::model::finding::FindingId;
use keyward_core::model::incident::TriggerId;
use keyward_core::model::names::{AccountName, SlotName};
use keyward_core::model::offboarding::OffboardingId;
use keyward_core::model::slot::{Revision, Slot};
use keyward_core::model::version::VersionId;
use keyward_core::ports::{Due, InventoryError, UniqueItem};

/// One item as DynamoDB's client has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The table's partition key.
pub(super) const PK: &str = "pk";
/// The table's sort key.
pub(super) const SK: &str = "sk";
/// The partition key of the index of due work; only on items with work to do.
pub(super) const DUE: &str = "due";
/// The partition of that index for all work but offboarding.
pub(super) const DUE_PARTITION: &str = "1";
/// The partition of that index for cases of offboarding: those who look for other work do not see them.
pub(super) const OFFBOARD_PARTITION: &str = "offboard";
/// The sort key of that index.
pub(super) const DUE_AT: &str = "due_at";
/// Counts an item's writes.
pub(super) const REVISION: &str = "revision";
/// The slot's epoch.
pub(super) const EPOCH: &str = "epoch";
/// The slot that has a uniqueness item.
pub(super) const OWNER_SLOT: &str = "slot";
/// The version that has a uniqueness item; `-` where it belongs to the slot as a whole.
pub(super) const OWNER_VERSION: &str = "version";
/// Since when an incident takes no further triggers.
pub(super) const CLOSED: &str = "closed";
/// The incident that a trigger belongs to.
pub(super) const OF_INCIDENT: &str = "incident";
/// Sort keys of versions begin so.
pub(super) const VERSION_PREFIX: &str = "VERSION#";

/// Sort keys of drills that are over begin so.
pub(super) const DRILL_PREFIX: &str = "DRILL#";

const SLOT_PREFIX: &str = "SLOT#";
const INCIDENT_PREFIX: &str = "INCIDENT#";
const OFFBOARD_PREFIX: &str = "OFFBOARD#";
/// The schema that an item is of.
pub(super) const SCHEMA_FIELD: &str = "schema";

/// The key of one item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Key {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    pub(super) fn slot(name: &SlotName) -> Self {
        Self::new(format!("{SLOT_PREFIX}{name}"), "SLOT")
    }

    pub(super) fn version(slot: &SlotName, id: &VersionId) -> Self {
        Self::new(
            format!("{SLOT_PREFIX}{slot}"),
            format!("{VERSION_PREFIX}{id}"),
        )
    }

    pub(super) fn incident(id: &str) -> Self {
        Self::new(format!("{INCIDENT_PREFIX}{id}"), "INCIDENT")
    }

    /// Where it is written down which incident a trigger belongs to.
    pub(super) fn trigger(id: &TriggerId) -> Self {
        Self::new(format!("TRIGGER#{id}"), "TRIGGER")
    }

    /// Where a slot's open incident is; absent while it has none.
    pub(super) fn open_incident(slot: &SlotName) -> Self {
        Self::new(format!("{SLOT_PREFIX}{slot}"), "INCIDENT")
    }

    /// Drills stand under their slot, by time.
    pub(super) fn drill(drill: &Drill) -> Self {
        Self::new(
            format!("{SLOT_PREFIX}{}", drill.slot),
            format!("{DRILL_PREFIX}{}", sortable(drill.started)),
        )
    }

    pub(super) fn offboarding(id: &OffboardingId) -> Self {
        Self::new(format!("{OFFBOARD_PREFIX}{id}"), "OFFBOARD")
    }

    pub(super) fn pool(account: &AccountName) -> Self {
        Self::new(format!("POOL#{account}"), "POOL")
    }

    pub(super) fn admin(account: &AccountName) -> Self {
        Self::new(format!("ADMIN#{account}"), "ADMIN")
    }

    /// Acts stand by month, then by time.
    pub(super) fn act(act: &Act) -> Self {
        let at = sortable(act.at);
        let phase = match act.phase {
            Phase::Begun => "BEGUN",
            Phase::Ended => "ENDED",
        };
        Self::new(
            Self::acts_of(Period::of(act.at)),
            format!("{at}#{}#{phase}", act.id.as_str()),
        )
    }

    /// The partition of a month's acts.
    pub(super) fn acts_of(month: Period) -> String {
        format!("ACT#{month}")
    }

    /// The partition of accepted risks.
    pub(super) const RISKS: &str = "RISKS";

    /// Who answers for a finding.
    pub(super) fn risk(finding: FindingId) -> Self {
        Self::new(Self::RISKS.to_owned(), format!("RISK#{finding}"))
    }

    /// Where it is written down whose `value` is.
    pub(super) fn unique(what: UniqueItem, value: &str) -> Self {
        let kind = match what {
            UniqueItem::Fingerprint => "FINGERPRINT",
            UniqueItem::Handle => "HANDLE",
            UniqueItem::Secret => "SECRET",
            UniqueItem::Place => "PLACE",
            UniqueItem::Home => "HOME",
            UniqueItem::Name => "NAME",
        };
        Self::new(format!("{kind}#{value}"), "OWNER")
    }

    pub(super) fn to_item(&self) -> Item {
        Item::from([
            (PK.to_owned(), AttributeValue::S(self.pk.clone())),
            (SK.to_owned(), AttributeValue::S(self.sk.clone())),
        ])
    }

    pub(super) fn of(item: &Item) -> Self {
        let text = |name| text(item, name).unwrap_or_default().to_owned();
        Self::new(text(PK), text(SK))
    }

    /// The error for an item that cannot be read.
    pub(super) fn corrupt(&self, why: impl Into<String>) -> InventoryError {
        InventoryError::Corrupt {
            key: format!("{} / {}", self.pk, self.sk),
            why: why.into(),
        }
    }
}

/// What the uniqueness item of a slot's place is called.
pub(super) fn place(slot: &Slot) -> String {
    let environment = serde_json::to_value(slot.environment).unwrap_or_default();
    let environment = environment.as_str().unwrap_or_default();
    format!("{}#{}#{environment}", slot.agent, slot.provider)
}

/// A time whose order as text is its order in time.
pub(super) fn sortable(time: Timestamp) -> String {
    format!("{time:.9}")
}

pub(super) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)
        .and_then(|v| v.as_s().ok())
        .map(String::as_str)
}

/// How often an item was written; `None` if it does not say.
pub(super) fn revision(item: &Item) -> Option<Revision> {
    let number = item.get(REVISION)?.as_n().ok()?;
    number.parse().ok().map(Revision)
}

/// The work that an item in the index of due work stands for.
pub(super) fn due(item: &Item) -> Result<Due, InventoryError> {
    let key = Key::of(item);
    if let Some(id) = key.pk.strip_prefix(INCIDENT_PREFIX) {
        return Ok(Due::Incident(id.to_owned()));
    }
    let slot = key.pk.strip_prefix(SLOT_PREFIX);
    let slot: SlotName = slot
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| key.corrupt("it belongs to no slot"))?;
    if key.sk == Key::slot(&slot).sk {
        return Ok(Due::Slot(slot));
    }
    let version = key.sk.strip_prefix(VERSION_PREFIX);
    match version.and_then(|id| id.parse().ok()) {
        Some(version) => Ok(Due::Version(slot, version)),
        None => Err(key.corrupt("it is neither a slot nor a version")),
    }
}

/// The case that an item in the index stands for.
pub(super) fn due_case(item: &Item) -> Result<OffboardingId, InventoryError> {
    let key = Key::of(item);
    let id = key
        .pk
        .strip_prefix(OFFBOARD_PREFIX)
        .and_then(OffboardingId::parse);
    id.ok_or_else(|| key.corrupt("it is no case of offboarding"))
}

pub(super) fn number(n: u64) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_text() {
        let times = [
            "2026-12-01T09:00:00Z",
            "2026-12-01T09:00:00.000000001Z",
            "2026-12-01T09:00:00.5Z",
            "2026-12-01T09:00:01Z",
            "2026-12-01T10:00:00Z",
        ];
        let sorted: Vec<String> = times.iter().map(|t| sortable(t.parse().unwrap())).collect();
        assert!(sorted.is_sorted(), "{sorted:?}");
        for (text, time) in sorted.iter().zip(times) {
            assert_eq!(
                text.parse::<Timestamp>().unwrap(),
                time.parse::<Timestamp>().unwrap()
            );
        }
    }

    #[test]
    fn due_work_is_read_from_its_key() {
        let slot: SlotName = "support-bot".parse().unwrap();
        let id: VersionId = "11111111-aaaa-4bbb-8ccc-000000000002.1".parse().unwrap();
        assert_eq!(
            due(&Key::slot(&slot).to_item()).unwrap(),
            Due::Slot(slot.clone())
        );
        assert_eq!(
            due(&Key::version(&slot, &id).to_item()).unwrap(),
            Due::Version(slot.clone(), id)
        );
        assert_eq!(
            due(&Key::incident("support-bot-4").to_item()).unwrap(),
            Due::Incident("support-bot-4".to_owned())
        );
        for key in [
            Key::trigger(&TriggerId::new("x")),
            Key::open_incident(&slot),
            Key::new("SLOT#Bad Name".to_owned(), "SLOT"),
            Key::new("SLOT#a".to_owned(), "VERSION#x"),
        ] {
            assert!(due(&key.to_item()).is_err(), "{key:?}");
        }
    }
}
