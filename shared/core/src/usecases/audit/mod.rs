//! The audit: which keys there are, whose they are, and what is wrong with them. Reads, judges, and keeps a report.
//!
//! Sources are read page by page, and of keys and secrets only what rules ask about is kept, so that a hundred thousand of
//! them fit into a function's memory. A source that cannot be read stops no other: the report says what was not seen.

pub(crate) mod accounts;
mod fleet;
pub(crate) mod pages;
mod rest;
mod run;
mod slots;
mod summary;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::model::audit::{
    AcceptedRisk, AuditReport, Coverage, History, Period, Seen, SlotLine, Source, Totals,
};
use crate::model::finding::Finding;
use crate::model::names::AccountName;
use crate::model::slot::ProviderName;
use crate::model::text::OutsideText;
use crate::ports::{
    AcceptedRisks, Acts, AlarmLists, Census, Clock, CredentialAges, CredentialLists, Deadline,
    FunctionLists, InventoryError, ListError, People, Progress, ProviderError, Providers,
    Remembered, ReportFile, ReportSink, SecretLists, StandbyPools, Unwatched, UsageStore,
};
use crate::rules::audit::life::{Audited, Ledger, Told, carry};
use crate::rules::kill::Deployment;

pub use run::{
    Amiss, Auditor, Hub, Outcome, RunError, RunOrder, RunReport, Unfinished, Wanted, Writer, run,
};

/// The file of a report that people open.
const PAGE_FOR_PEOPLE: &str = "report.html";

/// What is left of the invocation for the report, when reading ends.
const TIME_FOR_THE_REPORT: SignedDuration = SignedDuration::from_secs(60);

/// The outside world of an audit. All of it is only read, but for the reports.
#[derive(Clone)]
pub struct AuditPorts {
    /// The inventory.
    pub census: Arc<dyn Census>,
    /// Secrets Manager.
    pub secrets: Arc<dyn SecretLists>,
    /// The provider accounts, opened by a credential that can only read where the provider has one.
    pub providers: Arc<dyn Providers>,
    /// The standby pools.
    pub pools: Arc<dyn StandbyPools>,
    /// What slots used.
    pub usage: Arc<dyn UsageStore>,
    /// CloudWatch.
    pub alarms: Arc<dyn AlarmLists>,
    /// Lambda.
    pub functions: Arc<dyn FunctionLists>,
    /// IAM.
    pub iam: Arc<dyn CredentialLists>,
    /// How old admin credentials are.
    pub ages: Arc<dyn CredentialAges>,
    /// Who works here; `None` where nobody can say.
    pub people: Option<Arc<dyn People>>,
    /// What people did.
    pub acts: Arc<dyn Acts>,
    /// Who answers for which finding.
    pub risks: Arc<dyn AcceptedRisks>,
    /// Where reports are kept.
    pub reports: Arc<dyn ReportSink>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Which audit is wanted.
#[derive(Debug, Clone)]
pub struct AuditOrder {
    /// The month. A later audit of it takes the place of an earlier.
    pub period: Period,
    /// Who we are.
    pub deployment: Deployment,
    /// The provider accounts that the deployment configures.
    pub accounts: Vec<(AccountName, ProviderName)>,
    /// When it must have ended.
    pub deadline: Deadline,
}

/// Why there is no report. Nothing was kept, or part of it: the same audit again brings it to its end.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// What earlier audits found could not be read, so nothing can be said to be new or fixed.
    #[error("what earlier audits found cannot be read")]
    Ledger(#[source] ListError),
    /// Who answers for which finding could not be read.
    #[error("which risks are accepted cannot be read")]
    Risks(#[source] ListError),
    /// What people did could not be read.
    #[error("the record of what people did cannot be read")]
    Acts(#[source] InventoryError),
    /// The report could not be kept.
    #[error("the report cannot be kept")]
    Reports(#[source] ListError),
}

impl AuditError {
    /// Whether the same audit can succeed later without a person. Exhaustive on purpose.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Ledger(error) | Self::Risks(error) | Self::Reports(error) => error.is_retryable(),
            Self::Acts(error) => error.is_retryable(),
        }
    }
}

/// An audit that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// What it says.
    pub report: AuditReport,
    /// Where its files are, in the order in which they were rendered.
    pub files: Vec<String>,
    /// Accounts whose provider refused the credential that they were opened by: a person mends that.
    pub refused: Vec<(AccountName, ProviderError)>,
    /// What is remembered after it.
    pub remembered: Remembered,
    /// What of that was kept about who was told.
    kept: (Option<Told>, Option<Period>),
}

/// Writes one file of a report.
pub type Render = Box<dyn Fn(&AuditReport) -> ReportFile + Send + Sync>;

/// Audits, and keeps the report as `renders` write it: one file after the other, since each may be large. May be repeated:
/// the same month gives the same report, of what is so by then.
///
/// # Errors
/// [`AuditError`].
pub async fn audit(
    ports: &AuditPorts,
    order: &AuditOrder,
    renders: &[Render],
) -> Result<Done, AuditError> {
    let before = ports.reports.ledger().await.map_err(AuditError::Ledger)?;
    audit_after(ports, order, renders, before).await
}

/// The same where it was read what earlier audits found.
async fn audit_after(
    ports: &AuditPorts,
    order: &AuditOrder,
    renders: &[Render],
    before: Remembered,
) -> Result<Done, AuditError> {
    let (report, ledger, refused) = examine(ports, order, before.ledger, &Unwatched).await?;
    let mut files = Vec::new();
    for render in renders {
        let put = ports.reports.put(order.period, render(&report)).await;
        files.push(put.map_err(AuditError::Reports)?);
    }
    // Last, so that an audit that was cut off tells all of its news again.
    let mut remembered = Remembered {
        ledger,
        mark: before.mark,
    };
    let kept = ports.reports.keep(&remembered).await;
    remembered.mark = kept.map_err(AuditError::Reports)?;
    Ok(Done {
        report,
        files,
        refused,
        kept: (remembered.ledger.told.clone(), remembered.ledger.done),
        remembered,
    })
}

/// Audits as [`audit`] does, and keeps nothing: what it says, held against the audits before. Where those cannot be read,
/// `before` is `None`, and the report says that it does not know what is new.
///
/// # Errors
/// [`AuditError`], but not of reports.
pub async fn look(
    ports: &AuditPorts,
    order: &AuditOrder,
    before: Option<Ledger>,
    progress: &dyn Progress,
) -> Result<AuditReport, AuditError> {
    let history = match before {
        Some(_) => History::Known,
        None => History::Unknown,
    };
    let ledger = before.unwrap_or_default();
    let (report, ..) = examine(ports, order, ledger, progress).await?;
    Ok(AuditReport { history, ..report })
}

async fn examine(
    ports: &AuditPorts,
    order: &AuditOrder,
    before: Ledger,
    progress: &dyn Progress,
) -> Result<(AuditReport, Ledger, Vec<(AccountName, ProviderError)>), AuditError> {
    let accepted = ports.risks.accepted().await.map_err(AuditError::Risks)?;
    let mut read = read(ports, order, progress).await;
    let refused = std::mem::take(&mut read.refused);
    let (report, ledger) = report(ports, order, read, before, &accepted).await?;
    Ok((report, ledger, refused))
}

/// What was read and found.
#[derive(Debug, Default)]
struct Read {
    coverage: Coverage,
    findings: Vec<Finding>,
    slots: Vec<SlotLine>,
    totals: Totals,
    /// Accounts whose provider refused the credential that they were opened by.
    refused: Vec<(AccountName, ProviderError)>,
    /// Why the inventory, listed to its end, is not known to it: a slot or a drill may be in what cannot be read.
    unread: Option<&'static str>,
}

impl Read {
    fn put(&mut self, source: Source, seen: Seen) {
        if let Some(why) = seen.why() {
            tracing::warn!(%source, %why, "a source of the audit was not read whole");
        }
        self.coverage.put(source, seen);
    }
}

/// Reads every source and judges it. In two passes over the inventory: where slots' keys live has to be known before they
/// are listed, and keys are held against the lists slot by slot.
async fn read(ports: &AuditPorts, order: &AuditOrder, progress: &dyn Progress) -> Read {
    let deadline = Deadline(order.deadline.0 - TIME_FOR_THE_REPORT);
    let reader = pages::Reader {
        clock: ports.clock.as_ref(),
        deadline,
        progress,
    };
    let mut read = Read::default();
    let outline = fleet::outline(ports, &reader, &mut read).await;
    let around = rest::around(ports, order, &reader, &outline, &mut read).await;
    let mut lists = accounts::lists(ports, order, &reader, &outline, &mut read).await;
    let pools = rest::pools(ports, order, &reader, &mut lists, &mut read).await;
    let fleet = slots::judge_all(
        ports, order, &reader, &outline, &around, &mut lists, &mut read,
    )
    .await;
    accounts::judge_strangers(ports, outline.damaged + fleet.damaged, &lists, &mut read);
    rest::judge_accounts(ports, order, &reader, &outline, &pools, &mut read).await;
    rest::judge(ports, order, &outline, &around, &fleet, &mut read);
    if let Some(why) = read.unread {
        read.put(Source::Inventory, Seen::part(why));
    }
    read
}

async fn report(
    ports: &AuditPorts,
    order: &AuditOrder,
    read: Read,
    before: Ledger,
    accepted: &[AcceptedRisk],
) -> Result<(AuditReport, Ledger), AuditError> {
    let acts = ports.acts.of_month(order.period).await;
    let acts = acts.map_err(AuditError::Acts)?;
    let made: Timestamp = ports.clock.now();
    let audited = Audited {
        period: order.period,
        now: made,
        coverage: &read.coverage,
        accepted,
        found: read.findings,
    };
    let ledger = carry(before, audited);
    let report = AuditReport {
        schema: AuditReport::SCHEMA,
        history: History::Known,
        stack: OutsideText::new(order.deployment.stack.as_str()),
        period: order.period,
        made,
        totals: read.totals,
        findings: ledger.of(order.period),
        slots: read.slots,
        past: ledger.before(order.period),
        acts,
        coverage: read.coverage,
    };
    Ok((report, ledger))
}
