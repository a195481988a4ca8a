//! finishSecret: move AWSCURRENT to the tested key, and let the old one's overlap begin.

use super::{Rotation, RotationError, StepOutcome};
use crate::model::slot::Slot;
use crate::model::version::{Version, VersionState};
use crate::ports::{Fence, InventoryError, KeyProvider, SecretError, Stage, VersionSelector};
use crate::usecases::Ports;
use crate::usecases::adopt::{due_for_age_check, retiring};

/// How often the label's place is read again when somebody else moves it meanwhile.
const MOVES: usize = 3;

impl Rotation<'_> {
    pub(super) async fn finish(
        &self,
        provider: &dyn KeyProvider,
    ) -> Result<StepOutcome, RotationError> {
        let (version, _) = self.pending(provider).await?;
        self.still_wanted(provider, &version).await?;
        if version
            .tested
            .is_none_or(|tested| tested.epoch != self.slot.epoch)
        {
            return Err(RotationError::NotTested);
        }
        let promoting = self.begin(provider, version).await?;
        self.move_current(provider, &promoting).await?;
        let settled = settle_promotion(self.ports, &self.slot, &promoting).await;
        self.saved(provider, &promoting, settled).await?;
        Ok(StepOutcome::Done)
    }

    /// Records, in this epoch, that the label is about to move.
    async fn begin(
        &self,
        provider: &dyn KeyProvider,
        version: Version,
    ) -> Result<Version, RotationError> {
        let promoting = match version.state {
            VersionState::Promoting => Version {
                lease_until: Some(self.request.deadline.0),
                ..version.clone()
            },
            _ => self.advanced(&version, VersionState::Promoting)?,
        };
        let saved = self
            .ports
            .inventory
            .save_versions(
                std::slice::from_ref(&promoting),
                Fence::Epoch(self.slot.epoch),
            )
            .await;
        self.saved(provider, &version, saved).await?;
        Ok(Self::written(promoting))
    }

    /// Moves AWSCURRENT from wherever it really is, while the slot is in the epoch that the rotation began in. The epoch
    /// is read after the label's place: if the slot was cut off and has its replacement, either the one or the other
    /// tells.
    async fn move_current(
        &self,
        provider: &dyn KeyProvider,
        promoting: &Version,
    ) -> Result<(), RotationError> {
        for _ in 0..MOVES {
            let secret = self
                .ports
                .secrets
                .describe(self.slot.secret.as_str())
                .await?;
            let holder = secret.holder(&Stage::Current);
            if holder == Some(&self.request.token) {
                return Ok(());
            }
            self.know_the_holder(provider).await?;
            let slot = self.ports.inventory.slot(&self.slot.name).await?;
            if slot.is_none_or(|slot| slot.epoch != promoting.epoch) {
                return Err(self.cut_off(provider, promoting).await);
            }
            match self
                .ports
                .secrets
                .promote(&self.slot.secret, &self.request.token, holder)
                .await
            {
                Err(SecretError::Moved) => {}
                other => return Ok(other?),
            }
        }
        Err(SecretError::Moved.into())
    }

    /// The key that is about to be replaced may have been put there by somebody else since createSecret.
    async fn know_the_holder(&self, provider: &dyn KeyProvider) -> Result<(), RotationError> {
        let current = self
            .ports
            .secrets
            .value(&self.slot.secret, VersionSelector::Current)
            .await?;
        let Some((id, text)) = current else {
            return Ok(());
        };
        let Ok(document) = crate::model::secret_document::SecretDocument::parse(
            &text,
            &provider.abilities().format,
        ) else {
            return Ok(());
        };
        self.take_in(provider, &id, &document).await.map(drop)
    }
}

/// Brings the records up to a label that has moved: the promoted version is current, and what was current retires,
/// in one write and only in the epoch that the rotation began in.
pub(crate) async fn settle_promotion(
    ports: &Ports,
    slot: &Slot,
    promoting: &Version,
) -> Result<(), InventoryError> {
    let now = ports.clock.now();
    let Ok(mut current) = promoting.clone().become_state(VersionState::Current) else {
        return Err(InventoryError::Conflict);
    };
    current.promoted = Some(now);
    current.lease_until = None;
    due_for_age_check(&mut current, slot, now);
    let mut changes = vec![current];
    for version in ports.inventory.versions(&slot.name).await? {
        if version.state == VersionState::Current && version.id != promoting.id {
            changes.extend(retiring(version, slot, now));
        }
    }
    ports
        .inventory
        .save_versions(&changes, Fence::Epoch(promoting.epoch))
        .await
}
