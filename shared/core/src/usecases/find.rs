//! Finding keys in a provider's list, page by page.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::Ports;
use crate::model::alert::{Alert, AlertKind, Severity};
use crate::model::key::{ApiKey, Hint};
use crate::model::names::{AccountName, KeyHandle, SlotName};
use crate::model::slot::{ProviderName, Scope, Slot};
use crate::model::text::OutsideText;
use crate::model::version::{KeyLabel, Version, VersionState};
use crate::ports::{
    InventoryError, KeyProvider, KeyRecord, LATE_CREATE, LookUp, Naming, ProviderError,
};

/// A list with more pages is a server that does not heed the page asked for.
const MAX_PAGES: usize = 2_000;

/// Every key of the list that `wanted` keeps, to the last page. One that moves to the next page while they are read,
/// because another is made, is listed twice and found once.
pub(crate) async fn keys(
    provider: &dyn KeyProvider,
    scope: &Scope,
    wanted: impl Fn(&KeyRecord) -> bool + Send,
) -> Result<Vec<KeyRecord>, ProviderError> {
    keys_while(provider, scope, wanted, || true).await
}

/// The same as long as there is time for another page: a list that was not read to its end is none.
pub(crate) async fn keys_while(
    provider: &dyn KeyProvider,
    scope: &Scope,
    wanted: impl Fn(&KeyRecord) -> bool + Send,
    has_time: impl Fn() -> bool + Send,
) -> Result<Vec<KeyRecord>, ProviderError> {
    let (mut found, mut handles) = (Vec::new(), BTreeSet::new());
    let mut asked = BTreeSet::new();
    let mut page = provider.list(scope, None).await?;
    loop {
        let kept = page.keys.into_iter().filter(&wanted);
        found.extend(kept.filter(|key| handles.insert(key.handle.clone())));
        let Some(next) = page.next else {
            return Ok(found);
        };
        if !has_time() {
            return Err(ProviderError::RetryAfter {
                after: None,
                detail: OutsideText::new("there was no time to read the list of keys to its end"),
            });
        }
        page = provider.list(scope, Some(&next)).await?;
        if !asked.insert(next.0) || asked.len() >= MAX_PAGES {
            return Err(ProviderError::RetryAfter {
                after: None,
                detail: OutsideText::new("the list of keys does not end"),
            });
        }
    }
}

/// The key of a version whose handle is not recorded: by the name or the place that it was made under, or by its hint if
/// Keyward did not make it.
///
/// # Errors
/// [`FindError`]: it may be there all the same.
pub(crate) async fn key_of(
    ports: &Ports,
    provider: &dyn KeyProvider,
    version: &Version,
) -> Result<Option<KeyRecord>, FindError> {
    match (&version.label, &version.hint) {
        (Some(_), _) => made_for(ports, provider, version).await,
        (None, Some(hint)) => Ok(by_hint(provider, &version.scope, hint).await?),
        (None, None) => Ok(None),
    }
}

/// The key that a version's create call made, if it made one.
///
/// # Errors
/// [`FindError`]: it may be there all the same.
pub(crate) async fn made_for(
    ports: &Ports,
    provider: &dyn KeyProvider,
    version: &Version,
) -> Result<Option<KeyRecord>, FindError> {
    let Some(label) = &version.label else {
        return Ok(None);
    };
    match provider.abilities().names {
        Naming::Label => Ok(by_label(provider, &version.scope, label).await?),
        // What turns up there is somebody else's.
        Naming::Place if version.not_made => Ok(None),
        Naming::Place => unrecorded(ports, provider, version).await,
        Naming::Nothing => Ok(None),
    }
}

/// Why a key was not looked for to the end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error("another create for the slot is under way, whose key cannot be told from this one's")]
    OtherUnderWay,
}

/// The key that was made under a label. One create call has one label, so there is at most one. Where the label says
/// what the key is named by, only that one is looked at.
async fn by_label(
    provider: &dyn KeyProvider,
    scope: &Scope,
    label: &KeyLabel,
) -> Result<Option<KeyRecord>, ProviderError> {
    let named = provider.issuer().and_then(|i| i.handle_of(scope, label));
    if let Some(handle) = named {
        return provider.get(&handle).await;
    }
    let mut found = keys(provider, scope, |key| key.label.as_str() == label.as_str()).await?;
    Ok(found.pop())
}

/// A provider's clock and Keyward's are no further apart.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(5);

/// The key in the slot's own place that came with the version's intent and that no record has: it was not there before,
/// and was made then. The list is read before the records: whoever made a key that is listed has recorded the intent
/// before.
async fn unrecorded(
    ports: &Ports,
    provider: &dyn KeyProvider,
    version: &Version,
) -> Result<Option<KeyRecord>, FindError> {
    let since = version.begun_at() - CLOCKS_APART;
    let until = version.begun_at() + LATE_CREATE + CLOCKS_APART;
    let came_with_it = |key: &KeyRecord| {
        !version.beside.contains(&key.handle)
            && key.created.is_some_and(|at| since <= at && at <= until)
    };
    let mut listed = keys(provider, &version.scope, came_with_it).await?;
    let records = ports.inventory.versions(&version.slot).await?;
    listed.retain(|key| {
        !records
            .iter()
            .any(|v| v.handle.as_ref() == Some(&key.handle))
    });
    let may_make_one =
        |v: &Version| v.id != version.id && v.state == VersionState::Intended && v.handle.is_none();
    if !listed.is_empty() && records.iter().any(may_make_one) {
        return Err(FindError::OtherUnderWay);
    }
    listed.sort_by_key(|key| std::cmp::Reverse(key.created));
    Ok(listed.pop())
}

/// The one key that has the text, or fits it by its redacted form; `None` if there is none or several.
pub(crate) async fn by_text(
    provider: &dyn KeyProvider,
    scope: &Scope,
    key: &ApiKey,
) -> Result<Option<KeyRecord>, ProviderError> {
    if let LookUp::Is(found) = provider.look_up(scope, key).await? {
        return Ok(found.map(|key| *key));
    }
    let mut found = keys(provider, scope, |record| provider.fits(record, key)).await?;
    Ok(if found.len() == 1 { found.pop() } else { None })
}

/// The one key whose redacted form ends as the hint does; `None` if there is none or several.
async fn by_hint(
    provider: &dyn KeyProvider,
    scope: &Scope,
    hint: &Hint,
) -> Result<Option<KeyRecord>, ProviderError> {
    let mut found = keys(provider, scope, |key| key.may_be(hint)).await?;
    Ok(if found.len() == 1 { found.pop() } else { None })
}

/// Every key that carries a name that Keyward gives to keys of the slot.
pub(crate) async fn made_by_name(
    provider: &dyn KeyProvider,
    scope: &Scope,
    slot: &SlotName,
) -> Result<BTreeSet<KeyHandle>, ProviderError> {
    let prefix = KeyLabel::prefix_of(slot);
    let named = |key: &KeyRecord| key.label.as_str().starts_with(&prefix);
    let found = keys(provider, scope, named).await?;
    Ok(found.into_iter().map(|key| key.handle).collect())
}

/// What is in a place that is one slot's alone: few keys.
pub(crate) async fn handles(
    provider: &dyn KeyProvider,
    scope: &Scope,
) -> Result<Vec<KeyHandle>, ProviderError> {
    let listed = keys(provider, scope, |_| true).await?;
    Ok(listed.into_iter().map(|key| key.handle).collect())
}

/// Whether the list shows the handle.
pub(crate) async fn is_listed(
    provider: &dyn KeyProvider,
    scope: &Scope,
    handle: &KeyHandle,
) -> Result<bool, ProviderError> {
    Ok(!keys(provider, scope, |key| key.handle == *handle)
        .await?
        .is_empty())
}

/// Pages a person if the provider refuses the account's admin credential: nothing works until it is mended.
pub(crate) async fn page_if_admin(ports: &Ports, slot: &Slot, error: &ProviderError) {
    if let Some(alert) = admin_refused(slot, error) {
        ports.tell(alert).await;
    }
}

/// What people are told if the provider refuses the account's admin credential; `None` for any other error.
pub(crate) fn admin_refused(slot: &Slot, error: &ProviderError) -> Option<Alert> {
    if !matches!(error, ProviderError::AdminCredential { .. }) {
        return None;
    }
    Some(Alert::about(
        &slot.name,
        Severity::Page,
        AlertKind::AdminCredentialRefused,
        [
            &format!("Provider account {}: {error}.", slot.account),
            "No key was changed. Agents keep working with the keys they have.",
            &format!(
                "{}; until then no key of the account can be rotated or revoked.",
                admin_mend(slot)
            ),
        ],
    ))
}

/// The same for who opens accounts to read what keys use.
pub(crate) fn reader_refused(slot: &Slot, error: &ProviderError) -> Option<Alert> {
    let alert = admin_refused(slot, error)?;
    let left = format!(
        "Store a working credential for {} in the secret that its `read_secret` names; until then what its keys use is not seen.",
        slot.account
    );
    Some(Alert {
        left: left.into(),
        ..alert
    })
}

/// The same where no slot of the account is at hand.
pub(crate) fn reader_refused_alert(account: &AccountName, error: &ProviderError) -> Alert {
    let text = [
        &format!("Provider account {account}: {error}.")[..],
        "Nothing was changed. Agents keep working with the keys they have.",
        &format!(
            "Store a working credential for {account} in the secret that its `read_secret` names; until then its keys are not audited, and what they use is not seen."
        ),
    ];
    Alert::general(Severity::Page, AlertKind::AdminCredentialRefused, text)
}

/// How the administration of a slot's provider account is mended.
fn admin_mend(slot: &Slot) -> String {
    match (slot.provider, &slot.scope.user) {
        (ProviderName::Bedrock, Some(user)) => format!(
            "Let the role of the functions create, list, update and delete service-specific credentials of the IAM user {user}"
        ),
        _ => format!(
            "Enter a working admin credential: keyward doctor --bootstrap --account {}",
            slot.account
        ),
    }
}
