//! What a message to the kill switch means, whatever carried it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SCHEMA;
use super::act_order::ActOrder;
use super::alarm::AlarmMessage;
use super::incident::Incident;
use super::names::{SlotName, StackName};
use super::slot::Epoch;
use super::text::{CleanText, OutsideText, without_keys};

/// The ARN of an SNS topic as a message or the configuration names it. Cleaning changes none that SNS gives: topic names
/// are 256 of a-z A-Z 0-9 - _ at most, <https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html>.
pub type TopicArn = CleanText<512>;

/// One message: one record of an event, or an event that is no list of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillMessage {
    /// How it came.
    pub source: Source,
    /// The id that SNS gave it, for people to find it by. Not what a change of an alarm is told apart by: a message that
    /// is published anew has another.
    pub id: Option<OutsideText>,
    /// What it says.
    pub content: Content,
}

/// How a message came. Lambda and SNS say so, not the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Through an SNS topic.
    Topic(TopicArn),
    /// The function was invoked with it: who may do that is up to IAM.
    Direct,
    /// By a way that is not meant to be there, as Lambda names it.
    Elsewhere(OutsideText),
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An alarm changed its state.
    Alarm(Box<AlarmMessage>),
    /// Somebody bills more than was expected.
    Notice(Notice),
    /// Somebody asks Keyward for an act.
    Order(Order),
    /// It could not be understood.
    Unreadable(Unreadable),
}

/// A notice about money that is many hours old when it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Of AWS Budgets.
    Budget {
        /// The budget's name.
        name: OutsideText,
        /// What it compares.
        basis: BudgetBasis,
    },
    /// Of AWS Cost Anomaly Detection, with its id.
    CostAnomaly(OutsideText),
}

/// What a budget compares with its amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetBasis {
    /// What was billed.
    Actual,
    /// What may come to be billed.
    Forecasted,
    /// The notice does not say.
    Unknown,
}

/// An act that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// A kill that the usage monitor asks for.
    Monitor(MonitorOrder),
    /// Going on with a kill that is not finished, which the usage monitor asks for.
    GoOn(GoOnOrder),
    /// What `control` of a stack has the kill switch do for a person.
    Control(StackName, Box<ActOrder>),
    /// An act of a person or a pipeline, by its name. These are taken by the function `control` only.
    Act(OutsideText),
}

/// A slot that was over its line for two minutes and has no open incident. As JSON, with [`MonitorOrder::MARK`] and the
/// schema beside its fields, it is what the monitor invokes the kill switch with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorOrder {
    /// The monitor's stack.
    pub stack: StackName,
    /// The slot to cut off.
    pub slot: SlotName,
    /// The slot's score in thousandths; from 1000 on it is to be cut off.
    pub score_thousandths: u32,
    /// When the monitor judged so.
    pub judged: Timestamp,
    /// What its line is made of.
    pub basis: Basis,
    /// The numbers, for people.
    pub reason: OutsideText,
}

/// What a slot's line is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// What the slot used before: statistics, for which a slot that only observes is not cut off.
    Usual,
    /// What its owner declared, or a limit: it holds from the first minute, whatever the slot's mode.
    Declared,
}

/// An incident that is not finished, and that nobody is at work on. It is sent as a [`MonitorOrder`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoOnOrder {
    /// The monitor's stack.
    pub stack: StackName,
    /// The incident's id.
    pub incident: OutsideText,
}

impl MonitorOrder {
    /// The field that marks an order to Keyward; its value names the act.
    pub const MARK: &str = "keyward";

    /// The act of the monitor's order.
    pub const ACT: &str = "kill";

    /// The order as the monitor sends it.
    pub fn to_json(&self) -> Value {
        let Self {
            stack,
            slot,
            score_thousandths,
            judged,
            basis,
            reason,
        } = self;
        serde_json::json!({
            Self::MARK: Self::ACT,
            "schema": SCHEMA,
            "stack": stack,
            "slot": slot,
            "score_thousandths": score_thousandths,
            "judged": judged,
            "basis": basis,
            "reason": reason,
        })
    }
}

impl GoOnOrder {
    /// The act of the order.
    pub const ACT: &str = "go_on";

    /// The order as the monitor sends it.
    pub fn to_json(&self) -> Value {
        let Self { stack, incident } = self;
        serde_json::json!({
            MonitorOrder::MARK: Self::ACT,
            "schema": SCHEMA,
            "stack": stack,
            "incident": incident,
        })
    }
}

impl Order {
    /// Reads an order from an object that has [`MonitorOrder::MARK`].
    ///
    /// # Errors
    /// [`Unreadable`], if it is of another release or has not all of its fields.
    pub fn from_json(order: &Value) -> Result<Self, Unreadable> {
        let act = order.get(MonitorOrder::MARK).and_then(Value::as_str);
        let act = act.ok_or(Unreadable::Field(MonitorOrder::MARK))?;
        if ActOrder::ACTS.contains(&act) {
            let (stack, order) = ActOrder::from_json(order)?;
            return Ok(Self::Control(stack, Box::new(order)));
        }
        if ![MonitorOrder::ACT, GoOnOrder::ACT].contains(&act) {
            return Ok(Self::Act(OutsideText::new(&without_keys(act))));
        }
        if order.get("schema").and_then(Value::as_u64) != Some(SCHEMA.into()) {
            return Err(Unreadable::Schema);
        }
        let field = |name: &'static str| order.get(name).unwrap_or(&Value::Null);
        let text = |name| field(name).as_str().ok_or(Unreadable::Field(name));
        let wrong = Unreadable::Field;
        if act == GoOnOrder::ACT {
            return Ok(Self::GoOn(GoOnOrder {
                stack: text("stack")?.parse().map_err(|_| wrong("stack"))?,
                incident: incident_id(text("incident")?).ok_or(wrong("incident"))?,
            }));
        }
        let score = field("score_thousandths").as_u64();
        Ok(Self::Monitor(MonitorOrder {
            stack: text("stack")?.parse().map_err(|_| wrong("stack"))?,
            slot: text("slot")?.parse().map_err(|_| wrong("slot"))?,
            score_thousandths: score
                .and_then(|score| score.try_into().ok())
                .ok_or(wrong("score_thousandths"))?,
            judged: text("judged")?.parse().map_err(|_| wrong("judged"))?,
            basis: Basis::deserialize(field("basis")).map_err(|_| wrong("basis"))?,
            reason: OutsideText::new(&without_keys(text("reason")?)),
        }))
    }
}

/// An incident's id, kept whole: a slot's name and an epoch, as [`Incident::id_of`] makes it.
fn incident_id(text: &str) -> Option<OutsideText> {
    let (slot, epoch) = text.rsplit_once('-')?;
    let slot: SlotName = slot.parse().ok()?;
    let id = Incident::id_of(&slot, Epoch(epoch.parse().ok()?));
    (id == text).then(|| OutsideText::new(text))
}

/// Why a message could not be understood. Nothing of the message is in it but its length, a field's name and a type: it
/// may hold a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It is text, but not JSON.
    #[error("it is plain text of {0} bytes, not JSON")]
    PlainText(usize),
    /// It is JSON, but not an object.
    #[error("it is JSON, but not an object")]
    NotAnObject,
    /// It is an object, but nothing that is known here.
    #[error("it is a JSON object, but no alarm and nothing else that is known")]
    UnknownShape,
    /// It is of a known kind that is no notification and no change of an alarm.
    #[error("it is of the kind `{0}`")]
    OtherKind(OutsideText),
    /// A field is missing or is not what it must be.
    #[error("its field `{0}` is missing or not what it must be")]
    Field(&'static str),
    /// It was written by another release.
    #[error("its schema is not one that this release reads")]
    Schema,
    /// It is longer than a message can be.
    #[error("it is {0} bytes long; a message has {max} at most", max = Unreadable::MAX_BYTES)]
    TooLong(usize),
    /// There are envelopes within envelopes.
    #[error("it is wrapped more often than {max} times", max = Unreadable::MAX_DEPTH)]
    TooDeep,
    /// There are more messages in the event than are read, or more parts in a message.
    #[error("it has more {0} than are read")]
    TooMany(&'static str),
}

impl Unreadable {
    /// A message published to SNS has at most so many bytes:
    /// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>.
    pub const MAX_BYTES: usize = 262_144;

    /// How many envelopes may stand around a message.
    pub const MAX_DEPTH: usize = 4;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> MonitorOrder {
        MonitorOrder {
            stack: "prod".parse().unwrap(),
            slot: "chat-eu".parse().unwrap(),
            score_thousandths: 2400,
            judged: "2026-11-25T15:00:00Z".parse().unwrap(),
            basis: Basis::Usual,
            reason: OutsideText::new("cost per hour 3.1 times the baseline"),
        }
    }

    #[test]
    fn the_monitors_order_is_read_as_it_was_sent() {
        let read = Order::from_json(&order().to_json());
        assert_eq!(read, Ok(Order::Monitor(order())));
        let go_on = GoOnOrder {
            stack: "prod".parse().unwrap(),
            incident: OutsideText::new("chat-eu-3"),
        };
        let read = Order::from_json(&go_on.to_json());
        assert_eq!(read, Ok(Order::GoOn(go_on.clone())));
        // An id is no key, however long: one that is shortened names nothing.
        let long = GoOnOrder {
            incident: OutsideText::new("support-bot-of-the-whole-of-europe-openrouter-117"),
            ..go_on
        };
        let read = Order::from_json(&long.to_json());
        assert_eq!(read, Ok(Order::GoOn(long)));
    }

    #[test]
    fn an_order_without_all_of_its_fields_is_none() {
        type Change = fn(&mut Value);
        let cases: [(Change, Unreadable); 12] = [
            (|o| o["schema"] = 2.into(), Unreadable::Schema),
            (|o| o["schema"] = "1".into(), Unreadable::Schema),
            (|o| o["keyward"] = true.into(), Unreadable::Field("keyward")),
            (|o| o["stack"] = Value::Null, Unreadable::Field("stack")),
            (|o| o["slot"] = "chat eu".into(), Unreadable::Field("slot")),
            (
                |o| o["score_thousandths"] = 2.4.into(),
                Unreadable::Field("score_thousandths"),
            ),
            (
                |o| o["score_thousandths"] = u64::MAX.into(),
                Unreadable::Field("score_thousandths"),
            ),
            (|o| o["judged"] = 1.into(), Unreadable::Field("judged")),
            (|o| o["reason"] = 1.into(), Unreadable::Field("reason")),
            (|o| o["basis"] = "hope".into(), Unreadable::Field("basis")),
            (
                |o| o["keyward"] = "go_on".into(),
                Unreadable::Field("incident"),
            ),
            (
                |o| {
                    o["keyward"] = "go_on".into();
                    o["incident"] = "chat-eu".into();
                },
                Unreadable::Field("incident"),
            ),
        ];
        for (change, expected) in cases {
            let mut order = order().to_json();
            change(&mut order);
            assert_eq!(Order::from_json(&order), Err(expected), "{order}");
        }
    }

    #[test]
    fn peoples_acts_are_named_and_nothing_more() {
        let leak = serde_json::json!({
            "keyward": "leak",
            "key": "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef",
        });
        assert_eq!(
            Order::from_json(&leak),
            Ok(Order::Act(OutsideText::new("leak")))
        );
    }
}
