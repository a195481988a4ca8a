//! OpenAI: creates, lists, narrows and deletes the keys of service accounts with an admin key.
//!
//! Base <https://api.openai.com/v1>, described at
//! <https://platform.openai.com/docs/api-reference/project-api-keys> and
//! <https://platform.openai.com/docs/api-reference/project-service-accounts>. What is newer than that description
//! (several keys to a service account, expiry, updating and deleting such a key) is in OpenAI's own Python library:
//! <https://github.com/openai/openai-python>.

mod end;
mod handle;
#[cfg(test)]
mod tests;
mod verdict;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use http::Method;
use keyward_core::model::key::{ApiKey, KeyFormat};
use keyward_core::model::names::KeyHandle;
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    Abilities, Disabled, IssueRequest, IssuedKey, KeyIssuer, KeyProvider, KeyRecord, Page,
    PageToken, ProviderError, SpendCaps, Suspension, Verdict,
};
use serde::Serialize;
use url::Url;

use self::handle::Place;
use self::wire::{Created, CreatedAccount, Deleted, KeyPage, KeyRow, Narrow, NewAccount, NewKey};
use crate::admin::AdminCredential;
use crate::api::{Api, Dialect, unreadable};
use crate::http::{Answer, BaseUrl, HttpClient, Repeat, Scheme};

/// Where OpenAI's API is.
pub const BASE_URL: &str = "https://api.openai.com/v1";

/// How OpenAI's keys look: `sk-`, `sk-proj-` or `sk-svcacct-` and some hundred characters.
pub const KEY_FORMAT: KeyFormat = KeyFormat {
    prefix: "sk-",
    not: &["sk-or-", "sk-ant-", "sk-admin-"],
    alphabet: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
};

/// Rows on a page; 100 at most.
const PAGE: &str = "100";

/// What a narrowed key is left with: reading uploaded files. An empty list would mean everything.
const HARMLESS: &[&str] = &["api.files.read"];

/// No body.
const NOTHING: Option<&()> = None;

/// One OpenAI organization.
pub struct OpenAi(Api);

impl OpenAi {
    /// The organization that `admin` administers, at `base`.
    pub fn new(http: Arc<HttpClient>, base: BaseUrl, admin: AdminCredential) -> Self {
        let dialect = Dialect {
            scheme: Scheme::Bearer,
            headers: &[],
            error: wire::error_body,
        };
        Self(Api::new(http, base, admin, dialect))
    }

    fn url(&self, project: &str, below: &[&str]) -> Result<Url, ProviderError> {
        let above = ["organization", "projects", project];
        self.0.url(&[&above, below].concat())
    }

    fn key_url(&self, place: &Place<'_>) -> Result<Url, ProviderError> {
        self.url(place.project, &["api_keys", place.key])
    }

    fn account_url(&self, project: &str, account: &str) -> Result<Url, ProviderError> {
        self.url(project, &["service_accounts", account])
    }

    /// Changes one key.
    async fn update(
        &self,
        place: &Place<'_>,
        change: &(impl Serialize + Sync),
    ) -> Result<(), ProviderError> {
        let url = self.key_url(place)?;
        let answer = self
            .0
            .call(Method::POST, url, Some(change), Repeat::Safe)
            .await?;
        if wire::names(&answer.body, place.key) {
            Ok(())
        } else {
            Err(unreadable(
                Repeat::Safe,
                "a change was answered, but not with the key",
            ))
        }
    }

    async fn create(
        &self,
        url: Url,
        body: &(impl Serialize + Sync),
    ) -> Result<Answer, ProviderError> {
        let answer = self.0.call(Method::POST, url, Some(body), Repeat::Never);
        answer.await.map_err(not_about_a_key)
    }

    /// The key at a place; `None` too if its expiry is past.
    async fn find(&self, place: &Place<'_>) -> Result<Option<KeyRecord>, ProviderError> {
        let url = self.key_url(place)?;
        let answer = match self.0.call(Method::GET, url, NOTHING, Repeat::Safe).await {
            Err(ProviderError::NotFound) => return Ok(None),
            answer => answer?,
        };
        let unread = || unreadable(Repeat::Safe, "a key was answered, but not readably");
        let row: KeyRow = serde_json::from_slice(&answer.body).map_err(|_| unread())?;
        if row.id != place.key {
            return Err(unread());
        }
        if row.has_ended(self.0.now()) {
            return Ok(None);
        }
        row.into_record(place.project).map(Some).ok_or_else(unread)
    }

    /// A key inside a service account that stays.
    async fn create_in(
        &self,
        project: &str,
        account: &str,
        request: &IssueRequest,
    ) -> Result<IssuedKey, ProviderError> {
        let url = self.url(project, &["service_accounts", account, "api_keys"])?;
        let body = NewKey {
            name: request.label.as_str(),
            scopes: &request.scope.permissions,
            expires_in_seconds: self.seconds_until(request)?,
        };
        let answer = self.create(url, &body).await?;
        let created: Created = serde_json::from_slice(&answer.body)
            .map_err(|_| unreadable(Repeat::Never, "a create was answered, but not with a key"))?;
        created.into_issued(project, account)
    }

    /// A key with a service account of its own, named as the key is.
    async fn create_with_account(
        &self,
        project: &str,
        request: &IssueRequest,
    ) -> Result<IssuedKey, ProviderError> {
        let url = self.url(project, &["service_accounts"])?;
        let body = NewAccount {
            name: request.label.as_str(),
            expires_in_seconds: self.seconds_until(request)?,
        };
        let answer = self.create(url, &body).await?;
        let created: CreatedAccount = serde_json::from_slice(&answer.body).map_err(|_| {
            unreadable(
                Repeat::Never,
                "a create was answered, but not with an account",
            )
        })?;
        let Some(key) = created.api_key else {
            return Err(self.take_back(project, &created.id).await);
        };
        let mut issued = key.into_issued(project, &created.id)?;
        if issued.expires.is_none() {
            // This answer has no expiry; the key's own record has.
            let record = self.get(&issued.handle).await.ok().flatten();
            issued.expires = record.and_then(|record| record.expires);
        }
        Ok(issued)
    }

    /// The account came without a key: nothing can be done with it.
    async fn take_back(&self, project: &str, account: &str) -> ProviderError {
        match self.delete_account(project, account).await {
            Ok(()) | Err(ProviderError::NotFound) => ProviderError::Refused {
                detail: OutsideText::new(
                    "a service account was made without a key, and taken back",
                ),
            },
            Err(error) => ProviderError::Ambiguous {
                detail: OutsideText::new(&format!(
                    "a service account was made without a key, and could not be taken back: {error}"
                )),
            },
        }
    }

    /// Whole seconds from now to the key's planned end, within what the API takes.
    fn seconds_until(&self, request: &IssueRequest) -> Result<i64, ProviderError> {
        const A_YEAR: i64 = 31_536_000;
        let seconds = request.expires.duration_since(self.0.now()).as_secs();
        if seconds < 1 {
            return Err(ProviderError::Refused {
                detail: OutsideText::new("the key's planned end is past"),
            });
        }
        Ok(seconds.min(A_YEAR))
    }
}

#[async_trait]
impl KeyProvider for OpenAi {
    fn abilities(&self) -> Abilities {
        Abilities {
            provider: ProviderName::OpenAi,
            format: KEY_FORMAT,
            suspension: Suspension::Narrows,
            expiry: true,
        }
    }

    /// All keys of the scope's project, whoever owns them: a slot's first key may be anybody's. Keys whose expiry is
    /// past, by this side's clock, are no keys any more and left out.
    async fn list(&self, scope: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        let project = project(scope)?;
        let mut url = self.url(project, &["api_keys"])?;
        // Without `owner_project_access=any` some keys that work are hidden.
        url.query_pairs_mut()
            .append_pair("limit", PAGE)
            .append_pair("owner_project_access", "any");
        if let Some(page) = page {
            url.query_pairs_mut().append_pair("after", &page.0);
        }
        let answer = self.0.call(Method::GET, url, NOTHING, Repeat::Safe).await;
        let answer = answer.map_err(not_about_a_key)?;
        let unread = |what| unreadable(Repeat::Safe, what);
        let rows: KeyPage = serde_json::from_slice(&answer.body)
            .map_err(|_| unread("a page of the list of keys is unreadable"))?;
        let last = rows.last_id.or_else(|| Some(rows.data.last()?.id.clone()));
        let next = match (rows.has_more, last) {
            (false, _) => None,
            (true, Some(last)) if page.is_none_or(|page| page.0 != last) => Some(PageToken(last)),
            (true, _) => return Err(unread("the list of keys does not go on, and does not end")),
        };
        let now = self.0.now();
        let keys = rows
            .data
            .into_iter()
            .filter(|row| !row.has_ended(now))
            .map(|row| row.into_record(project));
        let keys: Option<Vec<KeyRecord>> = keys.collect();
        let keys = keys.ok_or_else(|| unread("a key in the list has no usable id"))?;
        Ok(Page { keys, next })
    }

    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        self.find(&Place::of(handle)?).await
    }

    async fn verify(&self, key: &ApiKey) -> Verdict {
        let Ok(url) = self.0.url(&["models"]) else {
            return Verdict::Unknown(OutsideText::new("the base URL takes no path"));
        };
        match self.0.ask_as(key, url).await {
            Some(Ok(answer)) => verdict::of(&answer),
            Some(Err(failure)) => Verdict::Unknown(failure.detail()),
            None => Verdict::Unknown(OutsideText::new("the key's text cannot stand in a header")),
        }
    }

    /// Narrows the key to [`HARMLESS`]: OpenAI has no status to set. Always [`Disabled::Now`]: what it was permitted
    /// before is not told.
    async fn disable(&self, handle: &KeyHandle) -> Result<Disabled, ProviderError> {
        let place = Place::of(handle)?;
        self.update(&place, &Narrow { scopes: HARMLESS }).await?;
        Ok(Disabled::Now)
    }

    /// Gives the key what its scope permits. A scope that names no permissions is a key that was born with all of its
    /// account's: only then an empty list is sent, which means that.
    async fn restore(&self, handle: &KeyHandle, scope: &Scope) -> Result<(), ProviderError> {
        let place = Place::of(handle)?;
        let scopes: Vec<&str> = scope.permissions.iter().map(|p| p.as_str()).collect();
        self.update(&place, &Narrow { scopes: &scopes }).await
    }

    async fn delete(&self, handle: &KeyHandle) -> Result<(), ProviderError> {
        self.end(&Place::of(handle)?).await
    }

    fn issuer(&self) -> Option<&dyn KeyIssuer> {
        Some(self)
    }

    fn caps(&self) -> Option<&dyn SpendCaps> {
        None
    }
}

#[async_trait]
impl KeyIssuer for OpenAi {
    async fn issue(&self, request: &IssueRequest) -> Result<IssuedKey, ProviderError> {
        let project = project(&request.scope)?;
        match &request.scope.service_account {
            Some(account) => self.create_in(project, account.as_str(), request).await,
            None => self.create_with_account(project, request).await,
        }
    }
}

fn project(scope: &Scope) -> Result<&str, ProviderError> {
    let project = scope.project.as_ref().map(|id| id.as_str());
    project.ok_or_else(|| ProviderError::Refused {
        detail: OutsideText::new("the slot's scope names no project"),
    })
}

/// A 404 where no key was named: something else does not exist.
fn not_about_a_key(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::NotFound => ProviderError::Refused {
            detail: OutsideText::new("HTTP 404: no such project or service account"),
        },
        other => other,
    }
}
