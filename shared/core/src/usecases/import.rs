//! Import: keys at a provider that belong to no slot, and the secrets that hold them, for a fleet file to take over. Reads
//! only: a slot comes about by applying the file.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::SignedDuration;

use super::{Ports, find, pool};
use crate::model::names::{AccountName, SecretArn, SlotName};
use crate::model::secret_document::{DocumentError, SecretDocument};
use crate::model::slot::{ProviderName, Scope, Slot};
use crate::model::text::OutsideText;
use crate::model::version::{KeyLabel, Version};
use crate::ports::{
    Advice, Deadline, InventoryError, KeyProvider, KeyRecord, ProviderError, SecretError, TAG_SLOT,
    VersionSelector,
};

/// Slots that are read at once.
const AT_ONCE: usize = 16;

/// What is looked through.
#[derive(Debug, Clone)]
pub struct Search {
    /// The provider account.
    pub account: AccountName,
    /// Whose API it opens.
    pub provider: ProviderName,
    /// Where in the account, for providers that list keys place by place.
    pub scope: Scope,
    /// Secrets that may hold one of the keys.
    pub secrets: Vec<SecretArn>,
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// Keys that belong to no slot and to no pool, in the order of their handles.
    pub unclaimed: Vec<KeyRecord>,
    /// How many of the listed keys belong to a slot or a pool.
    pub claimed: usize,
    /// Keys of nobody's record where the keys of a slot live, that no other slot can take over: of an IAM user of its own, or
    /// of the pair of an Azure resource.
    pub in_a_slots_place: Vec<KeyRecord>,
    /// What each of the secrets holds.
    pub secrets: Vec<(SecretArn, Result<Holds, SecretNotSeen>)>,
}

/// What a secret holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// No value.
    Nothing,
    /// Its tag names a slot.
    OfSlot(OutsideText),
    /// One of the listed keys.
    Key(String),
    /// A key of which it is not known which of the listed ones it is, if any.
    Unknown,
}

/// What is left when another page of a list is asked for, at least.
const TIME_FOR_A_PAGE: SignedDuration = SignedDuration::from_secs(20);

/// Why it is not known what a secret holds.
#[derive(Debug, thiserror::Error)]
pub enum SecretNotSeen {
    /// Secrets Manager.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Its value is not of the form that a slot's secret has.
    #[error("its value cannot be used")]
    Document(#[from] DocumentError),
    /// The provider.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// Why nothing is known. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The inventory could not be read whole: which keys belong to a slot is not known.
    #[error("which keys belong to a slot could not be read, so none is shown")]
    Inventory(#[from] InventoryError),
    /// The account could not be opened, or its keys not be listed whole.
    #[error("the account's keys could not be listed whole, so none is shown")]
    Provider(#[from] ProviderError),
}

impl ImportError {
    /// Whether the same request can succeed later without a person.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Inventory(error) => error.is_retryable(),
            Self::Provider(error) => !matches!(error.advice(), Advice::StopAndAlert),
        }
    }
}

/// Looks through an account. A key that Keyward makes meanwhile carries its slot's name before its handle is recorded, so
/// it is never taken for nobody's.
///
/// # Errors
/// [`ImportError`]; that there was no time to read the list of keys to its end is one.
pub async fn unclaimed(
    ports: &Ports,
    search: &Search,
    deadline: Deadline,
) -> Result<Found, ImportError> {
    let driver = ports
        .providers
        .open(&search.account, search.provider)
        .await?;
    let has_time = || deadline.allows(ports.clock.as_ref(), TIME_FOR_A_PAGE);
    let listed = find::keys_while(driver.as_ref(), &search.scope, |_| true, has_time);
    let mut listed = listed.await?;
    // After the list: whoever makes a key or draws one has recorded it before it is listed.
    let claimed = claimed(ports, &search.account).await?;
    let all = listed.len();
    listed.retain(|key| !claimed.has(key));
    let owned = all - listed.len();
    listed.sort_by(|one, other| one.handle.as_str().cmp(other.handle.as_str()));
    let home = search.provider.home(&search.account, &search.scope);
    let is_a_slots = home.is_some_and(|home| claimed.homes.contains(&home));
    let (in_a_slots_place, listed) = match is_a_slots {
        true => (listed, Vec::new()),
        false => (Vec::new(), listed),
    };
    let mut secrets = Vec::new();
    for arn in &search.secrets {
        let holds = holds(ports, driver.as_ref(), &search.scope, arn).await;
        secrets.push((arn.clone(), holds));
    }
    Ok(Found {
        claimed: owned,
        in_a_slots_place,
        unclaimed: listed,
        secrets,
    })
}

/// The keys of an account that a slot or the pool has, dead ones too.
#[derive(Default)]
struct Claimed {
    handles: BTreeSet<String>,
    /// How the names begin that Keyward gives to keys of the slots.
    prefixes: Vec<String>,
    /// What is one slot's alone, as [`ProviderName::home`] names it.
    homes: BTreeSet<String>,
}

impl Claimed {
    fn has(&self, key: &KeyRecord) -> bool {
        let is_named = |prefix: &String| key.label.as_str().starts_with(prefix);
        self.handles.contains(key.handle.as_str()) || self.prefixes.iter().any(is_named)
    }
}

/// The pool is read first: a key that is drawn meanwhile is in it, and one that was drawn before is its slot's.
async fn claimed(ports: &Ports, account: &AccountName) -> Result<Claimed, InventoryError> {
    let pool = pool::read(ports, account).await?;
    let standby = pool.standby.iter().map(|key| key.handle.to_string());
    let mut claimed = Claimed {
        handles: standby.collect(),
        ..Claimed::default()
    };
    let names = ports.inventory.slot_names().await?;
    let of_slots = names
        .into_iter()
        .map(|name| async move { versions_of(ports, account, &name).await });
    let of_slots: Vec<Option<(Slot, Vec<Version>)>> = stream::iter(of_slots)
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    for (slot, versions) in of_slots.into_iter().flatten() {
        let handles = versions.into_iter().filter_map(|version| version.handle);
        claimed
            .handles
            .extend(handles.map(|handle| handle.to_string()));
        claimed.prefixes.push(KeyLabel::prefix_of(&slot.name));
        let home = slot.provider.home(&slot.account, &slot.scope);
        claimed.homes.extend(home);
    }
    Ok(claimed)
}

/// A slot of the account, with its versions.
async fn versions_of(
    ports: &Ports,
    account: &AccountName,
    name: &SlotName,
) -> Result<Option<(Slot, Vec<Version>)>, InventoryError> {
    match ports.inventory.slot(name).await? {
        Some(slot) if slot.account == *account => {
            let versions = ports.inventory.versions(name).await?;
            Ok(Some((slot, versions)))
        }
        _ => Ok(None),
    }
}

async fn holds(
    ports: &Ports,
    driver: &dyn KeyProvider,
    scope: &Scope,
    arn: &SecretArn,
) -> Result<Holds, SecretNotSeen> {
    let secret = ports.secrets.describe(arn.as_str()).await?;
    if let Some(slot) = secret.tags.get(TAG_SLOT) {
        return Ok(Holds::OfSlot(OutsideText::new(slot)));
    }
    let value = ports.secrets.value(arn, VersionSelector::Current).await?;
    let Some((_, text)) = value else {
        return Ok(Holds::Nothing);
    };
    let document = SecretDocument::parse(&text, &driver.abilities().format)?;
    let found = find::by_text(driver, scope, document.key()).await?;
    Ok(found.map_or(Holds::Unknown, |key| Holds::Key(key.handle.to_string())))
}
