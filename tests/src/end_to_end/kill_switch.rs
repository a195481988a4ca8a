//! The kill switch as it is deployed: alarms on a topic, and the function that the topic wakes.

use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricDatum, Statistic, Tag};
use keyward_core::model::names::SlotName;
use keyward_core::ports::{TAG_SLOT, TAG_STACK};

use super::Deployment;
use super::functions::{TIMEOUT, binaries};
use crate::emulators::Function;

/// The name of the deployment.
pub const STACK: &str = "e2e";

/// What Keyward's metric is called.
const NAMESPACE: &str = "Keyward";
const METRIC: &str = "KillScore";

/// The alarm topic, and the alarms that publish to it.
pub struct Guard {
    /// Its ARN.
    pub topic: String,
    alarms: aws_sdk_cloudwatch::Client,
}

impl Deployment {
    /// Deploys the kill switch on moto as the function `name`, to be invoked by hand, with what it is told beside what every function is.
    pub async fn deploy_kill_switch(&self, name: &str, told: &[(&str, &str)]) {
        let common = self.variables.iter();
        let mut all: Vec<(&str, &str)> = common.map(|(n, v)| (*n, v.as_str())).collect();
        all.extend(told);
        let built = tokio::task::spawn_blocking(binaries).await.unwrap();
        let function = Function {
            name,
            program: &built.kill_switch,
            variables: &all,
            timeout: TIMEOUT,
        };
        self.moto.deploy(&function).await;
        self.switches.lock().unwrap().push(name.to_owned());
    }

    /// The names that the kill switch was deployed under.
    pub(super) fn kill_switches(&self) -> Vec<String> {
        self.switches.lock().unwrap().clone()
    }

    /// Deploys the kill switch on ministack, and lets a topic wake it.
    pub async fn guard(&self) -> Guard {
        let aws = self.ministack.sdk_config().await;
        let sns = aws_sdk_sns::Client::new(&aws);
        let topic = sns.create_topic().name("alarms").send().await.unwrap();
        let topic = topic.topic_arn().unwrap().to_owned();
        let shared = self
            .variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let mut variables: Vec<(&str, &str)> = shared.collect();
        variables.extend([
            ("KEYWARD_STACK", STACK),
            ("KEYWARD_ALARM_TOPIC_ARN", topic.as_str()),
            ("AWS_ENDPOINT_URL_CLOUDWATCH", self.ministack.url()),
        ]);
        let function = Function {
            name: "kill-switch",
            program: &binaries().kill_switch,
            variables: &variables,
            timeout: TIMEOUT,
        };
        let function = self.ministack.deploy(&function).await;
        let subscribe = sns.subscribe().topic_arn(&topic).protocol("lambda");
        subscribe.endpoint(function).send().await.unwrap();
        Guard {
            topic,
            alarms: aws_sdk_cloudwatch::Client::new(&aws),
        }
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
