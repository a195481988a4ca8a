//! The kill switch as it is deployed: alarms on a topic, and the function that the topic wakes.

use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricDatum, Statistic, Tag};
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::Slot;
use keyward_core::ports::{TAG_SLOT, TAG_STACK};
use serde_json::json;

use super::Deployment;
use super::functions::On;
use crate::local::event;

/// The name of the deployment.
pub const STACK: &str = "e2e";

/// The control function that can drill.
pub(crate) const CONTROL: &str = "control-with-drills";

/// What Keyward's metric is called.
const NAMESPACE: &str = "Keyward";
const METRIC: &str = "KillScore";

/// The alarm topic, and the alarms that publish to it.
pub struct Guard {
    /// Its ARN.
    pub topic: String,
    /// The kill switch's ARN.
    pub kill_switch: String,
    pub(super) alarms: aws_sdk_cloudwatch::Client,
}

impl Deployment {
    /// Deploys the kill switch on ministack, and lets a topic wake it.
    pub async fn guard(&self) -> Guard {
        let guard = self.guard_that_hears_nothing().await;
        let sns = aws_sdk_sns::Client::new(&self.ministack.sdk_config().await);
        let subscribe = sns.subscribe().topic_arn(&guard.topic).protocol("lambda");
        subscribe.endpoint(&guard.kill_switch).send().await.unwrap();
        guard
    }

    /// The same without a subscription: each message of an alarm is lost.
    pub async fn guard_that_hears_nothing(&self) -> Guard {
        let aws = self.ministack.sdk_config().await;
        let sns = aws_sdk_sns::Client::new(&aws);
        let topic = sns.create_topic().name("alarms").send().await.unwrap();
        let topic = topic.topic_arn().unwrap().to_owned();
        let told = [
            ("KEYWARD_ALARM_TOPIC_ARN", topic.as_str()),
            ("AWS_ENDPOINT_URL_CLOUDWATCH", self.ministack.url()),
        ];
        let kill_switch = self.deploy_as(On::Ministack, "kill-switch", |b| &b.kill_switch, &told);
        let kill_switch = kill_switch.await;
        // The same control function as elsewhere, told which alarms and topic are its own.
        self.deploy_control(CONTROL, &told).await;
        Guard {
            topic,
            kill_switch,
            alarms: aws_sdk_cloudwatch::Client::new(&aws),
        }
    }
}

impl Deployment {
    /// Asks for a drill of the slot, as a person does. Only after [`Deployment::guard`].
    pub async fn drill(&self, slot: &SlotName) {
        let body = json!({"reason": "the monthly drill", "slot": slot}).to_string();
        let event = event("POST", "/drill", body.as_bytes());
        let answer = self.invoke(CONTROL, &event).await.unwrap();
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }

    /// Lets `retire` do its work until a drill of the slot is over. A minute is not waited for.
    pub async fn until_drilled(&self, slot: &SlotName) {
        let inventory = &self.ports.inventory;
        self.until("the end of the drill", async || {
            self.retire().await.unwrap();
            let stored = self.slot(slot).await;
            let now = self.ports.clock.now();
            if stored.drill.is_some() && stored.due_at > now {
                let due = Slot {
                    due_at: now,
                    ..stored.clone()
                };
                // Whoever wrote it meanwhile looks at it too.
                let _ = inventory.save_slot(&due).await;
            }
            !inventory.drills(slot).await.unwrap().is_empty()
        })
        .await;
    }
}

impl Guard {
    /// Makes the slot's own alarm.
    pub async fn watch(&self, slot: &SlotName) {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let mut alarm = self
            .alarms
            .put_metric_alarm()
            .alarm_name(format!("keyward-{STACK}-kill-{slot}"))
            .namespace(NAMESPACE)
            .metric_name(METRIC)
            .statistic(Statistic::Maximum)
            .period(60)
            .evaluation_periods(1)
            .threshold(1.0)
            .comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold)
            .treat_missing_data("notBreaching")
            .alarm_actions(&self.topic)
            .ok_actions(&self.topic)
            .tags(tag(TAG_SLOT, slot.as_str()))
            .tags(tag(TAG_STACK, STACK));
        for dimension in dimensions(slot) {
            alarm = alarm.dimensions(dimension);
        }
        alarm.send().await.unwrap();
    }

    /// Sets the alarm's state as if it had been read anew.
    pub async fn recovers(&self, slot: &SlotName) {
        let request = self.alarms.set_alarm_state();
        let request = request.alarm_name(format!("keyward-{STACK}-kill-{slot}"));
        let request = request.state_value("OK".into()).state_reason("a test");
        request.send().await.unwrap();
    }

    /// Puts the slot's score, as the monitor does.
    pub async fn score(&self, slot: &SlotName, score: f64) {
        let mut datum = MetricDatum::builder().metric_name(METRIC).value(score);
        for dimension in dimensions(slot) {
            datum = datum.dimensions(dimension);
        }
        let put = self.alarms.put_metric_data().namespace(NAMESPACE);
        put.metric_data(datum.build()).send().await.unwrap();
    }
}

fn dimensions(slot: &SlotName) -> [Dimension; 2] {
    [("Stack", STACK), ("Slot", slot.as_str())]
        .map(|(name, value)| Dimension::builder().name(name).value(value).build())
}
