//! createSecret: come by a key, made or drawn, and store it under AWSPENDING.

use jiff::SignedDuration;

use super::{Rotation, RotationError, StepOutcome};
use crate::model::alert::{AlertKind, Severity};
use crate::model::key::ApiKey;
use crate::model::names::{KeyHandle, OperationId, SecretVersionId};
use crate::model::secret_document::SecretDocument;
use crate::model::slot::CredentialKind;
use crate::model::version::{Version, VersionState};
use crate::ports::{Fence, InventoryError, IssuedKey, KeyProvider, SecretError, VersionSelector};
use crate::usecases::adopt::{AdoptError, adopt_current};
use crate::usecases::find::FindError;
use crate::usecases::unmake::{self, CutOff};

/// What is left of the invocation when a key is asked for, at least: enough to store it, or to revoke it.
const TIME_TO_CREATE: SignedDuration = SignedDuration::from_secs(20);

/// What earlier calls of this step left.
enum Earlier {
    /// The key is stored.
    Stored(StepOutcome),
    /// A key was drawn, and its text can still be had.
    Drawn(Box<Version>, ApiKey),
    /// The provider was still making a key.
    UnderWay(Box<Version>, OperationId),
    /// Nothing that can be used.
    Nothing,
}

/// What is under AWSCURRENT when a rotation begins.
struct Replaced {
    document: SecretDocument,
    /// The handle of its key, if the inventory knows it.
    handle: Option<KeyHandle>,
}

/// Whether the provider was asked for no revoke that it has not answered. Nothing is sent for a key that cannot be named.
///
/// # Errors
/// [`RotationError::RevokeUnderWay`].
pub(super) fn none_is_being_revoked(versions: &[Version]) -> Result<(), RotationError> {
    let is_revoked_now = |v: &&Version| {
        v.state == VersionState::Revoking && v.revoke_accepted.is_none() && v.handle.is_some()
    };
    match versions.iter().find(is_revoked_now) {
        Some(version) => Err(RotationError::RevokeUnderWay {
            shown: version.shown(),
        }),
        None => Ok(()),
    }
}

impl Rotation<'_> {
    pub(super) async fn create(
        &self,
        provider: &dyn KeyProvider,
    ) -> Result<StepOutcome, RotationError> {
        let replaced = self.current_document(provider).await?;
        let earlier = self.earlier_attempts(provider).await?;
        if let Earlier::Stored(outcome) = earlier {
            return Ok(outcome);
        }
        if !self
            .request
            .deadline
            .allows(self.ports.clock.as_ref(), TIME_TO_CREATE)
        {
            return Err(RotationError::OutOfTime);
        }
        let (version, issued) = match (earlier, self.slot.kind) {
            (Earlier::Drawn(version, key), _) => self.resume(provider, *version, key).await?,
            (Earlier::UnderWay(version, operation), _) => {
                let keep = self.in_use(replaced.as_ref())?;
                self.go_on(provider, *version, operation, keep).await?
            }
            (_, CredentialKind::Pool) => self.draw(provider).await?,
            (_, CredentialKind::Minted | CredentialKind::Slots) => {
                let keep = self.in_use(replaced.as_ref())?;
                self.mint(provider, keep).await?
            }
        };
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

    /// The handles of the slot's keys that agents may hold: of those that are promoted or about to be, and of the one
    /// that stands under AWSCURRENT.
    ///
    /// # Errors
    /// Where one of a fixed set of keys is regenerated: [`RotationError::InUseUnknown`] if it cannot be told which, and
    /// [`RotationError::RevokeUnderWay`] while a key of the set is being revoked, which regenerates it too. Neither can be
    /// made to depend on what is there, so the revoke could end the text that the create has just made.
    fn in_use(&self, current: Option<&Replaced>) -> Result<Vec<KeyHandle>, RotationError> {
        let is_a_set = self.slot.kind == CredentialKind::Slots;
        if is_a_set {
            none_is_being_revoked(&self.versions)?;
        }
        let may_be_held =
            |v: &&Version| v.state.is_promoted() || v.state == VersionState::Promoting;
        let recorded = self.versions.iter().filter(may_be_held);
        let mut handles = Vec::new();
        let held = recorded.map(|v| (v.handle.as_ref(), v.shown()));
        let current = current.map(|c| (c.handle.as_ref(), "under AWSCURRENT".to_owned()));
        for (handle, shown) in held.chain(current) {
            match handle {
                Some(handle) => handles.push(handle.clone()),
                None if is_a_set => {
                    return Err(RotationError::InUseUnknown { shown });
                }
                None => {}
            }
        }
        Ok(handles)
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
        let handle = self.take_in(provider, &id, &document).await?;
        Ok(Some(Replaced { document, handle }))
    }

    /// Takes in what is under AWSCURRENT, if somebody else put it there, and says how it is named. A key that another slot has
    /// stays that one's: it is replaced here, and not retired, or the two would never be parted.
    pub(super) async fn take_in(
        &self,
        provider: &dyn KeyProvider,
        id: &SecretVersionId,
        document: &SecretDocument,
    ) -> Result<Option<KeyHandle>, RotationError> {
        let (ports, slot) = (self.ports, &self.slot);
        let adopted = adopt_current(ports, slot, provider, id, document, &self.versions);
        match adopted.await {
            Ok(adopted) => Ok(adopted.handle),
            Err(AdoptError::Inventory(InventoryError::Taken { what, by })) => {
                let taken = InventoryError::Taken { what, by };
                tracing::warn!(slot = %slot.name, %taken, "the key that is replaced is another slot's");
                Ok(None)
            }
            Err(AdoptError::Provider(error)) => Err(self.provider_failed(error).await),
            Err(AdoptError::Inventory(error)) => Err(error.into()),
        }
    }

    /// Settles what earlier calls of this step left: a stored key is kept, a drawn one is gone on with, anything else
    /// is revoked before another is made.
    async fn earlier_attempts(&self, provider: &dyn KeyProvider) -> Result<Earlier, RotationError> {
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
            let mut usable = None;
            for version in open {
                match self.usable_attempt(version).await? {
                    Some(attempt) if usable.is_none() => usable = Some(attempt),
                    _ => self.take_back(provider, version).await?,
                }
            }
            if let Some(usable) = usable {
                return Ok(usable);
            }
            for version in self.own().filter(|v| v.may_await_its_cut()) {
                self.cut_off_first(provider, version).await?;
            }
            return Ok(Earlier::Nothing);
        };
        let document = SecretDocument::parse(&text, &provider.abilities().format)?;
        let kept = self.keep_stored(provider, &document).await?;
        Ok(Earlier::Stored(kept))
    }

    /// What can be gone on with of an attempt whose key is not stored.
    async fn usable_attempt(&self, version: &Version) -> Result<Option<Earlier>, RotationError> {
        if let (Some(operation), None) = (&version.operation, &version.fingerprint) {
            let operation = operation.clone();
            return Ok(Some(Earlier::UnderWay(
                Box::new(version.clone()),
                operation,
            )));
        }
        let drawn = self.drawn_text(version).await?;
        Ok(drawn.map(|key| Earlier::Drawn(Box::new(version.clone()), key)))
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

    /// Cuts an earlier attempt off, before another is made. What it was called by is recorded: it may have to make room.
    async fn cut_off_first(
        &self,
        provider: &dyn KeyProvider,
        version: &Version,
    ) -> Result<(), RotationError> {
        match unmake::cut_off(self.ports, provider, version).await {
            Ok(cut_off) => {
                if version.handle.is_none() && matches!(cut_off, CutOff::Accepted(_)) {
                    unmake::abandon(self.ports, version, Some(&cut_off)).await;
                }
                Ok(())
            }
            Err(FindError::Provider(error)) => Err(self.provider_failed(error).await),
            Err(FindError::Inventory(error)) => Err(error.into()),
            Err(FindError::OtherUnderWay) => Err(RotationError::OtherUnderWay),
        }
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
    pub(super) async fn leave_to_the_next_call(&self, version: &Version) {
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
