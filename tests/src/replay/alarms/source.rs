//! CloudWatch, with the calls to it in the report.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::alarm::{AlarmArn, AlarmSettings, Change};
use keyward_core::ports::{AlarmError, AlarmSource};
use keyward_testkit::memory::MemoryAlarms;

use crate::replay::report::AwsCall;
use crate::replay::wire::Wire;

pub(super) struct Seen {
    alarms: Arc<MemoryAlarms>,
    wire: Wire,
}

impl Seen {
    pub(super) fn new(alarms: Arc<MemoryAlarms>, wire: Wire) -> Self {
        Self { alarms, wire }
    }

    fn note<T>(&self, operation: &str, answer: &Result<T, AlarmError>) {
        let answer = match answer {
            Ok(_) => "ok",
            Err(_) => "ResourceNotFoundException",
        };
        self.wire.note(AwsCall {
            operation: operation.to_owned(),
            answer: answer.to_owned(),
            ..AwsCall::default()
        });
    }
}

#[async_trait]
impl AlarmSource for Seen {
    async fn tags(&self, alarm: &AlarmArn) -> Result<BTreeMap<String, String>, AlarmError> {
        let answer = self.alarms.tags(alarm).await;
        self.note("ListTagsForResource", &answer);
        answer
    }

    async fn changes(
        &self,
        alarm: &AlarmArn,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Change>, AlarmError> {
        let answer = self.alarms.changes(alarm, from, to).await;
        self.note("DescribeAlarmHistory", &answer);
        answer
    }

    async fn settings(&self, alarm: &AlarmArn) -> Result<AlarmSettings, AlarmError> {
        let answer = self.alarms.settings(alarm).await;
        self.note("DescribeAlarms", &answer);
        answer
    }
}
