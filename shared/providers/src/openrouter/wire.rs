//! OpenRouter's JSON.
//!
//! Unknown fields are ignored. What a decision rests on is required; the rest may be missing or of another type and is
//! then unknown. <https://openrouter.ai/docs/api-reference/api-keys/list>

use jiff::Timestamp;
use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::names::KeyHandle;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{KeyOwner, KeyRecord, Reach};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::money::{dollars, micro_dollars};

/// `{"data": …}`. An `error` beside it makes it unreadable: OpenRouter may answer 200 with an error inside,
/// <https://openrouter.ai/docs/api-reference/errors>.
#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// The `data` of an answer, or `None` if the answer is not of that shape.
pub(super) fn data<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Option<T> {
    let envelope: Envelope<T> = serde_json::from_slice(body).ok()?;
    envelope.error.is_none().then_some(envelope.data)
}

/// A key in lists and answers.
#[derive(Deserialize)]
pub(super) struct KeyData {
    hash: KeyHandle,
    name: String,
    disabled: bool,
    #[serde(default)]
    label: Value,
    #[serde(default)]
    limit: Value,
    #[serde(default)]
    limit_reset: Value,
    #[serde(default)]
    usage: Value,
    #[serde(default)]
    byok_usage: Value,
    #[serde(default)]
    created_at: Value,
    #[serde(default)]
    expires_at: Value,
    #[serde(default)]
    workspace_id: Value,
}

impl KeyData {
    pub(super) fn into_record(self) -> KeyRecord {
        KeyRecord {
            cap: self.cap(),
            spent: self.spent(),
            created: time(&self.created_at),
            expires: time(&self.expires_at),
            handle: self.hash,
            label: OutsideText::new(&self.name),
            redacted: OutsideText::new(self.label.as_str().unwrap_or_default()),
            suspended: Some(self.disabled),
            workspace: self.workspace_id.as_str().and_then(|id| id.parse().ok()),
            owner: KeyOwner::Unknown,
            last_used: None,
            reach: Reach::default(),
        }
    }

    /// A weekly limit, or one by a rule that is not known here, reads as none: Keyward sets neither, and whoever
    /// compares then sets the limit that is wanted.
    fn cap(&self) -> Option<SpendCap> {
        let period = match (&self.limit_reset, self.limit_reset.as_str()) {
            (Value::Null, _) => CapPeriod::Lifetime,
            (_, Some("daily")) => CapPeriod::Daily,
            (_, Some("monthly")) => CapPeriod::Monthly,
            _ => return None,
        };
        let amount = micro_dollars(&self.limit)?;
        Some(SpendCap { amount, period })
    }

    /// Own credits and, on top, what upstream providers billed for the customer's own keys: either moves while the
    /// key is in use.
    fn spent(&self) -> Option<MicroDollars> {
        let usage = micro_dollars(&self.usage)?;
        let byok = match &self.byok_usage {
            Value::Null => MicroDollars(0),
            byok => micro_dollars(byok)?,
        };
        Some(MicroDollars(usage.0 + byok.0))
    }
}

/// ISO 8601 with an offset; anything else is unknown.
fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// The answer to a create. No `Debug`: it holds the new key.
#[derive(Deserialize)]
pub(super) struct Created {
    pub(super) data: KeyData,
    pub(super) key: String,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

impl Created {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let created: Self = serde_json::from_slice(body).ok()?;
        (created.error.is_none() && !created.key.trim().is_empty()).then_some(created)
    }
}

/// The answer to a delete.
#[derive(Deserialize)]
pub(super) struct Deleted {
    pub(super) deleted: bool,
}

/// What a key may read about itself.
#[derive(Deserialize)]
pub(super) struct CurrentKey {
    #[serde(rename = "label")]
    _label: String,
    #[serde(rename = "usage")]
    _usage: serde_json::Number,
    pub(super) limit: Option<serde_json::Number>,
    pub(super) limit_remaining: Option<serde_json::Number>,
    #[serde(default)]
    pub(super) is_management_key: bool,
    /// The former name of the same.
    #[serde(default)]
    pub(super) is_provisioning_key: bool,
}

/// OpenRouter's own error: `{"error":{"code":403,"message":"…","metadata":{…}}}`, the code equal to the HTTP status.
/// <https://openrouter.ai/docs/api-reference/errors>
#[derive(Deserialize)]
pub(super) struct ErrorData {
    code: u16,
    pub(super) message: String,
    #[serde(default)]
    metadata: Value,
}

impl ErrorData {
    /// The error, if the body is OpenRouter's and speaks of this status.
    pub(super) fn read(status: u16, body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            error: ErrorData,
        }
        let body: Body = serde_json::from_slice(body).ok()?;
        (body.error.code == status).then_some(body.error)
    }

    /// A word of the metadata.
    pub(super) fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.get(name)?.as_str()
    }
}

/// Whether the body is JSON that reports an error in whatever shape, as validation does.
pub(super) fn is_json_error(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body)
        .is_ok_and(|v| v.get("error").is_some_and(|e| !e.is_null()))
}

/// A create.
#[derive(Serialize)]
pub(super) struct Create<'a> {
    pub(super) name: &'a str,
    #[serde(flatten)]
    pub(super) limit: Limit,
    pub(super) expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) workspace_id: Option<&'a str>,
}

/// A limit, `limit_reset` null for one that never starts again.
#[derive(Serialize)]
pub(super) struct Limit {
    limit: Box<RawValue>,
    limit_reset: Option<&'static str>,
}

impl Limit {
    pub(super) fn of(cap: SpendCap) -> Option<Self> {
        Some(Self {
            limit: RawValue::from_string(dollars(cap.amount)).ok()?,
            limit_reset: match cap.period {
                CapPeriod::Daily => Some("daily"),
                CapPeriod::Monthly => Some("monthly"),
                CapPeriod::Lifetime => None,
            },
        })
    }
}

/// A suspension or its end.
#[derive(Serialize)]
pub(super) struct Disable {
    pub(super) disabled: bool,
}

/// UTC with a Z, whole seconds; other zones are rejected.
pub(super) fn utc(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_are_written_as_exact_decimals() {
        for (micros, period, expected) in [
            (
                52_000_000,
                CapPeriod::Monthly,
                r#"{"limit":52,"limit_reset":"monthly"}"#,
            ),
            (
                100_000,
                CapPeriod::Daily,
                r#"{"limit":0.1,"limit_reset":"daily"}"#,
            ),
            (
                1_000_001,
                CapPeriod::Lifetime,
                r#"{"limit":1.000001,"limit_reset":null}"#,
            ),
            (0, CapPeriod::Daily, r#"{"limit":0,"limit_reset":"daily"}"#),
        ] {
            let cap = SpendCap {
                amount: MicroDollars(micros),
                period,
            };
            let text = serde_json::to_string(&Limit::of(cap).unwrap()).unwrap();
            assert_eq!(text, expected);
        }
    }

    fn record(change: impl FnOnce(&mut Value)) -> Option<KeyRecord> {
        let file: Value = serde_json::from_str(include_str!(
            "../../fixtures/P-14b-openrouter-key-disabled.json"
        ))
        .unwrap();
        let mut body = file["response"].clone();
        change(&mut body["data"]);
        data::<KeyData>(body.to_string().as_bytes()).map(KeyData::into_record)
    }

    #[test]
    fn a_record_is_read_whole() {
        let record = record(|_| {}).unwrap();
        assert_eq!(record.handle.as_str(), "f0".repeat(32));
        assert_eq!(record.label.as_str(), "agent-billing");
        assert_eq!(record.redacted.as_str(), "sk-or-v1-EX...MPL");
        assert_eq!(record.suspended, Some(true));
        assert_eq!(
            record.created.map(utc).as_deref(),
            Some("2026-08-24T10:30:00Z")
        );
        assert_eq!(record.expires, None);
        assert_eq!(record.last_used, None);
        assert_eq!(record.spent, Some(MicroDollars(325_500_000)));
        let cap = SpendCap {
            amount: MicroDollars::from_dollars(100),
            period: CapPeriod::Monthly,
        };
        assert_eq!(record.cap, Some(cap));
    }

    #[test]
    fn limits_read_back_by_their_rule() {
        let cap = |limit: Value, reset: Value| {
            let record = record(|d| {
                d["limit"] = limit;
                d["limit_reset"] = reset;
            });
            record.unwrap().cap.map(|cap| (cap.amount.0, cap.period))
        };
        for (limit, reset, expected) in [
            (
                json!(5),
                json!("daily"),
                Some((5_000_000, CapPeriod::Daily)),
            ),
            (
                json!(5),
                json!("monthly"),
                Some((5_000_000, CapPeriod::Monthly)),
            ),
            (
                json!(5),
                json!(null),
                Some((5_000_000, CapPeriod::Lifetime)),
            ),
            (json!(0), json!(null), Some((0, CapPeriod::Lifetime))),
            (json!(5), json!("weekly"), None),
            (json!(5), json!("hourly"), None),
            (json!(5), json!(7), None),
            (json!(null), json!(null), None),
            (json!(-5), json!(null), None),
        ] {
            assert_eq!(
                cap(limit.clone(), reset.clone()),
                expected,
                "{limit} {reset}"
            );
        }
    }

    #[test]
    fn spend_counts_own_keys_too_and_is_unknown_when_unreadable() {
        let spent = |usage: Value, byok: Value| {
            let record = record(|d| {
                d["usage"] = usage;
                d["byok_usage"] = byok;
            });
            record.unwrap().spent.map(|spent| spent.0)
        };
        assert_eq!(spent(json!(1.5), json!(0.25)), Some(1_750_000));
        assert_eq!(spent(json!(1.5), json!(null)), Some(1_500_000));
        assert_eq!(spent(json!("1.5"), json!(0)), Some(1_500_000));
        assert_eq!(spent(json!(null), json!(0)), None);
        assert_eq!(spent(json!(-1), json!(0)), None);
        assert_eq!(spent(json!(1), json!(-1)), None);
    }

    #[test]
    fn a_record_without_what_decisions_rest_on_is_none() {
        for field in ["hash", "name", "disabled"] {
            assert!(
                record(|d| drop(d.as_object_mut().unwrap().remove(field))).is_none(),
                "{field}"
            );
        }
        assert!(record(|d| d["hash"] = json!("a b")).is_none());
        assert!(record(|d| d["disabled"] = json!("false")).is_none());
        let sparse =
            record(|d| *d = json!({"hash": "h", "name": "n", "disabled": false, "new": [1]}));
        assert_eq!(
            sparse.map(|r| (r.cap, r.spent, r.created)),
            Some((None, None, None))
        );
    }
}
