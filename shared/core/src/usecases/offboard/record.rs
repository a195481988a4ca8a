//! The evidence of a case: what was done about each key, when, for whom, and how its end is known.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::key::Hint;
use crate::model::names::{AgentName, SlotName};
use crate::model::offboarding::{
    AskedFor, HandedOver, Leaver, Offboarding, OffboardingId, ReadsLook, SecretEnd, SlotTask, Tie,
};
use crate::model::slot::{Environment, ProviderName};
use crate::model::text::OutsideText;
use crate::model::version::{Confirmation, Version, VersionId, VersionState};
use crate::ports::{Inventory, InventoryError};

/// What an auditor keeps of a case. A field may be added to it under the same `schema`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OffboardingRecord {
    /// The form of this file: 1.
    pub schema: u32,
    /// The case.
    pub case: OffboardingId,
    /// Who or what left.
    pub leaver: Leaver,
    /// Who asked for it, with the ids of their requests.
    pub asked: Vec<AskedFor>,
    /// When it was opened.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub opened: Timestamp,
    /// When every key was to be dead or replaced.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub deadline: Timestamp,
    /// When this was written.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub written: Timestamp,
    /// When nothing was left to do; absent while something is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub closed: Option<Timestamp>,
    /// How far CloudTrail was asked what a person has read. With `not_seen` it is not known what else they read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reads: Option<ReadsLook>,
    /// Slots that there was no room for in the case.
    pub left_out: usize,
    /// The slots.
    pub slots: Vec<SlotRecord>,
}

/// What was done about one slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlotRecord {
    /// The slot.
    pub slot: SlotName,
    /// Its agent; absent if the slot is gone from the inventory.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent: Option<AgentName>,
    /// Where the agent runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub environment: Option<Environment>,
    /// Whose API the keys open.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider: Option<ProviderName>,
    /// What tied the person to it.
    pub ties: Vec<Tie>,
    /// Who answers for it now.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub handed_over: Option<HandedOver>,
    /// The keys that were alive when the case was opened and that were to end.
    pub keys: Vec<KeyRecordOf>,
    /// The key that is in use now: begun after the case was opened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replaced_by: Option<KeyRecordOf>,
    /// That its secret is scheduled for deletion.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub secret_deleted: Option<SecretEnd>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waits_for: Option<OutsideText>,
    /// When nothing was left to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub done: Option<Timestamp>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyRecordOf {
    /// Its version.
    #[schemars(with = "String")]
    pub version: VersionId,
    /// The first 12 digits of its fingerprint; absent where its text was never known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fingerprint: Option<String>,
    /// Its prefix and last characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>")]
    pub hint: Option<Hint>,
    /// Where it stands.
    #[schemars(with = "String")]
    pub state: VersionState,
    /// When it was made.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub created: Timestamp,
    /// When agents began to fetch it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub promoted: Option<Timestamp>,
    /// When its provider accepted the revoke. Accepted is not done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub revoke_accepted: Option<Timestamp>,
    /// When its end was established.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub revoke_confirmed: Option<Timestamp>,
    /// By what.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>")]
    pub confirmed_by: Option<Confirmation>,
}

impl OffboardingRecord {
    /// The form that this release writes.
    pub const SCHEMA: u32 = 1;

    /// The file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Whether every key is dead, as far as that can be known, and nothing is left to do.
    pub fn is_complete(&self) -> bool {
        let is_dead = |key: &KeyRecordOf| key.revoke_confirmed.is_some();
        let is_over = |slot: &SlotRecord| slot.done.is_some() && slot.keys.iter().all(is_dead);
        self.closed.is_some() && self.left_out == 0 && self.slots.iter().all(is_over)
    }

    /// The JSON Schema of the file.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}

/// The evidence of a case as it stands.
///
/// # Errors
/// [`InventoryError`].
pub async fn record_of(
    inventory: &dyn Inventory,
    case: &Offboarding,
    now: Timestamp,
) -> Result<OffboardingRecord, InventoryError> {
    let mut slots = Vec::new();
    for task in &case.slots {
        slots.push(slot_record(inventory, case, task).await?);
    }
    Ok(OffboardingRecord {
        schema: OffboardingRecord::SCHEMA,
        case: case.id.clone(),
        leaver: case.leaver.clone(),
        asked: case.asked.clone(),
        opened: case.opened,
        deadline: case.deadline,
        written: now,
        closed: case.closed,
        reads: case.reads.clone(),
        left_out: case.left_out,
        slots,
    })
}

async fn slot_record(
    inventory: &dyn Inventory,
    case: &Offboarding,
    task: &SlotTask,
) -> Result<SlotRecord, InventoryError> {
    let slot = inventory.slot(&task.slot).await?;
    let versions = inventory.versions(&task.slot).await?;
    let was_alive = |v: &&Version| v.revoke_confirmed.is_none_or(|end| end.at >= case.opened);
    // Of a slot that is given up every key was to end, later ones too.
    let is_meant = |v: &&Version| case.leaver.ends_slots() || v.begun_at() <= task.known_until;
    let keys = versions.iter().filter(was_alive).filter(is_meant);
    let current = versions
        .iter()
        .find(|v| v.state == VersionState::Current && !is_meant(v));
    Ok(SlotRecord {
        slot: task.slot.clone(),
        agent: slot.as_ref().map(|slot| slot.agent.clone()),
        environment: slot.as_ref().map(|slot| slot.environment),
        provider: slot.as_ref().map(|slot| slot.provider),
        ties: task.ties.clone(),
        handed_over: task.handed.clone(),
        keys: keys.map(key_record).collect(),
        replaced_by: current.map(key_record),
        secret_deleted: task.secret_end,
        waits_for: task.waits_for.clone(),
        done: task.done,
    })
}

fn key_record(version: &Version) -> KeyRecordOf {
    KeyRecordOf {
        version: version.id.clone(),
        fingerprint: version.fingerprint.map(|print| print.to_string()),
        hint: version.hint.clone(),
        state: version.state,
        created: version.created,
        promoted: version.promoted,
        revoke_accepted: version.revoke_accepted,
        revoke_confirmed: version.revoke_confirmed.map(|end| end.at),
        confirmed_by: version.revoke_confirmed.map(|end| end.by),
    }
}
