//! Ending a key for good, and no other key with it.

use http::Method;
use keyward_core::model::slot::Scope;
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::KeyLabel;
use keyward_core::ports::{KeyProvider as _, ProviderError};

use super::handle::Place;
use super::wire::{EndNow, ServiceAccount};
use super::{Deleted, HARMLESS, NOTHING, OpenAi};
use crate::api::unreadable;
use crate::http::Repeat;

/// What the fallbacks come to if no other way is left.
const SHARED: &str = "OpenAI neither deletes this key nor lets it expire, and its service account has other keys, which would end with it: delete the key by hand";

impl OpenAi {
    /// Ends the key. An account that Keyward made for this key alone goes with it. Where a service account's key cannot
    /// be deleted, as OpenAI's older description says, it is made to expire at once; where that is refused too, its
    /// account is deleted, if the key is the only one in it.
    pub(super) async fn end(&self, place: &Place<'_>) -> Result<(), ProviderError> {
        if let Some(account) = place.account
            && self.is_own_account(place.project, account).await?
            && self.is_alone(place).await?
        {
            return self.delete_account(place.project, account).await;
        }
        let url = self.key_url(place)?;
        let deleted = self.delete_at(url).await;
        if !matches!(deleted, Err(ProviderError::Refused { .. })) {
            return deleted;
        }
        let end = EndNow {
            scopes: HARMLESS,
            expires_in_seconds: 1,
        };
        let ended = self.update(place, &end).await;
        if !matches!(ended, Err(ProviderError::Refused { .. })) {
            return ended;
        }
        // What has expired can be updated no more, and needs not be.
        if self.find(place).await?.is_none() {
            return Ok(());
        }
        match place.account {
            None => ended,
            Some(account) => {
                if !self.is_alone(place).await? {
                    return Err(ProviderError::Refused {
                        detail: OutsideText::new(SHARED),
                    });
                }
                self.delete_account(place.project, account).await
            }
        }
    }

    /// Whether Keyward made the account for one key: it has that key's name. One that is gone is nobody's.
    async fn is_own_account(&self, project: &str, account: &str) -> Result<bool, ProviderError> {
        let url = self.account_url(project, account)?;
        match self.0.call(Method::GET, url, NOTHING, Repeat::Safe).await {
            Err(ProviderError::NotFound) => Ok(false),
            Err(error) => Err(error),
            Ok(answer) => {
                let account: ServiceAccount =
                    serde_json::from_slice(&answer.body).map_err(|_| {
                        unreadable(
                            Repeat::Safe,
                            "a service account was answered, but not readably",
                        )
                    })?;
                Ok(account.name.starts_with(KeyLabel::PREFIX))
            }
        }
    }

    /// Whether the key's service account has no other key, by the whole list.
    async fn is_alone(&self, place: &Place<'_>) -> Result<bool, ProviderError> {
        let scope = Scope {
            project: place.project.parse().ok(),
            ..Scope::default()
        };
        let mut page = self.list(&scope, None).await?;
        loop {
            let other = |handle| {
                let listed = Place::of(handle).ok();
                listed.is_some_and(|p| p.account == place.account && p.key != place.key)
            };
            if page.keys.iter().any(|key| other(&key.handle)) {
                return Ok(false);
            }
            let Some(next) = page.next else {
                return Ok(true);
            };
            page = self.list(&scope, Some(&next)).await?;
        }
    }

    pub(super) async fn delete_account(
        &self,
        project: &str,
        account: &str,
    ) -> Result<(), ProviderError> {
        let url = self.account_url(project, account)?;
        self.delete_at(url).await
    }

    async fn delete_at(&self, url: url::Url) -> Result<(), ProviderError> {
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
}
