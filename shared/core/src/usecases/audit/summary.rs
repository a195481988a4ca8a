//! What people are told of an audit.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::model::alert::{Alert, AlertKind, Command, Severity};
use crate::model::audit::{AuditReport, Entry, Source, Standing};
use crate::model::finding::Gravity;
use crate::rules::audit::rule;

/// Findings that are named at most.
const NAMED: usize = 5;

/// Sources that are named at most.
const SOURCES: usize = 4;

/// The alert about a report that people open at `page`, and the SHA-256 of what it says in hex digits: the same report tells the
/// same.
pub(super) fn summary(report: &AuditReport, page: &str) -> (Alert, String) {
    let (what, left) = (what(report), left(report));
    let severity = severity(report);
    let digest = Sha256::digest(format!("{severity:?}\n{what}\n{left}"));
    let digest = digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let done = format!("The report is kept: {page}");
    let alert = Alert::general(severity, AlertKind::AuditDone, [&what, &done, &left]);
    (alert.with_command(Command::general("audit")), digest)
}

/// An audit of which something was not seen, or that found something new that is grave, needs a person.
fn severity(report: &AuditReport) -> Severity {
    let is_grave = |entry: &Entry| is_news(entry) && entry.finding.gravity >= Gravity::High;
    match !report.is_complete() || report.findings.iter().any(is_grave) {
        true => Severity::Warning,
        false => Severity::Notice,
    }
}

fn is_news(entry: &Entry) -> bool {
    matches!(entry.standing, Standing::New | Standing::CameBack)
}

fn what(report: &AuditReport) -> String {
    let open = report.open();
    let word = match report.is_complete() {
        true => "is complete",
        false => "is INCOMPLETE",
    };
    let mut text = format!("The audit of {} {word}.", report.period);
    match open.total() {
        0 => text.push_str(" Nothing is open in what was read."),
        total => {
            let counts = Gravity::ALL.map(|gravity| format!("{} {gravity}", open.of(gravity)));
            let _ = write!(text, " {total} open: {}.", counts.join(", "));
        }
    }
    let standings = Standing::ALL.into_iter().filter_map(|standing| {
        let of_it = report.findings.iter().filter(|e| e.standing == standing);
        let count = of_it.count();
        (count > 0).then(|| format!("{count} {standing}"))
    });
    let standings: Vec<String> = standings.collect();
    if !standings.is_empty() {
        let _ = write!(text, " Of all findings, {}.", standings.join(", "));
    }
    text
}

fn left(report: &AuditReport) -> String {
    let mut text = String::new();
    let missing: Vec<String> = report
        .coverage
        .missing()
        .map(|(source, why)| format!("{source} ({})", why.clause()))
        .collect();
    if !missing.is_empty() {
        let shown = missing.iter().take(SOURCES).map(|text| cut(text));
        let shown: Vec<String> = shown.collect();
        let _ = write!(text, "Not seen: {}", shown.join("; "));
        more(&mut text, missing.len(), SOURCES);
    }
    let places: Vec<String> = report
        .coverage
        .absent()
        .filter(|(source, _)| matches!(source, Source::Places(_)))
        .map(|(source, _)| source.to_string())
        .collect();
    if !places.is_empty() {
        let shown = places.iter().take(SOURCES).map(|text| cut(text));
        let shown: Vec<String> = shown.collect();
        let _ = write!(text, "Nobody looked at: {}", shown.join("; "));
        more(&mut text, places.len(), SOURCES);
    }
    // The most urgent stand first.
    let news: Vec<&Entry> = report.findings.iter().filter(|e| is_news(e)).collect();
    if !news.is_empty() {
        let shown = news.iter().take(NAMED).map(|entry| {
            let finding = &entry.finding;
            let title = rule(&finding.rule).map_or(finding.rule.as_str(), |rule| rule.title);
            cut(&format!("{}: {title}: {}", finding.gravity, finding.about))
        });
        let shown: Vec<String> = shown.collect();
        let _ = write!(text, "New or back, the worst first: {}", shown.join("; "));
        more(&mut text, news.len(), NAMED);
    }
    if news.is_empty() {
        text.insert_str(0, "Nothing is new. ");
    }
    text.trim_end().to_owned()
}

/// Ends a sentence, and says how much was left out of it.
fn more(text: &mut String, all: usize, shown: usize) {
    match all.saturating_sub(shown) {
        0 => text.push_str(". "),
        more => {
            let _ = write!(text, "; and {more} more. ");
        }
    }
}

/// One thing of a list is told in a few words, so that none hides the others.
fn cut(text: &str) -> String {
    const MOST: usize = 100;
    match text.chars().count() > MOST {
        true => text.chars().take(MOST).chain(['…']).collect(),
        false => text.to_owned(),
    }
}
