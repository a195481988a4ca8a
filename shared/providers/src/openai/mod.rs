//! OpenAI: creates, lists, narrows and deletes the keys of a project's service accounts with an admin key.
//!
//! Base <https://api.openai.com/v1>, described at <https://developers.openai.com/api/reference/resources/admin>; what
//! is newer than the published description (<https://github.com/openai/openai-openapi>) is taken from
//! <https://github.com/openai/openai-python>, `resources/admin/organization/projects`, release 3.57.0.

mod admin;
mod end;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod handle;
mod reports;
#[cfg(test)]
mod tests;
mod verdict;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, StatusCode};
use jiff::SignedDuration;
use keyward_core::model::key::{ApiKey, KeyFormat};
use keyward_core::model::key_formats;
use keyward_core::model::names::{KeyHandle, Permission, ScopeId};
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    Abilities, AdminCredentials, Disabled, IssueRequest, IssuedKey, KeyIssuer, KeyProvider,
    KeyRecord, Limits, Naming, Page, PageToken, ProviderError, SpendCaps, Suspension, UsageReports,
    Verdict,
};

use self::end::account_path;
use self::handle::{Ids, handle};
use self::wire::{Change, Create, ErrorData, List, NewAccount, NewKey, Row};
use crate::admin::AdminCredential;
use crate::api::{Api, Dialect, ErrorBody, unreadable};
use crate::config::UrlField;
use crate::http::{Answer, BaseUrl, HttpClient, Repeat, Scheme};

/// Where OpenAI's API is.
pub const BASE_URL: &str = "https://api.openai.com/v1";

/// Every URL of an account.
pub(crate) const URLS: &[UrlField] = &[UrlField::base(BASE_URL)];

/// How its keys look.
pub const KEY_FORMAT: KeyFormat = key_formats::OPENAI;

/// The only permission of a suspended key: it opens no model, and nothing that costs money. There is no empty set: an
/// empty list permits everything.
const NARROWEST: &str = "api.files.read";

/// The longest life that a key can be given, in seconds.
const LONGEST_LIFE: i64 = 31_536_000;

/// How far OpenAI's clock may run ahead of this one. A key that ends within it may have ended there.
const SKEW: SignedDuration = SignedDuration::from_mins(1);

/// A list longer than this is a server that does not heed the cursor.
const MAX_KEYS: u64 = 100_000;

/// Keys on a page, at most: the API's own limit.
const PAGE: &str = "100";

/// No body.
const NOTHING: Option<&()> = None;

/// How the API is spoken to.
const DIALECT: Dialect = Dialect {
    scheme: Scheme::Bearer,
    headers: &[],
    error: error_body,
};

/// One OpenAI organization.
pub struct OpenAi {
    api: Api,
}

impl OpenAi {
    /// The organization that `admin` administers, at `base`.
    pub fn new(http: Arc<HttpClient>, base: BaseUrl, admin: AdminCredential) -> Self {
        Self {
            api: Api::new(http, base, admin, DIALECT),
        }
    }

    /// One page of the project's keys as they are listed, and where the next one begins.
    async fn page(
        &self,
        project: &str,
        at: Option<&PageToken>,
    ) -> Result<(List<Row>, Option<PageToken>), ProviderError> {
        let from = at.map(Cursor::read).transpose()?.unwrap_or_default();
        let path = ["organization", "projects", project, "api_keys"];
        let mut url = self.api.url(&path)?;
        // Without `any`, enabled keys are left out whose owner has lost access to the project.
        url.query_pairs_mut()
            .append_pair("limit", PAGE)
            .append_pair("owner_project_access", "any");
        if !from.after.is_empty() {
            url.query_pairs_mut().append_pair("after", from.after);
        }
        let call = self.api.call(Method::GET, url, NOTHING, Repeat::Safe);
        let answer = call.await.map_err(not_about_a_key)?;
        let list = List::<Row>::read(&answer.body)
            .ok_or_else(|| unreadable(Repeat::Safe, "a page of the list of keys is unreadable"))?;
        let next = from.next(&list)?;
        Ok((list, next))
    }

    /// Changes one key. One that has ended, if only by OpenAI's clock, cannot be changed and is no key any more.
    async fn change(&self, handle: &KeyHandle, change: &Change<'_>) -> Result<(), ProviderError> {
        let ids = Ids::of(handle)?;
        let url = self.api.url(&ids.key_path())?;
        let call = self.api.call(Method::POST, url, Some(change), Repeat::Safe);
        match call.await {
            Ok(answer) => match wire::read::<Row>(&answer.body) {
                Some(row) if row.id == ids.key => Ok(()),
                _ => Err(unreadable(
                    Repeat::Safe,
                    "a change was answered, but not with the key",
                )),
            },
            Err(refused @ ProviderError::Refused { .. }) => match self.get(handle).await? {
                Some(key) if key.expires.is_none_or(|end| end > self.api.now() + SKEW) => {
                    Err(refused)
                }
                _ => Err(ProviderError::NotFound),
            },
            Err(error) => Err(error),
        }
    }

    /// Creates whatever the path takes. Once.
    async fn create(&self, path: &[&str], create: &Create<'_>) -> Result<Answer, ProviderError> {
        let url = self.api.url(path)?;
        let call = self
            .api
            .call(Method::POST, url, Some(create), Repeat::Never);
        call.await.map_err(not_about_a_key)
    }

    /// The first key of a service account that is made for it. An account without a key is deleted again: its key could
    /// be read at no later time. Where even that fails, the caller looks for what is left.
    async fn first_key(
        &self,
        project: &str,
        create: &Create<'_>,
    ) -> Result<(String, NewKey), ProviderError> {
        let path = ["organization", "projects", project, "service_accounts"];
        let answer = self.create(&path, create).await?;
        let account: NewAccount = wire::read(&answer.body).ok_or_else(no_key)?;
        if let Some(key) = account.api_key {
            return Ok((account.id, key));
        }
        let path = account_path(project, &account.id);
        match self.remove(&path, &account.id).await {
            Ok(()) | Err(ProviderError::NotFound) => Err(ProviderError::Refused {
                detail: OutsideText::new(
                    "a service account was made without a key, and is deleted again",
                ),
            }),
            Err(_) => Err(ProviderError::Ambiguous {
                detail: OutsideText::new(
                    "a service account was made without a key, and could not be deleted again",
                ),
            }),
        }
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
            names: Naming::Label,
            limits: Limits::default(),
        }
    }

    /// All keys of the scope's project, whoever owns them: a key that is to be registered may be a person's, or another
    /// service account's, and labels and handles tell Keyward's own apart anyway.
    ///
    /// A key whose end has passed is left out, though OpenAI may list it for a while. The end is judged by this clock:
    /// where it runs ahead of OpenAI's, a key is left out so much early. That proves nothing about its end, which takes
    /// refusals as long as its text can be read.
    async fn list(&self, scope: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        let project = project(scope)?;
        let (list, next) = self.page(project, page).await?;
        let now = self.api.now();
        let listed = list.data.into_iter().filter(|row| !row.has_ended(now));
        let keys: Option<Vec<KeyRecord>> = listed.map(|row| row.into_record(project)).collect();
        let keys = keys.ok_or_else(|| unreadable(Repeat::Safe, "a listed key has no usable id"))?;
        Ok(Page { keys, next })
    }

    /// As listed: `None` also for a key whose end has passed.
    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        let ids = Ids::of(handle)?;
        let url = self.api.url(&ids.key_path())?;
        match self.api.call(Method::GET, url, NOTHING, Repeat::Safe).await {
            Err(ProviderError::NotFound) => Ok(None),
            Err(error) => Err(error),
            Ok(answer) => {
                let row = wire::read::<Row>(&answer.body).filter(|row| row.id == ids.key);
                let row = row.ok_or_else(|| {
                    unreadable(Repeat::Safe, "a key was answered, but not readably")
                })?;
                let is_there = !row.has_ended(self.api.now());
                Ok(is_there.then(|| row.record(handle.clone(), ids.project)))
            }
        }
    }

    async fn verify(&self, key: &ApiKey) -> Verdict {
        let Ok(url) = self.api.url(&["models"]) else {
            return Verdict::Unknown(OutsideText::new("the base URL takes no path"));
        };
        let answer = self.api.ask_as(key, url).await;
        answer.map_or_else(Verdict::Unknown, |answer| verdict::of(&answer))
    }

    /// Takes all permissions but a harmless one: OpenAI's keys have no switch. One call and no look beforehand:
    /// containment comes first. So it is always [`Disabled::Now`].
    async fn disable(&self, handle: &KeyHandle) -> Result<Disabled, ProviderError> {
        let scopes = narrowest()?;
        let change = Change {
            scopes: &scopes,
            expires_in_seconds: None,
        };
        self.change(handle, &change).await.map(|()| Disabled::Now)
    }

    /// Gives back exactly what the scope permits. An empty list is sent only here, where it is meant: the scope says
    /// that the key has no restriction of its own.
    async fn restore(&self, handle: &KeyHandle, scope: &Scope) -> Result<(), ProviderError> {
        let change = Change {
            scopes: &scope.permissions,
            expires_in_seconds: None,
        };
        self.change(handle, &change).await
    }

    async fn delete(&self, handle: &KeyHandle) -> Result<(), ProviderError> {
        self.end(handle).await
    }

    fn issuer(&self) -> Option<&dyn KeyIssuer> {
        Some(self)
    }

    /// OpenAI limits spending by project and organization, not by key.
    fn caps(&self) -> Option<&dyn SpendCaps> {
        None
    }

    fn reports(&self) -> Option<&dyn UsageReports> {
        Some(self)
    }

    fn admin(&self) -> Option<&dyn AdminCredentials> {
        Some(self)
    }
}

#[async_trait]
impl KeyIssuer for OpenAi {
    /// In the scope's service account, or else in one that is made for this key and ends with it. An account that a
    /// lost create left without a key opens nothing and is in no list of keys.
    async fn issue(&self, request: &IssueRequest) -> Result<IssuedKey, ProviderError> {
        let project = project(&request.scope)?;
        let seconds = (request.expires.duration_since(self.api.now())).as_secs();
        if !(1..=LONGEST_LIFE).contains(&seconds) {
            return Err(ProviderError::Refused {
                detail: OutsideText::new(
                    "a key lives for a second at least, and for 365 days at most",
                ),
            });
        }
        let account = request.scope.service_account.as_ref().map(ScopeId::as_str);
        if account.is_none() && !request.scope.permissions.is_empty() {
            return Err(ProviderError::Refused {
                detail: OutsideText::new(
                    "a key with an account of its own cannot be narrowed at birth",
                ),
            });
        }
        let create = Create {
            name: request.label.as_str(),
            expires_in_seconds: seconds,
            scopes: &request.scope.permissions,
        };
        let (account, key) = match account {
            Some(account) => {
                let path = [&account_path(project, account)[..], &["api_keys"]].concat();
                let answer = self.create(&path, &create).await?;
                let key = wire::read(&answer.body).ok_or_else(no_key)?;
                (account.to_owned(), key)
            }
            None => self.first_key(project, &create).await?,
        };
        let handle = handle(project, Some(&account), &key.id).ok_or_else(no_key)?;
        if key.value.trim().is_empty() {
            return Err(no_key());
        }
        let expires = match key.expires() {
            Some(end) => Some(end),
            // The answer may leave it out, as older ones do; the key's own record tells.
            None => self
                .get(&handle)
                .await
                .ok()
                .flatten()
                .and_then(|key| key.expires),
        };
        Ok(IssuedKey {
            key: ApiKey::new(&key.value),
            handle,
            expires,
        })
    }
}

/// Where a page begins: after how many keys, and after which.
#[derive(Default)]
struct Cursor<'a> {
    seen: u64,
    after: &'a str,
}

impl<'a> Cursor<'a> {
    fn read(token: &'a PageToken) -> Result<Self, ProviderError> {
        let parts = token.0.split_once(' ');
        let read = parts.and_then(|(seen, after)| Some((seen.parse().ok()?, after)));
        let (seen, after) = read.ok_or_else(|| ProviderError::Refused {
            detail: OutsideText::new("not a page of this list"),
        })?;
        Ok(Self { seen, after })
    }

    /// The page after `list`; `None` on the last.
    fn next(&self, list: &List<Row>) -> Result<Option<PageToken>, ProviderError> {
        if !list.has_more {
            return Ok(None);
        }
        let seen = self.seen.saturating_add(list.data.len() as u64);
        match list.data.last() {
            Some(last) if last.id != self.after && seen <= MAX_KEYS => {
                Ok(Some(PageToken(format!("{seen} {}", last.id))))
            }
            _ => Err(unreadable(Repeat::Safe, "the list of keys does not end")),
        }
    }
}

fn project(scope: &Scope) -> Result<&str, ProviderError> {
    let project = scope.project.as_ref().map(ScopeId::as_str);
    project.ok_or_else(|| ProviderError::Refused {
        detail: OutsideText::new("the scope names no project, and every key of OpenAI is in one"),
    })
}

/// All that a suspended key may do.
fn narrowest() -> Result<[Permission; 1], ProviderError> {
    let permission = NARROWEST.parse().map_err(|_| ProviderError::Refused {
        detail: OutsideText::new("the narrowest permission is not one"),
    })?;
    Ok([permission])
}

fn no_key() -> ProviderError {
    unreadable(Repeat::Never, "a create was answered, but not with a key")
}

fn error_body(_: StatusCode, body: &[u8]) -> ErrorBody {
    if ErrorData::read(body).is_some() {
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
            detail: OutsideText::new("HTTP 404: no such project or service account"),
        },
        other => other,
    }
}
