//! The kill switch: what a message means, whether CloudWatch confirms it, and the kill. What kills nobody is told.

mod carry_out;
mod check;
mod tell;

use std::sync::Arc;

use futures::future::join;
use jiff::SignedDuration;

use super::Ports;
use super::kill::{self, Invocation, KillError, KillOrder, KillOutcome};
use crate::model::act_order::ActOrder;
use crate::model::incident::TriggerId;
use crate::model::kill_order::KillMessage;
use crate::model::names::SlotName;
use crate::model::text::OutsideText;
use crate::ports::{ActOutcome, AlarmSource, InventoryError};
use crate::rules::kill::{
    AlertOnly, Decision, Deployment, KillFacts, NotKilled, Sifted, Suspicion, confirm, sift,
};
use crate::rules::revoke::ConfirmPolicy;
pub use carry_out::carry_out;

/// How far a history may be behind its alarm's message: AWS names no bound. What is not in it by then was forged.
const HISTORY_LAGS: SignedDuration = SignedDuration::from_mins(10);

/// What the kill switch works with.
#[derive(Clone)]
pub struct KillSwitch {
    /// The outside world of a kill.
    pub ports: Ports,
    /// CloudWatch's alarms.
    pub alarms: Arc<dyn AlarmSource>,
    /// Who we are, and which alarms of others kill whom.
    pub deployment: Deployment,
    /// What confirms that a key which was cut off is dead.
    pub confirm: ConfirmPolicy,
}

/// What came of a message.
#[derive(Debug)]
pub enum Answer {
    /// It was an order to cut off a slot.
    Kill {
        /// The slot.
        slot: SlotName,
        /// What came of it.
        outcome: Result<KillOutcome, KillError>,
    },
    /// It was an order to go on with an incident.
    GoneOn {
        /// The incident's id.
        incident: OutsideText,
        /// What came of it; `None` if nothing is left to do about it, or somebody else is at work on it.
        outcome: Result<Option<KillOutcome>, InventoryError>,
    },
    /// It was an act of a person's. Whoever gave the order waits for what came of it.
    CarriedOut {
        /// The order.
        order: Box<ActOrder>,
        /// What came of it.
        outcome: Box<ActOutcome>,
    },
    /// It kills nobody.
    AlertOnly {
        /// Why not.
        kind: NotKilled,
        /// Whether people were told so.
        told: bool,
    },
    /// The alarm's history does not hold so young a change, so far: the message must be given again. People were told
    /// that it is not confirmed.
    NotYetInHistory,
}

impl Answer {
    /// Whether the message must be given again: something of it is left to do, and can be done then.
    pub fn is_unfinished(&self) -> bool {
        match self {
            Self::Kill { outcome, .. } => match outcome {
                Ok(
                    KillOutcome::Contained(_)
                    | KillOutcome::Attached
                    | KillOutcome::Over
                    | KillOutcome::OfDeadKeys
                    | KillOutcome::Observed
                    | KillOutcome::NoSuchSlot,
                ) => false,
                Ok(
                    KillOutcome::Unfinished(_) | KillOutcome::Unrecorded(_) | KillOutcome::Untold,
                )
                | Err(_) => true,
            },
            // What is still left of it stays due.
            Self::GoneOn { outcome, .. } => outcome.is_err(),
            // It is the answer's to say.
            Self::CarriedOut { .. } => false,
            Self::AlertOnly { told, .. } => !told,
            Self::NotYetInHistory => true,
        }
    }
}

/// Does what a message asks for, as far as it can be done now.
pub async fn answer(switch: &KillSwitch, message: &KillMessage, invocation: &Invocation) -> Answer {
    let now = switch.ports.clock.now();
    match sift(message, &switch.deployment, now) {
        Sifted::Decided(Decision::AlertOnly(alert)) => only_tell(switch, message, alert).await,
        Sifted::Decided(Decision::Kill(order)) => {
            let order = KillOrder::from(order);
            let outcome = kill::kill(&switch.ports, &order, invocation).await;
            killed(order, outcome)
        }
        Sifted::Decided(Decision::GoOn(incident)) => go_on(switch, incident, invocation).await,
        Sifted::Decided(Decision::CarryOut(order)) => do_act(switch, order, invocation).await,
        Sifted::Ask(suspicion) => ask(switch, message, suspicion, invocation).await,
    }
}

async fn do_act(switch: &KillSwitch, order: Box<ActOrder>, invocation: &Invocation) -> Answer {
    let outcome = carry_out(&switch.ports, &order, invocation).await;
    let outcome = Box::new(outcome);
    Answer::CarriedOut { order, outcome }
}

async fn go_on(switch: &KillSwitch, incident: OutsideText, invocation: &Invocation) -> Answer {
    let KillSwitch { ports, confirm, .. } = switch;
    let outcome = kill::resume(ports, incident.as_str(), confirm, invocation).await;
    match &outcome {
        Ok(outcome) => tracing::info!(%incident, ?outcome, "an incident is gone on with"),
        Err(error) => tracing::error!(%incident, %error, "an incident could not be gone on with"),
    }
    Answer::GoneOn { incident, outcome }
}

/// Asks CloudWatch, and reads meanwhile what the claim begins with.
async fn ask(
    switch: &KillSwitch,
    message: &KillMessage,
    suspicion: Suspicion,
    invocation: &Invocation,
) -> Answer {
    let ports = &switch.ports;
    let trigger = TriggerId::new(&suspicion.transition.id());
    let (check, ahead) = join(
        check::check(switch, &suspicion.transition),
        kill::read_ahead(ports, &suspicion.slot, &trigger),
    )
    .await;
    let facts = KillFacts {
        deployment: &switch.deployment,
        check: &check,
        now: ports.clock.now(),
    };
    let may_lag = check.lacks_the_change()
        && facts.now.duration_since(suspicion.transition.changed()) < HISTORY_LAGS;
    match confirm(suspicion, &facts) {
        Decision::AlertOnly(alert) => {
            let answer = only_tell(switch, message, alert).await;
            match may_lag {
                true => Answer::NotYetInHistory,
                false => answer,
            }
        }
        // No alarm asks for it.
        Decision::GoOn(incident) => go_on(switch, incident, invocation).await,
        Decision::CarryOut(order) => do_act(switch, order, invocation).await,
        Decision::Kill(order) => {
            let order = KillOrder::from(order);
            let outcome = kill::kill_after(ports, &order, Some(ahead), invocation).await;
            killed(order, outcome)
        }
    }
}

fn killed(order: KillOrder, outcome: Result<KillOutcome, KillError>) -> Answer {
    let KillOrder { slot, trigger, .. } = order;
    match &outcome {
        Ok(outcome) => tracing::info!(%slot, %trigger, ?outcome, "an order to cut off a slot"),
        Err(error) => {
            tracing::error!(%slot, %trigger, %error, "an order to cut off a slot came to nothing yet");
        }
    }
    Answer::Kill { slot, outcome }
}

async fn only_tell(switch: &KillSwitch, message: &KillMessage, alert: AlertOnly) -> Answer {
    tracing::info!(kind = ?alert.kind, "a message that cuts off nobody");
    let told = switch.ports.tell(tell::refused(message, &alert)).await;
    Answer::AlertOnly {
        kind: alert.kind,
        told,
    }
}
