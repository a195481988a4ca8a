//! OCSF's Compliance Finding: <https://schema.ocsf.io/1.3.0/classes/compliance_finding>.

use keyward_core::model::audit::{AuditReport, Entry, Standing};
use keyward_core::model::finding::{Gravity, Owasp};
use keyward_core::rules::audit::rule;
use serde_json::{Value, json};

use crate::{Place, RELEASE};

const VERSION: &str = "1.3.0";
const FINDINGS: u32 = 2;
const COMPLIANCE_FINDING: u32 = 2003;

/// Every finding as one event.
pub fn events<'a>(report: &'a AuditReport, place: &'a Place) -> impl Iterator<Item = Value> + 'a {
    let entries = report.findings.iter();
    entries.map(|entry| event(report, entry, place))
}

fn event(report: &AuditReport, entry: &Entry, place: &Place) -> Value {
    let finding = &entry.finding;
    let rule = rule(&finding.rule);
    let title = rule.map_or(finding.rule.as_str(), |rule| rule.title);
    let (activity, activity_name) = activity(entry.standing);
    let (status, status_name) = status(entry.standing);
    let (result, result_name) = compliance(entry.standing);
    let (severity, severity_name) = severity(finding.gravity);
    let standards = rule.map_or_else(Vec::new, |rule| {
        let standards = rule.owasp.iter().copied();
        standards
            .map(|o: Owasp| format!("OWASP {} {}", o.as_str(), o.title()))
            .collect()
    });
    let mut event = json!({
        "activity_id": activity,
        "activity_name": activity_name,
        "category_uid": FINDINGS,
        "category_name": "Findings",
        "class_uid": COMPLIANCE_FINDING,
        "class_name": "Compliance Finding",
        "type_uid": COMPLIANCE_FINDING * 100 + activity,
        "time": report.made.as_millisecond(),
        "severity_id": severity,
        "severity": severity_name,
        "status_id": status,
        "status": status_name,
        "message": format!("{}: {}", finding.about, finding.evidence),
        "metadata": {
            "version": VERSION,
            "profiles": ["cloud"],
            "product": {"name": "Keyward", "vendor_name": "Keyward", "version": RELEASE},
        },
        "cloud": {"provider": "AWS", "region": place.region, "account": {"uid": place.account}},
        "finding_info": {
            "uid": finding.id,
            "title": title,
            "desc": finding.evidence,
            "created_time": entry.first_seen.as_millisecond(),
            "first_seen_time": entry.first_seen.as_millisecond(),
            "last_seen_time": entry.last_seen.as_millisecond(),
            "types": [finding.rule],
        },
        "compliance": {
            "control": finding.rule,
            "standards": standards,
            "status_id": result,
            "status": result_name,
        },
        "resources": [{
            "uid": finding.about.to_string(),
            "name": finding.about.to_string(),
            "type": finding.about.kind(),
        }],
        "unmapped": {"standing": entry.standing, "command": finding.command},
    });
    if let Some(rule) = rule {
        event["remediation"] = json!({"desc": rule.mend});
    }
    if let Some(owner) = &finding.owner {
        event["resources"][0]["owner"] = json!({"name": owner});
    }
    event
}

const fn activity(standing: Standing) -> (u32, &'static str) {
    match standing {
        Standing::New => (1, "Create"),
        Standing::CameBack | Standing::Open | Standing::NotSeen | Standing::Accepted => {
            (2, "Update")
        }
        Standing::Fixed => (3, "Close"),
    }
}

const fn status(standing: Standing) -> (u32, &'static str) {
    match standing {
        Standing::New | Standing::CameBack | Standing::Open | Standing::NotSeen => (1, "New"),
        Standing::Accepted => (3, "Suppressed"),
        Standing::Fixed => (4, "Resolved"),
    }
}

/// What was not seen is a warning: there was no result for want of information.
const fn compliance(standing: Standing) -> (u32, &'static str) {
    match standing {
        Standing::Fixed => (1, "Pass"),
        Standing::NotSeen => (2, "Warning"),
        Standing::New | Standing::CameBack | Standing::Open | Standing::Accepted => (3, "Fail"),
    }
}

const fn severity(gravity: Gravity) -> (u32, &'static str) {
    match gravity {
        Gravity::Low => (2, "Low"),
        Gravity::Medium => (3, "Medium"),
        Gravity::High => (4, "High"),
        Gravity::Critical => (5, "Critical"),
    }
}
