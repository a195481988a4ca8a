//! setSecret: limits on the new key before it is tested, and its handle mirrored in the secret's tags.

use super::{Rotation, RotationError, StepOutcome};
use crate::model::names::KeyHandle;
use crate::model::slot::CredentialKind;
use crate::model::version::Version;
use crate::ports::{KeyProvider, TAG_HANDLE_PREFIX};
use crate::rules::birth;

impl Rotation<'_> {
    pub(super) async fn set(
        &self,
        provider: &dyn KeyProvider,
    ) -> Result<StepOutcome, RotationError> {
        let (version, _) = self.pending(provider).await?;
        self.still_wanted(provider, &version).await?;
        let Some(handle) = &version.handle else {
            return Err(RotationError::NothingPending {
                token: self.request.token.clone(),
            });
        };
        if self.slot.kind == CredentialKind::Pool {
            self.resume_at_provider(provider, &version, handle).await?;
        }
        if let Some(caps) = provider.caps() {
            let cap = birth::cap(&self.slot);
            let kept = match caps.set_cap(handle, cap).await {
                Ok(()) => provider.get(handle).await,
                Err(error) => return Err(self.provider_failed(error).await),
            };
            match kept {
                Ok(Some(record)) if record.cap == Some(cap) => {}
                Ok(_) => return Err(RotationError::CapNotKept),
                Err(error) => return Err(self.provider_failed(error).await),
            }
        }
        self.mirror_handles().await?;
        Ok(StepOutcome::Done)
    }

    /// Brings a standby key to life. The lease says beforehand that this may happen until the invocation's end; a kill
    /// that came between is seen afterwards, and the key cut off again.
    async fn resume_at_provider(
        &self,
        provider: &dyn KeyProvider,
        version: &Version,
        handle: &KeyHandle,
    ) -> Result<(), RotationError> {
        let version = self.lease(provider, version.clone()).await?;
        if let Err(error) = provider.restore(handle, &version.scope).await {
            return Err(self.provider_failed(error).await);
        }
        self.lease(provider, version).await.map(drop)
    }

    /// Mirrors the handles of all keys that may be alive, so that a kill finds them without the inventory.
    async fn mirror_handles(&self) -> Result<(), RotationError> {
        for version in self.versions.iter().filter(|v| v.state.may_be_alive()) {
            let Some(handle) = &version.handle else {
                continue;
            };
            let key = format!("{TAG_HANDLE_PREFIX}{}", version.id);
            if self.secret.tags.get(&key).map(String::as_str) != Some(handle.as_str()) {
                self.ports
                    .secrets
                    .tag(&self.slot.secret, &key, handle.as_str())
                    .await?;
            }
        }
        Ok(())
    }
}
