//! The credentials that administer provider accounts: made with the one in use, stored, tested and promoted in Secrets
//! Manager's four steps; what they replace is ended with the new one. Each call can be cut off anywhere and come again.

mod create;
mod keep;
mod replace;
mod settle;

pub use keep::keep;
pub use replace::{Old, ReplaceError, Replaced, Replacing, replace};

use std::sync::Arc;

use super::Ports;
use super::rotate::{RotationError, StepOutcome, StepRequest};
use crate::model::admin::{AdminLabel, AdminRecord, AdminState, AdminVersion};
use crate::model::admin_document::{AdminDocument, AdminDocumentError};
use crate::model::alert::{Alert, AlertKind, Severity};
use crate::model::key::AdminKey;
use crate::model::names::{AccountName, SecretVersionId};
use crate::model::text::{OutsideText, with_causes};
use crate::model::version::VersionId;
use crate::ports::{
    AdminCredentials, Administered, InventoryError, KeyProvider, ListedAdmin, ProviderError,
    SecretDescription, SecretError, TAG_ADMIN, Verdict, VersionSelector,
};
use crate::rules::admin::guard;
use crate::rules::rotation::{RotationStep, StepDecision};

/// Why an admin credential was not replaced. The one in use is as it was.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The secret's tag names an account that does not name the secret.
    #[error(
        "the secret's tag `keyward:admin` names account `{account}`, whose `admin_secret` is another secret, or which is not configured"
    )]
    OtherAccount {
        /// The account in the tag.
        account: OutsideText,
    },
    /// The provider has no call for it.
    #[error("{0}'s API makes no admin credentials: a person makes the new one")]
    ByHand(crate::model::slot::ProviderName),
    /// Nothing to make a new one with.
    #[error(
        "the secret has no value: a person enters the first credential by keyward doctor --bootstrap"
    )]
    NoFirst,
    /// The value cannot be used.
    #[error(transparent)]
    Document(#[from] AdminDocumentError),
    /// The pending value is none of this rotation's, or it was not tested.
    #[error("version {0} holds no credential that this rotation made and the provider accepted")]
    NotTested(SecretVersionId),
    /// The provider does not accept the new one yet.
    #[error("the provider does not accept the new admin credential yet ({0})")]
    NotAcceptedYet(OutsideText),
    /// The provider refuses the new one.
    #[error("the provider refuses the new admin credential ({0})")]
    NotAccepted(OutsideText),
    /// An earlier invocation may be at work.
    #[error("an earlier call of this step may still be at work; the next one goes on")]
    InProgress,
}

impl AdminError {
    /// Whether the same call can succeed later without a person. Exhaustive on purpose.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::NotAcceptedYet(_) | Self::InProgress => true,
            Self::OtherAccount { .. }
            | Self::ByHand(_)
            | Self::NoFirst
            | Self::Document(_)
            | Self::NotTested(_)
            | Self::NotAccepted(_) => false,
        }
    }
}

/// Carries out one step for the secret of an admin credential.
///
/// # Errors
/// [`RotationError`]: AWSCURRENT and its credential are as they were.
pub(super) async fn run_step(
    ports: &Ports,
    request: &StepRequest,
    secret: &SecretDescription,
) -> Result<StepOutcome, RotationError> {
    let tagged = secret
        .tags
        .get(TAG_ADMIN)
        .map(String::as_str)
        .unwrap_or_default();
    let all = ports.providers.administered().into_iter();
    let mut its = all.filter(|a| a.account.as_str() == tagged && a.secret == secret.arn);
    let Some(administered) = its.next() else {
        let account = OutsideText::new(tagged);
        return Err(AdminError::OtherAccount { account }.into());
    };
    let outcome = match guard(secret, &request.token) {
        StepDecision::AlreadyDone => Ok(StepOutcome::AlreadyDone),
        StepDecision::Refuse(why) => Err(RotationError::Refused(why)),
        StepDecision::Proceed => carry_out(ports, request, secret, &administered).await,
    };
    let account = &administered.account;
    match &outcome {
        Ok(done) => {
            tracing::info!(%account, step = ?request.step, ?done, "a step of an admin credential's rotation")
        }
        Err(error) => tell(ports, account, error).await,
    }
    outcome
}

async fn carry_out(
    ports: &Ports,
    request: &StepRequest,
    secret: &SecretDescription,
    administered: &Administered,
) -> Result<StepOutcome, RotationError> {
    let Administered {
        account, provider, ..
    } = administered;
    let driver = ports.providers.open(account, *provider).await?;
    let work = Work::new(ports, administered, driver.clone()).await?;
    match request.step {
        RotationStep::Create => work.create(request, secret).await,
        RotationStep::Set => Ok(StepOutcome::AlreadyDone),
        RotationStep::Test => work.test(request).await,
        RotationStep::Finish => work.finish(request).await,
    }
}

/// The work on one account's credentials.
struct Work<'a> {
    ports: &'a Ports,
    of: &'a Administered,
    driver: Arc<dyn KeyProvider>,
    record: AdminRecord,
}

impl<'a> Work<'a> {
    async fn new(
        ports: &'a Ports,
        of: &'a Administered,
        driver: Arc<dyn KeyProvider>,
    ) -> Result<Self, RotationError> {
        if driver.admin().is_none() {
            return Err(AdminError::ByHand(of.provider).into());
        }
        let record = ports.inventory.admin(&of.account).await?;
        Ok(Self {
            ports,
            of,
            driver,
            record: record.unwrap_or_else(|| AdminRecord::empty(&of.account)),
        })
    }

    fn admin(&self) -> Result<&dyn AdminCredentials, RotationError> {
        let admin = self.driver.admin();
        Ok(admin.ok_or(AdminError::ByHand(self.of.provider))?)
    }

    /// Saves the record as it is now.
    async fn save(&mut self) -> Result<(), InventoryError> {
        self.ports.inventory.save_admin(&self.record).await?;
        self.record.revision = self.record.revision.next();
        Ok(())
    }

    /// The value of one version, and the version.
    async fn value(
        &self,
        version: VersionSelector<'_>,
    ) -> Result<Option<(SecretVersionId, AdminDocument)>, RotationError> {
        let found = self.ports.secrets.value(&self.of.secret, version).await?;
        let Some((id, text)) = found else {
            return Ok(None);
        };
        let document = AdminDocument::parse(&text).map_err(AdminError::from)?;
        Ok(Some((id, document)))
    }

    /// Whether the provider accepts the pending value, which this rotation made.
    async fn test(mut self, request: &StepRequest) -> Result<StepOutcome, RotationError> {
        let (id, document) = self.pending(&request.token).await?;
        let verdict = self.admin()?.accepts(document.key()).await;
        match verdict {
            Verdict::Live | Verdict::BlockedForMoney(_) => {}
            Verdict::Unknown(detail) => return Err(AdminError::NotAcceptedYet(detail).into()),
            // A new credential is refused until all of the provider knows it.
            Verdict::Dead(detail) if self.is_young(&id) => {
                return Err(AdminError::NotAcceptedYet(detail).into());
            }
            Verdict::Dead(detail) | Verdict::BlockedForScope(detail) => {
                return Err(AdminError::NotAccepted(detail).into());
            }
        }
        let now = self.ports.clock.now();
        if let Some(version) = self.record.get_mut(&id) {
            version.tested = Some(now);
        }
        self.save().await?;
        Ok(StepOutcome::Done)
    }

    fn is_young(&self, id: &VersionId) -> bool {
        let now = self.ports.clock.now();
        let version = self.record.get(id);
        version.is_some_and(|v| now < v.created + super::retire::STUCK_AFTER)
    }

    /// The credential under AWSPENDING, by its record.
    async fn pending(
        &self,
        token: &SecretVersionId,
    ) -> Result<(VersionId, AdminDocument), RotationError> {
        let text = self.ports.value_written(&self.of.secret, token).await?;
        let text = text.ok_or_else(|| RotationError::NothingPending {
            token: token.clone(),
        })?;
        let document = AdminDocument::parse(&text).map_err(AdminError::from)?;
        let fingerprint = document.key().fingerprint();
        let own = self.record.under(token).find(|v| {
            v.fingerprint == Some(fingerprint)
                && matches!(v.state, AdminState::Pending | AdminState::Current)
        });
        let not_ours = || AdminError::NotTested(token.clone());
        let id = own.ok_or_else(not_ours)?.id.clone();
        Ok((id, document))
    }

    /// Moves AWSCURRENT, then ends what was there with the new one.
    async fn finish(mut self, request: &StepRequest) -> Result<StepOutcome, RotationError> {
        let token = &request.token;
        let (id, document) = self.pending(token).await?;
        let tested = self.record.get(&id).and_then(|version| version.tested);
        if tested.is_none() {
            return Err(AdminError::NotTested(token.clone()).into());
        }
        let secret = self.ports.secrets.describe(self.of.secret.as_str()).await?;
        let from = secret.holder(&crate::ports::Stage::Current);
        self.ports
            .secrets
            .promote(&self.of.secret, token, from)
            .await?;
        self.promoted(&id);
        self.save().await?;
        // The label has moved: what cannot be ended now is ended by `retire`, and is no failure of the rotation.
        if let Err(error) = self.settle(document.key(), None).await {
            tell(self.ports, &self.of.account, &error).await;
        }
        Ok(StepOutcome::Done)
    }

    /// The record of a label that has moved.
    fn promoted(&mut self, id: &VersionId) {
        let now = self.ports.clock.now();
        for version in &mut self.record.credentials {
            if version.id == *id {
                version.state = AdminState::Current;
                version.promoted = version.promoted.or(Some(now));
            } else if version.state == AdminState::Current {
                version.state = AdminState::Revoking;
            }
        }
    }
}

/// The one listed credential that has this text, by what the list shows of it; `None` if there is none, or several could be.
fn only_fit<'a>(listed: &'a [ListedAdmin], key: &AdminKey) -> Option<&'a ListedAdmin> {
    let mut fit = listed.iter().filter(|row| key.fits(row.redacted.as_str()));
    let first = fit.next()?;
    fit.next().is_none().then_some(first)
}

/// The attempt that a listed credential is, by the name that Keyward gave it.
fn attempt_of(listed: &ListedAdmin, account: &AccountName) -> Option<VersionId> {
    AdminLabel::read(listed.name.as_str(), account)
}

/// Records a credential that somebody else put into the secret.
fn found(
    id: SecretVersionId,
    key: &AdminKey,
    listed: Option<&ListedAdmin>,
    now: jiff::Timestamp,
) -> AdminVersion {
    let id = VersionId {
        secret_version: id,
        attempt: 0,
    };
    AdminVersion {
        state: AdminState::Current,
        handle: listed.map(|row| row.handle.clone()),
        fingerprint: Some(key.fingerprint()),
        hint: Some(key.hint()),
        expires: listed.and_then(|row| row.expires),
        promoted: Some(now),
        ..AdminVersion::intended(id, listed.and_then(|row| row.created).unwrap_or(now))
    }
}

/// Tells people: at once where the provider refuses the credential, since nothing of the account works until it is mended;
/// of anything else where no retry helps.
async fn tell(ports: &Ports, account: &AccountName, error: &RotationError) {
    if let RotationError::Provider(refused @ ProviderError::AdminCredential { .. }) = error {
        ports.tell(refused_alert(account, refused)).await;
    } else if !error.is_retryable() {
        let reason = with_causes(error);
        let text = [
            &format!(
                "The admin credential of provider account {account} was not replaced: {reason}."
            )[..],
            "The one in use is as it was; keys are rotated and revoked with it.",
            "Mend the cause; then: keyward doctor --bootstrap, or rotate the admin secret again.",
        ];
        let alert = Alert::general(Severity::Warning, AlertKind::RotationFailed, text);
        ports.tell(alert).await;
    } else {
        tracing::warn!(%account, %error, "a step of an admin credential's rotation failed and is tried again");
    }
}

/// What people are told if a provider refuses an account's admin credential.
pub(crate) fn refused_alert(account: &AccountName, error: &ProviderError) -> Alert {
    let text = [
        &format!("Provider account {account}: {error}.")[..],
        "Nothing was changed. Agents keep working with the keys they have.",
        &format!(
            "Enter a working one: keyward doctor --bootstrap --account {account}. Until then no key of the account can be rotated or revoked."
        ),
    ];
    Alert::general(Severity::Page, AlertKind::AdminCredentialRefused, text)
}

/// Whether a put left it open that the value is stored.
const fn may_be_stored(error: &SecretError) -> bool {
    matches!(error, SecretError::Unavailable(_))
}
