//! CloudTrail's event history: who has read which secret, and what was called under a name. One signed call, without the
//! SDK's large client.

mod calls;
mod reads;

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Clock, ListError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::signer::{RequestSigner, SignError};

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(20);

const SERVICE: &str = "cloudtrail";

/// The operation, as requests in this protocol name it:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>.
const TARGET: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents";

/// The most events that a page holds:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>.
const PAGE: usize = 50;

/// The event history of the account and region of this process: management events of the last 90 days, whether there is a
/// trail or not. What is read or written in a table is not among them, nor is what was called in another region.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events.html>
#[derive(Clone)]
pub struct CloudTrail {
    client: reqwest::Client,
    signer: RequestSigner,
    clock: Arc<dyn Clock>,
    region: String,
    url: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    events: Vec<Listed>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(default)]
    event_name: String,
    #[serde(default)]
    event_source: String,
    /// Seconds since 1970.
    event_time: Option<f64>,
    #[serde(default)]
    resources: Vec<Resource>,
    /// The whole event, as JSON in a text.
    #[serde(default)]
    cloud_trail_event: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    #[serde(default)]
    resource_name: String,
}

/// What was called under the name of a user or a session from `from` on, a page of it. LookupEvents takes one attribute
/// alone.
fn under(name: &str, from: Timestamp) -> Value {
    json!({
        "LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": name}],
        "StartTime": from.as_second(),
        "MaxResults": PAGE,
    })
}

impl CloudTrail {
    /// In the region of `config`, with its credentials. `client` must not follow redirects.
    pub fn new(config: &SdkConfig, client: reqwest::Client, clock: Arc<dyn Clock>) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let host = endpoint(config).unwrap_or_else(|| {
            let suffix = match region.split('-').next() {
                Some("cn") => "amazonaws.com.cn",
                _ => "amazonaws.com",
            };
            format!("https://{SERVICE}.{region}.{suffix}")
        });
        Self {
            client,
            signer: RequestSigner::new(config),
            clock,
            url: format!("{}/", host.trim_end_matches('/')),
            region,
        }
    }

    async fn ask(&self, body: &Value) -> Result<Answer, ListError> {
        let body = body.to_string();
        let scope = (SERVICE, self.region.as_str());
        let signed = self
            .signer
            .sign(scope, &self.url, body.as_bytes(), self.clock.now());
        let signed = signed.await.map_err(unsigned)?;
        let mut request = self.client.post(&self.url).timeout(TIMEOUT);
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let request = request
            .header(CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", TARGET)
            .body(body);
        let answer = request.send().await.map_err(|error| lost(&error))?;
        let status = answer.status();
        let text = answer.bytes().await.map_err(|error| lost(&error))?;
        if !status.is_success() {
            return Err(refused(status.as_u16(), &text));
        }
        serde_json::from_slice(&text).map_err(|_| unavailable("the answer is none"))
    }
}

/// Another endpoint, as the SDK's own clients find theirs:
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>.
fn endpoint(config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("CloudTrail")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let own = config.service_config().zip(key.ok());
    let own = own.and_then(|(services, key)| services.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}

/// An error names its code in the body:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/CommonErrors.html>.
fn refused(status: u16, body: &[u8]) -> ListError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = body["__type"].as_str().unwrap_or("no error code");
    let code = code.rsplit('#').next().unwrap_or(code);
    let why = OutsideText::new(&format!("LookupEvents: {code}, status {status}"));
    let passes =
        status >= 500 || status == 429 || code.contains("Throttl") || code.contains("RequestLimit");
    match passes {
        true => ListError::Unavailable(why),
        false => ListError::Refused(why),
    }
}

fn unavailable(why: &str) -> ListError {
    ListError::Unavailable(OutsideText::new(&format!("LookupEvents: {why}")))
}

fn lost(error: &reqwest::Error) -> ListError {
    unavailable(match error.is_timeout() {
        true => "timed out",
        false => "not sent or not answered",
    })
}

fn unsigned(error: SignError) -> ListError {
    let why = OutsideText::new(&format!("LookupEvents: {error}"));
    match error {
        SignError::Unavailable(_) => ListError::Unavailable(why),
        SignError::NoCredentials(_) | SignError::Request(_) => ListError::Refused(why),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "whole seconds are what is told"
)]
fn moment(event: &Listed) -> Option<Timestamp> {
    Timestamp::from_second(event.event_time? as i64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_a_person_must_mend() {
        for (status, code, passes) in [
            (
                400,
                "com.amazon.coral.availability#ThrottlingException",
                true,
            ),
            (400, "AccessDeniedException", false),
            (500, "InternalError", true),
            (403, "", false),
        ] {
            let body = json!({ "__type": code }).to_string();
            let error = refused(status, body.as_bytes());
            assert_eq!(error.is_retryable(), passes, "{code}");
        }
    }
}
