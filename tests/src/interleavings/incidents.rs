//! What must hold of incidents after every single call, and what they must have brought about.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use keyward_core::model::incident::{
    Evidence, Figures, HowCut, Incident, KillStep, Suspends, Triggered,
};
use keyward_core::model::names::KeyHandle;
use keyward_core::model::slot::Epoch;
use keyward_core::model::version::{Version, VersionId, VersionState};
use keyward_core::ports::KeyRecord;
use keyward_core::rules::kill::{LATE_BILLS, LOOP_WINDOW};
use keyward_core::usecases::kill::KillOrder;

use super::restores::AT_WORK;
use super::versions::has_label;

/// What an incident is held against.
pub(super) struct Facts<'a> {
    pub(super) now: Timestamp,
    /// As they were before the call.
    pub(super) versions: &'a BTreeMap<VersionId, Version>,
    /// Keys that the provider accepts.
    pub(super) live: &'a [(String, KeyRecord)],
}

/// The slot's incidents as they were last seen.
#[derive(Default)]
pub(super) struct Incidents {
    orders: BTreeMap<String, KillOrder>,
    known: BTreeMap<Epoch, Incident>,
    /// The keys of the slot that worked when an incident was opened.
    alive_at_claim: BTreeMap<Epoch, BTreeSet<KeyHandle>>,
    /// A replacement was abused within a day.
    looped: bool,
    /// All work has ended.
    at_rest: bool,
    seen: Vec<&'static str>,
}

impl Incidents {
    pub(super) fn ordered(&mut self, order: &KillOrder) {
        let trigger = order.trigger.as_str().to_owned();
        self.orders.insert(trigger, order.clone());
    }

    /// Whether the slot was ever cut off.
    pub(super) fn any(&self) -> bool {
        !self.known.is_empty()
    }

    /// Whether no further key may be made.
    pub(super) fn is_looped(&self) -> bool {
        self.looped
    }

    /// A person has lifted the slot: keys may be made again.
    pub(super) fn lifted(&mut self) {
        self.looped = false;
    }

    /// A person brings this key back: what was cut off before need not stay dead.
    pub(super) fn may_come_back(&mut self, version: &Version) {
        let Some(handle) = &version.handle else {
            return;
        };
        for (_, alive) in self.alive_at_claim.range_mut(..=version.epoch) {
            alive.remove(handle);
        }
    }

    /// All work has ended: nothing is excused by what is under way.
    pub(super) fn come_to_rest(&mut self) {
        self.at_rest = true;
    }

    /// The things worth counting that happened since this was last asked.
    pub(super) fn take_seen(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.seen)
    }

    /// No version that was begun before this epoch may be in use any more.
    pub(super) fn cut_off_before(&self) -> Epoch {
        let through = |i: &&Incident| i.done(KillStep::Contain).is_some();
        let through = self.known.values().rev().find(through);
        through.map_or(Epoch(0), |incident| incident.epoch)
    }

    /// Looks at what a call to the inventory has changed.
    pub(super) fn moved_on(&mut self, stored: Vec<Incident>, facts: &Facts<'_>) {
        let open = stored.iter().filter(|i| i.closed.is_none()).count();
        assert!(open <= 1, "rule 5: {open} incidents of one slot are open");
        each_trigger_has_one(&stored);
        for incident in stored {
            match self.known.get(&incident.epoch) {
                Some(before) if before.revision == incident.revision => continue,
                Some(before) => self.goes_on(before.clone(), &incident, facts),
                None => self.begins(&incident, facts),
            }
            let is_over = incident.closed.is_some() && incident.done(KillStep::TellDone).is_some();
            assert!(
                is_over || incident.due_at.is_some(),
                "rule 11: {} is unfinished and not due",
                incident.id
            );
            self.known.insert(incident.epoch, incident);
        }
    }

    /// Takes in what stands there now, after calls that were not seen.
    pub(super) fn catch_up(&mut self, stored: Vec<Incident>) {
        each_trigger_has_one(&stored);
        self.known = stored.into_iter().map(|i| (i.epoch, i)).collect();
    }

    fn begins(&mut self, incident: &Incident, facts: &Facts<'_>) {
        let id = &incident.id;
        let [trigger] = &incident.triggers[..] else {
            panic!("{id} was begun by {:?}", incident.triggers)
        };
        let order = &KillOrder {
            evidence: trigger.evidence,
            ..self.order_of(trigger)
        };
        assert_eq!(incident.containment, order.evidence.containment());
        if let Some(last) = self.known.values().next_back() {
            assert!(last.epoch < incident.epoch, "rule 5: {id} has an old epoch");
            is_no_evidence_of_dead_keys(order, last, facts);
            if is_about_a_replacement(order, incident, last, facts) {
                assert!(
                    incident.suspends.is_some(),
                    "rule 7: {id} would hand out a third key within a day"
                );
                self.looped = true;
            }
        }
        match incident.suspends {
            _ if trigger.evidence == Evidence::CutUnrecorded => {
                self.seen.push("incident: a cut that was not recorded");
            }
            Some(Suspends::Loop) => self.seen.push("incident: loop guard"),
            Some(_) => self.seen.push("incident: slot was suspended before"),
            None => self.seen.push("incident: opened"),
        }
        let alive = keys_of(facts.versions, facts.live);
        self.alive_at_claim.insert(incident.epoch, alive);
    }

    /// What was ordered. A kill that makes up for a missing record is called by its order's trigger and a little more.
    fn order_of(&self, trigger: &Triggered) -> KillOrder {
        let (id, evidence) = (trigger.id.as_str(), trigger.evidence);
        let ordered = self.orders.values().find(|order| match evidence {
            Evidence::CutUnrecorded => is_called_by(id, order),
            _ => id == order.trigger.as_str() && evidence == order.evidence,
        });
        let ordered = ordered.unwrap_or_else(|| panic!("rule 8: nobody ordered {id}"));
        ordered.clone()
    }

    fn goes_on(&mut self, before: Incident, incident: &Incident, facts: &Facts<'_>) {
        let id = &incident.id;
        let next = before.revision.next();
        assert_eq!(next, incident.revision, "{id}: an update was lost");
        assert_eq!(
            before.opened, incident.opened,
            "{id}: its beginning changed"
        );
        assert!(
            before.containment <= incident.containment,
            "rule 5: {id} became softer"
        );
        let keeps = before
            .triggers
            .iter()
            .all(|t| incident.triggers.contains(t));
        assert!(keeps, "{id}: a trigger was lost");
        for undo in &before.undo {
            let now = incident.undo.iter().find(|u| u.version == undo.version);
            let keeps = now.is_some_and(|now| {
                now.was == undo.was && (undo.cut.is_none() || now.cut.is_some())
            });
            assert!(keeps, "{id}: what to undo of {} was lost", undo.version);
        }
        assert!(
            before.closed.is_none() || before.closed == incident.closed,
            "rule 5: {id} was opened again"
        );
        let of = |step| before.done(step).is_none() && incident.done(step).is_some();
        if of(KillStep::Contain) {
            self.all_are_dead(incident.epoch, facts.live);
        }
        if of(KillStep::Replace) {
            self.seen.push("incident: replaced");
        }
        if of(KillStep::TellDone) {
            self.seen.push("incident: done");
        }
        if before.triggers.len() < incident.triggers.len() {
            self.seen.push("incident: a further trigger");
        }
        if before.containment < incident.containment {
            self.seen.push("incident: made harder");
        }
        if incident.suspends == Some(Suspends::NoReplacement) {
            self.seen.push("incident: no replacement can be made");
        }
    }

    /// Every key that worked when the incident of `epoch` was opened is cut off.
    pub(super) fn all_are_dead(&self, epoch: Epoch, live: &[(String, KeyRecord)]) {
        let alive = self.alive_at_claim.get(&epoch);
        for (_, record) in live {
            assert!(
                !alive.is_some_and(|alive| alive.contains(&record.handle)),
                "rule 6: {} works, but its slot is said to be cut off",
                record.handle
            );
        }
    }

    /// Nothing brings a key back that was cut off.
    pub(super) fn cut_keys_stay_dead(
        &self,
        versions: &BTreeMap<VersionId, Version>,
        live: &[(String, KeyRecord)],
    ) {
        for incident in self.known.values() {
            for undo in &incident.undo {
                let Some((HowCut::Suspended | HowCut::Deleted, at)) = undo.cut else {
                    continue;
                };
                let version = versions.get(&undo.version);
                if version.is_some_and(|v| self.may_work_again(v, incident, at)) {
                    continue;
                }
                let handle = version.and_then(|v| v.handle.as_ref());
                assert!(
                    !live
                        .iter()
                        .any(|(_, record)| Some(&record.handle) == handle),
                    "rule 5: {} works again after it was contained",
                    undo.version
                );
            }
        }
    }

    /// Whether a person has brought the key back since the incident; or began to before it, and the request may have
    /// reached the provider after the kill's: then the restore or the incident cuts it off again.
    fn may_work_again(&self, version: &Version, incident: &Incident, cut: Timestamp) -> bool {
        version.restored.is_some_and(|restored| {
            version.epoch >= incident.epoch || !self.at_rest && cut < restored + AT_WORK
        })
    }

    /// When all is over: every incident is closed and its last word said, and every order has come to something.
    pub(super) fn are_over(&self) {
        for incident in self.known.values() {
            let id = &incident.id;
            assert!(incident.closed.is_some(), "rule 11: {id} is still open");
            assert!(
                incident.done(KillStep::TellDone).is_some() && incident.due_at.is_none(),
                "rule 11: {id} has not ended: {:?}",
                incident.timeline()
            );
        }
    }
}

/// The incident that an order belongs to.
pub(super) fn incident_of<'a>(incidents: &'a [Incident], order: &KillOrder) -> &'a Incident {
    let mut incidents = incidents.iter();
    let of = incidents.find(|i| {
        let mut triggers = i.triggers.iter();
        triggers.any(|t| is_called_by(t.id.as_str(), order))
    });
    of.unwrap_or_else(|| panic!("rule 11: {} was taken and forgotten", order.trigger))
}

fn is_called_by(trigger: &str, order: &KillOrder) -> bool {
    let more = trigger.strip_prefix(order.trigger.as_str());
    more.is_some_and(|more| more.is_empty() || more.starts_with(','))
}

fn each_trigger_has_one(incidents: &[Incident]) {
    let mut triggers = BTreeSet::new();
    for trigger in incidents.iter().flat_map(|i| &i.triggers) {
        let id = trigger.id.as_str();
        assert!(triggers.insert(id), "rule 5: {id} belongs to two incidents");
    }
}

/// The keys of these versions that work.
fn keys_of(
    versions: &BTreeMap<VersionId, Version>,
    live: &[(String, KeyRecord)],
) -> BTreeSet<KeyHandle> {
    // A request that arrives after its version was cut off has given its key to nobody: `retire` ends it (rule 2).
    let is_asked_for = |v: &Version, record: &KeyRecord| {
        v.state != VersionState::Contained && has_label(v, record.label.as_str())
    };
    let is_of = |record: &KeyRecord, v: &Version| {
        v.handle.as_ref() == Some(&record.handle) || is_asked_for(v, record)
    };
    let records = live.iter().map(|(_, record)| record);
    let recorded = records.filter(|r| versions.values().any(|v| is_of(r, v)));
    recorded.map(|record| record.handle.clone()).collect()
}

/// Versions that agents may use, in the epoch of the last incident or after it.
fn replacements<'a>(last: &'a Incident, facts: &'a Facts<'_>) -> impl Iterator<Item = &'a Version> {
    let versions = facts.versions.values();
    versions.filter(|v| v.state.is_promoted() && v.epoch >= last.epoch)
}

/// What dead keys spent is no evidence against a key that came after them.
fn is_no_evidence_of_dead_keys(order: &KillOrder, last: &Incident, facts: &Facts<'_>) {
    let is_old = |v: &Version| v.state.is_promoted() && v.epoch < last.epoch;
    let first = replacements(last, facts).filter_map(|v| v.promoted).min();
    let (Some(first), false) = (first, facts.versions.values().any(is_old)) else {
        return;
    };
    if matches!(
        order.evidence,
        Evidence::Person | Evidence::Leak | Evidence::CutUnrecorded
    ) {
        return;
    }
    assert!(
        order.seen > first,
        "rule 7: {} was seen before the key came that it kills",
        order.trigger
    );
    assert!(
        order.figures == Figures::OfLiveKeys || facts.now.duration_since(last.opened) >= LATE_BILLS,
        "rule 7: {} may be the bill for keys that are dead",
        order.trigger
    );
}

/// Whether the evidence is use of a key that was made after a containment less than a day ago.
fn is_about_a_replacement(
    order: &KillOrder,
    incident: &Incident,
    last: &Incident,
    facts: &Facts<'_>,
) -> bool {
    let made = replacements(last, facts).filter(|v| v.restored.is_none());
    let mut used = made.filter_map(|v| v.promoted);
    !matches!(order.evidence, Evidence::Person | Evidence::CutUnrecorded)
        && incident.opened.duration_since(last.opened) < LOOP_WINDOW
        && used.any(|promoted| order.seen > promoted)
}
