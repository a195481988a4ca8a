//! One run of the audit's function: the report is made and kept, people are told what is new, a hub gets the findings.
//!
//! In this order, so that nothing is lost where a run is cut off: whoever audits the same period again tells the same news,
//! and what was told is only remembered after it was. People may be told twice, and are never not told.

use std::fmt;
use std::sync::Arc;

use jiff::SignedDuration;
use serde::Serialize;
use serde_json::Value;

use super::summary::summary;
use super::{AuditError, AuditOrder, AuditPorts, Done, Render, audit_after};
use crate::model::audit::{AuditReport, Counts, Period, Source};
use crate::model::names::AccountName;
use crate::model::slot::ProviderName;
use crate::model::text::{AlertText, OutsideText, with_causes};
use crate::ports::{
    AlertError, Alerts, FindingHub, Held, Imported, InventoryError, Leases, ListError,
};
use crate::rules::audit::life::Told;
use crate::rules::kill::Deployment;
use crate::usecases::find::reader_refused_alert;
use crate::usecases::kill::Invocation;

/// The lease that runs share: two never overlap, of whatever period, as all of them write one ledger.
const LEASE: &str = "audit";

/// A lease ends so long after the run that has it must.
const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(10);

/// How often a batch is handed to the hub, and how long is waited after the first time; then twice as long each time.
const TRIES: u32 = 4;
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(1);

/// What a run works with.
pub struct Auditor {
    /// What is audited, and where reports are kept.
    pub ports: AuditPorts,
    /// Leases.
    pub leases: Arc<dyn Leases>,
    /// Where people are told.
    pub alerts: Arc<dyn Alerts>,
    /// Where findings of many tools stand together; `None` where the deployment has none.
    pub hub: Option<Hub>,
    /// Who we are.
    pub deployment: Deployment,
    /// The provider accounts that the deployment configures.
    pub accounts: Vec<(AccountName, ProviderName)>,
    /// What writes each file of a report.
    pub renders: Vec<Render>,
}

/// Writes a report's findings in a hub's form, one after the other.
pub type Writer = Box<
    dyn for<'a> Fn(&'a AuditReport) -> Box<dyn Iterator<Item = Value> + Send + 'a> + Send + Sync,
>;

/// A hub, and the form that it takes findings in.
pub struct Hub {
    /// The hub.
    pub hub: Arc<dyn FindingHub>,
    /// Its form.
    pub write: Writer,
}

/// Whether an audit is made that was made before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It is: somebody asks for it.
    Anyway,
    /// Not if it read everything and was told of: the schedule asks.
    UnlessDone,
}

/// Which audit a run is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunOrder {
    /// The month.
    pub period: Period,
    /// Whether it is made again.
    pub wanted: Wanted,
}

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Another run is at work: nothing was done.
    Overlapped,
    /// The period's audit was made before: nothing was done.
    DoneBefore,
    /// The report was made.
    Made,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// The month.
    pub period: Period,
    /// What came of it.
    pub outcome: Outcome,
    /// What is open, by gravity.
    pub open: Counts,
    /// Where the report's files are.
    pub files: Vec<String>,
    /// Whether people were told; not where they were told the same before.
    pub told: bool,
    /// Findings that the hub took.
    pub imported: u32,
}

/// Why a run is not over. The same order again goes on where this one ended; nothing is told or counted twice that matters.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The lease could not be taken. Nothing was done.
    #[error("the audit's lease could not be taken")]
    Lease(#[source] InventoryError),
    /// There is no report.
    #[error("there is no report of {period}")]
    NoReport {
        /// The month.
        period: Period,
        /// Why.
        #[source]
        why: AuditError,
    },
    /// The report is kept, and something is missing in it or was not done after it.
    #[error("{0}")]
    Unfinished(Unfinished),
}

impl RunError {
    /// Whether the same order can succeed later without a person. Exhaustive on purpose.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Lease(error) => error.is_retryable(),
            Self::NoReport { why, .. } => why.is_retryable(),
            // What was not seen may be seen next time, and what was not sent may be sent.
            Self::Unfinished(_) => true,
        }
    }
}

/// A report that is kept, and what is amiss with it. The first lines say what was not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The month.
    pub period: Period,
    /// Where people open the report.
    pub page: String,
    /// What is amiss: one thing at least.
    pub amiss: Vec<Amiss>,
}

/// One thing that is amiss with a report that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amiss {
    /// A source was not read whole.
    NotSeen(Source, AlertText),
    /// People were not seen to be told what is new.
    NotTold(OutsideText),
    /// That they were told could not be noted: they are told again.
    NotNoted(OutsideText),
    /// The hub did not take all findings.
    NotImported(OutsideText),
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_whole = !self.amiss.iter().any(|a| matches!(a, Amiss::NotSeen(..)));
        let word = if is_whole { "complete" } else { "INCOMPLETE" };
        write!(f, "the report of {} is {word}", self.period)?;
        for amiss in &self.amiss {
            match amiss {
                Amiss::NotSeen(source, why) => write!(f, "; not seen: {source} ({why})")?,
                Amiss::NotTold(why) => write!(f, "; people were not told what is new ({why})")?,
                Amiss::NotNoted(why) => write!(f, "; that people were told was not noted ({why})")?,
                Amiss::NotImported(why) => write!(f, "; the hub did not take all of it ({why})")?,
            }
        }
        write!(f, "; it is kept at {}", self.page)
    }
}

/// Audits, keeps the report, and tells of it. May be repeated, come twice at once, and be cut off anywhere.
///
/// # Errors
/// [`RunError`]: also where everything was done, and a source was not read whole.
pub async fn run(
    auditor: &Auditor,
    order: RunOrder,
    invocation: &Invocation,
) -> Result<RunReport, RunError> {
    let (owner, until) = (
        invocation.owner.as_str(),
        invocation.deadline.0 + LEASE_MARGIN,
    );
    let now = auditor.ports.clock.now();
    let taken = auditor.leases.take(LEASE, owner, now, until).await;
    if taken.map_err(RunError::Lease)? == Held::No {
        tracing::info!(period = %order.period, "another audit is at work");
        return Ok(RunReport::nothing(order.period, Outcome::Overlapped));
    }
    let done = auditor.all(order, invocation).await;
    if let Err(error) = auditor.leases.give_back(LEASE, owner).await {
        tracing::warn!(%error, "the audit's lease could not be given back; it ends by itself");
    }
    done
}

impl RunReport {
    const fn nothing(period: Period, outcome: Outcome) -> Self {
        Self {
            period,
            outcome,
            open: Counts {
                critical: 0,
                high: 0,
                medium: 0,
                low: 0,
            },
            files: Vec::new(),
            told: false,
            imported: 0,
        }
    }
}

impl Auditor {
    async fn all(&self, order: RunOrder, invocation: &Invocation) -> Result<RunReport, RunError> {
        let period = order.period;
        let no_report = |why| RunError::NoReport { period, why };
        let before = self.ports.reports.ledger().await;
        let before = before.map_err(|error| no_report(AuditError::Ledger(error)))?;
        let is_done = before.ledger.done.is_some_and(|done| done >= period);
        if is_done && order.wanted == Wanted::UnlessDone {
            return Ok(RunReport::nothing(period, Outcome::DoneBefore));
        }
        let wanted = AuditOrder {
            period,
            deployment: self.deployment.clone(),
            accounts: self.accounts.clone(),
            deadline: invocation.deadline,
        };
        let done = audit_after(&self.ports, &wanted, &self.renders, before).await;
        self.after(done.map_err(no_report)?).await
    }

    /// Tells people and the hub of a report that is kept.
    async fn after(&self, mut done: Done) -> Result<RunReport, RunError> {
        let period = done.report.period;
        let mut amiss: Vec<Amiss> = done
            .report
            .coverage
            .missing()
            .map(|(source, why)| Amiss::NotSeen(source.clone(), why.clone()))
            .collect();
        self.page_refused(&done).await;
        let told = self.tell(&mut done).await;
        let told = told.unwrap_or_else(|error| {
            amiss.push(Amiss::NotTold(OutsideText::new(&with_causes(&error))));
            false
        });
        let imported = self.import(&done.report).await;
        let imported = imported.unwrap_or_else(|why| {
            amiss.push(Amiss::NotImported(why));
            0
        });
        if amiss.is_empty() {
            done.remembered.ledger.done = done.remembered.ledger.done.max(Some(period));
        }
        if let Err(error) = self.note(&done).await {
            amiss.push(Amiss::NotNoted(OutsideText::new(&error.to_string())));
        }
        if !amiss.is_empty() {
            let page = self.ports.reports.page(period, super::PAGE_FOR_PEOPLE);
            return Err(RunError::Unfinished(Unfinished {
                period,
                page,
                amiss,
            }));
        }
        Ok(RunReport {
            period,
            outcome: Outcome::Made,
            open: done.report.open(),
            files: done.files,
            told,
            imported,
        })
    }

    /// Pages for each account whose provider refuses the credential that it is read by: nobody watches its keys either.
    async fn page_refused(&self, done: &Done) {
        for (account, error) in &done.refused {
            let alert = reader_refused_alert(account, error);
            let alert = alert.at(self.ports.clock.now());
            if let Err(error) = self.alerts.send(&alert).await {
                tracing::error!(%account, %error, "people could not be told that a credential is refused");
            }
        }
    }

    /// Tells people, unless they were told the same. Whether they were.
    async fn tell(&self, done: &mut Done) -> Result<bool, AlertError> {
        let period = done.report.period;
        let page = self.ports.reports.page(period, super::PAGE_FOR_PEOPLE);
        let (alert, digest) = summary(&done.report, &page);
        let told = Some(Told { period, digest });
        if done.remembered.ledger.told == told {
            return Ok(false);
        }
        let alert = alert.at(self.ports.clock.now());
        self.alerts.send(&alert).await?;
        done.remembered.ledger.told = told;
        Ok(true)
    }

    /// Keeps what changed in the ledger since the report was kept.
    async fn note(&self, done: &Done) -> Result<(), ListError> {
        let kept = &done.kept;
        let ledger = &done.remembered.ledger;
        if (&ledger.told, ledger.done) == (&kept.0, kept.1) {
            return Ok(());
        }
        self.ports.reports.keep(&done.remembered).await.map(drop)
    }

    /// Hands all findings to the hub. How many it took.
    async fn import(&self, report: &AuditReport) -> Result<u32, OutsideText> {
        let Some(Hub { hub, write }) = &self.hub else {
            return Ok(0);
        };
        let mut all = Imported::default();
        let mut batch = Vec::new();
        let mut findings = write(report).peekable();
        while let Some(finding) = findings.next() {
            batch.push(finding);
            if batch.len() < hub.batch() && findings.peek().is_some() {
                continue;
            }
            let imported = self.hand_over(hub.as_ref(), &batch).await;
            let imported = imported.map_err(|error| OutsideText::new(&error.to_string()))?;
            all.taken += imported.taken;
            all.refused += imported.refused;
            all.why = all.why.or(imported.why);
            batch.clear();
        }
        match all {
            Imported {
                taken, refused: 0, ..
            } => Ok(taken),
            Imported {
                taken,
                refused,
                why,
            } => {
                let why = why.unwrap_or_default();
                let said = format!("it took {taken}, and not {refused}: {why}");
                Err(OutsideText::new(&said))
            }
        }
    }

    async fn hand_over(
        &self,
        hub: &dyn FindingHub,
        batch: &[Value],
    ) -> Result<Imported, ListError> {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            match hub.import(batch).await {
                Err(error) if error.is_retryable() => self.ports.clock.sleep(wait).await,
                other => return other,
            }
            wait *= 2;
        }
        hub.import(batch).await
    }
}
