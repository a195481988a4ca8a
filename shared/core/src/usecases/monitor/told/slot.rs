//! What agents told of one slot: read in pages, put together, kept.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::keep::{self, Kept};
use super::super::{MonitorPorts, NotSeen, Watched};
use crate::model::names::SlotName;
use crate::model::price::PriceTable;
use crate::model::told::ToldHour;
use crate::model::usage::{Bucket, Counts};
use crate::model::usage_items::Cell;
use crate::model::version::{Version, VersionId, VersionState};
use crate::ports::{Fence, InventoryError, UsageStore};
use crate::rules::told::{Fold, MOST_REPORTERS, Told, is_known};
use crate::rules::usage::Owner;

/// Items that are read at a time, each what one process told of an hour: somewhat more than an hour may have.
const AT_A_TIME: usize = MOST_REPORTERS + 20;

/// What the reading of slots works with.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) monitor: &'a MonitorPorts,
    pub(super) prices: &'a PriceTable,
    pub(super) now: Timestamp,
    /// Buckets from this one on are noted, whether or not they changed.
    pub(super) recent: Bucket,
}

/// What was read of a slot.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// `None` where it was not read or not kept whole.
    pub(super) told: Option<Told>,
    /// What was used in the bucket that is not over.
    pub(super) open: BTreeMap<Owner, Counts>,
    /// What was kept, though not all of it may be.
    pub(super) kept: Kept,
    /// Why it is not whole.
    pub(super) failed: Option<NotSeen>,
}

impl Reading {
    pub(super) fn not_begun(why: NotSeen) -> Self {
        Self {
            failed: Some(why),
            ..Self::default()
        }
    }
}

impl Turn<'_> {
    /// Reads what was told of a slot from an hour on, and keeps it page by page. It may be cut off anywhere and done again.
    pub(super) async fn read(self, watched: &Watched, from: u32) -> Reading {
        let mut read = Reading::default();
        match self.read_into(watched, from, &mut read).await {
            Ok(told) => read.told = Some(told),
            Err(error) => read.failed = Some(error.into()),
        }
        read
    }

    async fn read_into(
        self,
        watched: &Watched,
        from: u32,
        read: &mut Reading,
    ) -> Result<Told, InventoryError> {
        let slot = &watched.slot;
        let open = Bucket::of(self.now);
        let until = open.hour().saturating_add(1);
        let mut versions = Versions::Kept(&watched.versions);
        let mut fold = Fold::new(self.prices, slot.provider, self.now);
        let mut used: BTreeMap<VersionId, Bucket> = BTreeMap::new();
        let mut next = Some(from);
        while let Some(from) = next {
            let page = page(&*self.monitor.usage, &slot.name, from, until).await?;
            next = page.next;
            if versions.may_be_old(&page.items) {
                let inventory = &self.monitor.ports.inventory;
                versions = Versions::Read(inventory.versions(&slot.name).await?);
            }
            let mut closed: BTreeMap<Bucket, Vec<Cell>> = BTreeMap::new();
            for hour in page.items.chunk_by(|one, next| one.hour == next.hour) {
                for (bucket, cells) in fold.hour(hour, versions.all()) {
                    note_used(&mut used, &cells);
                    match bucket < open {
                        true => drop(closed.insert(bucket, cells)),
                        false => read.open.extend(of_slot(&slot.name, cells)),
                    }
                }
            }
            drop(page);
            let usage = &*self.monitor.usage;
            keep::told(usage, &slot.name, closed, self.recent, &mut read.kept).await?;
        }
        self.note_uses(watched, versions.all(), &used).await;
        Ok(fold.done())
    }

    /// Notes when old keys were last used: each is held for that beyond its overlap, up to its deadline.
    async fn note_uses(
        self,
        watched: &Watched,
        versions: &[Version],
        used: &BTreeMap<VersionId, Bucket>,
    ) {
        let old = versions.iter().filter(|version| retires(version));
        for version in old {
            let Some(bucket) = used.get(&version.id) else {
                continue;
            };
            let at = bucket.ends().min(self.now);
            if version.last_used.is_some_and(|known| known >= at) {
                continue;
            }
            let mut version = version.clone();
            version.last_used = Some(at);
            let fence = Fence::Epoch(watched.slot.epoch);
            let inventory = &self.monitor.ports.inventory;
            if let Err(error) = inventory.save_versions(&[version], fence).await {
                // The next report says it again.
                tracing::warn!(slot = %watched.slot.name, %error, "that an old key is still used was not noted");
            }
        }
    }
}

/// A slot's versions: as they were read with all slots, or now.
enum Versions<'a> {
    Kept(&'a [Version]),
    Read(Vec<Version>),
}

impl Versions<'_> {
    fn all(&self) -> &[Version] {
        match self {
            Self::Kept(versions) => versions,
            Self::Read(versions) => versions,
        }
    }

    /// The slots are read now and then: one that is told of may be new, and one that retires is written.
    fn may_be_old(&self, told: &[ToldHour]) -> bool {
        let Self::Kept(versions) = self else {
            return false;
        };
        let mut cells = told.iter().flat_map(|hour| &hour.cells);
        versions.iter().any(retires)
            || cells.any(|cell| !is_known(versions, &cell.version.secret_version))
    }
}

fn retires(version: &Version) -> bool {
    version.state == VersionState::Retiring
}

fn note_used(used: &mut BTreeMap<VersionId, Bucket>, cells: &[Cell]) {
    for cell in cells.iter().filter(|cell| cell.counts().used()) {
        let last = used.entry(cell.version.clone()).or_insert(cell.bucket);
        *last = cell.bucket.max(*last);
    }
}

fn of_slot(slot: &SlotName, cells: Vec<Cell>) -> impl Iterator<Item = (Owner, Counts)> {
    let cells = cells.into_iter();
    cells.map(|cell| {
        let counts = cell.counts();
        ((slot.clone(), cell.version), counts)
    })
}

/// What was told of whole hours, and the hour to go on with.
pub(in super::super) struct Page {
    pub(in super::super) items: Vec<ToldHour>,
    pub(in super::super) next: Option<u32>,
}

/// What was told of a slot's hours from `from` on and before `until`, as much as is to be held at once.
pub(in super::super) async fn page(
    usage: &dyn UsageStore,
    slot: &SlotName,
    from: u32,
    until: u32,
) -> Result<Page, InventoryError> {
    let mut items = usage.told(slot, from, until, AT_A_TIME).await?;
    let mut next = None;
    if let [first, .., last] = &items[..]
        && items.len() >= AT_A_TIME
    {
        let (first, last) = (first.hour, last.hour);
        // Of an hour that more told of than may, the first count.
        next = Some(last.max(first.saturating_add(1)));
        items.retain(|item| item.hour < last || first == last);
    }
    let next = next.filter(|hour| *hour < until);
    Ok(Page { items, next })
}
