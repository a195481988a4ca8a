//! `/expect`: what a slot is expected to spend for a while.

use jiff::Timestamp;
use keyward_core::model::act::Subject;
use keyward_core::model::names::SlotName;
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
    reason: String,
    slot: SlotName,
    #[serde(default)]
    percent: Option<u32>,
    #[serde(default)]
    until: Option<Timestamp>,
}

const TAKES: &str = "{reason, slot, percent and until, or neither for what is normal}";

pub(super) async fn expect_spend(deps: &Deps, request: &Request) -> Result<Value, Refusal> {
    let body: Body = request.body(TAKES)?;
    let why = reason(&body.reason)?;
    let said = match (body.percent, body.until) {
        (Some(percent), Some(until)) => Said::More(percent, until),
        (None, None) => Said::Normal,
        _ => {
            return Err(Refusal::bad(format!(
                "the body is not whole; it takes {TAKES}"
            )));
        }
    };
    let (slot, wanted) = find(&deps.ports, &body.slot, said).await.map_err(refusal)?;
    let before = slot.expectation;
    let subject = Subject::Slot(body.slot.clone());
    let state = json!({ "expectation": before });
    let act = Recorded::begin(deps, request, 0, &why, subject, state).await?;
    match expect(&deps.ports, slot, wanted).await {
        Ok((slot, followed)) => {
            let after = json!({ "expectation": slot.expectation });
            let unrecorded = act.end("set", after).await == Written::BeginningOnly;
            let (cap, cap_failed) = cap_parts(&followed);
            Ok(json!({
                "slot": body.slot, "before": before, "expectation": slot.expectation,
                "cap": cap, "cap_failed": cap_failed, "unrecorded": unrecorded,
            }))
        }
        Err(error) => {
            let after = deps.ports.inventory.slot(&body.slot).await.ok().flatten();
            let after = after.map(|slot| slot.expectation);
            act.end(&error.to_string(), json!({ "expectation": after }))
                .await;
            let refusal = Refusal::from(error);
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
