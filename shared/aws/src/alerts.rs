//! Alerts over SNS.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use keyward_core::model::alert::Alert;
use keyward_core::ports::{AlertError, Alerts};
use serde::Serialize;
use serde_json::{Value, json};

use crate::fault::{Fault, examine};

/// SNS takes subjects of less than 100 characters, without line breaks or control characters:
/// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>.
const SUBJECT_CHARS: usize = 99;

/// Publishes to one topic: plain text to people, JSON to programs, with the attributes `slot`, `kind` and `severity`
/// for subscriptions that filter.
#[derive(Debug, Clone)]
pub struct SnsAlerts {
    client: Client,
    topic: String,
}

impl SnsAlerts {
    /// Publishes to the topic with the ARN `topic`.
    pub fn new(config: &SdkConfig, topic: impl Into<String>) -> Self {
        Self {
            client: Client::new(config),
            topic: topic.into(),
        }
    }
}

#[async_trait]
impl Alerts for SnsAlerts {
    async fn send(&self, alert: &Alert) -> Result<(), AlertError> {
        let mut request = self
            .client
            .publish()
            .topic_arn(&self.topic)
            .subject(subject(alert))
            .message(message(alert)?)
            .message_structure("json");
        for (name, value) in attributes(alert) {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
                .map_err(|e| AlertError(e.into()))?;
            request = request.message_attributes(name, value);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(AlertError(examine("Publish", &error).fault.into())),
        }
    }
}

/// The stable name of an enum's variant.
fn name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        _ => "unknown".to_owned(),
    }
}

fn attributes(alert: &Alert) -> [(&'static str, String); 3] {
    [
        ("slot", alert.slot.to_string()),
        ("kind", name(&alert.kind)),
        ("severity", name(&alert.severity)),
    ]
}

fn subject(alert: &Alert) -> String {
    format!(
        "[{}] Keyward: {}: {}",
        name(&alert.severity),
        alert.slot,
        name(&alert.kind)
    )
    .chars()
    .filter(|c| c.is_ascii_graphic() || *c == ' ')
    .take(SUBJECT_CHARS)
    .collect()
}

fn text(alert: &Alert) -> String {
    format!(
        "Slot: {}\nWhat happened: {}\nWhat was done: {}\nWhat is left: {}\n\n{}, {}\n",
        alert.slot,
        alert.what,
        alert.done,
        alert.left,
        name(&alert.severity),
        name(&alert.kind),
    )
}

/// One text for each kind of subscriber:
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html>.
fn message(alert: &Alert) -> Result<String, AlertError> {
    let for_programs = serde_json::to_string(alert)
        .map_err(|_| AlertError(Fault::new("Publish", "the alert has no JSON form").into()))?;
    Ok(json!({
        "default": text(alert),
        "sms": subject(alert),
        "http": for_programs,
        "https": for_programs,
        "lambda": for_programs,
        "sqs": for_programs,
    })
    .to_string())
}

#[cfg(test)]
mod tests {
    use keyward_core::model::alert::{AlertKind, Severity};
    use keyward_core::model::text::AlertText;

    use super::*;

    fn alert() -> Alert {
        Alert {
            severity: Severity::Page,
            kind: AlertKind::RotationFailed,
            slot: "support-bot".parse().unwrap(),
            what: AlertText::new("the provider said\r\n\"no\""),
            done: AlertText::new("nothing"),
            left: AlertText::new("keyward rotate support-bot"),
        }
    }

    #[test]
    fn subjects_are_short_plain_and_say_what_and_where() {
        assert_eq!(
            subject(&alert()),
            "[page] Keyward: support-bot: rotation_failed"
        );
        let long = Alert {
            slot: "x".repeat(63).parse().unwrap(),
            kind: AlertKind::AdminCredentialRefused,
            severity: Severity::Warning,
            ..alert()
        };
        assert_eq!(subject(&long).chars().count(), SUBJECT_CHARS);
    }

    #[test]
    fn people_get_text_and_programs_get_the_alert_itself() {
        let message: Value = serde_json::from_str(&message(&alert()).unwrap()).unwrap();
        let text = message["default"].as_str().unwrap();
        assert!(
            text.contains("What is left: keyward rotate support-bot\n"),
            "{text}"
        );
        for protocol in ["sqs", "lambda", "https", "http"] {
            let read: Alert = serde_json::from_str(message[protocol].as_str().unwrap()).unwrap();
            assert_eq!(read, alert(), "{protocol}");
        }
    }
}
