//! A table for spreadsheets: <https://www.rfc-editor.org/rfc/rfc4180>.

use keyward_core::model::audit::{AuditReport, Entry};
use keyward_core::model::finding::Owasp;
use keyward_core::rules::audit::rule;

const COLUMNS: [&str; 17] = [
    "id",
    "standing",
    "gravity",
    "rule",
    "title",
    "about",
    "name",
    "slot",
    "owner",
    "evidence",
    "since",
    "first_seen",
    "last_seen",
    "command",
    "owasp",
    "accepted_by",
    "accepted_until",
];

/// Every finding, one a row.
pub fn csv(report: &AuditReport) -> String {
    let mut text = row(COLUMNS.map(str::to_owned));
    for entry in &report.findings {
        text.push_str(&row(cells(entry)));
    }
    text
}

fn cells(entry: &Entry) -> [String; 17] {
    let finding = &entry.finding;
    let rule = rule(&finding.rule);
    let text = |value: Option<String>| value.unwrap_or_default();
    let owasp = rule.map(|rule| {
        let names = rule.owasp.iter().copied().map(Owasp::as_str);
        names.collect::<Vec<_>>().join(" ")
    });
    let accepted = entry.accepted.as_ref();
    [
        finding.id.to_string(),
        entry.standing.to_string(),
        finding.gravity.to_string(),
        finding.rule.to_string(),
        text(rule.map(|rule| rule.title.to_owned())),
        finding.about.kind().to_owned(),
        finding.about.to_string(),
        text(finding.slot.as_ref().map(ToString::to_string)),
        text(finding.owner.as_ref().map(ToString::to_string)),
        finding.evidence.to_string(),
        text(finding.since.map(|at| at.to_string())),
        entry.first_seen.to_string(),
        entry.last_seen.to_string(),
        text(finding.command.as_ref().map(|c| c.as_str().to_owned())),
        text(owasp),
        text(accepted.map(|risk| risk.owner.to_string())),
        text(accepted.map(|risk| risk.until.to_string())),
    ]
}

fn row(cells: [String; 17]) -> String {
    let quoted = cells.map(|cell| format!("\"{}\"", defused(&cell).replace('"', "\"\"")));
    format!("{}\r\n", quoted.join(","))
}

/// What a spreadsheet would take for a formula begins with a mark that makes it text:
/// <https://owasp.org/www-community/attacks/CSV_Injection>.
fn defused(cell: &str) -> String {
    let starts = cell.trim_start().chars().next();
    let first = cell.chars().next();
    let is_formula =
        |letter: Option<char>| letter.is_some_and(|letter| "=+-@\t\r\n＝＋－＠".contains(letter));
    match is_formula(starts) || is_formula(first) {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    }
}
