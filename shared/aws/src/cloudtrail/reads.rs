//! Who has read which secret.

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{ListError, PageToken, ReadsPage, SecretRead, SecretReads};
use serde_json::{Value, json};

use super::{CloudTrail, Listed, moment, under};

/// The event of a read: <https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html>.
const READ: &str = "GetSecretValue";

#[async_trait]
impl SecretReads for CloudTrail {
    /// What is not a read is left out here.
    async fn reads(
        &self,
        who: &OutsideText,
        from: Timestamp,
        to: Timestamp,
        page: Option<&PageToken>,
    ) -> Result<ReadsPage, ListError> {
        let mut body = under(who.as_str(), from);
        body["EndTime"] = json!(to.as_second());
        if let Some(page) = page {
            body["NextToken"] = json!(page.0);
        }
        let answer = self.ask(&body).await?;
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
            event_source: "secretsmanager.amazonaws.com".to_owned(),
            event_time: Some(1_796_115_600.0),
            resources: Vec::new(),
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
}
