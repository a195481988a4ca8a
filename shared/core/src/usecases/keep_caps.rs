//! Keeps the hard limit of each key at its provider in step with its slot, and sets right what somebody changed there.

mod tell;
mod turn;

use std::collections::BTreeMap;

use futures::future::join_all;

use super::Ports;
use super::monitor::Watched;
use crate::model::names::{AccountName, SlotName};
use crate::model::slot::ProviderName;
use crate::ports::{Deadline, InventoryError, UsageStore};
use turn::Turn;

/// What became of the limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CapsKept {
    /// Keys that got another limit, and read it back.
    pub set: usize,
    /// Keys whose limit somebody changed, with what it was and what it was made.
    pub changed: Vec<(SlotName, String)>,
    /// Keys whose limit cannot be set until a person does something, and why.
    pub missing: Vec<(SlotName, String)>,
    /// Keys that have spent more than their new limit, or may have: their provider refuses them.
    pub below_spend: Vec<(SlotName, String)>,
    /// Accounts whose keys were listed and compared.
    pub read_back: usize,
    /// Slots and accounts that there was no time for, or that failed for now. The next run does them.
    pub left: usize,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum KeepCapsError {
    /// What was set so far stays set, and people were told of it.
    #[error("the inventory did not answer, so limits may be out of step; the next run goes on")]
    Inventory(#[from] InventoryError),
}

/// Sets the limit of every key that agents may use to what its slot is to spend now, where it is recorded as another one;
/// and once a day compares all limits of an account with what is recorded, by one list of its keys. Accounts go side by
/// side, keys of one after the other.
///
/// May be cut off anywhere and run twice: what differs is recorded as the provider has it before it is set right, a limit
/// is recorded after it was read back, and people are told before anything is recorded that keeps the next run from
/// telling them.
///
/// # Errors
/// [`KeepCapsError`]. The failure of one key or account is no error: it is in the result, and people are told of a key
/// that stays without its limit.
pub async fn keep_caps(
    ports: &Ports,
    usage: &dyn UsageStore,
    slots: &[Watched],
    deadline: Deadline,
) -> Result<CapsKept, KeepCapsError> {
    let mut accounts: BTreeMap<(&AccountName, ProviderName), Vec<&Watched>> = BTreeMap::new();
    for watched in slots {
        let account = (&watched.slot.account, watched.slot.provider);
        accounts.entry(account).or_default().push(watched);
    }
    let mut kept = CapsKept::default();
    let mut turns = Vec::new();
    for ((account, provider), fleet) in accounts {
        match ports.providers.open(account, provider).await {
            Ok(driver) => turns.extend(Turn::new(ports, usage, deadline, account, fleet, driver)),
            Err(error) => {
                tracing::warn!(%account, %error, "limits of an account's keys cannot be kept");
                kept.left += 1;
            }
        }
    }
    join_all(turns.iter_mut().map(Turn::read_back)).await;
    tell::changed(ports, &turns, &mut kept).await;
    join_all(turns.iter_mut().map(Turn::follow)).await;
    tell::lowered(ports, &mut turns, &mut kept).await;
    tell::refused(ports, &mut turns, &mut kept).await;
    let mut failed = None;
    for turn in turns {
        kept.set += turn.set;
        kept.read_back += usize::from(turn.is_read_back);
        kept.left += turn.left;
        failed = failed.or(turn.failed);
    }
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(kept),
    }
}
