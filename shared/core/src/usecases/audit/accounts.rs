//! Providers' own lists, of which only what rules ask about is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::fleet::Outline;
use super::pages::{Reader, both};
use super::{AuditOrder, AuditPorts, Read};
use crate::model::audit::{Seen, Source};
use crate::model::key::KeyFormat;
use crate::model::names::{AccountName, KeyHandle};
use crate::model::slot::{ProviderName, Scope};
use crate::model::version::Version;
use crate::ports::{GonePage, KeyProvider, ListPage, Page, PageToken, ProviderError, ReadingStage};
use crate::rules::audit::facts::{AccountTraits, KeyFacts, ListedKey, Listing, Sight};
use crate::rules::audit::{draws, of_key};

/// Accounts that are read at once.
const AT_ONCE: usize = 4;

/// A list and a record that are so close in time may each not know of the other.
const CLOSE: SignedDuration = SignedDuration::from_hours(1);

/// What one account lists.
#[derive(Debug)]
pub(super) struct AccountList {
    keys: BTreeMap<Box<str>, Row>,
    deleted: BTreeMap<Box<str>, Option<Timestamp>>,
    /// Before the first page was asked for.
    at: Timestamp,
    seen: Seen,
    /// The places where no slot lives, where keys are listed by place; `None` where there are no others.
    elsewhere: Option<Seen>,
    pub(super) traits: Sight<AccountTraits>,
    pub(super) format: Option<(ProviderName, KeyFormat)>,
    /// That its provider refused the credential that it was opened by.
    refused: Option<ProviderError>,
}

/// Keeps an error by which a provider refused a credential.
#[derive(Default)]
struct Refusal(Mutex<Option<ProviderError>>);

impl Refusal {
    fn note(&self, error: &ProviderError) {
        let is_one = matches!(error, ProviderError::AdminCredential { .. });
        if let Ok(mut kept) = self.0.lock()
            && is_one
        {
            *kept = Some(error.clone());
        }
    }
}

#[derive(Debug)]
struct Row {
    key: ListedKey,
    is_known: bool,
}

/// By account.
pub(super) type Lists = BTreeMap<AccountName, AccountList>;

/// Lists every account that the deployment configures or a slot names, side by side.
pub(super) async fn lists(
    ports: &AuditPorts,
    order: &AuditOrder,
    reader: &Reader<'_>,
    outline: &Outline,
    read: &mut Read,
) -> Lists {
    let configured = order.accounts.iter().cloned().map(|key| (key, Vec::new()));
    let mut accounts: BTreeMap<(AccountName, ProviderName), Vec<Scope>> = configured.collect();
    for (account, places) in &outline.places {
        accounts.insert(account.clone(), places.clone());
    }
    let lists = accounts
        .into_iter()
        .map(|((account, provider), places)| async move {
            let list = one(ports, reader, &account, provider, places).await;
            (account, list)
        });
    let all = lists.len();
    let mut lists = stream::iter(lists).buffered(AT_ONCE);
    let mut listed: Vec<(AccountName, AccountList)> = Vec::with_capacity(all);
    reader.progress.at(ReadingStage::Accounts, 0, all);
    while let Some(list) = lists.next().await {
        listed.push(list);
        reader
            .progress
            .at(ReadingStage::Accounts, listed.len(), all);
    }
    for (account, list) in &mut listed {
        let refused = list.refused.take().map(|error| (account.clone(), error));
        read.refused.extend(refused);
        read.put(Source::Keys(account.clone()), list.seen.clone());
        if let Some(elsewhere) = &list.elsewhere {
            read.put(Source::Places(account.clone()), elsewhere.clone());
        }
        read.totals.listed += u32::try_from(list.keys.len()).unwrap_or(u32::MAX);
    }
    listed.into_iter().collect()
}

/// Whether a provider lists the keys of an account as a whole. OpenAI, Gemini and Bedrock list those of one project or user
/// only.
pub(crate) const fn lists_all(provider: ProviderName) -> bool {
    match provider {
        ProviderName::OpenRouter
        | ProviderName::Anthropic
        | ProviderName::LiteLlm
        | ProviderName::Azure => true,
        ProviderName::OpenAi | ProviderName::Gemini | ProviderName::Bedrock => false,
    }
}

/// Where an account's keys are listed: where its slots' keys live, and as a whole where the provider lists it so.
fn scopes(provider: ProviderName, mut places: Vec<Scope>) -> Vec<Scope> {
    let whole = Scope::default();
    if lists_all(provider) && !places.contains(&whole) {
        places.push(whole);
    }
    places
}

/// What is not seen of an account whose keys are listed by project. IAM lists the credentials of all users by itself.
fn elsewhere(provider: ProviderName) -> Option<Seen> {
    match provider {
        ProviderName::OpenRouter
        | ProviderName::Anthropic
        | ProviderName::LiteLlm
        | ProviderName::Azure
        | ProviderName::Bedrock => None,
        ProviderName::OpenAi | ProviderName::Gemini => Some(Seen::absent(
            "its keys are listed project by project, and only projects of slots are known",
        )),
    }
}

async fn one(
    ports: &AuditPorts,
    reader: &Reader<'_>,
    account: &AccountName,
    provider: ProviderName,
    places: Vec<Scope>,
) -> AccountList {
    let mut list = AccountList {
        keys: BTreeMap::new(),
        deleted: BTreeMap::new(),
        at: ports.clock.now(),
        seen: Seen::Whole,
        elsewhere: elsewhere(provider),
        traits: Sight::NotSeen,
        format: None,
        refused: None,
    };
    let refusal = Refusal::default();
    let opened = reader.ask(|| async {
        let opened = ports.providers.open(account, provider).await;
        opened.inspect_err(|error| refusal.note(error))
    });
    let driver = match opened.await {
        Ok(driver) => driver,
        Err(why) => {
            list.seen = Seen::not(&why);
            list.refused = refusal.0.into_inner().unwrap_or_default();
            return list;
        }
    };
    list.traits = Sight::Seen(AccountTraits {
        day_limit: driver.caps().map(|caps| caps.day_limit()),
    });
    list.format = Some((provider, driver.abilities().format));
    let scopes = scopes(provider, places);
    let mut seen: Option<Seen> = None;
    for scope in &scopes {
        let read = list.read(reader, &driver, scope, &refusal).await;
        seen = Some(match seen {
            None => read,
            Some(before) => both(before, read),
        });
    }
    list.refused = refusal.0.into_inner().unwrap_or_default();
    list.seen = seen.unwrap_or_else(|| {
        Seen::absent("its keys are listed by project or user, and no slot names one")
    });
    list
}

impl AccountList {
    async fn read(
        &mut self,
        reader: &Reader<'_>,
        driver: &Arc<dyn KeyProvider>,
        scope: &Scope,
        refusal: &Refusal,
    ) -> Seen {
        let page = |at: Option<PageToken>| async move {
            let page: Result<Page, ProviderError> = driver.list(scope, at.as_ref()).await;
            let page = page.inspect_err(|error| refusal.note(error));
            page.map(|page| ListPage {
                items: page.keys,
                next: page.next,
            })
        };
        let keys = &mut self.keys;
        let listed = reader
            .all(page, |key| {
                let handle = key.handle.as_str().into();
                let key = key.into();
                let row = Row {
                    key,
                    is_known: false,
                };
                keys.insert(handle, row);
            })
            .await;
        if matches!(listed, Seen::Not { .. }) {
            return listed;
        }
        let page = |at: Option<PageToken>| async move {
            let page: Result<GonePage, ProviderError> = driver.restorable(scope, at.as_ref()).await;
            page.map(|page| ListPage {
                items: page.keys,
                next: page.next,
            })
        };
        let deleted = &mut self.deleted;
        let gone = reader
            .all(page, |key| {
                deleted.insert(key.handle.as_str().into(), key.until);
            })
            .await;
        both(listed, gone)
    }

    /// What the list says of a version's key.
    pub(super) fn listing(&self, version: &Version) -> Listing<'_> {
        let Some(handle) = &version.handle else {
            return Listing::NotSeen;
        };
        let is_close = |at: Timestamp| at > self.at - CLOSE;
        let is_new = is_close(version.begun_at());
        let is_just_over = version.revoke_confirmed.is_some_and(|c| is_close(c.at))
            || version.revoke_accepted.is_some_and(is_close);
        match (
            self.keys.get(handle.as_str()),
            self.deleted.get(handle.as_str()),
        ) {
            // It was listed before it was revoked.
            (Some(_), _) if is_just_over => Listing::NotSeen,
            (Some(row), _) => Listing::There(&row.key),
            (None, Some(until)) => Listing::Deleted(*until),
            // It was made after it would have been listed.
            (None, None) if is_new || !self.seen.is_whole() => Listing::NotSeen,
            (None, None) => Listing::Absent,
        }
    }

    /// Some slot or pool has the key.
    pub(super) fn is_known(&mut self, handle: &KeyHandle) {
        if let Some(row) = self.keys.get_mut(handle.as_str()) {
            row.is_known = true;
        }
    }
}

/// What is left of the lists when every slot and pool was read. Where the inventory or a pool was not read to its end,
/// nobody can say whose a key is.
pub(super) fn judge_strangers(ports: &AuditPorts, damaged: usize, lists: &Lists, read: &mut Read) {
    if !read.coverage.is_whole(&Source::Inventory) {
        return;
    }
    let now = ports.clock.now();
    for (account, list) in lists {
        let provider = list.format.map(|(provider, _)| provider);
        let has_pool = provider.is_some_and(|provider| draws(provider.kind()));
        let pool = read.coverage.of(&Source::Pool(account.clone()));
        if has_pool && pool.is_some_and(|seen| !seen.is_whole()) {
            continue;
        }
        let strangers = list.keys.iter().filter(|(_, row)| !row.is_known);
        for (handle, row) in strangers {
            let Ok(handle) = handle.parse::<KeyHandle>() else {
                continue;
            };
            let facts = KeyFacts {
                now,
                account,
                handle: &handle,
                key: &row.key,
                damaged,
            };
            read.findings.extend(of_key(&facts));
        }
    }
}
