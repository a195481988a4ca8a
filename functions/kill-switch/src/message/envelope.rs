//! The envelopes around a message.

use keyward_core::model::kill_order::{Content, KillMessage, Source, TopicArn, Unreadable};
use keyward_core::model::text::OutsideText;
use serde_json::Value;

use super::field::{field, text};
use super::{content, notice, shown};

/// Most messages that are read from one event. SNS sends one in each:
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>.
pub const MAX_MESSAGES: usize = 64;

/// Every message of an event, at least one. The last says so where there were more than [`MAX_MESSAGES`].
pub fn read(event: &Value) -> Vec<KillMessage> {
    let mut reader = Reader::default();
    let origin = Origin {
        source: Source::Direct,
        id: None,
        depth: 0,
    };
    reader.value(event, None, &origin);
    if reader.has_more {
        let more = Content::Unreadable(Unreadable::TooMany("messages"));
        reader.messages.push(origin.message(more));
    }
    reader.messages
}

#[derive(Default)]
struct Reader {
    messages: Vec<KillMessage>,
    has_more: bool,
}

/// How a value came. The outermost envelope is the one that Lambda vouches for: what is inside of it says of itself what
/// it likes.
#[derive(Clone)]
struct Origin {
    source: Source,
    id: Option<OutsideText>,
    depth: usize,
}

impl Origin {
    fn inside(&self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self.clone()
        }
    }

    /// The origin of what is in an envelope that came by `source`.
    fn of_envelope(&self, source: Source, id: Option<&str>) -> Self {
        let is_outermost = self.source == Source::Direct;
        Self {
            source: match is_outermost {
                true => source,
                false => self.source.clone(),
            },
            id: self.id.clone().or_else(|| id.map(shown_id)),
            depth: self.depth + 1,
        }
    }

    fn message(&self, content: Content) -> KillMessage {
        KillMessage {
            source: self.source.clone(),
            id: self.id.clone(),
            content,
        }
    }
}

/// Ids of messages are UUIDs, longer than the words that are shown in full.
fn shown_id(id: &str) -> OutsideText {
    match id.len() == 36 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        true => OutsideText::new(id),
        false => shown(id),
    }
}

/// A topic's ARN is kept whole, since it is compared. What is none may hold a key.
fn topic_arn(text: &str) -> TopicArn {
    match is_topic_arn(text) {
        true => TopicArn::new(text),
        false => TopicArn::new(shown(text).as_str()),
    }
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html#amazonsns-resources-for-iam-policies>
fn is_topic_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let [arn, partition, service, region, account, name] = parts[..] else {
        return false;
    };
    let is_word = |text: &str| {
        let of_words = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (1..=256).contains(&text.len()) && text.bytes().all(of_words)
    };
    (arn, service) == ("arn", "sns")
        && account.bytes().all(|b| b.is_ascii_digit())
        && [partition, region, account, name].into_iter().all(is_word)
}

impl Reader {
    fn push(&mut self, origin: &Origin, content: Content) {
        if self.messages.len() < MAX_MESSAGES {
            self.messages.push(origin.message(content));
        } else {
            self.has_more = true;
        }
    }

    fn unreadable(&mut self, origin: &Origin, why: Unreadable) {
        self.push(origin, Content::Unreadable(why));
    }

    /// Reads an event, a record or a message that is JSON.
    fn value(&mut self, value: &Value, subject: Option<&str>, origin: &Origin) {
        if origin.depth > Unreadable::MAX_DEPTH {
            return self.unreadable(origin, Unreadable::TooDeep);
        }
        match value {
            Value::String(message) => self.text(message, subject, origin),
            Value::Object(map) if map.is_empty() && origin.depth == 0 => {
                self.unreadable(origin, Unreadable::Empty);
            }
            Value::Object(_) => self.object(value, origin),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                self.unreadable(origin, Unreadable::NotAnObject);
            }
        }
    }

    fn object(&mut self, object: &Value, origin: &Origin) {
        if let Some(records) = field(object, "Records") {
            return self.records(records, origin);
        }
        let event_source = text(object, "EventSource");
        if let Some(envelope) = field(object, "Sns") {
            return self.sns(envelope, event_source, origin);
        }
        if let Some(event_source) = event_source {
            let origin = origin.of_envelope(Source::Elsewhere(shown(event_source)), None);
            return match field(object, "body") {
                Some(body) => self.value(body, None, &origin),
                None => self.unreadable(&origin, Unreadable::UnknownShape),
            };
        }
        if field(object, "TopicArn").is_some() {
            return self.sns(object, None, origin);
        }
        self.push(origin, content(object));
    }

    fn records(&mut self, records: &Value, origin: &Origin) {
        let Some(records) = records.as_array() else {
            return self.unreadable(origin, Unreadable::Field("Records"));
        };
        if records.is_empty() {
            return self.unreadable(origin, Unreadable::Empty);
        }
        for record in records {
            if self.has_more {
                return;
            }
            self.value(record, None, &origin.inside());
        }
    }

    /// A message as SNS delivers it: in a Lambda record, or as it is sent elsewhere.
    /// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>
    fn sns(&mut self, envelope: &Value, event_source: Option<&str>, origin: &Origin) {
        let source = match event_source {
            None | Some("aws:sns") => {
                let topic = text(envelope, "TopicArn").unwrap_or_default();
                Source::Topic(topic_arn(topic))
            }
            Some(other) => Source::Elsewhere(shown(other)),
        };
        let origin = origin.of_envelope(source, text(envelope, "MessageId"));
        match text(envelope, "Type") {
            None | Some("Notification") => {}
            Some(kind) => return self.unreadable(&origin, Unreadable::OtherKind(shown(kind))),
        }
        match field(envelope, "Message") {
            Some(message) => self.value(message, text(envelope, "Subject"), &origin),
            None => self.unreadable(&origin, Unreadable::Field("Message")),
        }
    }

    /// A message that is text: JSON, or a budget's notice.
    fn text(&mut self, message: &str, subject: Option<&str>, origin: &Origin) {
        if message.len() > Unreadable::MAX_BYTES {
            return self.unreadable(origin, Unreadable::TooLong(message.len()));
        }
        if message.trim().is_empty() {
            return self.unreadable(origin, Unreadable::Empty);
        }
        match serde_json::from_str::<Value>(message) {
            Ok(Value::String(inner)) if inner.trim_start().starts_with('{') => {
                self.value(&Value::String(inner), subject, &origin.inside());
            }
            Ok(Value::String(_)) => self.unreadable(origin, Unreadable::NotAnObject),
            Ok(value) => self.value(&value, subject, origin),
            Err(_) => match notice::budget(message, subject) {
                Some(notice) => self.push(origin, Content::Notice(notice)),
                None => self.unreadable(origin, Unreadable::PlainText(message.len())),
            },
        }
    }
}
