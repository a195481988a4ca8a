//! The recorded usage of slots, for showing what the rules would have done.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::model::names::SlotName;
use crate::model::slot::Slot;
use crate::model::text::OutsideText;
use crate::model::usage::Bucket;
use crate::model::usage_items::{AccountUsage, UsageHour, oldest_kept, readings};
use crate::ports::{Inventory, InventoryError, UsageStore};
use crate::rules::anomaly::Past;

/// What is kept of one slot's usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The slot.
    pub slot: Slot,
    /// From the first bucket of which anything is known up to now, oldest first. Empty where nothing is.
    pub past: Vec<Past>,
}

impl History {
    /// For how long anything is told of.
    pub fn length(&self) -> SignedDuration {
        SignedDuration::from_mins(5 * self.past.len() as i64)
    }

    /// How many of its buckets are known.
    pub fn known(&self) -> usize {
        let known = |past: &&Past| past.reading.known().is_some();
        self.past.iter().filter(known).count()
    }
}

/// An agent that fetches its key again when it is refused asks at least so often: it is back so soon after a replacement.
const REFETCHED: SignedDuration = SignedDuration::from_secs(30);

/// For how long a kill stops an agent at most, once its replacement is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// One that fetches its key again when it is refused, as `keyward-client` does.
    pub refetching: SignedDuration,
    /// One that fetches it at its refresh interval only.
    pub waiting: SignedDuration,
}

impl Stopped {
    /// What one kill of this slot costs its agent.
    pub const fn by_a_kill(slot: &Slot) -> Self {
        Self {
            refetching: REFETCHED,
            waiting: slot.policy.refresh,
        }
    }
}

/// One slot's history; one that cannot be read is shown as such.
pub type Row = (SlotName, Result<History, InventoryError>);

/// The usage that is kept of one slot, or of all of them in the order of their names, up to `now`. A slot that cannot be
/// read hides no other; one that is not in the inventory is no row.
///
/// # Errors
/// [`InventoryError`] if the list of slots cannot be read.
pub async fn histories(
    inventory: &dyn Inventory,
    usage: &dyn UsageStore,
    only: Option<&SlotName>,
    now: Timestamp,
) -> Result<Vec<Row>, InventoryError> {
    let names = match only {
        Some(name) => vec![name.clone()],
        None => inventory.slot_names().await?,
    };
    let mut rows = Vec::new();
    for name in names {
        match one(inventory, usage, &name, now).await {
            Ok(Some(history)) => rows.push((name, Ok(history))),
            Ok(None) => {}
            Err(error) => rows.push((name, Err(error))),
        }
    }
    Ok(rows)
}

async fn one(
    inventory: &dyn Inventory,
    usage: &dyn UsageStore,
    name: &SlotName,
    now: Timestamp,
) -> Result<Option<History>, InventoryError> {
    let Some(slot) = inventory.slot(name).await? else {
        return Ok(None);
    };
    let until = Bucket::of(now);
    let oldest = oldest_kept(now);
    let account = usage.account_or_empty(&slot.account).await?;
    let hours = usage.hours(name, oldest.hour(), until.hour() + 1).await?;
    let past = past(&account, &hours, oldest, until);
    Ok(Some(History { slot, past }))
}

/// From the first bucket that anything is known of; the last one is over.
fn past(account: &AccountUsage, hours: &[UsageHour], oldest: Bucket, until: Bucket) -> Vec<Past> {
    let mut models: BTreeMap<Bucket, Vec<OutsideText>> = BTreeMap::new();
    for cell in hours.iter().flat_map(|hour| &hour.cells) {
        let of_bucket = models.entry(cell.bucket).or_default();
        of_bucket.extend(cell.named_models());
    }
    let readings = readings(account, hours, oldest, until).into_iter();
    readings
        .skip_while(|(_, reading)| reading.known().is_none())
        .map(|(bucket, reading)| Past {
            bucket,
            reading,
            models: models.remove(&bucket).unwrap_or_default(),
        })
        .collect()
}
