//! Where reports of audits are kept, who answers for what they found, and where findings of many tools stand together.

use async_trait::async_trait;
use serde_json::Value;

use super::lists::ListError;
use crate::model::audit::{AcceptedRisk, Period};
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
    /// [`ListError`].
    async fn accepted(&self) -> Result<Vec<AcceptedRisk>, ListError>;
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
