//! CloudTrail's event history: who has read which secret, and what was called under a name. One signed call, without the
//! SDK's large client.

mod calls;
mod reads;

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use http::HeaderName;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use keyward_core::ports::{Clock, ListError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::signed::{Call, SignedCall};

const CALL: Call = Call {
    service: "cloudtrail",
    id: "CloudTrail",
    operation: "LookupEvents",
    path: "/",
    timeout: Duration::from_secs(20),
};

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
pub struct CloudTrail(SignedCall);

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
        Self(SignedCall::new(config, client, clock, &CALL))
    }

    async fn ask(&self, body: &Value) -> Result<Answer, ListError> {
        let headers = [
            (CONTENT_TYPE, "application/x-amz-json-1.1"),
            (HeaderName::from_static("x-amz-target"), TARGET),
        ];
        let answer = self.0.post(&headers, body.to_string()).await?;
        let status = answer.status();
        let text = self.0.text(answer).await?;
        if !status.is_success() {
            return Err(refused(status.as_u16(), &text));
        }
        serde_json::from_slice(&text)
            .map_err(|_| ListError::Unavailable(CALL.named("the answer is none")))
    }
}

/// An error names its code in the body:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/CommonErrors.html>.
fn refused(status: u16, body: &[u8]) -> ListError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = body["__type"].as_str().unwrap_or("no error code");
    let code = code.rsplit('#').next().unwrap_or(code);
    let why = CALL.named(format_args!("{code}, status {status}"));
    let passes =
        status >= 500 || status == 429 || code.contains("Throttl") || code.contains("RequestLimit");
    match passes {
        true => ListError::Unavailable(why),
        false => ListError::Refused(why),
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
