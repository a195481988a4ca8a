//! What must be there before the events: slots, alarms with their tags and histories, and the map.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::alarm::{AlarmArn, AlarmMessage, AlarmState, Watches};
use keyward_core::model::fleet::Fleet;
use keyward_core::model::kill_order::{Content, KillMessage, Order, Source, TopicArn};
use keyward_core::model::names::SlotName;
use keyward_core::ports::{TAG_SLOT, TAG_STACK};
use keyward_core::rules::kill::Deployment;
use keyward_kill_switch::message::read;
use keyward_testkit::memory::MemoryAlarms;
use serde_json::{Map, Value, json};

use super::Alarms;
use crate::replay::error::Unsupported;
use crate::replay::rotation::{default_now, named};

/// Where a file that names no topic plays.
const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:llm-key-kill-switch";

/// The agent of an alarm on alarms, which shows none.
const OF_COMPOSITE: &str = "agent-billing";

/// An alarm that there is.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Alarm {
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    history: Vec<Entry>,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    at: Timestamp,
    state: String,
}

/// What must be there.
#[derive(Debug)]
pub(super) struct Seed {
    pub(super) fleet: String,
    pub(super) deployment: Deployment,
    pub(super) made_up: Vec<String>,
    alarms: BTreeMap<String, Alarm>,
    comes: Vec<Timestamp>,
}

impl Seed {
    pub(super) fn of(file: &Alarms, fleet: Option<&str>) -> Result<Self, Unsupported> {
        let events: Vec<Vec<KillMessage>> = file.events.iter().map(read).collect();
        let messages: Vec<&KillMessage> = events.iter().flatten().collect();
        let topic = messages.iter().find_map(|message| match &message.source {
            Source::Topic(topic) if topic.as_str().starts_with("arn:") => Some(topic.to_string()),
            _ => None,
        });
        let topic = topic.unwrap_or_else(|| TOPIC.to_owned());
        let place: Vec<&str> = topic.split(':').collect();
        let part = |at: usize| place.get(at).copied().unwrap_or_default().to_owned();
        let (region, account) = (part(3), part(4));
        let told: Vec<&AlarmMessage> = messages.iter().filter_map(|m| alarm_in(m)).collect();
        let (slots, made_up_fleet) = match fleet {
            Some(text) => (slots_in(text)?, None),
            None => {
                let names = names(file, &messages, &told);
                (
                    names.iter().map(|n| (n.clone(), n.clone())).collect(),
                    Some(fleet_of(&names)),
                )
            }
        };
        let mut made_up = vec!["every slot enforces".to_owned()];
        let map = match &file.alarm_map {
            Some(map) => map.clone(),
            None => made_up_map(&told, &slots, &mut made_up),
        };
        let entry = |(alarm, slot): (&String, &Value)| {
            let slot: SlotName = slot.as_str()?.parse().ok()?;
            Some((alarm.clone(), slot))
        };
        let entries: Option<Vec<(String, SlotName)>> = map.iter().map(entry).collect();
        let entries = entries.ok_or(Unsupported::Field {
            field: "alarm_map",
            why: "an object of alarms and the slots that they cut off",
        })?;
        let stack = stack_in(&told, &messages);
        let alarms = match &file.alarms {
            Some(alarms) => given(alarms)?,
            None => {
                made_up
                    .push("CloudWatch's alarms, with a history of what the file tells".to_owned());
                made_up_alarms(&told, &stack)
            }
        };
        Ok(Self {
            fleet: made_up_fleet.unwrap_or_else(|| fleet.unwrap_or_default().to_owned()),
            deployment: Deployment {
                account,
                region,
                stack: stack
                    .parse()
                    .map_err(|_| Unsupported::Unknown("a stack without a name"))?,
                topic: TopicArn::new(&topic),
                map: entries.into_iter().collect(),
            },
            made_up,
            alarms,
            comes: events.iter().map(|messages| came(messages)).collect(),
        })
    }

    /// When an event comes: a second after the latest change that it tells of.
    pub(super) fn comes(&self, number: usize) -> Timestamp {
        self.comes.get(number).copied().unwrap_or_else(default_now)
    }

    /// Makes the alarms.
    pub(super) fn fill(&self, alarms: &MemoryAlarms) {
        for (arn, alarm) in &self.alarms {
            let Ok(arn) = arn.parse::<AlarmArn>() else {
                continue;
            };
            let tags = alarm.tags.iter();
            let tags: Vec<(&str, &str)> = tags.map(|(k, v)| (k.as_str(), v.as_str())).collect();
            alarms.make(&arn, &tags);
            for entry in &alarm.history {
                alarms.change(&arn, entry.at, AlarmState::new(&entry.state));
            }
        }
    }
}

fn alarm_in(message: &KillMessage) -> Option<&AlarmMessage> {
    match &message.content {
        Content::Alarm(alarm) => Some(alarm),
        _ => None,
    }
}

fn came(messages: &[KillMessage]) -> Timestamp {
    let times = messages
        .iter()
        .filter_map(|message| match &message.content {
            Content::Alarm(alarm) => Some(alarm.transition.changed()),
            Content::Order(Order::Monitor(order)) => Some(order.judged),
            _ => None,
        });
    let latest = times.max().unwrap_or_else(default_now);
    // Times beyond reason are not lived through.
    let sensible = default_now() - SignedDuration::from_hours(24 * 30);
    let latest = latest.clamp(
        sensible,
        default_now() + SignedDuration::from_hours(24 * 60),
    );
    latest + SignedDuration::from_secs(1)
}

/// The value of a dimension of any of an alarm's metrics.
fn dimension<'a>(alarm: &'a AlarmMessage, name: &str) -> Option<&'a str> {
    let Watches::Metrics(metrics) = &alarm.watches else {
        return None;
    };
    let mut dimensions = metrics.iter().flat_map(|metric| &metric.dimensions);
    let found = dimensions.find(|dimension| dimension.name.as_str() == name)?;
    Some(found.value.as_str())
}

/// Whose alarm it is, by the dimensions that the files use.
fn agent_of(alarm: &AlarmMessage) -> Option<&str> {
    match &alarm.watches {
        Watches::Alarms => Some(OF_COMPOSITE),
        Watches::Metrics(_) => dimension(alarm, "Agent"),
    }
}

fn stack_in(told: &[&AlarmMessage], messages: &[&KillMessage]) -> String {
    let of_alarm = told.iter().find_map(|alarm| dimension(alarm, "Stack"));
    let of_order = messages.iter().find_map(|message| match &message.content {
        Content::Order(Order::Monitor(order)) => Some(order.stack.as_str()),
        _ => None,
    });
    of_alarm.or(of_order).unwrap_or("prod").to_owned()
}

/// The slots that the file names; one that nobody names if there are none.
fn names(file: &Alarms, messages: &[&KillMessage], told: &[&AlarmMessage]) -> Vec<String> {
    let mut names = BTreeSet::new();
    names.extend(file.agents.iter().cloned());
    for alarm in told {
        let named = [agent_of(alarm), dimension(alarm, "Slot")];
        names.extend(named.into_iter().flatten().map(str::to_owned));
    }
    for message in messages {
        if let Content::Order(Order::Monitor(order)) = &message.content {
            names.insert(order.slot.to_string());
        }
    }
    let mapped = file.alarm_map.iter().flat_map(Map::values);
    names.extend(mapped.filter_map(|slot| slot.as_str().map(str::to_owned)));
    names.retain(|name| name.parse::<SlotName>().is_ok());
    if names.is_empty() {
        names.insert(OF_COMPOSITE.to_owned());
    }
    names.into_iter().collect()
}

fn fleet_of(names: &[String]) -> String {
    let mut fleet = json!({
        "version": 1,
        "accounts": {"openrouter-main": {"provider": "openrouter"}},
        "agents": {},
        "slots": {},
    });
    for name in names {
        fleet["agents"][name] = json!({"owner": "ana@example.com", "environment": "prod"});
        fleet["slots"][name] = json!({
            "agent": name, "account": "openrouter-main",
            "secret": named(&format!("llm/openrouter/{name}")),
            "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000},
        });
    }
    fleet.to_string()
}

/// Agents and their first slots in a fleet.
fn slots_in(fleet: &str) -> Result<BTreeMap<String, String>, Unsupported> {
    let refused = |e: keyward_core::model::fleet::FleetError| {
        Unsupported::Fleet(e.to_string().replace('\n', " "))
    };
    let planned = Fleet::from_json(fleet).and_then(|fleet| fleet.check());
    let mut slots = BTreeMap::new();
    for slot in planned.map_err(refused)? {
        slots
            .entry(slot.entry.agent.to_string())
            .or_insert(slot.name.to_string());
    }
    Ok(slots)
}

/// An alarm that shows an agent cuts off the agent's slot.
fn made_up_map(
    told: &[&AlarmMessage],
    slots: &BTreeMap<String, String>,
    made_up: &mut Vec<String>,
) -> Map<String, Value> {
    let mut map = Map::new();
    for alarm in told {
        if let Some(slot) = agent_of(alarm).and_then(|agent| slots.get(agent)) {
            let name = alarm.transition.alarm().name();
            if map.insert(name.to_owned(), json!(slot)).is_none() {
                let shown = keyward_core::model::text::OutsideText::new(name);
                made_up.push(format!("the map names {slot} for the alarm {shown}"));
            }
        }
    }
    map
}

fn given(alarms: &Map<String, Value>) -> Result<BTreeMap<String, Alarm>, Unsupported> {
    let wrong = Unsupported::Field {
        field: "alarms",
        why: "alarms by ARN, each with tags and a history of times and states",
    };
    let read = |(arn, alarm): (&String, &Value)| {
        arn.parse::<AlarmArn>().ok()?;
        let alarm = serde_json::from_value(alarm.clone()).ok()?;
        Some((arn.clone(), alarm))
    };
    let all: Option<_> = alarms.iter().map(read).collect();
    all.ok_or(wrong)
}

/// Alarms of Keyward's are tagged as it tags them, others not at all.
fn made_up_alarms(told: &[&AlarmMessage], stack: &str) -> BTreeMap<String, Alarm> {
    let mut alarms = BTreeMap::<String, Alarm>::new();
    for message in told {
        let arn = message.transition.alarm();
        let alarm = alarms.entry(arn.to_string()).or_default();
        if let Some(slot) = dimension(message, "Slot") {
            alarm.tags.insert(TAG_STACK.to_owned(), stack.to_owned());
            alarm.tags.insert(TAG_SLOT.to_owned(), slot.to_owned());
        }
        let state = match &message.new_state {
            AlarmState::Ok => "OK",
            AlarmState::Alarm => "ALARM",
            AlarmState::InsufficientData => "INSUFFICIENT_DATA",
            AlarmState::Other(other) => other.as_str(),
        };
        alarm.history.push(Entry {
            at: message.transition.changed(),
            state: state.to_owned(),
        });
    }
    alarms
}
