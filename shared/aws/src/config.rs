//! What all AWS clients share.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};

use crate::http::ReqwestClient;

/// How long a connection to AWS may take to come about: to be set on the HTTP client that is handed to [`load`].
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a call may take with all its attempts.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(15);

const MAX_ATTEMPTS: u32 = 3;

/// Region, credentials and endpoints from the environment, as AWS's own tools read them
/// (`AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_SECRETS_MANAGER` and so on,
/// <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>), with few retries and short time-outs.
///
/// Credentials are looked for at the first call. In a Lambda function all of it is in environment variables, so
/// nothing here waits for a network.
pub async fn load(client: reqwest::Client) -> SdkConfig {
    loader(client).load().await
}

/// What [`load`] loads, for changing something first.
pub fn loader(client: reqwest::Client) -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(ATTEMPT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(ReqwestClient::new(client))
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

/// How long a call may take with all its attempts where no more than 2 seconds are left for an answer.
const HURRIED_OPERATION: Duration = Duration::from_millis(1900);

/// How long one attempt of it may take.
const HURRIED_ATTEMPT: Duration = Duration::from_millis(800);

/// The same for calls that are waited for 2 seconds and no more: what is lost on the way is sent again within them.
pub fn hurried(config: &SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(HURRIED_ATTEMPT)
        .read_timeout(HURRIED_ATTEMPT)
        .operation_attempt_timeout(HURRIED_ATTEMPT)
        .operation_timeout(HURRIED_OPERATION)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(MAX_ATTEMPTS)
        .with_initial_backoff(Duration::from_millis(50));
    let builder = config.to_builder().timeout_config(timeouts);
    builder.retry_config(retries).build()
}
