//! Secrets Manager itself, by the AWS SDK.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;
use secrecy::SecretSlice;
use zeroize::Zeroize;

use crate::document::taken;
use crate::error::{FetchError, clean};
use crate::source::{
    Content, Query, SecretId, SecretSource, SecretValue, SlotName, Tags, VersionId,
};

/// How long one attempt may take,
const ATTEMPT: Duration = Duration::from_secs(5);
/// and a call with all its attempts.
const OPERATION: Duration = Duration::from_secs(15);
const ATTEMPTS: u32 = 3;

/// Secrets Manager, in the account and region of an [`SdkConfig`]. Nothing is asked of AWS until a key is.
#[derive(Debug, Clone)]
pub struct SecretsManager(Client);

impl SecretsManager {
    /// By the region, credentials and HTTP client of `config`: `aws_config::load_from_env().await`, or what the agent has.
    pub fn new(config: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .read_timeout(ATTEMPT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION);
        let config = aws_sdk_secretsmanager::config::Builder::from(config)
            .timeout_config(timeouts.build())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        Self(Client::from_conf(config.build()))
    }
}

#[async_trait]
impl SecretSource for SecretsManager {
    async fn get(&self, query: &Query) -> Result<SecretValue, FetchError> {
        let request = self.0.get_secret_value().secret_id(query.secret.as_str());
        let request = request
            .set_version_id(query.version.clone())
            .set_version_stage(query.stage.clone());
        let mut answer = request.send().await.map_err(|error| failed(&error))?;
        let content = match (answer.secret_string.take(), answer.secret_binary.take()) {
            (Some(text), _) => Content::Text(taken(text)),
            (None, Some(bytes)) => {
                let mut bytes = bytes.into_inner();
                let exact: Box<[u8]> = bytes.as_slice().into();
                bytes.zeroize();
                Content::Binary(SecretSlice::from(exact))
            }
            (None, None) => return Err(FetchError::NoAnswer),
        };
        let created = answer.created_date;
        Ok(SecretValue {
            arn: answer.arn.unwrap_or_default(),
            name: answer.name.unwrap_or_default(),
            version: VersionId::new(answer.version_id.ok_or(FetchError::NoAnswer)?),
            content,
            stages: answer.version_stages.unwrap_or_default(),
            created: created.and_then(|at| SystemTime::try_from(at).ok()),
        })
    }

    async fn tags(&self, secret: &SecretId) -> Result<Tags, FetchError> {
        let request = self.0.describe_secret().secret_id(secret.as_str());
        let answer = request.send().await.map_err(|error| failed(&error))?;
        let mut tags = Tags::default();
        for tag in answer.tags.unwrap_or_default() {
            match tag.key.as_deref() {
                Some("keyward:slot") => tags.slot = tag.value,
                Some("keyward:environment") => tags.environment = tag.value,
                _ => {}
            }
        }
        Ok(tags)
    }

    /// The filter matches values by how they begin, so the names that are longer are left out by who asks: each secret's tags
    /// are looked at. <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html>
    async fn of_slot(&self, slot: &SlotName) -> Result<Vec<SecretId>, FetchError> {
        let filter = |key, value: &str| Filter::builder().key(key).values(value).build();
        let mut found = Vec::new();
        let mut pages = self
            .0
            .list_secrets()
            .filters(filter(FilterNameStringType::TagKey, "keyward:slot"))
            .filters(filter(FilterNameStringType::TagValue, slot.as_str()))
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(&error))?;
            for secret in page.secret_list.unwrap_or_default() {
                let tags = secret.tags.unwrap_or_default();
                let is_its = tags.iter().any(|tag| {
                    tag.key() == Some("keyward:slot") && tag.value() == Some(slot.as_str())
                });
                let id = secret.arn.as_deref().map(SecretId::new);
                if let (true, Some(Ok(id))) = (is_its, id) {
                    found.push(id);
                }
            }
        }
        Ok(found)
    }
}

/// Codes that pass, of those that come with status 400, and credentials that ran out:
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>.
const PASSES: [&str; 15] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "RequestThrottled",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
    "RequestTimeout",
    "RequestTimeoutException",
    "InternalServiceError",
    "InternalFailure",
    "ServiceUnavailable",
    "ExpiredToken",
    "ExpiredTokenException",
];

fn failed<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> FetchError {
    match error {
        SdkError::ServiceError(service) => {
            let meta = service.err().meta();
            let status = service.raw().status().as_u16();
            let Some(code) = meta.code().map(clean) else {
                return FetchError::NoAnswer;
            };
            if status >= 500 || status == 429 || PASSES.contains(&code.as_str()) {
                return FetchError::Busy { code };
            }
            let message = clean(meta.message().unwrap_or_default());
            FetchError::Refused { code, message }
        }
        SdkError::TimeoutError(_) => FetchError::Unreachable("it timed out".to_owned()),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(cause) if cause.is_timeout() => FetchError::Unreachable("it timed out".to_owned()),
            Some(cause) if has_no_credentials(cause) => FetchError::NoCredentials,
            _ => FetchError::Unreachable("not sent, or not answered".to_owned()),
        },
        SdkError::ConstructionFailure(_) => {
            FetchError::Unreachable("the request could not be made".to_owned())
        }
        // An answer that could not be read is not quoted: it may be a secret's value.
        _ => FetchError::NoAnswer,
    }
}

/// Whether there are none, rather than that they could not be had this time.
fn has_no_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(cause) = cause.downcast_ref::<CredentialsError>() {
            return matches!(
                cause,
                CredentialsError::CredentialsNotLoaded(_)
                    | CredentialsError::InvalidConfiguration(_)
            );
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests;
