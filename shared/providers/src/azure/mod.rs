//! Azure OpenAI: the two keys of a Microsoft.CognitiveServices account, read and regenerated over Azure Resource Manager
//! as an application that Entra knows.
//!
//! There are always two keys. None is created or deleted: `listKeys` tells both texts, `regenerateKey` gives one of them
//! a new text and ends the old one. Described at
//! <https://learn.microsoft.com/rest/api/aiservices/accountmanagement/accounts/list-keys> and
//! <https://learn.microsoft.com/rest/api/aiservices/accountmanagement/accounts/regenerate-key>; shapes as in
//! azure-mgmt-cognitiveservices 14.1.0. What has not been tried at Azure: how long an old text is still accepted, and
//! how late a request whose answer was lost can still be carried out.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod handle;
mod resource;
#[cfg(test)]
mod tests;
mod token;
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
    Abilities, Disabled, IssueRequest, IssuedKey, KeyIssuer, KeyProvider, KeyRecord, Limits,
    Naming, Page, PageToken, ProviderError, SpendCaps, Suspension, Verdict,
};
use serde::Serialize;

use self::handle::{Ids, Place};
pub use self::resource::{ARM_URL, LOGIN_URL};
pub(crate) use self::resource::{NAMES, OPTIONAL_NAMES, Resource, URLS, shared_resources};
use self::token::Entra;
use self::wire::{Pair, Regenerate};
use crate::admin::AdminCredential;
use crate::api::{Api, Dialect, ask_as, unreadable};
use crate::http::{HttpClient, Repeat, Scheme};

/// How its keys look.
pub const KEY_FORMAT: KeyFormat = key_formats::AZURE;

/// Of Azure Resource Manager's calls.
const ARM_VERSION: &str = "2025-09-01";

/// Of the resource's own:
/// <https://learn.microsoft.com/azure/ai-services/openai/api-version-deprecation#latest-ga-api-release>.
const DATA_VERSION: &str = "2024-10-21";

const DIALECT: Dialect = Dialect {
    scheme: Scheme::Bearer,
    headers: &[],
    error: wire::error_body,
};

/// No body.
const NOTHING: Option<&()> = None;

/// One Azure OpenAI resource.
pub struct Azure {
    api: Api,
    http: Arc<HttpClient>,
    resource: Resource,
}

impl Azure {
    /// The resource that the application in `resource` administers, whose client secret is `admin`.
    pub(crate) fn new(http: Arc<HttpClient>, resource: Resource, admin: AdminCredential) -> Self {
        let admin = admin.exchanged(Entra::new(Arc::clone(&http), &resource));
        Self {
            api: Api::new(Arc::clone(&http), resource.arm.clone(), admin, DIALECT),
            http,
            resource,
        }
    }

    async fn post(
        &self,
        action: &'static str,
        body: Option<&(impl Serialize + Sync)>,
        repeat: Repeat,
    ) -> Result<Pair, ProviderError> {
        let mut url = self.api.url(&self.resource.path(action))?;
        url.query_pairs_mut()
            .append_pair("api-version", ARM_VERSION);
        let answer = self.api.call(Method::POST, url, body, repeat).await;
        let answer = answer.map_err(not_about_a_key)?;
        Pair::read(&answer.body)
            .ok_or_else(|| unreadable(repeat, "a call was answered, but not with two keys"))
    }

    /// Both keys as they are now.
    async fn pair(&self) -> Result<Pair, ProviderError> {
        self.post("listKeys", NOTHING, Repeat::Safe).await
    }

    /// Gives one key a new text. The other's stays.
    async fn regenerate(&self, place: Place) -> Result<Pair, ProviderError> {
        let body = Regenerate {
            key_name: place.as_str(),
        };
        self.post("regenerateKey", Some(&body), Repeat::Never).await
    }

    fn handle(&self, place: Place, key: &ApiKey) -> Result<KeyHandle, ProviderError> {
        let handle = handle::handle(&self.resource.name, place, &key.fingerprint());
        handle.ok_or_else(|| refused("the resource's name cannot stand in a handle"))
    }

    fn records(&self, pair: &Pair) -> Result<Vec<KeyRecord>, ProviderError> {
        let record = |place: Place| {
            let key = pair.text(place);
            Ok(wire::record(place, self.handle(place, key)?, key))
        };
        Place::ALL.into_iter().map(record).collect()
    }
}

#[async_trait]
impl KeyProvider for Azure {
    fn abilities(&self) -> Abilities {
        Abilities {
            provider: ProviderName::Azure,
            format: KEY_FORMAT,
            suspension: Suspension::None,
            expiry: false,
            names: Naming::Nothing,
            limits: Limits::default(),
        }
    }

    /// Always two keys on one page.
    async fn list(&self, _: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        if page.is_some() {
            return Err(refused("not a page of this list"));
        }
        let pair = self.pair().await?;
        Ok(Page {
            keys: self.records(&pair)?,
            next: None,
        })
    }

    /// `None` if the key has another text by now: the one that the handle is of has ended.
    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        let ids = Ids::of(handle, &self.resource.name)?;
        let pair = self.pair().await?;
        if !ids.is_of(pair.text(ids.place)) {
            return Ok(None);
        }
        let records = self.records(&pair)?;
        Ok(records.into_iter().find(|key| key.handle == *handle))
    }

    async fn verify(&self, key: &ApiKey) -> Verdict {
        let Ok(mut url) = self.resource.verify.join(&["openai", "models"]) else {
            return Verdict::Unknown(OutsideText::new("the URL takes no path"));
        };
        url.query_pairs_mut()
            .append_pair("api-version", DATA_VERSION);
        let answer = ask_as(&self.http, (Scheme::Header("api-key"), &[]), key, url).await;
        answer.map_or_else(Verdict::Unknown, |answer| verdict::of(&answer))
    }

    /// `disableLocalAuth` would refuse both keys of the resource, and is not used.
    async fn disable(&self, _: &KeyHandle) -> Result<Disabled, ProviderError> {
        Err(ProviderError::Unsupported("suspend one of two keys"))
    }

    async fn restore(&self, _: &KeyHandle, _: &Scope) -> Result<(), ProviderError> {
        Err(ProviderError::Unsupported("resume one of two keys"))
    }

    /// Regenerates the key, if it still has the text that the handle is of; nobody learns the new text. It is sent once:
    /// sent again after a lost answer it could end a text that came after.
    async fn delete(&self, handle: &KeyHandle) -> Result<(), ProviderError> {
        let ids = Ids::of(handle, &self.resource.name)?;
        if !ids.is_of(self.pair().await?.text(ids.place)) {
            return Err(ProviderError::NotFound);
        }
        let pair = self.regenerate(ids.place).await.map_err(look_again)?;
        if ids.is_of(pair.text(ids.place)) {
            let what = "a key was regenerated, but has its old text";
            return Err(unreadable(Repeat::Safe, what));
        }
        Ok(())
    }

    /// By the text itself, which `listKeys` tells: the handle is made of it.
    fn fits(&self, listed: &KeyRecord, key: &ApiKey) -> bool {
        Ids::of(&listed.handle, &self.resource.name).is_ok_and(|ids| ids.is_of(key))
    }

    fn issuer(&self) -> Option<&dyn KeyIssuer> {
        Some(self)
    }

    fn caps(&self) -> Option<&dyn SpendCaps> {
        None
    }
}

#[async_trait]
impl KeyIssuer for Azure {
    /// Regenerates the key that is idle: Key2 where both are, as people take the first one.
    async fn issue(&self, request: &IssueRequest) -> Result<IssuedKey, ProviderError> {
        let kept: Result<Vec<Place>, _> = request
            .keep
            .iter()
            .map(|handle| Ids::of(handle, &self.resource.name).map(|ids| ids.place))
            .collect();
        let kept = kept?;
        let idle = [Place::Key2, Place::Key1]
            .into_iter()
            .find(|place| !kept.contains(place));
        let place = idle.ok_or_else(|| ProviderError::LimitReached {
            detail: OutsideText::new("both keys of the resource may be in use"),
        })?;
        let before = self.pair().await?;
        let after = self.regenerate(place).await?;
        let key = after.text(place).clone();
        if key.fingerprint() == before.text(place).fingerprint() {
            let what = "a key was regenerated, but has its old text";
            return Err(unreadable(Repeat::Never, what));
        }
        Ok(IssuedKey {
            handle: self.handle(place, &key)?,
            expires: None,
            key,
        })
    }
}

fn refused(what: &str) -> ProviderError {
    ProviderError::Refused {
        detail: OutsideText::new(what),
    }
}

/// What became of a regenerate is seen by listing the keys again.
fn look_again(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::Ambiguous { detail } => ProviderError::RetryAfter {
            after: None,
            detail,
        },
        other => other,
    }
}

/// A 404 is about the resource: its keys are always there.
fn not_about_a_key(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::NotFound => {
            refused("HTTP 404: no such resource under this application and subscription")
        }
        other => other,
    }
}
