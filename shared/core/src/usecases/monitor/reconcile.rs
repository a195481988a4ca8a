//! Where both agents and the provider tell what a slot uses, the two are compared once a day. The provider's figures are
//! what is judged by; the agents' word shows what of them is not theirs.

use super::run::{Run, of_account};
use super::{AccountPull, Sight, tell};
use crate::model::money::MicroDollars;
use crate::model::names::SlotName;
use crate::model::price::PriceTable;
use crate::model::slot::ProviderName;
use crate::model::usage::Bucket;
use crate::model::usage_items::Cell;
use crate::ports::{InventoryError, UsageStore};
use crate::rules::told::{Apart, apart, fold, seen_beside};

/// Slots of an account that are compared in a run, at most: in a day, some tens of thousands.
const AT_MOST: usize = 20;

/// Hours in a day.
const HOURS: u32 = 24;

/// What was found of one slot and day.
pub(super) struct Difference {
    pub(super) slot: SlotName,
    /// When the day began.
    pub(super) day: jiff::Timestamp,
    pub(super) told: MicroDollars,
    pub(super) seen: MicroDollars,
    pub(super) apart: Apart,
}

/// Compares the last settled day of some of an account's slots.
pub(super) async fn account(run: &mut Run<'_>, pulled: &AccountPull, prices: &PriceTable) {
    if !matches!(pulled.sight, Sight::Seen(..)) {
        return;
    }
    let settled = run.now().checked_sub(run.settings.pull.bills_settle);
    let Some(day) = settled
        .ok()
        .and_then(|at| Bucket::of(at).day().checked_sub(1))
    else {
        return;
    };
    let usage = run.monitor.usage.clone();
    let slots = of_account(&run.state.fleet, pulled).into_keys();
    let is_due = |name: &SlotName| {
        let held = run.state.held.get(name);
        held.is_some_and(|held| held.notes.compared.is_none_or(|last| last < day))
    };
    let due: Vec<SlotName> = slots.filter(is_due).take(AT_MOST).collect();
    for name in due {
        match compare(&*usage, &name, day, (prices, pulled.provider)).await {
            Ok(found) => {
                if let Some(found) = found {
                    run.tell(tell::usage_differs(&found)).await;
                }
                if let Some(held) = run.state.held.get_mut(&name) {
                    held.notes.compared = Some(day);
                }
            }
            Err(error) => {
                tracing::warn!(slot = %name, %error, "what agents told could not be compared now");
            }
        }
    }
}

/// What is too far apart of one slot's day; nothing of a slot whose agents tell nothing.
async fn compare(
    usage: &dyn UsageStore,
    slot: &SlotName,
    day: u32,
    (prices, provider): (&PriceTable, ProviderName),
) -> Result<Option<Difference>, InventoryError> {
    let first = day.saturating_mul(HOURS);
    let told = usage.told(slot, first, first + HOURS).await?;
    if told.is_empty() {
        return Ok(None);
    }
    let until = Bucket((first + HOURS).saturating_mul(Bucket::PER_HOUR)).begins();
    let told = fold(&told, prices, provider, until);
    let hours = usage.hours(slot, first, first + HOURS).await?;
    let cells: Vec<Cell> = hours.into_iter().flat_map(|hour| hour.cells).collect();
    let seen = seen_beside(&told, &cells);
    let told = told
        .cells
        .iter()
        .fold(MicroDollars(0), |sum, cell| sum.plus(cell.priced()));
    Ok(apart(told, seen).map(|apart| Difference {
        slot: slot.clone(),
        day: Bucket(day.saturating_mul(Bucket::PER_DAY)).begins(),
        told,
        seen,
        apart,
    }))
}
