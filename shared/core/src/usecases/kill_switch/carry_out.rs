//! What the kill switch does of what a person asked `control` for: all that writes at a provider.
//!
//! An order says which record of the inventory it is about. What is sent to a provider is read from there, so that who
//! may give orders can have nothing done that is not recorded as begun.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::model::act_order::{ActOrder, CutOff, LimitedKeys};
use crate::model::names::{AccountName, SlotName};
use crate::model::slot::{Epoch, Slot};
use crate::model::text::{OutsideText, with_causes};
use crate::model::version::{Version, VersionId};
use crate::ports::{ActOutcome, CapSet, Deadline, InventoryError, KeyProvider};
use crate::usecases::kill::{Invocation, kill};
use crate::usecases::restore::TakeBackError;
use crate::usecases::{Ports, cap, expect, pool, restore};

/// What is left of a lease when a key is resumed under it, at least: what is sent arrives before anybody else may take
/// the key for one that was left behind.
const TIME_TO_RESUME: SignedDuration = SignedDuration::from_secs(30);

/// How often limits are set where somebody else writes the slot's versions meanwhile.
const ATTEMPTS: usize = 4;

/// Carries an order out. Each may be given again: what is done stays so.
pub async fn carry_out(ports: &Ports, order: &ActOrder, invocation: &Invocation) -> ActOutcome {
    let done = match order {
        ActOrder::CutOff(order) => Ok(cut_off(ports, order, invocation).await),
        ActOrder::Resume {
            slot,
            version,
            until,
        } => resume(ports, (slot, version), *until).await,
        ActOrder::TakeBack {
            slot,
            version,
            until,
        } => take_back(ports, (slot, version), *until).await,
        ActOrder::SetLimits { slot, epoch, keys } => set_limits(ports, slot, *epoch, *keys).await,
        ActOrder::ReadyPool { account, until } => {
            ready_pool(ports, account, Deadline(*until), invocation.deadline).await
        }
        ActOrder::EndLeaked { account } => end_leaked(ports, account).await,
    };
    let outcome = done.unwrap_or_else(|error| match error {
        InventoryError::Fenced(_) => ActOutcome::Overtaken,
        error => failed(&error),
    });
    tracing::info!(act = order.act(), ?outcome, "an order of a person's");
    outcome
}

fn failed(error: &dyn std::error::Error) -> ActOutcome {
    ActOutcome::Failed(OutsideText::new(&with_causes(error)))
}

async fn cut_off(ports: &Ports, order: &CutOff, invocation: &Invocation) -> ActOutcome {
    match kill(ports, &order.into(), invocation).await {
        Ok(outcome) => ActOutcome::Killed(outcome),
        Err(error) => failed(&error),
    }
}

/// Resumes a key that is leased for it, in the epoch that it was leased in.
async fn resume(
    ports: &Ports,
    (slot, version): (&SlotName, &VersionId),
    until: Timestamp,
) -> Result<ActOutcome, InventoryError> {
    let lease = Deadline(until);
    let Some((slot, restoring)) = restoring(ports, (slot, version), until).await? else {
        return Ok(ActOutcome::Overtaken);
    };
    if !lease.allows(ports.clock.as_ref(), TIME_TO_RESUME) {
        return Ok(ActOutcome::Failed(OutsideText::new(
            "there was no time left",
        )));
    }
    let provider = match ports.providers.open(&slot.account, slot.provider).await {
        Ok(provider) => provider,
        Err(error) => return Ok(ActOutcome::Provider(error)),
    };
    let outcome = restore::resume(provider.as_ref(), &restoring).await;
    if is_wanted(ports, &restoring, until).await? {
        return Ok(outcome);
    }
    // A kill that came meanwhile may have cut the key off before it was resumed.
    if let Err(error) = restore::cut_again(provider.as_ref(), &restoring).await {
        tracing::error!(slot = %slot.name, version = %restoring.id, %error, "a key was resumed while the slot was cut off, and could not be cut off again; whoever looks whether the slot's keys are dead does it");
    }
    Ok(ActOutcome::Overtaken)
}

/// The slot and the version, if it is being restored under the lease that ends at `until`, in the slot's epoch.
async fn restoring(
    ports: &Ports,
    (name, id): (&SlotName, &VersionId),
    until: Timestamp,
) -> Result<Option<(Slot, Version)>, InventoryError> {
    let versions = ports.inventory.versions(name).await?;
    let is_it = |v: &Version| v.id == *id && v.is_being_restored(until);
    let Some(version) = versions.into_iter().find(is_it) else {
        return Ok(None);
    };
    let slot = ports.inventory.slot(name).await?;
    let slot = slot.filter(|slot| slot.epoch == version.epoch);
    Ok(slot.map(|slot| (slot, version)))
}

/// Whether a key that was resumed is still one that is to work: it is being restored, or is back, by the same order given
/// twice, in the slot's epoch.
async fn is_wanted(
    ports: &Ports,
    resumed: &Version,
    until: Timestamp,
) -> Result<bool, InventoryError> {
    let versions = ports.inventory.versions(&resumed.slot).await?;
    let is_it = |v: &&Version| v.id == resumed.id && v.epoch == resumed.epoch;
    let works = |v: &Version| v.is_being_restored(until) || v.state.is_promoted();
    if !versions.iter().find(is_it).is_some_and(works) {
        return Ok(false);
    }
    let slot = ports.inventory.slot(&resumed.slot).await?;
    Ok(slot.is_some_and(|slot| slot.epoch == resumed.epoch))
}

async fn take_back(
    ports: &Ports,
    (name, id): (&SlotName, &VersionId),
    until: Timestamp,
) -> Result<ActOutcome, InventoryError> {
    let versions = ports.inventory.versions(name).await?;
    let is_it = |v: &Version| v.id == *id && v.is_being_restored(until);
    let Some(version) = versions.into_iter().find(is_it) else {
        return Ok(ActOutcome::TakenBack);
    };
    let Some(slot) = ports.inventory.slot(name).await? else {
        return Ok(ActOutcome::Overtaken);
    };
    let taken = match ports.providers.open(&slot.account, slot.provider).await {
        Ok(provider) => restore::take_back(ports, provider.as_ref(), &version).await,
        Err(error) => Err(error.into()),
    };
    Ok(match taken {
        Ok(()) => ActOutcome::TakenBack,
        Err(TakeBackError::Provider(error)) => ActOutcome::Provider(error),
        Err(error) => failed(&error),
    })
}

/// Limits are set anew where somebody else wrote a version meanwhile: a limit may be set, and not recorded.
async fn set_limits(
    ports: &Ports,
    name: &SlotName,
    epoch: Epoch,
    keys: LimitedKeys,
) -> Result<ActOutcome, InventoryError> {
    for _ in 1..ATTEMPTS {
        match set_once(ports, name, epoch, keys).await {
            Err(InventoryError::Conflict) => {}
            done => return done,
        }
    }
    set_once(ports, name, epoch, keys).await
}

async fn set_once(
    ports: &Ports,
    name: &SlotName,
    epoch: Epoch,
    keys: LimitedKeys,
) -> Result<ActOutcome, InventoryError> {
    let slot = ports.inventory.slot(name).await?;
    let Some(slot) = slot.filter(|slot| slot.epoch == epoch) else {
        return Ok(ActOutcome::Overtaken);
    };
    let versions = ports.inventory.versions(name).await?;
    let set: CapSet = match keys {
        LimitedKeys::Current => cap::set_current_cap(ports, &slot, &versions).await?,
        LimitedKeys::InUse => expect::follow(ports, &slot, &versions).await?,
    };
    Ok(ActOutcome::Limits(set))
}

async fn ready_pool(
    ports: &Ports,
    account: &AccountName,
    claim: Deadline,
    deadline: Deadline,
) -> Result<ActOutcome, InventoryError> {
    let standby = pool::read(ports, account).await?;
    if standby.adding_until != Some(claim.0) {
        return Ok(ActOutcome::Overtaken);
    }
    let provider = match pool_provider(ports, account).await {
        Ok(provider) => provider,
        Err(outcome) => return Ok(outcome),
    };
    let until = claim.min(deadline);
    let readied = pool::suspend_standby(ports, provider.as_ref(), &standby, until).await?;
    Ok(ActOutcome::Standby(readied))
}

async fn end_leaked(ports: &Ports, account: &AccountName) -> Result<ActOutcome, InventoryError> {
    let pool = pool::read(ports, account).await?;
    let provider = match pool_provider(ports, account).await {
        Ok(provider) => provider,
        Err(outcome) => return Ok(outcome),
    };
    let ended = pool::end_leaked(ports, provider.as_ref(), &pool).await?;
    Ok(ActOutcome::LeakedStandby(ended))
}

/// The provider of an account that has a pool.
async fn pool_provider(
    ports: &Ports,
    account: &AccountName,
) -> Result<Arc<dyn KeyProvider>, ActOutcome> {
    let Some(settings) = ports.providers.pool(account) else {
        let why = format!("this function is told of no pool of account {account}");
        return Err(ActOutcome::Failed(OutsideText::new(&why)));
    };
    let provider = ports.providers.open(account, settings.provider).await;
    provider.map_err(ActOutcome::Provider)
}
