//! `/enforce`: whether a slot's statistics may kill. Where a second person must agree, the first one's request is kept.

use keyward_core::model::act::Subject;
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::Mode;
use keyward_core::usecases::enforce::{CONSENT, EnforceError, ModeSet, set_mode};
use keyward_core::usecases::known_slot::known_slot;
use serde::Deserialize;
use serde_json::{Value, json};

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
    mode: Mode,
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn enforce(deps: &Deps, request: &Request) -> Result<Value, Refusal> {
    let body: Body = request.body("{reason, slot, mode: observe or enforce, dry_run?}")?;
    if body.dry_run {
        let before = known_slot(&deps.ports, &body.slot).await?.mode;
        return Ok(json!({
            "slot": body.slot, "before": before, "mode": before, "would_be": body.mode,
        }));
    }
    let why = reason(&body.reason)?;
    let slot = known_slot(&deps.ports, &body.slot).await?;
    let before = slot.mode;
    if before == body.mode {
        return Ok(json!({ "slot": body.slot, "before": before, "mode": before }));
    }
    let subject = Subject::Slot(body.slot.clone());
    let state = json!({ "mode": before });
    let act = Recorded::begin(deps, request, 0, &why, subject, state).await?;
    let set = set_mode(
        &deps.ports,
        slot,
        body.mode,
        &request.caller,
        deps.enforce_second,
    );
    match set.await {
        Ok(ModeSet::Set(slot)) => {
            let written = act.end("set", json!({ "mode": slot.mode })).await;
            let unrecorded = written == Written::BeginningOnly;
            Ok(json!({
                "slot": body.slot, "before": before, "mode": slot.mode, "unrecorded": unrecorded,
            }))
        }
        Ok(ModeSet::Asked(asked)) => {
            let state = json!({ "mode": before, "asked": asked });
            let unrecorded = act.end("asked", state).await == Written::BeginningOnly;
            let asked = json!({ "mode": body.mode, "by": asked.by, "until": asked.at + CONSENT });
            Ok(json!({
                "slot": body.slot, "before": before, "mode": before, "asked": asked, "unrecorded": unrecorded,
            }))
        }
        Err(error) => {
            let after = known_slot(&deps.ports, &body.slot).await.ok();
            let after = after.map(|slot| slot.mode);
            act.end(&error.to_string(), json!({ "mode": after })).await;
            Err(refusal(error, after == Some(before)))
        }
    }
}

fn refusal(error: EnforceError, is_as_before: bool) -> Refusal {
    match error {
        EnforceError::SamePerson(same) => Refusal::new(
            409,
            same.to_string(),
            "Let a second person run the same command.",
        ),
        EnforceError::Inventory(error) if is_as_before => error.into(),
        EnforceError::Inventory(error) => Refusal::from(error).unsure(),
    }
}
