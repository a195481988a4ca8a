//! testSecret: the provider must accept the new key. Writes nothing but that it did.

use jiff::SignedDuration;

use super::{Rotation, RotationError, StepOutcome};
use crate::model::alert::{AlertKind, Severity};
use crate::model::key::ApiKey;
use crate::model::secret_document::SecretDocument;
use crate::model::version::{Tested, Version};
use crate::ports::{Fence, KeyProvider, Verdict};

/// Pauses between two looks at a key that is not accepted yet, in seconds. What is left after that is up to Secrets
/// Manager's own retry.
const PAUSES: [i64; 6] = [1, 2, 4, 8, 15, 30];

/// Time kept back of the invocation for saving what was found.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);

impl Rotation<'_> {
    pub(super) async fn test(
        &self,
        provider: &dyn KeyProvider,
    ) -> Result<StepOutcome, RotationError> {
        if self.own().next().is_none() {
            return self.test_only(provider).await;
        }
        let (version, document) = self.pending(provider).await?;
        self.still_wanted(provider, &version).await?;
        if version
            .tested
            .is_some_and(|tested| tested.epoch == self.slot.epoch)
        {
            return Ok(StepOutcome::AlreadyDone);
        }
        let verdict = self.verify_patiently(provider, document.key()).await;
        self.accept(&verdict).await?;
        self.record(provider, version).await?;
        Ok(StepOutcome::Done)
    }

    /// Rotation was configured but not started: whatever the pending version holds is tested, and nothing is written.
    async fn test_only(&self, provider: &dyn KeyProvider) -> Result<StepOutcome, RotationError> {
        let text = self
            .ports
            .value_written(&self.slot.secret, &self.request.token)
            .await?;
        let text = text.ok_or_else(|| RotationError::NothingPending {
            token: self.request.token.clone(),
        })?;
        let document = SecretDocument::parse(&text, &provider.abilities().format)?;
        match self.verify_patiently(provider, document.key()).await {
            Verdict::Live | Verdict::BlockedForMoney(_) => Ok(StepOutcome::TestedOnly),
            Verdict::BlockedForScope(detail) => Err(RotationError::OutOfScope { detail }),
            Verdict::Dead(detail) | Verdict::Unknown(detail) => {
                Err(RotationError::NotAcceptedYet { detail })
            }
        }
    }

    /// Looks until the key is accepted, or the pauses or the invocation's time are used up: a new key can take minutes
    /// to work everywhere.
    async fn verify_patiently(&self, provider: &dyn KeyProvider, key: &ApiKey) -> Verdict {
        let mut verdict = provider.verify(key).await;
        for pause in PAUSES.map(SignedDuration::from_secs) {
            let decided = matches!(
                verdict,
                Verdict::Live | Verdict::BlockedForMoney(_) | Verdict::BlockedForScope(_)
            );
            if decided
                || !self
                    .request
                    .deadline
                    .allows(self.ports.clock.as_ref(), pause + MARGIN)
            {
                return verdict;
            }
            self.ports.clock.sleep(pause).await;
            verdict = provider.verify(key).await;
        }
        verdict
    }

    async fn accept(&self, verdict: &Verdict) -> Result<(), RotationError> {
        match verdict {
            Verdict::Live => Ok(()),
            Verdict::BlockedForMoney(detail) => {
                let alert = self.alert(Severity::Warning, AlertKind::NewKeyWithoutMoney, [&format!(
                        "The new key of slot {} is accepted, but has no money to spend ({detail}).",
                        self.slot.name
                    ), "The rotation goes on: the key itself is in order.", &format!(
                        "Add credit to provider account {}, or raise its limit.",
                        self.slot.account
                    )]);
                self.ports.tell(alert).await;
                Ok(())
            }
            Verdict::BlockedForScope(detail) => Err(RotationError::OutOfScope {
                detail: detail.clone(),
            }),
            Verdict::Dead(detail) | Verdict::Unknown(detail) => {
                Err(RotationError::NotAcceptedYet {
                    detail: detail.clone(),
                })
            }
        }
    }

    async fn record(
        &self,
        provider: &dyn KeyProvider,
        version: Version,
    ) -> Result<(), RotationError> {
        let mut tested = version.clone();
        tested.tested = Some(Tested {
            at: self.ports.clock.now(),
            epoch: self.slot.epoch,
        });
        let saved = self
            .ports
            .inventory
            .save_versions(&[tested], Fence::Epoch(self.slot.epoch))
            .await;
        self.saved(provider, &version, saved).await
    }
}
