//! Google's JSON about keys and operations.
//!
//! Unknown fields are ignored. What a decision rests on is required or has the meaning that its absence has; the rest may
//! be missing or of another type and is then unknown.
//! <https://cloud.google.com/api-keys/docs/reference/rest/v2/projects.locations.keys>

use http::StatusCode;
use jiff::Timestamp;
use keyward_core::model::names::{KeyHandle, OperationId, ScopeId};
use keyward_core::model::slot::Scope;
use keyward_core::model::text::{OutsideText, without_keys};
use keyward_core::ports::{KeyOwner, KeyRecord, ProviderError};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids;
use super::restrictions::Restrictions;
use crate::api::{ErrorBody, no_use};
use crate::http::Repeat;

/// The annotation that holds a key's label, which is too long for its name.
const LABEL: &str = "keyward-label";

/// Characters that a name may have.
const LONGEST_NAME: usize = 63;

/// What is in an answer; `None` if it is of another shape, or an error.
pub(super) fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Option<T> {
    #[derive(Deserialize)]
    struct Failed {
        error: Option<IgnoredAny>,
    }
    let failed: Failed = serde_json::from_slice(body).ok()?;
    match failed.error {
        Some(_) => None,
        None => serde_json::from_slice(body).ok(),
    }
}

/// Work that goes on after the answer that names it.
/// <https://cloud.google.com/api-keys/docs/reference/rest/v2/operations>
pub(super) struct Operation {
    pub(super) id: OperationId,
    pub(super) state: State,
}

/// How far an operation has come.
pub(super) enum State {
    GoesOn,
    /// It ended with this, a key where it made or changed one.
    Done(Value),
    Failed(Status),
}

/// Why an operation failed.
#[derive(Deserialize)]
pub(super) struct Status {
    code: i64,
    #[serde(default)]
    message: String,
}

impl Operation {
    /// `None` for anything else, an error of the call included.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire {
            name: OperationId,
            #[serde(default)]
            done: bool,
            response: Option<Value>,
            error: Option<Status>,
        }
        let wire: Wire = serde_json::from_slice(body).ok()?;
        ids::operation_in(&wire.name).ok()?;
        let state = match (wire.done, wire.response, wire.error) {
            (false, None, None) => State::GoesOn,
            (true, response, None) => State::Done(response.unwrap_or_default()),
            (true, None, Some(error)) => State::Failed(error),
            _ => return None,
        };
        Some(Self {
            id: wire.name,
            state,
        })
    }
}

impl Status {
    /// What the end of a create means. Codes: <https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto>.
    pub(super) fn of_a_create(self) -> ProviderError {
        let detail = self.detail();
        match self.code {
            // RESOURCE_EXHAUSTED
            8 => ProviderError::LimitReached { detail },
            // INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED,
            // UNAUTHENTICATED
            3 | 5 | 7 | 9 | 11 | 12 | 16 => ProviderError::Refused { detail },
            _ => ProviderError::Ambiguous { detail },
        }
    }

    /// What the end of a change or a delete means.
    pub(super) fn of_a_change(self) -> ProviderError {
        let detail = self.detail();
        match self.code {
            5 => ProviderError::NotFound,
            3 | 7 | 9 | 11 | 12 | 16 => ProviderError::Refused { detail },
            _ => no_use(Repeat::Safe, None, detail),
        }
    }

    fn detail(&self) -> OutsideText {
        let words = without_keys(&self.message);
        OutsideText::new(&format!("operation failed, code {}: {words}", self.code))
    }
}

/// A key in lists and answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    name: String,
    #[serde(default)]
    display_name: Value,
    #[serde(default)]
    annotations: Value,
    #[serde(default)]
    create_time: Value,
    #[serde(default)]
    delete_time: Value,
    #[serde(default)]
    service_account_email: Value,
    restrictions: Option<Restrictions>,
}

impl Row {
    /// The key's own id.
    pub(super) fn id(&self) -> Option<&str> {
        ids::key_in(&self.name)
    }

    /// Deleted keys are there for 30 days, and can be brought back.
    pub(super) fn is_deleted(&self) -> bool {
        !matches!(&self.delete_time, Value::Null) && self.delete_time != ""
    }

    /// When it was deleted.
    pub(super) fn deleted(&self) -> Option<Timestamp> {
        self.delete_time.as_str()?.parse().ok()
    }

    pub(super) fn restrictions(&self) -> Restrictions {
        self.restrictions.clone().unwrap_or_default()
    }

    /// Whether it is bound to the service account that the scope names.
    pub(super) fn is_bound_to(&self, account: Option<&ScopeId>) -> bool {
        account.is_none_or(|asked| self.service_account_email == asked.as_str())
    }

    /// Its label: what the annotation says, if the id was made from that, else its name.
    pub(super) fn label(&self) -> OutsideText {
        let annotated = self.annotations[LABEL].as_str();
        let own = annotated.filter(|label| self.id() == Some(&ids::key_id(label)));
        let name = self.display_name.as_str();
        OutsideText::new(own.or(name).unwrap_or_default())
    }

    pub(super) fn handle(&self, project: &str) -> Option<KeyHandle> {
        ids::handle(project, self.id()?)
    }

    /// Whether it is this one.
    pub(super) fn handle_is(&self, handle: &KeyHandle) -> bool {
        ids::Ids::of(handle).is_ok_and(|ids| self.id() == Some(ids.key))
    }

    /// `None` if it has no id.
    pub(super) fn into_record(self, project: &str) -> Option<KeyRecord> {
        let restrictions = self.restrictions();
        Some(KeyRecord {
            handle: self.handle(project)?,
            label: self.label(),
            redacted: OutsideText::default(),
            suspended: Some(restrictions.suspend()),
            workspace: project.parse().ok(),
            owner: KeyOwner::Service,
            created: self.create_time.as_str().and_then(|at| at.parse().ok()),
            expires: None,
            last_used: None,
            spent: None,
            cap: None,
            reach: restrictions.reach(),
        })
    }
}

/// A page of the list. A project without keys is answered with an empty object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    #[serde(default)]
    pub(super) keys: Vec<Row>,
    next_page_token: Option<String>,
}

impl Listed {
    /// Where the next page begins; `None` on the last.
    pub(super) fn next(&self) -> Option<&str> {
        self.next_page_token.as_deref().filter(|t| !t.is_empty())
    }
}

/// A key's text. No `Debug`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyString {
    pub(super) key_string: String,
}

/// A create.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create<'a> {
    display_name: &'a str,
    annotations: Annotations<'a>,
    restrictions: Restrictions,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account_email: Option<&'a str>,
}

#[derive(Serialize)]
struct Annotations<'a> {
    #[serde(rename = "keyward-label")]
    label: &'a str,
}

impl<'a> Create<'a> {
    /// Labels are ASCII.
    pub(super) fn new(label: &'a str, scope: &'a Scope) -> Self {
        Self {
            display_name: label.get(..LONGEST_NAME).unwrap_or(label),
            annotations: Annotations { label },
            restrictions: Restrictions::of(scope),
            service_account_email: scope.service_account.as_ref().map(ScopeId::as_str),
        }
    }
}

/// A change of a key's restrictions.
#[derive(Serialize)]
pub(super) struct Change {
    pub(super) restrictions: Restrictions,
}

/// The error of a call: <https://cloud.google.com/apis/design/errors>.
#[derive(Deserialize)]
pub(super) struct ErrorData {
    code: u16,
    pub(super) status: String,
    #[serde(default)]
    details: Vec<Value>,
}

impl ErrorData {
    /// `None` if the body is not Google's, or about another status.
    pub(super) fn read(status: u16, body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            error: ErrorData,
        }
        let Body { error } = serde_json::from_slice(body).ok()?;
        (error.code == status).then_some(error)
    }

    /// The reason in one of the details: <https://cloud.google.com/apis/design/errors#error_info>.
    pub(super) fn reason(&self) -> Option<&str> {
        let is_info = |detail: &&Value| {
            detail["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
                && detail["domain"] == "googleapis.com"
        };
        self.details.iter().find(is_info)?["reason"].as_str()
    }
}

/// Whose an error's body is. What passes by itself is nobody's: no refusal.
pub(super) fn error_body(status: StatusCode, body: &[u8]) -> ErrorBody {
    const PASSING: [&str; 6] = [
        "ABORTED",
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "INTERNAL",
        "UNAVAILABLE",
        "UNKNOWN",
    ];
    match ErrorData::read(status.as_u16(), body) {
        Some(error) if PASSING.contains(&error.status.as_str()) => ErrorBody::Other,
        Some(error) if error.status == "ALREADY_EXISTS" => ErrorBody::Taken,
        Some(_) => ErrorBody::Own,
        None => ErrorBody::Other,
    }
}
