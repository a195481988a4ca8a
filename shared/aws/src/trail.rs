//! CloudTrail's event history: what was called under a name. One signed call, without the SDK's large client.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Clock, ListError, SeenCall, Trail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::signer::{RequestSigner, SignError};

/// The most that a page holds, and how fast pages may be asked for: two a second.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>
const PAGE: usize = 50;
const BETWEEN: jiff::SignedDuration = jiff::SignedDuration::from_millis(600);

/// How often a page is asked for again where too many were.
const TRIES: usize = 4;

const TIMEOUT: Duration = Duration::from_secs(30);
const SERVICE: &str = "cloudtrail";
const TARGET: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents";

/// The event history of the account and region of this process: management events of the last 90 days. What is read or
/// written in a table is not among them, nor is what was called in another region.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events.html>
#[derive(Clone)]
pub struct CloudTrail {
    client: reqwest::Client,
    signer: RequestSigner,
    clock: Arc<dyn Clock>,
    region: String,
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    events: Vec<Event>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    event_time: Value,
    #[serde(default)]
    event_name: String,
    #[serde(default)]
    event_source: String,
    #[serde(default)]
    resources: Vec<Resource>,
    /// The whole event, as JSON in a text.
    #[serde(default)]
    cloud_trail_event: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    #[serde(default)]
    resource_name: String,
}

impl CloudTrail {
    /// In the region of `config`, with its credentials. `client` must not follow redirects.
    pub fn new(config: &SdkConfig, client: reqwest::Client, clock: Arc<dyn Clock>) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let suffix = match region.split('-').next() {
            Some("cn") => "amazonaws.com.cn",
            _ => "amazonaws.com",
        };
        let key = ServiceConfigKey::builder()
            .service_id("CloudTrail")
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build();
        let own = config.service_config().zip(key.ok());
        let own = own.and_then(|(services, key)| services.load_config(key));
        let url = own.or_else(|| config.endpoint_url().map(str::to_owned));
        Self {
            client,
            signer: RequestSigner::new(config),
            clock,
            url: url.unwrap_or_else(|| format!("https://{SERVICE}.{region}.{suffix}/")),
            region,
        }
    }

    async fn page(&self, body: &Value) -> Result<Page, ListError> {
        let mut tries = 1;
        loop {
            match self.page_once(body).await {
                Err(ListError::Unavailable(_)) if tries < TRIES => {
                    tries += 1;
                    self.clock.sleep(BETWEEN * 2).await;
                }
                done => return done,
            }
        }
    }

    async fn page_once(&self, body: &Value) -> Result<Page, ListError> {
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
        let answer = request.send().await.map_err(|_| unanswered())?;
        let status = answer.status();
        let text = answer.bytes().await.map_err(|_| unanswered())?;
        if status.is_success() {
            return serde_json::from_slice(&text).map_err(|_| {
                ListError::Unavailable(OutsideText::new("LookupEvents: the answer is none"))
            });
        }
        let code = serde_json::from_slice::<Value>(&text).ok();
        let code = code.and_then(|body| Some(body.get("__type")?.as_str()?.to_owned()));
        let code = code.unwrap_or_else(|| "no error code".to_owned());
        let why = OutsideText::new(&format!("LookupEvents: {code}, status {status}"));
        let passes =
            status.is_server_error() || status.as_u16() == 429 || code.contains("Throttling");
        Err(match passes {
            true => ListError::Unavailable(why),
            false => ListError::Refused(why),
        })
    }
}

#[async_trait]
impl Trail for CloudTrail {
    /// What a Lambda function calls stands under its own name: that is what its role's session is called.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html>
    async fn calls(
        &self,
        name: &str,
        since: Timestamp,
        limit: usize,
    ) -> Result<(Vec<SeenCall>, bool), ListError> {
        let mut calls = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut body = json!({
                "LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": name}],
                "StartTime": since.as_second(),
                "MaxResults": PAGE,
            });
            if let Some(token) = &next {
                body["NextToken"] = json!(token);
            }
            let page = self.page(&body).await?;
            calls.extend(page.events.into_iter().filter_map(seen));
            let more = page.next_token.filter(|token| !token.is_empty());
            if calls.len() >= limit {
                let cut = calls.len() > limit || more.is_some();
                calls.truncate(limit);
                return Ok((calls, cut));
            }
            if more.is_none() {
                return Ok((calls, false));
            }
            next = more;
            self.clock.sleep(BETWEEN).await;
        }
    }
}

/// An event without a readable time has no place in the list.
fn seen(event: Event) -> Option<SeenCall> {
    let seconds = event.event_time.as_f64()?;
    let whole: Value = serde_json::from_str(&event.cloud_trail_event).unwrap_or_default();
    let text = |field: &str| whole.get(field).and_then(Value::as_str);
    let about = event.resources.iter().map(|r| r.resource_name.as_str());
    let service = event.event_source.split('.').next().unwrap_or_default();
    Some(SeenCall {
        at: Timestamp::from_second(seconds as i64).ok()?,
        call: OutsideText::new(&format!("{service}:{}", event.event_name)),
        about: OutsideText::new(&about.collect::<Vec<_>>().join(" ")),
        from: OutsideText::new(text("sourceIPAddress").unwrap_or_default()),
        refused: text("errorCode").map(OutsideText::new),
    })
}

fn unanswered() -> ListError {
    ListError::Unavailable(OutsideText::new("LookupEvents: not sent or not answered"))
}

fn unsigned(error: SignError) -> ListError {
    let why = OutsideText::new(&format!("LookupEvents: {error}"));
    match error {
        SignError::Unavailable(_) => ListError::Unavailable(why),
        SignError::NoCredentials(_) | SignError::Request(_) => ListError::Refused(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_and_one_without_a_time_is_left_out() {
        let event = |time: Value| -> Event {
            serde_json::from_value(json!({
                "EventTime": time, "EventName": "GetSecretValue", "EventSource": "secretsmanager.amazonaws.com",
                "Resources": [{"ResourceType": "AWS::SecretsManager::Secret", "ResourceName": "keyward/prod/admin/a"}],
                "CloudTrailEvent": r#"{"sourceIPAddress":"198.51.100.7","errorCode":"AccessDenied"}"#,
            }))
            .unwrap()
        };
        let read = seen(event(json!(1_780_000_000.0))).unwrap();
        assert_eq!(read.at, Timestamp::from_second(1_780_000_000).unwrap());
        assert_eq!(read.call.as_str(), "secretsmanager:GetSecretValue");
        assert_eq!(read.about.as_str(), "keyward/prod/admin/a");
        assert_eq!(read.from.as_str(), "198.51.100.7");
        assert_eq!(read.refused.unwrap().as_str(), "AccessDenied");
        assert!(seen(event(json!(null))).is_none());
    }
}
