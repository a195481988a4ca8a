//! The monitor as it is deployed, and the alarms that it keeps.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::functions::{On, binaries};
use super::{Deployment, Failed, Guard, STACK};

/// The function's name.
const MONITOR: &str = "monitor";

/// An address at which nobody answers: <https://www.iana.org/assignments/service-names-port-numbers>.
pub const NOWHERE: &str = "http://127.0.0.1:1";

impl Deployment {
    /// Deploys the monitor of what `guard` guards, with CloudWatch where ministack is.
    pub async fn watch(&self, guard: &Guard) {
        self.watch_with(guard, self.ministack.url()).await;
    }

    /// The same with CloudWatch at `cloudwatch`.
    pub async fn watch_with(&self, guard: &Guard, cloudwatch: &str) {
        let told = [
            ("KEYWARD_ALARM_TOPIC_ARN", guard.topic.as_str()),
            ("KEYWARD_KILL_SWITCH_ARN", guard.kill_switch.as_str()),
            ("AWS_ENDPOINT_URL_CLOUDWATCH", cloudwatch),
            ("AWS_ENDPOINT_URL_LAMBDA", self.ministack.url()),
        ];
        self.deploy_as(On::Moto, MONITOR, |b| &b.monitor, &told)
            .await;
    }

    /// What the monitor did when its schedule woke it.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn monitor(&self) -> Result<Value, Failed> {
        let event = json!({"source": "aws.events", "detail-type": "Scheduled Event"});
        self.invoke(MONITOR, &event).await
    }

    /// Ends the monitor's process: the next run begins with what is in the store.
    pub async fn restart_monitor(&self) {
        self.end_all(&binaries().monitor).await;
    }
}

impl Guard {
    /// The alarms that guard slots, and their states.
    pub async fn alarms(&self) -> BTreeMap<String, String> {
        alarms(&self.alarms).await
    }
}

/// The alarms that guard slots, and their states.
pub(super) async fn alarms(client: &aws_sdk_cloudwatch::Client) -> BTreeMap<String, String> {
    let described = client.describe_alarms().alarm_name_prefix(alarm_of(""));
    let described = described.send().await.unwrap();
    let alarms = described.metric_alarms().iter();
    let read = alarms.map(|alarm| {
        let state = alarm.state_value().map(|state| state.as_str());
        let name = alarm.alarm_name().unwrap_or_default();
        (name.to_owned(), state.unwrap_or_default().to_owned())
    });
    read.collect()
}

/// The name of the alarm that guards a slot.
pub fn alarm_of(slot: &str) -> String {
    format!("keyward-{STACK}-kill-{slot}")
}
