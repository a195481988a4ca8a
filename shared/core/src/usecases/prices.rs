//! The table of prices: the shipped one, or one that a person put in its place.

use jiff::civil::Date;
use jiff::tz::Offset;

use crate::model::price::{PriceRefusal, PriceTable};
use crate::ports::{Clock, InventoryError, UsageStore};

/// Why a table that was put in place is not used.
#[derive(Debug, thiserror::Error)]
pub enum NotUsed {
    /// It is not in order.
    #[error(transparent)]
    Refused(#[from] PriceRefusal),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] InventoryError),
}

/// The table in use, and why it is the shipped one where another was put in its place: people are to be told.
pub async fn in_use(usage: &dyn UsageStore, clock: &dyn Clock) -> (PriceTable, Option<NotUsed>) {
    let shipped = PriceTable::shipped();
    match usage.prices().await {
        Ok(None) => (shipped, None),
        Ok(Some(json)) => match shipped.refreshed(&json, today(clock)) {
            Ok(table) => (table, None),
            Err(refusal) => (shipped, Some(refusal.into())),
        },
        Err(error) => (shipped, Some(error.into())),
    }
}

/// The table in `json`, if it may take the place of the one in use: it is in order, not older and not of a later day, and
/// no price moves further than prices do. Nothing is written.
///
/// # Errors
/// [`NotUsed`].
pub async fn check(
    usage: &dyn UsageStore,
    clock: &dyn Clock,
    json: &str,
) -> Result<PriceTable, NotUsed> {
    let (used, _) = in_use(usage, clock).await;
    // By the next start of a process it is compared with the shipped one.
    PriceTable::shipped().refreshed(json, today(clock))?;
    Ok(used.refreshed(json, today(clock))?)
}

/// Puts a table that was just checked in place. May be repeated. The monitor uses it from its next run on.
///
/// # Errors
/// [`InventoryError`]: it may have been put. Put it again.
pub async fn put(usage: &dyn UsageStore, json: &str) -> Result<(), InventoryError> {
    usage.save_prices(json).await
}

fn today(clock: &dyn Clock) -> Date {
    Offset::UTC.to_datetime(clock.now()).date()
}
