//! SARIF 2.1.0: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html>.

use keyward_core::model::audit::{AuditReport, Entry, Standing};
use keyward_core::model::finding::{Gravity, Owasp};
use keyward_core::rules::audit::{RULES, Rule, catalogue};
use serde_json::{Value, json};

use crate::RELEASE;

/// The report as a log of one run. What is fixed is in it as `absent`, what somebody answers for as suppressed.
pub fn log(report: &AuditReport) -> Value {
    frame(report, report.findings.iter().map(result).collect())
}

/// The same as text, written result by result: a log of many is large.
pub(crate) fn text(report: &AuditReport) -> String {
    let frame = frame(report, Vec::new()).to_string();
    // Its last empty list is that of the results.
    let (head, tail) = frame.rsplit_once("[]").unwrap_or((&frame, ""));
    let results = crate::list(report.findings.iter().map(result));
    format!("{head}{}{tail}\n", results.trim_end())
}

fn frame(report: &AuditReport, results: Vec<Value>) -> Value {
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "Keyward",
                "semanticVersion": RELEASE,
                "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
            }},
            "automationDetails": {"id": format!("keyward/{}/{}", report.stack, report.period)},
            "invocations": [invocation(report)],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(rule: &Rule) -> Value {
    let tags = rule
        .owasp
        .iter()
        .map(|owasp| format!("external/owasp/{}", owasp.as_str()));
    let tags: Vec<String> = ["security".to_owned()].into_iter().chain(tags).collect();
    json!({
        "id": rule.id,
        "name": name(rule.id.as_str()),
        "shortDescription": {"text": format!("{}.", rule.title)},
        "fullDescription": {"text": rule.why},
        "help": {"text": format!("{} See {}.", rule.mend, catalogue::anchor(&rule.id))},
        "defaultConfiguration": {"level": level(rule.gravity)},
        "properties": {
            "tags": tags,
            "security-severity": score(rule.gravity),
            "owasp": rule.owasp.iter().copied().map(Owasp::title).collect::<Vec<_>>(),
        },
    })
}

/// `key-too-old` as `KeyTooOld`.
fn name(id: &str) -> String {
    let words = id.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    words.collect()
}

const fn level(gravity: Gravity) -> &'static str {
    match gravity {
        Gravity::Critical | Gravity::High => "error",
        Gravity::Medium => "warning",
        Gravity::Low => "note",
    }
}

/// The middle of each class of scores as code scanning has them:
/// <https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning>.
const fn score(gravity: Gravity) -> &'static str {
    match gravity {
        Gravity::Critical => "9.5",
        Gravity::High => "8.0",
        Gravity::Medium => "5.5",
        Gravity::Low => "2.0",
    }
}

/// What was not read whole is an error of the run: its silence proves nothing.
fn invocation(report: &AuditReport) -> Value {
    let unseen = report.coverage.iter().filter_map(|(source, seen)| {
        let why = seen.why()?;
        Some(json!({
            "level": "error",
            "message": {"text": format!("Not seen: {source} ({why}).")},
        }))
    });
    json!({
        "executionSuccessful": report.is_complete(),
        "endTimeUtc": report.made.to_string(),
        "toolExecutionNotifications": unseen.collect::<Vec<_>>(),
    })
}

fn result(entry: &Entry) -> Value {
    let finding = &entry.finding;
    let index = RULES.iter().position(|rule| rule.id == finding.rule);
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.gravity),
        "message": {"text": format!("{}: {}.", finding.about, finding.evidence.clause())},
        "locations": [{"logicalLocations": [{
            "name": finding.about.to_string(),
            "fullyQualifiedName": format!("{}/{}", finding.about.kind(), finding.about),
            "kind": "resource",
        }]}],
        "partialFingerprints": {"keywardFinding/v1": finding.id},
        "baselineState": baseline(entry.standing),
        "properties": {
            "standing": entry.standing,
            "gravity": finding.gravity,
            "firstSeen": entry.first_seen.to_string(),
            "lastSeen": entry.last_seen.to_string(),
            "since": finding.since.map(|at| at.to_string()),
            "owner": finding.owner,
            "command": finding.command,
        },
    });
    if let Some(index) = index {
        result["ruleIndex"] = index.into();
    }
    if let Some(risk) = &entry.accepted {
        let justification = format!("{} ({}, until {})", risk.reason, risk.owner, risk.until);
        result["suppressions"] = json!([{
            "kind": "external",
            "status": "accepted",
            "justification": justification,
        }]);
    }
    result
}

const fn baseline(standing: Standing) -> &'static str {
    match standing {
        Standing::New | Standing::CameBack => "new",
        Standing::Open | Standing::NotSeen | Standing::Accepted => "unchanged",
        Standing::Fixed => "absent",
    }
}
