//! Opening a case: once for each leaving, however often it is asked for.

use super::list::slots_where;
use super::save::written;
use crate::model::offboarding::{Leaver, Offboarding, OffboardingId, SlotTask};
use crate::model::slot::Slot;
use crate::model::version::Version;
use crate::ports::{Clock, Inventory, InventoryError, Offboardings};
use crate::rules::offboard::{Admitted, OffboardOrder, admit, task_of};

/// How often opening is tried again where somebody else wrote first.
const TRIES: usize = 5;

/// What opening a case came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It is a new one.
    New(Box<Offboarding>),
    /// One of who leaves is open, and knows of the order now.
    Attached(Box<Offboarding>),
    /// The order was given before: this is its case, open or closed.
    Known(Box<Offboarding>),
}

impl Opened {
    /// The case.
    pub const fn case(&self) -> &Offboarding {
        match self {
            Self::New(case) | Self::Attached(case) | Self::Known(case) => case,
        }
    }
}

/// Opens a case, or joins the one that there is.
///
/// # Errors
/// [`InventoryError`]: give the order again.
pub async fn open(
    cases: &dyn Offboardings,
    clock: &dyn Clock,
    order: &OffboardOrder,
) -> Result<Opened, InventoryError> {
    let mut last = InventoryError::Conflict;
    for _ in 0..TRIES {
        let opened = match cases_of(cases, &order.leaver).await {
            Ok(all) => attempt(cases, admit(&all, order, clock.now())).await,
            Err(error) => Err(error),
        };
        match opened {
            Err(error) if error.is_retryable() => last = error,
            done => return done,
        }
    }
    Err(last)
}

async fn attempt(cases: &dyn Offboardings, admitted: Admitted) -> Result<Opened, InventoryError> {
    match admitted {
        Admitted::Open(case) => {
            cases.save_offboarding(&case).await?;
            Ok(Opened::New(Box::new(written(*case))))
        }
        Admitted::Attach(case) => {
            cases.save_offboarding(&case).await?;
            Ok(Opened::Attached(Box::new(written(*case))))
        }
        Admitted::Known(case) => Ok(Opened::Known(case)),
    }
}

/// All cases of who leaves, oldest first.
///
/// # Errors
/// [`InventoryError`].
pub async fn cases_of(
    cases: &dyn Offboardings,
    leaver: &Leaver,
) -> Result<Vec<Offboarding>, InventoryError> {
    let mut all = Vec::new();
    for number in 1.. {
        let id = OffboardingId::of(leaver, number);
        match cases.offboarding(&id).await? {
            Some(case) => all.push(case),
            None => break,
        }
    }
    Ok(all)
}

/// What offboarding somebody would begin with: a slot, what ties them to it, and its keys that may be alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// The slot.
    pub slot: Slot,
    /// What would be done about it.
    pub task: SlotTask,
    /// Its keys.
    pub keys: Vec<Version>,
}

/// What offboarding somebody would begin with. Writes nothing. What they read, CloudTrail knows; it is not asked here.
///
/// # Errors
/// [`InventoryError`].
pub async fn foresee(
    inventory: &dyn Inventory,
    clock: &dyn Clock,
    order: &OffboardOrder,
) -> Result<Vec<Foreseen>, InventoryError> {
    let Admitted::Open(case) = admit(&[], order, clock.now()) else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for slot in slots_where(inventory, |slot| task_of(&case, slot).is_some()).await? {
        let Some(task) = task_of(&case, &slot) else {
            continue;
        };
        let mut keys = inventory.versions(&slot.name).await?;
        keys.retain(|version| version.state.may_be_alive());
        all.push(Foreseen { slot, task, keys });
    }
    Ok(all)
}
