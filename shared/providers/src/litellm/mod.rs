//! LiteLLM's proxy: creates, lists, limits, blocks and deletes virtual keys with its master key, or with a virtual key
//! of a proxy administrator.
//!
//! The proxy is one's own, so there is no default base. Described at
//! <https://docs.litellm.ai/docs/proxy/virtual_keys>; what is not there is taken from
//! <https://github.com/BerriAI/litellm>, `litellm/proxy/management_endpoints/key_management_endpoints.py` and
//! `litellm/proxy/auth`, release 1.108.7.
//!
//! `/key/regenerate` is not used: it ends the old text at once, and asks for a licence.

mod chosen;
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
use keyward_core::model::key::{ApiKey, Fingerprint, KeyFormat};
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
use url::Url;

use self::chosen::Chosen;
use self::wire::{Budget, Create, Created, Deleted, KeyInfo, Listed, OneKey, Row, Update};
use crate::admin::AdminCredential;
use crate::api::{Api, Dialect, unreadable};
use crate::config::{BASE_URL, UrlField};
use crate::http::{Answer, BaseUrl, HttpClient, Repeat, Scheme};

/// Every URL of an account: where the proxy is, which nobody else can say.
pub(crate) const URLS: &[UrlField] = &[UrlField {
    field: BASE_URL,
    default: None,
}];

/// How its keys look.
pub const KEY_FORMAT: KeyFormat = key_formats::LITELLM;

/// Keys on a page, at most: the API's own limit.
const PAGE: &str = "100";

/// A list with more pages than this is a server that counts them wrong.
const MAX_PAGES: u64 = 1_000;

/// No body.
const NOTHING: Option<&()> = None;

const DIALECT: Dialect = Dialect {
    scheme: Scheme::Bearer,
    headers: &[],
    error: wire::error_body,
};

/// One LiteLLM proxy.
pub struct LiteLlm(Api);

impl LiteLlm {
    /// The proxy that `admin` administers, at `base`.
    pub fn new(http: Arc<HttpClient>, base: BaseUrl, admin: AdminCredential) -> Self {
        Self(Api::new(http, base, admin, DIALECT))
    }

    async fn read(&self, url: Url) -> Result<Answer, ProviderError> {
        self.0.call(Method::GET, url, NOTHING, Repeat::Safe).await
    }

    async fn post(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
        repeat: Repeat,
    ) -> Result<Answer, ProviderError> {
        let url = self.0.url(&["key", path])?;
        self.0.call(Method::POST, url, Some(body), repeat).await
    }

    /// Blocks or unblocks one key; the key as it is then.
    async fn switch(&self, path: &str, handle: &KeyHandle) -> Result<KeyRecord, ProviderError> {
        let key = hash(handle)?;
        let answer = self.post(path, &OneKey { key }, Repeat::Safe).await?;
        wire::read::<Row>(&answer.body)
            .and_then(Row::into_record)
            .filter(|record| record.handle == *handle)
            .ok_or_else(|| unreadable(Repeat::Safe, "a change was answered, but not with the key"))
    }
}

#[async_trait]
impl KeyProvider for LiteLlm {
    fn abilities(&self) -> Abilities {
        Abilities {
            provider: ProviderName::LiteLlm,
            format: KEY_FORMAT,
            suspension: Suspension::Refuses,
            expiry: true,
            names: Naming::Label,
            limits: Limits {
                models: true,
                endpoints: true,
                addresses: false,
            },
        }
    }

    /// Blocked and expired keys are in the list as long as no `status` is asked for. Without a team it is that of the
    /// whole proxy. The latest come first: a key that is made while a list is under way moves the others down, so one
    /// may be listed twice; one that is deleted moves them up, so one may be passed over.
    async fn list(&self, scope: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        let number = page.map_or(Ok(1), page_number)?;
        let mut url = self.0.url(&["key", "list"])?;
        url.query_pairs_mut()
            .append_pair("page", &number.to_string())
            .append_pair("size", PAGE)
            .append_pair("return_full_object", "true");
        if let Some(team) = &scope.workspace {
            url.query_pairs_mut().append_pair("team_id", team.as_str());
        }
        let answer = self.read(url).await.map_err(not_about_a_key)?;
        let listed = wire::read::<Listed>(&answer.body)
            .and_then(Listed::into_records)
            .filter(|listed| listed.page == number)
            .ok_or_else(|| unreadable(Repeat::Safe, "a page of the list of keys is unreadable"))?;
        if listed.pages > MAX_PAGES {
            return Err(unreadable(Repeat::Safe, "the list of keys does not end"));
        }
        Ok(Page {
            keys: listed.keys,
            next: (number < listed.pages).then(|| PageToken((number + 1).to_string())),
        })
    }

    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        let mut url = self.0.url(&["key", "info"])?;
        url.query_pairs_mut().append_pair("key", hash(handle)?);
        match self.read(url).await {
            Err(ProviderError::NotFound) => Ok(None),
            Err(error) => Err(error),
            Ok(answer) => wire::read::<KeyInfo>(&answer.body)
                .and_then(|info| info.about(handle))
                .ok_or_else(|| unreadable(Repeat::Safe, "a key was answered, but not readably")),
        }
    }

    /// By the list of models, which every key may read that may call one.
    async fn verify(&self, key: &ApiKey) -> Verdict {
        let Ok(url) = self.0.url(&["v1", "models"]) else {
            return Verdict::Unknown(OutsideText::new("the base URL takes no path"));
        };
        let answer = self.0.ask_as(key, url).await;
        answer.map_or_else(Verdict::Unknown, |answer| verdict::of(&answer))
    }

    /// One call and no look beforehand: containment comes first. So it is always [`Disabled::Now`]. Other replicas of
    /// the proxy go by what they remember of the key, for 60 seconds unless `user_api_key_cache_ttl` says otherwise.
    async fn disable(&self, handle: &KeyHandle) -> Result<Disabled, ProviderError> {
        let record = self.switch("block", handle).await?;
        if record.suspended == Some(true) {
            Ok(Disabled::Now)
        } else {
            Err(unreadable(Repeat::Safe, "the key still reads as unblocked"))
        }
    }

    async fn restore(&self, handle: &KeyHandle, _: &Scope) -> Result<(), ProviderError> {
        let record = self.switch("unblock", handle).await?;
        if record.suspended == Some(false) {
            Ok(())
        } else {
            Err(unreadable(Repeat::Safe, "the key still reads as blocked"))
        }
    }

    async fn delete(&self, handle: &KeyHandle) -> Result<(), ProviderError> {
        let keys = [hash(handle)?];
        let delete = wire::Delete { keys };
        let answer = self.post("delete", &delete, Repeat::Safe).await?;
        let deleted = wire::read::<Deleted>(&answer.body);
        if deleted.is_some_and(|d| d.deleted_keys.iter().any(|key| key == keys[0])) {
            Ok(())
        } else {
            let what = "a delete was answered, but not as done";
            Err(unreadable(Repeat::Safe, what))
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
impl KeyIssuer for LiteLlm {
    /// The text is chosen here: the proxy's own keys have 128 bits, which is the least that is accepted.
    async fn issue(&self, request: &IssueRequest) -> Result<IssuedKey, ProviderError> {
        let life = request.expires.duration_since(self.0.now()).as_secs();
        if life < 1 {
            return Err(refused("the key would end before it is made"));
        }
        let chosen = Chosen::at_random()?;
        let scope = &request.scope;
        let create = Create::new(
            &chosen,
            &request.label,
            format!("{life}s"),
            budget(request.cap)?,
            scope.workspace.as_ref().map(ScopeId::as_str),
            &scope.models,
            &scope.endpoints,
        );
        let answer = self
            .post("generate", &create, Repeat::Never)
            .await
            .map_err(not_about_a_key)?;
        let created = wire::read::<Created>(&answer.body).filter(|made| made.is_of(&chosen));
        let lost = || unreadable(Repeat::Never, "a create was answered, but not with the key");
        let created = created.ok_or_else(lost)?;
        Ok(IssuedKey {
            handle: chosen.hash().parse().map_err(|_| lost())?,
            expires: created.expires(),
            key: chosen.into_key(),
        })
    }
}

#[async_trait]
impl SpendCaps for LiteLlm {
    /// Done only if the limit reads back as it was sent: the answer repeats what was asked, not what is kept.
    async fn set_cap(&self, handle: &KeyHandle, cap: SpendCap) -> Result<(), ProviderError> {
        let update = Update {
            key: hash(handle)?,
            budget: budget(cap)?,
        };
        let answer = self.post("update", &update, Repeat::Safe).await?;
        if wire::read::<serde_json::Map<_, _>>(&answer.body).is_none() {
            return Err(unreadable(Repeat::Safe, "a new limit was not answered"));
        }
        match self.get(handle).await? {
            None => Err(ProviderError::NotFound),
            Some(record) if record.cap == Some(cap) => Ok(()),
            Some(_) => {
                let what = "the limit reads back as another one";
                Err(unreadable(Repeat::Safe, what))
            }
        }
    }
}

/// The handle as calls name a key. LiteLLM takes a key's text in the same place, and proxies log what they are asked:
/// nothing but a hash is ever sent.
fn hash(handle: &KeyHandle) -> Result<&str, ProviderError> {
    match Fingerprint::from_hex(handle.as_str()) {
        Some(print) if print.to_hex() == handle.as_str() => Ok(handle.as_str()),
        _ => Err(refused("the handle is not the SHA-256 of a key")),
    }
}

fn budget(cap: SpendCap) -> Result<Budget, ProviderError> {
    Budget::of(cap).ok_or_else(|| refused("the limit cannot be written as JSON"))
}

fn page_number(token: &PageToken) -> Result<u64, ProviderError> {
    let number = token.0.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| refused("not a page of this list"))
}

fn refused(what: &str) -> ProviderError {
    ProviderError::Refused {
        detail: OutsideText::new(what),
    }
}

/// A 404 where no key was named: something else does not exist.
fn not_about_a_key(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::NotFound => refused(&format!(
            "HTTP {}: no such team",
            StatusCode::NOT_FOUND.as_u16()
        )),
        other => other,
    }
}
