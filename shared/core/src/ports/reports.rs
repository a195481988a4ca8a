//! Where reports of audits are kept, and who answers for what they found.

use async_trait::async_trait;

use super::inventory::InventoryError;
use super::lists::ListError;
use crate::model::audit::{AcceptedRisk, Period};
use crate::model::finding::FindingId;
use crate::model::slot::Revision;
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
    /// [`ListError`]; one that cannot be read is an error, never left out: its finding would be called open.
    async fn accepted(&self) -> Result<Vec<AcceptedRisk>, ListError>;
}

/// An accepted risk as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRisk {
    /// The risk.
    pub risk: AcceptedRisk,
    /// Counts its writes.
    pub revision: Revision,
}

/// Writes down who answers for which finding.
#[async_trait]
pub trait RiskRegister: Send + Sync {
    /// Who answers for a finding, whether that is over or not; `None` if nobody ever did, or it was withdrawn.
    ///
    /// # Errors
    /// [`InventoryError`]; one that cannot be read is an error.
    async fn risk(&self, finding: FindingId) -> Result<Option<KeptRisk>, InventoryError>;

    /// Keeps a risk in the place of the one that was read, or where there was none.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`] if another was kept or withdrawn since.
    async fn keep_risk(
        &self,
        risk: &AcceptedRisk,
        in_place_of: Option<&KeptRisk>,
    ) -> Result<(), InventoryError>;

    /// Takes a risk away as it was read.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`] if another was kept or it was withdrawn since.
    async fn withdraw_risk(&self, kept: &KeptRisk) -> Result<(), InventoryError>;
}
