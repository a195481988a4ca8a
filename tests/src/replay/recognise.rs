//! What a file is, by its fields.

use serde_json::Value;

use super::error::Unsupported;

/// The forms that can be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Alarm,
    AlarmWith,
    Alarms,
    BareEvent,
    Rotation,
    Sequence,
    Watch,
    Timeline,
    ServiceAccount,
    AfterDelete,
    NotFound,
    Busy,
    Suspend,
    CreateRefused,
    Verdicts,
    Vanished,
    Full,
    Remembered,
    KeyInfo,
    Operation,
    GoogleKeys,
    Pair,
    BadKeyName,
}

const MONITOR: &str = "the usage monitor";
const AUDIT: &str = "the audit";

/// What the file is.
pub(super) fn recognise(value: &Value) -> Result<Kind, Unsupported> {
    match value {
        Value::Object(_) => object(value),
        Value::Array(entries) => list(entries),
        Value::String(_) => Err(Unsupported::Unknown("a string")),
        Value::Number(_) => Err(Unsupported::Unknown("a number")),
        Value::Bool(_) => Err(Unsupported::Unknown("true or false")),
        Value::Null => Err(Unsupported::Unknown("null")),
    }
}

fn object(value: &Value) -> Result<Kind, Unsupported> {
    let has = |field: &str| value.get(field).is_some();
    if wakes_kill_switch(value) {
        return Ok(Kind::Alarm);
    }
    if let Some(later) = later(value) {
        return Err(later);
    }
    if has("Step") {
        return Ok(Kind::BareEvent);
    }
    if has("event") {
        return event(&value["event"]);
    }
    if has("sequence") {
        return match &value["sequence"] {
            Value::Array(_) => Ok(Kind::Sequence),
            _ => Err(Unsupported::Field {
                field: "sequence",
                why: "a list that begins with an event",
            }),
        };
    }
    let kinds = [
        (has("describe_secret"), Kind::Watch),
        (has("scheduled"), Kind::Timeline),
        (
            value["object"] == "organization.project.service_account",
            Kind::ServiceAccount,
        ),
        (has("delete") && has("probe_status"), Kind::AfterDelete),
        (has("delete") && has("list_with_key"), Kind::NotFound),
        (
            has("response") && is_suspension(&value["request"]),
            Kind::Suspend,
        ),
        (
            value["request"]["method"] == "POST" && value["status"] == 405,
            Kind::CreateRefused,
        ),
        (has("inventory") && has("provider_list"), Kind::Vanished),
        (has("current_credential_id") && has("create"), Kind::Full),
        (has("block") && has("probe_status_by_10s"), Kind::Remembered),
        (has("key") && value["info"].is_object(), Kind::KeyInfo),
        (are_google_keys(&value["keys"]), Kind::GoogleKeys),
        (has("list_keys") && has("current_secret_uses"), Kind::Pair),
        (
            has("status") && value["body"]["error"]["code"] == "BadRequest",
            Kind::BadKeyName,
        ),
    ];
    let found = kinds.into_iter().find(|(fits, _)| *fits);
    found.map(|(_, kind)| kind).ok_or(Unsupported::Unknown(
        "an object without a field that tells its kind (describe_secret, scheduled, response, delete, inventory, event)",
    ))
}

fn begins(entry: &Value, beginning: &str) -> bool {
    let name = entry["name"].as_str();
    name.is_some_and(|name| name.starts_with(beginning))
}

fn are_google_keys(keys: &Value) -> bool {
    let keys = keys.as_array();
    keys.is_some_and(|keys| !keys.is_empty() && keys.iter().all(|key| begins(key, "projects/")))
}

fn is_suspension(request: &Value) -> bool {
    request["body"]["disabled"] == true || request["body"]["status"] == "inactive"
}

fn event(event: &Value) -> Result<Kind, Unsupported> {
    match event {
        Value::Object(_) if wakes_kill_switch(event) => Ok(Kind::AlarmWith),
        Value::Object(_) => later(event).map_or(Ok(Kind::Rotation), Err),
        _ => Err(Unsupported::Field {
            field: "event",
            why: "an object",
        }),
    }
}

/// Messages of the topic, alarms as events or by themselves, and the monitor's orders.
fn wakes_kill_switch(value: &Value) -> bool {
    let has = |field: &str| value.get(field).is_some();
    has("Records")
        || has("AlarmName")
        || has("alarmData")
        || has(keyward_core::model::kill_order::MonitorOrder::MARK)
        || value["source"] == "aws.cloudwatch"
}

/// Events of functions that are not there yet.
fn later(value: &Value) -> Option<Unsupported> {
    let has = |field: &str| value.get(field).is_some();
    let (what, part) = if has("MetricAlarms") || has("metric_alarms") {
        ("a list of alarms", AUDIT)
    } else if has("detail-type") {
        ("a scheduled event", AUDIT)
    } else if has("Items") || has("LastEvaluatedKey") {
        ("a page of the inventory", AUDIT)
    } else if has("has_more") || has("next_page") {
        (
            "a page of a provider's list",
            "the usage monitor or the audit",
        )
    } else {
        return None;
    };
    Some(Unsupported::Later { what, part })
}

fn list(entries: &[Value]) -> Result<Kind, Unsupported> {
    let Some(first) = entries.first() else {
        return Err(Unsupported::Unknown("an empty list"));
    };
    if wakes_kill_switch(first) {
        return Ok(Kind::Alarms);
    }
    if let Some(later) = later(first) {
        return Err(later);
    }
    if entries.iter().all(|entry| begins(entry, "operations/")) {
        return Ok(Kind::Operation);
    }
    let status = |entry: &Value| entry["status"].as_u64();
    if entries.iter().any(|entry| status(entry).is_none()) {
        return Err(Unsupported::Unknown("a list of neither events nor answers"));
    }
    if entries.iter().all(|entry| entry.get("call").is_some()) {
        return Ok(Kind::Verdicts);
    }
    if entries
        .iter()
        .all(|entry| matches!(status(entry), Some(429 | 529)))
    {
        return Ok(Kind::Busy);
    }
    Err(Unsupported::Later {
        what: "a list of a provider's answers",
        part: MONITOR,
    })
}
