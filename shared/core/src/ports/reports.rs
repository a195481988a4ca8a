//! Where reports of audits are kept, who answers for what they found, and where findings of many tools stand together.

use async_trait::async_trait;
use serde_json::Value;

use super::inventory::InventoryError;
use super::lists::ListError;
use crate::model::audit::{AcceptedRisk, Period};
use crate::model::finding::FindingId;
use crate::model::slot::Revision;
use crate::model::text::OutsideText;
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

/// Which state of a ledger was read or kept: another one has another mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(pub String);

/// What is remembered of the audits so far, and which state of it that is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// What is remembered.
    pub ledger: Ledger,
    /// Which state; `None` before the first.
    pub mark: Option<Mark>,
}

/// Keeps reports. One period has one report: the later one takes the place of the earlier.
#[async_trait]
pub trait ReportSink: Send + Sync {
    /// What is remembered of the audits so far; empty, and without a mark, before the first.
    ///
    /// # Errors
    /// [`ListError`]. One that cannot be read is an error, never empty: all that was found would be new.
    async fn ledger(&self) -> Result<Remembered, ListError>;

    /// Keeps what is to be remembered in place of the state that `remembered.mark` names. Returns which state it is now.
    ///
    /// # Errors
    /// [`ListError`]; it may have been kept. Nothing is, where another audit kept its own since that state was read: that is
    /// [`ListError::Unavailable`], as the same audit again begins with what is there by then.
    async fn keep(&self, remembered: &Remembered) -> Result<Option<Mark>, ListError>;

    /// Puts one file of a period's report. Returns where it is.
    ///
    /// # Errors
    /// [`ListError`]; it may have been put.
    async fn put(&self, period: Period, file: ReportFile) -> Result<String, ListError>;

    /// The address under which people open a file of a period's report.
    fn page(&self, period: Period, name: &str) -> String;
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

/// A place where findings of many tools stand together, as AWS Security Hub.
#[async_trait]
pub trait FindingHub: Send + Sync {
    /// How many findings one call takes.
    fn batch(&self) -> usize;

    /// Hands findings over, in the hub's own form. May be repeated: a finding is known by its id.
    ///
    /// # Errors
    /// [`ListError`]; some of them may have been taken.
    async fn import(&self, findings: &[Value]) -> Result<Imported, ListError>;
}

/// What became of findings that were handed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// How many were taken.
    pub taken: u32,
    /// How many were not.
    pub refused: u32,
    /// Why, of one of them.
    pub why: Option<OutsideText>,
}
