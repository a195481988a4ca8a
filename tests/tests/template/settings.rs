//! Each function reads the settings that the template gives it, all of them and no others.

use std::cell::RefCell;
use std::collections::BTreeSet;

use keyward_aws::{DUE_INDEX, EXPIRES};
use keyward_lambda::config::{
    AuditConfig, Config, ConfigError, ControlConfig, KillConfig, MonitorConfig, OffboardConfig,
};
use keyward_tests::template::{FUNCTIONS, Stack, Template};
use serde_json::json;

const ACCOUNTS: &str = r#"{"openrouter-main": {"provider": "openrouter",
  "admin_secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/e2e/admin/openrouter-main-a1B2c3",
  "read_secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/e2e/read/openrouter-main-d4E5f6"}}"#;
const MAPPED: &str = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:spend";
const MAP: &str = r#"{"spend": "support-bot"}"#;

/// Everything set that can be.
const ALL: [(&str, &str); 11] = [
    ("SecurityHub", "true"),
    ("ReportLockDays", "365"),
    ("OffboardAccounts", "444455556666"),
    ("OffboardSources", "corp.hr,corp.it"),
    ("ProviderAccounts", ACCOUNTS),
    ("AlarmMap", MAP),
    ("MappedAlarmArns", MAPPED),
    ("RestoreNeedsSecond", "true"),
    ("EnforceNeedsSecond", "true"),
    (
        "ExtraRootsLayer",
        "arn:aws:lambda:us-east-1:111122223333:layer:roots:1",
    ),
    ("ReservedConcurrency", "0"),
];

/// What the control function is told for drills.
const DRILLS: [&str; 1] = ["KEYWARD_ALARM_TOPIC_ARN"];

/// What a function makes of its settings.
fn read(function: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<(), ConfigError> {
    match function {
        "rotate" | "retire" => Config::from_lookup(lookup).map(drop),
        "control" | "usage" => ControlConfig::from_lookup(lookup).map(drop),
        "monitor" => MonitorConfig::from_lookup(lookup).map(drop),
        "audit" => AuditConfig::from_lookup(lookup).map(drop),
        "offboard" => OffboardConfig::from_lookup(lookup).map(drop),
        "kill-switch" => KillConfig::from_lookup(lookup).map(drop),
        other => panic!("{other} is not known here"),
    }
}

#[test]
fn functions_find_the_settings_that_they_read_and_no_others() {
    let Some(template) = Template::read() else {
        return;
    };
    for parameters in [&[][..], &ALL[..]] {
        let stack = Stack::of(&template, parameters);
        for (name, logical) in FUNCTIONS {
            let given = stack.variables(&format!("{logical}Function"));
            let asked = RefCell::new(BTreeSet::new());
            let accepted = read(name, |variable| {
                asked.borrow_mut().insert(variable.to_owned());
                given.get(variable).cloned()
            });
            assert_eq!(accepted, Ok(()), "{name}: {given:#?}");
            let given: BTreeSet<String> = given.into_keys().collect();
            let mut asked = asked.into_inner();
            if name == "usage" {
                // Drills are nothing for agents.
                asked.retain(|variable| !DRILLS.contains(&variable.as_str()));
            }
            assert_eq!(asked, given, "{name}");
        }
    }
}

#[test]
fn the_table_is_the_one_that_the_inventory_needs() {
    let Some(template) = Template::read() else {
        return;
    };
    let table = Stack::of(&template, &[]).properties("Table");
    let keys = |partition: &str, sort: &str| json!([{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]);
    assert_eq!(table["KeySchema"], keys("pk", "sk"));
    let index = json!([{
        "IndexName": DUE_INDEX,
        "KeySchema": keys("due", "due_at"),
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }]);
    assert_eq!(table["GlobalSecondaryIndexes"], index);
    let expires = json!({"Enabled": true, "AttributeName": EXPIRES});
    assert_eq!(table["TimeToLiveSpecification"], expires);
    assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(
        table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"],
        true
    );
    assert_eq!(table["SSESpecification"]["SSEType"], "KMS");
}

#[test]
fn every_function_that_is_built_is_deployed() {
    let Some(template) = Template::read() else {
        return;
    };
    let resources = Stack::of(&template, &[]).resources();
    let deployed = resources
        .values()
        .filter_map(|r| r["Properties"]["CodeUri"].as_str());
    let deployed: BTreeSet<&str> = deployed.collect();
    let makefile = include_str!("../../../Makefile");
    let listed = makefile
        .lines()
        .find_map(|l| l.strip_prefix("FUNCTIONS := "));
    let built: BTreeSet<String> = listed
        .unwrap()
        .split(' ')
        .map(|f| format!("../target/lambda/{f}"))
        .collect();
    assert_eq!(deployed, built.iter().map(String::as_str).collect());
}
