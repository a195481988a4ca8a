//! What holds before and after.

use std::collections::BTreeSet;

use keyward_core::model::key::{ApiKey, Fingerprint};
use keyward_core::model::names::{SecretVersionId, SlotName};
use keyward_core::model::slot::ProviderName;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{Stage, TAG_ACCOUNT, TAG_HANDLE_PREFIX, TAG_PLACE, TAG_SLOT, TAG_STACK};
use keyward_core::usecases::register::Registered;
use keyward_testkit::simulator::KeyView;
use secrecy::ExposeSecret;

use super::{Deployment, STACK, Secret};
use crate::support::{Backend as _, STEPS};

/// How often `retire` is woken at most until all work is done.
const ROUNDS: usize = 20;

impl Deployment {
    /// A slot with a plain secret that holds a key made by hand: the secret and the key.
    pub async fn one_slot(&self, slot: &str) -> (Secret, String) {
        let key = self.seed(&format!("{slot} by hand"));
        let secret = self.create(slot, &key).await;
        let registered = self.register(&[&secret]).await;
        assert_eq!(registered, [Registered::WithKey { handle_known: true }]);
        (secret, key)
    }

    /// A key as the provider knows it.
    pub fn at_provider(&self, key: &str) -> KeyView {
        let fingerprint = ApiKey::new(key).fingerprint();
        let keys = self.simulator.keys().into_iter();
        let mut found = keys.filter(|k| k.fingerprint == fingerprint);
        found.next().unwrap()
    }

    /// Whether a given provider accepts a key.
    pub fn accepts_at(&self, provider: ProviderName, key: &str) -> bool {
        self.providers.at(provider).accepts(key)
    }

    /// Whether the provider accepts a key.
    pub fn accepts(&self, key: &str) -> bool {
        self.at_provider(key).accepted
    }

    /// Every key that any of the providers accepts.
    pub fn accepted(&self) -> BTreeSet<Fingerprint> {
        let keys = self.providers.iter().flat_map(|p| p.simulator.keys());
        let accepted = keys.filter(|key| key.accepted);
        accepted.map(|key| key.fingerprint).collect()
    }

    /// The slot's provider accepts the version's key, or does not.
    pub async fn assert_at_provider(&self, slot: &SlotName, version: &Version, accepted: bool) {
        let provider = self.slot(slot).await.provider;
        let keys = self.providers.at(provider).simulator.keys();
        let key = keys
            .iter()
            .find(|k| Some(k.fingerprint) == version.fingerprint);
        assert_eq!(
            key.map(|key| key.accepted),
            Some(accepted),
            "{slot}: {version:?}"
        );
    }

    /// The text of the key that agents of the slot fetch, as somebody has it who took it.
    pub async fn text_of(&self, slot: &SlotName) -> String {
        let secret = self.slot(slot).await.secret;
        let value = self.client.get_secret_value().secret_id(secret.as_str());
        let value = value.send().await.unwrap();
        let current = self.version(slot, VersionState::Current).await;
        let pieces = ApiKey::new(value.secret_string().unwrap()).candidates();
        let mut key = pieces
            .iter()
            .filter(|p| Some(p.fingerprint()) == current.fingerprint);
        key.next().unwrap().expose_secret().to_owned()
    }

    /// How often the provider was asked for a key.
    pub fn creates(&self) -> usize {
        self.simulator.requests_to("POST", "/keys").len()
    }

    /// All four steps, as Secrets Manager calls them when it tries a failed rotation again, which moto does not:
    /// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html>.
    pub async fn four_steps(&self, secret: &Secret, token: &SecretVersionId) {
        for step in STEPS {
            let answer = self.step(step, secret, token).await;
            assert!(answer.is_ok(), "{step}: {answer:?}");
        }
    }

    /// Wakes `retire` until every replaced key of the slot is revoked.
    pub async fn retire_all(&self, secret: &Secret) {
        let at_rest =
            |v: &Version| matches!(v.state, VersionState::Current | VersionState::Revoked);
        for _ in 0..ROUNDS {
            self.retire().await.unwrap();
            if self.versions(&secret.slot).await.iter().all(at_rest) {
                return;
            }
        }
        panic!("work is left: {:#?}", self.versions(&secret.slot).await);
    }

    /// AWSCURRENT is on `new`, AWSPREVIOUS on `old`, and AWSPENDING stands nowhere else:
    /// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html>.
    pub async fn assert_labels(
        &self,
        secret: &Secret,
        old: &SecretVersionId,
        new: &SecretVersionId,
    ) {
        let now = self.describe(secret).await;
        assert_eq!(now.holder(&Stage::Current), Some(new), "{now:?}");
        assert_eq!(now.holder(&Stage::Previous), Some(old), "{now:?}");
        let pending = now.holder(&Stage::Pending);
        assert!(pending.is_none_or(|id| id == new), "{now:?}");
    }

    /// The inventory holds the old key as retiring and the new one as current, with all that is to be known of them,
    /// and the secret's tags name both.
    pub async fn assert_recorded(&self, secret: &Secret, old: &str, new: &str) {
        let current = self.version(&secret.slot, VersionState::Current).await;
        let retiring = self.version(&secret.slot, VersionState::Retiring).await;
        for (version, key) in [(&current, new), (&retiring, old)] {
            assert_eq!(version.fingerprint, Some(ApiKey::new(key).fingerprint()));
            assert_eq!(version.handle, Some(self.at_provider(key).handle));
        }
        let (tested, promoted) = (current.tested.unwrap(), current.promoted.unwrap());
        assert!(tested.at <= promoted, "{current:?}");
        assert_eq!(current.expires, self.at_provider(new).expires);
        assert_eq!(
            current.cap.map(|cap| cap.amount),
            self.at_provider(new).limit
        );
        let policy = self.slot(&secret.slot).await.policy;
        assert_eq!(retiring.retire_after, Some(promoted + policy.overlap));
        assert_eq!(retiring.deadline, Some(promoted + policy.deadline));
        let mut tags = self.describe(secret).await.tags;
        assert_eq!(tags.remove(TAG_SLOT).as_deref(), Some(secret.slot.as_str()));
        let account = tags.remove(TAG_ACCOUNT);
        assert_eq!(tags.remove(TAG_PLACE).as_deref(), Some("-"));
        assert!(account.is_some_and(|tag| tag.contains('/')));
        for version in [&current, &retiring] {
            let tag = tags.remove(&format!("{TAG_HANDLE_PREFIX}{}", version.id));
            assert_eq!(tag.as_deref(), version.handle.as_ref().map(|h| h.as_str()));
        }
        assert_eq!(tags.remove(TAG_STACK).as_deref(), Some(STACK));
        assert!(tags.is_empty(), "{tags:?}");
    }

    /// The provider has exactly one live key for each of `secrets`: the one that agents fetch, and it is recorded.
    pub async fn assert_one_live_key_each(&self, secrets: &[&Secret]) {
        let live = self.simulator.live_keys();
        assert_eq!(live.len(), secrets.len(), "{live:#?}");
        for secret in secrets {
            let current = self.version(&secret.slot, VersionState::Current).await;
            let fetched = ApiKey::new(&self.key_in(&self.current(secret).await));
            assert_eq!(current.fingerprint, Some(fetched.fingerprint()));
            let mut of_slot = live
                .iter()
                .filter(|k| Some(k.fingerprint) == current.fingerprint);
            assert!(of_slot.next().is_some_and(|k| k.accepted), "{current:?}");
        }
    }
}
