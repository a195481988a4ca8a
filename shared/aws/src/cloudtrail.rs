//! Who has read which secret, by CloudTrail's event history: one signed call, without the SDK's large client.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Clock, ListError, PageToken, ReadsPage, SecretRead, SecretReads};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::signer::{RequestSigner, SignError};

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(20);

const SERVICE: &str = "cloudtrail";

/// The operation, as requests in this protocol name it:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>.
const TARGET: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents";

/// The event of a read: <https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html>.
const READ: &str = "GetSecretValue";

/// CloudTrail's event history in the account and region of this process. It is kept for 90 days whether there is a trail or
/// not: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events.html>.
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
    /// Seconds since 1970.
    event_time: f64,
    #[serde(default)]
    cloud_trail_event: String,
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

    async fn ask(&self, body: String) -> Result<Answer, ListError> {
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

#[async_trait]
impl SecretReads for CloudTrail {
    /// LookupEvents takes one attribute alone, so what is not a read is left out here.
    async fn reads(
        &self,
        who: &OutsideText,
        from: Timestamp,
        to: Timestamp,
        page: Option<&PageToken>,
    ) -> Result<ReadsPage, ListError> {
        let mut body = json!({
            "LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": who}],
            "StartTime": from.as_second(),
            "EndTime": to.as_second(),
            "MaxResults": 50,
        });
        if let Some(page) = page {
            body["NextToken"] = json!(page.0);
        }
        let answer = self.ask(body.to_string()).await?;
        let back_to = answer.events.last().and_then(moment);
        let reads = answer
            .events
            .iter()
            .filter(|event| event.event_name == READ);
        Ok(ReadsPage {
            reads: reads.filter_map(read).collect(),
            back_to,
            next: answer
                .next_token
                .filter(|token| !token.is_empty())
                .map(PageToken),
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "whole seconds are what is told"
)]
fn moment(event: &Listed) -> Option<Timestamp> {
    Timestamp::from_second(event.event_time as i64).ok()
}

/// What was read is in the event itself, as its request had it.
fn read(event: &Listed) -> Option<SecretRead> {
    let whole: Value = serde_json::from_str(&event.cloud_trail_event).ok()?;
    // A read that was refused told nobody anything.
    if whole.get("errorCode").is_some_and(|code| !code.is_null()) {
        return None;
    }
    let secret = whole["requestParameters"]["secretId"].as_str()?;
    Some(SecretRead {
        secret: OutsideText::new(secret),
        at: moment(event)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str, event: &Value) -> Listed {
        Listed {
            event_name: name.to_owned(),
            event_time: 1_796_115_600.0,
            cloud_trail_event: event.to_string(),
        }
    }

    #[test]
    fn a_read_is_told_by_what_was_asked_for_and_a_refused_one_is_none() {
        let event = json!({"requestParameters": {"secretId": "llm/bot"}, "errorCode": null});
        let found = read(&listed(READ, &event)).unwrap();
        assert_eq!(found.secret.as_str(), "llm/bot");
        assert_eq!(found.at.to_string(), "2026-12-01T09:00:00Z");
        let denied =
            json!({"requestParameters": {"secretId": "llm/bot"}, "errorCode": "AccessDenied"});
        assert_eq!(read(&listed(READ, &denied)), None);
        assert_eq!(
            read(&listed(READ, &json!({"requestParameters": null}))),
            None
        );
    }

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
