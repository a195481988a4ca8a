use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::model::names::AccountName;
use keyward_core::model::slot::ProviderName;
use keyward_core::ports::{
    Administered, Clock, KeyProvider, PoolSettings, ProviderError, Providers,
};
use keyward_testkit::simulator::Settings;

use super::Simulated;

/// A simulated account of each of some providers, as one deployment has them.
pub struct Several(Vec<Simulated>);

/// The providers of the demo and of most end-to-end tests: each has another way to its keys.
pub const THREE: [ProviderName; 3] = [
    ProviderName::OpenRouter,
    ProviderName::OpenAi,
    ProviderName::Anthropic,
];

impl Several {
    /// Starts one of each with these settings.
    pub async fn start(
        providers: &[ProviderName],
        clock: Arc<dyn Clock>,
        settings: &Settings,
    ) -> Self {
        let mut several = Vec::new();
        for &provider in providers {
            let settings = Settings {
                provider,
                ..settings.clone()
            };
            several.push(Simulated::start(clock.clone(), settings).await);
        }
        Self(several)
    }

    /// The account of a provider.
    ///
    /// # Panics
    /// If there is none.
    pub fn at(&self, provider: ProviderName) -> &Simulated {
        self.find(provider).unwrap()
    }

    /// The account of a provider, if there is one.
    pub fn find(&self, provider: ProviderName) -> Option<&Simulated> {
        let mut all = self.0.iter();
        all.find(|s| s.simulator.settings().provider == provider)
    }

    /// All accounts.
    pub fn iter(&self) -> impl Iterator<Item = &Simulated> {
        self.0.iter()
    }

    /// All of them as one deployment opens them.
    pub fn providers(&self) -> Arc<dyn Providers> {
        let each = self.0.iter().map(|s| s.providers.clone() as _);
        Arc::new(Opened(each.collect()))
    }
}

struct Opened(Vec<Arc<dyn Providers>>);

#[async_trait]
impl Providers for Opened {
    async fn open(
        &self,
        account: &AccountName,
        provider: ProviderName,
    ) -> Result<Arc<dyn KeyProvider>, ProviderError> {
        let mut refused = None;
        for each in &self.0 {
            match each.open(account, provider).await {
                Ok(driver) => return Ok(driver),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or(ProviderError::Unsupported("be opened: there is no account")))
    }

    fn pool(&self, account: &AccountName) -> Option<PoolSettings> {
        self.0.iter().find_map(|each| each.pool(account))
    }

    fn pools(&self) -> Vec<AccountName> {
        self.0.iter().flat_map(|each| each.pools()).collect()
    }

    fn administered(&self) -> Vec<Administered> {
        self.0.iter().flat_map(|each| each.administered()).collect()
    }
}
