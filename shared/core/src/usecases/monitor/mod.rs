//! The monitor: what keys use is pulled, kept and judged.

mod account;
mod bills;
pub(super) mod held;
mod judge;
pub(super) mod keep;
mod order;
mod proof;
mod pull;
pub(super) mod read;
mod reconcile;
mod restrict;
mod run;
mod tell;
mod told;
mod upkeep;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::model::money::MicroDollars;
use crate::model::names::{AccountName, SecretVersionId, SlotName};
use crate::model::slot::{ProviderName, Slot};
use crate::model::usage::{Bucket, Counts};
use crate::model::usage_items::Cell;
use crate::model::version::Version;
use crate::ports::{Clock, InventoryError, ProviderError, Providers, UsageStore};
use crate::rules::usage::Owner;

pub use held::{Held, load};
pub use pull::pull;
pub use run::{MonitorError, MonitorPorts, MonitorReport, MonitorSettings, State, run};

/// The outside world of a pull.
#[derive(Clone)]
pub struct UsagePorts {
    /// The provider accounts.
    pub providers: Arc<dyn Providers>,
    /// Where usage is kept.
    pub usage: Arc<dyn UsageStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// How usage is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullSettings {
    /// An account is asked at most so often. Anthropic supports once a minute:
    /// <https://platform.claude.com/docs/en/manage-claude/usage-cost-api>; a run is a little less than a minute after
    /// the one before where that one was slow.
    pub poll_every: SignedDuration,
    /// Closed buckets that every poll reads again: the newest still grow.
    pub trail: u32,
    /// How often the last day is read again for what came late.
    pub reread_every: SignedDuration,
    /// Buckets in that day.
    pub reread: u32,
    /// Buckets that are caught up on at most after a time without polls. What is older stays unknown.
    pub catch_up: u32,
    /// How often the provider's costs are read.
    pub bills_every: SignedDuration,
    /// How long after its end a day's costs are settled.
    pub bills_settle: SignedDuration,
    /// Days whose costs are read.
    pub bill_days: u32,
    /// Slots that are written at once.
    pub at_once: usize,
}

impl Default for PullSettings {
    fn default() -> Self {
        Self {
            poll_every: SignedDuration::from_secs(50),
            trail: 3,
            reread_every: SignedDuration::from_hours(1),
            reread: Bucket::PER_DAY,
            catch_up: 7 * Bucket::PER_DAY,
            bills_every: SignedDuration::from_hours(6),
            bills_settle: SignedDuration::from_hours(24),
            bill_days: 2,
            at_once: 16,
        }
    }
}

/// One slot that is watched, with all its versions, also those that are revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The slot.
    pub slot: Slot,
    /// Its versions.
    pub versions: Vec<Version>,
}

/// What a pull brought.
#[derive(Debug, Default)]
pub struct Pulled {
    /// How each account went.
    pub accounts: Vec<AccountPull>,
}

impl Pulled {
    /// The buckets that were written anew, by slot.
    pub fn changed(&self) -> BTreeMap<&SlotName, &BTreeSet<Bucket>> {
        self.accounts.iter().flat_map(|a| &a.changed).collect()
    }
}

/// How the pull of one account went.
#[derive(Debug)]
pub struct AccountPull {
    /// The account.
    pub account: AccountName,
    /// Its provider.
    pub provider: ProviderName,
    /// What is known of its usage.
    pub sight: Sight,
    /// When it was read whole before this, by whomever.
    pub before: Option<Timestamp>,
    /// When this pull began.
    pub at: Timestamp,
    /// Closed buckets that were written anew, by slot.
    pub changed: BTreeMap<SlotName, BTreeSet<Bucket>>,
    /// Closed buckets that the provider told of, by slot, as they are kept: the cells of all versions. Of the last hour all
    /// of them, so that one that is not here is empty; of earlier ones those that were written anew.
    pub read: BTreeMap<SlotName, BTreeMap<Bucket, Vec<Cell>>>,
    /// More was kept than is told here: what slots used is to be read from the store.
    pub only_in_store: bool,
    /// What was used so far in the bucket that is not over, by slot and version. It is not kept.
    pub open: BTreeMap<Owner, Counts>,
    /// What no slot can be named for, by bucket.
    pub unattributed: BTreeMap<Bucket, Counts>,
    /// Models that the price table lacks; they were priced at the provider's dearest.
    pub unknown_models: BTreeSet<String>,
    /// Days on which the table's price and the provider's bill are more than 10 % apart.
    pub gaps: Vec<CostGap>,
    /// Keys whose running total fell: what they spent meanwhile is not known.
    pub fell: Vec<Owner>,
    /// Keys that agents fetch and the provider does not list: they vanished without a rotation.
    pub vanished: Vec<Owner>,
    /// What the provider bills for keys that no slot can be named for, of the days that were read.
    pub unattributed_bill: MicroDollars,
    /// Why keys could not be listed where that was due: whether one vanished is not known.
    pub unlisted: Option<NotSeen>,
    /// Keys whose running total the provider does not tell: what they use is not seen, whatever else of the account is.
    pub untold: Vec<Owner>,
    /// Why the costs that were due could not be read, or not kept. Usage is judged by the table meanwhile.
    pub bills: Option<NotSeen>,
    /// What agents told, where the provider tells nothing.
    pub told: ToldTurn,
    /// Pages that were asked for.
    pub calls: usize,
}

/// What agents told of an account's slots, as far as it was read in this turn.
#[derive(Debug, Default)]
pub struct ToldTurn {
    /// By slot; those that nobody told of are not there.
    pub slots: BTreeMap<SlotName, ToldOf>,
    /// Slots that as many processes tell of as may: of others nothing is taken.
    pub full: Vec<SlotName>,
    /// Secret versions that agents use and the inventory does not have: some of them.
    pub strange: BTreeMap<SlotName, BTreeSet<SecretVersionId>>,
    /// Slots of which what was told could not be read or not kept, each since when it was not, and why. It costs no other
    /// slot anything.
    pub unread: BTreeMap<SlotName, (Timestamp, NotSeen)>,
}

/// What agents told of one slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ToldOf {
    /// The last bucket that somebody told of; `None` if nobody did lately.
    pub last: Option<Bucket>,
    /// All processes have said that they end.
    pub ended: bool,
}

impl AccountPull {
    fn new(account: &AccountName, provider: ProviderName, at: Timestamp) -> Self {
        Self {
            account: account.clone(),
            provider,
            sight: Sight::Untold,
            before: None,
            at,
            read: BTreeMap::new(),
            changed: BTreeMap::new(),
            only_in_store: false,
            open: BTreeMap::new(),
            unattributed: BTreeMap::new(),
            unknown_models: BTreeSet::new(),
            gaps: Vec::new(),
            fell: Vec::new(),
            vanished: Vec::new(),
            untold: Vec::new(),
            unattributed_bill: MicroDollars(0),
            unlisted: None,
            bills: None,
            told: ToldTurn::default(),
            calls: 0,
        }
    }

    /// The slots were judged: what was read of them is held no longer.
    fn drop_cells(&mut self) {
        (self.read, self.changed) = (BTreeMap::new(), BTreeMap::new());
        self.open = BTreeMap::new();
    }

    fn note(&mut self, slot: &SlotName, kept: keep::Kept) {
        if !kept.changed.is_empty() {
            let changed = self.changed.entry(slot.clone()).or_default();
            changed.extend(kept.changed);
        }
        if !kept.read.is_empty() {
            let read = self.read.entry(slot.clone()).or_default();
            read.extend(kept.read);
        }
    }
}

/// What is known of an account's usage after a pull.
#[derive(Debug)]
pub enum Sight {
    /// All of it, in the buckets from one on and before another.
    Seen(Bucket, Bucket),
    /// It was not asked: the last answer is recent, or the provider asked to wait. Blind since, if it is.
    Waiting(Option<Timestamp>),
    /// It is not known, since a time: nothing of it was taken for zero.
    NotSeen(Timestamp, NotSeen),
    /// Its provider tells no usage by key at all.
    Untold,
    /// The same, and what agents told of their own use was read: [`AccountPull::told`].
    Told,
}

impl Sight {
    /// Whether usage was read, whoever told it.
    pub const fn is_new(&self) -> bool {
        matches!(self, Self::Seen(..) | Self::Told)
    }

    /// Since when the account's usage is not known.
    pub const fn blind_since(&self) -> Option<Timestamp> {
        match self {
            Self::NotSeen(since, _) => Some(*since),
            Self::Waiting(since) => *since,
            Self::Seen(..) | Self::Untold | Self::Told => None,
        }
    }
}

/// Why usage or costs are not known.
#[derive(Debug, thiserror::Error)]
pub enum NotSeen {
    /// A page could not be read.
    #[error("a page of the provider's report could not be read")]
    Provider(#[from] ProviderError),
    /// What was read could not be kept.
    #[error("what was read could not be kept")]
    Store(#[from] InventoryError),
    /// The run had to end first. The next one begins where this one did.
    #[error("the run had to end before all pages were read")]
    OutOfTime,
}

/// A day of a slot whose price and bill are too far apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostGap {
    /// The slot.
    pub slot: SlotName,
    /// When the day began.
    pub day: Timestamp,
    /// What the price table makes of the usage.
    pub priced: MicroDollars,
    /// What the provider says that it cost. This stands from now on.
    pub billed: MicroDollars,
}
