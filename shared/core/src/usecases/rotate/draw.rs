//! Drawing a key that stands by, at a provider that makes none.

use super::{Rotation, RotationError};
use crate::model::alert::{AlertKind, Severity};
use crate::model::key::ApiKey;
use crate::model::names::SlotName;
use crate::model::pool::{Pool, StandbyKey};
use crate::model::pool_document::PoolDocumentError;
use crate::model::version::{Version, VersionState};
use crate::ports::{Fence, InventoryError, IssuedKey, KeyProvider, PoolSettings, UniqueItem};
use crate::rules::pool::usable;
use crate::usecases::pool;

/// How often another key is tried for when somebody else writes the pool meanwhile.
const DRAWS: usize = 8;

impl Rotation<'_> {
    /// Takes the oldest usable key out of the pool and records it as this rotation's, in one write. It stays suspended:
    /// setSecret resumes it, once it is stored.
    pub(super) async fn draw(
        &self,
        provider: &dyn KeyProvider,
    ) -> Result<(Version, IssuedKey), RotationError> {
        let settings = self.pool_settings()?;
        for _ in 0..DRAWS {
            let pool = pool::read(self.ports, &self.slot.account).await?;
            let now = self.ports.clock.now();
            let Some(chosen) = usable(&pool.standby, &self.slot, now).first().copied() else {
                return Err(RotationError::PoolEmpty {
                    account: self.slot.account.clone(),
                    unusable: pool.standby.len(),
                });
            };
            let texts = pool::texts(self.ports, &settings, &pool).await?;
            let key = texts.get(&chosen.fingerprint).cloned();
            let key = key.ok_or(PoolDocumentError::Unreadable)?;
            let version = self.drawn(chosen);
            let after = pool
                .clone()
                .without(chosen.fingerprint, &self.slot.name, &version.id);
            let fence = Fence::Epoch(self.slot.epoch);
            match self.ports.pools.draw(&after, &version, fence).await {
                Err(InventoryError::Conflict) => {}
                Err(InventoryError::Fenced(_)) => {
                    return Err(self.cut_off_before_a_key(&version).await);
                }
                Err(InventoryError::Taken { what, by }) => {
                    self.drop_taken(&pool, chosen, what, by).await?;
                }
                drawn => {
                    self.saved(provider, &version, drawn).await?;
                    self.look_at_level(&settings, &after).await;
                    let issued = issued(chosen, key);
                    return Ok((Self::written(version), issued));
                }
            }
        }
        Err(InventoryError::Conflict.into())
    }

    /// Goes on with a key that an earlier call of this step has drawn.
    pub(super) async fn resume(
        &self,
        provider: &dyn KeyProvider,
        version: Version,
        key: ApiKey,
    ) -> Result<(Version, IssuedKey), RotationError> {
        self.still_wanted(provider, &version).await?;
        let handle = version.handle.clone();
        let handle = handle.ok_or_else(|| RotationError::NothingPending {
            token: self.request.token.clone(),
        })?;
        let version = self.lease(provider, version).await?;
        let expires = version.expires;
        Ok((
            version,
            IssuedKey {
                key,
                handle,
                expires,
            },
        ))
    }

    /// The text of a key that was drawn for this version, while the pool's secret still has it.
    pub(super) async fn drawn_text(
        &self,
        version: &Version,
    ) -> Result<Option<ApiKey>, RotationError> {
        let (VersionState::Intended, Some(fingerprint), None) =
            (version.state, &version.fingerprint, &version.label)
        else {
            return Ok(None);
        };
        let settings = self.pool_settings()?;
        let pool = pool::read(self.ports, &self.slot.account).await?;
        let texts = pool::texts(self.ports, &settings, &pool).await?;
        Ok(texts.get(fingerprint).cloned())
    }

    /// Writes down, in this epoch, that this invocation is at work on the version until its end.
    pub(super) async fn lease(
        &self,
        provider: &dyn KeyProvider,
        version: Version,
    ) -> Result<Version, RotationError> {
        let leased = Version {
            lease_until: Some(self.request.deadline.0),
            ..version
        };
        let saved = self
            .ports
            .inventory
            .save_versions(std::slice::from_ref(&leased), Fence::Epoch(self.slot.epoch))
            .await;
        self.saved(provider, &leased, saved).await?;
        Ok(Self::written(leased))
    }

    fn pool_settings(&self) -> Result<PoolSettings, RotationError> {
        let settings = self.ports.providers.pool(&self.slot.account);
        settings.ok_or_else(|| RotationError::NoPool {
            account: self.slot.account.clone(),
        })
    }

    fn drawn(&self, key: &StandbyKey) -> Version {
        let now = self.ports.clock.now();
        let mut version = Version::intended(&self.slot.name, self.next_id(), self.slot.epoch, now);
        version.label = None;
        version.created = key.created;
        version.handle = Some(key.handle.clone());
        version.fingerprint = Some(key.fingerprint);
        version.hint = Some(key.hint.clone());
        version.scope = self.slot.scope.clone();
        version.expires = key.expires;
        version.lease_until = Some(self.request.deadline.0);
        version.due_at = Some(self.request.deadline.0);
        version
    }

    /// A key that a slot has already is no standby key, whoever put it there.
    async fn drop_taken(
        &self,
        pool: &Pool,
        key: &StandbyKey,
        what: UniqueItem,
        by: Option<SlotName>,
    ) -> Result<(), RotationError> {
        let mut without = pool.clone();
        without.standby.retain(|k| k.fingerprint != key.fingerprint);
        match self.ports.pools.save_pool(&without).await {
            Ok(()) | Err(InventoryError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        let taken = InventoryError::Taken { what, by };
        let alert = self.alert(
            Severity::Warning,
            AlertKind::ForeignSecretChange,
            [
                &format!(
                    "Standby key {} of account {} cannot be drawn: {taken}.",
                    key.hint, pool.account
                ),
                "It was taken out of the pool; nothing was done to the key itself.",
                "Find out how a key that is in use came into the pool.",
            ],
        );
        self.ports.tell(alert).await;
        Ok(())
    }

    async fn look_at_level(&self, settings: &PoolSettings, pool: &Pool) {
        let left = usable(&pool.standby, &self.slot, self.ports.clock.now()).len();
        if left >= settings.low_water as usize {
            return;
        }
        let account = &self.slot.account;
        let alert = self.alert(
            Severity::Warning,
            AlertKind::PoolLow,
            [
                &format!("The standby pool of account {account} has {left} left of the keys that slot {} can use; {} are wanted.", self.slot.name, settings.low_water),
                "The slot drew the key that it needed; its rotation goes on.",
                &pool::refill(self.slot.provider, account),
            ],
        );
        self.ports.tell(alert).await;
    }
}

fn issued(key: &StandbyKey, text: ApiKey) -> IssuedKey {
    IssuedKey {
        key: text,
        handle: key.handle.clone(),
        expires: key.expires,
    }
}
