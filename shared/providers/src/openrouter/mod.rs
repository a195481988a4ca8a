//! OpenRouter: creates, lists, limits, suspends and deletes keys with a management key.
//!
//! Base <https://openrouter.ai/api/v1>, described at <https://openrouter.ai/docs/api-reference/api-keys/list>.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod reports;
#[cfg(test)]
mod tests;
mod verdict;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, StatusCode};
use keyward_core::model::key::{ApiKey, KeyFormat};
use keyward_core::model::key_formats;
use keyward_core::model::money::SpendCap;
use keyward_core::model::names::{KeyHandle, ScopeId};
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    Abilities, Disabled, IssueRequest, IssuedKey, KeyIssuer, KeyProvider, KeyRecord, Limits,
    Naming, Page, PageToken, ProviderError, SpendCaps, Suspension, UsageReports, Verdict,
};
use serde::Serialize;

use self::wire::{Create, Created, Deleted, Disable, ErrorData, KeyData, Limit};
use crate::admin::AdminCredential;
use crate::api::{Api, Dialect, ErrorBody, unreadable};
use crate::config::UrlField;
use crate::http::{BaseUrl, HttpClient, Repeat, Scheme};

/// Where OpenRouter's API is.
pub const BASE_URL: &str = "https://openrouter.ai/api/v1";

/// Every URL of an account.
pub(crate) const URLS: &[UrlField] = &[UrlField::base(BASE_URL)];

/// How its keys look.
pub const KEY_FORMAT: KeyFormat = key_formats::OPENROUTER;

/// A list longer than this is a server that does not heed the offset.
const MAX_KEYS: u64 = 100_000;

/// No body.
const NOTHING: Option<&()> = None;

/// How the API is spoken to.
const DIALECT: Dialect = Dialect {
    scheme: Scheme::Bearer,
    headers: &[],
    error: error_body,
};

/// One OpenRouter account.
pub struct OpenRouter(Api);

impl OpenRouter {
    /// The account that `admin` administers, at `base`.
    pub fn new(http: Arc<HttpClient>, base: BaseUrl, admin: AdminCredential) -> Self {
        Self(Api::new(http, base, admin, DIALECT))
    }

    /// Changes one key; the key as it is then.
    async fn patch(
        &self,
        handle: &KeyHandle,
        change: &(impl Serialize + Sync),
    ) -> Result<KeyRecord, ProviderError> {
        let url = self.0.url(&["keys", handle.as_str()])?;
        let answer = self
            .0
            .call(Method::PATCH, url, Some(change), Repeat::Safe)
            .await?;
        wire::data(&answer.body)
            .map(KeyData::into_record)
            .filter(|record| record.handle == *handle)
            .ok_or_else(|| unreadable(Repeat::Safe, "a change was answered, but not with the key"))
    }
}

#[async_trait]
impl KeyProvider for OpenRouter {
    fn abilities(&self) -> Abilities {
        Abilities {
            provider: ProviderName::OpenRouter,
            format: KEY_FORMAT,
            suspension: Suspension::Refuses,
            expiry: true,
            names: Naming::Label,
            limits: Limits::default(),
        }
    }

    /// Pages go by offset until one is empty: the API tells neither a total nor a page size. A key deleted while a
    /// list is under way moves the later ones up, so one may be passed over: what must be complete is listed again
    /// until nothing new appears.
    async fn list(&self, scope: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        let offset = page.map_or(Ok(0), offset_of)?;
        let mut url = self.0.url(&["keys"])?;
        url.query_pairs_mut()
            .append_pair("include_disabled", "true")
            .append_pair("offset", &offset.to_string());
        if let Some(workspace) = &scope.workspace {
            url.query_pairs_mut()
                .append_pair("workspace_id", workspace.as_str());
        }
        let answer = self
            .0
            .call(Method::GET, url, NOTHING, Repeat::Safe)
            .await
            .map_err(not_about_a_key)?;
        let rows: Vec<KeyData> = wire::data(&answer.body)
            .ok_or_else(|| unreadable(Repeat::Safe, "a page of the list of keys is unreadable"))?;
        let keys: Vec<KeyRecord> = rows.into_iter().map(KeyData::into_record).collect();
        let next = offset.saturating_add(keys.len() as u64);
        if next > MAX_KEYS {
            return Err(unreadable(Repeat::Safe, "the list of keys does not end"));
        }
        let next = (!keys.is_empty()).then(|| PageToken(next.to_string()));
        Ok(Page { keys, next })
    }

    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        let url = self.0.url(&["keys", handle.as_str()])?;
        match self.0.call(Method::GET, url, NOTHING, Repeat::Safe).await {
            Err(ProviderError::NotFound) => Ok(None),
            Err(error) => Err(error),
            Ok(answer) => wire::data(&answer.body)
                .map(KeyData::into_record)
                .filter(|record| record.handle == *handle)
                .map(Some)
                .ok_or_else(|| unreadable(Repeat::Safe, "a key was answered, but not readably")),
        }
    }

    async fn verify(&self, key: &ApiKey) -> Verdict {
        let Ok(url) = self.0.url(&["key"]) else {
            return Verdict::Unknown(OutsideText::new("the base URL takes no path"));
        };
        let answer = self.0.ask_as(key, url).await;
        answer.map_or_else(Verdict::Unknown, |answer| verdict::of(&answer))
    }

    /// One call and no look beforehand: containment comes first. So it is always [`Disabled::Now`]; the answer does
    /// not tell what was before.
    async fn disable(&self, handle: &KeyHandle) -> Result<Disabled, ProviderError> {
        let record = self.patch(handle, &Disable { disabled: true }).await?;
        if record.suspended == Some(true) {
            Ok(Disabled::Now)
        } else {
            Err(unreadable(Repeat::Safe, "the key still reads as enabled"))
        }
    }

    async fn restore(&self, handle: &KeyHandle, _: &Scope) -> Result<(), ProviderError> {
        let record = self.patch(handle, &Disable { disabled: false }).await?;
        if record.suspended == Some(true) {
            Err(unreadable(Repeat::Safe, "the key still reads as disabled"))
        } else {
            Ok(())
        }
    }

    async fn delete(&self, handle: &KeyHandle) -> Result<(), ProviderError> {
        let url = self.0.url(&["keys", handle.as_str()])?;
        let answer = self
            .0
            .call(Method::DELETE, url, NOTHING, Repeat::Safe)
            .await?;
        match serde_json::from_slice(&answer.body) {
            Ok(Deleted { deleted: true }) => Ok(()),
            _ => Err(unreadable(
                Repeat::Safe,
                "a delete was answered, but not as done",
            )),
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
impl KeyIssuer for OpenRouter {
    async fn issue(&self, request: &IssueRequest) -> Result<IssuedKey, ProviderError> {
        let url = self.0.url(&["keys"])?;
        let create = Create {
            name: request.label.as_str(),
            limit: limit(request.cap)?,
            expires_at: wire::utc(request.expires),
            workspace_id: request.scope.workspace.as_ref().map(ScopeId::as_str),
        };
        let answer = self
            .0
            .call(Method::POST, url, Some(&create), Repeat::Never)
            .await
            .map_err(not_about_a_key)?;
        let created = Created::read(&answer.body).ok_or_else(|| {
            unreadable(Repeat::Never, "a create was answered, but not with a key")
        })?;
        let key = ApiKey::new(&created.key);
        let record = created.data.into_record();
        Ok(IssuedKey {
            key,
            handle: record.handle,
            expires: record.expires,
        })
    }
}

#[async_trait]
impl SpendCaps for OpenRouter {
    /// Done only if the limit reads back as it was sent.
    async fn set_cap(&self, handle: &KeyHandle, cap: SpendCap) -> Result<(), ProviderError> {
        let record = self.patch(handle, &limit(cap)?).await?;
        if record.cap == Some(cap) {
            Ok(())
        } else {
            Err(unreadable(
                Repeat::Safe,
                "the limit reads back as another one",
            ))
        }
    }
}

fn limit(cap: SpendCap) -> Result<Limit, ProviderError> {
    Limit::of(cap).ok_or_else(|| ProviderError::Refused {
        detail: OutsideText::new("the limit cannot be written as JSON"),
    })
}

fn offset_of(token: &PageToken) -> Result<u64, ProviderError> {
    token.0.parse().map_err(|_| ProviderError::Refused {
        detail: OutsideText::new("not a page of this list"),
    })
}

fn error_body(status: StatusCode, body: &[u8]) -> ErrorBody {
    if ErrorData::read(status.as_u16(), body).is_some() {
        ErrorBody::Own
    } else if wire::is_json_error(body) {
        ErrorBody::Json
    } else {
        ErrorBody::Other
    }
}

/// A 404 where no key was named: something else does not exist.
fn not_about_a_key(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::NotFound => ProviderError::Refused {
            detail: OutsideText::new("HTTP 404: no such workspace"),
        },
        other => other,
    }
}
