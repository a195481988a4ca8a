//! The ports of a deployed function: AWS and the configured provider accounts.

mod audit;
mod offboard;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use keyward_aws::{
    ActsByKillSwitch, CloudWatchAlarms, CloudWatchMetrics, DynamoInventory, KillSwitchFunction,
    OffboardFunction, RequestSigner, SdkConfig, SecretsManager, SignError, SnsAlerts,
};
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::SecretArn;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    ActOrders, Acts, AlarmStates, Clock, KillAlarms, Migration, NoActOrders, NoOffboardOrders,
    OffboardOrders, Offboardings, ProviderError, RiskRegister, UsageStore,
};
use keyward_core::rules::kill::Deployment;
use keyward_core::usecases::Ports;
use keyward_core::usecases::drill::Drills;
use keyward_core::usecases::kill_switch::KillSwitch;
use keyward_core::usecases::monitor::MonitorPorts;
use keyward_core::usecases::retire::Retire;
use keyward_providers::config::ProviderAccounts;
use keyward_providers::http::{Connections, HttpClient, HttpSettings, guard};
use keyward_providers::{AdminKeySource, AwsSigner, ConfiguredProviders, ToSign};

use crate::clock::SystemClock;
use crate::config::{Config, ControlConfig, KillConfig, KillSwitchOf, MonitorConfig, OffboardOf};
use crate::http::{Http, HttpError};

pub use audit::audit;
pub use offboard::offboard;

/// A function cannot start. A person must mend the deployment.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// HTTP clients could not be built.
    #[error("HTTP could not be set up")]
    Http(#[from] HttpError),
    /// A provider's HTTP client could not be built.
    #[error("an HTTP client cannot be built")]
    Client(#[from] reqwest::Error),
}

/// Builds the ports. Nothing is sent: the first call of each port finds out whether it is permitted.
///
/// # Errors
/// [`DeploymentError`].
pub async fn ports(config: &Config) -> Result<Ports, DeploymentError> {
    let http = Http::new(&config.http)?;
    let aws = keyward_aws::load(aws_client(&http)?).await;
    Ok(ports_on(config, &http, &aws).await?.0)
}

/// The same, with the record of acts and what alarms say now.
///
/// # Errors
/// [`DeploymentError`].
pub async fn control(config: &ControlConfig) -> Result<ControlPorts, DeploymentError> {
    let http = Http::new(&config.common.http)?;
    let aws = keyward_aws::load(aws_client(&http)?).await;
    let (ports, inventory) = ports_on(&config.common, &http, &aws).await?;
    let alarms = Arc::new(CloudWatchAlarms::new(&keyward_aws::hurried(&aws)));
    let drills = config.deployment.clone().map(|deployment| Drills {
        alarms: alarms.clone(),
        metrics: Arc::new(CloudWatchMetrics::new(&aws)),
        deployment,
    });
    let guards = config.deployment.clone().map(|deployment| {
        let alarms: Arc<dyn KillAlarms> = Arc::new(CloudWatchAlarms::new(&aws));
        (alarms, deployment)
    });
    let orders: Arc<dyn ActOrders> = match &config.kill_switch {
        None => Arc::new(NoActOrders),
        Some(KillSwitchOf { stack, function }) => {
            let client = patient_client(&http)?;
            Arc::new(ActsByKillSwitch::new(&aws, client, function, stack.clone()))
        }
    };
    let offboard: Arc<dyn OffboardOrders> = match &config.offboard {
        None => Arc::new(NoOffboardOrders),
        Some(OffboardOf { stack, function }) => {
            Arc::new(OffboardFunction::new(&aws, function, stack.clone()))
        }
    };
    Ok(ControlPorts {
        ports,
        orders,
        cases: inventory.clone(),
        offboard,
        acts: inventory.clone(),
        risks: inventory.clone(),
        items: inventory.clone(),
        usage: inventory,
        alarms,
        drills,
        guards,
    })
}

/// What the control function works with.
pub struct ControlPorts {
    /// The outside world of a use case.
    pub ports: Ports,
    /// What writes at a provider.
    pub orders: Arc<dyn ActOrders>,
    /// The cases of offboarding.
    pub cases: Arc<dyn Offboardings>,
    /// What carries them on.
    pub offboard: Arc<dyn OffboardOrders>,
    /// The record of acts.
    pub acts: Arc<dyn Acts>,
    /// Who answers for which finding.
    pub risks: Arc<dyn RiskRegister>,
    /// The items of the inventory's table as such.
    pub items: Arc<dyn Migration>,
    /// Where usage and prices are kept.
    pub usage: Arc<dyn UsageStore>,
    /// What alarms say now.
    pub alarms: Arc<dyn AlarmStates>,
    /// What a drill works with; `None` where the deployment is not told who it is.
    pub drills: Option<Drills>,
    /// The alarms that guard slots, and whose they are; `None` where the deployment is not told who it is.
    pub guards: Option<(Arc<dyn KillAlarms>, Deployment)>,
}

/// What the kill switch works with. Nothing is sent.
///
/// # Errors
/// [`DeploymentError`].
pub async fn kill_switch(config: &KillConfig) -> Result<KillSwitch, DeploymentError> {
    let http = Http::new(&config.common.http)?;
    let aws = keyward_aws::load(aws_client(&http)?).await;
    let (ports, _) = ports_on(&config.common, &http, &aws).await?;
    Ok(KillSwitch {
        ports,
        alarms: Arc::new(CloudWatchAlarms::new(&keyward_aws::hurried(&aws))),
        deployment: config.deployment.clone(),
        confirm: config.common.confirm,
    })
}

/// What `retire` works with. Nothing is sent.
///
/// # Errors
/// [`DeploymentError`].
pub async fn retire(config: &Config) -> Result<Retire, DeploymentError> {
    let http = Http::new(&config.http)?;
    let aws = keyward_aws::load(aws_client(&http)?).await;
    let (ports, inventory) = ports_on(config, &http, &aws).await?;
    Ok(Retire {
        ports,
        usage: inventory.clone(),
        leases: inventory,
        confirm: config.confirm,
    })
}

/// What the monitor works with. Nothing is sent.
///
/// # Errors
/// [`DeploymentError`].
pub async fn monitor(config: &MonitorConfig) -> Result<MonitorPorts, DeploymentError> {
    let http = Http::new(&config.common.http)?;
    let aws = keyward_aws::load(aws_client(&http)?).await;
    let (ports, inventory) = ports_on(&config.common, &http, &aws).await?;
    let alarms = Arc::new(CloudWatchAlarms::new(&aws));
    Ok(MonitorPorts {
        ports,
        usage: inventory.clone(),
        leases: inventory,
        metrics: Arc::new(CloudWatchMetrics::new(&aws)),
        alarm_source: alarms.clone(),
        alarms,
        kill_switch: Arc::new(KillSwitchFunction::new(&aws, &config.kill_switch)),
        deployment: config.deployment.clone(),
    })
}

async fn ports_on(
    config: &Config,
    http: &Http,
    aws: &SdkConfig,
) -> Result<(Ports, Arc<DynamoInventory>), DeploymentError> {
    let built = built_on(config, http, aws).await?;
    Ok((built.ports, built.inventory))
}

/// The same with what it is made of.
struct Built {
    ports: Ports,
    inventory: Arc<DynamoInventory>,
    secrets: Arc<SecretsManager>,
    providers: Arc<ConfiguredProviders>,
}

async fn built_on(config: &Config, http: &Http, aws: &SdkConfig) -> Result<Built, DeploymentError> {
    let accounts = config.accounts.clone();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let secrets = SecretsManager::new(aws)
        .with_roles(aws, &config.secret_roles)
        .await;
    let admin = Arc::new(AdminSecrets(secrets.clone()));
    let client = provider_client(config.http.timeout, http, &accounts, &clock)?;
    let inventory = DynamoInventory::new(aws, &config.table).as_of(config.release);
    let inventory = Arc::new(inventory);
    let signer = Arc::new(RoleSigner(RequestSigner::new(aws)));
    let providers = ConfiguredProviders::new(accounts, Arc::new(client), admin)
        .with_aws(signer)
        .opened_by(config.credential);
    let (secrets, providers) = (Arc::new(secrets), Arc::new(providers));
    let ports = Ports {
        secrets: secrets.clone(),
        pools: inventory.clone(),
        inventory: inventory.clone(),
        providers: providers.clone(),
        alerts: Arc::new(
            SnsAlerts::new(aws, &config.alert_topic_arn).with_runbook(&config.runbook),
        ),
        clock,
    };
    Ok(Built {
        ports,
        inventory,
        secrets,
        providers,
    })
}

fn aws_client(http: &Http) -> Result<reqwest::Client, reqwest::Error> {
    http.pooled_builder()
        .connect_timeout(keyward_aws::CONNECT_TIMEOUT)
        .build()
}

/// The client for calls that are waited for until a function has ended.
fn patient_client(http: &Http) -> Result<reqwest::Client, reqwest::Error> {
    http.pooled_builder()
        .connect_timeout(keyward_aws::CONNECT_TIMEOUT)
        .timeout(keyward_aws::ANSWER_TIMEOUT)
        .build()
}

/// The client of all drivers, for the hosts of `accounts` alone. `timeout` is for one request.
///
/// # Errors
/// It cannot be built.
pub fn provider_client(
    timeout: Duration,
    http: &Http,
    accounts: &ProviderAccounts,
    clock: &Arc<dyn Clock>,
) -> Result<HttpClient, reqwest::Error> {
    let settings = HttpSettings {
        timeout,
        ..HttpSettings::default()
    };
    let allowed = accounts.allowed_hosts();
    let guarded = |builder, connections| guard(builder, connections, &settings, &allowed).build();
    let pooled = guarded(http.pooled_builder(), Connections::Pooled)?;
    let fresh = guarded(http.fresh_builder(), Connections::Fresh)?;
    let chance = fastrand::Rng::new();
    Ok(HttpClient::new(
        pooled,
        fresh,
        Arc::clone(clock),
        settings,
        chance,
    ))
}

/// Signs requests to AWS as the function's own role.
pub struct RoleSigner(pub RequestSigner);

#[async_trait]
impl AwsSigner for RoleSigner {
    async fn sign(
        &self,
        request: &ToSign<'_>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, ProviderError> {
        let scope = (request.service, request.region);
        let signed = self
            .0
            .sign(scope, request.url.as_str(), request.body, request.at);
        signed.await.map_err(|error| {
            let detail =
                OutsideText::new(&crate::diagnostic::chain(&error as &(dyn Error + 'static)));
            match error {
                SignError::Unavailable(_) => ProviderError::RetryAfter {
                    after: None,
                    detail,
                },
                SignError::NoCredentials(_) | SignError::Request(_) => {
                    ProviderError::AdminCredential { detail }
                }
            }
        })
    }
}

/// Credentials of provider accounts out of Secrets Manager.
pub struct AdminSecrets(pub SecretsManager);

#[async_trait]
impl AdminKeySource for AdminSecrets {
    async fn admin_key(&self, arn: &SecretArn) -> Result<AdminKey, ProviderError> {
        self.0.admin_key(arn).await.map_err(|error| {
            let detail =
                OutsideText::new(&crate::diagnostic::chain(&error as &(dyn Error + 'static)));
            if error.is_retryable() {
                ProviderError::RetryAfter {
                    after: None,
                    detail,
                }
            } else {
                ProviderError::AdminCredential { detail }
            }
        })
    }
}
