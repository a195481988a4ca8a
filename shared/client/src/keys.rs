//! The keys of this process: what an agent asks for one.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::clock::{Clock, Jitter, RandomJitter, SystemClock};
use crate::document::KeyText;
use crate::error::{FetchError, KeyError};
use crate::leased::{AfterRefusal, Fetch, Fetched, Lease, Leased, Standing};
use crate::settings::{BadSettings, Environment, Settings};
use crate::source::{Query, SecretId, SecretSource, SecretValue, SlotName, VersionId};

/// The field of a JSON object that holds the key where nothing else is said.
const KEY_FIELD: &str = "api_key";

/// Fetches the keys of a process. One is enough; clones are of the same.
#[derive(Debug, Clone)]
pub struct KeywardClient {
    source: Arc<dyn SecretSource>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    jitter: Arc<dyn Jitter>,
}

impl KeywardClient {
    /// Of what `source` holds, by the clock of this machine.
    ///
    /// # Errors
    /// [`BadSettings`].
    pub fn new(source: Arc<dyn SecretSource>, settings: Settings) -> Result<Self, BadSettings> {
        let (clock, jitter) = (SystemClock::default(), RandomJitter);
        Self::with_clock(source, settings, Arc::new(clock), Arc::new(jitter))
    }

    /// The same by another clock, with another chance.
    ///
    /// # Errors
    /// [`BadSettings`].
    pub fn with_clock(
        source: Arc<dyn SecretSource>,
        settings: Settings,
        clock: Arc<dyn Clock>,
        jitter: Arc<dyn Jitter>,
    ) -> Result<Self, BadSettings> {
        settings.check()?;
        Ok(Self {
            source,
            settings,
            clock,
            jitter,
        })
    }

    /// The key in a secret: its whole text, or the field `api_key` of a JSON object. Nothing is fetched until it is asked for.
    /// Each call gives a key of its own, which is fetched and refreshed by itself: keep it.
    pub fn secret(&self, secret: SecretId) -> AgentKey {
        self.key(Of::Secret(secret), KEY_FIELD)
    }

    /// The key of a slot, in the secret whose tag `keyward:slot` names it. Needs `secretsmanager:ListSecrets`, which AWS gives
    /// for all secrets of an account or none; whoever knows the secret's name needs it not.
    pub fn slot(&self, slot: SlotName) -> AgentKey {
        self.key(Of::Slot(slot), KEY_FIELD)
    }

    /// As [`Self::secret`], with the name of the field.
    pub fn secret_field(&self, secret: SecretId, field: &str) -> AgentKey {
        self.key(Of::Secret(secret), field)
    }

    /// Anything that is made of a version of a secret, kept as keys are.
    pub fn value<T, M>(&self, query: Query, make: M) -> Leased<T>
    where
        T: Send + Sync + 'static,
        M: Fn(SecretValue) -> Result<T, FetchError> + Send + Sync + 'static,
    {
        let Query {
            secret,
            version,
            stage,
        } = query;
        self.leased(Fetcher {
            of: Of::Secret(secret),
            version,
            stage,
            found: Mutex::default(),
            environment: self.settings.environment,
            source: self.source.clone(),
            make,
        })
    }

    /// By which clock leases are counted.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    fn key(&self, of: Of, field: &str) -> AgentKey {
        let field = field.to_owned();
        AgentKey(self.leased(Fetcher {
            of,
            version: None,
            stage: None,
            found: Mutex::default(),
            environment: self.settings.environment,
            source: self.source.clone(),
            make: move |value: SecretValue| {
                KeyText::read(&value.content, &field).map_err(FetchError::from)
            },
        }))
    }

    fn leased<T, M>(&self, fetcher: Fetcher<M>) -> Leased<T>
    where
        T: Send + Sync + 'static,
        M: Fn(SecretValue) -> Result<T, FetchError> + Send + Sync + 'static,
    {
        let (clock, jitter) = (self.clock.clone(), self.jitter.clone());
        Leased::new(Box::new(fetcher), self.settings, clock, jitter)
    }
}

/// The key of one slot, kept fresh. Clones are of the same one.
#[derive(Debug, Clone)]
pub struct AgentKey(Leased<KeyText>);

/// A key, for as long as its lease lasts. It can be neither printed nor compared.
#[derive(Debug, Clone)]
pub struct LeasedKey(Lease<KeyText>);

impl AgentKey {
    /// The key, within its lease; ask anew for each call of a provider. Where there is none, waits for it: for the first
    /// fetch, or for one that succeeds. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`KeyError`]: at once where only a person can help, after the patience of the settings where waiting can.
    pub async fn get(&self) -> Result<LeasedKey, KeyError> {
        self.0.get().await.map(LeasedKey)
    }

    /// The key that Secrets Manager has now, whatever is held.
    ///
    /// # Errors
    /// [`KeyError`], also where an older key is held.
    pub async fn refresh(&self) -> Result<LeasedKey, KeyError> {
        self.0.refresh().await.map(LeasedKey)
    }

    /// The provider answered 401 to the key of `version`: it is fetched anew at once, and on and on for 15 minutes while the
    /// version stays the same. Returns another key if there is one already: call once more with it. Without one, call
    /// again later with what [`Self::get`] gives then.
    pub async fn refused(&self, version: &VersionId) -> Option<LeasedKey> {
        match self.0.refused(version).await {
            AfterRefusal::Newer(lease) => Some(LeasedKey(lease)),
            AfterRefusal::NoneYet => None,
        }
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        self.0.standing()
    }

    /// By which clock its lease is counted.
    #[cfg(feature = "middleware")]
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        self.0.clock()
    }

    /// What decides when it is refreshed.
    #[cfg(feature = "middleware")]
    pub(crate) fn jitter(&self) -> &Arc<dyn Jitter> {
        self.0.jitter()
    }
}

impl LeasedKey {
    /// The key's text, to be put on a request at once and kept nowhere.
    ///
    /// # Errors
    /// [`KeyError::HeldTooLong`]: its lease is over.
    pub fn expose(&self) -> Result<&str, KeyError> {
        self.0.get().map(KeyText::expose)
    }

    /// Of which version of the secret it is.
    pub fn version(&self) -> &VersionId {
        self.0.version()
    }

    /// How long ago it was asked for at Secrets Manager.
    pub fn age(&self) -> std::time::Duration {
        self.0.age()
    }

    /// How long it may still be used.
    pub fn left(&self) -> std::time::Duration {
        self.0.left()
    }
}

#[derive(Debug, Clone)]
enum Of {
    Secret(SecretId),
    Slot(SlotName),
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(secret) => write!(f, "secret {secret}"),
            Self::Slot(slot) => write!(f, "slot {slot}"),
        }
    }
}

/// Brings what is made of one version of one secret.
struct Fetcher<M> {
    of: Of,
    version: Option<String>,
    stage: Option<String>,
    /// The slot's secret, once it was found.
    found: Mutex<Option<SecretId>>,
    environment: Environment,
    source: Arc<dyn SecretSource>,
    make: M,
}

#[async_trait]
impl<T, M> Fetch<T> for Fetcher<M>
where
    T: Send + Sync + 'static,
    M: Fn(SecretValue) -> Result<T, FetchError> + Send + Sync,
{
    fn of(&self) -> String {
        self.of.to_string()
    }

    async fn fetch(&self) -> Result<Fetched<T>, FetchError> {
        let secret = self.find().await?;
        let outcome = self.fetch_from(&secret).await;
        if outcome.is_err() {
            // The slot may have another secret by now.
            self.remember(None);
        }
        let value = outcome?;
        self.remember(Some(secret));
        let version = value.version.clone();
        let value = (self.make)(value)?;
        Ok(Fetched { version, value })
    }
}

impl<M> Fetcher<M> {
    fn remember(&self, secret: Option<SecretId>) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = secret;
    }

    async fn find(&self) -> Result<SecretId, FetchError> {
        let slot = match &self.of {
            Of::Secret(secret) => return Ok(secret.clone()),
            Of::Slot(slot) => slot,
        };
        let known = self.found.lock();
        let known = known.unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = self.source.of_slot(slot).await?;
        match <[SecretId; 1]>::try_from(found) {
            Ok([secret]) => Ok(secret),
            Err(found) => Err(FetchError::NotOne(found.len())),
        }
    }

    /// Looks at the secret's tags first where they decide: outside production, and whether it is the slot's, since lists
    /// of secrets lag behind.
    async fn fetch_from(&self, secret: &SecretId) -> Result<SecretValue, FetchError> {
        let by_slot = match &self.of {
            Of::Slot(slot) => Some(slot.as_str()),
            Of::Secret(_) => None,
        };
        if by_slot.is_some() || self.environment != Environment::Prod {
            let tags = self.source.tags(secret).await?;
            if by_slot.is_some_and(|slot| tags.slot.as_deref() != Some(slot)) {
                return Err(FetchError::NotOne(0));
            }
            if self.environment != Environment::Prod && tags.are_of_production() {
                return Err(FetchError::Production(self.environment));
            }
        }
        let query = Query {
            secret: secret.clone(),
            version: self.version.clone(),
            stage: self.stage.clone(),
        };
        self.source.get(&query).await
    }
}
