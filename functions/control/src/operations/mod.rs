//! The operations, one each.

mod accept;
mod apply;
mod doctor;
mod drill;
mod enforce;
mod expect;
mod fleet;
mod import;
mod kill;
mod leak;
mod lockdown;
mod migrate;
mod offboard;
mod plan;
mod pool;
mod prices;
mod restore;
mod usage;

use keyward_core::model::act_kind::{ActKind, Served};
use keyward_core::model::money::SpendCap;
use keyward_core::ports::Deadline;
use keyward_core::usecases::cap::CapSet;
use keyward_core::usecases::report::Callers;
use serde_json::Value;

use crate::Deps;
use crate::request::Request;
use crate::response::Refusal;

/// What can be asked for.
const KNOWN: &str = "/plan, /apply, /import, /register, /enforce, /accept, /expect, /kill, /leak, /restore, /drill, /pool/add, /prices, /migrate, /offboard, /break-glass, /lockdown and /doctor";

pub(crate) async fn carry_out(
    deps: &Deps,
    served: Served,
    request: &Request,
    deadline: Deadline,
) -> Result<Value, Refusal> {
    match deps.callers {
        Callers::People => {
            of_a_kind_served(served, request)?;
            act(deps, request, deadline).await
        }
        Callers::Agents => told(deps, request).await,
    }
}

/// What agents may ask for.
async fn told(deps: &Deps, request: &Request) -> Result<Value, Refusal> {
    match request.path.as_str() {
        "/usage" => usage::take_report(deps, request).await,
        _ => Err(Refusal::new(
            404,
            "there is no such operation; this function takes /usage of agents alone",
            "Send acts of people to the control function.",
        )),
    }
}

/// IAM lets a person call the URLs of some kinds of acts; what came by one of them is of its kind.
fn of_a_kind_served(served: Served, request: &Request) -> Result<(), Refusal> {
    let Some(kind) = ActKind::of_operation(&request.path) else {
        return Ok(());
    };
    if served.serves(kind) {
        return Ok(());
    }
    let path = &request.path;
    let came = match served {
        Served::Only(other) => format!("it came by the URL of `{}`", other.name()),
        Served::All | Served::Nothing => "it came by the URL of no kind".to_owned(),
    };
    Err(Refusal::new(
        403,
        format!("{path} is an act of the kind `{}`, and {came}", kind.name()),
        format!(
            "Set {} to the URL of that kind: the stack's output CommandSettings has all of them. Your role needs that kind's policy too.",
            kind.setting()
        ),
    ))
}

async fn act(deps: &Deps, request: &Request, deadline: Deadline) -> Result<Value, Refusal> {
    match request.path.as_str() {
        "/plan" => plan::plan_fleet(deps, request, deadline).await,
        "/apply" => apply::apply_fleet(deps, request, deadline).await,
        "/import" => import::unclaimed_keys(deps, request, deadline).await,
        "/register" => apply::register_slot(deps, request, deadline).await,
        "/enforce" => enforce::enforce(deps, request).await,
        "/accept" => accept::accept_risk(deps, request).await,
        "/expect" => expect::expect_spend(deps, request).await,
        "/kill" => kill::kill_slot(deps, request).await,
        "/leak" => leak::end_leaked(deps, request, deadline).await,
        "/restore" => restore::restore_slot(deps, request, deadline).await,
        "/drill" => drill::drill_slot(deps, request).await,
        "/pool/add" => pool::add_keys(deps, request, deadline).await,
        "/doctor" => doctor::examine(deps, request).await,
        "/prices" => prices::put_prices(deps, request).await,
        "/migrate" => migrate::migrate_items(deps, request, deadline).await,
        "/offboard" => offboard::offboard(deps, request).await,
        "/break-glass" => lockdown::record_break_glass(deps, request).await,
        "/lockdown" => lockdown::record_lift(deps, request).await,
        "/usage" => Err(Refusal::new(
            404,
            "this function takes acts of people; what agents used is told to the one that is deployed for them",
            "Send it to the function with KEYWARD_CALLERS=agents.",
        )),
        _ => Err(Refusal::new(
            404,
            format!("there is no such operation; known are {KNOWN}"),
            "Use the keyward command of this release.",
        )),
    }
}

/// The limit that was set, and why one was not.
fn cap_parts(set: &CapSet) -> (Option<&SpendCap>, Option<String>) {
    match set {
        CapSet::To(cap) => (Some(cap), None),
        CapSet::NoKey | CapSet::NotThere => (None, None),
        CapSet::Failed(error) => (None, Some(error.to_string())),
    }
}
