//! What people do, and what a kill does.

use jiff::SignedDuration;
use keyward_core::model::incident::Incident;
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::KeyHandle;
use keyward_core::model::slot::{Slot, SlotState};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{
    Clock, Fence, InventoryError, KeyProvider, ProviderError, SecretStore, Stage,
};
use keyward_testkit::memory::made_up_key;

use super::plan::Act;
use super::scene::{ANEW, Scene};
use crate::support::token;

/// Number of the first key that no provider knows.
const UNKNOWN: u64 = 1_000_000;

impl Scene {
    /// Somebody works on the secret by hand.
    pub(super) async fn person(&self) {
        for (number, act) in self.plan.acts.iter().enumerate() {
            self.wait(120).await;
            match act {
                Act::PutKnownKey => {
                    self.gate.act("person: PutSecretValue").await;
                    self.put(number as u32, &self.provider.seed("by hand"))
                        .await;
                }
                Act::PutUnknownKey => {
                    self.gate.act("person: PutSecretValue, unknown key").await;
                    let key = made_up_key(UNKNOWN + number as u64);
                    self.watch.borrow_mut().excuse(&key);
                    self.put(number as u32, &key).await;
                }
                Act::Unstage => self.unstage().await,
                Act::PauseRotation => self.pause_rotation().await,
                Act::RotateAnew => self.rotate_anew().await,
                Act::MoveBack => self.move_back().await,
            }
        }
    }

    /// Moves AWSCURRENT back to what it was on before. `retire` holds what it then finds there; what is being revoked
    /// already, or may be by a run that is under way, need not work.
    async fn move_back(&self) {
        self.gate.act("person: AWSCURRENT moved back").await;
        self.take_away_unseen_key().await;
        let secrets = &self.world.outside.secrets;
        let Some(previous) = secrets.holder(&self.world.secret, &Stage::Previous) else {
            return;
        };
        secrets.move_current(&self.world.secret, &previous);
        let key = self.world.current_key();
        let print = ApiKey::new(&key).fingerprint();
        let versions = self.world.outside.inventory.all_versions();
        let is_held = versions.iter().any(|v| {
            v.fingerprint == Some(print)
                && matches!(v.state, VersionState::Current | VersionState::Retiring)
        });
        if !is_held || self.retiring.get() > 0 {
            self.watch.borrow_mut().excuse(&key);
        }
    }

    async fn put(&self, number: u32, key: &str) {
        self.take_away_unseen_key().await;
        let secrets = &self.world.outside.secrets;
        secrets.put_current(&self.world.secret, &token(9 - number), key);
    }

    /// Who replaces a key that was put there by hand and that Keyward has not seen, deletes it: nobody else can know it.
    async fn take_away_unseen_key(&self) {
        let key = self.world.current_key();
        let print = ApiKey::new(&key).fingerprint();
        let versions = self.world.outside.inventory.all_versions();
        if versions.iter().any(|v| v.fingerprint == Some(print)) {
            return;
        }
        self.watch.borrow_mut().excuse(&key);
        let mut made = self.provider.ever_made().into_iter();
        if let Some((_, record)) = made.find(|(text, _)| *text == key) {
            let _ = self.provider.delete(&record.handle).await;
        }
    }

    async fn unstage(&self) {
        self.gate.act("person: AWSPENDING taken off").await;
        let secrets = &self.world.outside.secrets;
        if let Some(id) = secrets.holder(&self.world.secret, &Stage::Pending) {
            secrets
                .unstage_pending(&self.world.secret, &id)
                .await
                .unwrap();
        }
    }

    async fn pause_rotation(&self) {
        let secrets = &self.world.outside.secrets;
        self.gate.act("person: CancelRotateSecret").await;
        secrets.cancel_rotation(&self.world.secret);
        self.wait(60).await;
        self.gate.act("person: rotation on again").await;
        secrets.allow_rotation(&self.world.secret);
    }

    /// Cancels the rotation that is under way and starts another, which Secrets Manager refuses until AWSPENDING is off.
    async fn rotate_anew(&self) {
        let secrets = &self.world.outside.secrets;
        self.gate.act("person: CancelRotateSecret").await;
        secrets.cancel_rotation(&self.world.secret);
        for _ in 0..10 {
            self.wait(20).await;
            self.unstage().await;
            self.wait(4).await;
            self.gate.act("person: RotateSecret").await;
            if secrets
                .rotate_now(&self.world.secret, &token(ANEW))
                .await
                .is_ok()
            {
                return;
            }
        }
        secrets.allow_rotation(&self.world.secret);
    }

    /// Kills, one after the other. Each goes on until it is done, whatever is lost.
    pub(super) async fn kills(&self) {
        for number in 0..self.plan.kills {
            self.wait(120).await;
            let slot = self.claim().await;
            self.contain_all(&slot).await;
            self.watch.borrow_mut().kill_is_through(slot.epoch);
            if self.once_in(2) {
                self.replace(number as u32).await;
            }
            self.gate.act("kill: closed").await;
            let inventory = &self.world.outside.inventory;
            inventory.close_incident(&self.world.slot);
        }
    }

    /// Opens an incident, which raises the epoch.
    async fn claim(&self) -> Slot {
        let inventory = &self.world.ports.inventory;
        let mut mine: Option<Incident> = None;
        loop {
            let Ok(Some(slot)) = inventory.slot(&self.world.slot).await else {
                continue;
            };
            if mine.as_ref().is_some_and(|mine| mine.epoch == slot.epoch) {
                return slot;
            }
            let trigger = OutsideText::new("test");
            let now = self.world.outside.clock.now();
            let incident = Incident::open(&slot.name, slot.epoch, trigger, now);
            let restricted = Slot {
                state: SlotState::Restricted,
                ..slot
            };
            self.watch.borrow_mut().kill_begins();
            let _ = inventory.open_incident(&incident, &restricted).await;
            mine = Some(incident);
        }
    }

    /// Contains every version that may be alive, until nothing new appears: at the provider first, then in the record.
    async fn contain_all(&self, slot: &Slot) {
        let ports = &self.world.ports;
        let mut cut_off = Vec::new();
        loop {
            let Ok(provider) = ports.providers.open(&slot.account, slot.provider).await else {
                continue;
            };
            let Ok(versions) = ports.inventory.versions(&slot.name).await else {
                continue;
            };
            let mut quiet = true;
            for version in versions.into_iter().filter(|v| v.state.may_be_alive()) {
                let Ok(handle) = handle_of(provider.as_ref(), &version).await else {
                    quiet = false;
                    continue;
                };
                if let Some(handle) = handle
                    && !cut_off.contains(&handle)
                {
                    quiet = false;
                    match provider.disable(&handle).await {
                        Ok(_) | Err(ProviderError::NotFound) => cut_off.push(handle.clone()),
                        Err(_) => continue,
                    }
                    self.watch.borrow_mut().contained(&handle);
                }
                if version.state.may_become(VersionState::Contained) {
                    quiet = false;
                    let _ = self.record_contained(version).await;
                }
            }
            if quiet {
                return;
            }
        }
    }

    async fn record_contained(&self, version: Version) -> Result<(), InventoryError> {
        let kept = match version.handle {
            Some(_) => SignedDuration::from_hours(72),
            None => SignedDuration::ZERO,
        };
        let Ok(mut contained) = version.become_state(VersionState::Contained) else {
            return Ok(());
        };
        contained.due_at = Some(self.world.outside.clock.now() + kept);
        let inventory = &self.world.ports.inventory;
        inventory.save_versions(&[contained], Fence::None).await
    }

    /// Takes AWSPENDING off and starts a rotation.
    async fn replace(&self, number: u32) {
        let secrets = &self.world.ports.secrets;
        let Ok(secret) = secrets.describe(self.world.secret.as_str()).await else {
            return;
        };
        if let Some(pending) = secret.holder(&Stage::Pending)
            && !secret.has(pending, &Stage::Current)
        {
            let _ = secrets.unstage_pending(&self.world.secret, pending).await;
        }
        let _ = secrets
            .rotate_now(&self.world.secret, &token(20 + number))
            .await;
    }
}

/// The handle of a version's key; by its name at the provider where it is not recorded yet. `None` if there is no key.
async fn handle_of(
    provider: &dyn KeyProvider,
    version: &Version,
) -> Result<Option<KeyHandle>, ProviderError> {
    let (None, Some(label)) = (&version.handle, &version.label) else {
        return Ok(version.handle.clone());
    };
    let mut page = provider.list(&version.scope, None).await?;
    loop {
        let named = page
            .keys
            .iter()
            .find(|key| key.label.as_str() == label.as_str());
        if let Some(key) = named {
            return Ok(Some(key.handle.clone()));
        }
        let Some(next) = page.next else {
            return Ok(None);
        };
        page = provider.list(&version.scope, Some(&next)).await?;
    }
}
