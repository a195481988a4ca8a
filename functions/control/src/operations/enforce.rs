//! `/enforce`: whether a slot's statistics may kill.

use keyward_core::model::act::Subject;
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::Mode;
use keyward_core::usecases::enforce::{ModeError, find, set_mode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Deps;
use crate::record::{Recorded, Written};
use crate::request::{Request, reason};
use crate::response::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    reason: String,
    slot: SlotName,
    mode: Mode,
}

pub(super) async fn enforce(deps: &Deps, request: &Request) -> Result<Value, Refusal> {
    let body: Body = request.body("{reason, slot, mode: observe or enforce}")?;
    let why = reason(&body.reason)?;
    let slot = find(&deps.ports, &body.slot).await.map_err(refusal)?;
    let before = slot.mode;
    if before == body.mode {
        return Ok(json!({ "slot": body.slot, "before": before, "mode": before }));
    }
    let subject = Subject::Slot(body.slot.clone());
    let state = json!({ "mode": before });
    let act = Recorded::begin(deps, request, 0, &why, subject, state).await?;
    match set_mode(&deps.ports, slot, body.mode).await {
        Ok(slot) => {
            let written = act.end("set", json!({ "mode": slot.mode })).await;
            let unrecorded = written == Written::BeginningOnly;
            Ok(json!({
                "slot": body.slot, "before": before, "mode": slot.mode, "unrecorded": unrecorded,
            }))
        }
        Err(error) => {
            let after = find(&deps.ports, &body.slot).await.ok();
            let after = after.map(|slot| slot.mode);
            act.end(&error.to_string(), json!({ "mode": after })).await;
            let refusal = refusal(error);
            Err(if after == Some(before) {
                refusal
            } else {
                refusal.unsure()
            })
        }
    }
}

fn refusal(error: ModeError) -> Refusal {
    match error {
        ModeError::Unknown(_) => {
            Refusal::new(404, error.to_string(), "Look at the names: keyward status")
        }
        ModeError::Decommissioned(_) => Refusal::of(&error, false),
        ModeError::Inventory(error) => error.into(),
    }
}
