//! Applying a fleet file: slots that are new are registered, others brought up to the file. Nothing is ever removed.

use super::Ports;
use super::register::{RegisterError, Registered, complete, register};
use crate::model::fleet::PlannedSlot;
use crate::model::slot::Slot;
use crate::ports::InventoryError;
use crate::rules::change::{NotApplied, change};

/// What applying one slot would do.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// It is not in the inventory: it would be registered.
    Register,
    /// It would be changed.
    Update {
        /// As it is.
        before: Box<Slot>,
        /// As it would be.
        after: Box<Slot>,
        /// What differs.
        changed: Vec<&'static str>,
        /// What the file says otherwise and does not change.
        kept: Vec<&'static str>,
    },
    /// It is as the file says.
    Unchanged {
        /// As it is.
        slot: Box<Slot>,
        /// What the file says otherwise and does not change.
        kept: Vec<&'static str>,
    },
}

/// What was done with one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It was registered.
    Registered(Registered),
    /// It was changed.
    Updated(Vec<&'static str>),
    /// It was as the file says.
    Unchanged,
}

/// Why one slot was not applied, or not to its end: see [`carry_out`].
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It was not registered.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The file asks for what cannot be changed.
    #[error(transparent)]
    Refused(#[from] NotApplied),
    /// The inventory.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

impl ApplyError {
    /// Whether the same file can succeed later without a person.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Register(error) => error.is_retryable(),
            Self::Refused(_) => false,
            Self::Inventory(error) => error.is_retryable(),
        }
    }
}

/// Compares one slot of the file with the inventory.
///
/// # Errors
/// [`ApplyError`].
pub async fn plan(ports: &Ports, planned: &PlannedSlot) -> Result<Plan, ApplyError> {
    let Some(slot) = ports.inventory.slot(&planned.name).await? else {
        return Ok(Plan::Register);
    };
    let change = change(&slot, planned)?;
    Ok(if change.changed.is_empty() {
        Plan::Unchanged {
            slot: Box::new(slot),
            kept: change.kept,
        }
    } else {
        Plan::Update {
            before: Box::new(slot),
            after: Box::new(change.slot),
            changed: change.changed,
            kept: change.kept,
        }
    })
}

/// Carries a plan out, if the slot is still as it was when it was made, and makes up for what a call that was cut off
/// left. May be repeated.
///
/// # Errors
/// [`ApplyError`]; the slot is as it was, or as it is to be: an answer can be lost, and a new slot's tags come last.
pub async fn carry_out(
    ports: &Ports,
    planned: &PlannedSlot,
    plan: &Plan,
) -> Result<Applied, ApplyError> {
    match plan {
        Plan::Register => Ok(Applied::Registered(register(ports, planned).await?)),
        Plan::Unchanged { slot, .. } => {
            complete(ports, slot).await?;
            Ok(Applied::Unchanged)
        }
        Plan::Update { after, changed, .. } => {
            complete(ports, after).await?;
            ports.inventory.save_slot(after).await?;
            Ok(Applied::Updated(changed.clone()))
        }
    }
}
