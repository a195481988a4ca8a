//! The smallest driver that passes, and the mistakes that must not.

mod reports;

use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::model::key::{ApiKey, KeyFormat};
use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::names::KeyHandle;
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    Abilities, Disabled, Extent, IssueRequest, IssuedKey, KeyIssuer, KeyOwner, KeyProvider,
    KeyRecord, Limits, Naming, Page, PageToken, ProviderError, Reach, SpendCaps, Suspension,
    UsageReports, Verdict,
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::simulator::Reply;
use crate::simulator::testing::World;

/// A mistake that a driver could make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    CreatesAgain,
    CreateIsRetryable,
    HidesDisabled,
    FirstPageOnly,
    IgnoresScope,
    EmptyPageOnError,
    NeverRepeats,
    AbsentOnAny404,
    DeadOnAny401,
    LiveOnAny200,
    CapDropped,
    ExpiryDropped,
    DisableIsDelete,
    DeleteIsDisable,
    RestoreForgotten,
    RefusedLikeOthers,
    RetryAfterDropped,
    UsedUpIsDead,
    AlwaysNow,
    UnknownFieldIsFault,
    EmptyPageIsFault,
    GoneIsFault,
    NoLimitIsNothing,
    HidesTheLost,
    NamesNobody,
    AnyWidth,
    IgnoresWindow,
    ReadsPagesTwice,
    RoundsToCents,
}

pub(super) struct Reference {
    pub(super) world: Arc<World>,
    pub(super) flaw: Flaw,
}

fn retry(after: Option<jiff::SignedDuration>) -> ProviderError {
    ProviderError::RetryAfter {
        after,
        detail: OutsideText::default(),
    }
}

impl Reference {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// The JSON of a success, or what the refusal means.
    fn once(&self, method: &str, path: &str, body: &str) -> Result<Value, ProviderError> {
        let Ok(answer) = self.world.admin(method, path, body) else {
            return Err(retry(None));
        };
        let json = serde_json::from_str::<Value>(&answer.body);
        if self.has(Flaw::UnknownFieldIsFault) && answer.body.contains(Reply::UNKNOWN_FIELD) {
            return Err(retry(None));
        }
        let own = json.as_ref().is_ok_and(|body| body["error"].is_object());
        match (answer.status, json) {
            (200 | 201, Ok(json)) if !own => Ok(json),
            (404, _) if own || self.has(Flaw::AbsentOnAny404) => Err(ProviderError::NotFound),
            (401, _) if own && !self.has(Flaw::RefusedLikeOthers) => {
                Err(ProviderError::AdminCredential {
                    detail: OutsideText::default(),
                })
            }
            (429, _) => Err(retry(self.retry_after(answer.header("retry-after")))),
            _ => Err(retry(None)),
        }
    }

    fn retry_after(&self, header: Option<&str>) -> Option<jiff::SignedDuration> {
        let header = header.filter(|_| !self.has(Flaw::RetryAfterDropped))?;
        if let Ok(seconds) = header.parse() {
            return Some(jiff::SignedDuration::from_secs(seconds));
        }
        let date = jiff::fmt::rfc2822::parse(header).ok()?;
        Some(date.timestamp().duration_since(self.world.simulator.time()))
    }

    fn repeated(&self, method: &str, path: &str, body: &str) -> Result<Value, ProviderError> {
        match self.once(method, path, body) {
            Err(ProviderError::RetryAfter { .. }) if !self.has(Flaw::NeverRepeats) => {
                self.once(method, path, body)
            }
            outcome => outcome,
        }
    }

    /// Whether the answer to the create of this key was made to go wrong.
    fn is_lost(&self, key: &KeyRecord) -> bool {
        let requests = self.world.simulator.requests_to("POST", "/keys");
        let is_it = |label: &String| label.as_str() == key.label.as_str();
        requests
            .iter()
            .any(|r| r.fault.is_some() && r.label.as_ref().is_some_and(is_it))
    }

    fn patch(&self, handle: &KeyHandle, body: &Value) -> Result<KeyRecord, ProviderError> {
        let path = format!("/keys/{handle}");
        let answer = self.repeated("PATCH", &path, &body.to_string())?;
        Ok(record(&answer["data"]))
    }

    fn record(&self, handle: &KeyHandle) -> Result<KeyRecord, ProviderError> {
        let answer = self.repeated("GET", &format!("/keys/{handle}"), "")?;
        let mut record = record(&answer["data"]);
        if self.has(Flaw::NoLimitIsNothing) {
            record.reach.models = Extent::Only(Vec::new());
        }
        Ok(record)
    }
}

fn record(row: &Value) -> KeyRecord {
    let text = |field: &str| OutsideText::new(row[field].as_str().unwrap());
    let time = |field: &str| row[field].as_str().map(|time| time.parse().unwrap());
    let micro = |field: &str| Some(MicroDollars((row[field].as_f64()? * 1e6).round() as u64));
    let period = match row["limit_reset"].as_str() {
        Some("daily") => CapPeriod::Daily,
        Some("monthly") => CapPeriod::Monthly,
        _ => CapPeriod::Lifetime,
    };
    KeyRecord {
        handle: row["hash"].as_str().unwrap().parse().unwrap(),
        label: text("name"),
        redacted: text("label"),
        suspended: row["disabled"].as_bool(),
        workspace: None,
        owner: KeyOwner::Unknown,
        created: time("created_at"),
        expires: time("expires_at"),
        last_used: None,
        spent: micro("usage"),
        cap: micro("limit").map(|amount| SpendCap { amount, period }),
        reach: Reach::default(),
    }
}

fn limit(cap: SpendCap) -> Value {
    let reset = match cap.period {
        CapPeriod::Daily => Some("daily"),
        CapPeriod::Monthly => Some("monthly"),
        CapPeriod::Lifetime => None,
    };
    json!({ "limit": cap.amount.0 as f64 / 1e6, "limit_reset": reset })
}

#[async_trait]
impl KeyProvider for Reference {
    fn abilities(&self) -> Abilities {
        Abilities {
            provider: ProviderName::OpenRouter,
            format: KeyFormat {
                prefix: "sk-or-v1-",
                also: &[],
                not: &[],
                alphabet: "0123456789abcdef",
            },
            suspension: Suspension::Refuses,
            expiry: true,
            names: Naming::Label,
            limits: Limits::default(),
        }
    }

    async fn list(&self, scope: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        let offset = page.map_or(0, |page| page.0.parse().unwrap());
        let mut path = format!("/keys?offset={offset}");
        if !self.has(Flaw::HidesDisabled) {
            path.push_str("&include_disabled=true");
        }
        if let Some(id) = scope
            .workspace
            .as_ref()
            .filter(|_| !self.has(Flaw::IgnoresScope))
        {
            path.push_str(&format!("&workspace_id={id}"));
        }
        let answer = match self.repeated("GET", &path, "") {
            Err(_) if self.has(Flaw::EmptyPageOnError) => json!({ "data": [] }),
            answer => answer?,
        };
        let mut keys: Vec<KeyRecord> = answer["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(record)
            .collect();
        if self.has(Flaw::HidesTheLost) {
            keys.retain(|key| !self.is_lost(key));
        }
        if keys.is_empty() && offset > 0 && self.has(Flaw::EmptyPageIsFault) {
            return Err(retry(None));
        }
        let more = !keys.is_empty() && !self.has(Flaw::FirstPageOnly);
        let next = more.then(|| PageToken((offset + keys.len()).to_string()));
        Ok(Page { keys, next })
    }

    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        match self.record(handle) {
            Err(ProviderError::NotFound) => Ok(None),
            found => found.map(Some),
        }
    }

    async fn verify(&self, key: &ApiKey) -> Verdict {
        let path = "/api/v1/key";
        let text = OutsideText::default();
        let answer = self.world.send("GET", path, Some(key.expose_secret()), "");
        let Ok(answer) = answer else {
            return Verdict::Unknown(text);
        };
        let json: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let own = json["error"].is_object();
        let used_up = json["data"]["limit_remaining"] == json!(0.0);
        match answer.status {
            200 if used_up && self.has(Flaw::UsedUpIsDead) => Verdict::Dead(text),
            200 if used_up => Verdict::BlockedForMoney(text),
            200 if json["data"].is_object() || self.has(Flaw::LiveOnAny200) => Verdict::Live,
            401 if own || self.has(Flaw::DeadOnAny401) => Verdict::Dead(text),
            _ => Verdict::Unknown(text),
        }
    }

    async fn disable(&self, handle: &KeyHandle) -> Result<Disabled, ProviderError> {
        if self.has(Flaw::DisableIsDelete) {
            self.delete(handle).await?;
            return Ok(Disabled::Now);
        }
        let before = self.record(handle)?;
        self.patch(handle, &json!({ "disabled": true }))?;
        Ok(
            if before.suspended == Some(true) && !self.has(Flaw::AlwaysNow) {
                Disabled::Already
            } else {
                Disabled::Now
            },
        )
    }

    async fn restore(&self, handle: &KeyHandle, _: &Scope) -> Result<(), ProviderError> {
        let disabled = self.has(Flaw::RestoreForgotten);
        self.patch(handle, &json!({ "disabled": disabled }))
            .map(|_| ())
    }

    async fn delete(&self, handle: &KeyHandle) -> Result<(), ProviderError> {
        if self.has(Flaw::DeleteIsDisable) {
            return self.patch(handle, &json!({ "disabled": true })).map(|_| ());
        }
        match self.repeated("DELETE", &format!("/keys/{handle}"), "") {
            Err(ProviderError::NotFound) if self.has(Flaw::GoneIsFault) => Err(retry(None)),
            answer => answer.map(|_| ()),
        }
    }

    fn issuer(&self) -> Option<&dyn KeyIssuer> {
        Some(self)
    }

    fn caps(&self) -> Option<&dyn SpendCaps> {
        Some(self)
    }

    fn reports(&self) -> Option<&dyn UsageReports> {
        Some(self)
    }
}

#[async_trait]
impl KeyIssuer for Reference {
    async fn issue(&self, request: &IssueRequest) -> Result<IssuedKey, ProviderError> {
        let mut body = limit(request.cap);
        body["name"] = json!(request.label);
        if !self.has(Flaw::ExpiryDropped) {
            body["expires_at"] = json!(request.expires);
        }
        if let Some(id) = &request.scope.workspace {
            body["workspace_id"] = json!(id);
        }
        let body = body.to_string();
        let answer = if self.has(Flaw::CreatesAgain) {
            self.repeated("POST", "/keys", &body)
        } else {
            self.once("POST", "/keys", &body)
        };
        let limited = self
            .world
            .simulator
            .requests()
            .last()
            .and_then(|request| request.status)
            == Some(429);
        match answer {
            Err(ProviderError::RetryAfter { detail, .. })
                if !limited && !self.has(Flaw::CreateIsRetryable) =>
            {
                Err(ProviderError::Ambiguous { detail })
            }
            Err(error) => Err(error),
            Ok(answer) => Ok(IssuedKey {
                key: ApiKey::new(answer["key"].as_str().unwrap()),
                handle: record(&answer["data"]).handle,
                expires: record(&answer["data"]).expires,
            }),
        }
    }
}

#[async_trait]
impl SpendCaps for Reference {
    async fn set_cap(&self, handle: &KeyHandle, cap: SpendCap) -> Result<(), ProviderError> {
        if self.has(Flaw::CapDropped) {
            return Ok(());
        }
        self.patch(handle, &limit(cap)).map(|_| ())
    }
}
