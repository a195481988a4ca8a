//! `/plan`: what applying a fleet would do, and what is not as it should be. Changes nothing.

use keyward_core::model::fleet::PlannedSlot;
use keyward_core::model::names::SlotName;
use keyward_core::ports::Deadline;
use keyward_core::rules::change::{Basis, Difference};
use keyward_core::rules::plan::{Mender, Remark, Source};
use keyward_core::usecases::apply::{ApplyError, Plan};
use keyward_core::usecases::survey::{Surveyed, basis, survey};
use keyward_lambda::diagnostic::chain;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fleet::{checked, with_others};
use crate::Deps;
use crate::request::Request;
use crate::response::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    fleet: Box<RawValue>,
}

/// What is planned for one slot.
#[derive(Serialize)]
struct Row {
    slot: SlotName,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    basis: Option<Basis>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<Difference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<Noted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// One remark.
#[derive(Serialize)]
struct Noted {
    source: Source,
    what: String,
    mender: Mender,
    how: String,
}

/// How many slots, and how many remarks, there are of each kind.
#[derive(Default, Serialize)]
struct Counts {
    register: usize,
    change: usize,
    unchanged: usize,
    refused: usize,
    not_read: usize,
    by_keyward: usize,
    by_a_person: usize,
    not_seen: usize,
}

pub(super) async fn plan_fleet(
    deps: &Deps,
    request: &Request,
    deadline: Deadline,
) -> Result<Value, Refusal> {
    let body: Body = request.body("{fleet}")?;
    let planned = checked(&body.fleet)?;
    let seen = survey(&deps.ports, deps.guards(), &planned, deadline).await;
    let rows: Vec<Row> = planned.iter().zip(seen).map(row).collect();
    let answer = json!({ "counts": counts(&rows), "slots": rows });
    Ok(with_others(deps, &planned, answer).await)
}

fn row((planned, seen): (&PlannedSlot, Surveyed)) -> Row {
    let row = Row {
        slot: seen.slot,
        result: "left",
        basis: basis(planned, seen.plan.as_ref()),
        changed: Vec::new(),
        remarks: seen.remarks.into_iter().map(Noted::from).collect(),
        why: None,
    };
    let is_mended = |noted: &Noted| noted.mender == Mender::Apply;
    match seen.plan {
        None => row,
        Some(Ok(Plan::Register)) => Row {
            result: "would_register",
            ..row
        },
        Some(Ok(Plan::Update { changed, .. })) => Row {
            result: "would_update",
            changed,
            ..row
        },
        Some(Ok(Plan::Unchanged { .. })) => Row {
            result: match row.remarks.iter().any(is_mended) {
                true => "would_update",
                false => "unchanged",
            },
            ..row
        },
        Some(Err(error)) => Row {
            result: result_of(&error),
            why: Some(chain(&error)),
            ..row
        },
    }
}

/// Whether a person must do something about it, or only wait.
pub(super) fn result_of(error: &ApplyError) -> &'static str {
    match error.is_retryable() {
        true => "failed",
        false => "refused",
    }
}

impl From<Remark> for Noted {
    fn from(remark: Remark) -> Self {
        let Remark {
            source,
            what,
            mender,
            how,
        } = remark;
        Self {
            source,
            what,
            mender,
            how,
        }
    }
}

fn counts(rows: &[Row]) -> Counts {
    let mut counts = Counts::default();
    for row in rows {
        let of_result = match row.result {
            "would_register" => &mut counts.register,
            "would_update" => &mut counts.change,
            "unchanged" => &mut counts.unchanged,
            "refused" => &mut counts.refused,
            _ => &mut counts.not_read,
        };
        *of_result += 1;
        for noted in &row.remarks {
            match noted.mender {
                Mender::Apply => {}
                Mender::Keyward => counts.by_keyward += 1,
                Mender::Person => counts.by_a_person += 1,
                Mender::NotSeen => counts.not_seen += 1,
            }
        }
    }
    counts
}
