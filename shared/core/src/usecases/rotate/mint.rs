//! Making a key at a provider that can.

use super::{Rotation, RotationError};
use crate::model::version::{Version, VersionId};
use crate::ports::{Advice, Fence, IssueRequest, IssuedKey, KeyProvider, ProviderError};
use crate::rules::birth;
use crate::usecases::unmake;

impl Rotation<'_> {
    /// Makes a key: the intent first, then the key, then what is known of it.
    pub(super) async fn mint(
        &self,
        provider: &dyn KeyProvider,
    ) -> Result<(Version, IssuedKey), RotationError> {
        let version = self.record_intent(provider).await?;
        let issued = self.issue(provider, &version).await?;
        let version = self.record_key(provider, version, &issued).await?;
        Ok((version, issued))
    }

    async fn record_intent(&self, provider: &dyn KeyProvider) -> Result<Version, RotationError> {
        if provider.issuer().is_none() {
            return Err(ProviderError::Unsupported("create keys").into());
        }
        let now = self.ports.clock.now();
        let mut version = Version::intended(&self.slot.name, self.next_id(), self.slot.epoch, now);
        version.scope = self.slot.scope.clone();
        version.cap = provider.caps().map(|_| birth::cap(&self.slot));
        version.expires = Some(birth::expires(&self.slot.policy, now));
        version.lease_until = Some(self.request.deadline.0);
        version.due_at = Some(self.request.deadline.0);
        self.ports
            .inventory
            .add_version(&version, Fence::Epoch(self.slot.epoch))
            .await?;
        Ok(Self::written(version))
    }

    async fn issue(
        &self,
        provider: &dyn KeyProvider,
        version: &Version,
    ) -> Result<IssuedKey, RotationError> {
        let (Some(issuer), Some(label)) = (provider.issuer(), version.label.clone()) else {
            return Err(ProviderError::Unsupported("create keys").into());
        };
        let request = IssueRequest {
            label,
            scope: version.scope.clone(),
            cap: version.cap.unwrap_or_else(|| birth::cap(&self.slot)),
            expires: version
                .expires
                .unwrap_or_else(|| birth::expires(&self.slot.policy, version.created)),
        };
        match issuer.issue(&request).await {
            Ok(issued) => Ok(issued),
            Err(error) => {
                if error.advice() == Advice::LookUpFirst {
                    unmake::unmake(self.ports, &self.slot, provider, version).await;
                } else {
                    unmake::abandon(self.ports, version, None).await;
                }
                Err(self.provider_failed(error).await)
            }
        }
    }

    /// Records handle and fingerprint, in the epoch that the rotation began in.
    async fn record_key(
        &self,
        provider: &dyn KeyProvider,
        mut version: Version,
        issued: &IssuedKey,
    ) -> Result<Version, RotationError> {
        version.handle = Some(issued.handle.clone());
        version.fingerprint = Some(issued.key.fingerprint());
        version.hint = Some(issued.key.hint(&provider.abilities().format));
        version.expires = issued.expires;
        let fence = Fence::Epoch(self.slot.epoch);
        let saved = self
            .ports
            .inventory
            .save_versions(std::slice::from_ref(&version), fence)
            .await;
        if saved.is_err() {
            // Nobody knows the text but this invocation, which is about to end.
            unmake::unmake(self.ports, &self.slot, provider, &version).await;
        }
        self.saved(provider, &version, saved).await?;
        Ok(Self::written(version))
    }

    /// The id of this rotation's next attempt.
    pub(super) fn next_id(&self) -> VersionId {
        VersionId {
            secret_version: self.request.token.clone(),
            attempt: self.own().map(|v| v.id.attempt).max().unwrap_or(0) + 1,
        }
    }
}
