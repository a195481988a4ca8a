//! What `retire` does about admin credentials: it ends what rotations left, confirms ends, and pages before one runs out.

use jiff::SignedDuration;

use super::{Work, tell};
use crate::model::admin::{AdminRecord, AdminState};
use crate::model::alert::{Alert, AlertKind, Severity};
use crate::ports::{Administered, SecretError, Stage, VersionSelector};
use crate::rules::revoke::ConfirmPolicy;
use crate::usecases::Ports;
use crate::usecases::retire::{NEAR_END, STUCK_AFTER};
use crate::usecases::rotate::RotationError;

/// People are told again of the same after so long.
const TELL_AGAIN: SignedDuration = SignedDuration::from_hours(6);

/// A credential that is accepted so long after its end was taken on pages.
const ENDS_WITHIN: SignedDuration = SignedDuration::from_mins(15);

/// Carries on whatever is left of admin credentials. One account's failure holds up no other.
pub async fn keep(ports: &Ports, policy: &ConfirmPolicy) {
    for administered in ports.providers.administered() {
        if let Err(error) = keep_one(ports, policy, &administered).await {
            tell(ports, &administered.account, &error).await;
        }
    }
}

async fn keep_one(
    ports: &Ports,
    policy: &ConfirmPolicy,
    of: &Administered,
) -> Result<(), RotationError> {
    let Some(record) = ports.inventory.admin(&of.account).await? else {
        return Ok(());
    };
    let now = ports.clock.now();
    let is_left = record.credentials.iter().any(|v| match v.state {
        AdminState::Revoking => true,
        AdminState::Intended | AdminState::Pending => v.created + STUCK_AFTER <= now,
        AdminState::Current => v.expires.is_some_and(|end| end <= now + NEAR_END),
        AdminState::Revoked => false,
    });
    if !is_left {
        return Ok(());
    }
    let driver = ports.providers.open(&of.account, of.provider).await?;
    let mut work = Work {
        ports,
        of,
        driver,
        record,
    };
    work.unstick().await?;
    let settled = match work.value(VersionSelector::Current).await? {
        Some((_, current)) => work.settle(current.key(), Some(policy)).await,
        None => Ok(()),
    };
    // What cannot be ended is told the more.
    work.say_what_is_amiss().await?;
    settled
}

impl Work<'_> {
    /// Takes AWSPENDING off a version whose rotation nobody is at work on: with it there, no other can begin. The records
    /// follow the label: a version that is current by it is not to end.
    async fn unstick(&mut self) -> Result<(), RotationError> {
        let now = self.ports.clock.now();
        let secret = self.ports.secrets.describe(self.of.secret.as_str()).await?;
        let before = self.record.clone();
        let stuck = self.record.credentials.iter().find(|v| {
            matches!(v.state, AdminState::Intended | AdminState::Pending)
                && v.created + STUCK_AFTER <= now
        });
        let Some(stuck) = stuck.map(|v| v.id.clone()) else {
            return Ok(());
        };
        if secret.has(&stuck.secret_version, &Stage::Current) {
            self.promoted(&stuck);
        } else if secret.has(&stuck.secret_version, &Stage::Pending) {
            let unstaged = self
                .ports
                .secrets
                .unstage_pending(&self.of.secret, &stuck.secret_version);
            match unstaged.await {
                Ok(()) | Err(SecretError::Moved) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.record != before {
            self.save().await?;
        }
        Ok(())
    }

    /// A person must look: at one that does not end, or that nobody but a person can end, or that runs out.
    async fn say_what_is_amiss(&mut self) -> Result<(), RotationError> {
        let now = self.ports.clock.now();
        let lately = |record: &AdminRecord| record.told.is_some_and(|at| now < at + TELL_AGAIN);
        let Some(alert) = self.amiss().filter(|_| !lately(&self.record)) else {
            return Ok(());
        };
        if self.ports.tell(alert).await {
            self.record.told = Some(now);
            self.save().await?;
        }
        Ok(())
    }

    fn amiss(&self) -> Option<Alert> {
        let now = self.ports.clock.now();
        let account = &self.of.account;
        let alert = |kind, what: String, done, left: String| {
            Alert::general(Severity::Page, kind, [&what, done, &left])
        };
        let current = self.record.current();
        let replaced = current.and_then(|current| current.promoted);
        for version in &self.record.credentials {
            let shown = version.shown();
            let alive = version.state == AdminState::Revoking && version.refusals.is_none();
            let (begun, what) = match version.revoke_accepted {
                Some(at) => (Some(at), "was said to be ended, and may still be accepted"),
                // It is to end since the next one took its place.
                None => (
                    replaced.filter(|_| version.handle.is_some()),
                    "is not ended: its provider does not take that on",
                ),
            };
            if alive && begun.is_some_and(|at| at + ENDS_WITHIN <= now) {
                return Some(alert(
                    AlertKind::RevokeUnconfirmed,
                    format!("The admin credential {shown} of account {account} {what}."),
                    "It is ended again every 5 minutes.",
                    "End it in the provider's console, and look at what it does: keyward lockdown lists that.".to_owned(),
                ));
            }
            if alive && version.handle.is_none() && version.id.attempt == 0 {
                return Some(alert(
                    AlertKind::HandleUnknown,
                    format!(
                        "The admin credential {shown} of account {account} was replaced, but the provider's list does not tell which one it is."
                    ),
                    "The new one is in use. The old one still works.",
                    "End the old one in the provider's console.".to_owned(),
                ));
            }
            let ends_soon = version.expires.is_some_and(|end| end <= now + NEAR_END);
            if version.state == AdminState::Current && ends_soon {
                return Some(alert(
                    AlertKind::KeyNearEnd,
                    format!(
                        "The admin credential {shown} of account {account} is about to end by itself."
                    ),
                    "It works until then.",
                    format!(
                        "Rotate it: aws secretsmanager rotate-secret --secret-id {}",
                        self.of.secret
                    ),
                ));
            }
        }
        None
    }
}
