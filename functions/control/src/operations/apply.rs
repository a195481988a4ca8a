//! `/plan`, `/apply` and `/register`: slots of a fleet file come into the inventory, or are brought up to it.

use jiff::SignedDuration;
use keyward_core::model::act::Subject;
use keyward_core::model::fleet::{Fleet, PlannedSlot};
use keyward_core::model::names::SlotName;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Deadline, InventoryError};
use keyward_core::usecases::apply::{Applied, ApplyError, Plan, carry_out, plan};
use keyward_core::usecases::register::Registered;
use keyward_lambda::diagnostic::chain;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::Deps;
use crate::record::{Recorded, Written};
use crate::request::{Request, reason};
use crate::response::Refusal;

/// What is left of the invocation when a slot is begun, at least.
const TIME_FOR_A_SLOT: SignedDuration = SignedDuration::from_secs(20);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanBody {
    fleet: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplyBody {
    reason: String,
    fleet: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterBody {
    reason: String,
    fleet: Box<RawValue>,
    slot: SlotName,
}

/// What became, or would become, of one slot.
#[derive(Serialize)]
struct Row {
    slot: SlotName,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kept: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unrecorded: bool,
}

impl Row {
    fn new(slot: &SlotName, result: &'static str) -> Self {
        Self {
            slot: slot.clone(),
            result,
            key: None,
            changed: Vec::new(),
            kept: Vec::new(),
            why: None,
            unrecorded: false,
        }
    }

    fn failed(slot: &SlotName, error: &ApplyError) -> Self {
        let result = if error.is_retryable() {
            "failed"
        } else {
            "refused"
        };
        Self {
            why: Some(chain(error)),
            ..Self::new(slot, result)
        }
    }
}

/// Reads a fleet and checks it whole: nothing of one that has a fault is applied.
fn checked(fleet: &RawValue) -> Result<Vec<PlannedSlot>, Refusal> {
    let planned = Fleet::from_json(fleet.get()).and_then(|fleet| fleet.check());
    planned.map_err(|error| Refusal::new(422, error.to_string(), "Mend the fleet file."))
}

pub(super) async fn plan_fleet(
    deps: &Deps,
    request: &Request,
    deadline: Deadline,
) -> Result<Value, Refusal> {
    let body: PlanBody = request.body("{fleet}")?;
    let planned = checked(&body.fleet)?;
    let mut rows = Vec::new();
    for slot in &planned {
        rows.push(match in_time(deps, deadline) {
            false => Row::new(&slot.name, "left"),
            true => foreseen(slot, plan(&deps.ports, slot).await),
        });
    }
    Ok(report(deps, &planned, rows).await)
}

fn foreseen(planned: &PlannedSlot, plan: Result<Plan, ApplyError>) -> Row {
    let name = &planned.name;
    match plan {
        Ok(Plan::Register) => Row::new(name, "would_register"),
        Ok(Plan::Update { changed, kept, .. }) => Row {
            changed,
            kept,
            ..Row::new(name, "would_update")
        },
        Ok(Plan::Unchanged { kept, .. }) => Row {
            kept,
            ..Row::new(name, "unchanged")
        },
        Err(error) => Row::failed(name, &error),
    }
}

pub(super) async fn apply_fleet(
    deps: &Deps,
    request: &Request,
    deadline: Deadline,
) -> Result<Value, Refusal> {
    let body: ApplyBody = request.body("{reason, fleet}")?;
    let why = reason(&body.reason)?;
    let planned = checked(&body.fleet)?;
    let rows = apply_all(deps, request, &why, &planned, deadline).await?;
    Ok(report(deps, &planned, rows).await)
}

pub(super) async fn register_slot(
    deps: &Deps,
    request: &Request,
    deadline: Deadline,
) -> Result<Value, Refusal> {
    let body: RegisterBody = request.body("{reason, fleet, slot}")?;
    let why = reason(&body.reason)?;
    let mut planned = checked(&body.fleet)?;
    planned.retain(|slot| slot.name == body.slot);
    if planned.is_empty() {
        let what = format!("there is no slot `{}` in this fleet", body.slot);
        return Err(Refusal::new(
            422,
            what,
            "Write the slot into the fleet file.",
        ));
    }
    let rows = apply_all(deps, request, &why, &planned, deadline).await?;
    Ok(json!({ "slots": rows }))
}

/// Applies slot by slot; one that fails holds up no other.
async fn apply_all(
    deps: &Deps,
    request: &Request,
    reason: &OutsideText,
    planned: &[PlannedSlot],
    deadline: Deadline,
) -> Result<Vec<Row>, Refusal> {
    let mut rows = Vec::new();
    for (number, slot) in planned.iter().enumerate() {
        if !in_time(deps, deadline) {
            rows.push(Row::new(&slot.name, "left"));
            continue;
        }
        let row = apply_one(deps, request, number, reason, slot).await;
        rows.push(row.unwrap_or_else(|refusal| Row {
            why: Some(refusal.what),
            ..Row::new(&slot.name, "failed")
        }));
    }
    Ok(rows)
}

async fn apply_one(
    deps: &Deps,
    request: &Request,
    number: usize,
    reason: &OutsideText,
    planned: &PlannedSlot,
) -> Result<Row, Refusal> {
    let foreseen = match plan(&deps.ports, planned).await {
        Ok(foreseen) => foreseen,
        Err(error) => return Ok(Row::failed(&planned.name, &error)),
    };
    let (before, kept) = match &foreseen {
        Plan::Register => (Value::Null, Vec::new()),
        Plan::Update { before, kept, .. } => (json!(before), kept.clone()),
        Plan::Unchanged { kept, .. } => {
            let done = carry_out(&deps.ports, planned, &foreseen).await;
            return Ok(match done {
                Ok(_) => Row {
                    kept: kept.clone(),
                    ..Row::new(&planned.name, "unchanged")
                },
                Err(error) => Row::failed(&planned.name, &error),
            });
        }
    };
    let subject = Subject::Slot(planned.name.clone());
    let act = Recorded::begin(deps, request, number, reason, subject, before.clone()).await?;
    let done = carry_out(&deps.ports, planned, &foreseen).await;
    let after = deps.ports.inventory.slot(&planned.name).await;
    let after = after.map_or_else(|error| json!(error.to_string()), |slot| json!(slot));
    let mut row = match &done {
        Ok(applied) => row_of(&planned.name, applied),
        Err(error) if after == before || is_conflict(error) => Row::failed(&planned.name, error),
        Err(error) => Row {
            result: "unsure",
            ..Row::failed(&planned.name, error)
        },
    };
    row.kept = kept;
    let outcome = row.why.clone().unwrap_or_else(|| row.result.to_owned());
    row.unrecorded = act.end(&outcome, after).await == Written::BeginningOnly;
    Ok(row)
}

/// Whether somebody else wrote the slot first: then this call did not, however the slot differs from before.
fn is_conflict(error: &ApplyError) -> bool {
    matches!(error, ApplyError::Inventory(InventoryError::Conflict))
}

fn row_of(name: &SlotName, applied: &Applied) -> Row {
    match applied {
        Applied::Registered(Registered::WithKey { handle_known }) => Row {
            key: Some(if *handle_known { "known" } else { "unknown" }),
            ..Row::new(name, "registered")
        },
        Applied::Registered(Registered::WithoutKey) => Row {
            key: Some("none"),
            ..Row::new(name, "registered")
        },
        Applied::Registered(Registered::Already) | Applied::Unchanged => {
            Row::new(name, "unchanged")
        }
        Applied::Updated(changed) => Row {
            changed: changed.clone(),
            ..Row::new(name, "updated")
        },
    }
}

fn in_time(deps: &Deps, deadline: Deadline) -> bool {
    deadline.allows(deps.ports.clock.as_ref(), TIME_FOR_A_SLOT)
}

/// The rows, and the slots of the inventory that the file does not name: those stay as they are. That they cannot be
/// listed takes nothing from what was done.
async fn report(deps: &Deps, planned: &[PlannedSlot], rows: Vec<Row>) -> Value {
    match deps.ports.inventory.slot_names().await {
        Ok(mut others) => {
            others.retain(|name| !planned.iter().any(|slot| slot.name == *name));
            json!({ "slots": rows, "not_in_file": others })
        }
        Err(error) => {
            tracing::warn!(%error, "the slots that a fleet does not name could not be listed");
            json!({ "slots": rows, "others_unknown": true })
        }
    }
}
