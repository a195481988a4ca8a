//! Containment without the inventory: by the handles mirrored in the secret's tags, and by name at the provider. And
//! without AWS at all, by what a person knows.

use std::collections::BTreeSet;

use futures::future::{join, join_all};

use super::KillOrder;
use super::contain::cut_key;
use super::place::{account_in, place_in};
use crate::model::incident::{Containment, HowCut};
use crate::model::names::{AccountName, KeyHandle, SecretArn, SlotName};
use crate::model::slot::{CredentialKind, ProviderName, Scope};
use crate::ports::{KeyProvider, ProviderError, SecretDescription, SecretError, TAG_HANDLE_PREFIX};
use crate::usecases::{Ports, find, unmake};

/// What was done to the keys that could be found for a slot.
#[derive(Debug)]
pub struct FoundKeys {
    /// Each key that was found, and what was done to it.
    pub keys: Vec<(KeyHandle, Result<HowCut, ProviderError>)>,
    /// Why there may be more: the provider's list could not be read.
    pub unlisted: Option<ProviderError>,
}

impl FoundKeys {
    /// How many keys are cut off.
    pub fn cut_off(&self) -> usize {
        self.keys.iter().filter(|(_, cut)| cut.is_ok()).count()
    }

    /// Whether every key was found, as far as can be known, and cut off.
    pub fn is_whole(&self) -> bool {
        self.unlisted.is_none() && self.cut_off() == self.keys.len()
    }
}

/// Where a slot's keys are looked for.
#[derive(Debug, Clone)]
pub struct Whereabouts {
    /// Whose keys they are.
    pub slot: SlotName,
    /// The provider account.
    pub account: AccountName,
    /// Where in it they live.
    pub place: Scope,
    /// Keys that are known to be the slot's.
    pub known: BTreeSet<KeyHandle>,
}

/// Cuts off every key of a slot that its provider shows: those that are known, and those that carry a name which Keyward
/// gives to this slot's keys; all keys in a place that is one slot's alone. Nothing is recorded, and no AWS is needed.
/// Keys are listed again until nothing new appears: a create that was under way may have ended meanwhile.
///
/// What went wrong with one key stands beside it, and holds up no other.
pub async fn contain_found(
    provider: &dyn KeyProvider,
    whereabouts: &Whereabouts,
    containment: Containment,
) -> FoundKeys {
    let Whereabouts { place, known, .. } = whereabouts;
    let (mut keys, mut listed) = join(
        cut_all(provider, place, known, containment),
        own_keys(provider, whereabouts),
    )
    .await;
    let mut seen = known.clone();
    loop {
        let found = match listed {
            Ok(found) => found,
            Err(error) => {
                let unlisted = Some(error);
                return FoundKeys { keys, unlisted };
            }
        };
        let more: BTreeSet<KeyHandle> = found.difference(&seen).cloned().collect();
        if more.is_empty() {
            let unlisted = None;
            return FoundKeys { keys, unlisted };
        }
        keys.extend(cut_all(provider, place, &more, containment).await);
        seen.extend(more);
        // Of a pair whose keys are regenerated to end them, what is new is what ended the old.
        if provider.abilities().provider.kind() == CredentialKind::Slots {
            let unlisted = None;
            return FoundKeys { keys, unlisted };
        }
        listed = own_keys(provider, whereabouts).await;
    }
}

/// Deletes the keys that [`contain_found`] only suspended, for good: where nothing else will. One that could not be deleted
/// stays suspended, and is said to be.
pub async fn delete_found(
    provider: &dyn KeyProvider,
    whereabouts: &Whereabouts,
    found: &mut FoundKeys,
) {
    let deletes = found.keys.iter_mut().map(|(handle, cut)| async move {
        if let Ok(how @ (HowCut::Suspended | HowCut::Narrowed)) = cut {
            let deleted = unmake::delete(provider, &whereabouts.place, handle).await;
            if deleted.is_ok() {
                *how = HowCut::Deleted;
            }
        }
    });
    join_all(deletes).await;
}

async fn own_keys(
    provider: &dyn KeyProvider,
    whereabouts: &Whereabouts,
) -> Result<BTreeSet<KeyHandle>, ProviderError> {
    let Whereabouts {
        slot,
        account,
        place,
        ..
    } = whereabouts;
    if provider.abilities().provider.home(account, place).is_some() {
        let all = find::handles(provider, place).await?;
        return Ok(all.into_iter().collect());
    }
    find::made_by_name(provider, place, slot).await
}

/// What was done without the inventory.
#[derive(Debug)]
pub(super) struct Blind {
    /// Whose keys they are.
    pub(super) provider: ProviderName,
    /// What was done to them.
    pub(super) found: FoundKeys,
    /// No tag says where in the account they live, so there may be more.
    pub(super) unplaced: bool,
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

/// Cuts off every key that can be found for the slot.
pub(super) async fn contain(ports: &Ports, order: &KillOrder) -> Result<Blind, NoPlace> {
    let tagged = ports.secrets.tagged(&order.slot).await?;
    let [secret] = &tagged[..] else {
        return Err(NoPlace::NotOne(tagged.len()));
    };
    let secret = ports.secrets.describe(secret.as_str()).await?;
    let Some((name, account)) = account_in(&secret) else {
        return Err(NoPlace::NoAccount(secret.arn));
    };
    let provider = ports.providers.open(&account, name).await?;
    let place = place_in(&secret);
    let unplaced = place.is_none();
    let whereabouts = Whereabouts {
        slot: order.slot.clone(),
        account,
        place: place.unwrap_or_default(),
        known: mirrored(&secret),
    };
    let containment = order.evidence.containment();
    let found = contain_found(provider.as_ref(), &whereabouts, containment).await;
    Ok(Blind {
        provider: name,
        found,
        unplaced,
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
    place: &Scope,
    handles: &BTreeSet<KeyHandle>,
    containment: Containment,
) -> Vec<(KeyHandle, Result<HowCut, ProviderError>)> {
    let cuts = handles.iter().map(|handle| async move {
        let cut = cut_key(provider, place, handle, containment).await;
        (handle.clone(), cut)
    });
    join_all(cuts).await
}
