//! `/accept`: somebody answers for what an audit finds until a day, or no longer does.

use jiff::Timestamp;
use keyward_core::model::act::Subject;
use keyward_core::model::audit::AcceptedRisk;
use keyward_core::model::finding::FindingId;
use keyward_core::model::text::OutsideText;
use keyward_core::rules::accept::risk;
use keyward_core::usecases::accept::{Change, accept, change};
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
    finding: FindingId,
    #[serde(default)]
    until: Option<Timestamp>,
    #[serde(default)]
    withdraw: bool,
    #[serde(default)]
    dry_run: bool,
}

const TAKES: &str = "{reason, finding: 32 hex digits, and until, or withdraw: true; dry_run?}";

pub(super) async fn accept_risk(deps: &Deps, request: &Request) -> Result<Value, Refusal> {
    let body: Body = request.body(TAKES)?;
    let why = match (body.dry_run, body.reason.as_str()) {
        (true, "") => OutsideText::default(),
        (_, text) => reason(text)?,
    };
    let now = deps.ports.clock.now();
    let wanted = match (body.until, body.withdraw) {
        (Some(until), false) => {
            let risk = risk(body.finding, &request.caller, why.clone(), until, now);
            Some(risk.map_err(|error| Refusal::bad(error.to_string()))?)
        }
        (None, true) => None,
        _ => {
            return Err(Refusal::bad(format!(
                "the body is not whole; it takes {TAKES}"
            )));
        }
    };
    let kept = deps.risks.risk(body.finding).await?;
    let before = kept.as_ref().map(|kept| &kept.risk);
    let answer = |unrecorded: bool| {
        json!({
            "finding": body.finding, "before": shown(before), "after": shown(wanted.as_ref()),
            "dry_run": body.dry_run, "unrecorded": unrecorded,
        })
    };
    if body.dry_run || change(kept.as_ref(), wanted.as_ref()) == Change::None {
        return Ok(answer(false));
    }
    let subject = Subject::Finding(body.finding);
    let act = Recorded::begin(deps, request, 0, &why, subject, shown(before)).await?;
    match accept(&*deps.risks, kept.as_ref(), wanted.as_ref()).await {
        Ok(()) => {
            let outcome = match wanted {
                Some(_) => "accepted",
                None => "withdrawn",
            };
            let written = act.end(outcome, shown(wanted.as_ref())).await;
            Ok(answer(written == Written::BeginningOnly))
        }
        Err(error) => {
            let after = deps.risks.risk(body.finding).await;
            let is_as_before = after.as_ref().is_ok_and(|after| *after == kept);
            let state = after.map_or(Value::Null, |after| {
                shown(after.as_ref().map(|kept| &kept.risk))
            });
            act.end(&error.to_string(), state).await;
            let refusal = Refusal::from(error);
            Err(if is_as_before {
                refusal
            } else {
                refusal.unsure()
            })
        }
    }
}

/// Who answers, as the answer and the record have it.
fn shown(risk: Option<&AcceptedRisk>) -> Value {
    match risk {
        Some(risk) => json!({
            "owner": risk.owner, "reason": risk.reason, "until": risk.until,
        }),
        None => Value::Null,
    }
}
