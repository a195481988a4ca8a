//! LiteLLM's JSON about keys.
//!
//! Unknown fields are ignored. What a decision rests on is required; the rest may be missing or of another type and is
//! then unknown. <https://docs.litellm.ai/docs/proxy/virtual_keys>, and the proxy's own description at `/openapi.json`.

use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::names::{Endpoint, KeyHandle, ModelName};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::KeyLabel;
use keyward_core::ports::{Extent, KeyOwner, KeyRecord, Reach};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::chosen::Chosen;
use crate::api::ErrorBody;
use crate::money::{dollars, micro_dollars};

/// Whom the proxy writes down for keys of its master key.
const MASTER: &str = "default_user_id";

/// What is in an answer; `None` if it is of another shape, or an error.
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

/// A key in lists and answers. `token` is the SHA-256 of its text, and missing where the question named it.
#[derive(Deserialize)]
pub(super) struct Row {
    #[serde(default)]
    token: Value,
    #[serde(default)]
    key_alias: Value,
    #[serde(default)]
    key_name: Value,
    #[serde(default, deserialize_with = "told")]
    blocked: Option<Value>,
    #[serde(default)]
    team_id: Value,
    #[serde(default)]
    user_id: Value,
    #[serde(default)]
    spend: Value,
    #[serde(default)]
    max_budget: Value,
    #[serde(default)]
    budget_duration: Value,
    #[serde(default)]
    created_at: Value,
    #[serde(default)]
    expires: Value,
    #[serde(default)]
    last_active: Value,
    #[serde(default, deserialize_with = "told")]
    models: Option<Value>,
    #[serde(default, deserialize_with = "told")]
    allowed_routes: Option<Value>,
    #[serde(default)]
    deleted_at: Value,
    #[serde(default)]
    status: Value,
}

/// A field that is there, `null` included.
fn told<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(field).map(Some)
}

impl Row {
    /// `None` if the row does not name its key.
    pub(super) fn into_record(self) -> Option<KeyRecord> {
        let handle = self.token.as_str()?.parse().ok()?;
        Some(self.record(handle))
    }

    fn record(self, handle: KeyHandle) -> KeyRecord {
        let text = |value: &Value| OutsideText::new(value.as_str().unwrap_or_default());
        KeyRecord {
            cap: self.cap(),
            spent: self.spent(),
            created: time(&self.created_at),
            expires: time(&self.expires),
            last_used: time(&self.last_active),
            handle,
            label: text(&self.key_alias),
            redacted: text(&self.key_name),
            suspended: self.suspended(),
            workspace: self.team_id.as_str().and_then(|id| id.parse().ok()),
            owner: self.owner(),
            reach: Reach {
                models: extent(self.models),
                endpoints: extent(self.allowed_routes),
                addresses: Extent::Untold,
            },
        }
    }

    /// A key that was never blocked has `null` there.
    fn suspended(&self) -> Option<bool> {
        match &self.blocked {
            Some(Value::Null) => Some(false),
            Some(blocked) => blocked.as_bool(),
            None => None,
        }
    }

    /// Keys of a user end when the proxy deletes the user, who may be a person or a program.
    fn owner(&self) -> KeyOwner {
        match &self.user_id {
            Value::Null => KeyOwner::Service,
            Value::String(user) if user == MASTER => KeyOwner::Service,
            _ => KeyOwner::Unknown,
        }
    }

    /// `1d` starts again at midnight, `1mo` and `30d` on the first of the month: in the time zone that the proxy is
    /// set to, which is UTC unless it says otherwise. Any other length reads as no limit: Keyward sets none, and
    /// whoever compares then sets the limit that is wanted.
    fn cap(&self) -> Option<SpendCap> {
        let period = match (&self.budget_duration, self.budget_duration.as_str()) {
            (Value::Null, _) => CapPeriod::Lifetime,
            (_, Some("1d")) => CapPeriod::Daily,
            (_, Some("1mo" | "30d")) => CapPeriod::Monthly,
            _ => return None,
        };
        let amount = micro_dollars(&self.max_budget)?;
        Some(SpendCap { amount, period })
    }

    /// With a period, `spend` counts that one alone.
    fn spent(&self) -> Option<MicroDollars> {
        let whole_life = self.budget_duration.is_null();
        whole_life.then(|| micro_dollars(&self.spend)).flatten()
    }
}

/// An empty list limits nothing: <https://docs.litellm.ai/docs/proxy/virtual_keys>. What is no name in it stays in it
/// as it is, for it was not asked for.
fn extent(list: Option<Value>) -> Extent {
    match list {
        None => Extent::Untold,
        Some(Value::Null) => Extent::All,
        Some(Value::Array(names)) if names.is_empty() => Extent::All,
        Some(Value::Array(names)) => {
            let name = |value: &Value| match value.as_str() {
                Some(name) => OutsideText::new(name),
                None => OutsideText::new(&value.to_string()),
            };
            Extent::Only(names.iter().map(name).collect())
        }
        Some(_) => Extent::Untold,
    }
}

/// ISO 8601; without an offset it is UTC, as the proxy itself takes it. Anything else is unknown.
fn time(value: &Value) -> Option<Timestamp> {
    let text = value.as_str()?;
    let with_offset = text.parse::<Timestamp>().ok();
    with_offset.or_else(|| {
        let time: DateTime = text.parse().ok()?;
        Offset::UTC.to_timestamp(time).ok()
    })
}

/// A page of the list.
#[derive(Deserialize)]
pub(super) struct Listed {
    keys: Vec<Row>,
    current_page: u64,
    total_pages: u64,
}

/// The same, read.
pub(super) struct Records {
    pub(super) keys: Vec<KeyRecord>,
    pub(super) page: u64,
    pub(super) pages: u64,
}

impl Listed {
    /// `None` if one of the rows does not name its key.
    pub(super) fn into_records(self) -> Option<Records> {
        let keys: Option<Vec<KeyRecord>> = self.keys.into_iter().map(Row::into_record).collect();
        Some(Records {
            keys: keys?,
            page: self.current_page,
            pages: self.total_pages,
        })
    }
}

/// The answer about one key: `key` is what the question named it by.
#[derive(Deserialize)]
pub(super) struct KeyInfo {
    key: String,
    info: Row,
}

impl KeyInfo {
    /// The key as it is, `None` in it if it is in the archive of deleted ones; `None` if the answer is about another.
    pub(super) fn about(self, handle: &KeyHandle) -> Option<Option<KeyRecord>> {
        if self.key != handle.as_str() {
            return None;
        }
        let deleted = self.info.status == "deleted" || !self.info.deleted_at.is_null();
        Some((!deleted).then(|| self.info.record(handle.clone())))
    }
}

/// The answer to a create. No `Debug`: it holds the new key.
#[derive(Deserialize)]
pub(super) struct Created {
    key: String,
    #[serde(default)]
    token_id: Value,
    #[serde(default)]
    expires: Value,
}

impl Created {
    /// Whether the key is the one that was asked for, by its text and by its hash.
    pub(super) fn is_of(&self, chosen: &Chosen) -> bool {
        chosen.is(&self.key) && (self.token_id.is_null() || self.token_id == chosen.hash())
    }

    pub(super) fn expires(&self) -> Option<Timestamp> {
        time(&self.expires)
    }

    #[cfg(feature = "fuzzing")]
    pub(super) fn text(&self) -> &str {
        &self.key
    }
}

/// The answer to a delete.
#[derive(Deserialize)]
pub(super) struct Deleted {
    pub(super) deleted_keys: Vec<String>,
}

/// LiteLLM's own error: `{"error":{"message":"…","type":"…","param":"…","code":"401"}}`, the code equal to the HTTP
/// status. `ProxyException` in `litellm/proxy/_types.py`, release 1.108.7.
#[derive(Deserialize)]
pub(super) struct ErrorData {
    pub(super) message: String,
    #[serde(rename = "type", default)]
    kind: Value,
    #[serde(default)]
    param: Value,
    code: Value,
}

impl ErrorData {
    /// The error, if the body is LiteLLM's and speaks of this status.
    pub(super) fn read(status: u16, body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            error: ErrorData,
        }
        let Body { error } = serde_json::from_slice(body).ok()?;
        let speaks_of_it = match &error.code {
            Value::String(code) => code.parse() == Ok(status),
            code => code.as_u64() == Some(status.into()),
        };
        speaks_of_it.then_some(error)
    }

    /// What kind of error it is; empty if it does not say.
    pub(super) fn kind(&self) -> &str {
        self.kind.as_str().unwrap_or_default()
    }
}

/// Whose words an error is in. What the caller may not do is `auth_error` with 403; another 403 is about the request,
/// such as a proxy that allows no text chosen by the caller.
pub(super) fn error_body(status: StatusCode, body: &[u8]) -> ErrorBody {
    if let Some(error) = ErrorData::read(status.as_u16(), body) {
        let is_taken = error.param == "key_alias" && error.message.contains("already exists");
        return match status {
            StatusCode::BAD_REQUEST if is_taken => ErrorBody::Taken,
            StatusCode::FORBIDDEN if error.kind() != "auth_error" => ErrorBody::Refusal,
            _ => ErrorBody::Own,
        };
    }
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
        return ErrorBody::Other;
    };
    let told = |field: &str| body.get(field).is_some_and(|value| !value.is_null());
    // Some refusals come as the framework writes them: `{"detail":{"error":"…"}}` is LiteLLM's, `{"detail":"Not Found"}`
    // is the framework's about a path that there is not.
    match body.get("detail").and_then(|detail| detail.get("error")) {
        Some(Value::String(_)) => ErrorBody::Own,
        _ if told("detail") || told("error") => ErrorBody::Json,
        _ => ErrorBody::Other,
    }
}

/// A create. No `Debug`: it holds the new key. A list without an entry is left out: sent, it would permit everything.
#[derive(Serialize)]
pub(super) struct Create<'a> {
    key: &'a Chosen,
    key_alias: &'a str,
    duration: String,
    #[serde(flatten)]
    budget: Budget,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    models: &'a [ModelName],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    allowed_routes: &'a [Endpoint],
    #[serde(skip_serializing_if = "Option::is_none")]
    key_type: Option<&'static str>,
    metadata: Metadata,
}

#[derive(Serialize)]
struct Metadata {
    managed_by: &'static str,
}

impl<'a> Create<'a> {
    /// Without routes of its own a key may call models and nothing else of the proxy: one of the master key could
    /// administer it.
    pub(super) fn new(
        key: &'a Chosen,
        label: &'a KeyLabel,
        duration: String,
        budget: Budget,
        team_id: Option<&'a str>,
        models: &'a [ModelName],
        routes: &'a [Endpoint],
    ) -> Self {
        Self {
            key,
            key_alias: label.as_str(),
            duration,
            budget,
            team_id,
            models,
            allowed_routes: routes,
            key_type: routes.is_empty().then_some("llm_api"),
            metadata: Metadata {
                managed_by: "keyward",
            },
        }
    }
}

/// A limit, `budget_duration` null for one that never starts again.
#[derive(Serialize)]
pub(super) struct Budget {
    max_budget: Box<RawValue>,
    budget_duration: Option<&'static str>,
}

impl Budget {
    pub(super) fn of(cap: SpendCap) -> Option<Self> {
        Some(Self {
            max_budget: RawValue::from_string(dollars(cap.amount)).ok()?,
            budget_duration: match cap.period {
                CapPeriod::Daily => Some("1d"),
                CapPeriod::Monthly => Some("1mo"),
                CapPeriod::Lifetime => None,
            },
        })
    }
}

/// A new limit.
#[derive(Serialize)]
pub(super) struct Update<'a> {
    pub(super) key: &'a str,
    #[serde(flatten)]
    pub(super) budget: Budget,
}

/// What is done to one key.
#[derive(Serialize)]
pub(super) struct OneKey<'a> {
    pub(super) key: &'a str,
}

/// What is done away with.
#[derive(Serialize)]
pub(super) struct Delete<'a> {
    pub(super) keys: [&'a str; 1],
}
