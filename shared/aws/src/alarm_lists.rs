//! All alarms on metrics, as an audit reads them.

use async_trait::async_trait;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{AlarmType, MetricAlarm, StateValue};
use jiff::Timestamp;
use keyward_core::model::alarm::AlarmState;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{AlarmLists, ListError, ListPage, ListedAlarm, PageToken};

use crate::alarms::CloudWatchAlarms;
use crate::fault::examine;
use crate::kill_alarms::found;

/// The most that a page may hold:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html>.
const PAGE: i32 = 100;

#[async_trait]
impl AlarmLists for CloudWatchAlarms {
    async fn alarms(&self, after: Option<&PageToken>) -> Result<ListPage<ListedAlarm>, ListError> {
        let request = self.client().describe_alarms();
        let page = request
            .alarm_types(AlarmType::MetricAlarm)
            .max_records(PAGE)
            .set_next_token(after.map(|token| token.0.clone()))
            .send()
            .await
            .map_err(|error| examine("DescribeAlarms", &error).of_list())?;
        let alarms = page.metric_alarms().iter().map(listed);
        Ok(ListPage {
            items: alarms.collect::<Result<_, _>>()?,
            next: page.next_token.map(PageToken),
        })
    }
}

/// An alarm that cannot be named fails the page: it would be missing in the list.
fn listed(alarm: &MetricAlarm) -> Result<ListedAlarm, ListError> {
    let unreadable = || ListError::Refused(OutsideText::new("an alarm's ARN cannot be read"));
    Ok(ListedAlarm {
        alarm: found(alarm).ok_or_else(unreadable)?,
        state: AlarmState::new(alarm.state_value().map_or("", StateValue::as_str)),
        since: alarm.state_transitioned_timestamp().and_then(moment),
    })
}

fn moment(time: &DateTime) -> Option<Timestamp> {
    let nanos = i32::try_from(time.subsec_nanos()).ok()?;
    Timestamp::new(time.secs(), nanos).ok()
}
