//! Who answers for a slot once its owner has left.

use jiff::Timestamp;

use crate::model::offboarding::{HandedOver, Person};
use crate::model::slot::Slot;

/// The slot without the person, and what that makes of its ownership. The backup owner becomes the owner, unless that is
/// the person too: then the slot keeps its owner's name, so that people see whose it was, and is told of as ownerless.
pub fn hand_over(slot: &Slot, person: &Person, now: Timestamp) -> (Slot, HandedOver) {
    let mut next = slot.clone();
    next.readers.retain(|reader| !person.is_reader(reader));
    let backup = slot.backup_owner.clone();
    let staying = backup.filter(|backup| !person.is_owner(backup) && *backup != slot.owner);
    let owner_leaves = person.is_owner(&slot.owner);
    match (owner_leaves, staying) {
        (true, Some(backup)) => {
            next.owner = backup;
            next.backup_owner = None;
        }
        (_, staying) => next.backup_owner = staying,
    }
    let is_ownerless = person.is_owner(&next.owner);
    next.owner_left = match (is_ownerless, slot.owner_left) {
        (true, since) => since.or(Some(now)),
        (false, since) => since.filter(|_| next.owner == slot.owner),
    };
    let handed = HandedOver {
        at: now,
        owner: next.owner.clone(),
        is_new_owner: next.owner != slot.owner,
        lacks_backup: next.backup_owner.is_none(),
        is_ownerless,
    };
    (next, handed)
}
