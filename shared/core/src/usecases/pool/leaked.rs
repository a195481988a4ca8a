//! Standby keys that leaked: out of the pool first, so that none is drawn, then ended at their provider.

use super::update;
use crate::model::key::Fingerprint;
use crate::model::names::{AccountName, SlotName};
use crate::model::pool::{LeakedKey, Pool};
use crate::model::slot::Scope;
use crate::model::text::OutsideText;
use crate::ports::{ActOrders, InventoryError, KeyProvider, LeakedStandby, ProviderError};
use crate::usecases::{Ports, find, orders, unmake};

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

impl From<&LeakedStandby> for Ended {
    fn from(became: &LeakedStandby) -> Self {
        match became {
            LeakedStandby::Ended => Self::Ended,
            LeakedStandby::InUse(slot) => Self::InUse(slot.clone()),
            LeakedStandby::Failed(error) => Self::Not(NotEnded::Provider(error.clone())),
        }
    }
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
    let pool = update(ports, account, |pool| pool.take_out(prints)).await?;
    let is_meant = |key: &&LeakedKey| prints.contains(&key.key.fingerprint);
    let is_open = |key: &LeakedKey| key.ended.is_none();
    let answers = match pool.leaked.iter().filter(is_meant).any(is_open) {
        true => orders::end_leaked(orders, account).await,
        false => Ok(Vec::new()),
    };
    let became = |key: &LeakedKey| match &answers {
        _ if key.ended.is_some() => Ended::Ended,
        Ok(answers) => {
            let answer = answers.iter().find(|(p, _)| *p == key.key.fingerprint);
            answer.map_or_else(
                || {
                    Ended::Not(NotEnded::Unknown(OutsideText::new(
                        "its answer does not name the key",
                    )))
                },
                |(_, became)| became.into(),
            )
        }
        Err(why) => Ended::Not(why.clone()),
    };
    let keys = pool.leaked.iter().filter(is_meant);
    let ended: Vec<_> = keys.map(|key| (key.clone(), became(key))).collect();
    record(ports, account, &ended).await?;
    Ok(ended)
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
    update(ports, account, |pool| {
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
