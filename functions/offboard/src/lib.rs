#![doc = include_str!("../README.md")]

mod event;

use keyward_core::model::alert::{Alert, AlertKind, Severity};
use keyward_core::model::incident::TriggerId;
use keyward_core::model::offboarding::OffboardingId;
use keyward_core::ports::InventoryError;
use keyward_core::rules::offboard::OffboardOrder;
use keyward_core::rules::secret_change::SecretChange;
use keyward_core::usecases::kill::Invocation;
use keyward_core::usecases::offboard::{
    OffboardReport, Offboarder, Opened, carry_case, carry_on, open,
};
use keyward_core::usecases::secret_changed::{NotNoticed, Noticed, Own, secret_changed};
use serde::Serialize;
use serde_json::Value;

pub use event::{
    AGENT_DECOMMISSIONED, AgentDecommissioned, Event, PERSON_LEFT, PersonLeft, Refused,
    event_schema, read,
};
pub use keyward_lambda::config::Senders;

/// What the function works with.
#[derive(Clone)]
pub struct Deps {
    /// The use case.
    pub offboarder: Offboarder,
    /// Whose events are taken.
    pub senders: Senders,
    /// What belongs to the deployment: what its functions change in secrets is nobody's to be told of.
    pub own: Own,
}

/// What an event came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// What was due was carried on.
    Due(OffboardReport),
    /// The case was opened, or known, and gone on with.
    Case {
        /// Its id.
        case: OffboardingId,
        /// Whether it is a new one.
        is_new: bool,
        /// Whether nothing is left to do about it.
        is_closed: bool,
    },
    /// Somebody changed a secret, or a function of the deployment did.
    SecretChange(Noticed),
    /// The event tells of nothing that matters here.
    Nothing,
    /// The event asks for nothing that is done, for this reason. People were told.
    Refused(String),
}

/// Does what an event asks for: whatever is due, one case, or a case that is opened for it.
///
/// # Errors
/// [`OffboardFailed`]: the event may be given again.
pub async fn handle(
    deps: &Deps,
    event: &Value,
    invocation: &Invocation,
) -> Result<Reply, OffboardFailed> {
    match read(event, &deps.senders, deps.offboarder.ports.clock.now()) {
        Ok(Event::Due) => due(deps, invocation).await,
        Ok(Event::GoOn(id)) => go_on(deps, &id, Known::Before, invocation).await,
        Ok(Event::Left(order)) => begin(deps, &order, invocation).await,
        Ok(Event::SecretChanged(change, request)) => {
            notice(deps, &change, &request, invocation).await
        }
        Ok(Event::Nothing) => Ok(Reply::Nothing),
        Err(why) => refuse(deps, &why).await,
    }
}

async fn due(deps: &Deps, invocation: &Invocation) -> Result<Reply, OffboardFailed> {
    let report = carry_on(&deps.offboarder, invocation).await?;
    match report.failed {
        0 => Ok(Reply::Due(report)),
        _ => Err(OffboardFailed::SomeFailed { report }),
    }
}

/// Whether a case was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Before,
    New,
}

async fn begin(
    deps: &Deps,
    order: &OffboardOrder,
    invocation: &Invocation,
) -> Result<Reply, OffboardFailed> {
    let Offboarder { cases, ports, .. } = &deps.offboarder;
    let opened = open(cases.as_ref(), ports.clock.as_ref(), order).await?;
    let known = match &opened {
        Opened::New(_) => Known::New,
        Opened::Attached(_) | Opened::Known(_) => Known::Before,
    };
    let id = opened.case().id.clone();
    tracing::info!(case = %id, ?known, "somebody leaves");
    go_on(deps, &id, known, invocation).await
}

/// Looks whose secret was changed, and goes on at once with what follows from that.
async fn notice(
    deps: &Deps,
    change: &SecretChange,
    request: &TriggerId,
    invocation: &Invocation,
) -> Result<Reply, OffboardFailed> {
    let Offboarder { cases, ports, .. } = &deps.offboarder;
    let noticed = secret_changed(ports, cases.as_ref(), &deps.own, change, request).await?;
    tracing::info!(?noticed, by = change.by.as_str(), "a secret was changed");
    if let Noticed::Offboarding(case) = &noticed {
        go_on(deps, case, Known::New, invocation).await?;
    }
    Ok(Reply::SecretChange(noticed))
}

/// Goes on with a case. Where somebody else is at work on it, that is enough.
async fn go_on(
    deps: &Deps,
    id: &OffboardingId,
    known: Known,
    invocation: &Invocation,
) -> Result<Reply, OffboardFailed> {
    let carried = match carry_case(&deps.offboarder, id, invocation).await {
        // Somebody else took it up at the same moment.
        Err(InventoryError::Conflict) => None,
        carried => carried?,
    };
    Ok(Reply::Case {
        case: id.clone(),
        is_new: known == Known::New,
        is_closed: carried.is_some_and(|case| case.closed.is_some()),
    })
}

/// An event that is refused is told, never dropped: somebody who has left may go on holding keys.
async fn refuse(deps: &Deps, why: &Refused) -> Result<Reply, OffboardFailed> {
    tracing::error!(%why, "an event was refused");
    let what = format!("An event for offboarding was refused: {why}.");
    let done = "Nothing was done: no case was opened.";
    let left = "If somebody has left, offboard them by hand, and see to what sends the events.";
    let mut alert = Alert::general(
        Severity::Page,
        AlertKind::OffboardRefused,
        [&what, done, left],
    );
    let ports = &deps.offboarder.ports;
    alert.at = Some(ports.clock.now());
    match ports.alerts.send(&alert).await {
        Ok(()) => Ok(Reply::Refused(why.to_string())),
        Err(error) => {
            tracing::error!(%error, "that an event was refused could not be told");
            Err(OffboardFailed::Untold)
        }
    }
}

/// An event that was not done with.
#[derive(Debug, thiserror::Error)]
pub enum OffboardFailed {
    /// The inventory. What is recorded stays due.
    #[error("the cases of offboarding could not be read or written")]
    Inventory(#[from] InventoryError),
    /// Cases that were due could not be gone on with.
    #[error("{} of {} cases of offboarding could not be gone on with and are due again", .report.failed, .report.seen)]
    SomeFailed {
        /// What was done all the same.
        report: OffboardReport,
    },
    /// Whose secret was changed is not known, or people could not be told.
    #[error("a secret was changed, and that is not dealt with yet")]
    SecretChange(#[from] NotNoticed),
    /// An event was refused, and people could not be told.
    #[error("an event was refused, and people could not be told")]
    Untold,
}

impl OffboardFailed {
    /// Whether the same event can succeed later without a person: it always may.
    pub const fn is_retryable(&self) -> bool {
        true
    }
}
