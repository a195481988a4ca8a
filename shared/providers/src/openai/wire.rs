//! OpenAI's JSON.
//!
//! Unknown fields are ignored. What a decision rests on is required; the rest may be missing or of another type and is
//! then unknown. <https://platform.openai.com/docs/api-reference/project-api-keys/object>

use http::StatusCode;
use jiff::Timestamp;
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::Permission;
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::KeyLabel;
use keyward_core::ports::{IssuedKey, KeyOwner, KeyRecord, ProviderError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::handle::handle;
use crate::api::{ErrorBody, unreadable};
use crate::http::Repeat;

/// A create inside a service account. No list of scopes is sent where there is none: an empty one means everything,
/// and so does its absence, but only the absence cannot be mistaken for "nothing".
#[derive(Serialize)]
pub(super) struct NewKey<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "<[Permission]>::is_empty")]
    pub(super) scopes: &'a [Permission],
    pub(super) expires_in_seconds: i64,
}

/// A create of a service account with a key.
#[derive(Serialize)]
pub(super) struct NewAccount<'a> {
    pub(super) name: &'a str,
    pub(super) expires_in_seconds: i64,
}

/// Another list of permissions for a key.
#[derive(Serialize)]
pub(super) struct Narrow<'a> {
    pub(super) scopes: &'a [&'a str],
}

/// The end of a key in a moment, and nothing to do with it until then.
#[derive(Serialize)]
pub(super) struct EndNow<'a> {
    pub(super) scopes: &'a [&'a str],
    pub(super) expires_in_seconds: u32,
}

/// A new key. No `Debug`: it holds the text.
#[derive(Deserialize)]
pub(super) struct Created {
    id: String,
    value: String,
    #[serde(default)]
    expires_at: Value,
}

impl Created {
    pub(super) fn into_issued(
        self,
        project: &str,
        account: &str,
    ) -> Result<IssuedKey, ProviderError> {
        let handle = handle(project, Some(account), &self.id);
        match handle {
            Some(handle) if !self.value.trim().is_empty() => Ok(IssuedKey {
                key: ApiKey::new(&self.value),
                handle,
                expires: time(&self.expires_at),
            }),
            _ => Err(unreadable(
                Repeat::Never,
                "a create was answered, but the key has no id or no text",
            )),
        }
    }
}

/// A new service account; `api_key` may be null.
#[derive(Deserialize)]
pub(super) struct CreatedAccount {
    pub(super) id: String,
    pub(super) api_key: Option<Created>,
}

/// A service account.
#[derive(Deserialize)]
pub(super) struct ServiceAccount {
    pub(super) name: String,
}

/// One page of the list.
#[derive(Deserialize)]
pub(super) struct KeyPage {
    pub(super) data: Vec<KeyRow>,
    pub(super) has_more: bool,
    #[serde(default)]
    pub(super) last_id: Option<String>,
}

/// A key in lists and answers.
#[derive(Deserialize)]
pub(super) struct KeyRow {
    pub(super) id: String,
    #[serde(default)]
    name: Value,
    #[serde(default)]
    redacted_value: Value,
    #[serde(default)]
    created_at: Value,
    #[serde(default)]
    last_used_at: Value,
    #[serde(default)]
    expires_at: Value,
    #[serde(default)]
    owner: Value,
    #[serde(default)]
    owner_project_access: Value,
}

impl KeyRow {
    /// Whether its expiry is past.
    pub(super) fn has_ended(&self, now: Timestamp) -> bool {
        time(&self.expires_at).is_some_and(|end| end <= now)
    }

    pub(super) fn into_record(self, project: &str) -> Option<KeyRecord> {
        let account = &self.owner["service_account"];
        let owner = match self.owner["type"].as_str() {
            Some("service_account") => KeyOwner::Service,
            Some("user") => KeyOwner::Person,
            _ => KeyOwner::Unknown,
        };
        Some(KeyRecord {
            handle: handle(project, account["id"].as_str(), &self.id)?,
            label: label(&self.name, &account["name"]),
            redacted: OutsideText::new(self.redacted_value.as_str().unwrap_or_default()),
            suspended: (self.owner_project_access == "inactive").then_some(true),
            workspace: project.parse().ok(),
            owner,
            created: time(&self.created_at),
            expires: time(&self.expires_at),
            last_used: time(&self.last_used_at),
            spent: None,
            cap: None,
        })
    }
}

/// The name that Keyward gave: the key's, or that of an account that was made for it.
fn label(key: &Value, account: &Value) -> OutsideText {
    let (key, account) = (key.as_str().unwrap_or_default(), account.as_str());
    let is_own = |name: &&str| name.starts_with(KeyLabel::PREFIX);
    match account.filter(is_own) {
        Some(account) if !is_own(&key) => OutsideText::new(account),
        _ => OutsideText::new(key),
    }
}

/// Seconds since 1970; anything else is unknown.
fn time(value: &Value) -> Option<Timestamp> {
    Timestamp::from_second(value.as_i64()?).ok()
}

/// The answer to a delete.
#[derive(Deserialize)]
pub(super) struct Deleted {
    pub(super) deleted: bool,
}

/// Whether the body is an object with this id.
pub(super) fn names(body: &[u8], id: &str) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|body| body["id"] == id)
}

/// OpenAI's own error: `{"error":{"message":…,"type":…,"param":…,"code":…}}`.
/// <https://platform.openai.com/docs/guides/error-codes>
#[derive(Deserialize)]
pub(super) struct ErrorData {
    pub(super) message: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    code: Value,
}

impl ErrorData {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            error: ErrorData,
        }
        serde_json::from_slice::<Body>(body).ok().map(|b| b.error)
    }

    pub(super) fn code(&self) -> Option<&str> {
        self.code.as_str()
    }
}

pub(super) fn error_body(_: StatusCode, body: &[u8]) -> ErrorBody {
    if ErrorData::read(body).is_some() {
        return ErrorBody::Own;
    }
    let reports = |v: Value| v.get("error").is_some_and(|e| !e.is_null());
    match serde_json::from_slice::<Value>(body) {
        Ok(body) if reports(body.clone()) => ErrorBody::Json,
        _ => ErrorBody::Other,
    }
}
