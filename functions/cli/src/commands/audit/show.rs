//! A report for a person at a terminal: what is open, the worst first, with what mends it.

use keyward_core::model::audit::{AuditReport, Entry, History, Source, Standing};
use keyward_core::model::finding::Gravity;
use keyward_core::model::text::AlertText;
use keyward_core::rules::audit::rule;

use crate::print::{Tint, clean, painted};

/// More findings than a person reads at once; the rest is in the files.
const MOST: usize = 40;

/// The lines.
pub(super) fn report(report: &AuditReport) -> Vec<String> {
    let mut lines = vec![heading(report)];
    lines.extend(not_seen(report));
    let is_open = |entry: &&Entry| entry.standing.is_open();
    let open: Vec<&Entry> = report.findings.iter().filter(is_open).collect();
    for entry in open.iter().take(MOST) {
        lines.push(String::new());
        lines.extend(finding(entry, report.history));
    }
    if open.len() > MOST {
        let more = open.len() - MOST;
        lines.push(String::new());
        lines.push(format!(
            "{more} more: --format csv, or --out FOLDER for all of it"
        ));
    }
    lines.extend(accepted(report));
    lines
}

fn heading(report: &AuditReport) -> String {
    let open = report.open();
    let counts = Gravity::ALL.map(|gravity| format!("{} {gravity}", open.of(gravity)));
    let count = |standing| {
        let all = report.findings.iter();
        all.filter(|entry| entry.standing == standing).count()
    };
    let totals = report.totals;
    let (accepted, fixed) = (count(Standing::Accepted), count(Standing::Fixed));
    let fixed = match report.history {
        History::Known => format!(", {fixed} fixed"),
        History::Unknown => String::new(),
    };
    format!(
        "{}, {}: {} open; {accepted} accepted{fixed}; {} slots with {} keys, {} keys in providers' lists",
        clean(report.stack.as_str()),
        report.period,
        counts.join(", "),
        totals.slots,
        totals.keys,
        totals.listed
    )
}

fn not_seen(report: &AuditReport) -> Vec<String> {
    let row = |source: &Source, why: &AlertText| {
        let (source, why) = (clean(&source.to_string()), clean(why.as_str()));
        format!("  {source}: {why}")
    };
    let missing = report.coverage.missing();
    let missing: Vec<String> = missing.map(|(source, why)| row(source, why)).collect();
    let absent = report.coverage.absent();
    let absent: Vec<String> = absent.map(|(source, why)| row(source, why)).collect();
    let mut lines = Vec::new();
    if !missing.is_empty() {
        let what = painted("INCOMPLETE", Tint::Red);
        lines.push(format!(
            "{what}: not seen, so nothing there is known to be well:"
        ));
        lines.extend(missing);
    }
    if !absent.is_empty() {
        lines.push("Not seen, since it is not set up to be read, so not judged:".to_owned());
        lines.extend(absent);
    }
    lines
}

fn finding(entry: &Entry, history: History) -> Vec<String> {
    let finding = &entry.finding;
    let tint = match finding.gravity {
        Gravity::Critical | Gravity::High => Tint::Red,
        Gravity::Medium => Tint::Yellow,
        Gravity::Low => Tint::Plain,
    };
    let known = rule(&finding.rule);
    let title = known.map_or_else(|| finding.rule.to_string(), |rule| rule.title.to_owned());
    let standing = match (history, entry.standing) {
        (History::Unknown, Standing::New) => String::new(),
        (_, standing) => format!(" ({standing})"),
    };
    let about = clean(&finding.about.to_string());
    let since = finding.since.map_or_else(String::new, |at| {
        format!(", since {}", at.strftime("%Y-%m-%d"))
    });
    let mends = match (&finding.command, known) {
        (Some(command), _) => clean(command.as_str()),
        (None, Some(rule)) => rule.mend.to_owned(),
        (None, None) => "see the report".to_owned(),
    };
    vec![
        format!(
            "{} {about}: {title}{standing}",
            painted(finding.gravity.as_str(), tint)
        ),
        format!("    {}{since}", clean(finding.evidence.as_str())),
        format!("    mend:   {mends}"),
        format!(
            "    accept: keyward accept {} --until DAY --reason WHY",
            finding.id
        ),
    ]
}

fn accepted(report: &AuditReport) -> Vec<String> {
    let all = report.findings.iter();
    let all = all.filter(|entry| entry.standing == Standing::Accepted);
    let rows = all.filter_map(|entry| {
        let risk = entry.accepted.as_ref()?;
        let finding = &entry.finding;
        Some(format!(
            "  {} {} of {}: {} until {}, {}",
            finding.id,
            finding.rule,
            clean(&finding.about.to_string()),
            risk.owner,
            risk.until.strftime("%Y-%m-%d"),
            clean(risk.reason.as_str())
        ))
    });
    let rows: Vec<String> = rows.take(MOST).collect();
    if rows.is_empty() {
        return rows;
    }
    let heading = [String::new(), "Accepted:".to_owned()];
    heading.into_iter().chain(rows).collect()
}
