//! What an event asks for. It is read whole or refused: nobody is offboarded by half of a message.

use jiff::Timestamp;
use keyward_core::model::SCHEMA;
use keyward_core::model::act::CallerArn;
use keyward_core::model::incident::TriggerId;
use keyward_core::model::kill_order::MonitorOrder;
use keyward_core::model::names::{AgentName, Reader};
use keyward_core::model::offboarding::{AskedFor, Leaver, OffboardingId, Person};
use keyward_core::model::text::{OutsideText, without_keys};
use keyward_core::rules::offboard::OffboardOrder;
use keyward_core::rules::secret_change::{self, Record, SecretChange, Unreadable};
use keyward_lambda::config::Senders;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The detail-type of an event that says that an agent is given up.
pub const AGENT_DECOMMISSIONED: &str = "Agent Decommissioned";

/// The detail-type of an event that says that a person has left.
pub const PERSON_LEFT: &str = "Person Left";

/// The detail of an event that says that an agent is given up: all of its keys end for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentDecommissioned {
    /// The form of this detail: 1.
    #[schemars(extend("const" = 1))]
    pub schema: u32,
    /// The agent, as the fleet file has it.
    pub agent: AgentName,
    /// Why, for the record.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub reason: OutsideText,
}

/// The detail of an event that says that a person has left: their keys are replaced, and what they answered for is handed
/// over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonLeft {
    /// The form of this detail: 1.
    #[schemars(extend("const" = 1))]
    pub schema: u32,
    /// The person, as the fleet file's owners have them, or an IAM user's ARN.
    pub person: Reader,
    /// Further names of the same person: ARNs of IAM users, names of sessions. Eight at most.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub also: Vec<Reader>,
    /// Why, for the record.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub reason: OutsideText,
}

/// The detail of either kind of event.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Detail {
    Agent(AgentDecommissioned),
    Person(PersonLeft),
}

/// The JSON Schema of an event's detail.
pub fn event_schema() -> Value {
    schemars::schema_for!(Detail).to_value()
}

/// What an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Carry on whatever is due: the schedule's.
    Due,
    /// Go on with a case: what `control` sends.
    GoOn(OffboardingId),
    /// Somebody leaves.
    Left(Box<OffboardOrder>),
    /// Somebody changed a secret, by the event of this id.
    SecretChanged(Box<SecretChange>, TriggerId),
    /// A call that changed nothing that matters here.
    Nothing,
}

/// Why an event is refused. Nothing of it is in the words but what was cleaned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is none of those that are taken.
    #[error("it is no event of EventBridge, no order and not the schedule's")]
    NoEvent,
    /// It is for another stack.
    #[error("it is an order for another stack, or of another release")]
    OtherStack,
    /// It comes from an account that is not named.
    #[error("it comes from the account `{0}`, which is not one of those that may send them")]
    Account(OutsideText),
    /// Its source is not one of those that are taken.
    #[error("its source is `{0}`, which is not one of those that are taken")]
    Source(OutsideText),
    /// Its detail-type is not known.
    #[error("its detail-type is `{0}`; taken are `{AGENT_DECOMMISSIONED}` and `{PERSON_LEFT}`")]
    DetailType(OutsideText),
    /// It is a record of CloudTrail that cannot be read: a secret may have been changed.
    #[error(transparent)]
    Record(#[from] Unreadable),
    /// It has no id.
    #[error("it has no id, by which it would be known when it comes again")]
    NoId,
    /// The detail is not of this form.
    #[error("its detail's schema is not 1")]
    Schema,
    /// The detail lacks something, has too much, or a name in it cannot be one.
    #[error("its detail is not what {0} has: see functions/offboard/event.schema.json")]
    Detail(&'static str),
}

/// Reads an event that came at `now`.
///
/// # Errors
/// [`Refused`].
pub fn read(event: &Value, senders: &Senders, now: Timestamp) -> Result<Event, Refused> {
    if event["offboard"] == "due" && event.get("detail-type").is_none() {
        return Ok(Event::Due);
    }
    if event.get(MonitorOrder::MARK).is_some() && event.get("detail-type").is_none() {
        return order_of_control(event, senders);
    }
    let text = |name: &str| event[name].as_str().map(shown);
    let (Some(account), Some(source), Some(kind)) =
        (text("account"), text("source"), text("detail-type"))
    else {
        return Err(Refused::NoEvent);
    };
    if source.as_str() == secret_change::SOURCE {
        return of_cloudtrail(event, senders);
    }
    if !senders.accounts.contains(account.as_str()) {
        return Err(Refused::Account(account));
    }
    if !senders.sources.contains(source.as_str()) {
        return Err(Refused::Source(source));
    }
    let id = text("id").filter(|id| !id.as_str().is_empty());
    let id = id.ok_or(Refused::NoId)?;
    let detail = &event["detail"];
    let (leaver, reason) = match kind.as_str() {
        AGENT_DECOMMISSIONED => {
            let read: AgentDecommissioned = detail_of(detail, AGENT_DECOMMISSIONED)?;
            (Leaver::Agent(read.agent), read.reason)
        }
        PERSON_LEFT => {
            let read: PersonLeft = detail_of(detail, PERSON_LEFT)?;
            if read.also.len() > Person::MAX_OTHERS {
                return Err(Refused::Detail(PERSON_LEFT));
            }
            let person = Person {
                name: read.person,
                also: read.also,
            };
            (Leaver::Person(person), read.reason)
        }
        _ => return Err(Refused::DetailType(kind)),
    };
    Ok(Event::Left(Box::new(OffboardOrder {
        leaver,
        asked: AskedFor {
            request: TriggerId::new(&format!("event {id}")),
            by: CallerArn::new(&format!("{source} of account {account}")),
            reason: OutsideText::new(&without_keys(reason.as_str())),
            at: now,
        },
    })))
}

/// A record of a call to Secrets Manager. Nobody but AWS can put one on a bus.
fn of_cloudtrail(event: &Value, senders: &Senders) -> Result<Event, Refused> {
    let Record::Changed(change) = secret_change::read(event, &senders.account)? else {
        return Ok(Event::Nothing);
    };
    let id = event["id"].as_str().filter(|id| !id.is_empty());
    let id = shown(id.ok_or(Refused::NoId)?);
    let request = TriggerId::new(&format!("event {id}"));
    Ok(Event::SecretChanged(Box::new(change), request))
}

fn shown(text: &str) -> OutsideText {
    OutsideText::new(&without_keys(text))
}

fn detail_of<T: DeserializeOwned>(detail: &Value, kind: &'static str) -> Result<T, Refused> {
    if detail["schema"].as_u64() != Some(SCHEMA.into()) {
        return Err(Refused::Schema);
    }
    // What is wrong with it is not said: it may hold a key.
    T::deserialize(detail).map_err(|_| Refused::Detail(kind))
}

/// `{"keyward": "offboard", "schema": 1, "stack": …, "case": …}`.
fn order_of_control(order: &Value, senders: &Senders) -> Result<Event, Refused> {
    let is_ours = order[MonitorOrder::MARK] == "offboard"
        && order["schema"].as_u64() == Some(SCHEMA.into())
        && order["stack"] == senders.stack.as_str();
    if !is_ours {
        return Err(Refused::OtherStack);
    }
    let case = order["case"].as_str().and_then(OffboardingId::parse);
    case.map(Event::GoOn).ok_or(Refused::NoEvent)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn senders() -> Senders {
        Senders {
            account: "111122223333".to_owned(),
            stack: "prod".parse().unwrap(),
            accounts: BTreeSet::from(["111122223333".to_owned(), "444455556666".to_owned()]),
            sources: BTreeSet::from(["keyward.offboard".to_owned()]),
        }
    }

    fn now() -> Timestamp {
        "2026-12-01T09:00:00Z".parse().unwrap()
    }

    fn event() -> Value {
        json!({
            "version": "0", "id": "0d079340-135a-c8c6-95c2-41fb8f496c53",
            "detail-type": "Person Left", "source": "keyward.offboard",
            "account": "444455556666", "time": "2026-12-01T08:59:58Z", "region": "eu-central-1",
            "resources": [],
            "detail": {"schema": 1, "person": "ana@example.com",
                "also": ["arn:aws:iam::444455556666:user/ana"], "reason": "ticket 7"},
        })
    }

    #[test]
    fn both_kinds_of_leaving_are_read_whole() {
        let Ok(Event::Left(order)) = read(&event(), &senders(), now()) else {
            panic!()
        };
        let Leaver::Person(person) = &order.leaver else {
            panic!()
        };
        assert_eq!(person.names().count(), 2);
        assert_eq!(
            order.asked.by.as_str(),
            "keyward.offboard of account 444455556666"
        );
        assert_eq!(order.asked.reason.as_str(), "ticket 7");
        let mut agent = event();
        agent["detail-type"] = json!(AGENT_DECOMMISSIONED);
        agent["detail"] = json!({"schema": 1, "agent": "support-bot"});
        let Ok(Event::Left(order)) = read(&agent, &senders(), now()) else {
            panic!()
        };
        assert_eq!(order.leaver, Leaver::Agent("support-bot".parse().unwrap()));
    }

    #[test]
    fn what_is_wrong_anywhere_is_refused() {
        type Edit = fn(&mut Value);
        let edits: [(&str, Edit); 17] = [
            ("account", |e| e["account"] = json!("999900001111")),
            ("account", |e| {
                drop(e.as_object_mut().unwrap().remove("account"))
            }),
            ("source", |e| e["source"] = json!("aws.ec2")),
            ("source", |e| e["source"] = json!(["keyward.offboard"])),
            ("detail-type", |e| e["detail-type"] = json!("Person left")),
            ("detail-type", |e| {
                drop(e.as_object_mut().unwrap().remove("detail-type"))
            }),
            ("id", |e| drop(e.as_object_mut().unwrap().remove("id"))),
            ("id", |e| e["id"] = json!("")),
            ("detail", |e| e["detail"] = json!("ana@example.com")),
            ("schema", |e| e["detail"]["schema"] = json!(2)),
            ("person", |e| e["detail"]["person"] = json!("ana example")),
            ("person", |e| {
                drop(e["detail"].as_object_mut().unwrap().remove("person"))
            }),
            ("also", |e| e["detail"]["also"] = json!(["ana*"])),
            ("also", |e| e["detail"]["also"] = json!(vec!["a"; 9])),
            ("unknown", |e| e["detail"]["agnet"] = json!("support-bot")),
            ("of the other kind", |e| {
                e["detail-type"] = json!(AGENT_DECOMMISSIONED)
            }),
            ("the schedule's words in it", |e| {
                e["offboard"] = json!("due");
                e["source"] = json!("somebody");
            }),
        ];
        for (name, edit) in edits {
            let mut event = event();
            edit(&mut event);
            assert!(read(&event, &senders(), now()).is_err(), "{name}: {event}");
        }
        for none in [
            json!(null),
            json!({}),
            json!([]),
            json!("due"),
            json!({"offboard": true}),
        ] {
            assert_eq!(
                read(&none, &senders(), now()),
                Err(Refused::NoEvent),
                "{none}"
            );
        }
    }

    #[test]
    fn a_refusal_shows_no_key() {
        let mut event = event();
        event["source"] =
            json!("sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef0123456789abcdef01");
        let refused = read(&event, &senders(), now()).unwrap_err().to_string();
        assert!(!refused.contains("0123456789abcdef"), "{refused}");
    }

    #[test]
    fn orders_are_of_this_stack_alone() {
        assert_eq!(
            read(&json!({"offboard": "due"}), &senders(), now()),
            Ok(Event::Due)
        );
        let order = |stack: &str| json!({"keyward": "offboard", "schema": 1, "stack": stack, "case": "agent-bot-1"});
        let id = OffboardingId::parse("agent-bot-1").unwrap();
        assert_eq!(read(&order("prod"), &senders(), now()), Ok(Event::GoOn(id)));
        assert_eq!(
            read(&order("dev"), &senders(), now()),
            Err(Refused::OtherStack)
        );
        let mut other = order("prod");
        other["case"] = json!("Agent Bot");
        assert_eq!(read(&other, &senders(), now()), Err(Refused::NoEvent));
    }
}
