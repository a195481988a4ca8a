//! `/drill`: a canary is cut off by the kill switch's real path, to see that it works and how long it takes.

use keyward_core::model::act::{ActId, Subject};
use keyward_core::model::drill::DrillUnderWay;
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::Slot;
use keyward_core::ports::InventoryError;
use keyward_core::usecases::drill::{
    DrillError, DrillRequest, Drills, begin, look, may_be_drilled,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::kill;
use crate::Deps;
use crate::record::{Recorded, Written};
use crate::request::{Request, reason};
use crate::response::Refusal;

/// How often a drill is begun where Keyward itself writes the slot meanwhile.
const ATTEMPTS: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    reason: String,
    slot: SlotName,
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn drill_slot(deps: &Deps, request: &Request) -> Result<Value, Refusal> {
    let body: Body = request.body("{reason, slot, dry_run?}")?;
    let Some(drills) = deps.drills.as_ref() else {
        may_be_drilled(&deps.ports, &body.slot)
            .await
            .map_err(refusal)?;
        return Err(unconfigured());
    };
    let alarm = drills.deployment.alarm_name(&body.slot);
    if body.dry_run {
        let looked = look(&deps.ports, drills, &body.slot, None).await;
        looked.map_err(refusal)?;
        return Ok(json!({ "slot": body.slot, "result": "would_drill", "alarm": alarm }));
    }
    let drill = DrillRequest {
        id: ActId::new(&request.id),
        slot: body.slot,
        by: request.caller.clone(),
        reason: reason(&body.reason)?,
    };
    let begun = begin_recorded(deps, drills, request, &drill).await?;
    Ok(json!({
        "slot": drill.slot,
        "result": "under_way",
        "drill": drill.id,
        "started": begun.0,
        "alarm": alarm,
        "unrecorded": begun.1 == Written::BeginningOnly,
    }))
}

/// Begins the drill between the two entries of its act. Returns when the score was put.
async fn begin_recorded(
    deps: &Deps,
    drills: &Drills,
    request: &Request,
    drill: &DrillRequest,
) -> Result<(jiff::Timestamp, Written), Refusal> {
    let looked = look(&deps.ports, drills, &drill.slot, Some(&drill.id)).await;
    let slot = looked.map_err(refusal)?;
    let subject = Subject::Slot(drill.slot.clone());
    let before = json!({ "state": slot.state, "epoch": slot.epoch });
    let act = Recorded::begin(deps, request, 0, &drill.reason, subject, before).await?;
    match begin_anew(deps, drills, slot, drill).await {
        Ok(begun) => {
            let written = act.end("under way", json!({ "drill": begun })).await;
            Ok((begun.started, written))
        }
        Err(error) => {
            let stored = deps.ports.inventory.slot(&drill.slot).await;
            let after = stored.ok().flatten().map(|slot| slot.drill);
            act.end(&error.to_string(), json!({ "drill": after })).await;
            Err(refusal(error))
        }
    }
}

/// Begins the drill. Where Keyward itself wrote the slot meanwhile, it is looked at anew.
async fn begin_anew(
    deps: &Deps,
    drills: &Drills,
    mut slot: Slot,
    drill: &DrillRequest,
) -> Result<DrillUnderWay, DrillError> {
    for _ in 1..ATTEMPTS {
        match begin(&deps.ports, drills, slot, drill).await {
            Err(DrillError::Inventory(InventoryError::Conflict)) => {}
            done => return done,
        }
        slot = look(&deps.ports, drills, &drill.slot, Some(&drill.id)).await?;
    }
    begin(&deps.ports, drills, slot, drill).await
}

fn unconfigured() -> Refusal {
    Refusal::new(
        409,
        "this deployment is not told which alarms and which topic are its own, so no drill can be seen to work",
        "Set KEYWARD_STACK and KEYWARD_ALARM_TOPIC_ARN of the control function to those of the kill switch.",
    )
}

fn refusal(error: DrillError) -> Refusal {
    let retryable = error.is_retryable();
    let refusal = Refusal::of(&error, retryable);
    match error {
        DrillError::Unknown(slot) => kill::unknown(&slot),
        DrillError::Refused(..)
        | DrillError::NoArn(_)
        | DrillError::Alarm(_)
        | DrillError::NotPut(_) => refusal,
        DrillError::MaybePut(_) => refusal.safe(
            "The drill may be under way; if it sets nothing off, that is told within 20 minutes.",
        ),
        DrillError::Inventory(_) => refusal.unsure(),
    }
}
