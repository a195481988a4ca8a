//! Alerts over SNS.

mod chat;

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

/// Publishes to one topic: plain text to people, JSON to programs, a notification for chat rooms to what is subscribed over
/// HTTP. Each has the attributes `kind`, `severity` and, if a slot is known, `slot` for subscriptions that filter.
#[derive(Debug, Clone)]
pub struct SnsAlerts {
    client: Client,
    topic: String,
    runbook: Option<String>,
}

impl SnsAlerts {
    /// Publishes to the topic with the ARN `topic`.
    pub fn new(config: &SdkConfig, topic: impl Into<String>) -> Self {
        Self {
            client: Client::new(config),
            topic: topic.into(),
            runbook: None,
        }
    }

    /// Names the section of this runbook in each alert.
    #[must_use]
    pub fn with_runbook(mut self, page: &str) -> Self {
        self.runbook = Some(page.to_owned());
        self
    }
}

#[async_trait]
impl Alerts for SnsAlerts {
    async fn send(&self, alert: &Alert) -> Result<(), AlertError> {
        let linked = self.runbook.as_ref();
        let linked = linked.map(|page| alert.clone().with_runbook(page));
        let alert = linked.as_ref().unwrap_or(alert);
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

/// An attribute cannot be empty: <https://docs.aws.amazon.com/sns/latest/api/API_MessageAttributeValue.html>.
fn attributes(alert: &Alert) -> Vec<(&'static str, String)> {
    let slot = alert.slot.as_ref().map(|slot| ("slot", slot.to_string()));
    let always = [
        ("kind", name(&alert.kind)),
        ("severity", name(&alert.severity)),
    ];
    let drill = alert
        .drill
        .as_ref()
        .map(|drill| ("drill", drill.to_string()));
    slot.into_iter().chain(drill).chain(always).collect()
}

/// How bad, where and what, in one line.
fn title(alert: &Alert) -> String {
    let (severity, kind) = (name(&alert.severity), name(&alert.kind));
    let drill = match alert.drill {
        None => "",
        Some(_) => "DRILL: ",
    };
    match &alert.slot {
        Some(slot) => format!("[{severity}] Keyward: {drill}{slot}: {kind}"),
        None => format!("[{severity}] Keyward: {drill}{kind}"),
    }
}

fn subject(alert: &Alert) -> String {
    title(alert)
        .chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(SUBJECT_CHARS)
        .collect()
}

fn text(alert: &Alert) -> String {
    let lines = [
        ("Slot", alert.slot.as_ref().map(ToString::to_string)),
        ("What happened", Some(alert.what.to_string())),
        ("What was done", Some(alert.done.to_string())),
        ("What is left", Some(alert.left.to_string())),
        (
            "To run",
            alert.command.as_ref().map(|c| c.as_str().to_owned()),
        ),
        ("Read", alert.runbook.as_ref().map(ToString::to_string)),
        ("Set off by", alert.cause.as_ref().map(ToString::to_string)),
        ("Drill", alert.drill.as_ref().map(ToString::to_string)),
        ("Incident", alert.incident.as_ref().map(ToString::to_string)),
        ("When", alert.at.map(|at| format!("{at:.0}"))),
    ];
    let mut text = String::new();
    for (label, value) in lines {
        if let Some(value) = value {
            text.push_str(&format!("{label}: {value}\n"));
        }
    }
    text.push_str(&format!(
        "\n{}, {}\n",
        name(&alert.severity),
        name(&alert.kind)
    ));
    text
}

/// One text for each kind of subscriber:
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html>.
fn message(alert: &Alert) -> Result<String, AlertError> {
    let for_programs = serde_json::to_string(alert)
        .map_err(|_| AlertError(Fault::new("Publish", "the alert has no JSON form").into()))?;
    let for_chat = chat::notification(alert).to_string();
    Ok(json!({
        "default": text(alert),
        "sms": subject(alert),
        "http": for_chat,
        "https": for_chat,
        "lambda": for_programs,
        "sqs": for_programs,
    })
    .to_string())
}

#[cfg(test)]
mod tests {
    use keyward_core::model::alert::{AlertKind, Command, Severity};
    use keyward_core::model::names::SlotName;

    use super::*;

    fn about(slot: &str) -> Alert {
        let slot: SlotName = slot.parse().unwrap();
        let text = ["the provider said\r\n\"no\"", "nothing", "rotate again"];
        Alert::about(&slot, Severity::Page, AlertKind::RotationFailed, text)
            .with_command(Command::about("rotate", &slot))
    }

    fn general() -> Alert {
        let text = ["a message could not be read", "nothing", "look"];
        Alert::general(Severity::Warning, AlertKind::KillRefused, text)
    }

    #[test]
    fn subjects_are_short_plain_and_say_what_and_where() {
        assert_eq!(
            subject(&about("support-bot")),
            "[page] Keyward: support-bot: rotation_failed"
        );
        assert_eq!(subject(&general()), "[warning] Keyward: kill_refused");
        let long = Alert {
            kind: AlertKind::AdminCredentialRefused,
            severity: Severity::Warning,
            ..about(&"x".repeat(63))
        };
        assert_eq!(subject(&long).chars().count(), SUBJECT_CHARS);
    }

    #[test]
    fn people_get_text_and_programs_get_the_alert_itself() {
        let alert = about("support-bot").at("2026-11-25T15:00:00Z".parse().unwrap());
        let message: Value = serde_json::from_str(&message(&alert).unwrap()).unwrap();
        let text = message["default"].as_str().unwrap();
        let expected = "Slot: support-bot\nWhat happened: the provider said  \"no\"\nWhat was done: nothing\n\
             What is left: rotate again\nTo run: keyward rotate support-bot\nWhen: 2026-11-25T15:00:00Z\n\n\
             page, rotation_failed\n";
        assert_eq!(text, expected);
        for protocol in ["sqs", "lambda"] {
            let read: Alert = serde_json::from_str(message[protocol].as_str().unwrap()).unwrap();
            assert_eq!(read, alert, "{protocol}");
        }
        for protocol in ["https", "http"] {
            let read: Value = serde_json::from_str(message[protocol].as_str().unwrap()).unwrap();
            assert_eq!(read, chat::notification(&alert), "{protocol}");
        }
    }

    #[test]
    fn the_runbook_is_named_by_its_section() {
        let alert = about("support-bot").with_runbook("https://example.com/RUNBOOK.md");
        let message: Value = serde_json::from_str(&message(&alert).unwrap()).unwrap();
        let address = "https://example.com/RUNBOOK.md#rotation_failed";
        let text = message["default"].as_str().unwrap();
        assert!(text.contains(&format!("\nRead: {address}\n")), "{text}");
        let read: Alert = serde_json::from_str(message["sqs"].as_str().unwrap()).unwrap();
        assert_eq!(read.runbook.unwrap().as_str(), address);
        let chat = chat::notification(&alert);
        let steps = chat["content"]["nextSteps"].as_array().unwrap();
        assert!(steps.contains(&json!(address)), "{chat}");
    }

    #[test]
    fn no_attribute_is_empty() {
        let of = |alert| attributes(&alert).into_iter().map(|(name, _)| name);
        assert!(of(about("a")).eq(["slot", "kind", "severity"]));
        assert!(of(general()).eq(["kind", "severity"]));
    }
}
