//! Which slots a case is about.

use futures::future::try_join_all;

use super::Offboarder;
use super::save::update;
use crate::model::offboarding::Offboarding;
use crate::model::slot::Slot;
use crate::ports::{Inventory, InventoryError};
use crate::rules::offboard::task_of;

/// Slots read at once.
const AT_ONCE: usize = 8;

/// The slots that are wanted. One that cannot be read as such is an error: a slot that was passed over is one whose key
/// lives on.
pub(crate) async fn slots_where(
    inventory: &dyn Inventory,
    is_wanted: impl Fn(&Slot) -> bool,
) -> Result<Vec<Slot>, InventoryError> {
    let names = inventory.slot_names().await?;
    let mut all = Vec::new();
    for names in names.chunks(AT_ONCE) {
        let read = try_join_all(names.iter().map(|name| inventory.slot(name))).await?;
        all.extend(read.into_iter().flatten().filter(|slot| is_wanted(slot)));
    }
    Ok(all)
}

/// Takes in every slot that the case is about, and is not in it yet.
pub(super) async fn list_slots(
    offboarder: &Offboarder,
    case: Offboarding,
) -> Result<Offboarding, InventoryError> {
    let ports = &offboarder.ports;
    let slots = slots_where(ports.inventory.as_ref(), |slot| {
        task_of(&case, slot).is_some()
    })
    .await?;
    let now = ports.clock.now();
    let leaver = case.leaver.clone();
    update(offboarder.cases.as_ref(), case, |case| {
        case.left_out = 0;
        for slot in &slots {
            if let Some(task) = task_of(case, slot) {
                case.take_in(task);
            }
        }
        // Names that came meanwhile are listed by the next run.
        if case.leaver == leaver {
            case.listed = case.listed.or(Some(now));
        }
    })
    .await
}
