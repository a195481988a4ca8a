//! The way of `control` to the kill switch.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ProviderError;
use crate::model::SCHEMA;
use crate::model::act_order::ActOrder;
use crate::model::key::Fingerprint;
use crate::model::kill_order::MonitorOrder;
use crate::model::kill_outcome::KillOutcome;
use crate::model::money::SpendCap;
use crate::model::names::SlotName;
use crate::model::text::OutsideText;

/// Has the kill switch carry out what a person asked for, and waits for what comes of it.
#[async_trait]
pub trait ActOrders: Send + Sync {
    /// Has an order carried out.
    ///
    /// # Errors
    /// [`ActOrderError`].
    async fn carry_out(&self, order: &ActOrder) -> Result<ActOutcome, ActOrderError>;
}

/// What came of an order, as the kill switch answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActOutcome {
    /// Of [`ActOrder::CutOff`].
    Killed(KillOutcome),
    /// The key is resumed at its provider, with the limits that it had, and reaches no further.
    Resumed,
    /// The key is cut off, and recorded so; or it was nobody's to take back any more.
    TakenBack,
    /// Of [`ActOrder::SetLimits`].
    Limits(CapSet),
    /// Of [`ActOrder::ReadyPool`]: what became of each standby key that was not ready.
    Standby(Vec<(Fingerprint, Readied)>),
    /// Of [`ActOrder::EndLeaked`]: what became of each leaked standby key that may have been alive.
    LeakedStandby(Vec<(Fingerprint, LeakedStandby)>),
    /// The record is no longer as the order says, or no time was left: whoever wrote it meanwhile was a kill, or another
    /// person. What was resumed is cut off again.
    Overtaken,
    /// The key came back with more reach than it had, in what this names. It is not cut off again yet.
    Wider(OutsideText),
    /// The provider did not do it, by this word. It may have resumed the key.
    Provider(ProviderError),
    /// It came to nothing for now, for this reason. Give it again.
    Failed(OutsideText),
}

impl ActOutcome {
    /// The kill switch's answer to an order.
    pub fn to_answer(&self, order: &ActOrder) -> Value {
        json!({ MonitorOrder::MARK: order.act(), "schema": SCHEMA, "outcome": self })
    }

    /// Reads what [`ActOutcome::to_answer`] made; `None` if it is no answer to this order.
    pub fn from_answer(order: &ActOrder, answer: &Value) -> Option<Self> {
        let is_to_it = answer[MonitorOrder::MARK] == order.act() && answer["schema"] == SCHEMA;
        let outcome = is_to_it.then(|| Self::deserialize(&answer["outcome"]));
        outcome?.ok()
    }

    /// Whether an answer of the kill switch is what it says of messages: then it took the order for none that it carries
    /// out.
    pub fn is_report(answer: &Value) -> bool {
        answer["messages"].is_u64()
    }
}

/// What keys that agents fetch may spend now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapSet {
    /// So much; the provider was seen to keep it.
    To(SpendCap),
    /// There is no key in use.
    NoKey,
    /// The provider has no limits for a key, or does not know this one by an id.
    NotThere,
    /// A limit could not be set, and is what it was. Send the same again.
    Failed(ProviderError),
}

/// What became of a standby key that was not ready to be drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readied {
    /// It is suspended, where its provider can.
    Suspended,
    /// It became this slot's by another way. It works on.
    InUse(SlotName),
    /// Its provider has it no more.
    Gone,
    /// It is not known to be suspended.
    Failed(ProviderError),
}

/// What became of a standby key that leaked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeakedStandby {
    /// Its provider was seen to have it no more.
    Ended,
    /// It became this slot's by another way. It works on.
    InUse(SlotName),
    /// It may be alive.
    Failed(ProviderError),
}

/// The kill switch was not seen to carry out an order.
#[derive(Debug, thiserror::Error)]
pub enum ActOrderError {
    /// The order did not reach it, or it does not take it. Nothing was done. A person must mend it.
    #[error(
        "the kill switch was not given the order: look at the function's permission `lambda:InvokeFunction`, at KEYWARD_KILL_SWITCH_ARN, and that both are of one stack and release"
    )]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer, a passing fault, or an answer that cannot be read. It may have been done, or be under way for up to a
    /// minute. Give it again.
    #[error("what the kill switch did of the order is not known")]
    Unknown(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The kill switch of a function that gives no orders.
#[derive(Debug, Clone, Copy)]
pub struct NoActOrders;

#[async_trait]
impl ActOrders for NoActOrders {
    async fn carry_out(&self, _: &ActOrder) -> Result<ActOutcome, ActOrderError> {
        Err(ActOrderError::Refused(
            "this function is told of no kill switch".into(),
        ))
    }
}
