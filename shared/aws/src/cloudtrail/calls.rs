//! What was called under a name.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{ListError, SeenCall, Trail};
use serde_json::{Value, json};

use super::{Answer, CloudTrail, Listed, moment, under};

/// How fast pages may be asked for: two a second.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>
const BETWEEN: SignedDuration = SignedDuration::from_millis(600);

/// How often a page is asked for again where too many were.
const TRIES: usize = 4;

impl CloudTrail {
    async fn page(&self, body: &Value) -> Result<Answer, ListError> {
        let mut tries = 1;
        loop {
            match self.ask(body).await {
                Err(ListError::Unavailable(_)) if tries < TRIES => {
                    tries += 1;
                    self.0.clock.sleep(BETWEEN * 2).await;
                }
                done => return done,
            }
        }
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
            let mut body = under(name, since);
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
            self.0.clock.sleep(BETWEEN).await;
        }
    }
}

/// An event without a readable time has no place in the list.
fn seen(event: Listed) -> Option<SeenCall> {
    let whole: Value = serde_json::from_str(&event.cloud_trail_event).unwrap_or_default();
    let text = |field: &str| whole.get(field).and_then(Value::as_str);
    let about = event.resources.iter().map(|r| r.resource_name.as_str());
    let service = event.event_source.split('.').next().unwrap_or_default();
    Some(SeenCall {
        at: moment(&event)?,
        call: OutsideText::new(&format!("{service}:{}", event.event_name)),
        about: OutsideText::new(&about.collect::<Vec<_>>().join(" ")),
        from: OutsideText::new(text("sourceIPAddress").unwrap_or_default()),
        refused: text("errorCode").map(OutsideText::new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_and_one_without_a_time_is_left_out() {
        let event = |time: Value| -> Listed {
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
