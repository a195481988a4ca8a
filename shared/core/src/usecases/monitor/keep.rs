//! Cells are kept where they change something.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};

use crate::model::names::{AccountName, SlotName};
use crate::model::usage::Bucket;
use crate::model::usage_items::{AccountUsage, Cell, UsageHour};
use crate::ports::{InventoryError, UsageStore};

/// How often an item is read and written anew where somebody else wrote it meanwhile.
const TRIES: usize = 5;

/// What is kept of one slot.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Buckets that were written anew.
    pub(super) changed: BTreeSet<Bucket>,
    /// Buckets that were looked at, as they are kept now: the cells of all versions.
    pub(super) read: BTreeMap<Bucket, Vec<Cell>>,
}

/// What is noted of buckets that are kept, beside keeping them: of thousands of slots that is much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// Every bucket that was looked at.
    All,
    /// Those that were written anew.
    Changed,
    /// None.
    Nothing,
}

impl Kept {
    pub(super) fn note(
        &mut self,
        changed: BTreeSet<Bucket>,
        item: &UsageHour,
        buckets: &BTreeSet<Bucket>,
    ) {
        self.changed.extend(changed);
        for bucket in buckets {
            let cells = item.cells.iter().filter(|cell| cell.bucket == *bucket);
            let cells: Box<[Cell]> = cells.cloned().collect();
            self.read.insert(*bucket, cells.into_vec());
        }
    }
}

/// Keeps cells by slot, several slots at once. What was kept is returned for every slot, together with the first
/// failure: one slot's costs no other its cells.
pub(super) async fn cells(
    store: &dyn UsageStore,
    by_slot: BTreeMap<SlotName, Vec<Cell>>,
    noted: Noted,
    at_once: usize,
) -> (BTreeMap<SlotName, Kept>, Option<InventoryError>) {
    let slots = by_slot.into_iter().map(|(slot, cells)| async move {
        let mut all = Kept::default();
        let kept = slot_cells(store, &slot, cells, noted, &mut all).await;
        (slot, all, kept.err())
    });
    let mut done = stream::iter(slots).buffer_unordered(at_once.max(1));
    let (mut all, mut failed) = (BTreeMap::new(), None);
    while let Some((slot, kept, error)) = done.next().await {
        all.insert(slot, kept);
        failed = failed.or(error);
    }
    (all, failed)
}

/// Keeps the cells of one slot. Those that hold what is known already cost a read and no write.
async fn slot_cells(
    store: &dyn UsageStore,
    slot: &SlotName,
    cells: Vec<Cell>,
    noted: Noted,
    all: &mut Kept,
) -> Result<(), InventoryError> {
    let mut by_hour: BTreeMap<u32, Vec<Cell>> = BTreeMap::new();
    for cell in cells {
        by_hour.entry(cell.bucket.hour()).or_default().push(cell);
    }
    let (Some((first, _)), Some((last, _))) = (by_hour.first_key_value(), by_hour.last_key_value())
    else {
        return Ok(());
    };
    let known = store.hours(slot, *first, last + 1).await?;
    let mut known: BTreeMap<u32, UsageHour> =
        known.into_iter().map(|hour| (hour.hour, hour)).collect();
    for (hour, cells) in by_hour {
        let item = known.remove(&hour);
        let put = |item: &mut UsageHour| {
            let mut changed = BTreeSet::new();
            for cell in &cells {
                if item.put(cell.clone()) {
                    changed.insert(cell.bucket);
                }
            }
            changed
        };
        let (changed, item) = hour_with(store, slot, hour, item, put).await?;
        let buckets = match noted {
            Noted::All => cells.iter().map(|cell| cell.bucket).collect(),
            Noted::Changed => changed.clone(),
            Noted::Nothing => continue,
        };
        all.note(changed, &item, &buckets);
    }
    Ok(())
}

/// Keeps all that agents told of some hours of one slot, bucket by bucket. Noted are the buckets that were written anew, and
/// all from `recent` on. What was kept before a failure is in `all`.
pub(super) async fn told(
    store: &dyn UsageStore,
    slot: &SlotName,
    told: BTreeMap<Bucket, Vec<Cell>>,
    recent: Bucket,
    all: &mut Kept,
) -> Result<(), InventoryError> {
    let (Some((first, _)), Some((last, _))) = (told.first_key_value(), told.last_key_value())
    else {
        return Ok(());
    };
    let (first, until) = (first.hour(), last.hour().saturating_add(1));
    let mut by_hour: BTreeMap<u32, BTreeMap<Bucket, Vec<Cell>>> = BTreeMap::new();
    for (bucket, cells) in told {
        let hour = by_hour.entry(bucket.hour()).or_default();
        hour.insert(bucket, cells);
    }
    let known = store.hours(slot, first, until).await?;
    let mut known: BTreeMap<u32, UsageHour> =
        known.into_iter().map(|hour| (hour.hour, hour)).collect();
    for (hour, told) in by_hour {
        let put = |item: &mut UsageHour| {
            let buckets = told.iter();
            let changed = buckets.filter(|(bucket, cells)| item.put_told(**bucket, cells));
            changed.map(|(bucket, _)| *bucket).collect()
        };
        let (changed, item) = hour_with(store, slot, hour, known.remove(&hour), put).await?;
        let noted = told.into_keys();
        let noted = noted.filter(|bucket| *bucket >= recent || changed.contains(bucket));
        let noted = noted.collect();
        all.note(changed, &item, &noted);
    }
    Ok(())
}

/// Changes one hour of a slot, again and again until nobody else has changed it meanwhile. Returns what was changed, and
/// the hour as it is kept.
pub(super) async fn hour_with(
    store: &dyn UsageStore,
    slot: &SlotName,
    hour: u32,
    known: Option<UsageHour>,
    mut change: impl FnMut(&mut UsageHour) -> BTreeSet<Bucket> + Send,
) -> Result<(BTreeSet<Bucket>, UsageHour), InventoryError> {
    let mut item = known.unwrap_or_else(|| UsageHour::empty(slot.clone(), hour));
    let mut all = BTreeSet::new();
    for _ in 0..TRIES {
        let changed = change(&mut item);
        if changed.is_empty() {
            return Ok((all, item));
        }
        // Of a write whose answer was lost the next try finds nothing to change.
        all.extend(changed);
        match store.save_hour(&item).await {
            Ok(()) => return Ok((all, item)),
            Err(InventoryError::Conflict) => {
                let read = store.hours(slot, hour, hour + 1).await?.pop();
                item = read.unwrap_or_else(|| UsageHour::empty(slot.clone(), hour));
            }
            Err(error) => return Err(error),
        }
    }
    Err(InventoryError::Conflict)
}

/// Changes what is known of an account, in the same way.
pub(in crate::usecases) async fn account(
    store: &dyn UsageStore,
    name: &AccountName,
    known: AccountUsage,
    mut change: impl FnMut(&mut AccountUsage) + Send,
) -> Result<(), InventoryError> {
    let mut item = known;
    for _ in 0..TRIES {
        change(&mut item);
        match store.save_account(&item).await {
            Err(InventoryError::Conflict) => {
                item = store.account_or_empty(name).await?;
            }
            done => return done,
        }
    }
    Err(InventoryError::Conflict)
}
