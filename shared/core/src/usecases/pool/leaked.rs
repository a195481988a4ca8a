//! Standby keys that leaked: out of the pool first, so that none is drawn, then ended at their provider.

use super::add::TRIES;
use super::read;
use crate::model::act_order::ActOrder;
use crate::model::key::Fingerprint;
use crate::model::names::{AccountName, SlotName};
use crate::model::pool::{LeakedKey, Pool};
use crate::model::slot::Scope;
use crate::model::text::OutsideText;
use crate::ports::{
    ActOrderError, ActOrders, ActOutcome, InventoryError, KeyProvider, LeakedStandby, ProviderError,
};
use crate::usecases::{Ports, find, unmake};

/// What became of one leaked standby key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Its provider has it no more.
    Ended,
    /// It became this slot's by another way. It works on: the slot is to be cut off.
    InUse(SlotName),
    /// It may be alive. No slot draws it any more.
    Not(NotEnded),
}

/// Why a leaked standby key may be alive. Send the same again, or delete it at its provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotEnded {
    /// The provider did not do it.
    #[error("its provider did not end it: {0}")]
    Provider(ProviderError),
    /// The kill switch did not do it.
    #[error("the kill switch did not end it ({0})")]
    KillSwitch(OutsideText),
    /// What the kill switch did is not known.
    #[error("what the kill switch did is not known ({0})")]
    Unknown(OutsideText),
}

/// Takes leaked keys out of the account's pool, has the kill switch end them, and records which ended. Those that are not
/// in the pool any more are left out of the answer: they were drawn meanwhile, and are a slot's. May be repeated.
///
/// # Errors
/// [`InventoryError`]: a key may still be drawn, or is ended and not recorded so. Send the same again.
pub async fn end(
    ports: &Ports,
    orders: &dyn ActOrders,
    account: &AccountName,
    prints: &[Fingerprint],
) -> Result<Vec<(LeakedKey, Ended)>, InventoryError> {
    let pool = write(ports, account, |pool| pool.take_out(prints)).await?;
    let is_meant = |key: &&LeakedKey| prints.contains(&key.key.fingerprint);
    let is_open = |key: &LeakedKey| key.ended.is_none();
    let answers = match pool.leaked.iter().filter(is_meant).any(is_open) {
        true => ordered(orders, account).await,
        false => Ok(Vec::new()),
    };
    let became = |key: &LeakedKey| match &answers {
        _ if key.ended.is_some() => Ended::Ended,
        Ok(answers) => {
            let answer = answers.iter().find(|(p, _)| *p == key.key.fingerprint);
            answer.map_or(Ended::Not(silent()), |(_, became)| became.clone())
        }
        Err(why) => Ended::Not(why.clone()),
    };
    let keys = pool.leaked.iter().filter(is_meant);
    let ended: Vec<_> = keys.map(|key| (key.clone(), became(key))).collect();
    record(ports, account, &ended).await?;
    Ok(ended)
}

fn silent() -> NotEnded {
    NotEnded::Unknown(OutsideText::new("its answer does not name the key"))
}

async fn ordered(
    orders: &dyn ActOrders,
    account: &AccountName,
) -> Result<Vec<(Fingerprint, Ended)>, NotEnded> {
    let order = ActOrder::EndLeaked {
        account: account.clone(),
    };
    let became = |(print, became)| {
        let became = match became {
            LeakedStandby::Ended => Ended::Ended,
            LeakedStandby::InUse(slot) => Ended::InUse(slot),
            LeakedStandby::Failed(error) => Ended::Not(NotEnded::Provider(error)),
        };
        (print, became)
    };
    match orders.carry_out(&order).await {
        Ok(ActOutcome::LeakedStandby(keys)) => Ok(keys.into_iter().map(became).collect()),
        Ok(ActOutcome::Provider(error)) => Err(NotEnded::Provider(error)),
        Ok(ActOutcome::Failed(why)) => Err(NotEnded::KillSwitch(why)),
        Ok(_) => Err(silent()),
        Err(error @ ActOrderError::Refused(_)) => Err(NotEnded::KillSwitch(said(&error))),
        Err(error @ ActOrderError::Unknown(_)) => Err(NotEnded::Unknown(said(&error))),
    }
}

fn said(error: &ActOrderError) -> OutsideText {
    OutsideText::new(&crate::model::text::with_causes(error))
}

/// Records which keys ended, and lets go of those that are a slot's.
async fn record(
    ports: &Ports,
    account: &AccountName,
    ended: &[(LeakedKey, Ended)],
) -> Result<(), InventoryError> {
    let now = ports.clock.now();
    let became = |key: &LeakedKey| {
        let mut of_key = ended.iter();
        let of_key = of_key.find(|(known, _)| known.key.fingerprint == key.key.fingerprint);
        of_key.map(|(_, became)| became)
    };
    write(ports, account, |pool| {
        let before = pool.leaked.clone();
        pool.leaked
            .retain(|key| !matches!(became(key), Some(Ended::InUse(_))));
        for key in &mut pool.leaked {
            if matches!(became(key), Some(Ended::Ended)) {
                key.ended = key.ended.or(Some(now));
            }
        }
        pool.leaked != before
    })
    .await
    .map(drop)
}

/// Writes the pool as `change` leaves it, on what is stored by then, if it changes anything.
async fn write(
    ports: &Ports,
    account: &AccountName,
    change: impl Fn(&mut Pool) -> bool,
) -> Result<Pool, InventoryError> {
    for _ in 0..TRIES {
        let mut pool = read(ports, account).await?;
        if !change(&mut pool) {
            return Ok(pool);
        }
        match ports.pools.save_pool(&pool).await {
            Ok(()) => return Ok(pool),
            Err(InventoryError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(InventoryError::Conflict)
}

/// Ends every leaked standby key that may be alive: what the kill switch does of it. One that became a slot's by another
/// way is left alone. Nothing is recorded. May be repeated.
///
/// # Errors
/// [`InventoryError`]: whose a key is could not be seen.
pub(crate) async fn end_leaked(
    ports: &Ports,
    provider: &dyn KeyProvider,
    pool: &Pool,
) -> Result<Vec<(Fingerprint, LeakedStandby)>, InventoryError> {
    let mut ended = Vec::new();
    for LeakedKey { key, .. } in pool.leaked.iter().filter(|key| key.ended.is_none()) {
        let became = match ports.inventory.holder(&key.fingerprint).await? {
            Some(slot) => LeakedStandby::InUse(slot),
            None => {
                let scope = Scope {
                    workspace: key.workspace.clone(),
                    ..Scope::default()
                };
                let deleted = unmake::delete(provider, &scope, &key.handle).await;
                let listed = match deleted {
                    Ok(()) => find::is_listed(provider, &scope, &key.handle).await,
                    Err(error) => Err(error),
                };
                match listed {
                    Ok(false) => LeakedStandby::Ended,
                    Ok(true) => LeakedStandby::Failed(still_there()),
                    Err(error) => LeakedStandby::Failed(error),
                }
            }
        };
        ended.push((key.fingerprint, became));
    }
    Ok(ended)
}

fn still_there() -> ProviderError {
    ProviderError::RetryAfter {
        after: None,
        detail: OutsideText::new("it accepted the deletion, and lists the key still"),
    }
}
