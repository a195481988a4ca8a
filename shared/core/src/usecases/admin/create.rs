//! createSecret for an admin secret: make the new credential with the one in use, and store it under AWSPENDING.

use super::{AdminError, Work, attempt_of, found, may_be_stored, only_fit};
use crate::model::admin::{AdminLabel, AdminState, AdminVersion};
use crate::model::admin_document::AdminDocument;
use crate::model::key::AdminKey;
use crate::model::names::SecretVersionId;
use crate::model::version::VersionId;
use crate::ports::{
    Advice, ListedAdmin, MintedAdmin, ProviderError, SecretDescription, Stage, VersionSelector,
};
use crate::rules::admin::ENDS_AFTER;
use crate::usecases::rotate::{RotationError, StepOutcome, StepRequest};

impl Work<'_> {
    pub(super) async fn create(
        mut self,
        request: &StepRequest,
        secret: &SecretDescription,
    ) -> Result<StepOutcome, RotationError> {
        let token = &request.token;
        if secret.has(token, &Stage::Current) {
            return Ok(StepOutcome::AlreadyDone);
        }
        let current = self.value(VersionSelector::Current).await?;
        let (current_id, current) = current.ok_or(AdminError::NoFirst)?;
        if self.is_stored(token).await? {
            return Ok(StepOutcome::AlreadyDone);
        }
        let listed = self.admin()?.listed(current.key()).await?;
        self.know_current(&current_id, current.key(), &listed);
        self.take_back(token, current.key(), &listed).await?;
        let id = self.intend(token).await?;
        let made = self.mint(&id, current.key()).await?;
        self.store(request, &id, &current, made).await?;
        Ok(StepOutcome::Done)
    }

    /// Whether an earlier call has stored a credential; its record is brought up to it.
    async fn is_stored(&mut self, token: &SecretVersionId) -> Result<bool, RotationError> {
        let begun = self.record.under(token).any(|v| v.fingerprint.is_some());
        let stored = match begun {
            true => self.ports.value_written(&self.of.secret, token).await?,
            false => {
                let selector = VersionSelector::Id(token);
                let value = self.ports.secrets.value(&self.of.secret, selector).await?;
                value.map(|(_, text)| text)
            }
        };
        let Some(text) = stored else {
            return Ok(false);
        };
        let document = AdminDocument::parse(&text).map_err(AdminError::from)?;
        let fingerprint = document.key().fingerprint();
        let own = self
            .record
            .credentials
            .iter_mut()
            .find(|v| v.id.secret_version == *token && v.fingerprint == Some(fingerprint));
        match own {
            Some(v) if v.state == AdminState::Pending => Ok(true),
            Some(v) if v.state == AdminState::Intended => {
                v.state = AdminState::Pending;
                self.save().await?;
                Ok(true)
            }
            _ => Err(AdminError::NotTested(token.clone()).into()),
        }
    }

    /// Takes in a credential that somebody put under AWSCURRENT, so that it can be ended once it is replaced.
    fn know_current(&mut self, id: &SecretVersionId, key: &AdminKey, listed: &[ListedAdmin]) {
        let now = self.ports.clock.now();
        let fingerprint = key.fingerprint();
        let handle = || only_fit(listed, key).map(|row| row.handle.clone());
        let known = self
            .record
            .credentials
            .iter_mut()
            .find(|v| v.fingerprint == Some(fingerprint));
        match known {
            Some(known) => {
                known.handle = known.handle.take().or_else(handle);
                known.state = AdminState::Current;
            }
            None => {
                let version = found(id.clone(), key, only_fit(listed, key), now);
                self.record.add(version);
            }
        }
        for other in &mut self.record.credentials {
            if other.state == AdminState::Current && other.fingerprint != Some(fingerprint) {
                other.state = AdminState::Revoking;
            }
        }
    }

    /// Ends what an earlier attempt of this rotation left: its text cannot be had again.
    async fn take_back(
        &mut self,
        token: &SecretVersionId,
        by: &AdminKey,
        listed: &[ListedAdmin],
    ) -> Result<(), RotationError> {
        let mut any = false;
        for version in &mut self.record.credentials {
            let left = matches!(version.state, AdminState::Intended | AdminState::Pending);
            if left && version.id.secret_version == *token {
                version.state = AdminState::Revoking;
                any = true;
            }
        }
        if any {
            self.save().await?;
        }
        for row in listed {
            let own = attempt_of(row, &self.of.account);
            if own.is_some_and(|id| id.secret_version == *token) {
                self.end(by, &row.handle).await?;
            }
        }
        Ok(())
    }

    /// Records what is about to be made.
    async fn intend(&mut self, token: &SecretVersionId) -> Result<VersionId, RotationError> {
        let attempts = self.record.under(token).map(|v| v.id.attempt);
        let id = VersionId {
            secret_version: token.clone(),
            attempt: attempts.max().unwrap_or(0) + 1,
        };
        let now = self.ports.clock.now();
        self.record.add(AdminVersion::intended(id.clone(), now));
        self.save().await?;
        Ok(id)
    }

    /// Makes it. What is made and cannot be recorded is ended at once.
    async fn mint(&mut self, id: &VersionId, by: &AdminKey) -> Result<MintedAdmin, RotationError> {
        let label = AdminLabel::new(&self.of.account, id);
        let expires = self.ports.clock.now() + ENDS_AFTER;
        let made = match self.admin()?.mint(by, &label, expires).await {
            Ok(made) => made,
            Err(error) => {
                if error.advice() == Advice::LookUpFirst {
                    self.end_lost(id, by).await;
                } else if let Some(version) = self.record.get_mut(id) {
                    version.state = AdminState::Revoked;
                    version.ended = Some(self.ports.clock.now());
                    let _ = self.save().await;
                }
                return Err(error.into());
            }
        };
        if let Some(version) = self.record.get_mut(id) {
            version.handle = Some(made.handle.clone());
            version.fingerprint = Some(made.key.fingerprint());
            version.hint = Some(made.key.hint());
            version.expires = made.expires;
        }
        if let Err(error) = self.save().await {
            self.end_at_once(id, by, &made).await;
            return Err(error.into());
        }
        Ok(made)
    }

    /// The answer to a create was lost: whatever it made is ended, and looked for again later, since it may come late.
    async fn end_lost(&mut self, id: &VersionId, by: &AdminKey) {
        if let Some(version) = self.record.get_mut(id) {
            version.state = AdminState::Revoking;
        }
        let saved = self.save().await;
        let ended = match self.admin() {
            Ok(admin) => match admin.listed(by).await {
                Ok(listed) => self.end_named(id, by, &listed).await,
                Err(error) => Err(error),
            },
            Err(_) => Ok(()),
        };
        let account = &self.of.account;
        if let Err(error) = ended {
            tracing::warn!(%account, %error, "an admin credential whose create was not answered is ended later");
        }
        if let Err(error) = saved {
            tracing::warn!(%account, %error, "its record says intended, which is enough to find it");
        }
    }

    async fn end_named(
        &self,
        id: &VersionId,
        by: &AdminKey,
        listed: &[ListedAdmin],
    ) -> Result<(), ProviderError> {
        for row in listed {
            if attempt_of(row, &self.of.account).as_ref() == Some(id) {
                self.end(by, &row.handle).await?;
            }
        }
        Ok(())
    }

    async fn end_at_once(&mut self, id: &VersionId, by: &AdminKey, made: &MintedAdmin) {
        if let Some(version) = self.record.get_mut(id) {
            version.state = AdminState::Revoking;
        }
        if let Err(error) = self.end(by, &made.handle).await {
            let (account, handle) = (&self.of.account, &made.handle);
            tracing::error!(%account, %handle, %error, "a new admin credential could not be ended at once; its record has its name");
        }
        let _ = self.save().await;
    }

    /// Stores it under AWSPENDING. If that is refused it is ended at once; if the answer is lost, the next call sees.
    async fn store(
        &mut self,
        request: &StepRequest,
        id: &VersionId,
        replaced: &AdminDocument,
        made: MintedAdmin,
    ) -> Result<(), RotationError> {
        let text = replaced.with_key(&made.key);
        let (secret, token) = (&self.of.secret, &request.token);
        let rotation_token = request.rotation_token.as_ref();
        let put = self
            .ports
            .secrets
            .put_pending(secret, token, rotation_token, &text)
            .await;
        if let Err(error) = put {
            if !may_be_stored(&error) {
                self.end_at_once(id, replaced.key(), &made).await;
            }
            return Err(error.into());
        }
        if let Some(version) = self.record.get_mut(id) {
            version.state = AdminState::Pending;
        }
        self.save().await?;
        Ok(())
    }
}
