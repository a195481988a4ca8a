//! Whether an alarm still says what it said.

use async_trait::async_trait;

use crate::model::alarm::{AlarmArn, AlarmState};

/// Reads the state that an alarm is in now. Nothing is cached.
#[async_trait]
pub trait AlarmStates: Send + Sync {
    /// The alarm's state; [`AlarmState::InsufficientData`] if there is no such alarm any more, `None` if it could not be
    /// asked.
    async fn state(&self, alarm: &AlarmArn) -> Option<AlarmState>;
}

/// Asks nobody: every alarm's state is unknown.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAlarmStates;

#[async_trait]
impl AlarmStates for NoAlarmStates {
    async fn state(&self, _: &AlarmArn) -> Option<AlarmState> {
        None
    }
}
