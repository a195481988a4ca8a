//! Anthropic's JSON.
//!
//! Unknown fields are ignored. What a decision rests on is required; the rest may be missing or of another type and is
//! then unknown. <https://platform.claude.com/docs/en/api/admin/api_keys/list>

use http::StatusCode;
use jiff::Timestamp;
use keyward_core::model::names::{KeyHandle, ScopeId};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{KeyOwner, KeyRecord, ProviderError, Reach};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::ErrorBody;

/// A key's status. `Other` is one that this release does not know: neither ended nor surely working.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Active,
    Inactive,
    Archived,
    Expired,
    #[serde(other, skip_serializing)]
    Other,
}

/// A change of status.
#[derive(Serialize)]
pub(super) struct SetStatus {
    pub(super) status: Status,
}

/// A key in lists and answers.
#[derive(Deserialize)]
pub(super) struct KeyData {
    id: KeyHandle,
    name: String,
    pub(super) status: Status,
    #[serde(default)]
    partial_key_hint: Value,
    #[serde(default)]
    created_at: Value,
    #[serde(default)]
    expires_at: Value,
    #[serde(default)]
    principal: Value,
    /// `{"type":"workspace","workspace_id":…}`, with the real id of the default workspace too, or
    /// `{"type":"organization"}`: a key that may reach several.
    /// <https://platform.claude.com/docs/en/manage-claude/workspaces>
    #[serde(default)]
    scope: Value,
    /// Where older answers have the workspace; null for the default one.
    #[serde(default)]
    workspace_id: Value,
}

impl KeyData {
    pub(super) fn is(&self, handle: &KeyHandle) -> bool {
        self.id == *handle
    }

    /// Whether it is no key any more, for good.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.status, Status::Archived | Status::Expired)
    }

    pub(super) fn into_record(self) -> KeyRecord {
        let workspace = if self.scope.is_null() {
            &self.workspace_id
        } else {
            &self.scope["workspace_id"]
        };
        KeyRecord {
            suspended: match self.status {
                Status::Active => Some(false),
                Status::Inactive => Some(true),
                Status::Archived | Status::Expired | Status::Other => None,
            },
            workspace: workspace.as_str().and_then(|id| id.parse::<ScopeId>().ok()),
            owner: owner(&self.principal),
            handle: self.id,
            label: OutsideText::new(&self.name),
            redacted: OutsideText::new(self.partial_key_hint.as_str().unwrap_or_default()),
            created: time(&self.created_at),
            expires: time(&self.expires_at),
            last_used: None,
            spent: None,
            cap: None,
            reach: Reach::default(),
        }
    }
}

fn owner(principal: &Value) -> KeyOwner {
    match principal["type"].as_str() {
        Some("user_actor") => KeyOwner::Person,
        Some("service_account_actor") => KeyOwner::Service,
        _ => KeyOwner::Unknown,
    }
}

/// RFC 3339; anything else is unknown.
fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// One page of the list.
#[derive(Deserialize)]
pub(super) struct KeyPage {
    pub(super) data: Vec<KeyData>,
    pub(super) has_more: bool,
    #[serde(default)]
    pub(super) last_id: Option<String>,
}

/// Anthropic's own error: `{"type":"error","error":{"type":…,"message":…,"details":{"error_code":…}},"request_id":…}`.
/// <https://platform.claude.com/docs/en/api/errors>
#[derive(Deserialize)]
pub(super) struct ErrorData {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) message: String,
    #[serde(default)]
    details: Value,
}

impl ErrorData {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(rename = "type")]
            kind: String,
            error: ErrorData,
        }
        let body: Body = serde_json::from_slice(body).ok()?;
        (body.kind == "error").then_some(body.error)
    }

    /// `details.error_code`
    pub(super) fn code(&self) -> Option<&str> {
        self.details.get("error_code")?.as_str()
    }
}

/// Values of `error.details.error_code` where a key is not activated because too many are:
/// <https://platform.claude.com/docs/en/api/admin/api_keys/update>.
const LIMIT_CODES: [&str; 2] = [
    "org_api_key_limit_exceeded",
    "workspace_api_key_limit_exceeded",
];

/// The error types that a refusal with this status has.
fn types(status: StatusCode) -> &'static [&'static str] {
    match status.as_u16() {
        401 => &["authentication_error"],
        403 => &["permission_error"],
        404 => &["not_found_error"],
        _ => &[],
    }
}

pub(super) fn error_body(status: StatusCode, body: &[u8]) -> ErrorBody {
    let Some(error) = ErrorData::read(body) else {
        return ErrorBody::Other;
    };
    if error.code().is_some_and(|code| LIMIT_CODES.contains(&code)) {
        ErrorBody::Limit
    } else if types(status).contains(&error.kind.as_str()) {
        ErrorBody::Own
    } else {
        ErrorBody::Json
    }
}

/// A 404 where no key was named: something else does not exist.
pub(super) fn not_about_a_key(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::NotFound => ProviderError::Refused {
            detail: OutsideText::new("HTTP 404: no such workspace"),
        },
        other => other,
    }
}
