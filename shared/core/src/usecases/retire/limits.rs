//! The limits of keys at their providers, kept in step with their slots: by one run at a time.

use jiff::SignedDuration;
use serde::Serialize;

use super::Retire;
use crate::ports::{Held, InventoryError};
use crate::usecases::fleet::fleet;
use crate::usecases::keep_caps::{CapsKept, KeepCapsError, keep_caps};
use crate::usecases::kill::Invocation;

/// The lease that runs share: two never set limits side by side.
const LEASE: &str = "limits";

/// A lease ends so long after the run that has it must.
const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(10);

/// Slots that are read at once.
const AT_ONCE: usize = 16;

/// What became of the limits in one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitsKept {
    /// They were not looked at.
    #[default]
    NotLookedAt,
    /// Another run is at it.
    Overlapped,
    /// They were looked at.
    Kept {
        /// Keys that got another limit, and read it back.
        set: usize,
        /// Slots and accounts that are left for the next run.
        left: usize,
    },
    /// The inventory did not answer: they may be out of step.
    Failed,
}

impl LimitsKept {
    /// Whether the run was not able to do it.
    pub const fn has_failed(&self) -> bool {
        matches!(self, Self::Failed)
    }
}

/// Sets what is not as it should be, in the time that is left.
pub(super) async fn keep(retire: &Retire, invocation: &Invocation) -> LimitsKept {
    let owner = invocation.owner.as_str();
    let (now, until) = (
        retire.ports.clock.now(),
        invocation.deadline.0 + LEASE_MARGIN,
    );
    match retire.leases.take(LEASE, owner, now, until).await {
        Ok(Held::Yes) => {}
        Ok(Held::No) => return LimitsKept::Overlapped,
        Err(error) => return failed(&error.into()),
    }
    let kept = kept(retire, invocation).await;
    if let Err(error) = retire.leases.give_back(LEASE, owner).await {
        tracing::warn!(%error, "the lease on limits could not be given back; it ends by itself");
    }
    match kept {
        Ok(CapsKept { set, left, .. }) => LimitsKept::Kept { set, left },
        Err(error) => failed(&error),
    }
}

async fn kept(retire: &Retire, invocation: &Invocation) -> Result<CapsKept, KeepCapsError> {
    let ports = &retire.ports;
    // One whose account cannot be opened is among them: it is said that its limits are left.
    let may_be_limited = async |slot: &crate::model::slot::Slot| {
        let opened = ports.providers.open(&slot.account, slot.provider).await;
        opened.map_or(true, |driver| driver.caps().is_some())
    };
    let slots = fleet(&*ports.inventory, AT_ONCE, may_be_limited).await?;
    keep_caps(ports, &*retire.usage, &slots, invocation.deadline).await
}

fn failed(error: &KeepCapsError) -> LimitsKept {
    let KeepCapsError::Inventory(cause) = error;
    let cause: &InventoryError = cause;
    tracing::error!(%error, %cause, "limits were not kept");
    LimitsKept::Failed
}
