//! The alarms that guard slots.

use async_trait::async_trait;

use crate::model::alarm::AlarmArn;
use crate::model::kill_alarm::{FoundAlarm, KillAlarm};

/// Makes, corrects and removes alarms. All calls can be repeated.
#[async_trait]
pub trait KillAlarms: Send + Sync {
    /// Every alarm on a metric whose name begins so. All of them, or an error.
    ///
    /// # Errors
    /// [`KillAlarmError`].
    async fn list(&self, prefix: &str) -> Result<Vec<FoundAlarm>, KillAlarmError>;

    /// Makes an alarm as it is to be, with its tags. One of that name is changed to be so; its state is kept.
    ///
    /// # Errors
    /// [`KillAlarmError`]; it may have been made.
    async fn make(&self, alarm: &KillAlarm) -> Result<(), KillAlarmError>;

    /// Gives an alarm that is there the tags that it is to have, beside those that others gave it.
    ///
    /// # Errors
    /// [`KillAlarmError`].
    async fn tag(&self, arn: &AlarmArn, alarm: &KillAlarm) -> Result<(), KillAlarmError>;

    /// Removes an alarm. One that is not there is no error.
    ///
    /// # Errors
    /// [`KillAlarmError`]; it may be gone.
    async fn remove(&self, arn: &AlarmArn) -> Result<(), KillAlarmError>;
}

/// Why alarms could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KillAlarmError {
    /// CloudWatch refuses the call as such: a permission, or the number of alarms. A person must mend it.
    #[error(
        "CloudWatch refused it ({0}): look at the function's permissions and at the quota of alarms"
    )]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer, or a passing fault. The next run tries again.
    #[error("CloudWatch did not answer as expected")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
