//! What CloudWatch says of an alarm.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::alarm::{AlarmArn, AlarmSettings, Change};

/// The tag of an alarm that Keyward made which names the deployment it belongs to. `keyward:slot` beside it names the slot.
pub const TAG_STACK: &str = "keyward:stack";

/// Reads alarms. Nothing is cached, and nothing of an alarm is changed.
#[async_trait]
pub trait AlarmSource: Send + Sync {
    /// The alarm's tags.
    ///
    /// # Errors
    /// [`AlarmError`].
    async fn tags(&self, alarm: &AlarmArn) -> Result<BTreeMap<String, String>, AlarmError>;

    /// The alarm's changes of state from `from` to `to`, in any order. A change may be missing for a moment after it, and
    /// an alarm that there is not has none.
    ///
    /// # Errors
    /// [`AlarmError`].
    async fn changes(
        &self,
        alarm: &AlarmArn,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Change>, AlarmError>;

    /// How the alarm is set up, and what it is in.
    ///
    /// # Errors
    /// [`AlarmError`].
    async fn settings(&self, alarm: &AlarmArn) -> Result<AlarmSettings, AlarmError>;
}

/// Why there is no answer about an alarm.
#[derive(Debug, thiserror::Error)]
pub enum AlarmError {
    /// There is no such alarm.
    #[error("there is no such alarm")]
    NotThere,
    /// It could not be asked: not permitted, too many requests, no answer, or one that says nothing. The alarm may be there.
    #[error("CloudWatch could not be asked about the alarm")]
    CouldNotAsk(#[source] Box<dyn std::error::Error + Send + Sync>),
}
