//! A key that was confirmed dead, and that its provider tells of use of: it is revoked again.

use super::{ItemError, Work};
use crate::model::version::Version;
use crate::usecases::unmake;

impl Work<'_> {
    /// Deletes the key if its provider still has it. The record goes last: what ends in between is done again.
    pub(super) async fn revoke_again(&self, mut version: Version) -> Result<(), ItemError> {
        if let (Some(_), Some(handle)) = (version.used_when_dead, &version.handle)
            && self.provider.get(handle).await?.is_some()
        {
            unmake::delete(self.provider.as_ref(), &version.scope, handle).await?;
            tracing::warn!(slot = %self.slot.name, version = %version.id, "a key that was confirmed dead was used, and is revoked again");
        }
        version.used_when_dead = None;
        self.put_off(version, None).await
    }
}
