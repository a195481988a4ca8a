//! The AWS Security Finding Format:
//! <https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format-syntax.html>.

use keyward_core::model::audit::{AuditReport, Entry, Standing};
use keyward_core::model::finding::{About, Gravity, Owasp};
use keyward_core::rules::audit::rule;
use serde_json::{Value, json};

use crate::{Place, cut, said};

/// How many findings one call of `BatchImportFindings` takes:
/// <https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html>.
pub const BATCH: usize = 100;

/// What `BatchImportFindings` takes. All that is open is among it each time: Security Hub forgets what it has not heard of
/// for 90 days, <https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings.html>.
///
/// Once it knows a finding, Security Hub takes severity and types from `FindingProviderFields` only, and the state of its
/// workflow from nobody but its own users: <https://docs.aws.amazon.com/securityhub/latest/userguide/finding-update-batchimportfindings.html>.
/// So `Workflow` is only in what is new to it, or accepted when it first hears of it; what is accepted later stays as it is
/// there, and `keyward/Standing` tells it. What is fixed is archived; should it come back, the record is active again, and
/// Security Hub itself makes its workflow new: <https://docs.aws.amazon.com/securityhub/latest/userguide/findings-workflow-status.html>.
pub fn findings<'a>(report: &'a AuditReport, place: &'a Place) -> impl Iterator<Item = Value> + 'a {
    let entries = report.findings.iter();
    entries.map(|entry| finding(report, entry, place))
}

/// The same, of a place that nobody else keeps.
pub(crate) fn owned(report: &AuditReport, place: Place) -> impl Iterator<Item = Value> + '_ {
    let entries = report.findings.iter();
    entries.map(move |entry| finding(report, entry, &place))
}

fn finding(report: &AuditReport, entry: &Entry, place: &Place) -> Value {
    let Place {
        partition,
        region,
        account,
    } = place;
    let finding = &entry.finding;
    let rule = rule(&finding.rule);
    let title = rule.map_or(finding.rule.as_str(), |rule| rule.title);
    let mend = rule.map_or("", |rule| rule.mend);
    let command = finding.command.as_ref().map(|command| command.as_str());
    let owasp = rule.map(|rule| {
        let names = rule.owasp.iter().copied().map(Owasp::as_str);
        names.collect::<Vec<_>>().join(" ")
    });
    let text = |value: Option<String>| value.filter(|text| !text.is_empty());
    let mut fields = serde_json::Map::new();
    for (name, value) in [
        ("keyward/Rule", Some(finding.rule.to_string())),
        ("keyward/Standing", Some(entry.standing.to_string())),
        (
            "keyward/Owner",
            text(finding.owner.as_ref().map(ToString::to_string)),
        ),
        ("keyward/Command", text(command.map(str::to_owned))),
        ("keyward/Owasp", text(owasp)),
        (
            "keyward/Since",
            text(finding.since.map(|at| at.to_string())),
        ),
    ] {
        if let Some(value) = value {
            fields.insert(name.to_owned(), cut(&value, 2048).into());
        }
    }
    let mend = match command {
        Some(command) => format!("{mend} Run: {command}"),
        None => mend.to_owned(),
    };
    let types = json!(["Software and Configuration Checks/AWS Security Best Practices/API keys"]);
    let severity = json!({"Label": label(finding.gravity), "Original": finding.gravity.as_str()});
    let id = finding.id;
    let stack = &report.stack;
    let mut finding = json!({
        "SchemaVersion": "2018-10-08",
        "Id": format!("keyward/{stack}/{id}"),
        "ProductArn": format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default"),
        "GeneratorId": format!("keyward/{}", finding.rule),
        "AwsAccountId": account,
        "Types": types,
        "FirstObservedAt": entry.first_seen.to_string(),
        "LastObservedAt": entry.last_seen.to_string(),
        "CreatedAt": entry.first_seen.to_string(),
        "UpdatedAt": report.made.to_string(),
        "Severity": severity,
        "FindingProviderFields": {"Severity": severity, "Types": types},
        "Title": cut(&format!("{title}: {}", finding.about), 256),
        "Description": said(finding.evidence.as_str(), 1024, title),
        "Remediation": {"Recommendation": {"Text": cut(&mend, 512)}},
        "ProductFields": fields,
        "Resources": [resource(&finding.about, report, place)],
        "Compliance": {"Status": compliance(entry.standing)},
        "RecordState": match entry.standing {
            Standing::Fixed => "ARCHIVED",
            _ => "ACTIVE",
        },
    });
    if let Some(workflow) = workflow(entry.standing) {
        finding["Workflow"] = json!({"Status": workflow});
    }
    finding
}

fn resource(about: &About, report: &AuditReport, place: &Place) -> Value {
    let kind = match about {
        About::Secret(_) => "AwsSecretsManagerSecret",
        About::Function(_) => "AwsLambdaFunction",
        About::Alarm(_) => "AwsCloudWatchAlarm",
        About::User(_) => "AwsIamUser",
        About::Slot(_)
        | About::Key(..)
        | About::Account(_)
        | About::Row(_)
        | About::Reader(_)
        | About::Deployment => "Other",
    };
    let id = match about {
        About::Secret(_) | About::Function(_) | About::Alarm(_) | About::Reader(_) => {
            about.to_string()
        }
        About::User(user) => {
            format!("arn:{}:iam::{}:user/{user}", place.partition, place.account)
        }
        About::Slot(_) | About::Key(..) | About::Account(_) | About::Row(_) | About::Deployment => {
            format!("keyward/{}/{}/{about}", report.stack, about.kind())
        }
    };
    json!({
        "Type": kind,
        "Id": said(&id, 512, about.kind()),
        "Partition": place.partition,
        "Region": place.region,
    })
}

const fn label(gravity: Gravity) -> &'static str {
    match gravity {
        Gravity::Critical => "CRITICAL",
        Gravity::High => "HIGH",
        Gravity::Medium => "MEDIUM",
        Gravity::Low => "LOW",
    }
}

/// What was not seen is not available, never passed.
const fn compliance(standing: Standing) -> &'static str {
    match standing {
        Standing::Fixed => "PASSED",
        Standing::NotSeen => "NOT_AVAILABLE",
        Standing::New | Standing::CameBack | Standing::Open | Standing::Accepted => "FAILED",
    }
}

/// How the work on a finding begins at Security Hub, where it may be that it does; `None` where that was long ago: how the
/// work goes on is its users' to say.
const fn workflow(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::New => Some("NEW"),
        Standing::Accepted => Some("SUPPRESSED"),
        Standing::CameBack | Standing::Open | Standing::NotSeen | Standing::Fixed => None,
    }
}
