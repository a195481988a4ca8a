//! Leaked keys that no agent uses: their end, with no slot cut off for it.

use std::collections::BTreeSet;

use keyward_core::model::act::Subject;
use keyward_core::model::key::Fingerprint;
use keyward_core::model::names::{AccountName, SlotName};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::VersionId;
use keyward_core::usecases::leak::{Life, end_cut_off};
use keyward_core::usecases::pool;
use keyward_lambda::diagnostic::chain;
use serde::Serialize;
use serde_json::json;

use crate::Deps;
use crate::record::Recorded;
use crate::request::Request;
use crate::response::Refusal;

/// A key that is to end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ends {
    /// A kill suspended it, and a person could bring it back.
    CutOff(SlotName, VersionId),
    /// It stands by, or did until it leaked.
    Standby(AccountName, Fingerprint),
}

/// What became of it.
#[derive(Debug, Serialize)]
pub(super) struct Ended {
    /// The slot that it was of.
    pub(super) slot: Option<SlotName>,
    /// The account in whose pool it was.
    pub(super) account: Option<AccountName>,
    /// How it is called: a version's id, or the first digits of a fingerprint.
    key: String,
    /// Why it may be alive; `None` once it is ended, or is being revoked for good.
    pub(super) error: Option<String>,
}

impl Ended {
    /// The key, for people.
    pub(super) fn named(&self) -> String {
        match &self.account {
            Some(account) => format!("{} of {account}", self.key),
            None => self.key.clone(),
        }
    }
}

/// Ends each, as the request's acts from `number` on. One that fails stops no other.
pub(super) async fn end_all(
    deps: &Deps,
    request: &Request,
    number: usize,
    ends: &BTreeSet<Ends>,
    why: &OutsideText,
) -> Vec<Ended> {
    let mut ended = Vec::new();
    for (number, end) in (number..).zip(ends) {
        let (slot, account, key) = match end {
            Ends::CutOff(slot, version) => (Some(slot.clone()), None, version.to_string()),
            Ends::Standby(account, print) => (None, Some(account.clone()), print.to_string()),
        };
        let done = match end {
            Ends::CutOff(slot, id) => cut_off(deps, request, number, (slot, id), why).await,
            Ends::Standby(account, print) => {
                standby(deps, request, number, (account, *print), why).await
            }
        };
        let error = done.err();
        ended.push(Ended {
            slot,
            account,
            key,
            error,
        });
    }
    ended
}

async fn cut_off(
    deps: &Deps,
    request: &Request,
    number: usize,
    (slot, id): (&SlotName, &VersionId),
    why: &OutsideText,
) -> Result<(), String> {
    let subject = Subject::Slot(slot.clone());
    let before = json!({ "version": id, "is": "cut off" });
    let act = Recorded::begin(deps, request, number, why, subject, before).await;
    let act = act.map_err(|refusal| said(&refusal))?;
    let done = match end_cut_off(&deps.ports, slot, id).await {
        Ok(Life::Dead | Life::Ending) => Ok(()),
        Ok(Life::Alive | Life::CutOff) => {
            Err("somebody is bringing it back: send the same again".to_owned())
        }
        Err(error) => Err(format!("{}: send the same again", chain(&error))),
    };
    finish(act, json!({ "version": id }), &done).await;
    done
}

async fn standby(
    deps: &Deps,
    request: &Request,
    number: usize,
    (account, print): (&AccountName, Fingerprint),
    why: &OutsideText,
) -> Result<(), String> {
    let subject = Subject::Pool(account.clone());
    let key = print.to_string();
    let before = json!({ "key": key, "is": "standing by, or out of the pool and not ended" });
    let act = Recorded::begin(deps, request, number, why, subject, before).await;
    let act = act.map_err(|refusal| said(&refusal))?;
    let became = pool::end(&deps.ports, &*deps.orders, account, &[print]).await;
    let done = match became.as_deref() {
        Ok([(_, pool::Ended::Ended)]) => Ok(()),
        Ok([(_, pool::Ended::Not(why))]) => Err(why.to_string()),
        Ok([(_, pool::Ended::InUse(slot))]) => {
            Err(format!("it is a key of slot {slot}: send the same again"))
        }
        Ok(_) => Err("a slot drew it meanwhile: send the same again".to_owned()),
        Err(error) => Err(format!("{}: send the same again", chain(error))),
    };
    finish(act, json!({ "key": key }), &done).await;
    done
}

async fn finish(act: Recorded<'_>, after: serde_json::Value, done: &Result<(), String>) {
    let outcome = match done {
        Ok(()) => "ended",
        Err(why) => why,
    };
    act.end(outcome, after).await;
}

fn said(refusal: &Refusal) -> String {
    format!("{} {}", refusal.what, refusal.next)
}
