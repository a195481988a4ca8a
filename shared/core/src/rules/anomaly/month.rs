//! What the month allows.

use super::finding::{Act, Finding, Measured, Rule};
use super::settings::{Limits, monthly_cap};
use crate::model::money::MicroDollars;
use crate::model::usage::Bucket;

/// A month is projected once so much of it is over: the first days of a month say little about the rest.
const PROJECTED_AFTER: u32 = 3 * Bucket::PER_DAY;

/// Judges what was spent from the month's `first` bucket up to and with `now`; `next` is the first of the next month.
pub(super) fn judge(
    limits: &Limits,
    first: Bucket,
    next: Bucket,
    now: Bucket,
    spent: u64,
) -> Option<Finding> {
    let cap = monthly_cap(limits, now.begins());
    let (over, whole) = (now.0 + 1 - first.0, next.0 - first.0);
    let projected = u128::from(spent) * u128::from(whole) / u128::from(over);
    let projected = u64::try_from(projected).unwrap_or(u64::MAX);
    let (act, rule, value) = if spent > cap.0 {
        (Act::Restrict, Rule::MonthSpent, spent)
    } else if over >= PROJECTED_AFTER && projected > cap.0 {
        (Act::Alert, Rule::MonthProjected, projected)
    } else {
        return None;
    };
    let value = MicroDollars(value);
    Some(Finding {
        act,
        rule,
        at: now,
        measured: Measured::Month { value, limit: cap },
    })
}
