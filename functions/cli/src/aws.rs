//! AWS with the operator's own credentials.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use async_trait::async_trait;
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use keyward_aws::{DynamoInventory, SecretRoles, SecretsManager};
use keyward_core::model::alert::Alert;
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::SecretArn;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{AlertError, Alerts, Clock, InventoryError, ProviderError};
use keyward_core::usecases::Ports;
use keyward_lambda::clock::SystemClock;
use keyward_lambda::deployment::provider_client;
use keyward_lambda::http::{Http, HttpSettings};
use keyward_providers::config::ProviderAccounts;
use keyward_providers::{AdminKeySource, ConfiguredProviders};

use crate::settings;

/// Time for one request to the control function: its own time-out is 5 minutes.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(310);

/// Region, credentials and endpoints as AWS's own tools read them, and the HTTP that goes with them.
pub(crate) struct Aws {
    pub(crate) config: SdkConfig,
    http: Http,
    roles: SecretRoles,
}

impl Aws {
    pub(crate) async fn load() -> Result<Self> {
        let roles = settings::secret_roles()?;
        let http = Http::new(&HttpSettings {
            extra_roots: keyward_lambda::config::environment("KEYWARD_EXTRA_ROOTS")
                .filter(|path| !path.is_empty())
                .map(Into::into),
            timeout: TIMEOUT,
        })?;
        let client = http
            .pooled_builder()
            .connect_timeout(keyward_aws::CONNECT_TIMEOUT)
            .build()?;
        Ok(Self {
            config: keyward_aws::load(client).await,
            http,
            roles,
        })
    }

    /// Secrets of the account, and of others by the roles that the functions use, if the operator may assume them.
    pub(crate) async fn secrets(&self) -> SecretsManager {
        let own = SecretsManager::new(&self.config);
        own.with_roles(&self.config, &self.roles).await
    }

    /// Whom AWS is asked as.
    pub(crate) async fn credentials(&self) -> Result<Credentials> {
        let provider = self.config.credentials_provider();
        let provider = provider.context("no AWS credentials are configured")?;
        provider.provide_credentials().await.context(
            "no AWS credentials were found, and nothing was sent: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    }

    /// A client for the control function.
    pub(crate) fn client(&self) -> Result<reqwest::Client> {
        Ok(self.http.pooled()?)
    }

    /// The ports of commands that read, and of `rotate`. No provider is called: there are no admin credentials here.
    pub(crate) async fn ports(&self, table: &str, accounts: ProviderAccounts) -> Result<Ports> {
        let inventory = Arc::new(self.inventory(table).await?);
        Ok(Ports {
            secrets: Arc::new(self.secrets().await),
            pools: inventory.clone(),
            inventory,
            providers: Arc::new(self.providers(accounts)?),
            alerts: Arc::new(Nobody),
            clock: Arc::new(SystemClock),
        })
    }

    /// The inventory's table. Nothing is sent but what finding credentials takes.
    pub(crate) async fn inventory(&self, table: &str) -> Result<DynamoInventory> {
        if self.config.region().is_none() {
            bail!("no region is set, and nothing was sent: set AWS_REGION");
        }
        self.credentials().await?;
        Ok(DynamoInventory::new(&self.config, table))
    }

    /// The error, and what a person looks at if the table refused: here their own settings and role are in question.
    pub(crate) fn explain(&self, table: &str, error: InventoryError) -> anyhow::Error {
        let cause = match error {
            InventoryError::Refused(cause) => cause,
            error => return error.into(),
        };
        let region = self.config.region().map_or("?", Region::as_ref);
        let cause = keyward_lambda::diagnostic::chain(cause.as_ref());
        if let Some(other) = crate::settings::other_region(region) {
            return anyhow!(
                "the table {table} refused to be read in {region}, and your other settings are of {other}: set AWS_REGION={other}, or take all settings from one stack: {cause}"
            );
        }
        anyhow!(
            "the table {table} in {region} refused to be read: KEYWARD_TABLE and AWS_REGION must be the deployment's, your credentials in date, and your role needs dynamodb:GetItem and Query on it and kms:Decrypt on its key: {cause}"
        )
    }

    /// The drivers of accounts.
    pub(crate) fn providers(&self, accounts: ProviderAccounts) -> Result<ConfiguredProviders> {
        self.providers_by(accounts, Arc::new(NoAdminKeys), TIMEOUT)
    }

    /// The same, opened by credentials from `keys`; a request takes no longer than `timeout`.
    pub(crate) fn providers_by(
        &self,
        accounts: ProviderAccounts,
        keys: Arc<dyn AdminKeySource>,
        timeout: Duration,
    ) -> Result<ConfiguredProviders> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let client = provider_client(timeout, &self.http, &accounts, &clock)?;
        Ok(ConfiguredProviders::new(accounts, Arc::new(client), keys))
    }
}

/// Commands that read alert nobody.
struct Nobody;

#[async_trait]
impl Alerts for Nobody {
    async fn send(&self, _: &Alert) -> Result<(), AlertError> {
        Ok(())
    }
}

/// People have no admin credentials.
struct NoAdminKeys;

#[async_trait]
impl AdminKeySource for NoAdminKeys {
    async fn admin_key(&self, _: &SecretArn) -> Result<AdminKey, ProviderError> {
        Err(ProviderError::AdminCredential {
            detail: OutsideText::new("the command has none"),
        })
    }
}
