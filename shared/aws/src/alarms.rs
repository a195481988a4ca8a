//! Alarms in CloudWatch.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{AlarmHistoryItem, AlarmType, HistoryItemType};
use jiff::Timestamp;
use keyward_core::model::alarm::{AlarmArn, AlarmState, Change};
use keyward_core::ports::{AlarmError, AlarmSource};
use serde_json::Value;

use crate::fault::{Failure, Fault, examine};

/// What AWS answers about an alarm that is not there:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListTagsForResource.html>. The shorter form is
/// that of CloudWatch's other operations on alarms.
const NOT_THERE: [&str; 2] = ["ResourceNotFoundException", "ResourceNotFound"];

const TAGS: &str = "ListTagsForResource";
const HISTORY: &str = "DescribeAlarmHistory";

/// Alarms of the account and region of the configuration.
#[derive(Debug, Clone)]
pub struct CloudWatchAlarms {
    client: Client,
}

impl CloudWatchAlarms {
    /// Alarms of the account and region of `config`.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }
}

#[async_trait]
impl AlarmSource for CloudWatchAlarms {
    async fn tags(&self, alarm: &AlarmArn) -> Result<BTreeMap<String, String>, AlarmError> {
        let request = self.client.list_tags_for_resource();
        let answer = request.resource_arn(alarm.to_string()).send().await;
        let answer = answer.map_err(|error| failed(examine(TAGS, &error)))?;
        let tags = answer.tags.unwrap_or_default().into_iter();
        Ok(tags
            .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
            .collect())
    }

    /// Without types, DescribeAlarmHistory shows alarms on metrics only:
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html>. For alarms on
    /// alarms the permission must be for `*`.
    async fn changes(
        &self,
        alarm: &AlarmArn,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Change>, AlarmError> {
        let request = self.client.describe_alarm_history();
        let mut pages = request
            .alarm_name(alarm.name())
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .history_item_type(HistoryItemType::StateUpdate)
            .start_date(date(from))
            .end_date(date(to))
            .into_paginator()
            .send();
        let mut changes = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(examine(HISTORY, &error)))?;
            for item in page.alarm_history_items() {
                changes.push(change(item).ok_or_else(unreadable)?);
            }
        }
        Ok(changes)
    }
}

fn failed(failure: Failure) -> AlarmError {
    match NOT_THERE.contains(&failure.code()) {
        true => AlarmError::NotThere,
        false => AlarmError::CouldNotAsk(failure.fault.into()),
    }
}

fn unreadable() -> AlarmError {
    let what = "an entry of the history could not be read";
    AlarmError::CouldNotAsk(Fault::new(HISTORY, what).into())
}

fn date(at: Timestamp) -> DateTime {
    DateTime::from_nanos(at.as_nanosecond()).unwrap_or(DateTime::from_secs(at.as_second()))
}

/// An entry's time and the state in its data, `newState.stateValue`:
/// <https://docs.aws.amazon.com/cli/latest/reference/cloudwatch/describe-alarm-history.html>.
fn change(item: &AlarmHistoryItem) -> Option<Change> {
    let at = Timestamp::from_nanosecond(item.timestamp()?.as_nanos()).ok()?;
    let data: Value = serde_json::from_str(item.history_data()?).ok()?;
    let to = data.pointer("/newState/stateValue")?.as_str()?;
    Some(Change {
        at,
        to: AlarmState::new(to),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{Answer, Recorded};

    const ARN: &str = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:keyward-prod-kill-chat-eu";

    fn item(data: &str) -> AlarmHistoryItem {
        AlarmHistoryItem::builder()
            .timestamp(DateTime::from_millis(1_795_618_804_987))
            .history_data(data)
            .build()
    }

    #[test]
    fn an_entry_is_its_time_and_its_new_state() {
        let data =
            r#"{"version":"1.0","oldState":{"stateValue":"OK"},"newState":{"stateValue":"ALARM"}}"#;
        let expected = Change {
            at: "2026-11-25T15:00:04.987Z".parse().unwrap(),
            to: AlarmState::Alarm,
        };
        assert_eq!(change(&item(data)), Some(expected));
        for data in [
            "",
            "{",
            "{}",
            r#"{"newState":"ALARM"}"#,
            r#"{"newState":{"stateValue":1}}"#,
        ] {
            assert_eq!(change(&item(data)), None, "{data}");
        }
        let mut without_time = item(data);
        without_time.timestamp = None;
        assert_eq!(change(&without_time), None);
    }

    #[tokio::test]
    async fn only_an_alarm_that_aws_does_not_know_is_not_there() {
        let alarm: AlarmArn = ARN.parse().unwrap();
        let now: Timestamp = "2026-11-25T15:00:00Z".parse().unwrap();
        for (answer, is_there) in [
            (Answer::cbor_error(404, "ResourceNotFoundException"), false),
            (Answer::cbor_error(404, "ResourceNotFound"), false),
            (Answer::cbor_error(403, "AccessDenied"), true),
            (Answer::cbor_error(400, "ThrottlingException"), true),
            (
                Answer::cbor_error(400, "InvalidParameterValueException"),
                true,
            ),
            (Answer::cbor_error(500, "InternalServiceFault"), true),
            (Answer::Body(404, "not found".to_owned()), true),
            (Answer::Body(200, "hello".to_owned()), true),
            (Answer::TimedOut, true),
        ] {
            let recorded = Recorded::new([answer.clone(), answer.clone()]);
            let alarms = CloudWatchAlarms::new(&recorded.config());
            let tags = alarms.tags(&alarm).await.err();
            let changes = alarms.changes(&alarm, now, now).await.err();
            for error in [tags, changes] {
                let error = error.unwrap_or_else(|| panic!("{answer:?}"));
                let could_not_ask = matches!(error, AlarmError::CouldNotAsk(_));
                assert_eq!(could_not_ask, is_there, "{answer:?}: {error:?}");
            }
        }
    }
}
