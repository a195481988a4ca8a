//! What a slot's keys may spend: the hard limit of each at its provider.
//!
//! | slot | in a day | in a month |
//! | --- | --- | --- |
//! | active | 2.5 of the days that are expected | 1.3 of the months that are expected |
//! | cut off, until a person lifts it | one normal day, whatever is expected | 1.3 normal months |
//!
//! A provider keeps one limit for a key. Where it has limits by the day, that is the day's, but never more than the
//! month's. Where its limits begin again each month only, it is what the key had spent this month when the day began and
//! a day's allowance on top, moved each day, and never above the month's.

use jiff::Timestamp;

use crate::model::baseline::month_of;
use crate::model::money::{CapPeriod, DayLimit, MicroDollars, SpendCap};
use crate::model::slot::{Slot, SlotState};
use crate::model::usage::Bucket;
use crate::model::usage_items::{Seen, Spent};
use crate::model::version::{SpentBefore, Version, VersionState};

/// Of a normal day's spend, what an active slot's key may spend in one.
const ACTIVE_PERCENT_OF_A_DAY: u64 = 250;

/// Of a normal day's spend, what a restricted slot's key may spend in one.
const RESTRICTED_PERCENT_OF_A_DAY: u64 = 100;

/// What a slot may spend in a day, UTC.
pub fn daily(slot: &Slot, now: Timestamp) -> MicroDollars {
    let percent = match slot.state {
        SlotState::Active => ACTIVE_PERCENT_OF_A_DAY,
        SlotState::Restricted | SlotState::Suspended | SlotState::Decommissioned => {
            RESTRICTED_PERCENT_OF_A_DAY
        }
    };
    let expected = slot.expected.daily.percent(expected_percent(slot, now));
    expected.percent(percent).min(monthly(slot, now))
}

/// What a slot may spend in a month, UTC.
pub fn monthly(slot: &Slot, now: Timestamp) -> MicroDollars {
    let expected = slot.expected.monthly_cap();
    expected.percent(expected_percent(slot, now))
}

/// What was expected before a kill is not expected after it.
fn expected_percent(slot: &Slot, now: Timestamp) -> u64 {
    match slot.state {
        SlotState::Active => slot.expected_percent(now).into(),
        SlotState::Restricted | SlotState::Suspended | SlotState::Decommissioned => 100,
    }
}

/// The limit that a key is born with: it has spent nothing yet.
pub fn of_new_key(slot: &Slot, limit: DayLimit, now: Timestamp) -> SpendCap {
    cap(slot, limit, MicroDollars(0), now)
}

/// The limit that a key is to have, if that can be told from its record. `None` where its limit is moved each day and
/// what it spent before today has to be summed up first: [`moved`].
pub fn of_key(slot: &Slot, version: &Version, limit: DayLimit, now: Timestamp) -> Option<SpendCap> {
    let before = match limit {
        DayLimit::ItsOwn => MicroDollars(0),
        DayLimit::MovedEachDay => spent_before(version, now)?,
    };
    Some(cap(slot, limit, before, now))
}

/// The limit of a key for today where it is moved each day, and what it is moved by. `spent` is what its usage comes to
/// in [`month_before`]; where some of that was not seen, the limit does not fall: what is not known is not zero.
pub fn moved(
    slot: &Slot,
    version: &Version,
    spent: Spent,
    now: Timestamp,
) -> (SpendCap, SpentBefore) {
    let at_least = match (spent.seen, version.cap) {
        (Seen::Partly, Some(last)) if last.period == CapPeriod::Monthly => {
            MicroDollars(last.amount.0.saturating_sub(daily(slot, now).0))
        }
        _ => MicroDollars(0),
    };
    let before = SpentBefore {
        day: Bucket::of(now).day(),
        amount: spent.known.max(at_least),
    };
    (
        cap(slot, DayLimit::MovedEachDay, before.amount, now),
        before,
    )
}

/// The month's first bucket and today's, UTC.
pub fn month_before(now: Timestamp) -> (Bucket, Bucket) {
    let today = Bucket::of(now).day();
    let (first, _) = month_of(Bucket::of(now));
    let midnight = |day: u32| Bucket(day * Bucket::PER_DAY);
    (midnight(first), midnight(today))
}

fn cap(slot: &Slot, limit: DayLimit, before: MicroDollars, now: Timestamp) -> SpendCap {
    match limit {
        DayLimit::ItsOwn => SpendCap {
            amount: daily(slot, now),
            period: CapPeriod::Daily,
        },
        DayLimit::MovedEachDay => SpendCap {
            amount: before.plus(daily(slot, now)).min(monthly(slot, now)),
            period: CapPeriod::Monthly,
        },
    }
}

/// What the key had spent this month when today began: nothing on the month's first day, and if it was made today.
fn spent_before(version: &Version, now: Timestamp) -> Option<MicroDollars> {
    let today = Bucket::of(now).day();
    let (first, midnight) = month_before(now);
    let is_new = version
        .begun
        .is_some_and(|at| Bucket::of(at).day() == today);
    match version.spent_before {
        Some(before) if before.day == today => Some(before.amount),
        _ if first == midnight || is_new => Some(MicroDollars(0)),
        _ => None,
    }
}

/// Whether agents may use the key, so that its limit is kept. One that is being made gets its limit in setSecret.
pub const fn is_kept(version: &Version) -> bool {
    matches!(
        version.state,
        VersionState::Current | VersionState::Promoting | VersionState::Retiring
    )
}

/// Whether somebody else changed the limit of a key that was given one: the provider has `found`, which is neither what
/// was set last nor what is `wanted` now.
pub fn is_foreign(version: &Version, wanted: Option<SpendCap>, found: Option<SpendCap>) -> bool {
    let differs = version.cap.is_some() && found != version.cap;
    differs && (found.is_none() || found != wanted)
}

/// Whether a limit that replaces another lets less be spent from now on.
pub fn is_lower(new: SpendCap, old: SpendCap) -> bool {
    new.period != old.period || new.amount < old.amount
}

#[cfg(test)]
mod tests;
