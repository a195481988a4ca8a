//! The text of a key, read back from its secret for one purpose: to see whether its provider still takes it.

use super::Ports;
use crate::model::key::ApiKey;
use crate::model::names::SecretVersionId;
use crate::model::secret_document::SecretDocument;
use crate::model::slot::Slot;
use crate::model::version::Version;
use crate::ports::{KeyProvider, SecretError, VersionSelector};

/// The text of the version's key, while its secret version can still be read and holds this very key. A secret that is
/// marked for deletion refuses to be read.
///
/// # Errors
/// [`SecretError`] if Secrets Manager does not say.
pub(crate) async fn readable(
    ports: &Ports,
    slot: &Slot,
    provider: &dyn KeyProvider,
    version: &Version,
) -> Result<Option<ApiKey>, SecretError> {
    let key = stored(ports, slot, provider, &version.id.secret_version).await?;
    Ok(key.filter(|key| Some(key.fingerprint()) == version.fingerprint))
}

/// The text of the key that a version of the slot's secret holds, while that can be read.
///
/// # Errors
/// [`SecretError`] if Secrets Manager does not say.
pub(crate) async fn stored(
    ports: &Ports,
    slot: &Slot,
    provider: &dyn KeyProvider,
    secret_version: &SecretVersionId,
) -> Result<Option<ApiKey>, SecretError> {
    let selector = VersionSelector::Id(secret_version);
    let text = match ports.secrets.value(&slot.secret, selector).await {
        Ok(text) => text,
        Err(SecretError::NotFound(_) | SecretError::Binary | SecretError::Refused(_)) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Some((_, text)) = text else {
        return Ok(None);
    };
    let document = SecretDocument::parse(&text, &provider.abilities().format).ok();
    Ok(document.map(|d| d.key().clone()))
}
