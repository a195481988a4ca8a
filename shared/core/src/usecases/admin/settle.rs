//! Ending what is not in use any more, with the credential that is.

use super::{Work, attempt_of};
use crate::model::admin::{AdminState, AdminVersion};
use crate::model::key::AdminKey;
use crate::model::names::{KeyHandle, SecretVersionId};
use crate::model::version::VersionId;
use crate::ports::{LATE_CREATE, ListedAdmin, ProviderError, VersionSelector};
use crate::rules::revoke::{ConfirmPolicy, Confirming, confirm};
use crate::usecases::retire::STUCK_AFTER;
use crate::usecases::rotate::RotationError;

impl Work<'_> {
    /// Ends one; "not found" is success once the list agrees.
    pub(super) async fn end(&self, by: &AdminKey, handle: &KeyHandle) -> Result<(), ProviderError> {
        let Some(admin) = self.driver.admin() else {
            return Err(ProviderError::Unsupported("end admin credentials"));
        };
        match admin.revoke(by, handle).await {
            Err(ProviderError::NotFound) => {
                let listed = admin.listed(by).await?;
                match listed.iter().any(|row| row.handle == *handle) {
                    true => Err(ProviderError::NotFound),
                    false => Ok(()),
                }
            }
            done => done,
        }
    }

    /// Ends with `by`, the one in use, what is to end, and what has Keyward's name and is nobody's any more. With `policy`
    /// it confirms ends by refusals; without, it only asks for them.
    pub(super) async fn settle(
        &mut self,
        by: &AdminKey,
        policy: Option<&ConfirmPolicy>,
    ) -> Result<(), RotationError> {
        let listed = self.admin()?.listed(by).await?;
        self.take_in_strangers(by, &listed);
        let before = self.record.clone();
        let ends: Vec<VersionId> = self
            .record
            .credentials
            .iter()
            .filter(|v| v.state == AdminState::Revoking)
            .map(|v| v.id.clone())
            .collect();
        let mut failed = None;
        for id in ends {
            if let Err(error) = self.end_one(&id, by, &listed, policy).await {
                failed = failed.or(Some(error));
            }
        }
        if self.record != before {
            self.save().await?;
        }
        failed.map_or(Ok(()), Err)
    }

    /// What an attempt left that nobody is at work on, or that no record has: it is to end. Never the one in use, nor one
    /// that a person named.
    fn take_in_strangers(&mut self, by: &AdminKey, listed: &[ListedAdmin]) {
        let now = self.ports.clock.now();
        for version in &mut self.record.credentials {
            let unfinished = matches!(version.state, AdminState::Intended | AdminState::Pending);
            if unfinished && version.created + STUCK_AFTER <= now {
                version.state = AdminState::Revoking;
            }
        }
        for row in listed {
            let Some(id) = attempt_of(row, &self.of.account) else {
                continue;
            };
            let in_use = by.fits(row.redacted.as_str());
            let known = self.record.credentials.iter_mut();
            let mut known = known.filter(|v| v.id == id || v.handle.as_ref() == Some(&row.handle));
            match known.next() {
                Some(known) => {
                    known.handle.get_or_insert_with(|| row.handle.clone());
                    if known.state == AdminState::Revoked {
                        known.state = AdminState::Revoking;
                        known.ended = None;
                    }
                }
                None if !in_use && row.created.is_none_or(|at| at + STUCK_AFTER <= now) => {
                    let version = AdminVersion {
                        state: AdminState::Revoking,
                        handle: Some(row.handle.clone()),
                        expires: row.expires,
                        ..AdminVersion::intended(id, row.created.unwrap_or(now))
                    };
                    self.record.add(version);
                }
                None => {}
            }
        }
    }

    async fn end_one(
        &mut self,
        id: &VersionId,
        by: &AdminKey,
        listed: &[ListedAdmin],
        policy: Option<&ConfirmPolicy>,
    ) -> Result<(), RotationError> {
        let Some(version) = self.record.get(id).cloned() else {
            return Ok(());
        };
        let now = self.ports.clock.now();
        let Some(handle) = version.handle.clone() else {
            return self.end_nameless(&version).await;
        };
        let is_listed = listed.iter().any(|row| row.handle == handle);
        if is_listed || version.revoke_accepted.is_none() {
            if self.is_the_one_in_use(&version, by) {
                return Ok(());
            }
            self.end(by, &handle).await?;
            if let Some(version) = self.record.get_mut(id) {
                version.revoke_accepted = Some(now);
            }
        }
        match policy {
            Some(policy) => self.confirm(id, listed, policy).await,
            None => Ok(()),
        }
    }

    fn is_the_one_in_use(&self, version: &AdminVersion, by: &AdminKey) -> bool {
        version.fingerprint == Some(by.fingerprint())
    }

    /// One without a name at the provider: a create that never came to be, once it cannot come late any more; or one that
    /// a person made and that the list does not tell apart. That one only a person can end.
    async fn end_nameless(&mut self, version: &AdminVersion) -> Result<(), RotationError> {
        let now = self.ports.clock.now();
        let was_found = version.id.attempt == 0;
        if was_found || now < version.created + LATE_CREATE {
            return Ok(());
        }
        if let Some(version) = self.record.get_mut(&version.id) {
            version.state = AdminState::Revoked;
            version.ended = Some(now);
        }
        Ok(())
    }

    /// Asks the provider as the credential that was ended, while its text can be read; else the list has to do, as it was read
    /// before the end was asked for.
    async fn confirm(
        &mut self,
        id: &VersionId,
        listed: &[ListedAdmin],
        policy: &ConfirmPolicy,
    ) -> Result<(), RotationError> {
        let now = self.ports.clock.now();
        let Some(version) = self.record.get(id).cloned() else {
            return Ok(());
        };
        let text = self.text_of(&version, &id.secret_version).await?;
        let (refusals, dead) = match text {
            None => {
                let is_it = |row: &ListedAdmin| Some(&row.handle) == version.handle.as_ref();
                (version.refusals, !listed.iter().any(is_it))
            }
            Some(key) => {
                let verdict = self.admin()?.accepts(&key).await;
                match confirm(version.refusals, &verdict, now, policy) {
                    Confirming::Dead(refusals) => (Some(refusals), true),
                    Confirming::NotYet(refusals) => (Some(refusals), false),
                    Confirming::Alive => (None, false),
                    Confirming::Unknown => (version.refusals, false),
                }
            }
        };
        if let Some(version) = self.record.get_mut(id) {
            version.refusals = refusals;
            if dead {
                version.state = AdminState::Revoked;
                version.ended = Some(now);
            }
        }
        Ok(())
    }

    /// The text of a credential, if the secret still has it.
    async fn text_of(
        &self,
        version: &AdminVersion,
        secret_version: &SecretVersionId,
    ) -> Result<Option<AdminKey>, RotationError> {
        let Some(fingerprint) = version.fingerprint else {
            return Ok(None);
        };
        let stored = self.value(VersionSelector::Id(secret_version)).await?;
        let key = stored.map(|(_, document)| document.key().clone());
        Ok(key.filter(|key| key.fingerprint() == fingerprint))
    }
}
