//! One key on the provider's side.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::{ApiKey, Fingerprint};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::KeyHandle;
use serde::{Deserialize, Serialize};

use super::settings::{Settings, Window};
use super::usage::{Booking, Ledger, MODEL, Used};

/// What a new key is to be.
#[derive(Debug, Clone)]
pub(super) struct Birth {
    pub(super) name: String,
    pub(super) workspace: String,
    pub(super) limit: Option<MicroDollars>,
    pub(super) reset: Reset,
    pub(super) expires: Option<Timestamp>,
}

impl Birth {
    /// Without limit or end.
    pub(super) fn lasting(name: &str, workspace: &str) -> Self {
        Self {
            name: name.to_owned(),
            workspace: workspace.to_owned(),
            limit: None,
            reset: Reset::Never,
            expires: None,
        }
    }
}

/// When a key's limit starts again; weeks begin on Monday, all in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reset {
    Daily,
    Weekly,
    Monthly,
    Never,
}

/// A key as the provider knows it. Deleted ones are kept, so that their use can be seen.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) handle: KeyHandle,
    pub(super) text: ApiKey,
    pub(super) redacted: String,
    pub(super) name: String,
    pub(super) workspace: String,
    pub(super) created: Timestamp,
    pub(super) updated: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
    pub(super) limit: Option<MicroDollars>,
    pub(super) reset: Reset,
    pub(super) disabled: bool,
    pub(super) last_used: Option<Timestamp>,
    pub(super) deleted: bool,
    /// Every change of standing, the birth first.
    changes: Vec<Change>,
    /// Calls met within a flapping window.
    turns: u64,
    /// Micro-dollars by UTC day.
    spent: BTreeMap<Date, u64>,
    /// The same in more detail.
    pub(super) ledger: Ledger,
}

#[derive(Debug, Clone, Copy)]
struct Change {
    at: Timestamp,
    delay: Delay,
    to: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Accepted,
    Refused,
}

#[derive(Debug, Clone, Copy)]
enum Delay {
    Birth,
    Change,
}

impl Key {
    pub(super) fn new(
        handle: KeyHandle,
        text: ApiKey,
        redacted: String,
        birth: Birth,
        created: Timestamp,
    ) -> Self {
        Self {
            handle,
            text,
            redacted,
            name: birth.name,
            workspace: birth.workspace,
            created,
            updated: None,
            expires: birth.expires,
            limit: birth.limit,
            reset: birth.reset,
            disabled: false,
            last_used: None,
            deleted: false,
            changes: vec![Change {
                at: created,
                delay: Delay::Birth,
                to: Standing::Accepted,
            }],
            turns: 0,
            spent: BTreeMap::new(),
            ledger: Ledger::default(),
        }
    }

    /// Suspends it, unless it is already.
    pub(super) fn suspend(&mut self, now: Timestamp) {
        if !self.disabled {
            self.disabled = true;
            self.change(Standing::Refused, now);
        }
    }

    /// Resumes it, if it is suspended.
    pub(super) fn resume(&mut self, now: Timestamp) {
        if self.disabled {
            self.disabled = false;
            self.change(Standing::Accepted, now);
        }
    }

    pub(super) fn delete(&mut self, now: Timestamp) {
        if !self.deleted {
            self.deleted = true;
            self.change(Standing::Refused, now);
        }
    }

    fn change(&mut self, to: Standing, at: Timestamp) {
        self.changes.push(Change {
            at,
            delay: Delay::Change,
            to,
        });
    }

    /// Whether this call is accepted. In a flapping window the answer differs from call to call.
    pub(super) fn accept(&mut self, settings: &Settings, now: Timestamp) -> bool {
        let (settled, latest) = (self.settled(settings, now), self.latest());
        let flaps = settled != latest && settings.window == Window::Flapping;
        if flaps {
            self.turns += 1;
        }
        let standing = if flaps && self.turns % 2 == 1 {
            latest
        } else {
            settled
        };
        standing == Standing::Accepted && !self.is_expired(now)
    }

    /// Whether a call could be accepted now.
    pub(super) fn may_be_accepted(&self, settings: &Settings, now: Timestamp) -> bool {
        let by_turns = settings.window == Window::Flapping && self.latest() == Standing::Accepted;
        let settled = self.settled(settings, now) == Standing::Accepted;
        !self.is_expired(now) && (settled || by_turns)
    }

    /// The latest change that has taken effect.
    fn settled(&self, settings: &Settings, now: Timestamp) -> Standing {
        let took_effect = |change: &&Change| change.at + change.delay.of(settings) <= now;
        let change = self.changes.iter().rev().find(took_effect);
        change.map_or(Standing::Refused, |change| change.to)
    }

    /// The latest change, in effect or not.
    fn latest(&self) -> Standing {
        let change = self.changes.last();
        change.map_or(Standing::Refused, |change| change.to)
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| now >= end)
    }

    pub(super) fn state(&self, now: Timestamp) -> KeyState {
        if self.deleted {
            KeyState::Deleted
        } else if self.is_expired(now) {
            KeyState::Expired
        } else if self.disabled {
            KeyState::Disabled
        } else {
            KeyState::Enabled
        }
    }

    /// One call of an agent.
    pub(super) fn spend(&mut self, amount: MicroDollars, now: Timestamp) {
        self.book(&Booking {
            at: now,
            model: MODEL.to_owned(),
            used: Used::call(amount),
        });
    }

    pub(super) fn book(&mut self, Booking { at, model, used }: &Booking) {
        self.last_used = self.last_used.max(Some(*at));
        *self.spent.entry(utc_day(*at)).or_default() += used.cost.0;
        self.ledger.book(*at, model, used);
    }

    /// Spent since the latest start of `period`.
    pub(super) fn spent_in(&self, period: Reset, now: Timestamp) -> MicroDollars {
        let today = utc_day(now);
        let from = match period {
            Reset::Daily => today,
            Reset::Weekly => today
                .tomorrow()
                .and_then(|day| day.nth_weekday(-1, Weekday::Monday))
                .unwrap_or(today),
            Reset::Monthly => today.first_of_month(),
            Reset::Never => Date::MIN,
        };
        MicroDollars(self.spent.range(from..).map(|(_, spent)| spent).sum())
    }

    /// What is left of the limit; `None` without a limit.
    pub(super) fn left(&self, now: Timestamp) -> Option<MicroDollars> {
        let spent = self.spent_in(self.reset, now);
        self.limit
            .map(|limit| MicroDollars(limit.0.saturating_sub(spent.0)))
    }

    pub(super) fn view(&self, settings: &Settings, now: Timestamp) -> KeyView {
        KeyView {
            handle: self.handle.clone(),
            name: self.name.clone(),
            redacted: self.redacted.clone(),
            fingerprint: self.text.fingerprint(),
            workspace: self.workspace.clone(),
            state: self.state(now),
            accepted: self.may_be_accepted(settings, now),
            created: self.created,
            expires: self.expires,
            limit: self.limit,
            spent: self.spent_in(Reset::Never, now),
        }
    }
}

impl Delay {
    fn of(self, settings: &Settings) -> SignedDuration {
        match self {
            Self::Birth => settings.birth_delay,
            Self::Change => settings.change_delay,
        }
    }
}

fn utc_day(at: Timestamp) -> Date {
    Offset::UTC.to_datetime(at).date()
}

/// A key as tests may see it: everything but its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// What the admin API calls it by.
    pub handle: KeyHandle,
    /// The name it was given.
    pub name: String,
    /// The provider's redacted form of its text.
    pub redacted: String,
    /// SHA-256 of its text, in full where serialised.
    pub fingerprint: Fingerprint,
    /// Its workspace.
    pub workspace: String,
    /// What the admin API says of it.
    pub state: KeyState,
    /// Whether a call with it could be accepted now: within a propagation delay this and `state` differ.
    pub accepted: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// Its limit in each period.
    pub limit: Option<MicroDollars>,
    /// What it spent over its whole life.
    pub spent: MicroDollars,
}

impl KeyView {
    /// Whether the key is enabled, or works whatever the admin API says.
    pub fn is_live(&self) -> bool {
        self.accepted || self.state == KeyState::Enabled
    }
}

/// What the admin API says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It works.
    Enabled,
    /// It is suspended.
    Disabled,
    /// It ended by itself.
    Expired,
    /// It was deleted.
    Deleted,
}
