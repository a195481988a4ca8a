//! What every [`Inventory`] promises.

mod drills;
mod due;
mod epochs;
mod fixtures;
mod incidents;
mod slots;
mod versions;

use jiff::Timestamp;
use keyward_core::model::incident::Incident;
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::{Environment, Epoch, Revision, Slot};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{Due, Fence, Inventory, InventoryError, UniqueItem};

use super::{Check, checks};
use drills::*;
use due::*;
use epochs::*;
pub(super) use fixtures::{at, bare, full, print, slot, version_id};
use incidents::*;
use slots::*;
use versions::*;

/// The suite. It may run against an inventory that holds other slots, if none of them is due before the year 2001.
pub const CHECKS: &[Check<dyn Inventory>] = checks![dyn Inventory:
    what_is_not_there_is_not_found,
    a_slot_reads_back,
    a_slot_is_created_with_its_first_version,
    a_name_is_taken_once,
    a_secret_and_a_place_are_taken_once,
    what_keys_live_in_is_taken_once,
    what_is_refused_leaves_nothing_behind,
    a_slot_is_saved_by_revision,
    a_slot_that_is_not_there_is_not_saved,
    of_two_writers_one_wins,
    a_version_reads_back,
    a_version_is_added_once,
    a_version_of_no_slot_is_refused,
    versions_are_listed_oldest_first,
    versions_of_other_slots_are_not_listed,
    versions_are_saved_by_revision,
    versions_are_saved_together_or_not_at_all,
    fingerprints_and_handles_are_taken_once,
    handles_are_unique_within_an_account_only,
    one_slot_has_a_key_once,
    the_holder_of_a_key_is_found,
    every_slot_is_named,
    a_write_in_an_old_epoch_is_fenced,
    a_write_without_a_fence_goes_through,
    an_incident_opens_once_and_raises_the_epoch,
    an_incident_on_a_slot_that_changed_is_refused,
    an_incident_on_versions_that_changed_is_refused,
    an_open_incident_reads_back,
    an_incident_is_saved_by_revision,
    a_closed_incident_makes_room_and_is_still_known,
    a_trigger_belongs_to_one_incident,
    an_incident_is_due_work,
    a_closed_incident_is_followed_up,
    a_drill_ends_with_its_slot_or_not_at_all,
    drills_are_listed_oldest_first_and_by_slot,
    work_is_due_in_order_of_time,
    work_that_is_done_is_not_due,
];

/// A slot with every field set, that no check uses.
///
/// # Panics
/// If `name` is no slot name.
pub fn example_slot(name: &str) -> Slot {
    slot(name)
}

async fn create(inventory: &dyn Inventory, name: &str) -> Slot {
    let slot = slot(name);
    inventory.create_slot(&slot, None).await.expect("created");
    stored(inventory, &slot.name).await
}

async fn stored(inventory: &dyn Inventory, name: &SlotName) -> Slot {
    let found = inventory.slot(name).await.expect("read");
    found.expect("the slot is there")
}

async fn add(inventory: &dyn Inventory, version: &Version) -> Version {
    let added = inventory.add_version(version, Fence::None).await;
    added.expect("added");
    read(inventory, version).await
}

async fn read(inventory: &dyn Inventory, version: &Version) -> Version {
    let all = inventory.versions(&version.slot).await.expect("read");
    all.into_iter()
        .find(|v| v.id == version.id)
        .expect("the version is there")
}

#[track_caller]
fn assert_conflict(result: Result<(), InventoryError>) {
    assert!(
        matches!(result, Err(InventoryError::Conflict)),
        "{result:?}"
    );
}

#[track_caller]
fn assert_fenced(result: Result<(), InventoryError>, expected: Epoch) {
    assert!(
        matches!(result, Err(InventoryError::Fenced(epoch)) if epoch == expected),
        "{result:?}"
    );
}

#[track_caller]
fn assert_taken(result: Result<(), InventoryError>, expected: UniqueItem, owner: &SlotName) {
    match result {
        Err(InventoryError::Taken { what, by }) => {
            assert_eq!((what, by.as_ref()), (expected, Some(owner)));
        }
        other => panic!("{other:?}"),
    }
}
