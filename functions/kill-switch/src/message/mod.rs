//! Reads what woke the kill switch: the envelope first, then each message in it leniently and on its own. What one
//! message is wrong in never costs another, and what cannot be read comes out as [`Unreadable`], never as nothing.
//!
//! Reading is bounded by [`MAX_MESSAGES`], [`Unreadable::MAX_DEPTH`] and [`Unreadable::MAX_BYTES`]. Every text that comes
//! out is cut, is one line, and shows of long words, which may be keys, the beginning only.

mod alarm;
mod envelope;
mod field;
mod notice;

use keyward_core::model::kill_order::{Content, MonitorOrder, Order, Unreadable};
use keyward_core::model::text::{OutsideText, without_keys};
use serde_json::Value;

pub use envelope::{MAX_MESSAGES, read};
use field::{field, text};

/// Acts that people ask for, as an object's field `operation` may name them.
const ACTS: [&str; 6] = ["kill", "leak", "drill", "restore", "enforce", "lockdown"];

/// What an object says that is no envelope.
fn content(object: &Value) -> Content {
    known(object).unwrap_or_else(Content::Unreadable)
}

fn known(object: &Value) -> Result<Content, Unreadable> {
    let has = |name| field(object, name).is_some();
    if object.get(MonitorOrder::MARK).is_some() {
        return Order::from_json(object).map(Content::Order);
    }
    if has("AlarmArn") && has("alarmData") {
        return alarm::of_lambda_action(object).map(alarm_content);
    }
    if has("AlarmArn") || has("NewStateValue") {
        return alarm::of_sns(object).map(alarm_content);
    }
    if has("detail-type") {
        return of_event_bridge(object);
    }
    if let Some(id) = notice::cost_anomaly(object) {
        return Ok(Content::Notice(id));
    }
    match text(object, "operation") {
        Some(act) if ACTS.contains(&act) => Ok(Content::Order(Order::Act(shown(act)))),
        _ => Err(Unreadable::UnknownShape),
    }
}

/// An event of EventBridge: only AWS's services can set a source that begins with `aws.`.
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html>
fn of_event_bridge(event: &Value) -> Result<Content, Unreadable> {
    let kind = text(event, "detail-type").ok_or(Unreadable::Field("detail-type"))?;
    match (text(event, "source"), kind) {
        (Some("aws.cloudwatch"), "CloudWatch Alarm State Change") => {
            alarm::of_event_bridge(event).map(alarm_content)
        }
        (Some("aws.ce"), _) => {
            let detail = field(event, "detail").unwrap_or(&Value::Null);
            let notice = notice::cost_anomaly(detail);
            notice
                .map(Content::Notice)
                .ok_or(Unreadable::Field("detail"))
        }
        _ => Err(Unreadable::OtherKind(shown(kind))),
    }
}

fn alarm_content(alarm: keyward_core::model::alarm::AlarmMessage) -> Content {
    Content::Alarm(Box::new(alarm))
}

/// A text from outside, fit to be shown.
fn shown(text: &str) -> OutsideText {
    OutsideText::new(&without_keys(text))
}
