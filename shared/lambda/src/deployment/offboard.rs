//! The ports of offboarding.

use std::sync::Arc;

use keyward_aws::{ActsByKillSwitch, CloudTrail, S3Reports};
use keyward_core::usecases::offboard::Offboarder;

use super::{DeploymentError, aws_client, built_on, patient_client};
use crate::config::OffboardConfig;
use crate::http::Http;

/// What offboarding works with. Nothing is sent.
///
/// # Errors
/// [`DeploymentError`].
pub async fn offboard(config: &OffboardConfig) -> Result<Offboarder, DeploymentError> {
    let http = Http::new(&config.common.http)?;
    let client = aws_client(&http)?;
    let aws = keyward_aws::load(client.clone()).await;
    let built = built_on(&config.common, &http, &aws).await?;
    let (stack, function) = (
        config.kill_switch.stack.clone(),
        &config.kill_switch.function,
    );
    let patient = patient_client(&http)?;
    let clock = built.ports.clock.clone();
    let reports = S3Reports::new(&aws, &config.reports).owned_by(&config.deployment.account);
    Ok(Offboarder {
        ports: built.ports,
        cases: built.inventory,
        orders: Arc::new(ActsByKillSwitch::new(&aws, patient, function, stack)),
        reads: Arc::new(CloudTrail::new(&aws, client, clock)),
        evidence: Arc::new(reports),
        recovery_days: config.recovery_days,
    })
}
