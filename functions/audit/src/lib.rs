#![doc = include_str!("../README.md")]

mod event;

use keyward_core::usecases::audit::{Auditor, RunError, RunReport, run};
use keyward_core::usecases::kill::Invocation;
use serde_json::Value;

pub use event::{NoOrder, order};

/// Makes the audit that `event` asks for.
///
/// # Errors
/// [`AuditFailed`].
pub async fn handle(
    auditor: &Auditor,
    event: &Value,
    invocation: &Invocation,
) -> Result<RunReport, AuditFailed> {
    let order = order(event, auditor.ports.clock.now())?;
    Ok(run(auditor, order, invocation).await?)
}

/// An audit that was not made, or not whole.
#[derive(Debug, thiserror::Error)]
pub enum AuditFailed {
    /// The event asks for none. Nothing was done.
    #[error("no audit was made")]
    Event(#[from] NoOrder),
    /// It was not brought to its end.
    #[error("the audit is not over; the same order again goes on")]
    Run(#[from] RunError),
}

impl AuditFailed {
    /// Whether the same event can succeed later without a person.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Event(_) => false,
            Self::Run(error) => error.is_retryable(),
        }
    }
}
