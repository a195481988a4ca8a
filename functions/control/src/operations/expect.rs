//! `/expect`: what a slot is expected to spend for a while, and that an incident was rightful use.

use jiff::Timestamp;
use keyward_core::model::act::Subject;
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::Slot;
use keyward_core::usecases::expect::{ExpectError, Said, expect, find};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cap_parts;
use crate::Deps;
use crate::record::{Recorded, Written};
use crate::request::{Request, reason};
use crate::response::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    reason: String,
    slot: SlotName,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    percent: Option<u32>,
    #[serde(default)]
    until: Option<Timestamp>,
    #[serde(default)]
    incident: Option<String>,
}

const TAKES: &str =
    "{reason, slot, percent and until, or incident, or none of them for what is normal; dry_run?}";

fn state(slot: &Slot) -> Value {
    json!({ "expectation": slot.expectation, "rightful": slot.rightful })
}

pub(super) async fn expect_spend(deps: &Deps, request: &Request) -> Result<Value, Refusal> {
    let body: Body = request.body(TAKES)?;
    let why = match body.dry_run {
        true => None,
        false => Some(reason(&body.reason)?),
    };
    let said = match (body.percent, body.until, body.incident) {
        (Some(percent), Some(until), None) => Said::More(percent, until),
        (None, None, Some(incident)) => Said::Rightful(incident),
        (None, None, None) => Said::Normal,
        _ => {
            return Err(Refusal::bad(format!(
                "the body is not whole; it takes {TAKES}"
            )));
        }
    };
    let (slot, wanted) = find(&deps.ports, &body.slot, said).await.map_err(refusal)?;
    let Some(why) = why else {
        return Ok(json!({
            "slot": body.slot, "dry_run": true, "before": slot.expectation,
            "expectation": wanted.expectation, "rightful": wanted.rightful,
        }));
    };
    let subject = Subject::Slot(body.slot.clone());
    let act = Recorded::begin(deps, request, 0, &why, subject, state(&slot)).await?;
    match expect(&deps.ports, &*deps.orders, &slot, wanted.clone()).await {
        Ok((after, followed)) => {
            let unrecorded = act.end("set", state(&after)).await == Written::BeginningOnly;
            let (cap, cap_failed) = cap_parts(&followed);
            Ok(json!({
                "slot": body.slot, "before": slot.expectation, "expectation": after.expectation,
                "rightful": after.rightful, "cap": cap, "cap_failed": cap_failed, "unrecorded": unrecorded,
            }))
        }
        Err(error) => {
            let after = deps.ports.inventory.slot(&body.slot).await.ok().flatten();
            let after = after.as_ref().map(state);
            act.end(&error.to_string(), json!(after)).await;
            let refusal = Refusal::from(error);
            let (before, wanted) = (state(&slot), state(&wanted));
            Err(match after {
                Some(after) if after == before && before != wanted => refusal,
                _ => refusal.unsure(),
            })
        }
    }
}

fn refusal(error: ExpectError) -> Refusal {
    match error {
        ExpectError::Slot(error) => error.into(),
        ExpectError::NotExpected(_) => Refusal::bad(error.to_string()),
    }
}
