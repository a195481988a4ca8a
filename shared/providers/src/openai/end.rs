//! Ending a key for good, and no other key with it.

use http::Method;
use jiff::SignedDuration;
use keyward_core::model::names::KeyHandle;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{KeyProvider, ProviderError};

use super::handle::{Ids, is_label};
use super::wire::{self, Change, Deleted, List, Named, Row};
use super::{NOTHING, OpenAi, narrowest};
use crate::api::unreadable;
use crate::http::Repeat;

/// The shortest life that can be given to a key.
const AT_ONCE: i64 = 1;

/// By then a key that was to end at once has ended: its row reads as gone to whoever looks.
const ENDED: SignedDuration = SignedDuration::from_secs(AT_ONCE + 1);

impl OpenAi {
    /// Deletes the key, then the service account that was made for it alone.
    ///
    /// OpenAI's API refused to delete keys of service accounts before 2026, and may still do so for an organization
    /// (<https://github.com/openai/openai-openapi>, `ProjectApiKeyDeleteResponse` and the 400 beside it). Then the key
    /// is made to end by itself, at once.
    pub(super) async fn end(&self, handle: &KeyHandle) -> Result<(), ProviderError> {
        let ids = Ids::of(handle)?;
        let ended = match self.remove(&ids.key_path(), ids.key).await {
            Err(ProviderError::Refused { detail }) => self.expire(handle, &ids, detail).await,
            other => other,
        };
        if matches!(ended, Ok(()) | Err(ProviderError::NotFound)) {
            self.tidy(&ids).await;
        }
        ended
    }

    /// Deletes whatever the path names. Done only if the answer says so of this very thing.
    pub(super) async fn remove(&self, path: &[&str], id: &str) -> Result<(), ProviderError> {
        let url = self.api.url(path)?;
        let call = self.api.call(Method::DELETE, url, NOTHING, Repeat::Safe);
        let answer = call.await?;
        match wire::read::<Deleted>(&answer.body) {
            Some(done) if done.deleted && done.id == id => Ok(()),
            _ => Err(unreadable(
                Repeat::Safe,
                "a delete was answered, but not as done",
            )),
        }
    }

    /// Ends a key that cannot be deleted: no permissions any more, and a second to live.
    async fn expire(
        &self,
        handle: &KeyHandle,
        ids: &Ids<'_>,
        detail: OutsideText,
    ) -> Result<(), ProviderError> {
        if self.get(handle).await?.is_none() {
            return Err(ProviderError::NotFound);
        }
        let scopes = narrowest()?;
        let change = Change {
            scopes: &scopes,
            expires_in_seconds: Some(AT_ONCE),
        };
        match self.change(handle, &change).await {
            Ok(()) => {
                self.api.wait(ENDED).await;
                Ok(())
            }
            Err(ProviderError::Refused { .. }) => self.end_with_account(ids, detail).await,
            Err(error) => Err(error),
        }
    }

    /// The last resort: the whole service account, if no other key lives in it.
    async fn end_with_account(
        &self,
        ids: &Ids<'_>,
        detail: OutsideText,
    ) -> Result<(), ProviderError> {
        let Some(account) = ids.account else {
            return Err(ProviderError::Refused { detail });
        };
        if self.has_others(ids, account).await? {
            let text = "the key can be neither deleted nor ended, and other keys live in its service account";
            return Err(ProviderError::Refused {
                detail: OutsideText::new(text),
            });
        }
        self.remove(&account_path(ids.project, account), account)
            .await
    }

    /// Deletes the service account of a key that is gone, if it was made for this key: its name is a label, and no
    /// other key lives in it. A failure is no failure of the delete: an account without a key opens nothing, and a
    /// repeated delete tries again.
    async fn tidy(&self, ids: &Ids<'_>) {
        let Some(account) = ids.account else {
            return;
        };
        if let Err(error) = self.try_tidy(ids, account).await {
            tracing::warn!(%error, "a service account without a key is left behind at OpenAI");
        }
    }

    async fn try_tidy(&self, ids: &Ids<'_>, account: &str) -> Result<(), ProviderError> {
        let path = account_path(ids.project, account);
        let url = self.api.url(&path)?;
        let call = self.api.call(Method::GET, url, NOTHING, Repeat::Safe);
        let named = match call.await {
            Err(ProviderError::NotFound) => return Ok(()),
            answer => wire::read::<Named>(&answer?.body),
        };
        let made_for_it = named.is_some_and(|named| named.id == account && is_label(&named.name));
        if !made_for_it || self.has_others(ids, account).await? {
            return Ok(());
        }
        match self.remove(&path, account).await {
            Err(ProviderError::NotFound) => Ok(()),
            other => other,
        }
    }

    /// Whether a key other than this one lives in the service account.
    async fn has_others(&self, ids: &Ids<'_>, account: &str) -> Result<bool, ProviderError> {
        let now = self.api.now();
        let is_other =
            |row: &Row| row.account() == Some(account) && row.id != ids.key && !row.has_ended(now);
        let mut next = None;
        loop {
            let (List { data, .. }, following) = self.page(ids.project, next.as_ref()).await?;
            if data.iter().any(is_other) {
                return Ok(true);
            }
            if following.is_none() {
                return Ok(false);
            }
            next = following;
        }
    }
}

pub(super) fn account_path<'a>(project: &'a str, account: &'a str) -> [&'a str; 5] {
    [
        "organization",
        "projects",
        project,
        "service_accounts",
        account,
    ]
}
