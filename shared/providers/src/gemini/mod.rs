//! Google Gemini: API keys of Google Cloud projects. Creates, lists, restricts and deletes them with a service account's
//! key.
//!
//! Described at <https://cloud.google.com/api-keys/docs/reference/rest>, and by the discovery document of
//! `apikeys.googleapis.com` v2. Creates, changes and deletes are operations that go on after their answer. A key that was
//! deleted is still answered, with a time of its end
//! (<https://github.com/GoogleCloudPlatform/k8s-config-connector/pull/1211>). What has not been tried at Google: what it
//! answers to a change or a second delete of such a key, and how long its list is behind.
//!
//! `keys:lookupKey` is not used: it takes a key's text in the query, which others on the way may keep. `:undelete` is not
//! either: from a deleted key it cannot be told whether it is to come back.

mod account;
mod client;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod ids;
mod restrictions;
#[cfg(test)]
mod tests;
mod verdict;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use http::Method;
use jiff::SignedDuration;
use keyward_core::model::key::{ApiKey, KeyFormat};
use keyward_core::model::key_formats;
use keyward_core::model::names::{KeyHandle, OperationId};
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::KeyLabel;
use keyward_core::ports::{
    Abilities, Disabled, Gone, GonePage, IssueRequest, IssuedKey, KeyIssuer, KeyProvider,
    KeyRecord, Limits, LookUp, Naming, Page, PageToken, ProviderError, SpendCaps, Suspension,
    Verdict,
};

use self::account::Tokens;
use self::ids::{Ids, key_id, project_of};
use self::restrictions::Restrictions;
use self::wire::{Create, Operation, Row};
use crate::admin::AdminCredential;
use crate::api::{Api, Dialect, unreadable};
use crate::config::UrlField;
use crate::http::{BaseUrl, HttpClient, Repeat, Scheme};

/// Where keys are administered.
pub const BASE_URL: &str = "https://apikeys.googleapis.com";

pub(crate) const TOKEN_FIELD: &str = "token_url";
pub(crate) const VERIFY_FIELD: &str = "verify_url";

/// Every URL of an account. <https://ai.google.dev/api>
pub(crate) const URLS: &[UrlField] = &[
    UrlField::base(BASE_URL),
    UrlField {
        field: TOKEN_FIELD,
        default: Some("https://oauth2.googleapis.com/token"),
    },
    UrlField {
        field: VERIFY_FIELD,
        default: Some("https://generativelanguage.googleapis.com"),
    },
];

/// How its keys look.
pub const KEY_FORMAT: KeyFormat = key_formats::GEMINI;

/// The header of a key: <https://ai.google.dev/api#authentication>.
const KEY_HEADER: Scheme = Scheme::Header("x-goog-api-key");

const DIALECT: Dialect = Dialect {
    scheme: Scheme::Bearer,
    headers: &[],
    error: wire::error_body,
};

/// Keys on a page.
const PAGE: &str = "100";

/// A list with more pages is a server that does not heed the page asked for.
const MAX_PAGES: u32 = 1_000;

/// How often an operation is asked about that is waited for, and how long is waited before.
const LOOKS: u32 = 10;
const BETWEEN_LOOKS: SignedDuration = SignedDuration::from_secs(1);

/// An operation may go on so long after its create. Google says nothing of it: an assumption on the safe side.
const LATEST: SignedDuration = SignedDuration::from_hours(24);

/// So long a deleted key can be brought back:
/// <https://cloud.google.com/api-keys/docs/reference/rest/v2/projects.locations.keys/undelete>.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// No body.
const NOTHING: Option<&()> = None;

/// Where an account's requests go.
pub struct Urls {
    /// To the administration of keys.
    pub keys: BaseUrl,
    /// To the endpoint that gives out access tokens.
    pub token: BaseUrl,
    /// To the API that keys are for.
    pub verify: BaseUrl,
}

/// The Google Cloud projects that one service account administers keys in.
pub struct Gemini {
    http: Arc<HttpClient>,
    api: Api,
    verify: BaseUrl,
}

impl Gemini {
    /// The projects that `admin`, the key of a service account, administers.
    pub fn new(http: Arc<HttpClient>, urls: Urls, admin: AdminCredential) -> Self {
        let admin = admin.exchanged(Tokens::new(http.clone(), urls.token));
        Self {
            api: Api::new(http.clone(), urls.keys, admin, DIALECT),
            http,
            verify: urls.verify,
        }
    }
}

/// Whether a list shows deleted keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deleted {
    Hidden,
    Shown,
}

#[async_trait]
impl KeyProvider for Gemini {
    fn abilities(&self) -> Abilities {
        Abilities {
            provider: ProviderName::Gemini,
            format: KEY_FORMAT,
            suspension: Suspension::Narrows,
            expiry: false,
            names: Naming::Label,
            limits: Limits {
                models: false,
                endpoints: true,
                addresses: true,
            },
        }
    }

    /// The project's keys, those for other services too.
    async fn list(&self, scope: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        let project = project_of(scope)?;
        let token = page.map(|page| page.0.as_str());
        let listed = self.page(project, token, Deleted::Hidden).await?;
        let next = listed.next().map(|next| PageToken(next.to_owned()));
        let keys = listed.keys.into_iter().filter(|row| !row.is_deleted());
        let keys: Option<Vec<KeyRecord>> =
            keys.map(|row| row.into_record(project.as_str())).collect();
        let what = "a page of the list has a key without an id";
        Ok(Page {
            keys: keys.ok_or_else(|| unreadable(Repeat::Safe, what))?,
            next,
        })
    }

    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        let ids = Ids::of(handle)?;
        let row = self.row(handle).await?.filter(|row| !row.is_deleted());
        Ok(row.and_then(|row| row.into_record(ids.project)))
    }

    async fn verify(&self, key: &ApiKey) -> Verdict {
        self.verdict(key).await.unwrap_or_else(Verdict::Unknown)
    }

    /// By the one address that it may be used from then. No look beforehand: containment comes first. So it is always
    /// [`Disabled::Now`].
    async fn disable(&self, handle: &KeyHandle) -> Result<Disabled, ProviderError> {
        self.restrict(handle, Restrictions::suspension())
            .await
            .map(|()| Disabled::Now)
    }

    async fn restore(&self, handle: &KeyHandle, scope: &Scope) -> Result<(), ProviderError> {
        self.restrict(handle, Restrictions::of(scope)).await
    }

    /// Google keeps the key for 30 days, and refuses it. An operation that goes on is accepted, and its end confirmed as
    /// every other.
    async fn delete(&self, handle: &KeyHandle) -> Result<(), ProviderError> {
        let url = self.key_url(handle, &[])?;
        self.change(Method::DELETE, url, handle, None)
            .await
            .map(drop)
    }

    /// By the texts of the project's keys that Gemini takes, one after the other: the list shows nothing of them.
    async fn look_up(&self, scope: &Scope, key: &ApiKey) -> Result<LookUp, ProviderError> {
        let project = project_of(scope)?;
        let mut token: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let listed = self
                .page(project, token.as_deref(), Deleted::Hidden)
                .await?;
            token = listed.next().map(str::to_owned);
            for row in listed.keys {
                let Some(handle) = row.handle(project.as_str()) else {
                    continue;
                };
                if row.is_deleted() || !row.restrictions().permit_the_service() {
                    continue;
                }
                match self.text(&handle).await {
                    Ok(text) if text.fingerprint() == key.fingerprint() => {
                        let record = row.into_record(project.as_str());
                        return Ok(LookUp::Is(record.map(Box::new)));
                    }
                    Ok(_) | Err(ProviderError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            if token.is_none() {
                return Ok(LookUp::Is(None));
            }
        }
        Err(unreadable(Repeat::Safe, "the list of keys does not end"))
    }

    async fn restorable(
        &self,
        scope: &Scope,
        page: Option<&PageToken>,
    ) -> Result<GonePage, ProviderError> {
        let project = project_of(scope)?;
        let token = page.map(|page| page.0.as_str());
        let listed = self.page(project, token, Deleted::Shown).await?;
        let next = listed.next().map(|next| PageToken(next.to_owned()));
        let gone = listed.keys.into_iter().filter(Row::is_deleted).map(|row| {
            Some(Gone {
                handle: row.handle(project.as_str())?,
                label: row.label(),
                until: row.deleted().map(|at| at + KEPT),
            })
        });
        let keys: Option<Vec<Gone>> = gone.collect();
        let what = "a page of the list has a key without an id";
        Ok(GonePage {
            keys: keys.ok_or_else(|| unreadable(Repeat::Safe, what))?,
            next,
        })
    }

    fn issuer(&self) -> Option<&dyn KeyIssuer> {
        Some(self)
    }

    fn caps(&self) -> Option<&dyn SpendCaps> {
        None
    }
}

#[async_trait]
impl KeyIssuer for Gemini {
    /// Whatever happens once there is an operation is left to [`resume`](KeyIssuer::resume).
    async fn issue(&self, request: &IssueRequest) -> Result<IssuedKey, ProviderError> {
        let project = project_of(&request.scope)?;
        let label = request.label.as_str();
        let mut url = self.keys_url(project.as_str(), &[])?;
        url.query_pairs_mut().append_pair("keyId", &key_id(label));
        let create = Create::new(label, &request.scope);
        let answer = self
            .api
            .call(Method::POST, url, Some(&create), Repeat::Never)
            .await
            .map_err(not_about_a_key)?;
        let what = "a create was answered, but not with an operation";
        let operation =
            Operation::read(&answer.body).ok_or_else(|| unreadable(Repeat::Never, what))?;
        let id = operation.id.clone();
        match self.made(request, operation).await {
            Err(ProviderError::RetryAfter { .. } | ProviderError::AdminCredential { .. }) => {
                Err(ProviderError::UnderWay(id))
            }
            made => made,
        }
    }

    async fn resume(
        &self,
        request: &IssueRequest,
        operation: &OperationId,
    ) -> Result<IssuedKey, ProviderError> {
        let operation = self.operation(operation).await?;
        self.made(request, operation).await
    }

    fn handle_of(&self, scope: &Scope, label: &KeyLabel) -> Option<KeyHandle> {
        ids::handle_of(scope, label)
    }

    fn latest(&self) -> SignedDuration {
        LATEST
    }
}

/// "Not found" where no key was named: there is no such project, for this service account.
fn not_about_a_key(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::NotFound => ProviderError::Refused {
            detail: OutsideText::new("HTTP 404: no such project"),
        },
        other => other,
    }
}
