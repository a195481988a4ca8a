//! What people do.

use keyward_core::model::key::ApiKey;
use keyward_core::model::version::VersionState;
use keyward_core::ports::{KeyProvider, SecretStore, Stage};
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
                    self.watch.borrow_mut().served.excuse(&key);
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
        if !is_held || self.under_way.borrow().retiring > 0 {
            self.watch.borrow_mut().served.excuse(&key);
        }
    }

    async fn put(&self, number: u32, key: &str) {
        self.take_away_unseen_key().await;
        let secrets = &self.world.outside.secrets;
        secrets.put_current(&self.world.secret, &token(9 - number), key);
    }

    /// Who replaces a key that was put there by hand and that Keyward has not seen, deletes it: nobody else can know it.
    pub(super) async fn take_away_unseen_key(&self) {
        let key = self.world.current_key();
        let print = ApiKey::new(&key).fingerprint();
        let versions = self.world.outside.inventory.all_versions();
        if versions.iter().any(|v| v.fingerprint == Some(print)) {
            return;
        }
        self.watch.borrow_mut().served.excuse(&key);
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
}
