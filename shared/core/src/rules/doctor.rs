//! Whether an installation is well, by what was seen of it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::alarms::AlarmChange;
use super::anomaly::BLIND;
use crate::model::drill::{Drill, DrillOutcome};
use crate::model::names::SlotName;
use crate::model::usage_items::AccountUsage;
use crate::ports::ProviderError;

/// Work that is due so long has nobody who does it: `retire` looks every five minutes.
pub const RETIRE_LATE: SignedDuration = SignedDuration::from_mins(30);

/// A drill that is older proves nothing any more.
const DRILL_HOLDS: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The monitor sees a new slot within a minute and makes its alarm then. CloudWatch's lists may lag a little.
const NEW_ALARM: SignedDuration = SignedDuration::from_mins(5);

/// How a thing is, from well to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// It was not seen, so it is not known.
    NotSeen,
    /// Not as it should be.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at.
    pub about: String,
    /// How it is.
    pub health: Health,
    /// What was seen.
    pub what: String,
    /// What mends it; empty where nothing has to be done.
    pub next: String,
}

impl Check {
    /// As it should be.
    pub fn ok(about: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(about, Health::Ok, what, "")
    }

    /// Not as it should be.
    pub fn wrong(
        about: impl Into<String>,
        what: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::new(about, Health::Wrong, what, next)
    }

    /// Not seen.
    pub fn not_seen(
        about: impl Into<String>,
        what: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::new(about, Health::NotSeen, what, next)
    }

    fn new(
        about: impl Into<String>,
        health: Health,
        what: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            about: about.into(),
            health,
            what: what.into(),
            next: next.into(),
        }
    }
}

/// Whether `retire` does its work; `is_late` is whether something is due since [`RETIRE_LATE`] or longer.
pub fn retire(is_late: bool) -> Check {
    match is_late {
        false => Check::ok("retire", "no work is overdue"),
        true => Check::wrong(
            "retire",
            "work is due for more than 30 minutes",
            "look at the schedule and the log of the retire function",
        ),
    }
}

/// Whether the monitor reads an account. `tells` is whether the provider tells usage by key at all, `since` is since when
/// a slot is in the account, if that is known: one of which nothing was read yet may be too new for it.
pub fn monitor(
    account: &str,
    tells: Tells,
    usage: &AccountUsage,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Check {
    const NEXT: &str = "look at the schedule and the log of the monitor function";
    let about = format!("monitor, {account}");
    match (tells, usage.blind_since, usage.read_at) {
        (Tells::Nothing, ..) => match usage.told_at {
            None => Check::ok(about, "the provider tells no usage by key"),
            Some(at) if now.duration_since(at) < BLIND => {
                Check::ok(about, format!("what agents tell was read at {at}"))
            }
            Some(at) => Check::wrong(
                about,
                format!("what agents tell was last read at {at}"),
                NEXT,
            ),
        },
        (Tells::Usage, Some(since), _) => {
            Check::wrong(about, format!("usage cannot be read since {since}"), NEXT)
        }
        (Tells::Usage, None, Some(at)) if now.duration_since(at) < BLIND => {
            Check::ok(about, format!("usage was read at {at}"))
        }
        (Tells::Usage, None, Some(at)) => {
            Check::wrong(about, format!("usage was last read at {at}"), NEXT)
        }
        (Tells::Usage, None, None) => match since.map(|since| now.duration_since(since)) {
            Some(age) if age < BLIND => Check::not_seen(
                about,
                format!(
                    "usage was not read yet: its first slot is {} minutes old",
                    age.as_mins().max(0)
                ),
                "run it again in a few minutes: the monitor looks every minute",
            ),
            _ => Check::wrong(about, "usage was never read", NEXT),
        },
    }
}

/// Whether a provider tells usage by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// It does.
    Usage,
    /// It does not.
    Nothing,
}

/// Whether an account's admin credential is accepted, by an attempt to list keys with it.
pub fn account(account: &str, listed: Result<usize, &ProviderError>) -> Check {
    let about = format!("account {account}");
    match listed {
        Ok(keys) => Check::ok(
            about,
            format!("the provider shows {keys} keys on its first page"),
        ),
        Err(error @ ProviderError::AdminCredential { .. }) => Check::wrong(
            about,
            error.to_string(),
            "put a working admin credential into the secret that KEYWARD_ACCOUNTS names for it",
        ),
        Err(
            error @ (ProviderError::Refused { .. }
            | ProviderError::Unsupported(_)
            | ProviderError::ReadOnly(_)),
        ) => Check::wrong(
            about,
            error.to_string(),
            "mend KEYWARD_ACCOUNTS of the functions",
        ),
        Err(
            error @ (ProviderError::RetryAfter { .. }
            | ProviderError::UnderWay(_)
            | ProviderError::Ambiguous { .. }
            | ProviderError::NotFound
            | ProviderError::LimitReached { .. }),
        ) => Check::not_seen(about, error.to_string(), "run it again in a minute"),
    }
}

/// What it means that the deployment does not name a credential of an account, by the field that would.
pub fn lacks_credential(account: &str, field: &str) -> Check {
    Check::wrong(
        format!("account {account}, {field}"),
        format!(
            "KEYWARD_ACCOUNTS names no secret in `{field}`: functions that open the account by it cannot, the monitor by `read_secret` among them"
        ),
        format!(
            "put a credential into a secret named keyward/<stack>/read/{account}, its ARN into ProviderAccounts as `{field}`, and deploy"
        ),
    )
}

/// Whether each slot has the alarm that guards it. `slots` says since when each is there, if that is known.
pub fn alarms(
    slots: &BTreeMap<SlotName, Option<Timestamp>>,
    changes: &[AlarmChange],
    now: Timestamp,
) -> Check {
    let is_new = |slot: &SlotName| {
        let since = slots.get(slot).copied().flatten();
        since.is_some_and(|since| now.duration_since(since) < NEW_ALARM)
    };
    let (mut bad, mut awaited) = (Vec::new(), Vec::new());
    for change in changes {
        match change {
            AlarmChange::Remove(..) => {}
            AlarmChange::Make(alarm) if is_new(&alarm.slot) => awaited.push(alarm.slot.as_str()),
            change => bad.push(change.slot().as_str()),
        }
    }
    match (bad.len(), awaited.len()) {
        (0, 0) => Check::ok("alarms", format!("{} slots are guarded", slots.len())),
        (0, _) => Check::not_seen(
            "alarms",
            format!("not made yet for new slots: {}", awaited.join(", ")),
            "run it again in a few minutes: the monitor makes them within two",
        ),
        _ => Check::wrong(
            "alarms",
            format!("missing or changed: {}", bad.join(", ")),
            "the monitor makes them within an hour; if they stay so, look at its log",
        ),
    }
}

/// Whether the kill switch was seen to work, by the last drill of each canary. `unread` are slots that may be canaries
/// and could not be read: with them, that nothing was found proves nothing.
pub fn drill(canaries: &[(SlotName, Option<Drill>)], unread: usize, now: Timestamp) -> Check {
    let last = canaries
        .iter()
        .filter_map(|(slot, drill)| Some((slot, drill.as_ref()?)))
        .max_by_key(|(_, drill)| drill.ended);
    let check = match (canaries.first(), last) {
        (None, _) => Check::wrong(
            "drill",
            "no slot is a canary, so the kill switch cannot be tried",
            "set canary = true for a slot that nobody depends on, then: keyward apply",
        ),
        (Some((slot, _)), None) => Check::wrong(
            "drill",
            "the kill switch was never drilled",
            format!("keyward drill {slot} --wait --reason ..."),
        ),
        (Some(_), Some((slot, drill))) => drilled(slot, drill, now),
    };
    match (check.health, unread) {
        (Health::Ok, _) | (_, 0) => check,
        _ => Check::not_seen(
            "drill",
            format!(
                "{unread} slots could not be read, and one of them may be a canary that was drilled"
            ),
            "mend the table first",
        ),
    }
}

fn drilled(slot: &SlotName, drill: &Drill, now: Timestamp) -> Check {
    let has_passed = drill.outcome == DrillOutcome::Passed;
    let how = match has_passed {
        true => "passed",
        false => "did not pass",
    };
    let what = format!("the last one, of {slot}, {how} at {}", drill.ended);
    match has_passed && now.duration_since(drill.ended) < DRILL_HOLDS {
        true => Check::ok("drill", what),
        false => Check::wrong(
            "drill",
            what,
            format!("keyward drill {slot} --wait --reason ..."),
        ),
    }
}

#[cfg(test)]
mod tests;
