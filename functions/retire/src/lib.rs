#![doc = include_str!("../README.md")]

use keyward_core::ports::InventoryError;
use keyward_core::usecases::kill::Invocation;
use keyward_core::usecases::retire::{Retire, RetireReport, run};

/// Carries on whatever is due, and keeps limits. What the event says does not matter: the work is in the inventory.
///
/// # Errors
/// [`RetireError`]: some work could not be done; the next run does it.
pub async fn handle(retire: &Retire, invocation: &Invocation) -> Result<RetireReport, RetireError> {
    answer(run(retire, invocation).await?)
}

/// What the function answers with after a run.
///
/// # Errors
/// [`RetireError`], if the run was not complete.
pub fn answer(report: RetireReport) -> Result<RetireReport, RetireError> {
    match (report.failed, report.limits.has_failed()) {
        (0, false) => Ok(report),
        (0, true) => Err(RetireError::LimitsFailed { report }),
        (_, _) => Err(RetireError::SomeFailed { report }),
    }
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
    /// Everything due was carried on, but limits were not looked after.
    #[error(
        "limits of keys were not kept, since the inventory did not answer; the next run does it"
    )]
    LimitsFailed {
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
