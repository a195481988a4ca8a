//! Making a key at a provider that can.

use jiff::SignedDuration;

use super::create::none_is_being_revoked;
use super::{Rotation, RotationError};
use crate::model::money::DayLimit;
use crate::model::names::{KeyHandle, OperationId};
use crate::model::slot::CredentialKind;
use crate::model::version::{Version, VersionId, VersionState};
use crate::ports::{
    Advice, Fence, IssueRequest, IssuedKey, KeyIssuer, KeyProvider, Naming, ProviderError,
};
use crate::rules::{birth, caps};
use crate::usecases::retire::STUCK_AFTER;
use crate::usecases::unmake::CutOff;
use crate::usecases::{find, unmake};

/// What is left of the invocation when a key is waited for, at least: enough to store it.
const TIME_TO_STORE: SignedDuration = SignedDuration::from_secs(20);

/// How long is waited before a create that goes on is asked about again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(2);

fn issuer(provider: &dyn KeyProvider) -> Result<&dyn KeyIssuer, RotationError> {
    let issuer = provider.issuer();
    Ok(issuer.ok_or(ProviderError::Unsupported("create keys"))?)
}

impl Rotation<'_> {
    /// Makes a key: the intent first, then the key, then what is known of it.
    pub(super) async fn mint(
        &self,
        provider: &dyn KeyProvider,
        keep: Vec<KeyHandle>,
    ) -> Result<(Version, IssuedKey), RotationError> {
        let version = self.record_intent(provider).await?;
        if self.slot.kind == CredentialKind::Slots {
            self.has_the_set_alone(&version).await?;
        }
        let request = self.request_for(&version, keep)?;
        let issued = issuer(provider)?.issue(&request).await;
        self.issued(provider, version, &request, issued).await
    }

    /// Goes on with a key that the provider was still making when an earlier call of this step ended.
    pub(super) async fn go_on(
        &self,
        provider: &dyn KeyProvider,
        version: Version,
        operation: OperationId,
        keep: Vec<KeyHandle>,
    ) -> Result<(Version, IssuedKey), RotationError> {
        self.still_wanted(provider, &version).await?;
        let request = self.request_for(&version, keep)?;
        let version = self.lease(provider, version).await?;
        let under_way = Err(ProviderError::UnderWay(operation));
        self.issued(provider, version, &request, under_way).await
    }

    async fn record_intent(&self, provider: &dyn KeyProvider) -> Result<Version, RotationError> {
        issuer(provider)?;
        let beside = self.beside(provider).await?;
        let now = self.ports.clock.now();
        let mut version = Version::intended(&self.slot.name, self.next_id(), self.slot.epoch, now);
        version.scope = self.slot.scope.clone();
        version.cap = provider
            .caps()
            .map(|kept| caps::of_new_key(&self.slot, kept.day_limit(), now));
        version.expires = Some(birth::expires(&self.slot.policy, now));
        version.beside = beside;
        version.lease_until = Some(self.request.deadline.0);
        version.due_at = Some(self.request.deadline.0);
        self.ports
            .inventory
            .add_version(&version, Fence::Epoch(self.slot.epoch))
            .await?;
        Ok(Self::written(version))
    }

    /// A revoke that has begun since the step did may regenerate the same key. It looks for intents once its own is
    /// recorded, and this one for revokes: so one of the two sees the other, and waits.
    async fn has_the_set_alone(&self, version: &Version) -> Result<(), RotationError> {
        let stored = self.ports.inventory.versions(&self.slot.name).await;
        let alone = stored
            .map_err(RotationError::from)
            .and_then(|versions| none_is_being_revoked(&versions));
        if alone.is_err() {
            unmake::abandon(self.ports, version, Some(&CutOff::NotMade)).await;
        }
        alone
    }

    /// What is in the slot's place already, where a lost create is found by what is new there.
    async fn beside(&self, provider: &dyn KeyProvider) -> Result<Vec<KeyHandle>, RotationError> {
        if provider.abilities().names != Naming::Place {
            return Ok(Vec::new());
        }
        match find::handles(provider, &self.slot.scope).await {
            Ok(listed) => Ok(listed),
            Err(error) => Err(self.provider_failed(error).await),
        }
    }

    fn request_for(
        &self,
        version: &Version,
        keep: Vec<KeyHandle>,
    ) -> Result<IssueRequest, RotationError> {
        let label = version.label.clone();
        Ok(IssueRequest {
            label: label.ok_or(ProviderError::Unsupported("create keys"))?,
            scope: version.scope.clone(),
            cap: version
                .cap
                .unwrap_or_else(|| caps::of_new_key(&self.slot, DayLimit::ItsOwn, version.created)),
            expires: version
                .expires
                .unwrap_or_else(|| birth::expires(&self.slot.policy, version.created)),
            keep,
        })
    }

    /// Brings a create to its end: waits for one that goes on, records the key, or settles that there is none.
    async fn issued(
        &self,
        provider: &dyn KeyProvider,
        mut version: Version,
        request: &IssueRequest,
        mut answer: Result<IssuedKey, ProviderError>,
    ) -> Result<(Version, IssuedKey), RotationError> {
        while let Err(ProviderError::UnderWay(operation)) = answer {
            version = self.under_way(provider, version, &operation).await?;
            if !self
                .request
                .deadline
                .allows(self.ports.clock.as_ref(), TIME_TO_STORE)
            {
                self.leave_to_the_next_call(&version).await;
                return Err(RotationError::UnderWay);
            }
            self.ports.clock.sleep(LOOK_AGAIN).await;
            answer = issuer(provider)?.resume(request, &operation).await;
            if let Err(
                error @ (ProviderError::RetryAfter { .. } | ProviderError::AdminCredential { .. }),
            ) = answer
            {
                self.leave_to_the_next_call(&version).await;
                return Err(self.provider_failed(error).await);
            }
        }
        match answer {
            Ok(issued) => {
                let version = self.record_key(provider, version, &issued).await?;
                Ok((version, issued))
            }
            Err(error) => Err(self.not_issued(provider, &version, error).await),
        }
    }

    /// Records the provider's work on the key, so that a later call goes on with it and makes no other.
    async fn under_way(
        &self,
        provider: &dyn KeyProvider,
        version: Version,
        operation: &OperationId,
    ) -> Result<Version, RotationError> {
        if version.operation.as_ref() == Some(operation) {
            return Ok(version);
        }
        let noted = Version {
            operation: Some(operation.clone()),
            due_at: Some(self.request.deadline.0 + STUCK_AFTER),
            ..version.clone()
        };
        let fence = Fence::Epoch(self.slot.epoch);
        let saved = self
            .ports
            .inventory
            .save_versions(std::slice::from_ref(&noted), fence)
            .await;
        self.saved(provider, &version, saved).await?;
        Ok(Self::written(noted))
    }

    /// The provider gave no key. One that may exist all the same is cut off.
    async fn not_issued(
        &self,
        provider: &dyn KeyProvider,
        version: &Version,
        error: ProviderError,
    ) -> RotationError {
        if error.advice() == Advice::LookUpFirst {
            unmake::unmake(self.ports, &self.slot, provider, version).await;
        } else {
            unmake::abandon(self.ports, version, Some(&CutOff::NotMade)).await;
        }
        if let ProviderError::LimitReached { detail } = &error
            && let Some(deleted) = self.make_room(provider).await
        {
            let detail = detail.clone();
            return RotationError::MadeRoom { detail, deleted };
        }
        self.provider_failed(error).await
    }

    /// Deletes the oldest key of the slot that was cut off and is still there: never one that agents may hold. What
    /// confirms its end is its refusals, which go on. How people know the key, if there was one.
    async fn make_room(&self, provider: &dyn KeyProvider) -> Option<String> {
        let cut_off = |v: &&Version| {
            matches!(
                v.state,
                VersionState::Contained | VersionState::Abandoned | VersionState::Revoking
            )
        };
        let stored = self.ports.inventory.versions(&self.slot.name).await;
        let stored = stored.unwrap_or_else(|_| self.versions.clone());
        let mut cut_off: Vec<&Version> = stored.iter().filter(cut_off).collect();
        cut_off.sort_by_key(|v| v.created);
        for version in cut_off {
            let Some(handle) = &version.handle else {
                continue;
            };
            if !matches!(provider.get(handle).await, Ok(Some(_))) {
                continue;
            }
            match unmake::delete(provider, &version.scope, handle).await {
                Ok(()) => return Some(version.shown()),
                Err(error) => {
                    tracing::warn!(slot = %self.slot.name, version = %version.id, %error, "a key that was cut off could not be deleted to make room");
                }
            }
        }
        None
    }

    /// Records handle and fingerprint, in the epoch that the rotation began in.
    async fn record_key(
        &self,
        provider: &dyn KeyProvider,
        mut version: Version,
        issued: &IssuedKey,
    ) -> Result<Version, RotationError> {
        version.operation = None;
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
