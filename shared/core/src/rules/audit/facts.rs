//! What rules are asked about: facts with everything in them that was read, and with what was not read told apart from
//! what is not there.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::admin::BreakGlassTest;
use crate::model::alarm::AlarmState;
use crate::model::drill::Drill;
use crate::model::kill_alarm::FoundAlarm;
use crate::model::money::{DayLimit, SpendCap};
use crate::model::names::{AccountName, KeyHandle, Principal, Reader, SlotName};
use crate::model::pool::Pool;
use crate::model::slot::{Environment, Slot};
use crate::model::text::OutsideText;
use crate::model::version::Version;
use crate::ports::{BedrockCredential, KeyOwner, KeyRecord, ListedSecret};
use crate::rules::alarms::AlarmChange;
use crate::rules::kill::Deployment;

/// Something that was read, or not. What was not read is no answer: no rule takes it for either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight<T> {
    /// It was read.
    Seen(T),
    /// It was not.
    NotSeen,
}

impl<T> Sight<T> {
    /// What was read, if it was.
    pub fn seen(self) -> Option<T> {
        match self {
            Self::Seen(found) => Some(found),
            Self::NotSeen => None,
        }
    }

    /// The same of a reference.
    pub const fn as_ref(&self) -> Sight<&T> {
        match self {
            Self::Seen(found) => Sight::Seen(found),
            Self::NotSeen => Sight::NotSeen,
        }
    }
}

/// A key as its provider lists it, without what no rule asks for: there may be a hundred thousand of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// Its name there.
    pub label: Box<str>,
    /// What the provider shows of its text.
    pub redacted: Box<str>,
    /// Whether it is suspended; `None` where that is not told.
    pub suspended: Option<bool>,
    /// Whose it is.
    pub owner: KeyOwner,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// When it was last used; `None` is unknown, or never where the provider tells it.
    pub last_used: Option<Timestamp>,
    /// Its hard limit; `None` is none.
    pub cap: Option<SpendCap>,
}

impl From<KeyRecord> for ListedKey {
    fn from(key: KeyRecord) -> Self {
        Self {
            label: key.label.as_str().into(),
            redacted: key.redacted.as_str().into(),
            suspended: key.suspended,
            owner: key.owner,
            created: key.created,
            expires: key.expires,
            last_used: key.last_used,
            cap: key.cap,
        }
    }
}

/// What a provider's list says of a key of the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing<'a> {
    /// It is there.
    There(&'a ListedKey),
    /// It was deleted, and can be brought back until then where that is told.
    Deleted(Option<Timestamp>),
    /// It is not: the list was read to its end.
    Absent,
    /// Nobody knows: the list was not read to its end, or the key's handle is not known.
    NotSeen,
}

/// What a provider account can do and tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountTraits {
    /// How it limits a key; `None` where it cannot.
    pub day_limit: Option<DayLimit>,
}

/// Who sees what the keys of a slot use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watcher {
    /// The provider tells, and it was read lately.
    Provider,
    /// Agents tell, and that was read lately.
    Agents,
    /// Nobody: since when, where that is known.
    Nobody(Option<Timestamp>),
}

/// One slot with all that was read about it.
#[derive(Debug, Clone)]
pub struct SlotFacts<'a> {
    /// The time.
    pub now: Timestamp,
    /// The slot.
    pub slot: &'a Slot,
    /// Its keys, oldest first.
    pub versions: &'a [Version],
    /// What the provider's list says of each, in the same order.
    pub listings: Vec<Listing<'a>>,
    /// What the provider can do.
    pub account: Sight<AccountTraits>,
    /// Its secret; `None` if there is no such secret.
    pub secret: Sight<Option<&'a ListedSecret>>,
    /// The secret's resource policy; `None` if it has none.
    pub policy: Sight<Option<&'a str>>,
    /// Who watches.
    pub watcher: Sight<Watcher>,
    /// What is wrong with its alarm; `None` if nothing is.
    pub alarm: Sight<Option<&'a AlarmChange>>,
    /// Who of the people that the inventory names has left.
    pub left: Sight<&'a BTreeSet<Principal>>,
    /// When the usage that is kept tells last of the current key's use; `None` if it tells of none.
    pub used: Sight<Option<Timestamp>>,
}

impl<'a> SlotFacts<'a> {
    /// Each key with what the provider's list says of it.
    pub fn keys(&self) -> impl Iterator<Item = (&'a Version, Listing<'a>)> + '_ {
        let listings = self.listings.iter().copied();
        self.versions.iter().zip(listings)
    }
}

/// A key of a provider's list that no slot and no pool has.
#[derive(Debug, Clone)]
pub struct KeyFacts<'a> {
    /// The time.
    pub now: Timestamp,
    /// The provider account.
    pub account: &'a AccountName,
    /// Its handle.
    pub handle: &'a KeyHandle,
    /// What the list says.
    pub key: &'a ListedKey,
    /// How many items of the inventory cannot be read: it may be one of theirs.
    pub damaged: usize,
}

/// An item of the inventory that cannot be read.
#[derive(Debug, Clone)]
pub struct RowFacts<'a> {
    /// Its key.
    pub key: &'a OutsideText,
    /// The slot that it is of, where its key tells.
    pub slot: Option<&'a SlotName>,
    /// What is wrong with it.
    pub why: &'a str,
}

/// What one slot alone may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shared {
    /// A key, by its text.
    Fingerprint,
    /// A key, by its name at the provider.
    Handle,
    /// A secret.
    Secret,
}

/// Two slots that have the same thing, which one alone may have.
#[derive(Debug, Clone)]
pub struct SharedFacts<'a> {
    /// What.
    pub what: Shared,
    /// The one that was read first.
    pub first: &'a SlotName,
    /// The other.
    pub second: &'a SlotName,
}

/// A role or user of IAM that may read secrets, with the slots and where they run.
#[derive(Debug, Clone)]
pub struct ReaderFacts<'a> {
    /// Which.
    pub reader: &'a Reader,
    /// What it reads.
    pub slots: &'a BTreeMap<SlotName, Environment>,
}

/// A key that stands in a Lambda function's variables.
#[derive(Debug, Clone)]
pub struct VariableFacts<'a> {
    /// The function's ARN.
    pub function: &'a OutsideText,
    /// The variable's name.
    pub variable: &'a OutsideText,
    /// The published version whose it is; `None` if it is also in what is edited.
    pub version: Option<&'a OutsideText>,
    /// The slot whose key it is; `None` if it is no slot's.
    pub slot: Option<&'a SlotName>,
}

/// A user of IAM with credentials for Bedrock.
#[derive(Debug, Clone)]
pub struct UserFacts<'a> {
    /// Its name.
    pub user: &'a OutsideText,
    /// Its credentials' ids, with the time of creation and whether they are active.
    pub credentials: &'a [BedrockCredential],
    /// The slot whose user it is; `None` if it is no slot's.
    pub slot: Option<&'a SlotName>,
}

/// An alarm that is there to guard slots, beside those that Keyward makes.
#[derive(Debug, Clone)]
pub struct GuardFacts<'a> {
    /// The time.
    pub now: Timestamp,
    /// The alarm.
    pub alarm: &'a FoundAlarm,
    /// What it is in.
    pub state: &'a AlarmState,
    /// Since when; `None` if that is not told.
    pub since: Option<Timestamp>,
    /// The slots that the deployment's map names for it.
    pub slots: &'a BTreeSet<SlotName>,
    /// Of those, the ones that there are not.
    pub unknown: &'a BTreeSet<SlotName>,
    /// Who we are.
    pub deployment: &'a Deployment,
}

/// A standby pool.
#[derive(Debug, Clone)]
pub struct PoolFacts<'a> {
    /// The time.
    pub now: Timestamp,
    /// The provider account.
    pub account: &'a AccountName,
    /// The pool; `None` if nothing was ever put into it.
    pub pool: Option<&'a Pool>,
    /// With fewer keys than this it is low.
    pub low_water: u32,
    /// Who draws from it; the shortest of their greatest ages, in days.
    pub max_age_days: Option<i64>,
}

/// What a provider account's admin credential is like.
#[derive(Debug, Clone)]
pub struct CredentialFacts<'a> {
    /// The time.
    pub now: Timestamp,
    /// The provider account.
    pub account: &'a AccountName,
    /// What it is for: `admin`, `read`.
    pub purpose: &'static str,
    /// When it was last put into its secret; `None` if that is not told.
    pub changed: Option<Timestamp>,
}

/// What is known of a provider account's break-glass credential.
#[derive(Debug, Clone)]
pub struct BreakGlassFacts<'a> {
    /// The time.
    pub now: Timestamp,
    /// The provider account.
    pub account: &'a AccountName,
    /// When it was tried last, and how that went.
    pub tried: Option<&'a BreakGlassTest>,
}

/// The deployment as a whole.
#[derive(Debug, Clone)]
pub struct FleetFacts<'a> {
    /// The time.
    pub now: Timestamp,
    /// The slots that drills may cut off, each with its last drill.
    pub canaries: &'a [(SlotName, Option<Drill>)],
    /// How many slots there are.
    pub slots: usize,
}
