//! Conditional writes, several at once, and what it means when one of their conditions is not met.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use keyward_core::model::act::Act;
use keyward_core::model::admin::AdminRecord;
use keyward_core::model::audit::AcceptedRisk;
use keyward_core::model::drill::Drill;
use keyward_core::model::incident::{Incident, TriggerId};
use keyward_core::model::names::{AccountName, SlotName};
use keyward_core::model::offboarding::Offboarding;
use keyward_core::model::pool::Pool;
use keyward_core::model::slot::{Epoch, Revision, Slot};
use keyward_core::model::version::{Version, VersionId};
use keyward_core::ports::{Fence, InventoryError, UniqueItem};

use super::items::{self, Item, Key};
use super::schema::Release;
use super::table::unbuilt;
use crate::fault::{Fault, examine};

/// One item to write whole.
#[derive(Debug, Clone, Copy)]
pub(super) enum Write<'a> {
    NewSlot(&'a Slot),
    Slot(&'a Slot),
    NewVersion(&'a Version),
    Version(&'a Version),
    /// The incident, and again under its slot while it is open: there is one place for it there, so a slot has one.
    NewIncident(&'a Incident),
    Incident(&'a Incident),
    /// An incident that is closed already.
    ClosedIncident(&'a Incident),
    /// That a trigger belongs to the incident.
    Trigger(&'a TriggerId, &'a Incident),
    Pool(&'a Pool),
    Admin(&'a AdminRecord),
    /// A risk that was read at this revision; zero where there was none.
    Risk(&'a AcceptedRisk, Revision),
    NewAct(&'a Act),
    NewDrill(&'a Drill),
    /// A case of offboarding; with revision zero a new one.
    Offboarding(&'a Offboarding),
}

/// What is at stake in the condition of one item.
#[derive(Debug, Clone)]
enum Guard {
    Epoch(Epoch),
    Revision,
    Unique(UniqueItem, SlotName),
}

/// Writes that happen whole or not at all.
#[derive(Debug)]
pub(super) struct Writes<'a> {
    table: &'a str,
    release: Release,
    actions: Vec<TransactWriteItem>,
    guards: Vec<Guard>,
    claimed: HashMap<Key, SlotName>,
}

impl<'a> Writes<'a> {
    pub(super) fn to(table: &'a str, release: Release) -> Self {
        Self {
            table,
            release,
            actions: Vec::new(),
            guards: Vec::new(),
            claimed: HashMap::new(),
        }
    }

    /// Writes only while `slot` is in the fence's epoch.
    pub(super) fn fence(&mut self, slot: &SlotName, fence: Fence) -> Result<(), InventoryError> {
        let Fence::Epoch(epoch) = fence else {
            return Ok(());
        };
        self.check(Guard::Epoch(epoch), &Key::slot(slot), items::EPOCH, epoch.0)
    }

    /// Writes only while the version is as it was read.
    pub(super) fn unchanged(&mut self, version: &Version) -> Result<(), InventoryError> {
        let key = Key::version(&version.slot, &version.id);
        let revision = version.revision.0;
        self.check(Guard::Revision, &key, items::REVISION, revision)
    }

    /// Writes only while the item has this number under `name`.
    fn check(
        &mut self,
        guard: Guard,
        key: &Key,
        name: &str,
        number: u64,
    ) -> Result<(), InventoryError> {
        let check = ConditionCheck::builder()
            .table_name(self.table)
            .set_key(Some(key.to_item()))
            .condition_expression("#name = :number")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":number", items::number(number))
            .build()
            .map_err(unbuilt)?;
        let action = TransactWriteItem::builder().condition_check(check).build();
        self.actions.push(action);
        self.guards.push(guard);
        Ok(())
    }

    /// Adds one item.
    pub(super) fn push(&mut self, write: Write<'_>) -> Result<(), InventoryError> {
        match write {
            Write::NewSlot(slot) => {
                let guard = Guard::Unique(UniqueItem::Name, slot.name.clone());
                self.put(guard, Condition::Absent, self.slot(slot)?)
            }
            Write::Slot(slot) => {
                let condition = Condition::Revision(slot.revision);
                self.put(Guard::Revision, condition, self.slot(slot)?)
            }
            Write::NewVersion(version) => {
                self.put(Guard::Revision, Condition::Absent, self.version(version)?)
            }
            Write::Version(version) => {
                let condition = Condition::Revision(version.revision);
                self.put(Guard::Revision, condition, self.version(version)?)
            }
            Write::NewIncident(incident) => self.incident(incident, Condition::Absent),
            Write::Incident(incident) => {
                self.incident(incident, Condition::Revision(incident.revision))
            }
            Write::ClosedIncident(incident) => {
                let key = Key::incident(&incident.id);
                let item =
                    self.release
                        .encode(&key, incident, incident.revision, incident.due_at)?;
                let condition = Condition::ClosedRevision(incident.revision);
                self.put(Guard::Revision, condition, item)
            }
            Write::Trigger(trigger, incident) => {
                let mut item = Key::trigger(trigger).to_item();
                self.release.mark(&mut item);
                let incident = AttributeValue::S(incident.id.clone());
                item.insert(items::OF_INCIDENT.to_owned(), incident);
                self.put(Guard::Revision, Condition::SameIncident, item)
            }
            Write::Pool(pool) => {
                let item =
                    self.release
                        .encode(&Key::pool(&pool.account), pool, pool.revision, None)?;
                self.put(Guard::Revision, Condition::begun(pool.revision), item)
            }
            Write::Admin(record) => {
                let key = Key::admin(&record.account);
                let item = self.release.encode(&key, record, record.revision, None)?;
                self.put(Guard::Revision, Condition::begun(record.revision), item)
            }
            Write::Risk(risk, revision) => {
                let item = self
                    .release
                    .encode(&Key::risk(risk.finding), risk, revision, None)?;
                self.put(Guard::Revision, Condition::begun(revision), item)
            }
            Write::NewAct(act) => {
                let item = self
                    .release
                    .encode(&Key::act(act), act, Revision::default(), None)?;
                self.put(Guard::Revision, Condition::Absent, item)
            }
            Write::Offboarding(case) => {
                let key = Key::offboarding(&case.id);
                let mut item = self
                    .release
                    .encode(&key, case, case.revision, case.due_at)?;
                if item.contains_key(items::DUE) {
                    let partition = AttributeValue::S(items::OFFBOARD_PARTITION.to_owned());
                    item.insert(items::DUE.to_owned(), partition);
                }
                self.put(Guard::Revision, Condition::begun(case.revision), item)
            }
            Write::NewDrill(drill) => {
                let item =
                    self.release
                        .encode(&Key::drill(drill), drill, Revision::default(), None)?;
                self.put(Guard::Revision, Condition::Absent, item)
            }
        }
    }

    fn slot(&self, slot: &Slot) -> Result<Item, InventoryError> {
        let key = Key::slot(&slot.name);
        self.release
            .encode(&key, slot, slot.revision, Some(slot.due_at))
    }

    fn version(&self, version: &Version) -> Result<Item, InventoryError> {
        let key = Key::version(&version.slot, &version.id);
        self.release
            .encode(&key, version, version.revision, version.due_at)
    }

    /// Writes the incident under its own key, with its work, and its copy under the slot, which goes when it is closed.
    fn incident(
        &mut self,
        incident: &Incident,
        condition: Condition,
    ) -> Result<(), InventoryError> {
        let (own, copy) = (
            Key::incident(&incident.id),
            Key::open_incident(&incident.slot),
        );
        let revision = incident.revision;
        let item = self
            .release
            .encode(&own, incident, revision, incident.due_at)?;
        self.put(Guard::Revision, condition, item)?;
        if incident.closed.is_some() {
            return self.delete(&copy, revision);
        }
        let item = self.release.encode(&copy, incident, revision, None)?;
        self.put(Guard::Revision, condition, item)
    }

    /// Takes an item away that has not been written since.
    pub(super) fn delete(&mut self, key: &Key, revision: Revision) -> Result<(), InventoryError> {
        let delete = Delete::builder()
            .table_name(self.table)
            .set_key(Some(key.to_item()))
            .condition_expression("#revision = :revision")
            .expression_attribute_names("#revision", items::REVISION)
            .expression_attribute_values(":revision", items::number(revision.0))
            .build()
            .map_err(unbuilt)?;
        self.actions
            .push(TransactWriteItem::builder().delete(delete).build());
        self.guards.push(Guard::Revision);
        Ok(())
    }

    /// Claims what a version must be alone in having. `account` is the slot's, needed if it has a handle.
    pub(super) fn claim_version(
        &mut self,
        version: &Version,
        account: Option<&AccountName>,
    ) -> Result<(), InventoryError> {
        if let Some(fingerprint) = version.fingerprint {
            let value = fingerprint.to_hex();
            self.claim(
                UniqueItem::Fingerprint,
                &version.slot,
                Some(&version.id),
                &value,
            )?;
        }
        if let (Some(handle), Some(account)) = (&version.handle, account) {
            let value = format!("{account}#{handle}");
            self.claim(UniqueItem::Handle, &version.slot, Some(&version.id), &value)?;
        }
        Ok(())
    }

    /// Claims `value` for a slot, or for one of its versions. Claiming again what one has is fine.
    pub(super) fn claim(
        &mut self,
        what: UniqueItem,
        slot: &SlotName,
        version: Option<&VersionId>,
        value: &str,
    ) -> Result<(), InventoryError> {
        let key = Key::unique(what, value);
        if let Some(by) = self.claimed.insert(key.clone(), slot.clone()) {
            return Err(InventoryError::Taken { what, by: Some(by) });
        }
        let version = version.map_or_else(|| "-".to_owned(), ToString::to_string);
        let mut item = key.to_item();
        self.release.mark(&mut item);
        item.extend([
            (
                items::OWNER_SLOT.to_owned(),
                AttributeValue::S(slot.to_string()),
            ),
            (items::OWNER_VERSION.to_owned(), AttributeValue::S(version)),
        ]);
        self.put(Guard::Unique(what, slot.clone()), Condition::Unowned, item)
    }

    fn put(
        &mut self,
        guard: Guard,
        condition: Condition,
        item: Item,
    ) -> Result<(), InventoryError> {
        let put = condition
            .on(Put::builder().table_name(self.table), &item)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(unbuilt)?;
        self.actions
            .push(TransactWriteItem::builder().put(put).build());
        self.guards.push(guard);
        Ok(())
    }

    /// Carries all of it out.
    pub(super) async fn commit(self, client: &Client) -> Result<(), InventoryError> {
        let request = client.transact_write_items();
        let answer = request.set_transact_items(Some(self.actions)).send().await;
        let Err(error) = answer else {
            return Ok(());
        };
        let failure = examine("TransactWriteItems", &error);
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => Err(why(
                &self.guards,
                canceled.cancellation_reasons(),
                failure.fault,
            )),
            _ => Err(failure.of_inventory()),
        }
    }
}

/// What must be true of an item as it is.
#[derive(Debug, Clone, Copy)]
enum Condition {
    /// It is not there.
    Absent,
    /// It has not been written since.
    Revision(Revision),
    /// The same of an incident, which is closed besides.
    ClosedRevision(Revision),
    /// It is not there, or has the same owner.
    Unowned,
    /// It is not there, or belongs to the same incident.
    SameIncident,
}

type PutBuilder = aws_sdk_dynamodb::types::builders::PutBuilder;

impl Condition {
    /// Of an item that is begun by its first write: as it was read, or not there.
    const fn begun(revision: Revision) -> Self {
        match revision {
            Revision(0) => Self::Absent,
            revision => Self::Revision(revision),
        }
    }

    fn on(self, put: PutBuilder, item: &Item) -> PutBuilder {
        let own = |name: &str| {
            let text = items::text(item, name).unwrap_or_default();
            AttributeValue::S(text.to_owned())
        };
        match self {
            Self::Absent => put
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", items::PK),
            Self::Revision(revision) => put
                .condition_expression("#revision = :revision")
                .expression_attribute_names("#revision", items::REVISION)
                .expression_attribute_values(":revision", items::number(revision.0)),
            Self::ClosedRevision(revision) => put
                .condition_expression("#revision = :revision AND attribute_exists(#closed)")
                .expression_attribute_names("#revision", items::REVISION)
                .expression_attribute_names("#closed", items::CLOSED)
                .expression_attribute_values(":revision", items::number(revision.0)),
            Self::Unowned => put
                .condition_expression(
                    "attribute_not_exists(#pk) OR (#slot = :slot AND #version = :version)",
                )
                .expression_attribute_names("#pk", items::PK)
                .expression_attribute_names("#slot", items::OWNER_SLOT)
                .expression_attribute_names("#version", items::OWNER_VERSION)
                .expression_attribute_values(":slot", own(items::OWNER_SLOT))
                .expression_attribute_values(":version", own(items::OWNER_VERSION)),
            Self::SameIncident => put
                .condition_expression("attribute_not_exists(#pk) OR #incident = :incident")
                .expression_attribute_names("#pk", items::PK)
                .expression_attribute_names("#incident", items::OF_INCIDENT)
                .expression_attribute_values(":incident", own(items::OF_INCIDENT)),
        }
    }
}

/// Why a transaction was cancelled. The reasons stand in the order of the items; the first condition that was not met
/// decides, and only where all were met is it a passing fault.
fn why(guards: &[Guard], reasons: &[CancellationReason], fault: Fault) -> InventoryError {
    let unmet = guards
        .iter()
        .zip(reasons)
        .find(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"));
    match unmet {
        Some((Guard::Epoch(epoch), _)) => InventoryError::Fenced(*epoch),
        Some((Guard::Revision, _)) => InventoryError::Conflict,
        Some((Guard::Unique(UniqueItem::Name, slot), _)) => InventoryError::Taken {
            what: UniqueItem::Name,
            by: Some(slot.clone()),
        },
        Some((Guard::Unique(what, _), reason)) => InventoryError::Taken {
            what: *what,
            by: reason
                .item()
                .and_then(|item| items::text(item, items::OWNER_SLOT))
                .and_then(|slot| slot.parse().ok()),
        },
        None => {
            let codes: Vec<&str> = reasons
                .iter()
                .filter_map(CancellationReason::code)
                .filter(|code| *code != "None")
                .collect();
            InventoryError::Unavailable(
                Fault::new(
                    "TransactWriteItems",
                    format!("{}; {fault}", codes.join(", ")),
                )
                .into(),
            )
        }
    }
}
