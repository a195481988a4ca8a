//! Where reports of audits are kept, and who answers for what they found.

use async_trait::async_trait;

use super::lists::ListError;
use crate::model::audit::{AcceptedRisk, Period};
use crate::rules::audit::life::Ledger;

/// One file of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// Its name, as `report.json`.
    pub name: &'static str,
    /// What it is: `application/json`.
    pub media_type: &'static str,
    /// The text.
    pub text: String,
}

/// Keeps reports. One period has one report: the later one takes the place of the earlier.
#[async_trait]
pub trait ReportSink: Send + Sync {
    /// What is remembered of the audits so far; empty before the first.
    ///
    /// # Errors
    /// [`ListError`]. One that cannot be read is an error, never empty: all that was found would be new.
    async fn ledger(&self) -> Result<Ledger, ListError>;

    /// Keeps what is to be remembered.
    ///
    /// # Errors
    /// [`ListError`]; it may have been kept.
    async fn keep(&self, ledger: &Ledger) -> Result<(), ListError>;

    /// Puts one file of a period's report. Returns where it is.
    ///
    /// # Errors
    /// [`ListError`]; it may have been put.
    async fn put(&self, period: Period, file: &ReportFile) -> Result<String, ListError>;
}

/// Who answers for which finding.
#[async_trait]
pub trait AcceptedRisks: Send + Sync {
    /// All of them, those that are over included.
    ///
    /// # Errors
    /// [`ListError`].
    async fn accepted(&self) -> Result<Vec<AcceptedRisk>, ListError>;
}
