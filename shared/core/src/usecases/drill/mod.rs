//! Drill: a canary's score is put as if it were abused, and its key ends by the kill switch's real path: the metric, its
//! alarm, the topic, the function. Nothing is cut short. What comes of it is kept, with the time of each stage. A slot that
//! the drill alone has restricted is active again once the drill has passed: nobody abused its key.

mod over;

use std::sync::Arc;

use futures::{join, try_join};
use jiff::Timestamp;

pub(crate) use over::{Told, next_look, see_to};

use super::{Ports, pool};
use crate::model::act::{ActId, CallerArn};
use crate::model::alarm::{AlarmArn, AlarmSettings};
use crate::model::drill::DrillUnderWay;
use crate::model::metric::KillScore;
use crate::model::names::SlotName;
use crate::model::slot::{CredentialKind, Slot};
use crate::model::text::OutsideText;
use crate::ports::{AlarmError, AlarmSource, InventoryError, Metrics, MetricsError};
use crate::rules::drill::{DrillFacts, NotDrilled, may_begin};
use crate::rules::kill::{Deployment, slot_in_tags};
use crate::rules::pool::usable;

/// The score that a drill puts, in thousandths: far over the line.
pub const SCORE: u32 = 10_000;

/// What a drill works with, beside the ports.
#[derive(Clone)]
pub struct Drills {
    /// CloudWatch's alarms.
    pub alarms: Arc<dyn AlarmSource>,
    /// CloudWatch's metrics.
    pub metrics: Arc<dyn Metrics>,
    /// Who we are, and the topic that alarms publish to.
    pub deployment: Deployment,
}

/// Who wants a drill, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillRequest {
    /// The act: the same one begins one drill, however often it comes.
    pub id: ActId,
    /// The slot.
    pub slot: SlotName,
    /// Who asked.
    pub by: CallerArn,
    /// Why.
    pub reason: OutsideText,
}

/// Why a drill did not begin, or is not known to have begun.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// There is no such slot.
    #[error("there is no slot `{0}` in the inventory")]
    Unknown(SlotName),
    /// It may not.
    #[error("no drill of slot `{0}` began")]
    Refused(SlotName, #[source] NotDrilled),
    /// The alarm's ARN cannot be made from the deployment's names.
    #[error("slot `{0}` can have no alarm: its name would be too long")]
    NoArn(SlotName),
    /// It is not known whether the alarm would set anything off.
    #[error("the slot's alarm could not be looked at")]
    Alarm(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The inventory.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The score was refused: the drill is off.
    #[error("the drill's score was not taken, so nothing is set off")]
    NotPut(#[source] MetricsError),
    /// The score may have been put: the drill is under way, and alerts if nothing comes of it.
    #[error("the drill's score was not seen to be taken; what comes of it is waited for")]
    MaybePut(#[source] MetricsError),
}

impl DrillError {
    /// Whether the same request can succeed later without a person.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unknown(_) | Self::Refused(..) | Self::NoArn(_) => false,
            Self::Alarm(_) => true,
            Self::Inventory(error) => error.is_retryable(),
            Self::NotPut(error) | Self::MaybePut(error) => error.is_retryable(),
        }
    }
}

/// The slot, if a drill of it may begin now, or if the drill that is under way is `own`. Nothing is written.
///
/// # Errors
/// [`DrillError`].
pub async fn look(
    ports: &Ports,
    drills: &Drills,
    name: &SlotName,
    own: Option<&ActId>,
) -> Result<Slot, DrillError> {
    let inventory = &ports.inventory;
    let (slot, versions, open) = try_join!(
        inventory.slot(name),
        inventory.versions(name),
        inventory.incident_of_slot(name)
    )?;
    let slot = slot.ok_or_else(|| DrillError::Unknown(name.clone()))?;
    if slot
        .drill
        .as_ref()
        .is_some_and(|drill| own == Some(&drill.id))
    {
        return Ok(slot);
    }
    canary(&slot)?;
    let now = ports.clock.now();
    let (alarm, is_tagged) = alarm_of(drills, name).await?;
    let facts = DrillFacts {
        slot: &slot,
        versions: &versions,
        open: open.as_ref(),
        alarm: alarm.as_ref(),
        is_tagged,
        has_standby: has_standby(ports, &slot, now).await?,
        deployment: &drills.deployment,
        now,
    };
    may_begin(&facts).map_err(|why| DrillError::Refused(name.clone(), why))?;
    Ok(slot)
}

/// Refuses a slot that could not be drilled whatever its alarm is: one that is not there, or is no canary.
///
/// # Errors
/// [`DrillError`].
pub async fn may_be_drilled(ports: &Ports, name: &SlotName) -> Result<(), DrillError> {
    let slot = ports.inventory.slot(name).await?;
    canary(&slot.ok_or_else(|| DrillError::Unknown(name.clone()))?)
}

fn canary(slot: &Slot) -> Result<(), DrillError> {
    match slot.canary {
        true => Ok(()),
        false => Err(DrillError::Refused(slot.name.clone(), NotDrilled::NoCanary)),
    }
}

/// The slot's alarm, and whether its tags name the slot.
async fn alarm_of(
    drills: &Drills,
    slot: &SlotName,
) -> Result<(Option<AlarmSettings>, bool), DrillError> {
    let arn: AlarmArn = drills
        .deployment
        .alarm_arn(slot)
        .ok_or_else(|| DrillError::NoArn(slot.clone()))?;
    let (settings, tags) = join!(drills.alarms.settings(&arn), drills.alarms.tags(&arn));
    match (settings, tags) {
        (Err(AlarmError::NotThere), _) | (_, Err(AlarmError::NotThere)) => Ok((None, false)),
        (Err(AlarmError::CouldNotAsk(error)), _) | (_, Err(AlarmError::CouldNotAsk(error))) => {
            Err(DrillError::Alarm(error))
        }
        (Ok(settings), Ok(tags)) => {
            let named = slot_in_tags(&tags, &drills.deployment.stack);
            Ok((Some(settings), named.as_ref() == Some(slot)))
        }
    }
}

async fn has_standby(ports: &Ports, slot: &Slot, now: Timestamp) -> Result<bool, InventoryError> {
    if slot.kind != CredentialKind::Pool {
        return Ok(true);
    }
    let pool = pool::read(ports, &slot.account).await?;
    Ok(!usable(&pool.standby, slot, now).is_empty())
}

/// Begins a drill of a slot that was just looked at: records it with the slot, so that its incident is known to be one and
/// so that its coming to nothing is noticed, then puts the score. The same request again puts the same score again, which
/// changes nothing.
///
/// # Errors
/// [`DrillError`]; only [`DrillError::MaybePut`], or an answer of the inventory's that was lost, leaves it under way.
pub async fn begin(
    ports: &Ports,
    drills: &Drills,
    slot: Slot,
    request: &DrillRequest,
) -> Result<DrillUnderWay, DrillError> {
    let drill = match &slot.drill {
        Some(drill) if drill.incident.is_some() => return Ok(drill.clone()),
        Some(drill) => drill.clone(),
        None => record(ports, slot, request).await?,
    };
    let score = KillScore {
        slot: request.slot.clone(),
        thousandths: SCORE,
        at: drill.started,
    };
    let stack = &drills.deployment.stack;
    match drills.metrics.put_scores(stack, &[score]).await {
        Ok(()) => Ok(drill),
        Err(error) if error.is_retryable() => Err(DrillError::MaybePut(error)),
        Err(error) => {
            call_off(ports, &request.slot, &drill).await?;
            Err(DrillError::NotPut(error))
        }
    }
}

/// Writes down with the slot that a drill begins.
async fn record(
    ports: &Ports,
    mut slot: Slot,
    request: &DrillRequest,
) -> Result<DrillUnderWay, InventoryError> {
    let started = ports.clock.now();
    let drill = DrillUnderWay {
        id: request.id.clone(),
        by: request.by.clone(),
        reason: request.reason.clone(),
        started,
        incident: None,
    };
    slot.due_at = slot.due_at.min(drill.decided_at());
    slot.drill = Some(drill.clone());
    ports.inventory.save_slot(&slot).await?;
    Ok(drill)
}

/// Takes back what [`record`] wrote: nothing was put, so nothing comes of it.
async fn call_off(
    ports: &Ports,
    name: &SlotName,
    drill: &DrillUnderWay,
) -> Result<(), InventoryError> {
    let stored = ports.inventory.slot(name).await?;
    match stored {
        Some(mut slot) if slot.drill.as_ref() == Some(drill) => {
            slot.drill = None;
            ports.inventory.save_slot(&slot).await
        }
        _ => Ok(()),
    }
}
