//! The state of one provider account.

use std::sync::Arc;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::{AdminKey, ApiKey};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::KeyHandle;
use keyward_core::ports::Clock;
use secrecy::ExposeSecret;

use super::api::Api;
use super::faults::Faults;
use super::key::{Birth, Key, KeyView, Reset};
use super::log::{Caller, LoggedRequest};
use super::settings::{Management, Settings};
use super::usage::Ledger;

/// How long before the start a key that was given to the simulator was made.
const SEEDED_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Everything behind the server.
pub(super) struct Account {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: Settings,
    pub(super) management: AdminKey,
    pub(super) keys: Vec<Key>,
    pub(super) workspaces: Vec<String>,
    pub(super) log: Vec<LoggedRequest>,
    pub(super) faults: Faults,
    /// What was used that no key is named for.
    pub(super) unnamed: Ledger,
    rng: Rng,
}

impl Account {
    pub(super) fn new(clock: Arc<dyn Clock>, settings: Settings, api: &dyn Api) -> Self {
        // Providers with the same seed have nothing in common: one's handle never looks like another's key.
        let mut rng = Rng::with_seed(settings.seed ^ ((settings.provider as u64) << 32));
        let mut account = Self {
            clock,
            management: AdminKey::new(&api.management_text(&hex64(&mut rng))),
            settings,
            keys: Vec::new(),
            workspaces: vec![api.workspace_id(0)],
            log: Vec::new(),
            faults: Faults::default(),
            unnamed: Ledger::default(),
            rng,
        };
        for place in api.places() {
            let workspace = account.default_workspace().to_owned();
            account.mint(api, Birth::lasting(place, &workspace));
        }
        account
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn default_workspace(&self) -> &str {
        &self.workspaces[0]
    }

    /// Whose credential this is.
    pub(super) fn caller(&self, api: &dyn Api, credential: Option<&str>) -> Caller {
        let Some(text) = credential else {
            return Caller::Nobody;
        };
        if api.administers(self.management.expose_secret(), text, self.now()) {
            return match self.settings.management {
                Management::Accepted => Caller::Management,
                Management::Refused => Caller::Unknown,
            };
        }
        self.by_text(text)
            .map_or(Caller::Unknown, |key| Caller::Key(key.handle.clone()))
    }

    pub(super) fn by_text(&self, text: &str) -> Option<&Key> {
        self.keys
            .iter()
            .find(|key| key.text.expose_secret() == text)
    }

    /// A key that was not deleted.
    pub(super) fn present(&mut self, handle: &str) -> Option<&mut Key> {
        self.keys
            .iter_mut()
            .find(|key| key.handle.as_str() == handle && !key.deleted)
    }

    /// The caller's own key, if this call is accepted; each asking takes one turn of a flapping window.
    pub(super) fn accepted_key(&mut self, caller: &Caller) -> Option<&mut Key> {
        let Caller::Key(handle) = caller else {
            return None;
        };
        let now = self.clock.now();
        let settings = &self.settings;
        let key = self.keys.iter_mut().find(|key| key.handle == *handle)?;
        key.accept(settings, now).then_some(key)
    }

    /// Makes a key with a text of its own.
    pub(super) fn mint(&mut self, api: &dyn Api, birth: Birth) -> &Key {
        let created = self.now();
        self.mint_at(api, birth, created)
    }

    /// The same, but the key comes to be then.
    pub(super) fn mint_at(&mut self, api: &dyn Api, birth: Birth, created: Timestamp) -> &Key {
        let text = ApiKey::new(&api.key_text(&hex64(&mut self.rng)));
        self.add(api, birth, text, created)
    }

    /// 64 random hex digits.
    pub(super) fn random(&mut self) -> String {
        hex64(&mut self.rng)
    }

    /// Makes a key with a text that the caller has chosen.
    pub(super) fn mint_as(&mut self, api: &dyn Api, birth: Birth, text: &ApiKey) -> &Key {
        let created = self.now();
        self.add(api, birth, text.clone(), created)
    }

    /// Takes in a key that was there before.
    pub(super) fn seed(
        &mut self,
        api: &dyn Api,
        name: &str,
        text: &ApiKey,
        workspace: &str,
    ) -> &Key {
        let birth = Birth::lasting(name, workspace);
        let created = self.now() - SEEDED_AGE;
        self.add(api, birth, text.clone(), created)
    }

    fn add(&mut self, api: &dyn Api, mut birth: Birth, text: ApiKey, created: Timestamp) -> &Key {
        if let Some(first) = api.places().first() {
            if !api.places().contains(&birth.name.as_str()) {
                birth.name = (*first).to_owned();
            }
            let now = self.now();
            let replaced = |key: &&mut Key| !key.deleted && key.name == birth.name;
            self.keys
                .iter_mut()
                .filter(replaced)
                .for_each(|key| key.delete(now));
        }
        let handle: KeyHandle = api
            .handle_of(&hex64(&mut self.rng), &birth.name, &text)
            .parse()
            .expect("handles of the simulator are valid");
        let redacted = api.redact(text.expose_secret());
        self.keys
            .push(Key::new(handle, text, redacted, birth, created));
        &self.keys[self.keys.len() - 1]
    }

    pub(super) fn add_workspace(&mut self, api: &dyn Api) -> String {
        let id = api.workspace_id(self.workspaces.len());
        self.workspaces.push(id.clone());
        id
    }

    pub(super) fn views(&self) -> Vec<KeyView> {
        let now = self.now();
        self.keys
            .iter()
            .map(|key| key.view(&self.settings, now))
            .collect()
    }

    /// What is left of the account's credit; `None` without an end.
    pub(super) fn credit_left(&self) -> Option<MicroDollars> {
        self.settings
            .credit
            .map(|credit| MicroDollars(credit.0.saturating_sub(self.spent().0)))
    }

    /// What all keys spent.
    pub(super) fn spent(&self) -> MicroDollars {
        let now = self.now();
        let spent = |key: &Key| key.spent_in(Reset::Never, now).0;
        MicroDollars(self.keys.iter().map(spent).sum())
    }
}

fn hex64(rng: &mut Rng) -> String {
    (0..4).map(|_| format!("{:016x}", rng.u64(..))).collect()
}
