//! createSecret: record the intent, make the key, store it under AWSPENDING.

use jiff::SignedDuration;

use super::{Rotation, RotationError, StepOutcome};
use crate::model::alert::{AlertKind, Severity};
use crate::model::names::KeyHandle;
use crate::model::secret_document::SecretDocument;
use crate::model::version::{Version, VersionId, VersionState};
use crate::ports::{
    Advice, Fence, IssueRequest, IssuedKey, KeyProvider, ProviderError, SecretError,
    VersionSelector,
};
use crate::rules::birth;
use crate::usecases::adopt::{AdoptError, adopt_current};
use crate::usecases::unmake;

/// What is left of the invocation when a key is asked for, at least: enough to store it, or to revoke it.
const TIME_TO_CREATE: SignedDuration = SignedDuration::from_secs(20);

/// What is under AWSCURRENT when a rotation begins.
struct Replaced {
    document: SecretDocument,
    /// The handle of its key, if the inventory knows it.
    handle: Option<KeyHandle>,
}

impl Rotation<'_> {
    pub(super) async fn create(
        &self,
        provider: &dyn KeyProvider,
    ) -> Result<StepOutcome, RotationError> {
        let replaced = self.current_document(provider).await?;
        if let Some(outcome) = self.earlier_attempts(provider).await? {
            return Ok(outcome);
        }
        if !self
            .request
            .deadline
            .allows(self.ports.clock.as_ref(), TIME_TO_CREATE)
        {
            return Err(RotationError::OutOfTime);
        }
        let version = self.record_intent(provider).await?;
        let issued = self.issue(provider, &version).await?;
        let version = self.record_key(provider, version, &issued).await?;
        self.store(provider, &version, replaced, &issued).await?;
        let mut pending = self.advanced(&version, VersionState::Pending)?;
        pending.due_at = Some(self.request.deadline.0 + crate::usecases::retire::STUCK_AFTER);
        let saved = self
            .ports
            .inventory
            .save_versions(&[pending], Fence::Epoch(self.slot.epoch))
            .await;
        self.saved(provider, &version, saved).await?;
        Ok(StepOutcome::Done)
    }

    /// Reads what is there before any key is made: a value that cannot be carried over is refused now, and a key that
    /// somebody else put there is taken into the inventory.
    async fn current_document(
        &self,
        provider: &dyn KeyProvider,
    ) -> Result<Option<Replaced>, RotationError> {
        let current = self
            .ports
            .secrets
            .value(&self.slot.secret, VersionSelector::Current)
            .await?;
        let Some((id, text)) = current else {
            return Ok(None);
        };
        let format = provider.abilities().format;
        let document = SecretDocument::parse(&text, &format)?;
        if !document.key().looks_like(&format) {
            return Err(RotationError::WrongProvider {
                provider: self.slot.provider,
            });
        }
        let adopted = adopt_current(
            self.ports,
            &self.slot,
            provider,
            &id,
            &document,
            &self.versions,
        )
        .await;
        match adopted {
            Ok(handle) => Ok(Some(Replaced { document, handle })),
            Err(AdoptError::Provider(error)) => Err(self.provider_failed(error).await),
            Err(AdoptError::Inventory(error)) => Err(error.into()),
        }
    }

    /// Settles what earlier calls of this step left: a stored key is kept, anything else is revoked before another is
    /// made. `None` when nothing of them is left.
    async fn earlier_attempts(
        &self,
        provider: &dyn KeyProvider,
    ) -> Result<Option<StepOutcome>, RotationError> {
        let open: Vec<&Version> = self.own().filter(|v| v.state.is_in_rotation()).collect();
        let now = self.ports.clock.now();
        if let Some(until) = open
            .iter()
            .filter_map(|v| v.lease_until)
            .find(|until| *until > now)
            && open.iter().all(|v| v.state == VersionState::Intended)
        {
            return Err(RotationError::InProgress { until });
        }
        let stored = if open.iter().any(|v| v.fingerprint.is_some()) {
            self.ports
                .value_written(&self.slot.secret, &self.request.token)
                .await?
        } else {
            let selector = VersionSelector::Id(&self.request.token);
            self.ports
                .secrets
                .value(&self.slot.secret, selector)
                .await?
                .map(|(_, text)| text)
        };
        let Some(text) = stored else {
            for version in open {
                self.take_back(provider, version).await?;
            }
            for version in self.own().filter(|v| v.may_await_its_cut()) {
                self.cut_off_first(provider, version).await?;
            }
            return Ok(None);
        };
        let document = SecretDocument::parse(&text, &provider.abilities().format)?;
        self.keep_stored(provider, &document).await.map(Some)
    }

    /// The pending value is there already: its record is brought up to it.
    async fn keep_stored(
        &self,
        provider: &dyn KeyProvider,
        document: &SecretDocument,
    ) -> Result<StepOutcome, RotationError> {
        let fingerprint = document.key().fingerprint();
        let Some(version) = self.own().find(|v| v.fingerprint == Some(fingerprint)) else {
            return Err(RotationError::ForeignValue {
                token: self.request.token.clone(),
            });
        };
        match version.state {
            VersionState::Pending | VersionState::Promoting => {
                self.still_wanted(provider, version).await?;
                Ok(StepOutcome::AlreadyDone)
            }
            VersionState::Intended => {
                self.still_wanted(provider, version).await?;
                let mut pending = self.advanced(version, VersionState::Pending)?;
                pending.due_at =
                    Some(self.request.deadline.0 + crate::usecases::retire::STUCK_AFTER);
                let saved = self
                    .ports
                    .inventory
                    .save_versions(&[pending], Fence::Epoch(self.slot.epoch))
                    .await;
                self.saved(provider, version, saved).await?;
                Ok(StepOutcome::Done)
            }
            _ => {
                unmake::make_room_for_the_next(self.ports, &self.slot, version).await?;
                Err(RotationError::Spent {
                    token: self.request.token.clone(),
                })
            }
        }
    }

    /// An attempt whose answer or whose storing was lost: its text cannot be had again, so its key is revoked before
    /// another is made. If that cannot be done, no other is made.
    async fn take_back(
        &self,
        provider: &dyn KeyProvider,
        version: &Version,
    ) -> Result<(), RotationError> {
        let mut abandoned = version.clone().become_state(VersionState::Abandoned)?;
        abandoned.due_at = Some(self.ports.clock.now());
        abandoned.lease_until = None;
        self.ports
            .inventory
            .save_versions(&[abandoned], Fence::None)
            .await?;
        self.cut_off_first(provider, version).await
    }

    /// Cuts an earlier attempt off, before another is made.
    async fn cut_off_first(
        &self,
        provider: &dyn KeyProvider,
        version: &Version,
    ) -> Result<(), RotationError> {
        match unmake::cut_off(provider, version).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.provider_failed(error).await),
        }
    }

    async fn record_intent(&self, provider: &dyn KeyProvider) -> Result<Version, RotationError> {
        if provider.issuer().is_none() {
            return Err(ProviderError::Unsupported("create keys").into());
        }
        let now = self.ports.clock.now();
        let attempt = self.own().map(|v| v.id.attempt).max().unwrap_or(0) + 1;
        let id = VersionId {
            secret_version: self.request.token.clone(),
            attempt,
        };
        let mut version = Version::intended(&self.slot.name, id, self.slot.epoch, now);
        version.scope = self.slot.scope.clone();
        version.cap = Some(birth::cap(&self.slot));
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

    /// Stores the new key under AWSPENDING. If that is refused, the key is revoked at once. If the answer is lost it may be
    /// stored: the next call of this step sees, and keeps it or takes it back.
    async fn store(
        &self,
        provider: &dyn KeyProvider,
        version: &Version,
        replaced: Option<Replaced>,
        issued: &IssuedKey,
    ) -> Result<(), RotationError> {
        let Replaced { document, handle } = replaced.unwrap_or_else(|| Replaced {
            document: SecretDocument::first(issued.key.clone()),
            handle: None,
        });
        let text = document.with_key(&issued.key, handle.as_ref(), &issued.handle);
        let token = &self.request.token;
        let rotation_token = self.request.rotation_token.as_ref();
        let put = self
            .ports
            .secrets
            .put_pending(&self.slot.secret, token, rotation_token, &text)
            .await;
        let Err(error) = put else { return Ok(()) };
        if matches!(error, SecretError::Unavailable(_)) {
            self.leave_to_the_next_call(version).await;
            return Err(error.into());
        }
        unmake::unmake(self.ports, &self.slot, provider, version).await;
        if matches!(error, SecretError::VersionQuota) {
            let alert = self.alert(Severity::Warning, AlertKind::RotationFailed, [&format!("The secret of slot {} has no room for another version.", self.slot.name), "The new key was revoked; the current key is untouched.", "Secrets Manager keeps the versions of the last 24 hours; the next rotation waits for room."]);
            self.ports.tell(alert).await;
        }
        Err(error.into())
    }

    /// Gives up this invocation's lease, so that the next call need not wait for its end.
    async fn leave_to_the_next_call(&self, version: &Version) {
        let free = Version {
            lease_until: None,
            ..version.clone()
        };
        let saved = self
            .ports
            .inventory
            .save_versions(&[free], Fence::None)
            .await;
        if let Err(error) = saved {
            tracing::warn!(slot = %self.slot.name, version = %version.id, %error, "the next call waits for the end of this one");
        }
    }
}
