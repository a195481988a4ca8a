//! Applying a fleet file: slots that are new are registered, others brought up to the file. Nothing is ever removed.

use super::Ports;
use super::register::{RegisterError, Registered, complete, register, secret_of};
use crate::model::fleet::PlannedSlot;
use crate::model::slot::Slot;
use crate::ports::{InventoryError, UniqueItem};
use crate::rules::change::{Basis, Difference, NotApplied, change};

/// How often a slot is read anew where Keyward itself wrote it meanwhile.
const ATTEMPTS: usize = 4;

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
        changed: Vec<Difference>,
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

impl Plan {
    /// The slot as the inventory has it; `None` where it has none.
    pub fn as_it_is(&self) -> Option<&Slot> {
        match self {
            Self::Register => None,
            Self::Update { before: slot, .. } | Self::Unchanged { slot, .. } => Some(slot),
        }
    }

    /// Whether carrying it out changes a slot of the inventory, or makes one.
    pub const fn changes_something(&self) -> bool {
        match self {
            Self::Register | Self::Update { .. } => true,
            Self::Unchanged { .. } => false,
        }
    }
}

/// What was done with one slot.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// It was registered.
    Registered(Registered),
    /// It was changed.
    Updated(Vec<Difference>),
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
    /// It is no longer what the plan was made on: somebody changed it, or it was cut off.
    #[error("it is no longer as it was when the plan was made")]
    Moved,
    /// The inventory.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

impl ApplyError {
    /// Whether the same file can succeed later without a person.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Register(error) => error.is_retryable(),
            Self::Refused(_) | Self::Moved => false,
            Self::Inventory(error) => error.is_retryable(),
        }
    }

    /// Whether the slot was found other than it was planned on: a person looks at a new plan before anything more is
    /// done.
    pub const fn is_surprise(&self) -> bool {
        match self {
            Self::Moved | Self::Register(RegisterError::Exists(_)) => true,
            Self::Register(RegisterError::Inventory(error)) | Self::Inventory(error) => {
                matches!(
                    error,
                    InventoryError::Conflict
                        | InventoryError::Taken {
                            what: UniqueItem::Name,
                            ..
                        }
                )
            }
            Self::Register(_) | Self::Refused(_) => false,
        }
    }
}

/// Compares one slot of the file with the inventory; of a new one, looks at its secret too, but not into it.
///
/// # Errors
/// [`ApplyError`].
pub async fn plan(ports: &Ports, planned: &PlannedSlot) -> Result<Plan, ApplyError> {
    let Some(slot) = ports.inventory.slot(&planned.name).await? else {
        secret_of(ports, planned).await?;
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

/// Carries a plan out, if the slot is still what it was made on, and makes up for what a call that was cut off left. May
/// be repeated.
///
/// # Errors
/// [`ApplyError`]; the slot is as it was, or as it is to be: an answer can be lost, and a new slot's tags come last.
pub async fn carry_out(
    ports: &Ports,
    planned: &PlannedSlot,
    plan: &Plan,
) -> Result<Applied, ApplyError> {
    match plan {
        Plan::Register => match register(ports, planned).await? {
            Registered::Already => already(ports, planned).await,
            registered => Ok(Applied::Registered(registered)),
        },
        Plan::Unchanged { slot, .. } => {
            complete(ports, slot).await?;
            Ok(Applied::Unchanged)
        }
        Plan::Update {
            before,
            after,
            changed,
            ..
        } => {
            complete(ports, after).await?;
            save(ports, planned, &Basis::of(Some(before), planned), after).await?;
            Ok(Applied::Updated(changed.clone()))
        }
    }
}

/// The slot came about since it was planned: by this very request, sent again, or by somebody whose file says the same.
async fn already(ports: &Ports, planned: &PlannedSlot) -> Result<Applied, ApplyError> {
    let slot = ports.inventory.slot(&planned.name).await?;
    let slot = slot.ok_or(ApplyError::Moved)?;
    match change(&slot, planned)?.changed.is_empty() {
        true => Ok(Applied::Registered(Registered::Already)),
        false => Err(ApplyError::Moved),
    }
}

/// Writes the slot. Where Keyward itself wrote it meanwhile, as when it is looked at next, what was planned goes on top.
async fn save(
    ports: &Ports,
    planned: &PlannedSlot,
    basis: &Basis,
    after: &Slot,
) -> Result<(), ApplyError> {
    let mut next = after.clone();
    for _ in 1..ATTEMPTS {
        match ports.inventory.save_slot(&next).await {
            Err(InventoryError::Conflict) => {}
            done => return Ok(done?),
        }
        let found = ports.inventory.slot(&planned.name).await?;
        let found = found.ok_or(ApplyError::Moved)?;
        let anew = change(&found, planned)?;
        if anew.changed.is_empty() {
            return Ok(());
        }
        if Basis::of(Some(&found), planned) != *basis {
            return Err(ApplyError::Moved);
        }
        next = anew.slot;
    }
    Ok(ports.inventory.save_slot(&next).await?)
}
