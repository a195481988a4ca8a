//! The alarms that guard slots, in CloudWatch.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_cloudwatch::types::{
    AlarmType, ComparisonOperator, Dimension, MetricAlarm, Statistic, Tag,
};
use keyward_core::model::alarm::AlarmArn;
use keyward_core::model::kill_alarm::{AlarmSetup, FoundAlarm, KillAlarm};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{KillAlarmError, KillAlarms, TAG_SLOT, TAG_STACK};

use crate::alarms::{CloudWatchAlarms, metric_of};
use crate::fault::{Failure, Fault, examine};

const LIST: &str = "DescribeAlarms";
const MAKE: &str = "PutMetricAlarm";
const TAG: &str = "TagResource";
const REMOVE: &str = "DeleteAlarms";

/// What people read beside the alarm.
const DESCRIPTION: &str = "Made by Keyward: cuts the slot's key off when its usage is far above normal. Changes are set right again.";

/// What a period without values is taken for by itself:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>.
const MISSING_BY_DEFAULT: &str = "missing";

#[async_trait]
impl KillAlarms for CloudWatchAlarms {
    /// A page has 100 alarms at most:
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html>.
    async fn list(&self, prefix: &str) -> Result<Vec<FoundAlarm>, KillAlarmError> {
        let request = self.client().describe_alarms().alarm_name_prefix(prefix);
        let request = request.alarm_types(AlarmType::MetricAlarm).max_records(100);
        let mut pages = request.into_paginator().send();
        let mut list = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(examine(LIST, &error)))?;
            for alarm in page.metric_alarms() {
                list.push(found(alarm).ok_or_else(unreadable)?);
            }
        }
        Ok(list)
    }

    /// Tags count for an alarm that is new only:
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>.
    async fn make(&self, alarm: &KillAlarm) -> Result<(), KillAlarmError> {
        let setup = &alarm.setup;
        let dimensions = setup.metric.dimensions.iter();
        let dimensions = dimensions.map(|(name, value)| {
            let dimension = Dimension::builder().name(name.as_str());
            dimension.value(value.as_str()).build()
        });
        let tells = setup.tells.iter().map(|arn| arn.as_str().to_owned());
        let request = self
            .client()
            .put_metric_alarm()
            .alarm_name(&alarm.name)
            .alarm_description(DESCRIPTION)
            .namespace(setup.metric.namespace.as_str())
            .metric_name(setup.metric.name.as_str())
            .set_dimensions(Some(dimensions.collect()))
            .statistic(Statistic::from(setup.statistic.as_str()))
            .period(setup.period)
            .evaluation_periods(setup.periods)
            .datapoints_to_alarm(setup.to_alarm)
            .comparison_operator(ComparisonOperator::from(setup.comparison.as_str()))
            .set_threshold(setup.line_thousandths.map(|line| line as f64 / 1000.0))
            .treat_missing_data(setup.missing.as_str())
            .actions_enabled(setup.is_enabled)
            .set_alarm_actions(Some(tells.collect()))
            .set_tags(Some(tags(alarm)));
        let made = request.send().await;
        made.map_err(|error| failed(examine(MAKE, &error)))?;
        Ok(())
    }

    async fn tag(&self, arn: &AlarmArn, alarm: &KillAlarm) -> Result<(), KillAlarmError> {
        let request = self.client().tag_resource().resource_arn(arn.to_string());
        let tagged = request.set_tags(Some(tags(alarm))).send().await;
        tagged.map_err(|error| failed(examine(TAG, &error)))?;
        Ok(())
    }

    /// One at a time: of several, one that is not there may keep all the others.
    async fn remove(&self, arn: &AlarmArn) -> Result<(), KillAlarmError> {
        let removed = self.client().delete_alarms().alarm_names(arn.name());
        match removed.send().await {
            Ok(_) => Ok(()),
            Err(error) => match examine(REMOVE, &error) {
                failure if failure.is_not_there() => Ok(()),
                failure => Err(failed(failure)),
            },
        }
    }
}

fn tags(alarm: &KillAlarm) -> Vec<Tag> {
    [
        (TAG_STACK, alarm.stack.as_str()),
        (TAG_SLOT, alarm.slot.as_str()),
    ]
    .map(|(key, value)| Tag::builder().key(key).value(value).build())
    .into()
}

fn failed(failure: Failure) -> KillAlarmError {
    match failure.is_transient {
        true => KillAlarmError::Unavailable(failure.fault.into()),
        false => KillAlarmError::Refused(failure.fault.into()),
    }
}

fn unreadable() -> KillAlarmError {
    KillAlarmError::Unavailable(Fault::new(LIST, "an alarm has no ARN that can be read").into())
}

/// An alarm as CloudWatch tells it; `None` if it cannot be named.
pub(crate) fn found(alarm: &MetricAlarm) -> Option<FoundAlarm> {
    Some(FoundAlarm {
        arn: alarm.alarm_arn()?.parse().ok()?,
        setup: setup(alarm),
    })
}

/// How an alarm on one metric is set up. What is not told has AWS's own default, or is nothing that is ever wanted.
fn setup(alarm: &MetricAlarm) -> Option<AlarmSetup> {
    let text = OutsideText::new;
    let periods = alarm.evaluation_periods()?;
    Some(AlarmSetup {
        metric: metric_of(alarm)?,
        statistic: text(alarm.statistic().map_or("", Statistic::as_str)),
        period: alarm.period()?,
        periods,
        to_alarm: alarm.datapoints_to_alarm().unwrap_or(periods),
        comparison: text(
            alarm
                .comparison_operator()
                .map_or("", ComparisonOperator::as_str),
        ),
        line_thousandths: alarm.threshold().and_then(thousandths),
        missing: text(alarm.treat_missing_data().unwrap_or(MISSING_BY_DEFAULT)),
        is_enabled: alarm.actions_enabled().unwrap_or(true),
        tells: alarm
            .alarm_actions()
            .iter()
            .map(|arn| text(arn))
            .collect::<BTreeSet<_>>(),
    })
}

/// A number of thousandths, if it is one.
fn thousandths(line: f64) -> Option<i64> {
    let thousandths = line * 1000.0;
    let is_whole = thousandths.fract() == 0.0 && thousandths.abs() < 9e15;
    is_whole.then_some(thousandths as i64)
}
