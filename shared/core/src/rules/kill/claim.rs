//! What an order does to a slot's incidents: it begins one, joins the one that is open, or comes too late.

use jiff::{SignedDuration, Timestamp};

use super::KillOrder;
use crate::model::incident::{Evidence, Figures, Incident, OwnerId, Suspends};
use crate::model::slot::{Drilled, Killed, Slot, SlotState};
use crate::model::version::{Version, VersionState};
use crate::rules::drill::drill_of;

/// A second kill within this time hands out no third key.
pub const LOOP_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// So long after a kill, bills for the keys that it cut off may still come in: figures that count all keys prove nothing
/// against the replacement.
pub const LATE_BILLS: SignedDuration = SignedDuration::from_mins(60);

/// What is known when an order comes.
#[derive(Debug, Clone)]
pub struct ClaimFacts<'a> {
    /// The order.
    pub order: &'a KillOrder,
    /// Who would do the work.
    pub owner: &'a OwnerId,
    /// Until when.
    pub until: Timestamp,
    /// The slot.
    pub slot: &'a Slot,
    /// Its versions.
    pub versions: &'a [Version],
    /// Its open incident.
    pub open: Option<&'a Incident>,
    /// The incident that the order's trigger belongs to already.
    pub of_trigger: Option<&'a Incident>,
    /// The time.
    pub now: Timestamp,
}

/// What comes of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// A new incident, in one write with the slot in its next epoch.
    Open(Box<Incident>, Box<Slot>),
    /// The open incident, which the order's sender goes on with: nobody is at work on it.
    GoOn(Box<Incident>),
    /// The open incident, on which somebody is at work.
    Attach(Box<Incident>),
    /// The open incident as it is: it has this trigger, and somebody is at work on it.
    Attached(Box<Incident>),
    /// Nothing: the trigger's incident is closed.
    Over(Box<Incident>),
    /// The open incident is closed first, as it is here: its keys are dead, and the order is about the replacement.
    CloseFirst(Box<Incident>),
    /// Nothing: what speaks for the order is the use of keys that are cut off already, or there is nothing to cut off.
    OfDeadKeys,
}

/// Decides what an order does. A slot has one open incident; a trigger belongs to one incident.
pub fn claim(facts: &ClaimFacts<'_>) -> Claim {
    let ClaimFacts {
        order, owner, now, ..
    } = *facts;
    if let Some(over) = facts.of_trigger.filter(|of| of.closed.is_some()) {
        return Claim::Over(Box::new(over.clone()));
    }
    let Some(open) = facts.open else {
        return match is_of_dead_keys(facts) {
            true => Claim::OfDeadKeys,
            false => begin(facts),
        };
    };
    if facts.of_trigger.is_none() && is_about_the_replacement(facts, open) {
        let mut closed = open.clone();
        closed.closed = Some(now);
        closed.due_at = Some(now);
        return Claim::CloseFirst(Box::new(closed));
    }
    let mut joined = open.clone();
    if open.drill.is_some() && is_in_earnest(order, open) {
        joined.turn_earnest(order.cause.clone());
    }
    joined.attach(order.triggered(now));
    if !open.is_leased_by_another(owner, now) {
        joined.lease(owner, facts.until);
        return Claim::GoOn(Box::new(joined));
    }
    if facts.of_trigger.is_some_and(|of| of.id == open.id) {
        return Claim::Attached(Box::new(joined));
    }
    Claim::Attach(Box::new(joined))
}

/// Whether the order says more of a drill's incident than that its key is cut off: a drill has one alarm, and no second.
fn is_in_earnest(order: &KillOrder, drilled: &Incident) -> bool {
    let is_known = drilled.triggers.iter().any(|t| t.id == order.trigger);
    !is_known && order.evidence != Evidence::CutUnrecorded
}

/// Whether the open incident's keys are dead and its replacement is in use, which the order is about. A key that was cut
/// off without a record is one that no incident has: where no key came since the open one, that has it.
fn is_about_the_replacement(facts: &ClaimFacts<'_>, open: &Incident) -> bool {
    if facts.order.evidence == Evidence::CutUnrecorded {
        let came = |v: &Version| v.state.is_promoted() || v.state.is_in_rotation();
        let mut since = facts.versions.iter().filter(|v| v.epoch >= open.epoch);
        return since.any(came);
    }
    let in_use = || facts.versions.iter().filter(|v| v.state.is_promoted());
    in_use().next().is_some() && in_use().all(|v| v.epoch >= open.epoch) && !is_of_dead_keys(facts)
}

/// Whether what speaks for the order was seen before any key came into use, or came back, that is not cut off; or may be
/// the bill for one that is. What the slot spent before it was cut off is no evidence against its replacement, be that in
/// use or still being made, and what a person has overruled by a restore none against what came back.
fn is_of_dead_keys(facts: &ClaimFacts<'_>) -> bool {
    let (slot, order) = (facts.slot, facts.order);
    let Some(killed) = slot.killed else {
        return false;
    };
    let in_use: Vec<&Version> = facts
        .versions
        .iter()
        .filter(|v| v.state.is_promoted())
        .collect();
    if in_use.is_empty() {
        let containment = order.evidence.containment();
        let mut to_be_cut = facts
            .versions
            .iter()
            .filter(|v| super::is_to_be_cut(v, containment));
        if is_without_a_future(slot) {
            return to_be_cut.next().is_none();
        }
        let lately = facts.now.duration_since(killed.at) < LOOP_WINDOW;
        let unused = |v: &Version| v.epoch >= killed.epoch && is_unused(v, order.seen);
        return is_by_use(order.evidence) && lately && to_be_cut.all(unused);
    }
    if in_use.iter().any(|v| v.epoch < killed.epoch) {
        return false;
    }
    let first = in_use.iter().filter_map(|v| v.restored.max(v.promoted));
    let is_older = first.min().is_some_and(|came| order.seen <= came);
    let may_be_late =
        order.figures == Figures::OfAllKeys && facts.now.duration_since(killed.at) < LATE_BILLS;
    is_by_use(order.evidence) && (is_older || may_be_late)
}

/// Whether the evidence is the use of keys, and not somebody's word.
const fn is_by_use(evidence: Evidence) -> bool {
    match evidence {
        Evidence::Alarm | Evidence::UncheckedAlarm | Evidence::Monitor | Evidence::Cap => true,
        Evidence::Person | Evidence::Leak | Evidence::Offboarding | Evidence::CutUnrecorded => {
            false
        }
    }
}

/// Whether the version's key was in nobody's hands by then: AWSCURRENT does not move to a key that was not tested, and
/// what a person brings back was cut off until they began to.
fn is_unused(version: &Version, by: Timestamp) -> bool {
    let was_tested = || version.tested.as_ref().is_some_and(|tested| tested.at < by);
    match version.state {
        VersionState::Intended | VersionState::Pending => true,
        VersionState::Promoting | VersionState::Abandoned | VersionState::Revoking => {
            version.promoted.is_none() && !was_tested()
        }
        VersionState::Restoring => version.restored.is_some_and(|began| by <= began),
        VersionState::Current
        | VersionState::Retiring
        | VersionState::Contained
        | VersionState::Revoked => false,
    }
}

/// Whether no key is made for the slot unless a person says so.
const fn is_without_a_future(slot: &Slot) -> bool {
    match slot.state {
        SlotState::Suspended | SlotState::Decommissioned => true,
        SlotState::Active | SlotState::Restricted => false,
    }
}

/// Whether a key that was made after the last containment is abused already: whoever took it can take the next. A person
/// who wants a kill says nothing about that, nor does a key that was cut off by mistake, nor a drill: what was cut off for
/// one was not abused.
fn is_loop(facts: &ClaimFacts<'_>) -> bool {
    let Some(killed) = facts.slot.killed else {
        return false;
    };
    let Some(in_earnest) = killed.in_earnest() else {
        return false;
    };
    // One that a person brought back was not made after the containment.
    let is_replacement = |v: &Version| {
        v.epoch >= killed.epoch
            && v.state.may_be_alive()
            && v.promoted.is_some()
            && v.restored.is_none()
    };
    let says_nothing = matches!(
        facts.order.evidence,
        Evidence::Person | Evidence::Offboarding | Evidence::CutUnrecorded
    ) || drill_of(facts.slot, facts.order).is_some();
    !says_nothing
        && facts.now.duration_since(in_earnest) < LOOP_WINDOW
        && facts.versions.iter().any(is_replacement)
}

fn begin(facts: &ClaimFacts<'_>) -> Claim {
    let ClaimFacts {
        order,
        owner,
        slot,
        now,
        ..
    } = *facts;
    let mut incident = Incident::open(&slot.name, slot.epoch, order.cause.clone(), now);
    incident.attach(order.triggered(now));
    incident.lease(owner, facts.until);
    incident.drill = drill_of(slot, order).map(|drill| drill.id.clone());
    let containment = incident.containment;
    let live = facts.versions.iter();
    live.filter(|v| super::is_to_be_cut(v, containment))
        .for_each(|v| incident.note(v));
    let mut restricted = slot.clone();
    // `retire` looks at the slot next: it asks for the replacement if the kill cannot.
    restricted.due_at = now;
    incident.suspends = match is_without_a_future(slot) {
        true => Some(Suspends::Before),
        false => is_loop(facts).then_some(Suspends::Loop),
    };
    let suspends = incident.suspends.is_some();
    restricted.state = match slot.state {
        SlotState::Active | SlotState::Restricted if suspends => SlotState::Suspended,
        SlotState::Active => SlotState::Restricted,
        state => state,
    };
    if let Some(drill) = restricted
        .drill
        .as_mut()
        .filter(|_| incident.drill.is_some())
    {
        drill.incident = Some(incident.id.clone());
    }
    restricted.killed = Some(Killed {
        at: now,
        epoch: incident.epoch,
        drill: incident.drill.as_ref().map(|_| Drilled {
            before: slot.killed.and_then(Killed::in_earnest),
            was: Some(slot.state),
        }),
    });
    Claim::Open(Box::new(incident), Box::new(restricted))
}
