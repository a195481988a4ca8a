//! What must hold after every single call, whatever else is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::{ApiKey, Fingerprint};
use keyward_core::model::names::{KeyHandle, SecretArn, SecretVersionId};
use keyward_core::model::slot::Epoch;
use keyward_core::model::version::{KeyLabel, Version, VersionId, VersionState};
use keyward_core::ports::{Clock, Stage};
use keyward_testkit::drive::Turn;
use keyward_testkit::gate::{Fate, ISSUE, PROMOTE};
use keyward_testkit::memory::MemoryProvider;

use super::functions::NETWORK;
use super::versions::{begins_rightly, goes_on_rightly, has_label, no_two_own_one_key};
use crate::support::{Outside, World};

/// A key that was under AWSCURRENT.
struct Served {
    key: String,
    print: Fingerprint,
    /// Until when agents may use it; `None` while it is under AWSCURRENT.
    until: Option<Timestamp>,
    claim: Claim,
}

/// Whether a key has an overlap once it is not under AWSCURRENT any more.
#[derive(PartialEq, Eq)]
enum Claim {
    Known,
    /// A person has moved AWSCURRENT back to it, and `retire` has not looked since.
    NotYetSeen,
}

impl Served {
    fn new(key: String) -> Self {
        Self {
            print: ApiKey::new(&key).fingerprint(),
            key,
            until: None,
            claim: Claim::Known,
        }
    }
}

/// Compares what stands in the fakes after each call with what stood there before.
pub(super) struct Watch {
    outside: Arc<Outside>,
    provider: Arc<MemoryProvider>,
    secret: SecretArn,
    overlap: SignedDuration,
    versions: BTreeMap<VersionId, Version>,
    epoch: Epoch,
    holder: Option<SecretVersionId>,
    holders: BTreeSet<SecretVersionId>,
    served: Vec<Served>,
    excused: BTreeSet<String>,
    contained: Vec<KeyHandle>,
    kills: usize,
    /// Which task began a version.
    begun_by: BTreeMap<VersionId, &'static str>,
    /// The labels of keys that were made by a request that its sender had taken for lost.
    late: BTreeSet<String>,
    /// No version that was begun before this epoch is left in use.
    cut_off_before: Epoch,
}

impl Watch {
    /// Takes in what stands there now.
    pub(super) fn begin(world: &World, provider: Arc<MemoryProvider>) -> Self {
        let slot = world.outside.inventory.all_slots().remove(0);
        let mut watch = Self {
            outside: world.outside.clone(),
            provider,
            secret: world.secret.clone(),
            overlap: slot.policy.overlap,
            versions: BTreeMap::new(),
            epoch: slot.epoch,
            holder: None,
            holders: BTreeSet::new(),
            served: Vec::new(),
            excused: BTreeSet::new(),
            contained: Vec::new(),
            kills: 0,
            begun_by: BTreeMap::new(),
            late: BTreeSet::new(),
            cut_off_before: Epoch(0),
        };
        for version in world.outside.inventory.all_versions() {
            watch.versions.insert(version.id.clone(), version);
        }
        watch.holder = world.outside.secrets.holder(&world.secret, &Stage::Current);
        watch.holders.extend(watch.holder.clone());
        watch.served.push(Served::new(world.current_key()));
        watch
    }

    /// A person has put this key where it need not work.
    pub(super) fn excuse(&mut self, key: &str) {
        self.excused.insert(key.to_owned());
    }

    /// Whether a key need not work.
    pub(super) fn excuses(&self, key: &str) -> bool {
        self.excused.contains(key)
    }

    /// From now on keys of the slot are cut off.
    pub(super) fn kill_begins(&mut self) {
        self.kills += 1;
    }

    /// A kill has cut this key off.
    pub(super) fn contained(&mut self, handle: &KeyHandle) {
        self.contained.push(handle.clone());
    }

    /// A kill has found nothing of an older epoch left to cut off.
    pub(super) fn kill_is_through(&mut self, epoch: Epoch) {
        self.cut_off_before = epoch;
        for version in self.versions.values() {
            self.stays_cut_off(version);
        }
    }

    fn stays_cut_off(&self, version: &Version) {
        assert!(
            version.epoch >= self.cut_off_before
                || !version.state.may_become(VersionState::Contained),
            "rule 6: {} is {:?} after its slot was cut off",
            version.id,
            version.state
        );
    }

    /// finishSecret says that all is done.
    pub(super) fn finished(&self, token: &SecretVersionId) {
        assert!(
            self.holders.contains(token),
            "rule 1: finishSecret succeeded, but {token} was never under AWSCURRENT"
        );
    }

    /// Whether keys of the slot were cut off.
    pub(super) fn was_killed(&self) -> bool {
        self.kills > 0
    }

    /// An agent has called with a key that it fetched lately.
    pub(super) fn agent_called(&self, key: &str, works: bool) {
        assert!(
            works || self.was_killed() || self.excused.contains(key),
            "rule 1: an agent's key was refused"
        );
    }

    /// Looks at what a turn has changed.
    pub(super) fn after(&mut self, world: &World, turn: &Turn) {
        let Some(passed) = turn.passed else { return };
        if passed.fate == Fate::RequestLost {
            return;
        }
        match passed.call {
            "inventory.add_version"
            | "inventory.save_versions"
            | "inventory.save_slot"
            | "inventory.open_incident" => self.inventory_moved_on(turn.task),
            ISSUE => self.key_was_made(turn.task),
            _ => {}
        }
        self.label_moved(world);
        self.served_keys_work();
        if passed.call.starts_with("provider.") {
            self.contained_keys_stay_dead();
        }
        if passed.call == PROMOTE {
            self.promoted_was_tested();
        }
    }

    fn inventory_moved_on(&mut self, task: &'static str) {
        let slot = self.outside.inventory.all_slots().remove(0);
        assert!(slot.epoch >= self.epoch, "rule 5: the epoch went back");
        let epoch = slot.epoch;
        self.epoch = epoch;
        let versions = self.outside.inventory.all_versions();
        assert!(
            versions.len() >= self.versions.len(),
            "a version was lost from the inventory"
        );
        no_two_own_one_key(&versions);
        for version in versions {
            self.stays_cut_off(&version);
            match self.versions.get(&version.id) {
                None => {
                    begins_rightly(&version, epoch);
                    self.begun_by.insert(version.id.clone(), task);
                }
                Some(before) if before.revision == version.revision => continue,
                Some(before) => {
                    goes_on_rightly(before, &version, epoch);
                    self.keeps_its_lease(before, &version, task);
                    if version.state == VersionState::Retiring && version.told.moved_back.is_some()
                    {
                        let mut served = self.served.iter_mut();
                        let is_it = |s: &&mut Served| Some(s.print) == version.fingerprint;
                        if let Some(held) = served.find(is_it) {
                            held.claim = Claim::Known;
                        }
                    }
                }
            }
            self.versions.insert(version.id.clone(), version);
        }
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
            if !label.starts_with(KeyLabel::PREFIX) {
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

    /// Keyward moves AWSCURRENT only to a key that was accepted in testSecret, in the epoch it was made in.
    fn label_moved(&mut self, world: &World) {
        let holder = self.outside.secrets.holder(&self.secret, &Stage::Current);
        if holder == self.holder {
            return;
        }
        self.holders.extend(holder.clone());
        self.holder = holder;
        let now = self.outside.clock.now();
        for served in self.served.iter_mut().filter(|s| s.until.is_none()) {
            served.until = Some(match served.claim {
                Claim::Known => now + self.overlap,
                Claim::NotYetSeen => now,
            });
        }
        self.forget_what_left_no_trace(now);
        let key = world.current_key();
        match self.served.iter_mut().find(|served| served.key == key) {
            Some(again) => {
                again.until = None;
                again.claim = Claim::NotYetSeen;
            }
            None => {
                let mut new = Served::new(key);
                let is_old = |v: &Version| {
                    v.fingerprint == Some(new.print) && v.state == VersionState::Retiring
                };
                if self.versions.values().any(is_old) {
                    new.claim = Claim::NotYetSeen;
                }
                self.served.push(new);
            }
        }
    }

    /// A rotation that was cut off right after it moved AWSCURRENT has not recorded so; AWSPREVIOUS tells it until that
    /// goes elsewhere too.
    fn forget_what_left_no_trace(&mut self, now: Timestamp) {
        let previous = self.outside.secrets.holder(&self.secret, &Stage::Previous);
        for served in self.served.iter_mut().filter(|s| s.until.is_some()) {
            let untold = self.versions.values().any(|v| {
                v.fingerprint == Some(served.print)
                    && v.state.is_in_rotation()
                    && Some(&v.id.secret_version) != previous.as_ref()
            });
            if untold {
                served.until = Some(now);
            }
        }
    }

    /// A key that was under AWSCURRENT works until its overlap is over, as long as nobody has cut the slot off.
    fn served_keys_work(&self) {
        if self.was_killed() {
            return;
        }
        let now = self.outside.clock.now();
        for served in &self.served {
            let in_use = served.until.is_none_or(|until| now < until);
            assert!(
                !in_use || self.excused.contains(&served.key) || self.provider.accepts(&served.key),
                "rule 3: a key that agents may have fetched was cut off before its overlap was over"
            );
        }
    }

    /// Nothing brings a contained key back.
    pub(super) fn contained_keys_stay_dead(&self) {
        if self.contained.is_empty() {
            return;
        }
        for (_, record) in self.provider.live() {
            assert!(
                !self.contained.contains(&record.handle),
                "rule 5: {} works again after it was contained",
                record.handle
            );
        }
    }

    /// AWSCURRENT is on a version of a rotation: it was accepted by testSecret in its epoch.
    fn promoted_was_tested(&self) {
        let Some(holder) = &self.holder else { return };
        let mut of_holder = self
            .versions
            .values()
            .filter(|v| v.id.secret_version == *holder && v.id.attempt > 0)
            .peekable();
        assert!(
            of_holder.peek().is_none()
                || of_holder.any(|v| v.tested.is_some_and(|tested| tested.epoch == v.epoch)),
            "rule 1: AWSCURRENT was moved to {holder}, which was not tested in its epoch"
        );
    }
}
