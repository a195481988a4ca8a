//! The pages about a deployment are what the template, the alerts and the configuration say.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeSet;
use std::path::Path;

use keyward_core::model::alert::AlertKind;
use keyward_core::model::fleet::PolicyEntry;
use keyward_core::rules::policy::interval_days;
use keyward_providers::config::ProviderAccounts;

fn read(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// The names at the first level below a section of the template.
fn template(section: &str) -> BTreeSet<String> {
    let template = read("infra/template.yaml");
    let lines = template.lines();
    let within = lines
        .skip_while(|line| *line != format!("{section}:"))
        .skip(1);
    let within = within.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    let names = within.filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    let names = names.filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric()));
    names.map(str::to_owned).collect()
}

/// What stands in code in the first column of a section's table.
fn first_column(page: &str, section: &str) -> BTreeSet<String> {
    let text = read(page);
    let (_, section) = text.split_once(section).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let cells = section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let codes = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    codes.map(str::to_owned).collect()
}

#[test]
fn every_parameter_of_the_template_is_explained() {
    let parameters = template("Parameters");
    assert!(
        parameters.len() > 5,
        "the template was not read: {parameters:?}"
    );
    assert_eq!(first_column("infra/README.md", "## Parameters"), parameters);
}

/// The rotation's interval on the page is the one that the rules make of a policy of which nothing is said.
#[test]
fn the_interval_is_that_of_the_default_policy() {
    let days = interval_days(&PolicyEntry::default().into());
    let page = read("infra/README.md");
    assert!(page.contains(&format!("AutomaticallyAfterDays={days} ")));
}

#[test]
fn every_output_that_the_page_names_is_one() {
    let outputs = template("Outputs");
    let page = read("infra/README.md");
    let words = page.split('`').skip(1).step_by(2);
    let named: BTreeSet<_> = words
        .filter(|word| word.ends_with("Arn") || ["CommandSettings", "UsageUrl"].contains(word))
        .map(str::to_owned)
        .collect();
    assert!(named.len() >= 5 && named.is_subset(&outputs), "{named:?}");
}

/// The examples are accepted by the template and by the functions.
#[test]
fn the_examples_name_parameters_and_accounts_that_are_accepted() {
    let parameters = template("Parameters");
    for (example, accounts) in [("openai-anthropic", 2), ("bedrock", 1)] {
        let text = read(&format!("infra/examples/{example}.toml"));
        let (_, overrides) = text.split_once("parameter_overrides]\n").unwrap();
        let (plain, json) = overrides.split_once("ProviderAccounts = '''").unwrap();
        for line in plain.lines() {
            let name = line.split(" = ").next().unwrap();
            assert!(parameters.contains(name), "{example}: {name}");
        }
        let json = json.split("'''").next().unwrap();
        // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
        assert!(json.len() <= 4096, "{example}: CloudFormation's limit");
        let read = ProviderAccounts::from_json(json).unwrap();
        assert_eq!(read.accounts().count(), accounts, "{example}");
        assert!(parameters.contains("ProviderAccounts"));
    }
}

#[test]
fn every_kind_of_alert_has_a_section_in_the_runbook() {
    let runbook = read("infra/RUNBOOK.md");
    let sections = runbook.lines().filter_map(|line| line.strip_prefix("### "));
    let sections: Vec<String> = sections.map(str::to_owned).collect();
    let kinds = AlertKind::ALL.map(|kind| {
        let name = serde_json::to_value(kind).unwrap();
        name.as_str().unwrap().to_owned()
    });
    let unique: BTreeSet<&String> = sections.iter().collect();
    assert_eq!(unique.len(), sections.len(), "a section stands there twice");
    assert_eq!(unique, kinds.iter().collect());
    let links = runbook
        .split("](#")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap());
    for link in links {
        assert!(kinds.iter().any(|kind| kind == link), "#{link}");
    }
}

/// What CloudWatch says about Keyward itself is explained too.
#[test]
fn every_alarm_of_the_stack_is_in_the_runbook() {
    let template = read("infra/template.yaml");
    let names = template.lines().filter_map(|line| {
        let (_, name) = line.split_once("AlarmName: !Sub keyward-${AWS::StackName}-ops-")?;
        Some(name.to_owned())
    });
    let names: BTreeSet<String> = names.collect();
    assert!(names.len() > 10, "the template was not read: {names:?}");
    let explained = first_column("infra/RUNBOOK.md", "## Alarms on Keyward itself");
    assert_eq!(explained, names);
}

/// The Makefile builds what is a Lambda function, and nothing else: the command is none.
#[test]
fn what_is_built_for_lambda_is_every_function_and_no_command() {
    let makefile = read("Makefile");
    let line = makefile
        .lines()
        .find_map(|line| line.strip_prefix("FUNCTIONS := "));
    let built: BTreeSet<_> = line.unwrap().split(' ').map(str::to_owned).collect();
    let folders = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions"));
    let names = folders
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let functions = names
        .filter(|name| read(&format!("functions/{name}/Cargo.toml")).contains("\nlambda_runtime"));
    assert_eq!(built, functions.collect());
    assert!(!built.contains("cli"));
    let template = read("infra/template.yaml");
    let code = template
        .lines()
        .filter_map(|line| line.trim().strip_prefix("CodeUri: ../target/lambda/"));
    assert_eq!(code.map(str::to_owned).collect::<BTreeSet<_>>(), built);
}

/// What runs on others' machines with this repository is fixed to what was looked at, and may read and no more.
#[test]
fn actions_are_pinned_and_may_only_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.github/workflows");
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("\npermissions: {}\n"), "{file:?}");
        assert!(!text.contains(": write"), "{file:?}");
        let uses = text.split("uses: ").skip(1);
        for action in uses.map(|rest| rest.lines().next().unwrap()) {
            let (_, version) = action.split_once('@').unwrap();
            let hash = version.split(' ').next().unwrap();
            let is_hash = hash.len() == 40 && hash.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(is_hash && version.contains(" # v"), "{file:?}: {action}");
        }
    }
}
