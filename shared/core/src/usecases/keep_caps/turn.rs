//! The limits of one account's keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::model::money::{CapPeriod, DayLimit, MicroDollars, SpendCap};
use crate::model::names::{AccountName, SlotName};
use crate::model::slot::Slot;
use crate::model::usage::Bucket;
use crate::model::usage_items::{AccountUsage, Seen, Spent, spent};
use crate::model::version::Version;
use crate::ports::{
    Advice, Deadline, InventoryError, KeyProvider, KeyRecord, ProviderError, UsageStore,
};
use crate::rules::caps;
use crate::usecases::Ports;
use crate::usecases::cap::{CapSet, put_cap, record_cap};
use crate::usecases::monitor::read::{Reader, places};
use crate::usecases::monitor::{Watched, keep};

/// No limit is begun with less time left: the provider is asked twice, and the inventory.
const MARGIN: SignedDuration = SignedDuration::from_secs(20);

/// How often all limits of an account are read back.
const READ_BACK_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// After so many refusals nothing more is tried at an account in a run.
const REFUSALS: usize = 5;

/// Usage of the last 15 minutes may still be on its way.
const ON_ITS_WAY: u32 = 3;

/// A key whose limit somebody changed.
pub(super) struct Foreign {
    pub(super) slot: Slot,
    pub(super) version: Version,
    /// What the provider has.
    pub(super) found: Option<SpendCap>,
}

/// A key whose limit was lowered below what it has spent. It is recorded once people know.
pub(super) struct Lowered {
    pub(super) slot: Slot,
    pub(super) version: Version,
    pub(super) cap: SpendCap,
    pub(super) spent: Spent,
}

/// A key whose limit was refused.
pub(super) struct Refused {
    pub(super) slot: Slot,
    pub(super) version: Version,
    pub(super) error: ProviderError,
}

/// One account in one run.
pub(super) struct Turn<'a> {
    ports: &'a Ports,
    usage: &'a dyn UsageStore,
    deadline: Deadline,
    account: &'a AccountName,
    fleet: Vec<&'a Watched>,
    driver: Arc<dyn KeyProvider>,
    limit: DayLimit,
    now: Timestamp,
    state: Option<AccountUsage>,
    pub(super) foreign: Vec<Foreign>,
    pub(super) lowered: Vec<Lowered>,
    pub(super) refused: Vec<Refused>,
    pub(super) set: usize,
    pub(super) left: usize,
    pub(super) is_read_back: bool,
    /// Slots of which it is not known whether somebody changed a limit, or not recorded.
    unread: BTreeSet<SlotName>,
    /// The inventory does not answer.
    pub(super) failed: Option<InventoryError>,
}

impl<'a> Turn<'a> {
    /// `None` where the provider has no limits, or there is no key to limit.
    pub(super) fn new(
        ports: &'a Ports,
        usage: &'a dyn UsageStore,
        deadline: Deadline,
        account: &'a AccountName,
        fleet: Vec<&'a Watched>,
        driver: Arc<dyn KeyProvider>,
    ) -> Option<Self> {
        let limit = driver.caps()?.day_limit();
        let mut versions = fleet.iter().flat_map(|watched| &watched.versions);
        if !versions.any(may_be_limited) {
            return None;
        }
        Some(Self {
            ports,
            usage,
            deadline,
            account,
            fleet,
            driver,
            limit,
            now: ports.clock.now(),
            state: None,
            foreign: Vec::new(),
            lowered: Vec::new(),
            refused: Vec::new(),
            set: 0,
            left: 0,
            is_read_back: false,
            unread: BTreeSet::new(),
            failed: None,
        })
    }

    /// Finds the keys whose limit somebody changed: once a day, and before a limit is replaced that was set before.
    pub(super) async fn read_back(&mut self) {
        let account = self.account;
        match self.usage.account(account).await {
            Ok(state) => self.state = state,
            Err(error) => {
                tracing::warn!(%account, %error, "when limits were read back last is not known");
            }
        }
        let last = self.state.as_ref().and_then(|state| state.caps_at);
        let is_due = last.is_none_or(|at| self.now.duration_since(at) >= READ_BACK_EVERY);
        if !is_due
            && !self
                .kept_versions()
                .any(|(slot, v)| self.is_replaced(slot, v))
        {
            return;
        }
        let mut reader = Reader {
            clock: &*self.ports.clock,
            deadline: self.deadline,
            calls: 0,
        };
        let places = places(self.fleet.iter().map(|watched| &watched.slot));
        match reader.list(&*self.driver, &places).await {
            Ok(listed) => self.compare(&listed).await,
            Err(error) => {
                tracing::warn!(%account, %error, "limits could not be read back");
                self.left += 1;
            }
        }
    }

    async fn compare(&mut self, listed: &BTreeMap<String, KeyRecord>) {
        self.is_read_back = true;
        let differing = self.kept_versions().filter(|(slot, version)| {
            let found = self.foreign_of(slot, version, listed);
            found.is_some()
        });
        let slots: BTreeSet<&SlotName> = differing.map(|(slot, _)| &slot.name).collect();
        for name in slots {
            if let Err(error) = self.look_again(name, listed).await {
                self.unread.insert(name.clone());
                self.put_off(name, error);
            }
        }
    }

    /// The keys that are to have a limit, as the run began with them.
    fn kept_versions(&self) -> impl Iterator<Item = (&'a Slot, &'a Version)> + use<'a> {
        let fleet = self.fleet.clone().into_iter();
        fleet.flat_map(|watched| {
            let versions = watched.versions.iter().filter(|v| may_be_limited(v));
            versions.map(move |version| (&watched.slot, version))
        })
    }

    fn is_out_of_step(&self, slot: &Slot, version: &Version) -> bool {
        let wanted = caps::of_key(slot, version, self.limit, self.now);
        wanted.is_none() || wanted != version.cap
    }

    /// Whether a limit of Keyward's is to be replaced: what somebody made of it meanwhile would be lost.
    fn is_replaced(&self, slot: &Slot, version: &Version) -> bool {
        version.cap.is_some() && self.is_out_of_step(slot, version)
    }

    /// The list of slots lags: whether somebody else changed a limit is judged by the slot itself.
    async fn look_again(
        &mut self,
        name: &SlotName,
        listed: &BTreeMap<String, KeyRecord>,
    ) -> Result<(), InventoryError> {
        let Some(slot) = self.ports.inventory.slot(name).await? else {
            return Ok(());
        };
        for version in self.ports.inventory.versions(name).await? {
            if let Some(found) = self.foreign_of(&slot, &version, listed) {
                let slot = slot.clone();
                self.foreign.push(Foreign {
                    slot,
                    version,
                    found,
                });
            }
        }
        Ok(())
    }

    fn foreign_of(
        &self,
        slot: &Slot,
        version: &Version,
        listed: &BTreeMap<String, KeyRecord>,
    ) -> Option<Option<SpendCap>> {
        let handle = version.handle.as_ref().filter(|_| caps::is_kept(version))?;
        let found = listed.get(handle.as_str())?.cap;
        let wanted = caps::of_key(slot, version, self.limit, self.now);
        caps::is_foreign(version, wanted, found).then_some(found)
    }

    /// Records what was found, and sets every limit that is not what it is to be.
    pub(super) async fn follow(&mut self) {
        let changed = self.record_foreign().await;
        if self.is_read_back && self.unread.is_empty() {
            self.note_read_back().await;
        }
        for name in self.out_of_step(&changed) {
            if !self.may_go_on() {
                self.left += 1;
                continue;
            }
            if let Err(error) = self.follow_slot(&name).await {
                self.put_off(&name, error);
            }
        }
    }

    /// From here on what somebody changed is a limit like any other that is not what it is to be.
    async fn record_foreign(&mut self) -> BTreeSet<SlotName> {
        let mut changed = BTreeSet::new();
        for foreign in std::mem::take(&mut self.foreign) {
            let Foreign {
                slot,
                version,
                found,
            } = foreign;
            match record_cap(self.ports, &slot, &version, found).await {
                Ok(()) => drop(changed.insert(slot.name)),
                Err(InventoryError::Fenced(_)) => {}
                Err(error) => {
                    self.unread.insert(slot.name.clone());
                    self.put_off(&slot.name, error);
                }
            }
        }
        changed
    }

    async fn note_read_back(&mut self) {
        let (now, account) = (self.now, self.account);
        let state = self.state.clone();
        let state = state.unwrap_or_else(|| AccountUsage::empty(account.clone()));
        let noted = keep::account(self.usage, account, state, |state| {
            state.caps_at = Some(now);
        });
        if let Err(error) = noted.await {
            tracing::warn!(%account, %error, "that limits were read back was not kept");
        }
    }

    /// The slots with a limit to set. Those that were refused before come last, each run beginning with another, so that
    /// they hold up no other and each is tried again.
    fn out_of_step(&self, changed: &BTreeSet<SlotName>) -> Vec<SlotName> {
        let (mut first, mut last) = (BTreeSet::new(), BTreeSet::new());
        for (slot, version) in self.kept_versions() {
            let is_due = changed.contains(&slot.name) || self.is_out_of_step(slot, version);
            if is_due && !self.unread.contains(&slot.name) {
                let was_refused = version.told.uncapped.is_some();
                let due = if was_refused { &mut last } else { &mut first };
                due.insert(slot.name.clone());
            }
        }
        let mut last: Vec<SlotName> = last.difference(&first).cloned().collect();
        let minute = self.now.as_second().unsigned_abs() / 60;
        let turn = minute % (last.len().max(1) as u64);
        last.rotate_left(turn as usize);
        first.into_iter().chain(last).collect()
    }

    /// Whether another limit may be set. What is refused so often is refused for all, as is what the account's credential
    /// is refused for.
    fn may_go_on(&self) -> bool {
        let of_all =
            |refused: &Refused| matches!(refused.error, ProviderError::AdminCredential { .. });
        self.deadline.allows(self.ports.clock.as_ref(), MARGIN)
            && self.failed.is_none()
            && self.refused.len() < REFUSALS
            && !self.refused.iter().any(of_all)
    }

    async fn follow_slot(&mut self, name: &SlotName) -> Result<(), InventoryError> {
        let Some(slot) = self.ports.inventory.slot(name).await? else {
            return Ok(());
        };
        for mut version in self.ports.inventory.versions(name).await? {
            if !may_be_limited(&version) {
                continue;
            }
            let cap = match caps::of_key(&slot, &version, self.limit, self.now) {
                Some(cap) if version.cap == Some(cap) => continue,
                Some(cap) => cap,
                None => self.moved(&slot, &mut version).await?,
            };
            if version.cap.is_some() && !self.is_read_back {
                self.left += 1;
                continue;
            }
            match put_cap(&*self.driver, &version, cap).await {
                CapSet::To(_) => self.is_set(&slot, version, cap).await?,
                CapSet::Failed(error) => self.not_set(&slot, version, error),
                CapSet::NoKey | CapSet::NotThere => {}
            }
        }
        Ok(())
    }

    /// The limit that is moved each day, for today.
    async fn moved(&self, slot: &Slot, version: &mut Version) -> Result<SpendCap, InventoryError> {
        let (first, today) = caps::month_before(self.now);
        let spent = self.spent(version, first, today).await?;
        let (cap, before) = caps::moved(slot, version, spent, self.now);
        version.spent_before = Some(before);
        Ok(cap)
    }

    async fn spent(
        &self,
        version: &Version,
        from: Bucket,
        until: Bucket,
    ) -> Result<Spent, InventoryError> {
        let last = until.hour() + 1;
        let hours = self.usage.hours(&version.slot, from.hour(), last).await?;
        let is_its = |id: &_| *id == version.id;
        let state = self.state.as_ref();
        let arrived = until.min(Bucket::of(self.now).minus(ON_ITS_WAY));
        Ok(Spent {
            seen: spent(state, &hours, (from, arrived), is_its).seen,
            ..spent(state, &hours, (from, until), is_its)
        })
    }

    /// A limit was set. One that is lowered below what is spent is recorded after people know: until then it is set again.
    async fn is_set(
        &mut self,
        slot: &Slot,
        version: Version,
        cap: SpendCap,
    ) -> Result<(), InventoryError> {
        self.set += 1;
        match self.spent_more(&version, cap).await {
            Some(spent) => self.lowered.push(Lowered {
                slot: slot.clone(),
                version,
                cap,
                spent,
            }),
            None => record_cap(self.ports, slot, &version, Some(cap)).await?,
        }
        Ok(())
    }

    /// What the key spent, if its limit was lowered to less than that, or to less than it may have spent.
    async fn spent_more(&self, version: &Version, cap: SpendCap) -> Option<Spent> {
        let old = version.cap?;
        if !caps::is_lower(cap, old) {
            return None;
        }
        let (month, today) = caps::month_before(self.now);
        let from = match cap.period {
            CapPeriod::Daily => today,
            CapPeriod::Monthly | CapPeriod::Lifetime => month,
        };
        let spent = self.spent(version, from, Bucket::of(self.now)).await;
        let spent = spent.unwrap_or(Spent {
            known: MicroDollars(0),
            seen: Seen::Partly,
        });
        (spent.known >= cap.amount || spent.seen == Seen::Partly).then_some(spent)
    }

    /// What passes is tried again by the next run; what a person must mend is told.
    fn not_set(&mut self, slot: &Slot, version: Version, error: ProviderError) {
        tracing::warn!(slot = %slot.name, key = %version.shown(), %error, "the limit of a key could not be set");
        match error.advice() {
            Advice::RetryLater | Advice::LookUpFirst => self.left += 1,
            Advice::StopAndAlert => self.refused.push(Refused {
                slot: slot.clone(),
                version,
                error,
            }),
        }
    }

    /// A slot that was cut off or changed meanwhile is looked at by the next run. An inventory that does not answer for
    /// one answers for none.
    fn put_off(&mut self, slot: &SlotName, error: InventoryError) {
        tracing::warn!(%slot, %error, "limits of a slot's keys could not be kept");
        self.left += 1;
        if matches!(
            error,
            InventoryError::Unavailable(_) | InventoryError::Refused(_)
        ) {
            self.failed.get_or_insert(error);
        }
    }
}

/// Whether the provider can be told a limit for the key, and is to keep one.
fn may_be_limited(version: &Version) -> bool {
    caps::is_kept(version) && version.handle.is_some()
}
