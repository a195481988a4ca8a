//! Azure Resource Manager's JSON. Unknown fields are ignored; what a decision rests on is required.

use http::StatusCode;
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::KeyHandle;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{KeyOwner, KeyRecord, Reach};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::KEY_FORMAT;
use super::handle::Place;
use crate::api::ErrorBody;

/// The texts of both keys.
#[derive(Debug)]
pub(super) struct Pair([ApiKey; 2]);

impl Pair {
    /// `None` if the answer does not hold two different keys, or holds an error beside them.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Keys {
            key1: String,
            key2: String,
            #[serde(default)]
            error: Option<IgnoredAny>,
        }
        let keys: Keys = serde_json::from_slice(body).ok()?;
        let [one, two] = [keys.key1, keys.key2].map(|text| text.trim().to_owned());
        let is_pair = keys.error.is_none() && !one.is_empty() && !two.is_empty() && one != two;
        is_pair.then(|| Self([ApiKey::new(&one), ApiKey::new(&two)]))
    }

    pub(super) const fn text(&self, place: Place) -> &ApiKey {
        match place {
            Place::Key1 => &self.0[0],
            Place::Key2 => &self.0[1],
        }
    }
}

/// Which key to regenerate.
#[derive(Serialize)]
pub(super) struct Regenerate {
    #[serde(rename = "keyName")]
    pub(super) key_name: &'static str,
}

/// A key as it is listed: Azure tells no more of it than its text.
pub(super) fn record(place: Place, handle: KeyHandle, key: &ApiKey) -> KeyRecord {
    KeyRecord {
        handle,
        label: OutsideText::new(place.as_str()),
        redacted: OutsideText::new(&key.hint(&KEY_FORMAT).to_string()),
        suspended: None,
        workspace: None,
        owner: KeyOwner::Service,
        created: None,
        expires: None,
        last_used: None,
        spent: None,
        cap: None,
        reach: Reach::default(),
    }
}

/// The `error` of a body.
#[derive(Deserialize)]
pub(super) struct ErrorData {
    pub(super) code: String,
    #[serde(default)]
    message: Value,
}

impl ErrorData {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Envelope {
            error: ErrorData,
        }
        let envelope: Option<Envelope> = serde_json::from_slice(body).ok();
        envelope.map(|envelope| envelope.error)
    }

    pub(super) fn message(&self) -> &str {
        self.message.as_str().unwrap_or_default()
    }
}

/// What kind of error a body is. 409 is a resource that another change is being made to, which passes. Of 403, only a
/// missing role assignment is the credential's fault; policies and locks refuse the request.
/// <https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors>
pub(super) fn error_body(status: StatusCode, body: &[u8]) -> ErrorBody {
    let Some(error) = ErrorData::read(body) else {
        let is_object = matches!(serde_json::from_slice(body), Ok(Value::Object(_)));
        return if is_object && status != StatusCode::CONFLICT {
            ErrorBody::Json
        } else {
            ErrorBody::Other
        };
    };
    match status {
        StatusCode::CONFLICT => ErrorBody::Other,
        StatusCode::FORBIDDEN if !error.code.ends_with("AuthorizationFailed") => ErrorBody::Refusal,
        _ => ErrorBody::Own,
    }
}
