//! The admin keys of an organization: made, listed and ended with an admin key that is named at each call.
//!
//! <https://github.com/openai/openai-openapi>, `/organization/admin_api_keys`: a create gives the text once, a list shows
//! redacted ones. That an admin key is refused elsewhere than at the admin API:
//! <https://developers.openai.com/api/docs/guides/admin-apis>.

use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use keyward_core::model::admin::AdminLabel;
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::{KeyHandle, ScopeId};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{AdminCredentials, ListedAdmin, MintedAdmin, ProviderError, Verdict};
use serde::Serialize;

use super::wire::{self, AdminRow, Deleted, List, NewKey};
use super::{LONGEST_LIFE, MAX_KEYS, NOTHING, OpenAi, PAGE, not_about_a_key, verdict};
use crate::api::unreadable;
use crate::http::Repeat;

const PATH: [&str; 2] = ["organization", "admin_api_keys"];

#[derive(Serialize)]
struct Create<'a> {
    name: &'a str,
    expires_in_seconds: i64,
}

/// A create that was answered, but not usefully.
fn none_made() -> ProviderError {
    unreadable(
        Repeat::Never,
        "a create was answered, but not with an admin key",
    )
}

fn handle(id: &str) -> Option<KeyHandle> {
    id.parse::<ScopeId>().ok()?;
    id.parse().ok()
}

#[async_trait]
impl AdminCredentials for OpenAi {
    async fn mint(
        &self,
        by: &AdminKey,
        label: &AdminLabel,
        expires: Timestamp,
    ) -> Result<MintedAdmin, ProviderError> {
        let seconds = expires.duration_since(self.api.now()).as_secs();
        let create = Create {
            name: label.as_str(),
            expires_in_seconds: seconds.clamp(1, LONGEST_LIFE),
        };
        let url = self.api.url(&PATH)?;
        let call = self
            .api
            .call_by(by, Method::POST, url, Some(&create), Repeat::Never);
        let answer = call.await.map_err(not_about_a_key)?;
        let made: NewKey = wire::read(&answer.body).ok_or_else(none_made)?;
        match handle(&made.id) {
            Some(handle) if !made.value.trim().is_empty() => Ok(MintedAdmin {
                key: AdminKey::new(&made.value),
                handle,
                expires: made.expires(),
            }),
            _ => Err(none_made()),
        }
    }

    /// Those that have ended by themselves are left out.
    async fn listed(&self, by: &AdminKey) -> Result<Vec<ListedAdmin>, ProviderError> {
        let unread = |what| unreadable(Repeat::Safe, what);
        let (now, mut all, mut after) = (self.api.now(), Vec::new(), None::<String>);
        loop {
            let mut url = self.api.url(&PATH)?;
            url.query_pairs_mut().append_pair("limit", PAGE);
            if let Some(after) = &after {
                url.query_pairs_mut().append_pair("after", after);
            }
            let call = self
                .api
                .call_by(by, Method::GET, url, NOTHING, Repeat::Safe);
            let answer = call.await.map_err(not_about_a_key)?;
            let page = List::<AdminRow>::read(&answer.body)
                .ok_or_else(|| unread("a page of the list of admin keys is unreadable"))?;
            let last = page.data.last().map(|row| row.id.clone());
            for row in page.data.into_iter().filter(|row| !row.has_ended(now)) {
                let handle =
                    handle(&row.id).ok_or_else(|| unread("an admin key has no usable id"))?;
                all.push(row.listed(handle));
            }
            match last {
                _ if !page.has_more => return Ok(all),
                Some(last) if after.as_ref() != Some(&last) && all.len() as u64 <= MAX_KEYS => {
                    after = Some(last);
                }
                _ => return Err(unread("the list of admin keys does not end")),
            }
        }
    }

    /// By one row of the list of admin keys.
    async fn accepts(&self, credential: &AdminKey) -> Verdict {
        let Ok(mut url) = self.api.url(&PATH) else {
            return Verdict::Unknown(OutsideText::new("the base URL takes no path"));
        };
        url.query_pairs_mut().append_pair("limit", "1");
        let answer = self.api.ask_as(credential, url).await;
        answer.map_or_else(Verdict::Unknown, |answer| verdict::of(&answer))
    }

    async fn revoke(&self, by: &AdminKey, handle: &KeyHandle) -> Result<(), ProviderError> {
        let url = self.api.url(&[PATH[0], PATH[1], handle.as_str()])?;
        let call = self
            .api
            .call_by(by, Method::DELETE, url, NOTHING, Repeat::Safe);
        let answer = call.await?;
        match wire::read::<Deleted>(&answer.body) {
            Some(done) if done.deleted && done.id == handle.as_str() => Ok(()),
            _ => Err(unreadable(
                Repeat::Safe,
                "a delete was answered, but not as done",
            )),
        }
    }
}
