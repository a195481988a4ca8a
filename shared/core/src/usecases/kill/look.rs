//! The keys at a provider that a kill without AWS would find, and those that it would leave.

use super::Whereabouts;
use crate::model::version::KeyLabel;
use crate::ports::{KeyProvider, KeyRecord, ProviderError};
use crate::usecases::find;

/// The keys where a slot's keys are looked for, as their provider lists them.
#[derive(Debug, Default)]
pub struct Looked {
    /// The slot's: those that are known, those that carry a name which Keyward gives to its keys, and all in a place that
    /// is one slot's alone.
    pub own: Vec<KeyRecord>,
    /// Those of which nothing says whose they are. People made them, and one may be the slot's. Suspended ones are left
    /// out.
    pub unnamed: Vec<KeyRecord>,
}

/// What [`contain_found`](super::contain_found) would find to cut off, and what it would leave. Nothing is changed.
///
/// # Errors
/// [`ProviderError`]: nothing is known then.
pub async fn look_for(
    provider: &dyn KeyProvider,
    whereabouts: &Whereabouts,
) -> Result<Looked, ProviderError> {
    let Whereabouts {
        slot,
        account,
        place,
        known,
    } = whereabouts;
    let is_home = provider.abilities().provider.home(account, place).is_some();
    let prefix = KeyLabel::prefix_of(slot);
    let is_own = |key: &KeyRecord| {
        is_home || known.contains(&key.handle) || key.label.as_str().starts_with(&prefix)
    };
    let is_unnamed =
        |key: &KeyRecord| key.suspended != Some(true) && !KeyLabel::is_one(key.label.as_str());
    let listed = find::keys(provider, place, |key| is_own(key) || is_unnamed(key)).await?;
    let (own, unnamed) = listed.into_iter().partition(is_own);
    Ok(Looked { own, unnamed })
}
