//! `/lockdown` and `/break-glass`: what people did past this function, for the record.

use keyward_core::model::act::Subject;
use keyward_core::model::admin::{AdminRecord, BreakGlassResult, BreakGlassTest};
use keyward_core::model::key::Fingerprint;
use keyward_core::model::names::AccountName;
use keyward_core::model::text::OutsideText;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Deps;
use crate::record::{Recorded, Written};
use crate::request::{Request, reason};
use crate::response::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifted {
    reason: String,
    functions: Vec<Function>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Function {
    function: OutsideText,
    outcome: Value,
}

/// Records that a lockdown was lifted. The functions run again by then: this one answers.
pub(super) async fn record_lift(deps: &Deps, request: &Request) -> Result<Value, Refusal> {
    let body: Lifted = request.body("{reason, functions}")?;
    let why = reason(&body.reason)?;
    let named =
        |one: &Function| json!({ "function": one.function, "again": one.outcome == json!("now") });
    let functions: Vec<Value> = body.functions.iter().map(named).collect();
    let state = json!({ "functions": functions });
    let act = Recorded::begin(deps, request, 0, &why, Subject::Fleet, state.clone()).await?;
    let written = act.end("the lockdown was lifted", state).await;
    Ok(json!({ "unrecorded": written == Written::BeginningOnly }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tried {
    reason: String,
    account: AccountName,
    result: BreakGlassResult,
    fingerprint: Fingerprint,
}

/// Records that a break-glass credential was tried, and how that went.
pub(super) async fn record_break_glass(deps: &Deps, request: &Request) -> Result<Value, Refusal> {
    let body: Tried = request.body("{reason, account, result, fingerprint}")?;
    let why = reason(&body.reason)?;
    let inventory = deps.ports.inventory.as_ref();
    let stored = inventory.admin(&body.account).await?;
    let mut record = stored.unwrap_or_else(|| AdminRecord::empty(&body.account));
    if record.by_text(&body.fingerprint).is_some() {
        return Err(not_sealed(&body.account));
    }
    let before = json!({ "account": body.account, "break_glass": record.break_glass });
    let act = Recorded::begin(deps, request, 0, &why, Subject::Fleet, before).await?;
    record.break_glass = Some(BreakGlassTest {
        at: deps.ports.clock.now(),
        result: body.result,
        fingerprint: body.fingerprint,
    });
    if let Err(error) = inventory.save_admin(&record).await {
        act.end("it could not be recorded", Value::Null).await;
        return Err(error.into());
    }
    let after = json!({ "account": body.account, "break_glass": record.break_glass });
    let written = act.end("tried", after).await;
    Ok(json!({ "unrecorded": written == Written::BeginningOnly }))
}

/// What was tried is a credential that Keyward uses, or used: it ends with the next rotation, and leaks with Keyward.
fn not_sealed(account: &AccountName) -> Refusal {
    Refusal::new(
        409,
        format!(
            "that is an admin credential of account {account} that Keyward itself uses or used, not a sealed one"
        ),
        "Make another at the provider, seal it, and try that one: keyward doctor --break-glass.",
    )
}
