//! Replacing an admin credential in one go, while no function may act: what `keyward lockdown` does from a workstation.
//!
//! The inventory need not be there. What is made carries the account's name at the provider from birth, so that a run that
//! comes after one that was cut off finds what that one left, and ends it.

use jiff::SignedDuration;

use super::{attempt_of, only_fit};
use crate::model::admin::AdminLabel;
use crate::model::admin_document::{AdminDocument, AdminDocumentError};
use crate::model::key::AdminKey;
use crate::model::names::{KeyHandle, SecretVersionId};
use crate::model::version::VersionId;
use crate::ports::{
    AdminCredentials, Administered, Advice, Clock, KeyProvider, ListedAdmin, MintedAdmin,
    ProviderError, SecretError, SecretStore, Stage, TAG_ADMIN, Verdict, VersionSelector,
};
use crate::rules::admin::ENDS_AFTER;

/// How long, in seconds, is waited for a provider to accept what it has just made, each time.
const ACCEPTED_WITHIN: [i64; 5] = [0, 2, 5, 15, 30];

/// What replacing works with.
#[derive(Clone, Copy)]
pub struct Replacing<'a> {
    /// Where the credential is kept.
    pub secrets: &'a dyn SecretStore,
    /// The account's driver.
    pub driver: &'a dyn KeyProvider,
    /// The account.
    pub of: &'a Administered,
    /// The account's break-glass credential, for where the one in the secret is refused.
    pub break_glass: Option<&'a AdminKey>,
    /// The time.
    pub clock: &'a dyn Clock,
}

/// What replacing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// What was ended with the new one.
    pub ended: Vec<KeyHandle>,
    /// What could not be ended, and why. A person does it, or the next run.
    pub left: Vec<(KeyHandle, String)>,
    /// Whether the one that was in the secret was told apart in the provider's list. Else a person ends it.
    pub old: Old,
    /// Admin credentials of the account that are none of Keyward's: people look at each.
    pub others: Vec<ListedAdmin>,
    /// The version that AWSPENDING could not be taken off, and why: until it is, no rotation begins.
    pub pending: Option<(SecretVersionId, String)>,
}

/// What became of the credential that was in the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old {
    /// It is among those that were ended, or that could not be.
    Known,
    /// The provider's list does not tell which one it is.
    NotTold,
    /// There was none, or the provider refused it.
    None,
}

/// Why nothing was replaced. What was in the secret is there still.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The secret is not tagged as this account's.
    #[error("the secret has no tag `keyward:admin` = `{0}`: it is not this account's")]
    NotOurs(crate::model::names::AccountName),
    /// The provider has no call for it.
    #[error("{0}'s API makes no admin credentials")]
    ByHand(crate::model::slot::ProviderName),
    /// Nothing to make a new one with.
    #[error("neither the one in the secret nor a break-glass credential is accepted")]
    NoneAccepted,
    /// The value cannot be used.
    #[error(transparent)]
    Document(#[from] AdminDocumentError),
    /// The provider did not accept the new one; it was ended again where that could be.
    #[error("the provider did not accept the new one ({0})")]
    NotAccepted(String),
    /// Secrets Manager.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The provider.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// Makes a new one under secret version `token`, stores it under AWSCURRENT, and ends with it every other that is Keyward's.
///
/// # Errors
/// [`ReplaceError`].
pub async fn replace(
    on: &Replacing<'_>,
    token: &SecretVersionId,
) -> Result<Replaced, ReplaceError> {
    let admin = on.driver.admin();
    let admin = admin.ok_or(ReplaceError::ByHand(on.of.provider))?;
    let secret = on.secrets.describe(on.of.secret.as_str()).await?;
    let account = &on.of.account;
    if secret.tags.get(TAG_ADMIN).map(String::as_str) != Some(account.as_str()) {
        return Err(ReplaceError::NotOurs(account.clone()));
    }
    let mut texts = Vec::new();
    for stage in [Stage::Current, Stage::Pending, Stage::Previous] {
        if let Some(holder) = secret.holder(&stage) {
            let value = on.secrets.value(&on.of.secret, VersionSelector::Id(holder));
            texts.extend(value.await?.map(|(_, text)| (stage, text)));
        }
    }
    let current = texts.iter().find(|(stage, _)| *stage == Stage::Current);
    let current = current
        .map(|(_, text)| AdminDocument::parse(text))
        .transpose()?;
    let mut known: Vec<AdminKey> = Vec::new();
    for (_, text) in &texts {
        known.extend(AdminDocument::parse(text).ok().map(|d| d.key().clone()));
    }
    // A rotation that was under way may have moved the label to one that has ended: then the one before it works.
    let stored = current.as_ref().map(AdminDocument::key).into_iter();
    let stored = stored.chain(&known);
    let by = accepted(admin, stored.chain(on.break_glass)).await?;
    let listed = admin.listed(by).await?;
    let made = make(on, admin, by, token).await?;
    let document = current
        .clone()
        .unwrap_or_else(|| AdminDocument::plain(by.clone()));
    let text = document.with_key(&made.key);
    if let Err(error) = on.secrets.store(&on.of.secret, token, &text).await {
        // Where the answer was lost it may be stored: ending it would leave the secret with a dead one.
        if !super::may_be_stored(&error) {
            drop(admin.revoke(by, &made.handle).await);
        }
        return Err(error.into());
    }
    let old = match &current {
        Some(current) => match only_fit(&listed, current.key()) {
            Some(_) => Old::Known,
            None if std::ptr::eq(by, current.key()) => Old::NotTold,
            None => Old::None,
        },
        None => Old::None,
    };
    Ok(Replaced {
        pending: unstaged(on, secret.holder(&Stage::Pending)).await,
        ..end_others(on, admin, &made, &known, old).await
    })
}

/// Takes AWSPENDING off a version that is not current any more: with it there, Secrets Manager begins no rotation.
async fn unstaged(
    on: &Replacing<'_>,
    pending: Option<&SecretVersionId>,
) -> Option<(SecretVersionId, String)> {
    let pending = pending?;
    match on.secrets.unstage_pending(&on.of.secret, pending).await {
        Ok(()) | Err(SecretError::Moved) => None,
        Err(error) => Some((pending.clone(), error.to_string())),
    }
}

/// The first of them that the provider accepts.
async fn accepted<'a>(
    admin: &dyn AdminCredentials,
    keys: impl Iterator<Item = &'a AdminKey>,
) -> Result<&'a AdminKey, ReplaceError> {
    let mut unknown = None;
    for key in keys {
        match admin.accepts(key).await {
            Verdict::Live | Verdict::BlockedForMoney(_) => return Ok(key),
            Verdict::Unknown(detail) => unknown = Some(detail),
            Verdict::Dead(_) | Verdict::BlockedForScope(_) => {}
        }
    }
    Err(match unknown {
        Some(detail) => ProviderError::RetryAfter {
            after: None,
            detail,
        }
        .into(),
        None => ReplaceError::NoneAccepted,
    })
}

/// Makes one that the provider accepts.
async fn make(
    on: &Replacing<'_>,
    admin: &dyn AdminCredentials,
    by: &AdminKey,
    token: &SecretVersionId,
) -> Result<MintedAdmin, ReplaceError> {
    let id = VersionId {
        secret_version: token.clone(),
        attempt: 1,
    };
    let label = AdminLabel::new(&on.of.account, &id);
    let made = admin.mint(by, &label, on.clock.now() + ENDS_AFTER).await;
    let made = match made {
        Err(error) if error.advice() == Advice::LookUpFirst => {
            for row in admin.listed(by).await? {
                if attempt_of(&row, &on.of.account).as_ref() == Some(&id) {
                    admin.revoke(by, &row.handle).await?;
                }
            }
            return Err(error.into());
        }
        made => made?,
    };
    let mut said = String::new();
    for wait in ACCEPTED_WITHIN {
        on.clock.sleep(SignedDuration::from_secs(wait)).await;
        match admin.accepts(&made.key).await {
            Verdict::Live | Verdict::BlockedForMoney(_) => return Ok(made),
            Verdict::Dead(detail) | Verdict::BlockedForScope(detail) | Verdict::Unknown(detail) => {
                said = detail.to_string();
            }
        }
    }
    admin.revoke(by, &made.handle).await?;
    Err(ReplaceError::NotAccepted(said))
}

/// Ends with the new one whatever else has the account's name, or a text that the secret knows.
async fn end_others(
    on: &Replacing<'_>,
    admin: &dyn AdminCredentials,
    made: &MintedAdmin,
    known: &[AdminKey],
    old: Old,
) -> Replaced {
    let mut done = Replaced {
        ended: Vec::new(),
        left: Vec::new(),
        old,
        others: Vec::new(),
        pending: None,
    };
    let listed = match admin.listed(&made.key).await {
        Ok(listed) => listed,
        Err(error) => {
            done.left.push((
                made.handle.clone(),
                format!("the list by the new one cannot be read, and nothing was ended: {error}"),
            ));
            return done;
        }
    };
    let fits: Vec<&KeyHandle> = known
        .iter()
        .filter_map(|key| only_fit(&listed, key))
        .map(|row| &row.handle)
        .collect();
    for row in &listed {
        if row.handle == made.handle {
            continue;
        }
        let ours = attempt_of(row, &on.of.account).is_some() || fits.contains(&&row.handle);
        if !ours {
            done.others.push(row.clone());
            continue;
        }
        match admin.revoke(&made.key, &row.handle).await {
            Ok(()) | Err(ProviderError::NotFound) => done.ended.push(row.handle.clone()),
            Err(error) => done.left.push((row.handle.clone(), error.to_string())),
        }
    }
    done
}
