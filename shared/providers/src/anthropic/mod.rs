//! Anthropic: lists, suspends, resumes and archives keys with an admin key. Nothing here makes one: the Admin API has
//! no such call, so slots draw from a standby pool.
//!
//! Base <https://api.anthropic.com>, described at <https://platform.claude.com/docs/en/api/admin/api_keys/list>.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod reports;
#[cfg(test)]
mod tests;
mod verdict;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use http::Method;
use keyward_core::model::key::{ApiKey, KeyFormat};
use keyward_core::model::key_formats;
use keyward_core::model::names::KeyHandle;
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    Abilities, Disabled, KeyIssuer, KeyProvider, KeyRecord, Limits, Naming, Page, PageToken,
    ProviderError, SpendCaps, Suspension, UsageReports, Verdict,
};

use self::wire::{KeyData, KeyPage, SetStatus, Status};
use crate::admin::AdminCredential;
use crate::api::{Api, Dialect, unreadable};
use crate::config::UrlField;
use crate::http::{BaseUrl, HttpClient, Repeat, Scheme};

/// Where Anthropic's API is.
pub const BASE_URL: &str = "https://api.anthropic.com";

/// Every URL of an account.
pub(crate) const URLS: &[UrlField] = &[UrlField::base(BASE_URL)];

/// How its keys look.
pub const KEY_FORMAT: KeyFormat = key_formats::ANTHROPIC;

/// <https://platform.claude.com/docs/en/api/versioning>
const HEADERS: &[(&str, &str)] = &[("anthropic-version", "2023-06-01")];

/// Rows on a page; 1000 at most.
const PAGE: &str = "100";

/// No body.
const NOTHING: Option<&()> = None;

/// How the API is spoken to.
const DIALECT: Dialect = Dialect {
    scheme: Scheme::Header("x-api-key"),
    headers: HEADERS,
    error: wire::error_body,
};

/// One Anthropic organization.
pub struct Anthropic(Api);

impl Anthropic {
    /// The organization that `admin` administers, at `base`.
    pub fn new(http: Arc<HttpClient>, base: BaseUrl, admin: AdminCredential) -> Self {
        Self(Api::new(http, base, admin, DIALECT))
    }

    /// Sets the status of one key; the status that it reads back with.
    async fn set_status(&self, handle: &KeyHandle, status: Status) -> Result<(), ProviderError> {
        let url = self
            .0
            .url(&["v1", "organizations", "api_keys", handle.as_str()])?;
        let change = SetStatus { status };
        let answer = self
            .0
            .call(Method::POST, url, Some(&change), Repeat::Safe)
            .await?;
        let key: KeyData = serde_json::from_slice(&answer.body)
            .map_err(|_| unreadable(Repeat::Safe, "a change was answered, but not with the key"))?;
        if key.is(handle) && key.status == status {
            Ok(())
        } else if key.is(handle) && key.has_ended() {
            // An archived or expired key stays what it is, whatever is asked for.
            Err(ProviderError::NotFound)
        } else {
            Err(unreadable(
                Repeat::Safe,
                "the key reads back with another status",
            ))
        }
    }
}

#[async_trait]
impl KeyProvider for Anthropic {
    fn abilities(&self) -> Abilities {
        Abilities {
            provider: ProviderName::Anthropic,
            format: KEY_FORMAT,
            suspension: Suspension::Refuses,
            expiry: false,
            names: Naming::Label,
            limits: Limits::default(),
        }
    }

    /// Archived and expired keys stay in Anthropic's list for ever; they are no keys any more and left out here.
    async fn list(&self, scope: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        let mut url = self.0.url(&["v1", "organizations", "api_keys"])?;
        url.query_pairs_mut().append_pair("limit", PAGE);
        if let Some(page) = page {
            url.query_pairs_mut().append_pair("after_id", &page.0);
        }
        if let Some(workspace) = &scope.workspace {
            url.query_pairs_mut()
                .append_pair("workspace_id", workspace.as_str());
        }
        let answer = self.0.call(Method::GET, url, NOTHING, Repeat::Safe).await;
        let answer = answer.map_err(wire::not_about_a_key)?;
        let rows: KeyPage = serde_json::from_slice(&answer.body)
            .map_err(|_| unreadable(Repeat::Safe, "a page of the list of keys is unreadable"))?;
        let from = page.map(|page| page.0.as_str());
        let next = next_page(rows.has_more, rows.last_id, from)?;
        let keys = rows.data.into_iter().filter(|key| !key.has_ended());
        Ok(Page {
            keys: keys.map(KeyData::into_record).collect(),
            next,
        })
    }

    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        let url = self
            .0
            .url(&["v1", "organizations", "api_keys", handle.as_str()])?;
        let answer = match self.0.call(Method::GET, url, NOTHING, Repeat::Safe).await {
            Err(ProviderError::NotFound) => return Ok(None),
            answer => answer?,
        };
        let key: Option<KeyData> = serde_json::from_slice(&answer.body).ok();
        match key.filter(|key| key.is(handle)) {
            Some(key) if key.has_ended() => Ok(None),
            Some(key) => Ok(Some(key.into_record())),
            None => Err(unreadable(
                Repeat::Safe,
                "a key was answered, but not readably",
            )),
        }
    }

    async fn verify(&self, key: &ApiKey) -> Verdict {
        let Ok(mut url) = self.0.url(&["v1", "models"]) else {
            return Verdict::Unknown(OutsideText::new("the base URL takes no path"));
        };
        url.query_pairs_mut().append_pair("limit", "1");
        let answer = self.0.ask_as(key, url).await;
        answer.map_or_else(Verdict::Unknown, |answer| verdict::of(&answer))
    }

    /// One call and no look beforehand: containment comes first. So it is always [`Disabled::Now`]; the answer does
    /// not tell what was before.
    async fn disable(&self, handle: &KeyHandle) -> Result<Disabled, ProviderError> {
        self.set_status(handle, Status::Inactive).await?;
        Ok(Disabled::Now)
    }

    async fn restore(&self, handle: &KeyHandle, _: &Scope) -> Result<(), ProviderError> {
        self.set_status(handle, Status::Active).await
    }

    /// Archives the key: it cannot be deleted, and an archived key is not activated again.
    async fn delete(&self, handle: &KeyHandle) -> Result<(), ProviderError> {
        self.set_status(handle, Status::Archived).await
    }

    fn issuer(&self) -> Option<&dyn KeyIssuer> {
        None
    }

    fn caps(&self) -> Option<&dyn SpendCaps> {
        None
    }

    fn reports(&self) -> Option<&dyn UsageReports> {
        Some(self)
    }
}

/// The page after the one that began at `from`; `None` on the last.
fn next_page(
    has_more: bool,
    last: Option<String>,
    from: Option<&str>,
) -> Result<Option<PageToken>, ProviderError> {
    match (has_more, last) {
        (false, _) => Ok(None),
        (true, Some(last)) if from != Some(last.as_str()) => Ok(Some(PageToken(last))),
        (true, _) => Err(unreadable(
            Repeat::Safe,
            "the list of keys does not go on, and does not end",
        )),
    }
}
