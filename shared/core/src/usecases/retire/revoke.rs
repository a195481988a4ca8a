//! Revocation: cut off, confirm, delete. Accepted is not done.

use jiff::SignedDuration;

use super::{ItemError, ROUND, RetireReport, Work};
use crate::model::alert::{AlertKind, Severity};
use crate::model::key::ApiKey;
use crate::model::names::KeyHandle;
use crate::model::slot::CredentialKind;
use crate::model::version::{Confirmation, Confirmed, Version, VersionState};
use crate::ports::{LATE_CREATE, SecretError, handle_tag};
use crate::rules::revoke::{Confirming, confirm};
use crate::usecases::{find, key_text, unmake};

/// A revoke that is not confirmed after this time is alerted.
const UNCONFIRMED_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// How often a key that cannot be named is looked for again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(24);

impl Work<'_> {
    /// Carries a revocation on from where its record stands.
    pub(super) async fn revoke(
        &self,
        version: Version,
        report: &mut RetireReport,
    ) -> Result<(), ItemError> {
        let version = self.enter(version).await?;
        let Some((version, handle)) = self.name(version).await? else {
            return Ok(());
        };
        let version = self.cut_off(version, &handle, report).await?;
        match self.readable_key(&version).await? {
            Some(key) => {
                self.confirm_by_refusals(version, &handle, &key, report)
                    .await
            }
            None => self.confirm_by_list(version, &handle, report).await,
        }
    }

    /// Records the intent to revoke, before the provider is asked.
    async fn enter(&self, version: Version) -> Result<Version, ItemError> {
        if version.state == VersionState::Revoking {
            return Ok(version);
        }
        let mut revoking = version.become_state(VersionState::Revoking)?;
        revoking.revoke_begun = Some(self.ports.clock.now());
        revoking.lease_until = None;
        revoking.due_at = Some(self.ports.clock.now());
        self.save(revoking).await
    }

    /// The handle, looked up by label or hint where it is not known. `None` if there is nothing to revoke, yet or ever.
    async fn name(&self, mut version: Version) -> Result<Option<(Version, KeyHandle)>, ItemError> {
        if let Some(handle) = version.handle.clone() {
            return Ok(Some((version, handle)));
        }
        let found = find::key_of(self.ports, self.provider.as_ref(), &version).await?;
        if let Some(record) = found {
            version.handle = Some(record.handle.clone());
            let version = self.save(version).await?;
            return Ok(Some((version, record.handle)));
        }
        if version.label.is_some() {
            self.never_made(version).await?
        } else {
            self.cannot_be_named(version).await?
        }
        Ok(None)
    }

    /// No key is listed for this intent. A late create may still arrive; after that it was never made.
    async fn never_made(&self, version: Version) -> Result<(), ItemError> {
        let now = self.ports.clock.now();
        let latest = self.provider.issuer().map_or(LATE_CREATE, |i| i.latest());
        if now < version.begun_at() + latest {
            return self.put_off(version, Some(ROUND)).await;
        }
        self.end(version, Confirmation::NeverMade).await
    }

    /// A key that Keyward did not make and that the provider's list does not single out.
    async fn cannot_be_named(&self, mut version: Version) -> Result<(), ItemError> {
        let now = self.ports.clock.now();
        if version.told.unconfirmed.is_none() {
            let alert = self.alert(
                Severity::Page,
                AlertKind::HandleUnknown,
                [
                    &format!(
                        "The old key {} of slot {} was NOT revoked: its id at {} is unknown.",
                        version.shown(),
                        self.slot.name,
                        self.slot.provider
                    ),
                    "The slot's current key is another one; agents are not affected.",
                    &format!(
                        "Delete the key that ends so at {} by hand; its absence is noticed here.",
                        self.slot.provider
                    ),
                ],
            );
            if self.ports.tell(alert).await {
                version.told.unconfirmed = Some(now);
            }
        }
        let look_again = match version.told.unconfirmed {
            Some(_) => LOOK_AGAIN,
            None => ROUND,
        };
        let Some(key) = self.readable_key(&version).await? else {
            return self.put_off(version, Some(look_again)).await;
        };
        match confirm(
            version.refusals,
            &self.provider.verify(&key).await,
            now,
            self.confirm,
        ) {
            Confirming::Dead(refusals) => {
                version.refusals = Some(refusals);
                self.end(version, Confirmation::Refused).await
            }
            Confirming::NotYet(refusals) => {
                version.refusals = Some(refusals);
                self.put_off(version, Some(self.confirm.spacing())).await
            }
            Confirming::Alive => {
                version.refusals = None;
                self.put_off(version, Some(look_again)).await
            }
            Confirming::Unknown => self.put_off(version, Some(look_again)).await,
        }
    }

    /// Asks the provider to cut the key off, once, and records that it accepted.
    async fn cut_off(
        &self,
        mut version: Version,
        handle: &KeyHandle,
        report: &mut RetireReport,
    ) -> Result<Version, ItemError> {
        if version.revoke_accepted.is_some() {
            return Ok(version);
        }
        if self.slot.kind == CredentialKind::Slots && self.one_is_being_made(&version).await? {
            return Err(ItemError::OtherUnderWay);
        }
        unmake::revoke(self.provider.as_ref(), &version, handle).await?;
        version.revoke_accepted = Some(self.ports.clock.now());
        report.revoked += 1;
        self.save(version).await
    }

    /// Whether a create is at work on the same fixed set of keys: it may regenerate the very one between a revoke's look
    /// at it and the revoke. A create that sees the revoke on record gives way.
    async fn one_is_being_made(&self, version: &Version) -> Result<bool, ItemError> {
        let now = self.ports.clock.now();
        let stored = self.ports.inventory.versions(&self.slot.name).await?;
        let is_made = |v: &Version| {
            v.id != version.id
                && v.state == VersionState::Intended
                && v.lease_until.is_some_and(|until| until > now)
        };
        Ok(stored.iter().any(is_made))
    }

    /// The text of the version's key, while it can be read.
    pub(super) async fn readable_key(
        &self,
        version: &Version,
    ) -> Result<Option<ApiKey>, ItemError> {
        let provider = self.provider.as_ref();
        Ok(key_text::readable(self.ports, self.slot, provider, version).await?)
    }

    async fn confirm_by_refusals(
        &self,
        mut version: Version,
        handle: &KeyHandle,
        key: &ApiKey,
        report: &mut RetireReport,
    ) -> Result<(), ItemError> {
        let verdict = self.provider.verify(key).await;
        let now = self.ports.clock.now();
        match confirm(version.refusals, &verdict, now, self.confirm) {
            Confirming::Dead(refusals) => {
                version.refusals = Some(refusals);
                let version = self.save(version).await?;
                unmake::delete(self.provider.as_ref(), &version.scope, handle).await?;
                report.confirmed += 1;
                self.end(version, Confirmation::Refused).await
            }
            Confirming::NotYet(refusals) => {
                version.refusals = Some(refusals);
                self.put_off(version, Some(self.confirm.spacing())).await
            }
            Confirming::Alive => {
                version.refusals = None;
                let why = "the provider still accepts it";
                let version = self.ask_again(version, handle, why).await?;
                self.put_off(version, Some(self.confirm.spacing())).await
            }
            Confirming::Unknown => {
                let why = "the provider gives no answer that means anything";
                let version = self.ask_again(version, handle, why).await?;
                self.put_off(version, Some(self.confirm.spacing())).await
            }
        }
    }

    /// Without the text there is only the list: delete, and see that it is gone.
    async fn confirm_by_list(
        &self,
        version: Version,
        handle: &KeyHandle,
        report: &mut RetireReport,
    ) -> Result<(), ItemError> {
        unmake::delete(self.provider.as_ref(), &version.scope, handle).await?;
        if find::is_listed(self.provider.as_ref(), &version.scope, handle).await? {
            return Err(ItemError::StillListed);
        }
        report.confirmed += 1;
        self.end(version, Confirmation::ListOnly).await
    }

    async fn end(&self, version: Version, by: Confirmation) -> Result<(), ItemError> {
        let key = handle_tag(&version.id);
        match self.ports.secrets.untag(&self.slot.secret, &key).await {
            Ok(()) | Err(SecretError::NotFound(_) | SecretError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
        tracing::info!(slot = %self.slot.name, version = %version.id, ?by, "a key's end is confirmed");
        let mut revoked = version.become_state(VersionState::Revoked)?;
        revoked.revoke_confirmed = Some(Confirmed {
            at: self.ports.clock.now(),
            by,
        });
        revoked.due_at = None;
        self.save(revoked).await.map(drop)
    }

    /// A revoke that stays unconfirmed is asked for again, and people are told once.
    async fn ask_again(
        &self,
        mut version: Version,
        handle: &KeyHandle,
        why: &str,
    ) -> Result<Version, ItemError> {
        let now = self.ports.clock.now();
        let accepted = version.revoke_accepted.unwrap_or(now);
        if accepted + UNCONFIRMED_AFTER > now {
            return Ok(version);
        }
        if version.told.unconfirmed.is_none() {
            let alert = self.alert(
                Severity::Page,
                AlertKind::RevokeUnconfirmed,
                [
                    &format!(
                        "The old key {} of slot {} was revoked at {accepted}, but {why}.",
                        version.shown(),
                        self.slot.name
                    ),
                    "The revoke is asked for again, and its effect looked for, every few minutes.",
                    &format!(
                        "Look at the key at {}; if it goes on, delete it there by hand.",
                        self.slot.provider
                    ),
                ],
            );
            if self.ports.tell(alert).await {
                version.told.unconfirmed = Some(now);
                version = self.save(version).await?;
            }
        }
        unmake::revoke(self.provider.as_ref(), &version, handle).await?;
        Ok(version)
    }
}
