//! Containment without the inventory: by the handles mirrored in the secret's tags, and by name at the provider.

use std::collections::BTreeSet;

use futures::future::{join, join_all};

use super::KillOrder;
use super::contain::cut_key;
use crate::model::incident::{Containment, HowCut};
use crate::model::names::{AccountName, KeyHandle, SecretArn};
use crate::model::slot::{ProviderName, Scope, Slot};
use crate::ports::{
    KeyProvider, ProviderError, SecretDescription, SecretError, TAG_ACCOUNT, TAG_HANDLE_PREFIX,
};
use crate::usecases::{Ports, find};

/// What was done without the inventory.
#[derive(Debug)]
pub(super) struct Blind {
    /// Whose keys they are.
    pub(super) provider: ProviderName,
    /// Each key that was found, and what was done to it.
    pub(super) keys: Vec<(KeyHandle, Result<HowCut, ProviderError>)>,
    /// Why there may be more: the provider's list could not be read.
    pub(super) unlisted: Option<ProviderError>,
}

impl Blind {
    /// How many keys are cut off.
    pub(super) fn cut_off(&self) -> usize {
        self.keys.iter().filter(|(_, cut)| cut.is_ok()).count()
    }
}

/// Why nothing could be done without the inventory.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoPlace {
    #[error("{0} secrets carry the slot's tag, where one must")]
    NotOne(usize),
    #[error("the secret {0} has no tag that names its provider account")]
    NoAccount(SecretArn),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// The account of a slot's keys, as its secret's tag has it.
pub(crate) fn account_tag(slot: &Slot) -> String {
    format!("{}/{}", slot.provider, slot.account)
}

fn account_of(secret: &SecretDescription) -> Option<(ProviderName, AccountName)> {
    let (provider, account) = secret.tags.get(TAG_ACCOUNT)?.split_once('/')?;
    let mut all = ProviderName::ALL.into_iter();
    let provider = all.find(|known| known.as_str() == provider)?;
    Some((provider, account.parse().ok()?))
}

/// Cuts off every key that can be found for the slot.
pub(super) async fn contain(ports: &Ports, order: &KillOrder) -> Result<Blind, NoPlace> {
    let tagged = ports.secrets.tagged(&order.slot).await?;
    let [secret] = &tagged[..] else {
        return Err(NoPlace::NotOne(tagged.len()));
    };
    let secret = ports.secrets.describe(secret.as_str()).await?;
    let Some((name, account)) = account_of(&secret) else {
        return Err(NoPlace::NoAccount(secret.arn));
    };
    let provider = ports.providers.open(&account, name).await?;
    let provider = provider.as_ref();
    let containment = order.evidence.containment();
    let mirrored = mirrored(&secret);
    let scope = Scope::default();
    let (mut keys, listed) = join(
        cut_all(provider, &mirrored, containment),
        find::made_by_name(provider, &scope, &order.slot),
    )
    .await;
    let (found, unlisted) = match listed {
        Ok(listed) => (listed, None),
        Err(error) => (BTreeSet::new(), Some(error)),
    };
    let more: BTreeSet<KeyHandle> = found.difference(&mirrored).cloned().collect();
    keys.extend(cut_all(provider, &more, containment).await);
    Ok(Blind {
        provider: name,
        keys,
        unlisted,
    })
}

fn mirrored(secret: &SecretDescription) -> BTreeSet<KeyHandle> {
    let tags = secret.tags.iter();
    tags.filter(|(key, _)| key.starts_with(TAG_HANDLE_PREFIX))
        .filter_map(|(_, handle)| handle.parse().ok())
        .collect()
}

async fn cut_all(
    provider: &dyn KeyProvider,
    handles: &BTreeSet<KeyHandle>,
    containment: Containment,
) -> Vec<(KeyHandle, Result<HowCut, ProviderError>)> {
    let scope = Scope::default();
    let cuts = handles.iter().map(|handle| {
        let scope = &scope;
        async move {
            let cut = cut_key(provider, scope, handle, containment).await;
            (handle.clone(), cut)
        }
    });
    join_all(cuts).await
}
