//! What must hold after every single call, whatever else is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keyward_core::model::alert::AlertKind;
use keyward_core::model::slot::{Epoch, Slot, SlotState};
use keyward_core::model::version::{KeyLabel, Version, VersionId, VersionState};
use keyward_core::ports::Clock;
use keyward_core::usecases::kill::{KillOrder, KillOutcome};
use keyward_testkit::drive::Turn;
use keyward_testkit::gate::{Fate, ISSUE, PROMOTE};
use keyward_testkit::memory::MemoryProvider;

use super::functions::NETWORK;
use super::incidents::{Facts, Incidents, incident_of};
use super::kills::KILL_SWITCHES;
use super::restores::RESTORERS;
use super::served::ServedKeys;
use super::versions::{
    begins_rightly, goes_on_rightly, has_label, no_two_own_one_key, only_a_person_restores,
};
use crate::support::{Outside, World};

/// The call that tells people.
const ALERT: &str = "alerts.send";

/// A label of the slot whose name is this one's and a little more.
fn neighbour_label(slot: &Slot) -> String {
    format!("{}{}-eu--EXAMPLE-1", KeyLabel::PREFIX, slot.name)
}

fn is_cut_off(version: &Version) {
    assert!(
        !version.state.may_become(VersionState::Contained),
        "rule 6: {} is {:?} after its slot was cut off",
        version.id,
        version.state
    );
}

/// Compares what stands in the fakes after each call with what stood there before.
pub(super) struct Watch {
    outside: Arc<Outside>,
    provider: Arc<MemoryProvider>,
    versions: BTreeMap<VersionId, Version>,
    epoch: Epoch,
    state: SlotState,
    pub(super) served: ServedKeys,
    pub(super) incidents: Incidents,
    /// A key of another slot, with a name much like this one's.
    neighbour: String,
    /// A kill goes by what the secret's tags and the provider's list say.
    blind: bool,
    /// Alerts that did not arrive.
    alerts_lost: usize,
    /// One of the kinds of each of these alerts must have been sent by now.
    to_be_told: Vec<&'static [AlertKind]>,
    /// What the names of this slot's keys begin with.
    label_prefix: String,
    /// Which task began a version.
    begun_by: BTreeMap<VersionId, &'static str>,
    /// The labels of keys that were made by a request that its sender had taken for lost.
    late: BTreeSet<String>,
}

impl Watch {
    /// Takes in what stands there now.
    pub(super) fn begin(world: &World, provider: Arc<MemoryProvider>) -> Self {
        let slot = world.outside.inventory.all_slots().remove(0);
        let mut watch = Self {
            outside: world.outside.clone(),
            provider: provider.clone(),
            versions: BTreeMap::new(),
            epoch: slot.epoch,
            state: slot.state,
            served: ServedKeys::begin(world, slot.policy.overlap),
            incidents: Incidents::default(),
            neighbour: provider.seed(&neighbour_label(&slot)),
            blind: false,
            alerts_lost: 0,
            to_be_told: Vec::new(),
            label_prefix: KeyLabel::prefix_of(&slot.name),
            begun_by: BTreeMap::new(),
            late: BTreeSet::new(),
        };
        for version in world.outside.inventory.all_versions() {
            watch.versions.insert(version.id.clone(), version);
        }
        watch
    }

    /// Takes in what stands there now, after calls that were not seen.
    pub(super) fn catch_up(&mut self) {
        let inventory = &self.outside.inventory;
        let versions = inventory.all_versions().into_iter();
        self.versions = versions.map(|v| (v.id.clone(), v)).collect();
        self.incidents.catch_up(inventory.all_incidents());
    }

    /// Something has set the kill switch off.
    pub(super) fn ordered(&mut self, order: &KillOrder) {
        self.incidents.ordered(order);
    }

    /// The kill switch says what came of an order.
    pub(super) fn came_to(&mut self, order: &KillOrder, outcome: &KillOutcome) {
        let incidents = self.outside.inventory.all_incidents();
        match outcome {
            KillOutcome::Contained(_) => {
                let epoch = incident_of(&incidents, order).epoch;
                self.incidents.all_are_dead(epoch, &self.provider.live());
                let versions = self.outside.inventory.all_versions();
                for version in versions.iter().filter(|v| v.epoch < epoch) {
                    is_cut_off(version);
                }
            }
            KillOutcome::Unfinished(_) | KillOutcome::Attached | KillOutcome::Over => {
                incident_of(&incidents, order);
            }
            KillOutcome::Observed => {
                assert!(
                    order.evidence.is_statistical(),
                    "{order:?} was not carried out"
                );
                self.to_be_told.push(&[AlertKind::WouldContain]);
            }
            KillOutcome::OfDeadKeys => self.to_be_told.push(&[AlertKind::OfDeadKeys]),
            KillOutcome::Untold | KillOutcome::Unrecorded(0) => {}
            KillOutcome::Unrecorded(_) => {
                let kinds = &[AlertKind::Contained, AlertKind::NotContained];
                self.to_be_told.push(kinds);
            }
            KillOutcome::NoSuchSlot => panic!("the slot exists"),
        }
    }

    /// What people have to know, they were told.
    fn people_were_told(&mut self) {
        let sent = self.outside.alerts.sent();
        for kinds in self.to_be_told.drain(..) {
            let told = sent.iter().any(|alert| kinds.contains(&alert.kind));
            assert!(told || self.alerts_lost > 0, "rule 11: not told: {kinds:?}");
        }
    }

    fn stays_cut_off(&self, version: &Version) {
        if version.epoch < self.incidents.cut_off_before() {
            is_cut_off(version);
        }
    }

    /// Whether keys of the slot were cut off.
    pub(super) fn was_killed(&self) -> bool {
        self.blind || self.incidents.any()
    }

    /// An agent has called with a key that it fetched lately.
    pub(super) fn agent_called(&self, key: &str, works: bool) {
        assert!(
            works || self.was_killed() || self.served.excuses(key),
            "rule 1: an agent's key was refused"
        );
    }

    /// Looks at what a turn has changed.
    pub(super) fn after(&mut self, world: &World, turn: &Turn) {
        let Some(passed) = turn.passed else { return };
        self.blind |= passed.call == "secrets.tagged" && KILL_SWITCHES.contains(&turn.task);
        self.alerts_lost += usize::from(passed.call == ALERT && passed.fate != Fate::Done);
        self.people_were_told();
        if passed.fate == Fate::RequestLost {
            return;
        }
        match passed.call {
            "inventory.add_version"
            | "inventory.save_versions"
            | "inventory.save_slot"
            | "inventory.open_incident"
            | "inventory.attach_trigger"
            | "inventory.save_incident"
            | "inventory.follow_up" => self.inventory_moved_on(turn.task),
            ISSUE => self.key_was_made(turn.task),
            _ => {}
        }
        self.served.label_moved(world, &self.versions);
        if !self.was_killed() {
            self.served.work(&self.provider);
        }
        if passed.call.starts_with("provider.") {
            self.contained_keys_stay_dead();
            self.neighbour_works();
        }
        if passed.call == PROMOTE {
            self.served.promoted_was_tested(&self.versions);
        }
    }

    fn inventory_moved_on(&mut self, task: &'static str) {
        let slot = self.outside.inventory.all_slots().remove(0);
        assert!(slot.epoch >= self.epoch, "rule 5: the epoch went back");
        let epoch = slot.epoch;
        self.epoch = epoch;
        self.slot_became(slot.state, task);
        let versions = self.outside.inventory.all_versions();
        assert!(
            versions.len() >= self.versions.len(),
            "a version was lost from the inventory"
        );
        no_two_own_one_key(&versions);
        self.incidents.moved_on(
            self.outside.inventory.all_incidents(),
            &Facts {
                now: self.outside.clock.now(),
                versions: &self.versions,
                live: &self.provider.live(),
            },
        );
        for version in versions {
            self.stays_cut_off(&version);
            match self.versions.get(&version.id) {
                None => {
                    begins_rightly(&version, epoch);
                    self.may_begin(&version, slot.state);
                    self.begun_by.insert(version.id.clone(), task);
                }
                Some(before) if before.revision == version.revision => continue,
                Some(before) => {
                    goes_on_rightly(before, &version, epoch);
                    self.keeps_its_lease(before, &version, task);
                    if version.state == VersionState::Retiring && version.told.moved_back.is_some()
                    {
                        self.served.is_known_to_be_back(&version);
                    }
                    if version.state == VersionState::Restoring {
                        self.incidents.may_come_back(&version);
                    }
                    only_a_person_restores(before, &version, task);
                }
            }
            self.versions.insert(version.id.clone(), version);
        }
    }

    /// Only a person lifts a slot out of suspension: then keys are made for it again.
    fn slot_became(&mut self, state: SlotState, task: &'static str) {
        let before = std::mem::replace(&mut self.state, state);
        if before == SlotState::Suspended && state != before {
            assert!(
                RESTORERS.contains(&task),
                "rule 7: `{task}` lifted the slot out of suspension"
            );
            self.incidents.lifted();
        }
    }

    /// No key is made for a slot that is suspended.
    fn may_begin(&self, version: &Version, state: SlotState) {
        let is_open = matches!(state, SlotState::Active | SlotState::Restricted);
        let is_made = version.state == VersionState::Intended;
        assert!(
            is_open || !is_made,
            "rule 7: {} was begun for a slot that is {state:?}",
            version.id
        );
        assert!(
            !self.incidents.is_looped() || !is_made,
            "rule 7: {} was begun after a second key had been abused within a day",
            version.id
        );
    }

    /// While an invocation may be at work on a key, no other rotation takes it back, unless the slot was cut off.
    fn keeps_its_lease(&self, before: &Version, version: &Version, task: &'static str) {
        let now = self.outside.clock.now();
        let taken_back =
            before.state == VersionState::Intended && version.state == VersionState::Abandoned;
        let leased = before.lease_until.is_some_and(|until| now < until);
        assert!(
            !taken_back
                || !leased
                || version.epoch < self.epoch
                || self.begun_by.get(&version.id).is_none_or(|by| *by == task),
            "{} was taken back by `{task}` while its own invocation was at work on it",
            version.id
        );
    }

    /// Each key that Keyward makes was recorded before, and each record is used for one key. What earlier attempts of
    /// the same rotation have made is dead by then.
    fn key_was_made(&mut self, task: &'static str) {
        let mut labels = BTreeSet::new();
        let mut made = None;
        for (_, record) in self.provider.ever_made() {
            let label = record.label.as_str();
            if !label.starts_with(&self.label_prefix) {
                continue;
            }
            let recorded = self.versions.values().find(|v| has_label(v, label));
            assert!(
                recorded.is_some(),
                "rule 2: {label} was made without a recorded intent"
            );
            made = recorded.cloned().or(made);
            assert!(
                labels.insert(label.to_owned()),
                "rule 2: two keys were made as {label}"
            );
        }
        let Some(made) = made else { return };
        if task == NETWORK {
            self.late.extend(made.label.map(|l| l.as_str().to_owned()));
        } else {
            self.earlier_attempts_are_dead(&made);
        }
    }

    fn earlier_attempts_are_dead(&self, made: &Version) {
        for (_, record) in self.provider.live() {
            let label = record.label.as_str();
            let is_earlier = |v: &Version| {
                has_label(v, label)
                    && v.id.secret_version == made.id.secret_version
                    && v.id.attempt < made.id.attempt
            };
            assert!(
                self.late.contains(label) || !self.versions.values().any(is_earlier),
                "rule 2: {} was made while {label} was alive",
                made.id
            );
        }
    }

    /// Nothing brings a contained key back.
    pub(super) fn contained_keys_stay_dead(&self) {
        self.incidents
            .cut_keys_stay_dead(&self.versions, &self.provider.live());
    }

    /// A kill reaches nothing beyond its slot.
    fn neighbour_works(&self) {
        assert!(
            self.provider.accepts(&self.neighbour),
            "rule 6: a key of another slot was cut off"
        );
    }

    /// The other slot's key, which must not have been touched.
    pub(super) fn neighbours_key(&self) -> keyward_core::model::names::KeyHandle {
        self.neighbour_works();
        let record = self.provider.record(&self.neighbour).expect("it works");
        record.handle
    }
}
