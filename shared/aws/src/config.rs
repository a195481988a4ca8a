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
