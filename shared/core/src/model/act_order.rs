//! What `control` has the kill switch do for a person: whatever writes at a provider. Only the kill switch has the
//! credentials for it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::SCHEMA;
use super::incident::{Evidence, TriggerId};
use super::kill_order::{MonitorOrder, Unreadable};
use super::names::{AccountName, SlotName, StackName};
use super::slot::Epoch;
use super::text::OutsideText;
use super::version::VersionId;

/// One order. It names what is to be done by its record in the inventory; what is asked of the provider is read from
/// there, not from the order. Each may be given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "keyward", rename_all = "snake_case")]
pub enum ActOrder {
    /// Cut a slot off.
    CutOff(CutOff),
    /// Let a key work again that is recorded as being restored.
    Resume {
        /// The slot.
        slot: SlotName,
        /// The key.
        version: VersionId,
        /// Until when its record is leased for that. Nothing is sent to the provider that may arrive later.
        until: Timestamp,
    },
    /// Cut off again, and record so, a key that was to be restored.
    TakeBack {
        /// The slot.
        slot: SlotName,
        /// The key.
        version: VersionId,
        /// The lease that it was to be restored under.
        until: Timestamp,
    },
    /// Set the limits of a slot's keys to what they are in its state.
    SetLimits {
        /// The slot.
        slot: SlotName,
        /// The epoch that it is in.
        epoch: Epoch,
        /// Whose limits.
        keys: LimitedKeys,
    },
    /// Suspend the keys of an account's standby pool that are not ready to be drawn.
    ReadyPool {
        /// The account.
        account: AccountName,
        /// The end of the claim on the pool. Nothing is sent to the provider that may arrive later.
        until: Timestamp,
    },
    /// End the leaked keys of an account's standby pool that may be alive.
    EndLeaked {
        /// The account.
        account: AccountName,
    },
}

/// A slot to cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOff {
    /// The slot.
    pub slot: SlotName,
    /// The person's request: orders with the same one are one kill.
    pub trigger: TriggerId,
    /// What speaks for it.
    pub ground: Ground,
    /// Who wants it and why, for people.
    pub cause: OutsideText,
    /// When it was asked for.
    pub seen: Timestamp,
}

impl CutOff {
    /// What speaks for it, as an incident keeps it.
    pub fn evidence(&self) -> Evidence {
        self.ground.into()
    }
}

/// Why a person has a slot cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// They want it.
    Person,
    /// A key of it is known to strangers: it is never to come back.
    Leak,
}

impl From<Ground> for Evidence {
    fn from(ground: Ground) -> Self {
        match ground {
            Ground::Person => Self::Person,
            Ground::Leak => Self::Leak,
        }
    }
}

/// Whose limits are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitedKeys {
    /// That of the key which agents fetch, whatever it is recorded as.
    Current,
    /// That of each key which agents may use, where it is recorded as another.
    InUse,
}

impl ActOrder {
    /// The acts by their names, as [`MonitorOrder::MARK`] has them.
    pub const ACTS: [&str; 6] = [
        "cut_off",
        "resume",
        "take_back",
        "set_limits",
        "ready_pool",
        "end_leaked",
    ];

    /// What the order is called.
    pub const fn act(&self) -> &'static str {
        match self {
            Self::CutOff(_) => "cut_off",
            Self::Resume { .. } => "resume",
            Self::TakeBack { .. } => "take_back",
            Self::SetLimits { .. } => "set_limits",
            Self::ReadyPool { .. } => "ready_pool",
            Self::EndLeaked { .. } => "end_leaked",
        }
    }

    /// The order as `control` of `stack` sends it.
    pub fn to_json(&self, stack: &StackName) -> Value {
        let mut order = json!(self);
        order["schema"] = json!(SCHEMA);
        order["stack"] = json!(stack);
        order
    }

    /// Reads what [`ActOrder::to_json`] made, and whose order it is.
    ///
    /// # Errors
    /// [`Unreadable`], if it is of another release or has not all of its fields.
    pub fn from_json(order: &Value) -> Result<(StackName, Self), Unreadable> {
        if order.get("schema").and_then(Value::as_u64) != Some(SCHEMA.into()) {
            return Err(Unreadable::Schema);
        }
        let stack = order.get("stack").and_then(Value::as_str);
        let stack = stack.and_then(|stack| stack.parse().ok());
        let stack = stack.ok_or(Unreadable::Field("stack"))?;
        // What is wrong with it is not said: it may hold a key.
        let read = Self::deserialize(order).map_err(|_| Unreadable::Field(MonitorOrder::MARK))?;
        Ok((stack, read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> [ActOrder; 6] {
        let slot: SlotName = "chat-eu".parse().unwrap();
        let until: Timestamp = "2026-11-27T12:05:00Z".parse().unwrap();
        let version: VersionId = "11111111-aaaa-4bbb-8ccc-000000000001.0".parse().unwrap();
        [
            ActOrder::CutOff(CutOff {
                slot: slot.clone(),
                trigger: TriggerId::new("leak@e1506fd5"),
                ground: Ground::Leak,
                cause: OutsideText::new("ana (leak): it stood in a gist"),
                seen: until,
            }),
            ActOrder::Resume {
                slot: slot.clone(),
                version: version.clone(),
                until,
            },
            ActOrder::TakeBack {
                slot: slot.clone(),
                version,
                until,
            },
            ActOrder::SetLimits {
                slot,
                epoch: Epoch(3),
                keys: LimitedKeys::InUse,
            },
            ActOrder::ReadyPool {
                account: "anthropic-main".parse().unwrap(),
                until,
            },
            ActOrder::EndLeaked {
                account: "anthropic-main".parse().unwrap(),
            },
        ]
    }

    #[test]
    fn each_order_is_read_as_it_was_sent() {
        let stack: StackName = "prod".parse().unwrap();
        for (order, act) in orders().into_iter().zip(ActOrder::ACTS) {
            let json = order.to_json(&stack);
            assert_eq!(json[MonitorOrder::MARK], act);
            assert_eq!(order.act(), act);
            assert_eq!(ActOrder::from_json(&json), Ok((stack.clone(), order)));
        }
    }

    #[test]
    fn an_order_that_lacks_a_field_is_none() {
        let stack: StackName = "prod".parse().unwrap();
        for order in orders() {
            let json = order.to_json(&stack);
            let fields: Vec<String> = json.as_object().unwrap().keys().cloned().collect();
            for field in fields {
                let mut less = json.clone();
                less.as_object_mut().unwrap().remove(&field);
                assert!(ActOrder::from_json(&less).is_err(), "{field} of {json}");
            }
        }
        let mut other = orders()[0].to_json(&stack);
        other["ground"] = json!("alarm");
        let refused = ActOrder::from_json(&other);
        assert_eq!(refused, Err(Unreadable::Field(MonitorOrder::MARK)));
    }
}
