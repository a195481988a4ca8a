//! What an audit reads from a workstation.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use aws_config::Region;
use keyward_aws::{
    CloudWatchAlarms, CredentialSecrets, DynamoInventory, LambdaFunctions, RequestSigner, S3Reports,
};
use keyward_core::model::audit::Period;
use keyward_core::model::names::AccountName;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{ListError, Mark, People, Remembered, ReportFile, ReportSink};
use keyward_core::rules::audit::life::Ledger;
use keyward_core::rules::kill::Deployment;
use keyward_core::usecases::audit::AuditPorts;
use keyward_lambda::clock::SystemClock;
use keyward_lambda::config::{deployment_from, environment};
use keyward_lambda::deployment::{AdminSecrets, RoleSigner};
use keyward_providers::ConfiguredProviders;
use keyward_providers::config::{Credential, ProviderAccounts};

use super::super::providers::configured;
use crate::aws::Aws;
use crate::print::complain;
use crate::settings::{self, TABLE};

/// A page of a provider's list takes no longer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What the environment says.
pub(super) struct Settings {
    table: String,
    pub(super) deployment: Deployment,
    accounts: ProviderAccounts,
    /// The bucket of reports.
    reports: Option<String>,
}

impl Settings {
    pub(super) fn read() -> Result<Self> {
        let [table] = settings::required([TABLE])?;
        let deployment = deployment_from(environment).context(
            "who the deployment is is not known, and nothing was read: the stack's output CommandSettings has KEYWARD_STACK and KEYWARD_ALARM_TOPIC_ARN",
        )?;
        let set = |name| environment(name).filter(|value| !value.trim().is_empty());
        Ok(Self {
            table,
            deployment,
            accounts: configured()?,
            reports: set("KEYWARD_REPORTS"),
        })
    }

    pub(super) fn accounts(&self) -> Vec<(AccountName, ProviderName)> {
        self.accounts.whose()
    }
}

/// The ports, and what earlier audits found; `None` where that cannot be read, which is said.
pub(super) async fn open(aws: &Aws, settings: Settings) -> Result<(AuditPorts, Option<Ledger>)> {
    let inventory = Arc::new(aws.inventory(&settings.table).await?);
    let config = &aws.config;
    let region = config.region().map_or("", Region::as_ref).to_owned();
    if region != settings.deployment.region {
        bail!(
            "AWS_REGION is {region}, and the deployment is in {}; nothing was read",
            settings.deployment.region
        );
    }
    let secrets: Vec<_> = settings.accounts.credential_secrets().collect();
    let providers = reading(aws, settings.accounts).await?;
    let bucket = settings.reports.as_deref().map(|bucket| {
        let reports = S3Reports::new(config, bucket);
        Arc::new(reports.owned_by(&settings.deployment.account))
    });
    let before = before(bucket.as_deref()).await;
    let people = bucket.map(|bucket| bucket as Arc<dyn People>);
    let ports = ports(aws, inventory, providers, &region, secrets, people).await;
    Ok((ports, before))
}

async fn ports(
    aws: &Aws,
    inventory: Arc<DynamoInventory>,
    providers: ConfiguredProviders,
    region: &str,
    secrets: Vec<(
        AccountName,
        &'static str,
        keyward_core::model::names::SecretArn,
    )>,
    people: Option<Arc<dyn People>>,
) -> AuditPorts {
    let config = &aws.config;
    AuditPorts {
        census: inventory.clone(),
        secrets: Arc::new(aws.secrets().await),
        iam: Arc::new(providers.bedrock_users(region)),
        providers: Arc::new(providers),
        pools: inventory.clone(),
        usage: inventory.clone(),
        alarms: Arc::new(CloudWatchAlarms::new(config)),
        functions: Arc::new(LambdaFunctions::new(config)),
        ages: Arc::new(CredentialSecrets::new(config, secrets)),
        people,
        acts: inventory.clone(),
        risks: inventory,
        reports: Arc::new(KeepsNothing),
        clock: Arc::new(SystemClock),
    }
}

/// Provider accounts opened to be read, by the credentials that the person may read in Secrets Manager.
pub(super) async fn reading(aws: &Aws, accounts: ProviderAccounts) -> Result<ConfiguredProviders> {
    let secrets = AdminSecrets(aws.secrets().await);
    let signer = RoleSigner(RequestSigner::new(&aws.config));
    Ok(aws
        .providers_by(accounts, Arc::new(secrets), TIMEOUT)?
        .with_aws(Arc::new(signer))
        .opened_by(Credential::Read))
}

/// What earlier audits found.
async fn before(bucket: Option<&S3Reports>) -> Option<Ledger> {
    let why = match bucket {
        None => "KEYWARD_REPORTS is not set".to_owned(),
        Some(bucket) => match bucket.ledger().await {
            Ok(remembered) => return Some(remembered.ledger),
            Err(error) => error.to_string(),
        },
    };
    complain(&format!(
        "keyward: what is new is not known, since what earlier audits found was not read: {why}"
    ));
    None
}

/// From here nothing is kept.
struct KeepsNothing;

fn nothing<T>() -> Result<T, ListError> {
    let why = "the command keeps nothing";
    Err(ListError::Refused(OutsideText::new(why)))
}

#[async_trait]
impl ReportSink for KeepsNothing {
    async fn ledger(&self) -> Result<Remembered, ListError> {
        nothing()
    }

    async fn keep(&self, _: &Remembered) -> Result<Option<Mark>, ListError> {
        nothing()
    }

    async fn put(&self, _: Period, _: ReportFile) -> Result<String, ListError> {
        nothing()
    }

    fn page(&self, _: Period, _: &str) -> String {
        String::new()
    }
}
