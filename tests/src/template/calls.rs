//! What functions were seen to ask AWS for, beside what their roles allow.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::policy::{Effect, Policy, Request};

/// What a role may hold though no call of it was seen: function (`*` for all), how the action begins, with or without its statement
/// before it, and why.
pub const UNSEEN: [(&str, &str, &str); 14] = [
    ("*", "logs:", "Lambda itself writes the logs, as the role"),
    (
        "*",
        "kms:",
        "Secrets Manager, DynamoDB, SNS and SQS ask for it on the caller's behalf; emulators do not",
    ),
    (
        "*",
        "sqs:SendMessage",
        "Lambda itself leaves what failed in the queue, as the role",
    ),
    (
        "*",
        "iam:",
        "Bedrock's keys: the suites play IAM by a simulator of the provider, which keeps no roles",
    ),
    (
        "monitor",
        "dynamodb:ConditionCheckItem",
        "a slot whose month is spent is restricted, which only runs of weeks come to",
    ),
    (
        "monitor",
        "cloudwatch:ListTagsForResource",
        "the tags of each alarm are looked at in one hour of the day",
    ),
    (
        "kill-switch",
        "dynamodb:ConditionCheckItem",
        "a claim compares the keys that a restore is bringing back at that moment",
    ),
    (
        "*",
        "Pools: secretsmanager:DescribeSecret",
        "asked where a version of a pool is not there, to tell that from a secret that is not",
    ),
    (
        "control",
        "SlotSecrets: secretsmanager:RotateSecret",
        "a restore of a slot that has no key at all asks for one",
    ),
    (
        "control",
        "RotationFunction: lambda:InvokeFunction",
        "RotateSecret asks it of its caller",
    ),
    (
        "rotate",
        "AdminCredentials: secretsmanager:",
        "admin credentials are rotated on the stack of tests/lockdown.rs alone, whose calls are not kept",
    ),
    (
        "retire",
        "AdminCredentials: secretsmanager:",
        "the same: what is left of their rotations is ended there",
    ),
    (
        "control",
        "Offboarding: lambda:InvokeFunction",
        "the suites' control is told of no such function, and leaves a case to its schedule",
    ),
    (
        "audit",
        "s3:ListBucket",
        "S3 asks for it by itself where something is not there, so as to say so",
    ),
];

#[derive(Debug, Deserialize)]
struct Line {
    function: String,
    #[serde(flatten)]
    request: Request,
}

/// What each function asked for, as the emulators kept it in files of `folder`. What a test called `alerts` is `<stack>-alerts` in
/// a deployment.
///
/// # Panics
/// If the folder, or a file of it, cannot be read.
pub fn seen(folder: &Path, stack: &str) -> BTreeMap<String, BTreeSet<Request>> {
    let mut all: BTreeMap<String, BTreeSet<Request>> = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let lines = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in lines.lines() {
            let Line {
                function,
                mut request,
            } = serde_json::from_str(line).unwrap();
            request.resource = deployed(&request, stack);
            all.entry(function).or_default().insert(request);
        }
    }
    all
}

/// A resource under the name that a deployment gives it.
fn deployed(request: &Request, stack: &str) -> String {
    let resource = &request.resource;
    match request.action.split(':').next() {
        Some("lambda") => resource.replace("function:", &format!("function:{stack}-")),
        Some("sns") => match resource.rsplit_once(':') {
            Some((place, name)) => format!("{place}:{stack}-{name}"),
            None => resource.clone(),
        },
        Some("s3") => match resource.split_once('/') {
            Some((_, key)) => format!("{stack}-reportsbucket/{key}"),
            None => format!("{stack}-reportsbucket"),
        },
        // The account's own product, as the template's account is called.
        Some("securityhub") => "product/111122223333/default".to_owned(),
        Some("dynamodb") => resource.replace("table/keyward", "table/Table"),
        _ => resource.clone(),
    }
}

/// Where a role and the calls of its function differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What was asked for, and is not allowed.
    pub missing: BTreeSet<String>,
    /// What is allowed, and was never asked for: statement and action.
    pub unused: BTreeSet<String>,
}

/// Compares a function's role with its calls.
pub fn compare(function: &str, role: &Policy, calls: &BTreeSet<Request>) -> Difference {
    let missing = calls.iter().filter(|call| !role.allows(call));
    let missing = missing.map(|c| format!("{} on {} {:?}", c.action, c.resource, c.context));
    let mut unused = BTreeSet::new();
    for statement in role.0.iter().filter(|s| s.effect == Effect::Allow) {
        for action in &statement.actions {
            let is_used = calls
                .iter()
                .any(|call| call.action == *action && statement.is_about(call));
            let named = format!("{}: {action}", statement.sid);
            if !is_used && !is_excused(function, action, &named) {
                unused.insert(named);
            }
        }
    }
    Difference {
        missing: missing.collect(),
        unused,
    }
}

fn is_excused(function: &str, action: &str, named: &str) -> bool {
    let begins = |with: &str| action.starts_with(with) || named.starts_with(with);
    UNSEEN
        .iter()
        .any(|(of, with, _)| (*of == "*" || *of == function) && begins(with))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn role() -> Policy {
        Policy::read(&json!({"Statement": [
            {"Sid": "Slots", "Effect": "Allow", "Resource": "arn:aws:secretsmanager:r:1:secret:*",
             "Action": ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
             "Condition": {"StringEquals": {"aws:ResourceTag/keyward:stack": "e2e"}}},
            {"Sid": "Logs", "Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"},
        ]}))
    }

    fn call(action: &str, stack: &str) -> Request {
        let tag = "aws:ResourceTag/keyward:stack".to_owned();
        Request {
            action: format!("secretsmanager:{action}"),
            resource: "arn:aws:secretsmanager:r:2:secret:a".to_owned(),
            context: [(tag, vec![stack.to_owned()])].into(),
        }
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_are_both_found() {
        let both = [call("DescribeSecret", "e2e"), call("GetSecretValue", "e2e")];
        let found = |calls: &[Request]| {
            let found = compare("rotate", &role(), &calls.iter().cloned().collect());
            (
                found.missing.len(),
                found.unused.into_iter().collect::<Vec<_>>(),
            )
        };
        assert_eq!(found(&both), (0, vec![]));
        let unused = vec!["Slots: secretsmanager:GetSecretValue".to_owned()];
        assert_eq!(found(&both[..1]), (0, unused));
        for more in [
            call("PutSecretValue", "e2e"),
            call("GetSecretValue", "other"),
        ] {
            assert_eq!(found(&[both.as_slice(), &[more]].concat()), (1, vec![]));
        }
    }
}
