//! Messages to the kill switch. Whatever comes in, nothing is killed unless the input itself holds every part of a valid
//! order: that is looked for here in another way than the reader's.

use std::path::Path;

use jiff::Timestamp;
use keyward_core::model::kill_order::{Basis, KillMessage, MonitorOrder, TopicArn};
use keyward_core::model::names::SlotName;
use keyward_core::model::text::OutsideText;
use keyward_core::rules::kill::{
    AlarmCheck, AlarmMap, Decision, Deployment, History, Kill, KillFacts, Trigger, judge,
};
use keyward_kill_switch::message::read;
use serde_json::{Value, json};

use super::{Parsed, Parser, Seeds, Target};

const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:llm-key-kill-switch";
const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";
const STACK: &str = "prod";

/// Alarms of others that the map names, with their slots.
const MAP: [(&str, &str); 3] = [
    ("agent-billing-spend", "agent-billing"),
    ("agent-billing-composite", "agent-billing"),
    ("agent-chat-spend", "agent-chat"),
];

/// Keys that people may paste into a message.
const SECRETS: [&str; 2] = [
    "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef0123456789abcdef",
    "ADMIN-EXAMPLE-0f1e2d3c4b5a69788796a5b4c3d2e1f0",
];

/// Messages nest no deeper than the reader looks, and a little more.
const DEPTH: usize = 12;

/// The reader and the rules behind it, with the field cases in `cases` as seeds.
///
/// # Errors
/// The cases cannot be read.
pub fn kill_switch(cases: &Path) -> Result<Target, Box<dyn std::error::Error>> {
    let mut seeds = Seeds::default();
    for kind in ["alarms", "security"] {
        let folder = cases.join(kind);
        seeds.folder(&folder)?;
        for entry in std::fs::read_dir(&folder)? {
            let text = std::fs::read_to_string(entry?.path())?;
            inner(&serde_json::from_str(&text)?, &mut seeds);
        }
    }
    seeds.document(&order().to_json());
    seeds.document(&own_alarm());
    let secrets: Vec<String> = SECRETS.iter().map(|&s| s.to_owned()).collect();
    let checks: [(&'static str, AlarmCheck); 6] = [
        ("of ours", ours(History::HoldsTransition)),
        (
            "of ours, not in its history",
            ours(History::LacksTransition),
        ),
        (
            "of others",
            AlarmCheck::NotOurs {
                history: History::HoldsTransition,
            },
        ),
        (
            "of others, not in its history",
            AlarmCheck::NotOurs {
                history: History::LacksTransition,
            },
        ),
        ("not there", AlarmCheck::NotThere),
        ("not answered for", AlarmCheck::CouldNotAsk),
    ];
    let parsers = checks.map(|(name, check)| Parser {
        name,
        parse: Box::new(move |_, body| parse(body, &check)),
    });
    Ok(Target {
        name: "kill-switch".to_owned(),
        seeds: seeds.planted(&secrets),
        secrets,
        parsers: parsers.into(),
    })
}

/// The documents that stand as text in a document: what envelopes carry.
fn inner(value: &Value, seeds: &mut Seeds) {
    match value {
        Value::String(text) => {
            if let Ok(document @ Value::Object(_)) = serde_json::from_str(text) {
                seeds.document(&document);
                inner(&document, seeds);
            }
        }
        Value::Array(list) => list.iter().for_each(|v| inner(v, seeds)),
        Value::Object(fields) => fields.values().for_each(|v| inner(v, seeds)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn ours(history: History) -> AlarmCheck {
    AlarmCheck::Ours {
        slot: slot("agent-billing"),
        history,
    }
}

#[expect(clippy::unwrap_used, reason = "the names above are valid")]
fn slot(name: &str) -> SlotName {
    name.parse().unwrap()
}

#[expect(clippy::unwrap_used, reason = "a valid time")]
fn now() -> Timestamp {
    "2026-11-25T15:30:00Z".parse().unwrap()
}

#[expect(clippy::unwrap_used, reason = "a valid name")]
fn deployment() -> Deployment {
    let map = MAP.map(|(alarm, name)| (alarm.to_owned(), slot(name)));
    Deployment {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        stack: STACK.parse().unwrap(),
        topic: TopicArn::new(TOPIC),
        map: AlarmMap::from_iter(map),
    }
}

#[expect(clippy::unwrap_used, reason = "a valid name")]
fn order() -> MonitorOrder {
    MonitorOrder {
        stack: STACK.parse().unwrap(),
        slot: slot("agent-chat"),
        score_thousandths: 1200,
        judged: now(),
        basis: Basis::Usual,
        reason: OutsideText::new("cost per hour 3.1 times the baseline"),
    }
}

/// An alarm as Keyward makes them, from its topic.
fn own_alarm() -> Value {
    let dimensions = json!([
        {"name": "Stack", "value": STACK}, {"name": "Slot", "value": "agent-billing"},
    ]);
    let message = json!({
        "AlarmName": "keyward-prod-kill-agent-billing",
        "AlarmArn": "arn:aws:cloudwatch:us-east-1:111122223333:alarm:keyward-prod-kill-agent-billing",
        "AWSAccountId": ACCOUNT,
        "NewStateValue": "ALARM", "OldStateValue": "OK",
        "NewStateReason": "Threshold Crossed", "StateChangeTime": "2026-11-25T15:20:00.000+0000",
        "Trigger": {"MetricName": "KillScore", "Namespace": "Keyward", "Dimensions": dimensions},
    });
    json!({"Records": [{"EventSource": "aws:sns", "Sns": {
        "Type": "Notification", "MessageId": "aaaaaaaa-0000-5000-8000-000000000001",
        "TopicArn": TOPIC, "Message": message.to_string(),
    }}]})
}

fn parse(body: &[u8], check: &AlarmCheck) -> Parsed {
    let Ok(event) = serde_json::from_slice::<Value>(body) else {
        return Parsed {
            whole: "no JSON: Lambda hands on none".to_owned(),
            printed: String::new(),
            wrong: None,
        };
    };
    let deployment = deployment();
    let facts = KillFacts {
        deployment: &deployment,
        check,
        now: now(),
    };
    let messages = read(&event);
    let mut parsed = Parsed {
        whole: String::new(),
        printed: String::new(),
        wrong: messages.is_empty().then(|| "an event vanished".to_owned()),
    };
    for message in &messages {
        let decision = judge(message, &facts);
        parsed.whole += &way(&decision);
        parsed.printed += &said(message, &decision);
        if let Decision::Kill(kill) = &decision
            && let Err(why) = is_right(&event, message, kill, check)
        {
            parsed.wrong = Some(why);
        }
    }
    parsed
}

/// What was decided, without its texts.
fn way(decision: &Decision) -> String {
    match decision {
        Decision::Kill(kill) => format!("kill by {:?}; ", kill.evidence),
        Decision::GoOn(_) => "go on; ".to_owned(),
        Decision::CarryOut(order) => format!("{}; ", order.act()),
        Decision::AlertOnly(alert) => {
            format!("{:?}: {}; ", alert.kind, alert.why.as_str().len() / 16)
        }
    }
}

/// What goes into logs and alerts.
fn said(message: &KillMessage, decision: &Decision) -> String {
    let text = match decision {
        Decision::Kill(kill) => kill.cause.as_str(),
        Decision::GoOn(incident) => incident.as_str(),
        Decision::CarryOut(order) => return format!("{order:?} {:?}\n", message.id),
        Decision::AlertOnly(alert) => alert.why.as_str(),
    };
    format!("{text} {:?}\n", message.id)
}

/// Whether the event holds every part of a valid order for this kill.
fn is_right(
    event: &Value,
    message: &KillMessage,
    kill: &Kill,
    check: &AlarmCheck,
) -> Result<(), String> {
    let mut all = Vec::new();
    pairs(event, "", 0, &mut all);
    let holds = |value: &str| all.iter().any(|(_, v)| v == value);
    let names = |value: &str| all.iter().any(|(k, v)| k == "name" && v == value);
    let require = |holds: bool, what: &str| match holds {
        true => Ok(()),
        false => Err(format!(
            "a kill of `{}` without {what}: {message:?}",
            kill.slot
        )),
    };
    let age = now().duration_since(kill.trigger.seen()).as_secs();
    require((-300..3600).contains(&age), "a fresh time")?;
    let Trigger::Alarm(transition) = &kill.trigger else {
        require(holds(STACK), "the stack")?;
        require(holds("kill"), "the order's mark")?;
        return require(holds(kill.slot.as_str()), "the slot");
    };
    let arn = transition.alarm();
    require(holds("ALARM"), "the state ALARM")?;
    require(holds(&arn.to_string()), "the alarm's ARN")?;
    require(
        (arn.account(), arn.region()) == (ACCOUNT, REGION),
        "our account and region",
    )?;
    let is_mapped = MAP.iter().any(|(alarm, slot)| {
        (arn.name() == *alarm || arn.to_string() == *alarm) && kill.slot.as_str() == *slot
    });
    let is_dimension = holds(kill.slot.as_str())
        && holds(STACK)
        && (names("Slot") || all.iter().any(|(k, _)| k == "slot"));
    require(is_mapped || is_dimension, "a dimension or the map")?;
    let has_topic = all.iter().any(|(k, _)| k == "topicarn" || k == "sns");
    require(!has_topic || holds(TOPIC), "our topic")?;
    match check {
        AlarmCheck::Ours {
            history: History::HoldsTransition,
            slot,
        } => require(*slot == kill.slot, "the tag's slot"),
        AlarmCheck::NotOurs {
            history: History::HoldsTransition,
        } => require(is_mapped, "the map"),
        AlarmCheck::CouldNotAsk => {
            let own = format!("keyward-{STACK}-kill-{}", kill.slot);
            require(is_mapped || arn.name() == own, "a name of ours")
        }
        AlarmCheck::Ours { .. } | AlarmCheck::NotOurs { .. } | AlarmCheck::NotThere => {
            require(false, "CloudWatch's word")
        }
    }
}

/// Every text of a document with the name of its field in lower case, those in texts that are JSON included.
fn pairs(value: &Value, key: &str, depth: usize, all: &mut Vec<(String, String)>) {
    if depth > DEPTH {
        return;
    }
    match value {
        Value::String(text) => {
            all.push((key.to_owned(), text.clone()));
            if let Ok(inner) = serde_json::from_str::<Value>(text) {
                pairs(&inner, key, depth + 1, all);
            }
        }
        Value::Array(list) => {
            for value in list {
                pairs(value, key, depth, all);
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = key.to_ascii_lowercase();
                all.push((key.clone(), String::new()));
                pairs(value, &key, depth, all);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use keyward_core::rules::kill::Evidence;

    use super::*;

    fn kill_of(event: &Value, check: &AlarmCheck) -> (KillMessage, Kill) {
        let deployment = deployment();
        let facts = KillFacts {
            deployment: &deployment,
            check,
            now: now(),
        };
        let message = read(event).remove(0);
        match judge(&message, &facts) {
            Decision::Kill(kill) => (message, kill),
            other => panic!("{other:?}"),
        }
    }

    /// What would go unseen if the judgement here were too lenient.
    #[test]
    fn a_kill_that_its_message_does_not_bear_out_is_wrong() {
        let check = ours(History::HoldsTransition);
        let event = own_alarm();
        let (message, kill) = kill_of(&event, &check);
        assert_eq!(is_right(&event, &message, &kill, &check), Ok(()));
        let other = Kill {
            slot: slot("agent-chat"),
            ..kill.clone()
        };
        assert!(is_right(&event, &message, &other, &check).is_err());
        for lacks in [AlarmCheck::NotThere, ours(History::LacksTransition)] {
            assert!(is_right(&event, &message, &kill, &lacks).is_err());
        }
        let text = event.to_string();
        for (from, to) in [
            ("ALARM", "OK"),
            ("llm-key-kill-switch", "another"),
            ("\\\"Slot\\\"", "\\\"Agent\\\""),
            ("111122223333", "999999999999"),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text, "{from}");
            let event = serde_json::from_str(&changed).unwrap();
            assert!(is_right(&event, &message, &kill, &check).is_err(), "{from}");
        }
        let order = order().to_json();
        let (message, kill) = kill_of(&order, &AlarmCheck::CouldNotAsk);
        assert_eq!(kill.evidence, Evidence::Monitor);
        assert_eq!(is_right(&order, &message, &kill, &check), Ok(()));
        assert!(is_right(&json!({}), &message, &kill, &check).is_err());
    }
}
