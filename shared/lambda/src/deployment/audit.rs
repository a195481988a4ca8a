//! The ports of the audit.

use std::sync::Arc;

use keyward_aws::{CloudWatchAlarms, CredentialSecrets, LambdaFunctions, S3Reports, SecurityHub};
use keyward_core::usecases::audit::{AuditPorts, Auditor, Hub, Render, Writer};

use super::{DeploymentError, aws_client, built_on};
use crate::config::{AuditConfig, SendTo};
use crate::http::Http;

/// What the audit works with: its report is written by `renders`, and its findings for Security Hub, where the deployment has
/// them sent there, by `hub`. Nothing is sent.
///
/// # Errors
/// [`DeploymentError`].
pub async fn audit(
    config: &AuditConfig,
    renders: Vec<Render>,
    hub: Writer,
) -> Result<Auditor, DeploymentError> {
    let http = Http::new(&config.common.http)?;
    let client = aws_client(&http)?;
    let aws = keyward_aws::load(client.clone()).await;
    let built = built_on(&config.common, &http, &aws).await?;
    let (deployment, accounts) = (&config.deployment, &config.common.accounts);
    let reports = S3Reports::new(&aws, &config.reports).owned_by(&deployment.account);
    let reports = Arc::new(reports);
    let clock = built.ports.clock.clone();
    let ports = AuditPorts {
        census: built.inventory.clone(),
        secrets: built.secrets,
        iam: Arc::new(built.providers.bedrock_users(&deployment.region)),
        providers: built.providers,
        pools: built.inventory.clone(),
        usage: built.inventory.clone(),
        alarms: Arc::new(CloudWatchAlarms::new(&aws)),
        functions: Arc::new(LambdaFunctions::new(&aws)),
        ages: Arc::new(CredentialSecrets::new(&aws, accounts.credential_secrets())),
        people: Some(reports.clone()),
        acts: built.inventory.clone(),
        risks: built.inventory.clone(),
        reports,
        clock: clock.clone(),
    };
    let hub = match config.hub {
        SendTo::ReportAlone => None,
        SendTo::SecurityHub => Some(Hub {
            hub: Arc::new(SecurityHub::new(&aws, client, clock)),
            write: hub,
        }),
    };
    Ok(Auditor {
        ports,
        leases: built.inventory,
        alerts: built.ports.alerts,
        hub,
        deployment: deployment.clone(),
        accounts: accounts.whose(),
        renders,
    })
}
