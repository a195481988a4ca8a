//! Alarms in CloudWatch.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::operation::describe_alarms::{DescribeAlarmsError, DescribeAlarmsOutput};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmHistoryItem, AlarmType, HistoryItemType, MetricAlarm, StateValue,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use jiff::Timestamp;
use keyward_core::model::alarm::{AlarmArn, AlarmMetric, AlarmSettings, AlarmState, Change};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{AlarmError, AlarmSource, AlarmStates};
use serde_json::Value;

use crate::fault::{Failure, Fault, examine};

const TAGS: &str = "ListTagsForResource";
const STATE: &str = "DescribeAlarms";
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

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Without types, DescribeAlarms shows alarms on metrics only.
    async fn describe(
        &self,
        alarm: &AlarmArn,
    ) -> Result<DescribeAlarmsOutput, SdkError<DescribeAlarmsError, HttpResponse>> {
        let request = self.client.describe_alarms().alarm_names(alarm.name());
        let request = request
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm);
        request.send().await
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

    async fn settings(&self, alarm: &AlarmArn) -> Result<AlarmSettings, AlarmError> {
        let answer = self.describe(alarm).await;
        let answer = answer.map_err(|error| failed(examine(STATE, &error)))?;
        settings_of(&answer).ok_or(AlarmError::NotThere)
    }
}

#[async_trait]
impl AlarmStates for CloudWatchAlarms {
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html>
    async fn state(&self, alarm: &AlarmArn) -> Option<AlarmState> {
        match self.describe(alarm).await {
            Ok(answer) => Some(state_of(&answer)),
            Err(error) => {
                let error = examine(STATE, &error).fault;
                tracing::warn!(%alarm, %error, "an alarm could not be asked for its state");
                None
            }
        }
    }
}

/// The state of the one alarm of an answer; without one there is none to be in ALARM.
fn state_of(answer: &DescribeAlarmsOutput) -> AlarmState {
    let simple = answer.metric_alarms().iter().map(|a| a.state_value());
    let composite = answer.composite_alarms().iter().map(|a| a.state_value());
    match simple.chain(composite).next() {
        None => AlarmState::InsufficientData,
        Some(state) => AlarmState::new(state.map_or("", StateValue::as_str)),
    }
}

/// How the one alarm of an answer is set up. An alarm on alarms watches no metric.
fn settings_of(answer: &DescribeAlarmsOutput) -> Option<AlarmSettings> {
    let cleaned = |actions: &[String]| actions.iter().map(|a| OutsideText::new(a)).collect();
    let state = state_of(answer);
    if let Some(alarm) = answer.metric_alarms().first() {
        return Some(AlarmSettings {
            state,
            actions_enabled: alarm.actions_enabled().unwrap_or(true),
            actions: cleaned(alarm.alarm_actions()),
            metric: metric_of(alarm),
        });
    }
    let alarm = answer.composite_alarms().first()?;
    Some(AlarmSettings {
        state,
        actions_enabled: alarm.actions_enabled().unwrap_or(true),
        actions: cleaned(alarm.alarm_actions()),
        metric: None,
    })
}

/// The one metric that an alarm watches.
pub(crate) fn metric_of(alarm: &MetricAlarm) -> Option<AlarmMetric> {
    let dimensions = alarm.dimensions().iter();
    let dimensions: Vec<(&str, &str)> = dimensions
        .map(|d| (d.name().unwrap_or_default(), d.value().unwrap_or_default()))
        .collect();
    Some(AlarmMetric::new(
        alarm.namespace()?,
        alarm.metric_name()?,
        &dimensions,
    ))
}

fn failed(failure: Failure) -> AlarmError {
    match failure.is_not_there() {
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
    async fn an_alarm_is_in_the_state_that_is_told_and_unknown_where_none_is() {
        use aws_sdk_cloudwatch::types::CompositeAlarm;
        let simple = MetricAlarm::builder().state_value(StateValue::Alarm);
        let composite = CompositeAlarm::builder().state_value(StateValue::Ok);
        let answer = DescribeAlarmsOutput::builder;
        for (answer, expected) in [
            (
                answer().metric_alarms(simple.build()).build(),
                AlarmState::Alarm,
            ),
            (
                answer().composite_alarms(composite.build()).build(),
                AlarmState::Ok,
            ),
            (answer().build(), AlarmState::InsufficientData),
            (
                answer()
                    .metric_alarms(MetricAlarm::builder().build())
                    .build(),
                AlarmState::new(""),
            ),
        ] {
            assert_eq!(state_of(&answer), expected);
        }
        let alarm: AlarmArn = ARN.parse().unwrap();
        for answer in [
            Answer::cbor_error(403, "AccessDenied"),
            Answer::Body(200, "hello".to_owned()),
            Answer::TimedOut,
        ] {
            let recorded = Recorded::new([answer.clone()]);
            let alarms = CloudWatchAlarms::new(&recorded.config());
            assert_eq!(alarms.state(&alarm).await, None, "{answer:?}");
        }
    }

    #[test]
    fn an_alarm_is_set_up_as_it_is_told() {
        use aws_sdk_cloudwatch::types::{CompositeAlarm, Dimension as Given};
        let topic = "arn:aws:sns:us-east-1:111122223333:alarms";
        let given = Given::builder().name("Slot").value("chat-eu").build();
        let simple = MetricAlarm::builder()
            .state_value(StateValue::Ok)
            .actions_enabled(false)
            .alarm_actions(topic)
            .namespace("Keyward")
            .metric_name("KillScore")
            .dimensions(given)
            .build();
        let answer = DescribeAlarmsOutput::builder()
            .metric_alarms(simple)
            .build();
        let told = settings_of(&answer).unwrap();
        assert_eq!(
            (&told.state, told.actions_enabled),
            (&AlarmState::Ok, false)
        );
        assert_eq!(told.actions, [OutsideText::new(topic)]);
        let metric = AlarmMetric::new("Keyward", "KillScore", &[("Slot", "chat-eu")]);
        assert_eq!(told.metric, Some(metric));
        for (namespace, name, dimensions) in [
            ("Other", "KillScore", &[("Slot", "chat-eu")][..]),
            ("Keyward", "Spend", &[("Slot", "chat-eu")]),
            ("Keyward", "KillScore", &[("Slot", "chat")]),
            ("Keyward", "KillScore", &[]),
            (
                "Keyward",
                "KillScore",
                &[("Slot", "chat-eu"), ("Stack", "prod")],
            ),
        ] {
            let other = AlarmMetric::new(namespace, name, dimensions);
            assert_ne!(told.metric, Some(other), "{name} {dimensions:?}");
        }
        let composite = CompositeAlarm::builder().alarm_actions(topic).build();
        let answer = DescribeAlarmsOutput::builder();
        let told = settings_of(&answer.composite_alarms(composite).build()).unwrap();
        assert_eq!((told.metric, told.actions_enabled), (None, true));
        assert_eq!(settings_of(&DescribeAlarmsOutput::builder().build()), None);
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
            let recorded = Recorded::new([answer.clone(), answer.clone(), answer.clone()]);
            let alarms = CloudWatchAlarms::new(&recorded.config());
            let tags = alarms.tags(&alarm).await.err();
            let changes = alarms.changes(&alarm, now, now).await.err();
            let settings = alarms.settings(&alarm).await.err();
            for error in [tags, changes, settings] {
                let error = error.unwrap_or_else(|| panic!("{answer:?}"));
                let could_not_ask = matches!(error, AlarmError::CouldNotAsk(_));
                assert_eq!(could_not_ask, is_there, "{answer:?}: {error:?}");
            }
        }
    }
}
