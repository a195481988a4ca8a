//! Rotation: Secrets Manager's four steps. Each can be called again at any point and ends in the same state.

mod create;
mod draw;
mod error;
mod finish;
mod mint;
mod set;
mod test;

use std::sync::Arc;

pub use error::RotationError;
pub(crate) use finish::settle_promotion;

use super::{Ports, admin, pool, unmake};
use serde::Serialize;

use crate::model::alert::{Alert, AlertKind, Command, Severity};
use crate::model::names::{AccountName, SecretVersionId, SlotName};
use crate::model::secret_document::SecretDocument;
use crate::model::slot::Slot;
use crate::model::version::{Version, VersionState};
use crate::ports::{
    Deadline, InventoryError, KeyProvider, ProviderError, RotationToken, SecretDescription,
    TAG_ADMIN, TAG_SLOT,
};
use crate::rules::rotation::{RotationFacts, RotationStep, Served, StepDecision, guard, served};

/// One step of one rotation, as Secrets Manager asks for it.
#[derive(Debug, Clone)]
pub struct StepRequest {
    /// Which step.
    pub step: RotationStep,
    /// The secret, by ARN or name.
    pub secret_id: String,
    /// The ClientRequestToken: the version that the new key is stored under.
    pub token: SecretVersionId,
    /// The credential for writing across accounts, if Secrets Manager sent one.
    pub rotation_token: Option<RotationToken>,
    /// When the invocation must have ended.
    pub deadline: Deadline,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// Carried out now.
    Done,
    /// It was done before; nothing was changed.
    AlreadyDone,
    /// The pending value is not of this rotation: it was tested and nothing was written.
    TestedOnly,
}

/// Carries out one step.
///
/// # Errors
/// [`RotationError`]: AWSCURRENT and its key are as they were, whatever the error. Its `is_retryable` says whether
/// Secrets Manager's own retry can succeed.
pub async fn run_step(ports: &Ports, request: &StepRequest) -> Result<StepOutcome, RotationError> {
    let secret = ports.secrets.describe(&request.secret_id).await?;
    if secret.tags.contains_key(TAG_ADMIN) {
        return admin::run_step(ports, request, &secret).await;
    }
    let rotation = gather(ports, request, secret).await?;
    let outcome = match rotation.decide() {
        StepDecision::AlreadyDone => Ok(StepOutcome::AlreadyDone),
        StepDecision::Refuse(why) => Err(RotationError::Refused(why)),
        StepDecision::Proceed => rotation.carry_out().await,
    };
    rotation.log(&outcome);
    if let Err(error) = &outcome {
        rotation.make_way(error).await;
        rotation.report(error).await;
    }
    outcome
}

/// The facts of one step.
struct Rotation<'a> {
    ports: &'a Ports,
    request: &'a StepRequest,
    secret: SecretDescription,
    slot: Slot,
    versions: Vec<Version>,
}

async fn gather<'a>(
    ports: &'a Ports,
    request: &'a StepRequest,
    secret: SecretDescription,
) -> Result<Rotation<'a>, RotationError> {
    let tagged = secret
        .tags
        .get(TAG_SLOT)
        .ok_or_else(|| RotationError::NoSlot {
            secret: secret.arn.clone(),
        })?;
    let name: SlotName = tagged.parse()?;
    let slot = ports
        .inventory
        .slot(&name)
        .await?
        .ok_or_else(|| RotationError::UnknownSlot { slot: name.clone() })?;
    let versions = ports.inventory.versions(&name).await?;
    Ok(Rotation {
        ports,
        request,
        secret,
        slot,
        versions,
    })
}

impl Rotation<'_> {
    fn decide(&self) -> StepDecision {
        guard(&RotationFacts {
            step: self.request.step,
            token: &self.request.token,
            secret: &self.secret,
            slot: &self.slot,
            versions: &self.versions,
            now: self.ports.clock.now(),
        })
    }

    async fn carry_out(&self) -> Result<StepOutcome, RotationError> {
        let provider = self.open_provider().await?;
        match self.request.step {
            RotationStep::Create => self.create(provider.as_ref()).await,
            RotationStep::Set => self.set(provider.as_ref()).await,
            RotationStep::Test => self.test(provider.as_ref()).await,
            RotationStep::Finish => self.finish(provider.as_ref()).await,
        }
    }

    async fn open_provider(&self) -> Result<Arc<dyn KeyProvider>, RotationError> {
        let opened = self
            .ports
            .providers
            .open(&self.slot.account, self.slot.provider)
            .await;
        match opened {
            Ok(provider) => Ok(provider),
            Err(error) => Err(self.provider_failed(error).await),
        }
    }

    /// The error of a provider call, after people were told where only they can mend it.
    async fn provider_failed(&self, error: ProviderError) -> RotationError {
        super::find::page_if_admin(self.ports, &self.slot, &error).await;
        RotationError::Provider(error)
    }

    /// Versions that this rotation began, oldest first.
    fn own(&self) -> impl Iterator<Item = &Version> {
        self.versions
            .iter()
            .filter(|v| v.id.attempt > 0 && v.id.secret_version == self.request.token)
    }

    /// The version of this rotation whose key is the pending value, and that value.
    ///
    /// # Errors
    /// [`RotationError::NothingPending`] or [`RotationError::ForeignValue`].
    async fn pending(
        &self,
        provider: &dyn KeyProvider,
    ) -> Result<(Version, SecretDocument), RotationError> {
        let text = self
            .ports
            .value_written(&self.slot.secret, &self.request.token)
            .await?;
        let text = text.ok_or_else(|| RotationError::NothingPending {
            token: self.request.token.clone(),
        })?;
        let document = SecretDocument::parse(&text, &provider.abilities().format)?;
        let fingerprint = document.key().fingerprint();
        let version = self
            .own()
            .find(|v| v.fingerprint == Some(fingerprint))
            .cloned();
        let version = version.ok_or_else(|| RotationError::ForeignValue {
            token: self.request.token.clone(),
        })?;
        Ok((version, document))
    }

    /// Refuses to go on with a key that was begun in another epoch, or that something else has taken out of rotation.
    async fn still_wanted(
        &self,
        provider: &dyn KeyProvider,
        version: &Version,
    ) -> Result<(), RotationError> {
        if version.epoch == self.slot.epoch && version.state.is_in_rotation() {
            return Ok(());
        }
        Err(self.cut_off(provider, version).await)
    }

    /// The slot was cut off, or the key was, while this rotation was under way: the new key is revoked, and room is
    /// made for the next rotation.
    async fn cut_off(&self, provider: &dyn KeyProvider, version: &Version) -> RotationError {
        unmake::unmake(self.ports, &self.slot, provider, version).await;
        self.cut_off_before_a_key(version).await
    }

    /// The same where the rotation had no key yet.
    async fn cut_off_before_a_key(&self, version: &Version) -> RotationError {
        if let Err(error) = unmake::make_room_for_the_next(self.ports, &self.slot, version).await {
            tracing::warn!(slot = %self.slot.name, %error, "AWSPENDING stays for now; retire clears it");
        }
        RotationError::CutOff {
            slot: self.slot.name.clone(),
        }
    }

    /// What a write of this rotation's version came to. A fence means that the slot was cut off; a conflict means it if
    /// the version was taken out of rotation meanwhile, else another invocation of the same step was faster.
    async fn saved(
        &self,
        provider: &dyn KeyProvider,
        version: &Version,
        result: Result<(), InventoryError>,
    ) -> Result<(), RotationError> {
        let Err(error) = result else { return Ok(()) };
        let unwanted = match &error {
            InventoryError::Fenced(_) => true,
            InventoryError::Conflict => self.was_taken_out(version).await?,
            InventoryError::Taken { .. }
            | InventoryError::Corrupt { .. }
            | InventoryError::Refused(_)
            | InventoryError::Unavailable(_) => false,
        };
        if unwanted {
            Err(self.cut_off(provider, version).await)
        } else {
            Err(error.into())
        }
    }

    /// Whether the stored version has left the rotation without being promoted.
    async fn was_taken_out(&self, version: &Version) -> Result<bool, InventoryError> {
        let stored = self.ports.inventory.versions(&self.slot.name).await?;
        let stored = stored.iter().find(|v| v.id == version.id);
        Ok(stored.is_some_and(|v| !v.state.is_in_rotation() && !v.state.is_promoted()))
    }

    /// Which step of which rotation it was; the reason of a failure is logged where the invocation ends.
    fn log(&self, outcome: &Result<StepOutcome, RotationError>) {
        let (slot, token) = (&self.slot.name, &self.request.token);
        let step = self.request.step;
        match outcome {
            Ok(outcome) => {
                tracing::info!(%slot, ?step, %token, ?outcome, "a rotation step was carried out");
            }
            Err(_) => tracing::warn!(%slot, ?step, %token, "a rotation step failed"),
        }
    }

    /// A createSecret that only a person can help, and that has left no key, gives way to the next rotation: until
    /// AWSPENDING is off its version, Secrets Manager refuses the one that the person asks for.
    async fn make_way(&self, error: &RotationError) {
        let has_come_to_nothing = self.request.step == RotationStep::Create
            && !error.is_retryable()
            && matches!(
                error,
                RotationError::PoolEmpty { .. }
                    | RotationError::NoPool { .. }
                    | RotationError::Document(_)
                    | RotationError::WrongProvider { .. }
                    | RotationError::InUseUnknown { .. }
            );
        if !has_come_to_nothing || self.own().any(|v| v.state.may_be_alive()) {
            return;
        }
        let (secret, token) = (&self.slot.secret, &self.request.token);
        if let Err(error) = self.ports.secrets.unstage_pending(secret, token).await {
            tracing::warn!(slot = %self.slot.name, %error, "AWSPENDING stays for now; retire clears it");
        }
    }

    /// Tells people of a failure that no retry mends, unless they were told already.
    async fn report(&self, error: &RotationError) {
        let told = matches!(
            error,
            RotationError::CutOff { .. }
                | RotationError::Provider(ProviderError::AdminCredential { .. })
        );
        if told || error.is_retryable() {
            return;
        }
        if let RotationError::PoolEmpty { account, .. } = error {
            return self.say_pool_empty(account, error).await;
        }
        let reason = std::error::Error::source(error)
            .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
        let (severity, meanwhile) = self.meanwhile();
        let what = format!("Slot {} was not rotated: {reason}.", self.slot.name);
        let kind = AlertKind::RotationFailed;
        let alert = self.alert(severity, kind, [&what, meanwhile, &self.mend(error)]);
        let rotate = Command::about("rotate", &self.slot.name);
        self.ports.tell(alert.with_command(rotate)).await;
    }

    /// What agents have while the rotation fails, and how soon a person must look.
    fn meanwhile(&self) -> (Severity, &'static str) {
        match served(&self.secret, &self.versions) {
            Served::Works => (
                Severity::Warning,
                "AWSCURRENT and its key are as they were; agents keep working.",
            ),
            Served::CutOff => (
                Severity::Page,
                "Nothing was changed, and the key under AWSCURRENT is dead: the agent has NO key that works.",
            ),
            Served::Nothing => (
                Severity::Warning,
                "Nothing was changed: the secret has no value yet, so the agent has no key.",
            ),
            Served::Unknown => (
                Severity::Warning,
                "AWSCURRENT is as it was; whether its key works is not known.",
            ),
        }
    }

    /// What a person does about a failure that no retry mends.
    fn mend(&self, error: &RotationError) -> String {
        let (name, provider) = (&self.slot.name, self.slot.provider);
        match error {
            RotationError::Provider(ProviderError::LimitReached { .. }) => format!(
                "Delete a key of the slot's at {provider} that nobody uses any more: Keyward deletes none that it does not know. Then: keyward rotate {name}"
            ),
            _ => "Mend the cause, then rotate the secret again.".to_owned(),
        }
    }

    async fn say_pool_empty(&self, account: &AccountName, error: &RotationError) {
        let name = &self.slot.name;
        let (severity, meanwhile) = self.meanwhile();
        let what = format!("Slot {name} was not rotated: {error}.");
        let left = format!(
            "{} Then: keyward rotate {name}",
            pool::refill(self.slot.provider, account)
        );
        let kind = AlertKind::PoolEmpty;
        let alert = self.alert(severity, kind, [&what, meanwhile, &left]);
        let rotate = Command::about("rotate", name);
        self.ports.tell(alert.with_command(rotate)).await;
    }

    fn alert(&self, severity: Severity, kind: AlertKind, text: [&str; 3]) -> Alert {
        Alert::about(&self.slot.name, severity, kind, text)
    }

    /// Raises the revision of a version that was just written, as the store did.
    fn written(mut version: Version) -> Version {
        version.revision = version.revision.next();
        version
    }

    /// Takes the version into `state`, with a lease for this invocation.
    fn advanced(&self, version: &Version, state: VersionState) -> Result<Version, RotationError> {
        let mut next = version.clone().become_state(state)?;
        next.lease_until = Some(self.request.deadline.0);
        Ok(next)
    }
}
