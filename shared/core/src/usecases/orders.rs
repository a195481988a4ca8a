//! What `control` has the kill switch do, in the words of who asks for it.

use crate::model::act_order::{ActOrder, CutOff, LimitedKeys};
use crate::model::key::Fingerprint;
use crate::model::kill_outcome::KillOutcome;
use crate::model::names::AccountName;
use crate::model::slot::Slot;
use crate::model::text::{OutsideText, with_causes};
use crate::model::version::Version;
use crate::ports::{
    ActOrderError, ActOrders, ActOutcome, CapSet, Deadline, InventoryError, LeakedStandby,
    ProviderError, Readied,
};

use super::pool::{AddError, NotEnded};
use super::restore::RestoreError;

/// Why a slot was not cut off, as far as is known. Give the order again.
#[derive(Debug, thiserror::Error)]
pub enum NotCutOff {
    /// The kill switch says so. No key was cut off.
    #[error("the kill switch could not do it ({0})")]
    Said(OutsideText),
    /// The kill switch.
    #[error(transparent)]
    Order(#[from] ActOrderError),
}

/// Has a slot cut off.
///
/// # Errors
/// [`NotCutOff`].
pub async fn cut_off(orders: &dyn ActOrders, order: &CutOff) -> Result<KillOutcome, NotCutOff> {
    match orders.carry_out(&ActOrder::CutOff(order.clone())).await? {
        ActOutcome::Killed(outcome) => Ok(outcome),
        ActOutcome::Failed(why) => Err(NotCutOff::Said(why)),
        other => Err(unlike(&other).into()),
    }
}

/// Has a key resumed that is recorded as being restored until `lease`.
///
/// # Errors
/// [`RestoreError`]; with [`RestoreError::KillSwitch`] the key may be resumed as long as the lease lasts.
pub(crate) async fn resume(
    orders: &dyn ActOrders,
    restoring: &Version,
    lease: Deadline,
) -> Result<(), RestoreError> {
    let order = ActOrder::Resume {
        slot: restoring.slot.clone(),
        version: restoring.id.clone(),
        until: lease.0,
    };
    match orders.carry_out(&order).await? {
        ActOutcome::Resumed => Ok(()),
        ActOutcome::Overtaken => Err(RestoreError::KilledMeanwhile),
        ActOutcome::Wider(what) => Err(RestoreError::Wider(what.to_string())),
        ActOutcome::Provider(error) => Err(error.into()),
        ActOutcome::Failed(why) => Err(RestoreError::NotResumed(why)),
        other => Err(unlike(&other).into()),
    }
}

/// Has a key cut off again, and recorded so, that was to be restored until `lease`.
///
/// # Errors
/// [`RestoreError`]; `retire` does it when the lease is over.
pub(crate) async fn take_back(
    orders: &dyn ActOrders,
    restoring: &Version,
    lease: Deadline,
) -> Result<(), RestoreError> {
    let order = ActOrder::TakeBack {
        slot: restoring.slot.clone(),
        version: restoring.id.clone(),
        until: lease.0,
    };
    match orders.carry_out(&order).await? {
        ActOutcome::TakenBack => Ok(()),
        ActOutcome::Provider(error) => Err(error.into()),
        ActOutcome::Failed(why) => Err(RestoreError::NotResumed(why)),
        other => Err(unlike(&other).into()),
    }
}

/// Has limits of a slot's keys set. That the kill switch could not be reached is a limit that could not be set.
///
/// # Errors
/// [`InventoryError::Fenced`] if the slot was cut off meanwhile.
pub(crate) async fn set_limits(
    orders: &dyn ActOrders,
    slot: &Slot,
    keys: LimitedKeys,
) -> Result<CapSet, InventoryError> {
    let order = ActOrder::SetLimits {
        slot: slot.name.clone(),
        epoch: slot.epoch,
        keys,
    };
    let not_set = |why: OutsideText| {
        CapSet::Failed(ProviderError::RetryAfter {
            after: None,
            detail: why,
        })
    };
    match orders.carry_out(&order).await {
        Ok(ActOutcome::Limits(set)) => Ok(set),
        Ok(ActOutcome::Overtaken) => Err(InventoryError::Fenced(slot.epoch)),
        Ok(ActOutcome::Failed(why)) => Ok(not_set(why)),
        Ok(other) => Ok(not_set(OutsideText::new(&with_causes(&unlike(&other))))),
        Err(error) => Ok(not_set(OutsideText::new(&with_causes(&error)))),
    }
}

/// Has the standby keys of a pool suspended that are not ready, under the claim that ends at `claim`.
///
/// # Errors
/// [`AddError`]; with [`AddError::KillSwitch`] keys may be suspended as long as the claim lasts.
pub(crate) async fn ready_pool(
    orders: &dyn ActOrders,
    account: &AccountName,
    claim: Deadline,
) -> Result<Vec<(Fingerprint, Readied)>, AddError> {
    let order = ActOrder::ReadyPool {
        account: account.clone(),
        until: claim.0,
    };
    match orders.carry_out(&order).await? {
        ActOutcome::Standby(readied) => Ok(readied),
        ActOutcome::Overtaken => Err(InventoryError::Conflict.into()),
        ActOutcome::Provider(error) => {
            Err(AddError::NotReadied(OutsideText::new(&with_causes(&error))))
        }
        ActOutcome::Failed(why) => Err(AddError::NotReadied(why)),
        other => Err(unlike(&other).into()),
    }
}

/// Has the leaked keys of a pool ended at their provider.
///
/// # Errors
/// [`NotEnded`], of all of them.
pub(crate) async fn end_leaked(
    orders: &dyn ActOrders,
    account: &AccountName,
) -> Result<Vec<(Fingerprint, LeakedStandby)>, NotEnded> {
    let order = ActOrder::EndLeaked {
        account: account.clone(),
    };
    let said = |error: &ActOrderError| OutsideText::new(&with_causes(error));
    match orders.carry_out(&order).await {
        Ok(ActOutcome::LeakedStandby(ended)) => Ok(ended),
        Ok(ActOutcome::Provider(error)) => Err(NotEnded::Provider(error)),
        Ok(ActOutcome::Failed(why)) => Err(NotEnded::KillSwitch(why)),
        Ok(other) => Err(NotEnded::Unknown(said(&unlike(&other)))),
        Err(error @ ActOrderError::Refused(_)) => Err(NotEnded::KillSwitch(said(&error))),
        Err(error @ ActOrderError::Unknown(_)) => Err(NotEnded::Unknown(said(&error))),
    }
}

/// An answer that is none to the order. Nothing of it is shown.
fn unlike(_: &ActOutcome) -> ActOrderError {
    ActOrderError::Unknown("it answered as if another order had been given".into())
}
