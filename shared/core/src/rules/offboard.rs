//! Offboarding: which slots somebody leaving touches, what is to be done about each of their keys, and by when.

mod clock;
mod hand_over;
mod keys;
mod reads;

pub use clock::{Reminder, next_look, reminder};
pub use hand_over::hand_over;
pub use keys::{
    Ending, EndingFacts, Hold, ReplaceFacts, Replacing, end_of_slot, is_known, replace_known,
};
pub use reads::{LOOKED_BACK, SECOND_LOOK, is_secret};

use jiff::Timestamp;

use crate::model::SCHEMA;
use crate::model::offboarding::{
    AskedFor, CaseTold, Leaver, Offboarding, OffboardingId, Person, SlotTask, Tie, WITHIN,
};
use crate::model::slot::{Revision, Slot};

/// What an order to offboard somebody does to the cases there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// A new case.
    Open(Box<Offboarding>),
    /// The open case, which knows of this order now.
    Attach(Box<Offboarding>),
    /// The case as it is: it has this order already.
    Known(Box<Offboarding>),
}

/// An order to offboard somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffboardOrder {
    /// Who or what leaves.
    pub leaver: Leaver,
    /// What asks for it.
    pub asked: AskedFor,
}

/// The order that ends one slot: what a deleted secret means, whoever deleted it.
pub fn case_for_agent_slot(slot: &Slot, asked: AskedFor) -> OffboardOrder {
    OffboardOrder {
        leaver: Leaver::Slot(slot.name.clone()),
        asked,
    }
}

/// What an order does, where `cases` are all that there were of who leaves, oldest first. Somebody can leave twice: an order
/// that no case knows, after the last one is closed, is another.
pub fn admit(cases: &[Offboarding], order: &OffboardOrder, now: Timestamp) -> Admitted {
    let request = &order.asked.request;
    if let Some(known) = cases.iter().find(|case| case.knows(request)) {
        return Admitted::Known(Box::new(known.clone()));
    }
    match cases.last() {
        Some(open) if open.closed.is_none() => {
            let mut case = open.clone();
            if case.asked.len() < Offboarding::MAX_ASKED {
                case.asked.push(order.asked.clone());
            }
            widen(&mut case, &order.leaver);
            case.due_at = case.due_at.map(|due| match case.lease_until {
                Some(_) => due,
                None => due.min(now),
            });
            Admitted::Attach(Box::new(case))
        }
        _ => {
            let number = u32::try_from(cases.len())
                .unwrap_or(u32::MAX)
                .saturating_add(1);
            Admitted::Open(Box::new(open(order, number, now)))
        }
    }
}

/// A later order may know further names of the same person: their slots are listed anew.
fn widen(case: &mut Offboarding, leaver: &Leaver) {
    let (Leaver::Person(known), Leaver::Person(said)) = (&mut case.leaver, leaver) else {
        return;
    };
    let new: Vec<_> = said
        .names()
        .filter(|name| known.names().all(|k| k != *name))
        .cloned()
        .collect();
    if new.is_empty() {
        return;
    }
    known.also.extend(new);
    known.also.truncate(Person::MAX_OTHERS);
    case.listed = None;
    // What the new names have read is looked up from the beginning.
    case.reads = None;
}

fn open(order: &OffboardOrder, number: u32, now: Timestamp) -> Offboarding {
    Offboarding {
        schema: SCHEMA,
        revision: Revision::default(),
        id: OffboardingId::of(&order.leaver, number),
        leaver: order.leaver.clone(),
        asked: vec![order.asked.clone()],
        opened: now,
        deadline: now + WITHIN,
        owner: None,
        lease_until: None,
        listed: None,
        slots: Vec::new(),
        left_out: 0,
        reads: None,
        told: CaseTold::default(),
        evidence: None,
        closed: None,
        due_at: Some(now),
    }
}

/// What is to be done about a slot of the inventory; `None` if who leaves has nothing to do with it.
pub fn task_of(case: &Offboarding, slot: &Slot) -> Option<SlotTask> {
    let is_meant = match &case.leaver {
        Leaver::Agent(agent) => slot.agent == *agent,
        Leaver::Slot(name) => slot.name == *name,
        Leaver::Person(person) => {
            let ties = ties(slot, person);
            let mut task = SlotTask::new(slot.name.clone(), case.opened);
            task.ties = ties;
            return (!task.ties.is_empty()).then_some(task);
        }
    };
    is_meant.then(|| SlotTask::new(slot.name.clone(), case.opened))
}

/// What ties a person to a slot by the inventory.
pub fn ties(slot: &Slot, person: &Person) -> Vec<Tie> {
    let is_backup = slot
        .backup_owner
        .as_ref()
        .is_some_and(|backup| person.is_owner(backup));
    let is_reader = slot.readers.iter().any(|reader| person.is_reader(reader));
    [
        (Tie::Owner, person.is_owner(&slot.owner)),
        (Tie::BackupOwner, is_backup),
        (Tie::Reader, is_reader),
    ]
    .into_iter()
    .filter_map(|(tie, is_so)| is_so.then_some(tie))
    .collect()
}

#[cfg(test)]
mod tests;
