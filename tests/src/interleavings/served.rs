//! The keys that agents fetch, or may have fetched lately.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::{ApiKey, Fingerprint};
use keyward_core::model::names::{SecretArn, SecretVersionId};
use keyward_core::model::version::{Version, VersionId, VersionState};
use keyward_core::ports::{Clock, Stage};
use keyward_testkit::memory::MemoryProvider;

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

/// What AWSCURRENT has been on, and what agents may still hold of it.
pub(super) struct ServedKeys {
    outside: Arc<Outside>,
    secret: SecretArn,
    overlap: SignedDuration,
    holder: Option<SecretVersionId>,
    holders: BTreeSet<SecretVersionId>,
    served: Vec<Served>,
    excused: BTreeSet<String>,
}

impl ServedKeys {
    /// Takes in what stands there now.
    pub(super) fn begin(world: &World, overlap: SignedDuration) -> Self {
        let holder = world.outside.secrets.holder(&world.secret, &Stage::Current);
        Self {
            outside: world.outside.clone(),
            secret: world.secret.clone(),
            overlap,
            holders: holder.clone().into_iter().collect(),
            holder,
            served: vec![Served::new(world.current_key())],
            excused: BTreeSet::new(),
        }
    }

    /// A person has put this key where it need not work.
    pub(super) fn excuse(&mut self, key: &str) {
        self.excused.insert(key.to_owned());
    }

    /// Whether a key need not work.
    pub(super) fn excuses(&self, key: &str) -> bool {
        self.excused.contains(key)
    }

    /// finishSecret says that all is done.
    pub(super) fn finished(&self, token: &SecretVersionId) {
        assert!(
            self.holders.contains(token),
            "rule 1: finishSecret succeeded, but {token} was never under AWSCURRENT"
        );
    }

    /// Keyward knows that AWSCURRENT is back on this version: its overlap begins when that ends.
    pub(super) fn is_known_to_be_back(&mut self, version: &Version) {
        let mut served = self.served.iter_mut();
        if let Some(held) = served.find(|s| Some(s.print) == version.fingerprint) {
            held.claim = Claim::Known;
        }
    }

    /// Takes in where AWSCURRENT is now.
    pub(super) fn label_moved(&mut self, world: &World, versions: &BTreeMap<VersionId, Version>) {
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
        self.forget_what_left_no_trace(now, versions);
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
                if versions.values().any(is_old) {
                    new.claim = Claim::NotYetSeen;
                }
                self.served.push(new);
            }
        }
    }

    /// A rotation that was cut off right after it moved AWSCURRENT has not recorded so; AWSPREVIOUS tells it until that
    /// goes elsewhere too.
    fn forget_what_left_no_trace(
        &mut self,
        now: Timestamp,
        versions: &BTreeMap<VersionId, Version>,
    ) {
        let previous = self.outside.secrets.holder(&self.secret, &Stage::Previous);
        for served in self.served.iter_mut().filter(|s| s.until.is_some()) {
            let untold = versions.values().any(|v| {
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
    pub(super) fn work(&self, provider: &MemoryProvider) {
        let now = self.outside.clock.now();
        for served in &self.served {
            let in_use = served.until.is_none_or(|until| now < until);
            assert!(
                !in_use || self.excused.contains(&served.key) || provider.accepts(&served.key),
                "rule 3: a key that agents may have fetched was cut off before its overlap was over"
            );
        }
    }

    /// AWSCURRENT is on a version of a rotation: it was accepted by testSecret in its epoch.
    pub(super) fn promoted_was_tested(&self, versions: &BTreeMap<VersionId, Version>) {
        let Some(holder) = &self.holder else { return };
        let mut of_holder = versions
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
