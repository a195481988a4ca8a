//! `/apply` and `/register`: slots of a fleet file come into the inventory, or are brought up to it.
//!
//! Everything is foreseen before anything is changed: while one slot is refused, cannot be read, or is not what it was
//! planned on, nothing is begun.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use keyward_core::model::act::Subject;
use keyward_core::model::fleet::PlannedSlot;
use keyward_core::model::names::SlotName;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::Deadline;
use keyward_core::rules::change::{Basis, Difference};
use keyward_core::usecases::apply::{Applied, ApplyError, Plan, carry_out};
use keyward_core::usecases::register::{RegisterError, Registered, lacking_tags};
use keyward_core::usecases::survey::foresee;
use keyward_lambda::diagnostic::chain;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fleet::{checked, with_others};
use super::plan::result_of;
use crate::Deps;
use crate::record::{Recorded, Written};
use crate::request::{Request, reason};
use crate::response::Refusal;

/// What is left of the invocation when a slot is begun, at least.
const TIME_FOR_A_SLOT: SignedDuration = SignedDuration::from_secs(20);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplyBody {
    reason: String,
    fleet: Box<RawValue>,
    /// What each slot was planned on, as `/plan` said; left out, what is found now is what is planned on.
    #[serde(default)]
    planned: Option<BTreeMap<SlotName, Basis>>,
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
    changed: Vec<Difference>,
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
        let result = match error.is_surprise() {
            true => "surprise",
            false => result_of(error),
        };
        Self {
            why: Some(chain(error)),
            ..Self::new(slot, result)
        }
    }
}

pub(super) async fn apply_fleet(
    deps: &Deps,
    request: &Request,
    deadline: Deadline,
) -> Result<Value, Refusal> {
    let body: ApplyBody = request.body("{reason, fleet, planned?}")?;
    let why = reason(&body.reason)?;
    let planned = checked(&body.fleet)?;
    let plans = foresee(&deps.ports, &planned, deadline).await;
    let rows = match all_as_planned(&planned, plans, body.planned.as_ref()) {
        Ok(plans) => apply_all(deps, request, &why, (&planned, &plans), deadline).await,
        Err(rows) => rows,
    };
    Ok(with_others(deps, &planned, json!({ "slots": rows })).await)
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
    let plans = foresee(&deps.ports, &planned, deadline).await;
    let rows = match all_as_planned(&planned, plans, None) {
        Ok(plans) => apply_all(deps, request, &why, (&planned, &plans), deadline).await,
        Err(rows) => rows,
    };
    Ok(json!({ "slots": rows }))
}

/// The plans of all slots, if each can be carried out and is made on what it was planned on; else a row for each slot,
/// and nothing is begun.
fn all_as_planned(
    planned: &[PlannedSlot],
    plans: Vec<Option<Result<Plan, ApplyError>>>,
    planned_on: Option<&BTreeMap<SlotName, Basis>>,
) -> Result<Vec<Plan>, Vec<Row>> {
    let hindered: Vec<Option<Row>> = planned
        .iter()
        .zip(&plans)
        .map(|(slot, plan)| hindrance(slot, plan.as_ref(), planned_on))
        .collect();
    if hindered.iter().all(Option::is_none) {
        let plans = plans.into_iter().flatten().filter_map(Result::ok);
        return Ok(plans.collect());
    }
    let rows = planned.iter().zip(hindered);
    let rows = rows.map(|(slot, row)| row.unwrap_or_else(|| Row::new(&slot.name, "not_begun")));
    Err(rows.collect())
}

/// What stands in the way of a slot's plan.
fn hindrance(
    slot: &PlannedSlot,
    plan: Option<&Result<Plan, ApplyError>>,
    planned_on: Option<&BTreeMap<SlotName, Basis>>,
) -> Option<Row> {
    match plan {
        None => Some(Row::new(&slot.name, "left")),
        Some(Err(error)) => Some(Row::failed(&slot.name, error)),
        Some(Ok(plan)) => match is_as_planned(slot, plan, planned_on) {
            true => None,
            false => Some(Row::failed(&slot.name, &ApplyError::Moved)),
        },
    }
}

/// Whether what is found is what was planned on; or is as the file says already, so that a plan of which a part was done can
/// be gone on with.
fn is_as_planned(
    slot: &PlannedSlot,
    plan: &Plan,
    planned_on: Option<&BTreeMap<SlotName, Basis>>,
) -> bool {
    planned_on.is_none_or(|planned| {
        let found = Basis::of(plan.as_it_is(), slot);
        planned.get(&slot.name) == Some(&found) || !plan.changes_something()
    })
}

/// Applies slot by slot. One that fails holds up no other; the first surprise does: what was planned for the rest may
/// be no truer.
async fn apply_all(
    deps: &Deps,
    request: &Request,
    reason: &OutsideText,
    (planned, plans): (&[PlannedSlot], &[Plan]),
    deadline: Deadline,
) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (number, (slot, plan)) in planned.iter().zip(plans).enumerate() {
        let is_stopped = rows.iter().any(|row| row.result == "surprise");
        let is_time = deadline.allows(deps.ports.clock.as_ref(), TIME_FOR_A_SLOT);
        rows.push(match (is_stopped, is_time) {
            (true, _) => Row::new(&slot.name, "not_begun"),
            (false, false) => Row::new(&slot.name, "left"),
            (false, true) => apply_one(deps, request, number, reason, (slot, plan)).await,
        });
    }
    rows
}

async fn apply_one(
    deps: &Deps,
    request: &Request,
    number: usize,
    reason: &OutsideText,
    (planned, plan): (&PlannedSlot, &Plan),
) -> Row {
    let kept = match plan {
        Plan::Register => Vec::new(),
        Plan::Update { kept, .. } | Plan::Unchanged { kept, .. } => kept.clone(),
    };
    let lacking = match tags(deps, plan).await {
        // Nothing is changed anywhere: there is no act.
        Ok(lacking) if lacking.is_empty() && !plan.changes_something() => {
            return Row {
                kept,
                ..Row::new(&planned.name, "unchanged")
            };
        }
        Ok(lacking) => lacking,
        Err(error) => return Row::failed(&planned.name, &error.into()),
    };
    let before = plan.as_it_is().map_or(Value::Null, |slot| json!(slot));
    let subject = Subject::Slot(planned.name.clone());
    let act = Recorded::begin(deps, request, number, reason, subject, before.clone()).await;
    let act = match act {
        Ok(act) => act,
        Err(refusal) => {
            return Row {
                why: Some(refusal.what),
                ..Row::new(&planned.name, "failed")
            };
        }
    };
    let done = carry_out(&deps.ports, planned, plan).await;
    let after = deps.ports.inventory.slot(&planned.name).await;
    let after = after.map_or_else(|error| json!(error.to_string()), |slot| json!(slot));
    let mut row = match &done {
        Ok(applied) => row_of(&planned.name, applied),
        Err(error) if after == before || error.is_surprise() => Row::failed(&planned.name, error),
        Err(error) => Row {
            result: "unsure",
            ..Row::failed(&planned.name, error)
        },
    };
    row.kept = kept;
    let outcome = row.why.clone().unwrap_or_else(|| match &lacking[..] {
        [] => row.result.to_owned(),
        tags => format!(
            "{}; tags of its secret were written: {}",
            row.result,
            tags.join(", ")
        ),
    });
    row.unrecorded = act.end(&outcome, after).await == Written::BeginningOnly;
    row
}

/// The tags that a slot's secret lacks where the slot is as the file says: writing them is an act of its own.
async fn tags(deps: &Deps, plan: &Plan) -> Result<Vec<String>, RegisterError> {
    let Plan::Unchanged { slot, .. } = plan else {
        return Ok(Vec::new());
    };
    let lacking = lacking_tags(&deps.ports, slot).await?.into_iter();
    Ok(lacking.map(|(key, _)| key).collect())
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
