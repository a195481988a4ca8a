//! A store that makes up what was kept of slots that use the same in each bucket, so that the memory measured is the
//! monitor's and not the store's.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::{AccountName, ReporterId, SlotName};
use keyward_core::model::slot::Revision;
use keyward_core::model::told::ToldHour;
use keyward_core::model::usage::{Bucket, Counts, TokenCounts};
use keyward_core::model::usage_items::{AccountUsage, Cell, StoredWatch, UsageHour};
use keyward_core::model::version::VersionId;
use keyward_core::ports::{InventoryError, UsageStore};

use super::pages::{INPUT, MODEL, OUTPUT, REQUESTS};

/// What is kept.
pub(crate) struct Kept {
    /// The first bucket that was.
    from: Bucket,
    /// The version of every slot.
    version: VersionId,
    state: Mutex<State>,
}

struct State {
    /// By slot: the bucket after the last that is kept, and how often what is remembered was written.
    slots: HashMap<SlotName, (Bucket, Revision)>,
    accounts: HashMap<AccountName, AccountUsage>,
    /// What is remembered of a slot: the same of all.
    memory: String,
}

impl Kept {
    /// Every bucket of these slots from `from` on and before `until`, and what is remembered of each.
    pub(crate) fn new(
        slots: Vec<SlotName>,
        version: VersionId,
        (from, until): (Bucket, Bucket),
        accounts: HashMap<AccountName, AccountUsage>,
        memory: String,
    ) -> Self {
        let slots = slots.into_iter();
        let slots = slots.map(|slot| (slot, (until, Revision(1)))).collect();
        Self {
            from,
            version,
            state: Mutex::new(State {
                slots,
                accounts,
                memory,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a slot uses in five minutes.
pub(crate) fn in_a_bucket() -> Counts {
    Counts {
        cost: MicroDollars(5 * (INPUT * 5 / 2 + OUTPUT * 10)),
        requests: 5 * REQUESTS,
        tokens: TokenCounts {
            input: 5 * INPUT,
            output: 5 * OUTPUT,
            ..TokenCounts::default()
        },
    }
}

#[async_trait]
impl UsageStore for Kept {
    async fn hours(
        &self,
        slot: &SlotName,
        from: u32,
        until: u32,
    ) -> Result<Vec<UsageHour>, InventoryError> {
        let Some((end, _)) = self.state().slots.get(slot).copied() else {
            return Ok(Vec::new());
        };
        let first = from.max(self.from.hour());
        let hour = |hour: u32| {
            let mut item = UsageHour::empty(slot.clone(), hour);
            item.revision = Revision(1);
            let buckets = hour * Bucket::PER_HOUR..(hour + 1) * Bucket::PER_HOUR;
            for bucket in buckets.map(Bucket).filter(|b| (self.from..end).contains(b)) {
                let models = [(MODEL.to_owned(), in_a_bucket())];
                let cell = Cell::new(self.version.clone(), bucket, bucket.ends(), models);
                item.cells.push(cell);
            }
            item
        };
        let hours = (first..until.min(end.hour() + 1)).map(hour);
        Ok(hours.filter(|hour| !hour.cells.is_empty()).collect())
    }

    async fn save_hour(&self, hour: &UsageHour) -> Result<(), InventoryError> {
        if let Some(last) = hour.cells.last() {
            let mut state = self.state();
            if let Some((until, _)) = state.slots.get_mut(&hour.slot) {
                *until = (*until).max(last.bucket.plus(1));
            }
        }
        Ok(())
    }

    async fn told(
        &self,
        _: &SlotName,
        _: u32,
        _: u32,
        _: usize,
    ) -> Result<Vec<ToldHour>, InventoryError> {
        Ok(Vec::new())
    }

    async fn told_by(
        &self,
        _: &SlotName,
        _: u32,
        _: &ReporterId,
    ) -> Result<Option<ToldHour>, InventoryError> {
        Ok(None)
    }

    async fn save_told(&self, _: &ToldHour) -> Result<(), InventoryError> {
        Ok(())
    }

    async fn account(&self, account: &AccountName) -> Result<Option<AccountUsage>, InventoryError> {
        Ok(self.state().accounts.get(account).cloned())
    }

    async fn save_account(&self, account: &AccountUsage) -> Result<(), InventoryError> {
        let mut saved = account.clone();
        saved.revision = saved.revision.next();
        self.state().accounts.insert(account.account.clone(), saved);
        Ok(())
    }

    async fn baseline(&self, slot: &SlotName) -> Result<Option<StoredWatch>, InventoryError> {
        let state = self.state();
        Ok(Some(StoredWatch {
            schema: 1,
            revision: state.slots.get(slot).map_or(Revision(1), |(_, r)| *r),
            slot: slot.clone(),
            memory: state.memory.clone(),
        }))
    }

    async fn save_baseline(&self, baseline: &StoredWatch) -> Result<(), InventoryError> {
        let mut state = self.state();
        state.memory.clone_from(&baseline.memory);
        if let Some((_, revision)) = state.slots.get_mut(&baseline.slot) {
            *revision = baseline.revision.next();
        }
        Ok(())
    }

    async fn prices(&self) -> Result<Option<String>, InventoryError> {
        Ok(None)
    }

    async fn save_prices(&self, _: &str) -> Result<(), InventoryError> {
        Ok(())
    }
}

/// Accounts that were seen whole from `from` until `at`, read then.
pub(crate) fn seen(account: &AccountName, from: Bucket, at: Timestamp) -> AccountUsage {
    let mut state = AccountUsage::empty(account.clone());
    let until = Bucket::of(at);
    state.see(keyward_core::model::usage_items::Span { from, until }, at);
    state.read_at = Some(at);
    state.reread_at = Some(at);
    state.costs_at = Some(at);
    state.revision = Revision(1);
    state
}
