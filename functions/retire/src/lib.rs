#![doc = include_str!("../README.md")]

use keyward_core::ports::{Deadline, InventoryError};
use keyward_core::rules::revoke::ConfirmPolicy;
use keyward_core::usecases::Ports;
use keyward_core::usecases::retire::{RetireReport, run};

/// Carries on whatever is due. What the event says does not matter: the work is in the inventory.
///
/// # Errors
/// [`RetireError`]: some work could not be done; it is due again in the next run.
pub async fn handle(
    ports: &Ports,
    confirm: &ConfirmPolicy,
    deadline: Deadline,
) -> Result<RetireReport, RetireError> {
    let report = run(ports, confirm, deadline).await?;
    if report.failed > 0 {
        return Err(RetireError::SomeFailed { report });
    }
    Ok(report)
}

/// Why a run was not complete.
#[derive(Debug, thiserror::Error)]
pub enum RetireError {
    /// The list of due work could not be read.
    #[error("the list of due work could not be read")]
    Due(#[from] InventoryError),
    /// Some items failed; the others were carried on.
    #[error("{} of {} due items failed and are due again", .report.failed, .report.seen)]
    SomeFailed {
        /// What was done all the same.
        report: RetireReport,
    },
}

impl RetireError {
    /// Whether the next run can succeed without a person: it always may.
    pub const fn is_retryable(&self) -> bool {
        true
    }
}
