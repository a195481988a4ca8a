//! OpenAI's JSON.
//!
//! Unknown fields are ignored. What a decision rests on is required; the rest may be missing or of another type and is
//! then unknown. <https://developers.openai.com/api/reference/resources/admin>

use jiff::Timestamp;
use keyward_core::model::names::{KeyHandle, Permission};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::KeyLabel;
use keyward_core::ports::{KeyOwner, KeyRecord, ListedAdmin, Reach};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::handle::handle;

/// An answer without an `error` beside it; `None` if it is not of that shape.
pub(super) fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Option<T> {
    #[derive(Deserialize)]
    struct Whole<T> {
        #[serde(flatten)]
        answer: T,
        #[serde(default)]
        error: Option<IgnoredAny>,
    }
    let whole: Whole<T> = serde_json::from_slice(body).ok()?;
    whole.error.is_none().then_some(whole.answer)
}

/// A list of anything.
#[derive(Deserialize)]
pub(super) struct List<T> {
    object: String,
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

impl<T: for<'de> Deserialize<'de>> List<T> {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        read::<Self>(body).filter(|list| list.object == "list")
    }
}

/// A key in lists and answers.
#[derive(Deserialize)]
pub(super) struct Row {
    pub(super) id: String,
    name: String,
    owner: Owner,
    #[serde(default)]
    redacted_value: Value,
    #[serde(default)]
    created_at: Value,
    #[serde(default)]
    expires_at: Value,
    #[serde(default)]
    last_used_at: Value,
    #[serde(default)]
    owner_project_access: Value,
}

/// Whose a key is. A handle is made of it, so it must be there.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Owner {
    User {},
    ServiceAccount { service_account: Named },
}

/// A service account.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
}

impl Row {
    /// The record, its handle in `project`; `None` if an id cannot be one.
    pub(super) fn into_record(self, project: &str) -> Option<KeyRecord> {
        let handle = handle(project, self.account(), &self.id)?;
        Some(self.record(handle, project))
    }

    /// The record under a handle that is known already.
    pub(super) fn record(self, handle: KeyHandle, project: &str) -> KeyRecord {
        KeyRecord {
            label: OutsideText::new(self.label()),
            redacted: OutsideText::new(self.redacted_value.as_str().unwrap_or_default()),
            suspended: (self.owner_project_access == "inactive").then_some(true),
            workspace: project.parse().ok(),
            owner: match self.owner {
                Owner::User {} => KeyOwner::Person,
                Owner::ServiceAccount { .. } => KeyOwner::Service,
            },
            created: time(&self.created_at),
            expires: time(&self.expires_at),
            last_used: time(&self.last_used_at),
            spent: None,
            cap: None,
            handle,
            reach: Reach::default(),
        }
    }

    /// The service account that owns it.
    pub(super) fn account(&self) -> Option<&str> {
        match &self.owner {
            Owner::User {} => None,
            Owner::ServiceAccount { service_account } => Some(&service_account.id),
        }
    }

    /// Whether it has ended by itself: such a row may still be listed, and is a key no more.
    pub(super) fn has_ended(&self, now: Timestamp) -> bool {
        time(&self.expires_at).is_some_and(|end| end <= now)
    }

    /// Its own name if Keyward gave it; else that of its service account, which carries the label where each key has an
    /// account of its own; else its own.
    fn label(&self) -> &str {
        match &self.owner {
            Owner::ServiceAccount { service_account }
                if !self.name.starts_with(KeyLabel::PREFIX)
                    && service_account.name.starts_with(KeyLabel::PREFIX) =>
            {
                &service_account.name
            }
            _ => &self.name,
        }
    }
}

/// Seconds since 1970; anything else, and what nobody meant, is unknown: never used is no time at all.
fn time(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_i64().filter(|seconds| *seconds > 0)?;
    Timestamp::from_second(seconds).ok()
}

/// A key, or an admin key, that was just made. No `Debug`: it holds the text.
#[derive(Deserialize)]
pub(super) struct NewKey {
    pub(super) id: String,
    pub(super) value: String,
    #[serde(default)]
    expires_at: Value,
}

impl NewKey {
    pub(super) fn expires(&self) -> Option<Timestamp> {
        time(&self.expires_at)
    }
}

/// An admin key in lists.
#[derive(Deserialize)]
pub(super) struct AdminRow {
    pub(super) id: String,
    #[serde(default)]
    name: Value,
    #[serde(default)]
    redacted_value: Value,
    #[serde(default)]
    created_at: Value,
    #[serde(default)]
    expires_at: Value,
    #[serde(default)]
    last_used_at: Value,
}

impl AdminRow {
    pub(super) fn has_ended(&self, now: Timestamp) -> bool {
        time(&self.expires_at).is_some_and(|end| end <= now)
    }

    pub(super) fn listed(self, handle: KeyHandle) -> ListedAdmin {
        let text = |value: &Value| OutsideText::new(value.as_str().unwrap_or_default());
        ListedAdmin {
            handle,
            name: text(&self.name),
            redacted: text(&self.redacted_value),
            created: time(&self.created_at),
            expires: time(&self.expires_at),
            last_used: time(&self.last_used_at),
        }
    }
}

/// A service account that was just made, with its first key, or without one.
#[derive(Deserialize)]
pub(super) struct NewAccount {
    pub(super) id: String,
    pub(super) api_key: Option<NewKey>,
}

/// The answer to a delete.
#[derive(Deserialize)]
pub(super) struct Deleted {
    pub(super) id: String,
    pub(super) deleted: bool,
}

/// A create, of a key or of a service account with one.
#[derive(Serialize)]
pub(super) struct Create<'a> {
    pub(super) name: &'a str,
    pub(super) expires_in_seconds: i64,
    /// Left out where there are none: an empty list would mean all.
    #[serde(skip_serializing_if = "<[Permission]>::is_empty")]
    pub(super) scopes: &'a [Permission],
}

/// A change of a key: at least one of the two.
#[derive(Serialize)]
pub(super) struct Change<'a> {
    /// Replaces what the key is permitted; an empty list permits everything that its owner may.
    pub(super) scopes: &'a [Permission],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_in_seconds: Option<i64>,
}

/// OpenAI's own error: `{"error":{"message":"…","type":"…","param":null,"code":null}}`, all four present.
/// <https://github.com/openai/openai-openapi>, schema `Error`.
#[derive(Deserialize)]
pub(super) struct ErrorData {
    pub(super) message: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(deserialize_with = "present")]
    pub(super) code: Option<String>,
    #[serde(rename = "param", deserialize_with = "present")]
    _param: Option<String>,
}

/// Null or text, but there.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(value)
}

impl ErrorData {
    /// The error, if the body is OpenAI's.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            error: ErrorData,
        }
        let body: Body = serde_json::from_slice(body).ok()?;
        Some(body.error)
    }
}

/// Whether the body is JSON that reports an error in whatever shape.
pub(super) fn is_json_error(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body)
        .is_ok_and(|v| v.get("error").is_some_and(|e| !e.is_null()))
}
