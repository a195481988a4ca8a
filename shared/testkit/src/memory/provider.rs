use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::key::{ApiKey, KeyFormat};
use keyward_core::model::money::{MicroDollars, SpendCap};
use keyward_core::model::names::{AccountName, KeyHandle};
use keyward_core::model::slot::{CredentialKind, ProviderName, Scope};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    Abilities, Clock, Disabled, IssueRequest, IssuedKey, KeyIssuer, KeyOwner, KeyProvider,
    KeyRecord, Limits, Naming, Page, PageToken, PoolSettings, ProviderError, Providers, Reach,
    SpendCaps, Suspension, Verdict,
};
use secrecy::ExposeSecret;

/// Keys on one page of the list: few, so that every test reads more than one.
const PAGE: usize = 2;

/// A provider in memory: creates keys, suspends, resumes, deletes, and counts what they spend.
pub struct MemoryProvider {
    clock: Arc<dyn Clock>,
    provider: ProviderName,
    keys: Mutex<Vec<Key>>,
}

struct Key {
    text: String,
    record: KeyRecord,
    deleted: bool,
}

impl Key {
    fn is_alive(&self, now: Timestamp) -> bool {
        !self.deleted
            && self.record.suspended != Some(true)
            && self.record.expires.is_none_or(|at| at > now)
    }
}

impl MemoryProvider {
    /// One without keys, whose API makes keys and limits them.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            provider: ProviderName::OpenRouter,
            keys: Mutex::default(),
        }
    }

    /// One without keys, where only people make them: slots draw from a standby pool.
    pub fn with_pool(clock: Arc<dyn Clock>) -> Self {
        Self {
            provider: ProviderName::Anthropic,
            ..Self::new(clock)
        }
    }

    fn makes_keys(&self) -> bool {
        self.provider.kind() == CredentialKind::Minted
    }

    fn format(&self) -> KeyFormat {
        if self.makes_keys() {
            FORMAT
        } else {
            POOL_FORMAT
        }
    }

    /// Where its keys live: in the default workspace, which Anthropic calls by an id like any other.
    pub fn scope(&self) -> Scope {
        let id = (!self.makes_keys()).then_some("wrkspc_EXAMPLE0000");
        Scope {
            workspace: id.map(|id| id.parse().expect("a valid id")),
            ..Scope::default()
        }
    }

    fn text(&self, number: u64) -> String {
        let text = made_up_key(number);
        if self.makes_keys() {
            return text;
        }
        let random = text.strip_prefix(FORMAT.prefix).unwrap_or_default();
        format!("{}03-{random}", POOL_FORMAT.prefix)
    }

    /// Changes how the key with this text is listed. Nothing if there is none.
    pub fn relist(&self, text: &str, change: impl FnOnce(&mut KeyRecord)) {
        let mut keys = self.keys();
        if let Some(key) = keys.iter_mut().find(|key| key.text == text) {
            change(&mut key.record);
        }
    }

    /// How the key with this text is listed; `None` if there is no such key, or no more.
    pub fn record(&self, text: &str) -> Option<KeyRecord> {
        let keys = self.keys();
        let found = keys.iter().find(|key| key.text == text && !key.deleted);
        found.map(|key| key.record.clone())
    }

    fn keys(&self) -> MutexGuard<'_, Vec<Key>> {
        self.keys.lock().expect("not poisoned")
    }

    /// Makes a key as a person would, outside Keyward. Returns its text.
    pub fn seed(&self, name: &str) -> String {
        self.make(name, None, None).0
    }

    /// Makes a key whose redacted form is the same as that of `text`. Returns its text.
    pub fn seed_twin(&self, name: &str, text: &str) -> String {
        let made = self.seed(name);
        let twin = format!("{}{}", &made[..made.len() - 4], &text[text.len() - 4..]);
        let mut keys = self.keys();
        let key = keys.last_mut().expect("just made");
        let tail = &text[text.len() - 4..];
        key.record.redacted = OutsideText::new(&format!("{}…{tail}", self.format().prefix));
        key.text.clone_from(&twin);
        twin
    }

    fn make(
        &self,
        name: &str,
        cap: Option<SpendCap>,
        expires: Option<Timestamp>,
    ) -> (String, KeyHandle) {
        let mut keys = self.keys();
        let number = keys.len() + 1;
        let text = self.text(number as u64);
        let handle: KeyHandle = format!("handle-{number}").parse().expect("a valid handle");
        let redacted = format!("{}…{}", self.format().prefix, &text[text.len() - 4..]);
        let record = KeyRecord {
            handle: handle.clone(),
            label: OutsideText::new(name),
            redacted: OutsideText::new(&redacted),
            suspended: Some(false),
            workspace: self.scope().workspace,
            owner: KeyOwner::Service,
            created: Some(self.clock.now()),
            expires,
            last_used: None,
            spent: Some(MicroDollars(0)),
            cap,
            reach: Reach::default(),
        };
        keys.push(Key {
            text: text.clone(),
            record,
            deleted: false,
        });
        (text, handle)
    }

    /// Whether a call with this key would be accepted now.
    pub fn accepts(&self, text: &str) -> bool {
        let now = self.clock.now();
        let keys = self.keys();
        keys.iter().any(|key| key.text == text && key.is_alive(now))
    }

    /// One call of an agent: spends a cent, and says whether it was accepted.
    pub fn call(&self, text: &str) -> bool {
        let accepted = self.accepts(text);
        if accepted {
            let mut keys = self.keys();
            let key = keys
                .iter_mut()
                .find(|key| key.text == text)
                .expect("accepted");
            let spent = key.record.spent.map_or(0, |spent| spent.0);
            key.record.spent = Some(MicroDollars(spent + 10_000));
        }
        accepted
    }

    /// Text and record of every key that would be accepted now.
    pub fn live(&self) -> Vec<(String, KeyRecord)> {
        let now = self.clock.now();
        let keys = self.keys();
        let live = keys.iter().filter(|key| key.is_alive(now));
        live.map(|key| (key.text.clone(), key.record.clone()))
            .collect()
    }

    /// Text and record of every key that was ever made, deleted ones included.
    pub fn ever_made(&self) -> Vec<(String, KeyRecord)> {
        let keys = self.keys();
        let made = keys.iter();
        made.map(|key| (key.text.clone(), key.record.clone()))
            .collect()
    }

    /// Whether a key was made under this handle and not deleted since.
    pub fn has(&self, handle: &KeyHandle) -> bool {
        self.with(handle, |_| ()).is_ok()
    }

    fn with<T>(
        &self,
        handle: &KeyHandle,
        change: impl FnOnce(&mut Key) -> T,
    ) -> Result<T, ProviderError> {
        let mut keys = self.keys();
        let found = keys
            .iter_mut()
            .find(|key| key.record.handle == *handle && !key.deleted);
        found.map(change).ok_or(ProviderError::NotFound)
    }
}

/// A made-up key of OpenRouter's form; the same number gives the same one.
pub fn made_up_key(number: u64) -> String {
    let mut chance = fastrand::Rng::with_seed(number);
    let random: String = (0..57).map(|_| chance.digit(16)).collect();
    format!("{}EXAMPLE{random}", FORMAT.prefix)
}

const FORMAT: KeyFormat = KeyFormat {
    prefix: "sk-or-v1-",
    also: &[],
    not: &[],
    alphabet: "0123456789abcdef",
};

const POOL_FORMAT: KeyFormat = KeyFormat {
    prefix: "sk-ant-api",
    also: &[],
    not: &[],
    alphabet: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
};

#[async_trait]
impl KeyProvider for MemoryProvider {
    fn abilities(&self) -> Abilities {
        Abilities {
            provider: self.provider,
            format: self.format(),
            suspension: Suspension::Refuses,
            expiry: self.makes_keys(),
            names: Naming::Label,
            limits: Limits::default(),
        }
    }

    async fn list(&self, _: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        let start = page.map_or(0, |page| page.0.parse().expect("a token of this list"));
        let keys = self.keys();
        let mut rest = keys.iter().filter(|key| !key.deleted).skip(start);
        let page = rest.by_ref().take(PAGE);
        let page = page.map(|key| key.record.clone()).collect();
        let next = rest.next().map(|_| PageToken((start + PAGE).to_string()));
        Ok(Page { keys: page, next })
    }

    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        Ok(self.with(handle, |key| key.record.clone()).ok())
    }

    async fn verify(&self, key: &ApiKey) -> Verdict {
        if self.accepts(key.expose_secret()) {
            Verdict::Live
        } else {
            Verdict::Dead(OutsideText::new("no such key"))
        }
    }

    async fn disable(&self, handle: &KeyHandle) -> Result<Disabled, ProviderError> {
        let was = self.with(handle, |key| {
            key.record.suspended.replace(true) == Some(true)
        })?;
        Ok(if was {
            Disabled::Already
        } else {
            Disabled::Now
        })
    }

    async fn restore(&self, handle: &KeyHandle, _: &Scope) -> Result<(), ProviderError> {
        self.with(handle, |key| key.record.suspended = Some(false))
    }

    async fn delete(&self, handle: &KeyHandle) -> Result<(), ProviderError> {
        self.with(handle, |key| key.deleted = true)
    }

    fn issuer(&self) -> Option<&dyn KeyIssuer> {
        self.makes_keys().then_some(self as &dyn KeyIssuer)
    }

    fn caps(&self) -> Option<&dyn SpendCaps> {
        self.makes_keys().then_some(self as &dyn SpendCaps)
    }
}

#[async_trait]
impl KeyIssuer for MemoryProvider {
    async fn issue(&self, request: &IssueRequest) -> Result<IssuedKey, ProviderError> {
        let label = request.label.as_str();
        let (text, handle) = self.make(label, Some(request.cap), Some(request.expires));
        Ok(IssuedKey {
            key: ApiKey::new(&text),
            handle,
            expires: Some(request.expires),
        })
    }
}

#[async_trait]
impl SpendCaps for MemoryProvider {
    async fn set_cap(&self, handle: &KeyHandle, cap: SpendCap) -> Result<(), ProviderError> {
        self.with(handle, |key| key.record.cap = Some(cap))
    }
}

/// The one account of a deployment, or none under any other name.
pub struct OneAccount {
    /// The account's name.
    pub name: AccountName,
    /// Its driver.
    pub provider: Arc<dyn KeyProvider>,
    /// Its standby pool.
    pub pool: Option<PoolSettings>,
}

#[async_trait]
impl Providers for OneAccount {
    async fn open(
        &self,
        account: &AccountName,
        provider: ProviderName,
    ) -> Result<Arc<dyn KeyProvider>, ProviderError> {
        if *account == self.name && provider == self.provider.abilities().provider {
            return Ok(self.provider.clone());
        }
        let detail = OutsideText::new(&format!("no account `{account}` of {provider}"));
        Err(ProviderError::Refused { detail })
    }

    fn pool(&self, account: &AccountName) -> Option<PoolSettings> {
        self.pool.clone().filter(|_| *account == self.name)
    }

    fn pools(&self) -> Vec<AccountName> {
        let with_pool = self.pool.is_some().then(|| self.name.clone());
        with_pool.into_iter().collect()
    }
}
