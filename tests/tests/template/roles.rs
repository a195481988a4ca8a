//! What the functions' roles allow. Whether that is what they ask for: `make permissions`.

use std::collections::BTreeSet;

use keyward_tests::template::policy::Request;
use keyward_tests::template::{FUNCTIONS, Stack, Template};

/// What is allowed on every resource, and why nothing narrower would do.
const ON_EVERYTHING: [(&str, &str); 4] = [
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
fn admin_credentials_that_can_write_are_for_few() {
    let Some(template) = Template::read() else {
        return;
    };
    let admin = "keyward/e2e/admin/openai-main-a1B2c3";
    // control, since a person's kill, restore and registration act at the provider at once.
    let few = BTreeSet::from(["rotate", "retire", "kill-switch", "control"]);
    let with_read_only = [("ReadOnlyAccounts", "{}")];
    let stack = Stack::of(&template, &with_read_only);
    assert_eq!(readers(&stack, admin, &[]), few);
    let read_only = readers(&stack, "keyward/e2e/read/openai-main-a1B2c3", &[]);
    assert_eq!(read_only, BTreeSet::from(["monitor"]));
    // Where a deployment has no credential that only reads, the monitor keeps limits with the one that writes.
    let mut more = few;
    more.insert("monitor");
    assert_eq!(readers(&Stack::of(&template, &[]), admin, &[]), more);
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
