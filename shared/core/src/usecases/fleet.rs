//! All slots with their versions.

use futures::{StreamExt, TryStreamExt, stream};

use super::monitor::Watched;
use crate::model::names::SlotName;
use crate::model::slot::Slot;
use crate::ports::{Inventory, InventoryError};

/// All slots that are wanted, as [`fleet_of`] reads them.
///
/// # Errors
/// [`InventoryError`], if the slots cannot be listed, or one cannot be read for now.
pub(super) async fn fleet(
    inventory: &dyn Inventory,
    at_once: usize,
    is_wanted: impl AsyncFn(&Slot) -> bool,
) -> Result<Vec<Watched>, InventoryError> {
    let names = inventory.slot_names().await?;
    fleet_of(inventory, names, at_once, is_wanted).await
}

/// Of the slots of these names those that are wanted, with their versions, in order, so many at once. A slot that cannot be read as such is left out
/// and logged: it hides no other. Of a slot that is not wanted no version is read.
///
/// # Errors
/// [`InventoryError`], if one cannot be read for now.
pub(super) async fn fleet_of(
    inventory: &dyn Inventory,
    names: Vec<SlotName>,
    at_once: usize,
    is_wanted: impl AsyncFn(&Slot) -> bool,
) -> Result<Vec<Watched>, InventoryError> {
    let count = names.len();
    let is_wanted = &is_wanted;
    let read = names.into_iter().map(|name| async move {
        let watched = async {
            let Some(slot) = inventory.slot(&name).await? else {
                return Ok(None);
            };
            if !is_wanted(&slot).await {
                return Ok(None);
            }
            let mut versions = inventory.versions(&name).await?;
            // Most have one, in a list with room for four.
            versions.shrink_to_fit();
            Ok(Some(Watched { slot, versions }))
        };
        match watched.await {
            Err(error @ InventoryError::Corrupt { .. }) => {
                tracing::error!(slot = %name, %error, "a slot cannot be read, and is not looked after");
                Ok(None)
            }
            watched => watched,
        }
    });
    let mut read = stream::iter(read).buffered(at_once.max(1));
    let mut all = Vec::with_capacity(count);
    while let Some(watched) = read.try_next().await? {
        all.extend(watched);
    }
    Ok(all)
}
