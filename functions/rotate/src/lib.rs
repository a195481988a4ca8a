#![doc = include_str!("../README.md")]

mod event;

use keyward_core::ports::Deadline;
use keyward_core::usecases::Ports;
use keyward_core::usecases::rotate::{RotationError, StepOutcome, run_step};
use serde_json::Value;

pub use event::EventError;

/// Carries out the rotation step that `event` asks for.
///
/// # Errors
/// [`RotateError`]: AWSCURRENT and its key are as they were.
pub async fn handle(
    ports: &Ports,
    event: &Value,
    deadline: Deadline,
) -> Result<StepOutcome, RotateError> {
    let request = event::parse(event, deadline)?;
    Ok(run_step(ports, &request).await?)
}

/// Why a rotation step had no effect.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The event is not one of Secrets Manager's.
    #[error("the event is no rotation event")]
    Event(#[from] EventError),
    /// The step was not carried out.
    #[error("the rotation step was not carried out")]
    Step(#[from] RotationError),
}

impl RotateError {
    /// Whether Secrets Manager's own retry can succeed without a person.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Event(_) => false,
            Self::Step(error) => error.is_retryable(),
        }
    }
}
