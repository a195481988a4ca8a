//! The shapes in which CloudWatch tells of an alarm's change.

use jiff::Timestamp;
use keyward_core::model::alarm::{
    AlarmArn, AlarmMessage, AlarmState, Dimension, Transition, WatchedMetric, Watches,
};
use keyward_core::model::kill_order::Unreadable;
use keyward_core::model::names::SlotName;
use keyward_core::model::text::OutsideText;
use serde_json::Value;

use super::field::{field, path, text};
use super::shown;

/// Far more than any alarm has: a metric has 30 dimensions at most.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Metric.html>
const MAX_METRICS: usize = 500;
const MAX_DIMENSIONS: usize = 100;

/// What an SNS action of an alarm publishes, for metrics and for other alarms:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html>.
pub(super) fn of_sns(alarm: &Value) -> Result<AlarmMessage, Unreadable> {
    let watches = if field(alarm, "AlarmRule").is_some() {
        Watches::Alarms
    } else {
        let mut metrics = Vec::new();
        if let Some(trigger) = field(alarm, "Trigger") {
            metrics.extend(metric(trigger)?);
            metrics.extend(metrics_in(trigger)?);
        }
        Watches::Metrics(metrics)
    };
    Ok(AlarmMessage {
        transition: Transition::new(
            arn(text(alarm, "AlarmArn"), text(alarm, "AlarmName"))?,
            time(text(alarm, "StateChangeTime")).ok_or(Unreadable::Field("StateChangeTime"))?,
        ),
        account: account(field(alarm, "AWSAccountId"))?,
        new_state: text(alarm, "NewStateValue")
            .map(AlarmState::new)
            .ok_or(Unreadable::Field("NewStateValue"))?,
        old_state: text(alarm, "OldStateValue").map(AlarmState::new),
        watches,
        reason: shown(text(alarm, "NewStateReason").unwrap_or_default()),
    })
}

/// The event `CloudWatch Alarm State Change`:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html>.
pub(super) fn of_event_bridge(event: &Value) -> Result<AlarmMessage, Unreadable> {
    let resources = field(event, "resources").and_then(Value::as_array);
    let [resource] = resources.map_or(&[][..], Vec::as_slice) else {
        return Err(Unreadable::Field("resources"));
    };
    let detail = field(event, "detail").ok_or(Unreadable::Field("detail"))?;
    of_data(resource.as_str(), field(event, "account"), detail)
}

/// What a Lambda action of an alarm invokes a function with:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html>.
pub(super) fn of_lambda_action(event: &Value) -> Result<AlarmMessage, Unreadable> {
    let data = field(event, "alarmData").ok_or(Unreadable::Field("alarmData"))?;
    of_data(text(event, "alarmArn"), field(event, "accountId"), data)
}

/// What both of these have: the states as objects, the configuration beside them.
fn of_data(
    alarm_arn: Option<&str>,
    account_id: Option<&Value>,
    data: &Value,
) -> Result<AlarmMessage, Unreadable> {
    let of_state = |name| path(data, &["state", name]).and_then(Value::as_str);
    let old_state = path(data, &["previousState", "value"]).and_then(Value::as_str);
    let configuration = field(data, "configuration").unwrap_or(&Value::Null);
    let watches = match field(configuration, "alarmRule") {
        Some(_) => Watches::Alarms,
        None => Watches::Metrics(metrics_in(configuration)?),
    };
    Ok(AlarmMessage {
        transition: Transition::new(
            arn(alarm_arn, text(data, "alarmName"))?,
            time(of_state("timestamp")).ok_or(Unreadable::Field("state.timestamp"))?,
        ),
        account: account(account_id)?,
        new_state: of_state("value")
            .map(AlarmState::new)
            .ok_or(Unreadable::Field("state.value"))?,
        old_state: old_state.map(AlarmState::new),
        watches,
        reason: shown(of_state("reason").unwrap_or_default()),
    })
}

/// The alarm's ARN. A name beside it that is not the same is a contradiction.
fn arn(arn: Option<&str>, name: Option<&str>) -> Result<AlarmArn, Unreadable> {
    let arn: AlarmArn = arn
        .and_then(|arn| arn.parse().ok())
        .ok_or(Unreadable::Field("AlarmArn"))?;
    match name {
        Some(name) if name != arn.name() => Err(Unreadable::Field("AlarmName")),
        _ => Ok(arn),
    }
}

/// `2026-11-25T15:00:04.987+0000`, or any other form of RFC 3339.
fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

fn account(value: Option<&Value>) -> Result<Option<OutsideText>, Unreadable> {
    match value {
        None => Ok(None),
        Some(Value::String(account)) => Ok(Some(shown(account))),
        Some(Value::Number(account)) => Ok(Some(OutsideText::new(&account.to_string()))),
        Some(_) => Err(Unreadable::Field("account")),
    }
}

/// All metrics that an alarm reads, those inside of expressions too: what is returned may be an expression over others.
fn metrics_in(parent: &Value) -> Result<Vec<WatchedMetric>, Unreadable> {
    let Some(list) = field(parent, "Metrics") else {
        return Ok(Vec::new());
    };
    let list = list.as_array().ok_or(Unreadable::Field("Metrics"))?;
    if list.len() > MAX_METRICS {
        return Err(Unreadable::TooMany("metrics"));
    }
    let mut metrics = Vec::new();
    for entry in list {
        if let Some(inner) = path(entry, &["MetricStat", "Metric"])
            && let Some(read) = metric(inner)?
        {
            let account = account(field(entry, "AccountId"))?;
            metrics.push(WatchedMetric { account, ..read });
        }
    }
    Ok(metrics)
}

/// One metric, if there is one: an alarm on an expression names none of its own.
fn metric(object: &Value) -> Result<Option<WatchedMetric>, Unreadable> {
    let Some(namespace) = field(object, "Namespace") else {
        return Ok(None);
    };
    let namespace = namespace.as_str().ok_or(Unreadable::Field("Namespace"))?;
    Ok(Some(WatchedMetric {
        namespace: shown(namespace),
        account: None,
        dimensions: dimensions(field(object, "Dimensions"))?,
    }))
}

/// Dimensions as a list of names and values, or as a map. One that cannot be read could name another slot, so the whole
/// message is refused for it.
fn dimensions(value: Option<&Value>) -> Result<Vec<Dimension>, Unreadable> {
    let unreadable = Unreadable::Field("Dimensions");
    let pairs: Vec<(Option<&str>, Option<&str>)> = match value {
        None => Vec::new(),
        Some(Value::Array(list)) => {
            let pair = |d| (text(d, "name"), text(d, "value"));
            list.iter().take(MAX_DIMENSIONS + 1).map(pair).collect()
        }
        Some(Value::Object(map)) => {
            let pairs = map.iter().take(MAX_DIMENSIONS + 1);
            pairs
                .map(|(name, v)| (Some(name.as_str()), v.as_str()))
                .collect()
        }
        Some(_) => return Err(unreadable),
    };
    if pairs.len() > MAX_DIMENSIONS {
        return Err(Unreadable::TooMany("dimensions"));
    }
    let dimension = |(name, value): (Option<&str>, Option<&str>)| {
        Some(Dimension {
            name: shown(name?),
            value: name_or_shown(value?),
        })
    };
    let read: Option<Vec<Dimension>> = pairs.into_iter().map(dimension).collect();
    read.ok_or(unreadable)
}

/// The names of slots and stacks are kept whole.
fn name_or_shown(value: &str) -> OutsideText {
    match value.parse::<SlotName>() {
        Ok(_) => OutsideText::new(value),
        Err(_) => shown(value),
    }
}
