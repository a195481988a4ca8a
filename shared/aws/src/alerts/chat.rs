//! An alert for chat rooms, and for every other receiver over HTTP.
//!
//! Amazon Q Developer in chat applications shows a message of its own form in Slack, Microsoft Teams and Amazon Chime, and
//! is an HTTPS subscriber of the topic: <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>.

use keyward_core::model::alert::Alert;
use serde_json::{Map, Value, json};

use super::{name, title};

/// Far more than a title is shown with in chat. A longer text is cut.
const TITLE_CHARS: usize = 250;
const DESCRIPTION_CHARS: usize = 4000;

/// The alert as a custom notification. All of its fields are in `metadata.additionalContext`, as texts: what takes it from
/// there needs to know nothing of chat.
pub(super) fn notification(alert: &Alert) -> Value {
    let fields = fields(alert);
    let (kind, severity) = (name(&alert.kind), name(&alert.severity));
    let mut keywords = vec![severity, kind.clone()];
    keywords.extend(alert.slot.as_ref().map(ToString::to_string));
    let command = alert.command.as_ref().map(|c| format!("`{}`", c.as_str()));
    let runbook = alert.runbook.as_ref().map(|page| marked(page.as_str()));
    let next_steps: Vec<String> = [Some(marked(alert.left.as_str())), command, runbook]
        .into_iter()
        .flatten()
        .collect();
    let mut metadata = json!({
        "summary": cut(&marked(alert.what.as_str()), TITLE_CHARS),
        "eventType": kind,
        "additionalContext": fields,
    });
    // Alerts with the same id are shown as one thread.
    let thread = alert.incident.as_ref().map(ToString::to_string);
    if let Some(thread) = thread.or_else(|| alert.slot.as_ref().map(ToString::to_string)) {
        metadata["threadId"] = thread.into();
    }
    if let Some(slot) = &alert.slot {
        metadata["relatedResources"] = json!([slot]);
    }
    json!({
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": cut(&title(alert), TITLE_CHARS),
            "description": description(alert),
            "nextSteps": next_steps,
            "keywords": keywords,
        },
        "metadata": metadata,
    })
}

fn description(alert: &Alert) -> String {
    let text = format!(
        "{}\n\n{}",
        marked(alert.what.as_str()),
        marked(alert.done.as_str())
    );
    cut(&text, DESCRIPTION_CHARS)
}

/// The alert's JSON form with every value as a text, as additional context has to be.
fn fields(alert: &Alert) -> Map<String, Value> {
    let Ok(Value::Object(fields)) = serde_json::to_value(alert) else {
        return Map::new();
    };
    let as_text = |value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let texts = fields.into_iter();
    texts
        .map(|(name, value)| (name, Value::String(as_text(value))))
        .collect()
}

/// Text that calls nobody in a Slack channel and holds no disguised link: <https://docs.slack.dev/messaging/formatting-message-text>.
fn marked(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace("](", "] (")
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[cfg(test)]
mod tests {
    use keyward_core::model::alert::{AlertKind, Command, Severity};
    use keyward_core::model::names::SlotName;

    use super::*;

    fn alert(what: &str) -> Alert {
        let slot: SlotName = "support-bot".parse().unwrap();
        let text = [what, "Its keys are suspended.", "Find out who took it."];
        Alert::about(&slot, Severity::Page, AlertKind::Contained, text)
            .with_command(Command::about("status", &slot))
            .with_incident("support-bot-4")
    }

    #[test]
    fn it_has_the_form_that_chat_takes() {
        assert_eq!(
            notification(&alert("Slot support-bot is cut off.")),
            json!({
                "version": "1.0",
                "source": "custom",
                "content": {
                    "textType": "client-markdown",
                    "title": "[page] Keyward: support-bot: contained",
                    "description": "Slot support-bot is cut off.\n\nIts keys are suspended.",
                    "nextSteps": ["Find out who took it.", "`keyward status support-bot`"],
                    "keywords": ["page", "contained", "support-bot"],
                },
                "metadata": {
                    "threadId": "support-bot-4",
                    "summary": "Slot support-bot is cut off.",
                    "eventType": "contained",
                    "relatedResources": ["support-bot"],
                    "additionalContext": {
                        "schema": "1",
                        "severity": "page",
                        "kind": "contained",
                        "slot": "support-bot",
                        "what": "Slot support-bot is cut off.",
                        "done": "Its keys are suspended.",
                        "left": "Find out who took it.",
                        "command": "keyward status support-bot",
                        "incident": "support-bot-4",
                    },
                },
            })
        );
    }

    #[test]
    fn what_came_from_outside_calls_nobody_and_hides_no_link() {
        let sent = notification(&alert("<!channel> & <http://evil.example|ok> [ok](evil)"));
        assert_eq!(
            sent["metadata"]["summary"],
            "&lt;!channel&gt; &amp; &lt;http://evil.example|ok&gt; [ok] (evil)"
        );
        let long = notification(&alert(&"&".repeat(1024)));
        let shown = long["content"]["description"].as_str().unwrap();
        assert_eq!(shown.chars().count(), DESCRIPTION_CHARS);
    }

    #[test]
    fn an_alert_about_no_slot_has_no_thread() {
        let text = ["x", "y", "z"];
        let sent = notification(&Alert::general(
            Severity::Notice,
            AlertKind::KillRefused,
            text,
        ));
        assert_eq!(sent["content"]["title"], "[notice] Keyward: kill_refused");
        assert_eq!(sent["metadata"].get("threadId"), None);
        assert_eq!(sent["metadata"].get("relatedResources"), None);
    }
}
