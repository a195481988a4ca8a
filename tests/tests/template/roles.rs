//! What the functions' roles allow. Whether that is what they ask for: `make permissions`.

use std::collections::BTreeSet;

use keyward_tests::template::policy::Request;
use keyward_tests::template::{FUNCTIONS, Stack, Template};

/// What is allowed on every resource, and why nothing narrower would do.
const ON_EVERYTHING: [(&str, &str); 6] = [
    (
        "cloudwatch:PutMetricData",
        "metrics have no ARN; a condition names the namespace",
    ),
    (
        "cloudwatch:DescribeAlarms",
        "alarms on alarms are shown to nobody for less",
    ),
    ("cloudwatch:DescribeAlarmHistory", "the same"),
    (
        "secretsmanager:ListSecrets",
        "listing knows no resources, and shows no values",
    ),
    ("lambda:ListFunctions", "listing knows no resources"),
    ("cloudtrail:LookupEvents", "looking up knows no resources"),
];

fn request(action: &str, resource: &str, context: &[(&str, &str)]) -> Request {
    let values = context
        .iter()
        .map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()]));
    Request {
        action: action.to_owned(),
        resource: resource.to_owned(),
        context: values.collect(),
    }
}

fn secret(name: &str) -> String {
    format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:{name}")
}

/// The functions that may read a secret.
fn readers(stack: &Stack<'_>, name: &str, tags: &[(&str, &str)]) -> BTreeSet<&'static str> {
    let read = request("secretsmanager:GetSecretValue", &secret(name), tags);
    let may = |logical: &str| stack.policy(&format!("{logical}Role")).allows(&read);
    let readers = FUNCTIONS.iter().filter(|(_, logical)| may(logical));
    readers.map(|(name, _)| *name).collect()
}

#[test]
fn actions_are_spelled_out_and_resources_named() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    for (name, logical) in FUNCTIONS {
        for statement in stack.policy(&format!("{logical}Role")).0 {
            for action in &statement.actions {
                assert!(!action.contains('*'), "{name}: {action}");
                let anything = statement.resources.iter().any(|r| r == "*");
                let known = ON_EVERYTHING.iter().any(|(known, _)| known == action);
                assert!(!anything || known, "{name}: {action} on everything");
            }
        }
    }
}

#[test]
fn credentials_that_can_write_are_for_few_and_those_that_read_for_others() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let few = BTreeSet::from(["rotate", "retire", "kill-switch"]);
    let admin = readers(&stack, "keyward/e2e/admin/openai-main-a1B2c3", &[]);
    assert_eq!(admin, few);
    let read = readers(&stack, "keyward/e2e/read/openai-main-a1B2c3", &[]);
    assert_eq!(read, BTreeSet::from(["monitor", "control", "audit"]));
    // Which of them a function opens accounts by is what it may read.
    for (name, logical) in FUNCTIONS {
        let given = stack.variables(&format!("{logical}Function"));
        let credential = given.get("KEYWARD_CREDENTIAL").map(String::as_str);
        let expected = match name {
            // These can but write, and those can but read, whatever they are told.
            "rotate" | "retire" | "kill-switch" | "control" | "usage" | "offboard" => None,
            _ => Some("read"),
        };
        assert_eq!(credential, expected, "{name}");
    }
}

/// At Bedrock the functions' own roles are the credential.
#[test]
fn who_only_reads_only_lists_at_bedrock() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let user = |path: &str| format!("arn:aws:iam::111122223333:user{path}search-bot");
    let may = |logical: &str, action: &str, path: &str| {
        let made = request(
            &format!(
                "iam:{action}ServiceSpecificCredential{}",
                if action == "List" { "s" } else { "" }
            ),
            &user(path),
            &[(
                "iam:ServiceSpecificCredentialServiceName",
                "bedrock.amazonaws.com",
            )],
        );
        stack.policy(&format!("{logical}Role")).allows(&made)
    };
    for (action, reads, retire, rotate) in [
        ("List", true, true, true),
        ("Update", false, true, true),
        ("Delete", false, true, true),
        ("Create", false, false, true),
    ] {
        let own = "/keyward/e2e/";
        let all = ["Monitor", "Control", "Retire", "Rotate"];
        let allowed = all.map(|logical| may(logical, action, own));
        assert_eq!(allowed, [reads, reads, retire, rotate], "{action}");
        for logical in ["Monitor", "Control"] {
            assert!(!may(logical, action, "/"), "{logical}: {action}");
        }
    }
}

#[test]
fn no_function_reads_what_is_not_this_stacks() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let nobody = BTreeSet::new();
    assert_eq!(
        readers(&stack, "keyward/other/admin/openai-main-a1B2c3", &[]),
        nobody
    );
    assert_eq!(readers(&stack, "database-a1B2c3", &[]), nobody);
    let tag = "aws:ResourceTag/keyward:stack";
    assert_eq!(
        readers(&stack, "database-a1B2c3", &[(tag, "other")]),
        nobody
    );
    let own = readers(&stack, "llm/support-bot-a1B2c3", &[(tag, "e2e")]);
    // The kill switch and the monitor need no key's text.
    assert_eq!(own, BTreeSet::from(["rotate", "retire", "control"]));
}

#[test]
fn no_function_can_hand_itself_another_secret() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let tag = ("aws:ResourceTag/keyward:stack", "e2e");
    for (key, allowed) in [
        ("keyward:slot", true),
        ("keyward:handle:v1", true),
        ("keyward:stack", false),
        ("keyward:environment", false),
        ("owner", false),
    ] {
        let context = [tag, ("aws:TagKeys", key)];
        let tagging = request(
            "secretsmanager:TagResource",
            &secret("llm/a-a1B2c3"),
            &context,
        );
        assert_eq!(
            stack.policy("RotateRole").allows(&tagging),
            allowed,
            "{key}"
        );
    }
}

/// A report is a list of what is wrong: nobody but the audit may write one, and the audit writes nothing else.
#[test]
fn the_audit_writes_reports_and_its_own_lease_and_nothing_else() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[("SecurityHub", "true")]);
    let role = stack.policy("AuditRole");
    let bucket = "arn:aws:s3:::e2e-reportsbucket";
    for (action, resource, allowed) in [
        ("s3:PutObject", "/audits/2026-11/report.html", true),
        ("s3:PutObject", "/audits/ledger.json", true),
        ("s3:PutObject", "/people/left.json", false),
        ("s3:GetObject", "/audits/ledger.json", true),
        ("s3:GetObject", "/people/left.json", true),
        ("s3:GetObject", "/audits/2026-11/report.html", false),
        ("s3:DeleteObject", "/audits/ledger.json", false),
        ("s3:BypassGovernanceRetention", "/audits/ledger.json", false),
        ("s3:ListBucket", "", true),
    ] {
        let asked = request(action, &format!("{bucket}{resource}"), &[]);
        assert_eq!(role.allows(&asked), allowed, "{action} {resource}");
    }
    let lease = role.0.iter().find(|s| s.sid == "Lease").unwrap();
    for (item, allowed) in [
        ("LEASE#audit", true),
        ("LEASE#monitor", false),
        ("SLOT#bot", false),
    ] {
        for action in ["dynamodb:PutItem", "dynamodb:DeleteItem"] {
            let leading = [("dynamodb:LeadingKeys", item)];
            let asked = request(action, &lease.resources[0], &leading);
            assert_eq!(role.allows(&asked), allowed, "{action} {item}");
        }
    }
    let writes = [
        "Create", "Update", "Delete", "Put", "Tag", "Rotate", "Invoke",
    ];
    for statement in &role.0 {
        let own = ["Lease", "WriteReports", "Logs"].contains(&statement.sid.as_str());
        for action in &statement.actions {
            let (_, operation) = action.split_once(':').unwrap();
            let writes = writes.iter().any(|write| operation.starts_with(write));
            assert!(own || !writes, "{}: {action}", statement.sid);
        }
    }
    // Whatever else somebody is allowed.
    let mut policy = stack.policy("ReportsBucketPolicy");
    let everything = serde_json::json!({"Statement": [
        {"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"},
    ]});
    policy
        .0
        .extend(keyward_tests::template::policy::Policy::read(&everything).0);
    let tls = ("aws:SecureTransport", "true");
    let put = |who: &str, tls: (&str, &str), key: &str| {
        let context = [("aws:PrincipalArn", who), tls];
        policy.allows(&request(
            "s3:PutObject",
            &format!("{bucket}/{key}"),
            &context,
        ))
    };
    let audit = "arn:aws:iam:us-east-1:111122223333:AuditRole";
    let somebody = "arn:aws:iam::111122223333:role/admin";
    assert!(put(audit, tls, "audits/2026-11/report.html"));
    assert!(!put(
        audit,
        ("aws:SecureTransport", "false"),
        "audits/ledger.json"
    ));
    assert!(!put(somebody, tls, "audits/2026-11/report.html"));
    assert!(
        put(somebody, tls, "people/left.json"),
        "the directory's export"
    );
}

/// What agents tell is kept beside their slots, by a function that every one of them may call. Conditions on an item's key:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html>.
#[test]
fn the_function_for_agents_touches_items_of_slots_alone() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let role = stack.policy("UsageRole");
    let table = role.0.iter().find(|s| s.sid == "Inventory").unwrap();
    let table = &table.resources[0];
    for (item, allowed) in [
        ("SLOT#support-bot", true),
        ("INCIDENT#support-bot-2", false),
        ("ACCOUNT#openrouter-main", false),
        ("FINGERPRINT#0123", false),
        ("HANDLE#openrouter-main#key", false),
        ("LEASE#monitor", false),
        ("PRICES", false),
        ("XSLOT#support-bot", false),
    ] {
        for action in ["GetItem", "Query", "PutItem"] {
            let leading = [("dynamodb:LeadingKeys", item)];
            let asked = request(&format!("dynamodb:{action}"), table, &leading);
            assert_eq!(role.allows(&asked), allowed, "{action} of {item}");
        }
    }
    for action in ["DeleteItem", "UpdateItem", "Scan"] {
        let asked = request(&format!("dynamodb:{action}"), table, &[]);
        assert!(!role.allows(&asked), "{action}");
    }
}

/// Who ends what leaves has no key, no credential, and no way to end a secret for good.
#[test]
fn offboarding_deletes_only_this_stacks_secrets_and_never_by_force() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let role = stack.policy("OffboardRole");
    let own = ("aws:ResourceTag/keyward:stack", "e2e");
    let slot = ("aws:ResourceTag/keyward:slot", "support-bot");
    let force = ("secretsmanager:ForceDeleteWithoutRecovery", "true");
    for (context, allowed) in [
        (&[own, slot][..], true),
        (&[own], false),
        (&[slot], false),
        (&[("aws:ResourceTag/keyward:stack", "other"), slot], false),
        (&[own, slot, force], false),
    ] {
        let delete = request(
            "secretsmanager:DeleteSecret",
            &secret("llm/a-a1B2c3"),
            context,
        );
        assert_eq!(role.allows(&delete), allowed, "{context:?}");
    }
    let table = role.0.iter().find(|s| s.sid == "Inventory").unwrap();
    for (item, allowed) in [
        ("OFFBOARD#agent-bot-1", true),
        ("SLOT#support-bot", true),
        ("HANDLE#openrouter-main#key", true),
        ("INCIDENT#support-bot-2", false),
        ("ACT#2026-11", false),
        ("LEASE#monitor", false),
    ] {
        let leading = [("dynamodb:LeadingKeys", item)];
        let asked = request("dynamodb:PutItem", &table.resources[0], &leading);
        assert_eq!(role.allows(&asked), allowed, "{item}");
    }
    let bucket = "arn:aws:s3:::e2e-reportsbucket";
    for (key, allowed) in [
        ("offboarding/agent-bot-1.json", true),
        ("audits/ledger.json", false),
        ("people/left.json", false),
    ] {
        let put = request("s3:PutObject", &format!("{bucket}/{key}"), &[]);
        assert_eq!(role.allows(&put), allowed, "{key}");
    }
}
