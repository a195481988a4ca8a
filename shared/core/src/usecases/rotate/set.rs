//! setSecret: limits on the new key before it is tested, and its handle mirrored in the secret's tags.

use super::{Rotation, RotationError, StepOutcome};
use crate::model::names::KeyHandle;
use crate::model::slot::CredentialKind;
use crate::model::version::Version;
use crate::ports::{KeyProvider, handle_tag};
use crate::rules::{caps, scope};
use crate::usecases::{kill, unmake};

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
        self.limit(provider, &version, handle).await?;
        self.mirror_handles().await?;
        Ok(StepOutcome::Done)
    }

    /// Puts the spending limit on the key and reads back what it may spend and reach: nothing is promoted that may more
    /// than was asked for.
    async fn limit(
        &self,
        provider: &dyn KeyProvider,
        version: &Version,
        handle: &KeyHandle,
    ) -> Result<(), RotationError> {
        let now = self.ports.clock.now();
        let cap = provider
            .caps()
            .map(|kept| (kept, caps::of_new_key(&self.slot, kept.day_limit(), now)));
        if let Some((caps, cap)) = cap
            && let Err(error) = caps.set_cap(handle, cap).await
        {
            return Err(self.provider_failed(error).await);
        }
        if cap.is_none() && !version.scope.limits_reach() {
            return Ok(());
        }
        let kept = match provider.get(handle).await {
            Ok(kept) => kept,
            Err(error) => return Err(self.provider_failed(error).await),
        };
        let Some(kept) = kept else {
            return Err(RotationError::CapNotKept);
        };
        if cap.is_some_and(|(_, cap)| kept.cap != Some(cap)) {
            return Err(RotationError::CapNotKept);
        }
        if let Some(what) = scope::wider(&version.scope, &kept.reach) {
            unmake::unmake(self.ports, &self.slot, provider, version).await;
            return Err(RotationError::WiderThanAsked(what));
        }
        Ok(())
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

    /// Mirrors where the slot's keys live and the handles of all that may be alive, so that a kill finds them without the
    /// inventory.
    async fn mirror_handles(&self) -> Result<(), RotationError> {
        for (key, value) in kill::place_tags(&self.slot) {
            if self.secret.tags.get(key) != Some(&value) {
                self.ports
                    .secrets
                    .tag(&self.slot.secret, key, &value)
                    .await?;
            }
        }
        for version in self.versions.iter().filter(|v| v.state.may_be_alive()) {
            let Some(handle) = &version.handle else {
                continue;
            };
            let key = handle_tag(&version.id);
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
