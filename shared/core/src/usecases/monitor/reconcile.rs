//! Where both agents and the provider tell what a slot uses, the two are compared once a day. The provider's figures are
//! what is judged by; the agents' word shows what of them is not theirs.

use jiff::SignedDuration;

use super::run::{Run, of_account};
use super::told::page;
use super::{AccountPull, MonitorPorts, Sight, Watched, tell};
use crate::model::money::MicroDollars;
use crate::model::names::SlotName;
use crate::model::price::PriceTable;
use crate::model::usage::Bucket;
use crate::model::usage_items::Cell;
use crate::ports::InventoryError;
use crate::rules::told::{Apart, Day, Fold, apart, seen_beside};

/// Slots of an account that are compared in a run, at most: in a day, some tens of thousands.
const AT_MOST: usize = 20;

/// Hours in a day.
const HOURS: u32 = 24;

/// So much time one slot may take.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// What was found of one slot and day.
pub(super) struct Difference {
    pub(super) slot: SlotName,
    /// When the day began.
    pub(super) day: jiff::Timestamp,
    pub(super) told: MicroDollars,
    pub(super) seen: MicroDollars,
    pub(super) apart: Apart,
}

/// Compares the last settled day of some of an account's slots, those first that were not compared for longest. Each counts
/// as compared once it is: what is not told of one by then is told by the next run.
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
    for at in due(run, pulled, day) {
        if !run.has_time(MARGIN) {
            return run.leave(format!("comparing what agents of {} told", pulled.account));
        }
        if let Err(error) = slot(run, at, day, prices).await {
            let name = &run.state.fleet[at].slot.name;
            tracing::warn!(slot = %name, %error, "what agents told could not be compared now");
            let (name, now) = (name.clone(), run.now());
            run.state.uncompared.insert(name, now);
        }
    }
}

/// The slots whose turn it is. One that could not be compared is behind all others.
fn due(run: &Run<'_>, pulled: &AccountPull, day: u32) -> Vec<usize> {
    let state = &*run.state;
    let slots = of_account(&state.fleet, pulled).into_iter();
    let due = slots.filter_map(|(name, at)| {
        let compared = state.held.get(&name)?.notes.compared;
        let is_due = compared.is_none_or(|last| last < day);
        is_due.then(|| (state.uncompared.get(&name).copied(), compared, name, at))
    });
    let mut due: Vec<_> = due.collect();
    due.sort();
    let first = due.into_iter().take(AT_MOST);
    first.map(|(.., at)| at).collect()
}

/// Compares a slot's day, tells what is too far apart, and keeps that it was compared.
async fn slot(
    run: &mut Run<'_>,
    at: usize,
    day: u32,
    prices: &PriceTable,
) -> Result<(), InventoryError> {
    let watched = &run.state.fleet[at];
    let name = watched.slot.name.clone();
    let last_told = run.state.held.get(&name).and_then(|h| h.notes.last_told);
    let of = Of {
        monitor: run.monitor,
        prices,
        watched,
        day,
    };
    let (difference, is_told) = of.compared(last_told).await?;
    if let Some(difference) = difference {
        run.tell(tell::usage_differs(&difference)).await;
    }
    run.state.uncompared.remove(&name);
    let (usage, now) = (run.monitor.usage.clone(), run.now());
    let Some(held) = run.state.held.get_mut(&name) else {
        return Ok(());
    };
    held.notes.compared = Some(day);
    if is_told {
        held.notes.last_told = Some(day);
    }
    let saved = held.save(&*usage, &name, now).await;
    if saved.is_err() {
        // What the store has is not known: it is read again.
        run.state.held.remove(&name);
    }
    saved
}

/// A slot's day.
struct Of<'a> {
    monitor: &'a MonitorPorts,
    prices: &'a PriceTable,
    watched: &'a Watched,
    day: u32,
}

impl Of<'_> {
    /// What is too far apart, and whether agents told anything. Where they never did there is nothing to compare.
    async fn compared(
        &self,
        last_told: Option<u32>,
    ) -> Result<(Option<Difference>, bool), InventoryError> {
        let slot = &self.watched.slot;
        let first = self.day.saturating_mul(HOURS);
        let (told, first_told) = self.told(first).await?;
        let is_told = first_told.is_some();
        let day = Day::of(self.day, first_told, last_told);
        if day == Day::Nothing {
            return Ok((None, is_told));
        }
        let usage = &*self.monitor.usage;
        let hours = usage.hours(&slot.name, first, first + HOURS).await?;
        let cells: Vec<Cell> = hours.into_iter().flat_map(|hour| hour.cells).collect();
        let seen = seen_beside(day, &cells);
        let difference = apart(told, seen).map(|apart| Difference {
            slot: slot.name.clone(),
            day: Bucket(self.day.saturating_mul(Bucket::PER_DAY)).begins(),
            told,
            seen,
            apart,
        });
        Ok((difference, is_told))
    }

    /// What agents told of the day from its hour `first` on, priced, and the first bucket of it.
    async fn told(&self, first: u32) -> Result<(MicroDollars, Option<Bucket>), InventoryError> {
        let Watched { slot, versions } = self.watched;
        let until = first.saturating_add(HOURS);
        let ends = Bucket(until.saturating_mul(Bucket::PER_HOUR)).begins();
        let mut fold = Fold::new(self.prices, slot.provider, ends);
        let mut sum = MicroDollars(0);
        let mut next = Some(first);
        while let Some(from) = next {
            let page = page(&*self.monitor.usage, &slot.name, from, until).await?;
            next = page.next;
            for hour in page.items.chunk_by(|one, next| one.hour == next.hour) {
                let cells = fold.hour(hour, versions).into_values().flatten();
                sum = cells.fold(sum, |sum, cell| sum.plus(cell.priced()));
            }
        }
        Ok((sum, fold.done().first))
    }
}
