//! Metrics in CloudWatch.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use jiff::Timestamp;
use keyward_core::model::metric::{HEARTBEAT, KILL_SCORE, KillScore, NAMESPACE, SLOT, STACK};
use keyward_core::model::names::StackName;
use keyward_core::ports::{Metrics, MetricsError};

use crate::fault::{Failure, examine};

const PUT: &str = "PutMetricData";

/// A call takes so many metrics, and 1 MB:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>. A score, with names as long
/// as they can be, is under 400 bytes.
const AT_A_TIME: usize = 1000;

/// Metrics of the account and region of the configuration.
#[derive(Debug, Clone)]
pub struct CloudWatchMetrics {
    client: Client,
}

impl CloudWatchMetrics {
    /// Metrics of the account and region of `config`.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }

    /// Puts what fits one call.
    async fn put(&self, data: Vec<MetricDatum>) -> Result<(), MetricsError> {
        let request = self.client.put_metric_data().namespace(NAMESPACE);
        match request.set_metric_data(Some(data)).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(examine(PUT, &error))),
        }
    }
}

#[async_trait]
impl Metrics for CloudWatchMetrics {
    async fn put_scores(
        &self,
        stack: &StackName,
        scores: &[KillScore],
    ) -> Result<(), MetricsError> {
        let mut result = Ok(());
        for some in scores.chunks(AT_A_TIME) {
            let data = some.iter().map(|score| {
                let dimensions = [(STACK, stack.as_str()), (SLOT, score.slot.as_str())];
                datum(KILL_SCORE, &dimensions, score.value(), score.at)
            });
            let put = self.put(data.collect()).await;
            result = result.and(put);
        }
        result
    }

    async fn beat(&self, stack: &StackName, at: Timestamp) -> Result<(), MetricsError> {
        let dimensions = [(STACK, stack.as_str())];
        self.put(vec![datum(HEARTBEAT, &dimensions, 1.0, at)]).await
    }
}

fn datum(name: &str, dimensions: &[(&str, &str)], value: f64, at: Timestamp) -> MetricDatum {
    let dimensions = dimensions.iter();
    let dimensions =
        dimensions.map(|(name, value)| Dimension::builder().name(*name).value(*value).build());
    MetricDatum::builder()
        .metric_name(name)
        .set_dimensions(Some(dimensions.collect()))
        .value(value)
        .unit(StandardUnit::None)
        .timestamp(DateTime::from_millis(at.as_millisecond()))
        .build()
}

fn failed(failure: Failure) -> MetricsError {
    match failure.is_transient {
        true => MetricsError::Unavailable(failure.fault.into()),
        false => MetricsError::Refused(failure.fault.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{Answer, Recorded};

    fn scores(count: usize) -> Vec<KillScore> {
        let score = |i| KillScore {
            slot: format!("slot-{i}").parse().unwrap(),
            thousandths: 1000,
            at: "2026-11-25T15:00:00Z".parse().unwrap(),
        };
        (0..count).map(score).collect()
    }

    /// An empty map.
    fn taken() -> Answer {
        Answer::Cbor(200, vec![0xa0])
    }

    #[tokio::test]
    async fn a_call_takes_a_thousand_and_nothing_is_no_call() {
        let stack = "prod".parse().unwrap();
        for (count, calls) in [(0, 0), (1, 1), (1000, 1), (1001, 2), (2500, 3)] {
            let recorded = Recorded::new((0..calls).map(|_| taken()));
            let metrics = CloudWatchMetrics::new(&recorded.config());
            metrics.put_scores(&stack, &scores(count)).await.unwrap();
            assert_eq!(recorded.sent().len(), calls, "{count}");
        }
    }

    #[tokio::test]
    async fn a_call_that_fails_holds_up_no_other_and_is_told() {
        let stack = "prod".parse().unwrap();
        let denied = Answer::cbor_error(403, "AccessDenied");
        let recorded = Recorded::new([denied, taken(), Answer::TimedOut]);
        let metrics = CloudWatchMetrics::new(&recorded.config());
        let error = metrics.put_scores(&stack, &scores(2500)).await;
        assert!(
            matches!(error, Err(MetricsError::Refused(_))),
            "the first: {error:?}"
        );
        assert_eq!(recorded.sent().len(), 3);
    }

    #[tokio::test]
    async fn what_passes_is_told_from_what_a_person_must_mend() {
        let stack = "prod".parse().unwrap();
        let now = "2026-11-25T15:00:00Z".parse().unwrap();
        for (answer, passes) in [
            (Answer::cbor_error(403, "AccessDenied"), false),
            (
                Answer::cbor_error(400, "InvalidParameterValueException"),
                false,
            ),
            (Answer::cbor_error(400, "ThrottlingException"), true),
            (Answer::cbor_error(500, "InternalServiceFault"), true),
            (Answer::Body(404, "not found".to_owned()), true),
            (Answer::TimedOut, true),
        ] {
            let recorded = Recorded::new([answer.clone()]);
            let metrics = CloudWatchMetrics::new(&recorded.config());
            let error = metrics.beat(&stack, now).await.unwrap_err();
            assert_eq!(error.is_retryable(), passes, "{answer:?}: {error:?}");
        }
    }
}
