//! `keyward audit`: the audit from a workstation. Reads with the person's own credentials, and keeps nothing.

mod discover;
mod ports;
mod show;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use keyward_core::model::audit::{AuditReport, Period, Source};
use keyward_core::model::finding::Gravity;
use keyward_core::ports::{Clock, Deadline, Progress, ReadingStage};
use keyward_core::usecases::audit::{AuditOrder, look};
use keyward_lambda::clock::SystemClock;
use keyward_reports::{Form, Place};

use crate::aws::Aws;
use crate::print::{Outcome, line};
use crate::progress::bar;

/// What is wanted of an audit.
#[derive(Args)]
pub(crate) struct Audit {
    /// The month that it is of, as 2026-11; this one if left out. What is read is what is so now.
    #[arg(long, value_name = "MONTH", conflicts_with = "discover")]
    period: Option<Period>,
    /// What is printed.
    #[arg(long, value_enum, default_value_t, conflicts_with = "discover")]
    format: Printed,
    /// Write every file of the report into this folder; with --discover, the proposed fleet file to this file.
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// End with 2 if something of this gravity or worse is open.
    #[arg(long, value_enum, default_value_t, conflicts_with = "discover")]
    fail_on: FailOn,
    /// Do not count this as not seen; can be given several times. The report tells it all the same.
    #[arg(long, value_name = "SOURCE", conflicts_with = "discover")]
    without: Vec<Without>,
    /// As JSON: the same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Look at an AWS account that has never seen Keyward.
    #[arg(long)]
    discover: bool,
    /// Read the values of secrets too, to tell keys by how they look and which are the same. None is shown or kept.
    #[arg(long, requires = "discover")]
    read_values: bool,
    /// A file with provider accounts, as KEYWARD_ACCOUNTS has them, whose keys are held against the secrets.
    #[arg(long, value_name = "FILE", requires = "discover")]
    accounts: Option<PathBuf>,
}

/// What is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Printed {
    /// What is open, worst first.
    #[default]
    Table,
    /// One page for people.
    Html,
    /// The report as it is.
    Json,
    /// Findings as a table for other programs.
    Csv,
    /// For code hosts.
    Sarif,
    /// For AWS Security Hub.
    Asff,
    /// For security lakes.
    Ocsf,
}

impl Printed {
    const fn form(self) -> Option<Form> {
        match self {
            Self::Table => None,
            Self::Html => Some(Form::Html),
            Self::Json => Some(Form::Json),
            Self::Csv => Some(Form::Csv),
            Self::Sarif => Some(Form::Sarif),
            Self::Asff => Some(Form::Asff),
            Self::Ocsf => Some(Form::Ocsf),
        }
    }
}

/// From which gravity on an open finding is told by the exit code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Only the worst.
    Critical,
    /// A key is out of control, or about to stop working.
    #[default]
    High,
    /// What makes a theft easier, too.
    Medium,
    /// Any.
    Low,
    /// None.
    Never,
}

impl FailOn {
    fn counts(self, gravity: Gravity) -> bool {
        match self {
            Self::Critical => gravity >= Gravity::Critical,
            Self::High => gravity >= Gravity::High,
            Self::Medium => gravity >= Gravity::Medium,
            Self::Low => true,
            Self::Never => false,
        }
    }
}

/// What need not be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Without {
    /// Who has left.
    People,
    /// IAM's credentials for Bedrock.
    Iam,
    /// The variables of Lambda functions.
    Functions,
    /// CloudWatch's alarms.
    Alarms,
    /// The policies of secrets.
    Policies,
    /// The ages of admin credentials.
    Credentials,
}

impl Without {
    const fn leaves_out(self, source: &Source) -> bool {
        matches!(
            (self, source),
            (Self::People, Source::People)
                | (Self::Iam, Source::Iam)
                | (Self::Functions, Source::Functions)
                | (Self::Alarms, Source::Alarms)
                | (Self::Policies, Source::Policies)
                | (Self::Credentials, Source::Credential(_))
        )
    }
}

/// So long is read at most.
const LONGEST: SignedDuration = SignedDuration::from_hours(2);

pub(super) async fn run(wanted: Audit) -> Result<Outcome> {
    if wanted.discover {
        return discover::run(&discover::Wanted {
            read_values: wanted.read_values,
            accounts: wanted.accounts,
            out: wanted.out,
            format: wanted.json.into(),
        })
        .await;
    }
    audit(&wanted).await
}

async fn audit(wanted: &Audit) -> Result<Outcome> {
    let settings = ports::Settings::read()?;
    let now = SystemClock.now();
    let this = Period::of(now);
    let period = wanted.period.unwrap_or(this);
    if period > this {
        bail!(
            "{period} has not begun, and nothing was read: an audit is of this month or one before"
        );
    }
    if let Some(folder) = &wanted.out {
        make(folder)?;
    }
    let aws = Aws::load().await?;
    let place = Place::of(&settings.deployment);
    let order = AuditOrder {
        period,
        accounts: settings.accounts(),
        deadline: Deadline(now + LONGEST),
        deployment: settings.deployment.clone(),
    };
    let (ports, before) = ports::open(&aws, settings).await?;
    let report = look(&ports, &order, before, &Bar)
        .await
        .context("there is no report, and nothing was changed")?;
    if let Some(folder) = &wanted.out {
        write(folder, &report, &place)?;
    }
    let printed = match wanted.json {
        true => Printed::Json,
        false => wanted.format,
    };
    match printed.form() {
        Some(form) => line(form.render(&place)(&report).text.trim_end()),
        None => show::report(&report).iter().for_each(|text| line(text)),
    }
    Ok(outcome(&report, wanted.fail_on, &wanted.without))
}

/// How it ended, for programs. What was found counts first: it is true, whatever was not seen.
fn outcome(report: &AuditReport, fail_on: FailOn, without: &[Without]) -> Outcome {
    let mut open = report.findings.iter().filter(|e| e.standing.is_open());
    if open.any(|entry| fail_on.counts(entry.finding.gravity)) {
        return Outcome::Differs;
    }
    let is_left_out = |source| without.iter().any(|one| one.leaves_out(source));
    match report
        .coverage
        .missing()
        .all(|(source, _)| is_left_out(source))
    {
        true => Outcome::Done,
        false => Outcome::MaybeMore,
    }
}

fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| {
        format!(
            "the folder {} cannot be made, and nothing was read",
            folder.display()
        )
    })
}

/// Every file of the report, in place of what was there.
fn write(folder: &Path, report: &AuditReport, place: &Place) -> Result<()> {
    for form in Form::ALL {
        let file = form.render(place)(report);
        let path = folder.join(file.name);
        std::fs::write(&path, file.text)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

/// Shows how far the reading is.
struct Bar;

impl Progress for Bar {
    fn at(&self, stage: ReadingStage, done: usize, all: usize) {
        let what = match stage {
            ReadingStage::Slots => "slots",
            ReadingStage::Around => "lists of AWS",
            ReadingStage::Accounts => "provider accounts",
            ReadingStage::Keys => "slots with their keys",
            ReadingStage::Secrets => "secrets",
        };
        bar(done, all, what);
    }
}

#[cfg(test)]
mod tests {
    use keyward_core::model::audit::{Entry, Seen, Standing};
    use serde_json::json;

    use super::*;

    fn report(findings: &[(&str, Standing)], not_seen: &[Source]) -> AuditReport {
        let entry = |(gravity, standing): &(&str, Standing)| {
            json!({
                "id": "0f".repeat(16), "rule": "key-idle", "gravity": gravity,
                "about": {"row": "x"}, "evidence": "seen", "sources": [], "standing": standing,
                "first_seen": "2026-11-01T00:00:00Z", "first_period": "2026-11",
                "last_seen": "2026-11-01T00:00:00Z",
            })
        };
        let findings: Vec<_> = findings.iter().map(entry).collect();
        let mut report: AuditReport = serde_json::from_value(json!({
            "schema": 1, "stack": "prod", "period": "2026-11", "made": "2026-11-28T00:00:00Z",
            "coverage": [{"source": "inventory", "seen": "whole"}],
            "totals": {"slots": 1, "keys": 1, "listed": 1}, "findings": findings, "slots": [],
            "past": [], "acts": [],
        }))
        .expect("a report");
        for source in not_seen {
            report.coverage.put(source.clone(), Seen::not("denied"));
        }
        let _: &[Entry] = &report.findings;
        report
    }

    #[test]
    fn what_was_not_seen_never_ends_well_and_what_was_found_counts_first() {
        use FailOn::{Critical, High, Low, Never};
        use Outcome::{Differs, Done, MaybeMore};
        use Standing::{Accepted, Fixed, New, NotSeen};
        let (iam, people) = (Source::Iam, Source::People);
        for (findings, missing, fail_on, without, ends) in [
            (vec![], vec![], High, vec![], Done),
            (vec![("high", New)], vec![], High, vec![], Differs),
            (vec![("high", NotSeen)], vec![], High, vec![], Differs),
            (vec![("medium", New)], vec![], High, vec![], Done),
            (vec![("medium", New)], vec![], Low, vec![], Differs),
            (vec![("high", New)], vec![], Critical, vec![], Done),
            (vec![("critical", New)], vec![], Never, vec![], Done),
            (vec![("critical", Accepted)], vec![], Low, vec![], Done),
            (vec![("critical", Fixed)], vec![], Low, vec![], Done),
            (vec![], vec![iam.clone()], Never, vec![], MaybeMore),
            (
                vec![("high", New)],
                vec![iam.clone()],
                High,
                vec![],
                Differs,
            ),
            (
                vec![],
                vec![people.clone()],
                High,
                vec![Without::People],
                Done,
            ),
            (
                vec![],
                vec![people, iam],
                High,
                vec![Without::People],
                MaybeMore,
            ),
        ] {
            let report = report(&findings, &missing);
            let ended = outcome(&report, fail_on, &without);
            assert_eq!(
                ended, ends,
                "{findings:?} {missing:?} {fail_on:?} {without:?}"
            );
        }
    }
}
