//! Metrics in CloudWatch.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::metric::KillScore;
use crate::model::names::StackName;

/// Puts the metrics that alarms read. What is put is seen to be taken or seen to fail; an alarm reads it within about a
/// minute.
#[async_trait]
pub trait Metrics: Send + Sync {
    /// Puts scores of slots of one deployment, in as many calls as it takes; none at all for no scores. The same score
    /// may be put again: its alarm reads the maximum.
    ///
    /// # Errors
    /// [`MetricsError`]: any of the scores may or may not have been put. Those that another call was for were tried all
    /// the same.
    async fn put_scores(&self, stack: &StackName, scores: &[KillScore])
    -> Result<(), MetricsError>;

    /// Says that the monitor of `stack` ran at `at`. The same may be said again.
    ///
    /// # Errors
    /// [`MetricsError`]: it may or may not have been put.
    async fn beat(&self, stack: &StackName, at: Timestamp) -> Result<(), MetricsError>;
}

/// Metrics were not seen to be taken: an alarm may not see what it should.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// CloudWatch refuses the call as such: a permission is missing, or a value or time is none that it takes. A person
    /// must mend it.
    #[error(
        "CloudWatch refused the metrics: look at the function's permission `cloudwatch:PutMetricData`"
    )]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer, or a passing fault. Put them again.
    #[error("CloudWatch was not seen to take the metrics")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl MetricsError {
    /// Whether the same call can succeed later without a person. Exhaustive on purpose.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Refused(_) => false,
        }
    }
}
