//! The shape of the workspace: which way dependencies point, and where key text may be read.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The names of all packages that `package` needs to run.
fn needs(package: &str) -> BTreeSet<String> {
    needs_with(package, &[])
}

fn needs_with(package: &str, features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--prefix=none",
            "--edges=normal",
            "--format={p}",
            "-p",
            package,
        ])
        .args(features)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).unwrap();
    let names = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned);
    names.collect()
}

#[test]
fn core_knows_no_aws_no_http_and_no_lambda() {
    let needs = needs("keyward-core");
    assert!(needs.contains("jiff"), "the tree was not read: {needs:?}");
    let unwanted = |name: &&String| {
        name.starts_with("aws-")
            || name.starts_with("lambda_")
            || ["reqwest", "hyper", "tokio", "rustls"].contains(&name.as_str())
    };
    let found: Vec<_> = needs.iter().filter(unwanted).collect();
    assert!(found.is_empty(), "keyward-core must not need {found:?}");
}

#[test]
fn reports_know_no_aws_no_http_and_no_provider() {
    let needs = needs("keyward-reports");
    assert!(
        needs.contains("keyward-core"),
        "the tree was not read: {needs:?}"
    );
    let unwanted = |name: &&String| {
        name.starts_with("aws-")
            || ["reqwest", "keyward-aws", "keyward-providers"].contains(&name.as_str())
    };
    let found: Vec<_> = needs.iter().filter(unwanted).collect();
    assert!(found.is_empty(), "keyward-reports must not need {found:?}");
}

#[test]
fn aws_and_providers_do_not_know_each_other() {
    assert!(!needs("keyward-aws").contains("keyward-providers"));
    assert!(
        !needs("keyward-providers")
            .iter()
            .any(|name| name.starts_with("aws-sdk") || name == "keyward-aws")
    );
}

/// Agents link it: it brings nothing else of Keyward, and by itself no HTTP or TLS stack either.
#[test]
fn the_client_stays_light() {
    let own = |name: &&String| name.starts_with("keyward") && *name != "keyward-client";
    let stacks = ["reqwest", "hyper", "rustls", "openssl", "ring"];
    let alone = needs("keyward-client");
    assert!(
        alone.contains("aws-sdk-secretsmanager"),
        "the tree was not read: {alone:?}"
    );
    let unwanted = |name: &&String| own(name) || stacks.contains(&name.as_str());
    let found: Vec<_> = alone.iter().filter(unwanted).collect();
    assert!(found.is_empty(), "keyward-client must not need {found:?}");
    let with = needs_with("keyward-client", &["--features", "middleware"]);
    assert!(
        with.contains("reqwest-middleware"),
        "the tree was not read: {with:?}"
    );
    let others = ["openssl", "native-tls", "ring", "aws-smithy-http-client"];
    let unwanted = |name: &&String| own(name) || others.contains(&name.as_str());
    let found: Vec<_> = with.iter().filter(unwanted).collect();
    assert!(found.is_empty(), "keyward-client must not need {found:?}");
}

/// Everything with a `main` that people deploy or run.
const FUNCTIONS: [&str; 9] = [
    "keyward-agentd",
    "keyward-rotate",
    "keyward-retire",
    "keyward-monitor",
    "keyward-kill-switch",
    "keyward-control",
    "keyward-audit",
    "keyward-offboard",
    "keyward",
];

#[test]
fn functions_carry_no_test_code_and_one_of_each_stack() {
    for function in FUNCTIONS {
        let needs = needs(function);
        for unwanted in [
            "keyward-testkit",
            "keyward-tests",
            "openssl",
            "native-tls",
            "ring",
        ] {
            assert!(
                !needs.contains(unwanted),
                "{function} must not need {unwanted}"
            );
        }
    }
    for function in FUNCTIONS {
        let others = needs(function)
            .into_iter()
            .filter(|name| FUNCTIONS.contains(&name.as_str()) && name != function);
        assert_eq!(
            others.count(),
            0,
            "{function} must not need another function"
        );
    }
}

/// Their parsers are opened to the fuzzer in builds of its own only.
#[test]
fn no_function_is_built_with_the_doors_of_the_fuzzer() {
    let features = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--locked",
                "--offline",
                "--prefix=none",
                "--edges=normal",
            ])
            .args(["--format={p} {f}"])
            .args(arguments)
            .current_dir(root())
            .output()
            .unwrap();
        let tree = String::from_utf8(output.stdout).unwrap();
        let line = tree
            .lines()
            .find(|line| line.starts_with("keyward-providers "));
        line.unwrap().to_owned()
    };
    for function in FUNCTIONS {
        let line = features(&["-p", function]);
        assert!(!line.contains("fuzzing"), "{function}: {line}");
    }
    let with = features(&["-p", "keyward-tests", "--features", "fuzzing"]);
    assert!(with.contains("fuzzing"), "the tree was not read: {with}");
}

/// Where key text may be taken out of its type, outside tests.
const MAY_EXPOSE: [&str; 14] = [
    "functions/agentd/src/config.rs",
    "functions/agentd/src/ready.rs",
    "shared/providers/src/http/credential.rs",
    "shared/providers/src/litellm/chosen.rs",
    "shared/providers/src/gemini/account.rs",
    "shared/providers/src/azure/token.rs",
    "shared/aws/src/secrets",
    "shared/client/src/document.rs",
    "shared/core/src/model/admin_document.rs",
    "shared/core/src/model/key.rs",
    "shared/core/src/model/pool_document.rs",
    "shared/core/src/model/secret_document.rs",
    "shared/core/src/ports/secrets.rs",
    "shared/testkit/",
];

#[test]
fn key_text_leaves_its_type_in_few_places() {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for file in sources() {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        let production = text.split("#[cfg(test)]\nmod ").next().unwrap();
        if file.starts_with("tests/")
            || file.contains("/tests")
            || file.contains("testing")
            || !production.contains("expose_secret")
        {
            continue;
        }
        let allowed = MAY_EXPOSE
            .iter()
            .copied()
            .find(|place| file.starts_with(place));
        assert!(allowed.is_some(), "{file} takes key text out of its type");
        seen.extend(allowed);
    }
    assert!(seen.len() >= 5, "the search found too little: {seen:?}");
}

/// All Rust sources that are, or will be, in the repository.
fn sources() -> Vec<String> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "*.rs",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let files: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert!(files.len() > 50);
    files
        .into_iter()
        .filter(|file| root().join(file).exists())
        .collect()
}

/// The fleet type's JSON Schema is in the repository for editors, and is what the type says.
#[test]
fn the_fleet_schema_is_up_to_date_and_accepts_the_demo_fleet() {
    let schema = keyward_core::model::fleet::Fleet::json_schema();
    let path = root().join("shared/core/fleet.schema.json");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let expected = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    assert_eq!(
        written, expected,
        "write it anew: cargo run -p keyward-tests --example fleet-schema"
    );
    let validator = jsonschema::validator_for(&schema).unwrap();
    let fleet: serde_json::Value =
        serde_json::from_str(include_str!("../fixtures/fleet.json")).unwrap();
    assert!(validator.is_valid(&fleet));
    let mut with_host = fleet.clone();
    with_host["slots"]["support-bot-openrouter"]["base_url"] = "https://evil.example".into();
    assert!(
        !validator.is_valid(&with_host),
        "a slot must not be able to name a host"
    );
    let mut without_spend = fleet;
    without_spend["slots"]["support-bot-openrouter"]
        .as_object_mut()
        .unwrap()
        .remove("expected_spend");
    assert!(validator.is_valid(&without_spend));
}

/// The fleet file to begin with says the same as the fleet that tests use, and an editor finds nothing wrong with it.
#[test]
fn the_toml_fleet_is_the_json_fleet_and_valid_by_the_schema() {
    use keyward_core::model::fleet::Fleet;
    let toml = Fleet::read_toml(include_str!("../fixtures/keyward.toml")).unwrap();
    let json = Fleet::from_json(include_str!("../fixtures/fleet.json")).unwrap();
    assert_eq!(toml.check().unwrap().len(), json.check().unwrap().len());
    for (one, other) in toml.check().unwrap().iter().zip(&json.check().unwrap()) {
        assert_eq!((&one.people, one.policy), (&other.people, other.policy));
        assert_eq!((&one.name, one.expected), (&other.name, other.expected));
        assert_eq!(one.entry.secret, other.entry.secret);
    }
    let validator = jsonschema::validator_for(&Fleet::json_schema()).unwrap();
    let as_json = serde_json::to_value(&toml).unwrap();
    assert!(validator.is_valid(&as_json), "{as_json}");
}

/// A report's JSON form is for programs of others too.
#[test]
fn the_report_schema_is_up_to_date() {
    let schema = keyward_core::model::audit::AuditReport::json_schema();
    let path = root().join("shared/reports/report.schema.json");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let expected = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    assert_eq!(
        written, expected,
        "write it anew: cargo run -p keyward-tests --example report-schema"
    );
}

/// What offboarding takes and what it keeps is for programs of others too.
#[test]
fn the_schemas_of_offboarding_are_up_to_date_and_accept_what_is_read() {
    use keyward_core::usecases::offboard::OffboardingRecord;
    for (name, schema) in [
        ("event", keyward_offboard::event_schema()),
        ("record", OffboardingRecord::json_schema()),
    ] {
        let path = root().join(format!("functions/offboard/{name}.schema.json"));
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        let expected = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        assert_eq!(
            written, expected,
            "write it anew: cargo run -p keyward-tests --example offboard-schemas"
        );
    }
    let validator = jsonschema::validator_for(&keyward_offboard::event_schema()).unwrap();
    for (detail, is_one) in [
        (
            serde_json::json!({"schema": 1, "agent": "support-bot"}),
            true,
        ),
        (
            serde_json::json!({"schema": 1, "person": "ana@example.com", "also": [], "reason": "x"}),
            true,
        ),
        (
            serde_json::json!({"schema": 2, "agent": "support-bot"}),
            false,
        ),
        (
            serde_json::json!({"schema": 1, "agent": "support-bot", "person": "ana"}),
            false,
        ),
        (serde_json::json!({"schema": 1}), false),
    ] {
        assert_eq!(validator.is_valid(&detail), is_one, "{detail}");
    }
}

/// An alert's JSON form is for programs of others: its schema is in the repository, and is what the type says.
#[test]
fn the_alert_schema_is_up_to_date_and_accepts_alerts() {
    use keyward_core::model::alert::{Alert, AlertKind, Command, Severity};
    use keyward_core::model::names::SlotName;
    let schema = Alert::json_schema();
    let path = root().join("shared/core/alert.schema.json");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let expected = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    assert_eq!(
        written, expected,
        "write it anew: cargo run -p keyward-tests --example alert-schema"
    );
    let validator = jsonschema::validator_for(&schema).unwrap();
    let slot: SlotName = "support-bot".parse().unwrap();
    let long = "x".repeat(9999);
    for kind in AlertKind::ALL {
        let plain = Alert::general(Severity::Page, kind, [&long, "", ""]);
        let full = Alert::about(&slot, Severity::Notice, kind, ["a", "b", "c"])
            .with_command(Command::about("status", &slot))
            .with_incident("support-bot-4")
            .with_cause(&keyward_core::model::text::OutsideText::new("an alarm"))
            .at("2026-11-25T15:00:00Z".parse().unwrap());
        for alert in [plain, full] {
            let json = serde_json::to_value(&alert).unwrap();
            assert!(validator.is_valid(&json), "{json}");
        }
    }
    let mut json = serde_json::to_value(Alert::general(
        Severity::Page,
        AlertKind::Orphan,
        ["a", "b", "c"],
    ))
    .unwrap();
    json.as_object_mut().unwrap().remove("schema");
    assert!(!validator.is_valid(&json));
}

/// What the type refuses an editor shows as well, as far as a schema can say it.
#[test]
fn the_fleet_schema_refuses_what_the_type_refuses() {
    use keyward_core::model::fleet::Fleet;
    type Change = fn(&mut serde_json::Value);
    let validator = jsonschema::validator_for(&Fleet::json_schema()).unwrap();
    const SLOT: &str = "support-bot-openrouter";
    let changes: [(&str, Change); 11] = [
        ("version 0", |f| f["version"] = 0.into()),
        ("version 2", |f| f["version"] = 2.into()),
        ("upper case", |f| {
            f["accounts"]["Main"] = f["accounts"]["openrouter-main"].clone()
        }),
        ("two dashes", |f| {
            f["agents"]["a--b"] = f["agents"]["support-bot"].clone()
        }),
        ("a long name", |f| {
            f["agents"][&"a".repeat(64)] = f["agents"]["support-bot"].clone();
        }),
        ("an owner with a space", |f| {
            f["agents"]["support-bot"]["owner"] = "Ana B".into();
        }),
        ("no ARN", |f| {
            f["slots"][SLOT]["secret"] = "llm/support-bot".into()
        }),
        ("a workspace with a slash", |f| {
            f["slots"][SLOT]["scope"] = serde_json::json!({"workspace": "../x"});
        }),
        ("no spend", |f| {
            f["slots"][SLOT]["expected_spend"]["daily_cents"] = 0.into();
        }),
        ("refresh", |f| {
            f["slots"][SLOT]["policy"] = serde_json::json!({"refresh_minutes": 61});
        }),
        ("age", |f| {
            f["slots"][SLOT]["policy"] = serde_json::json!({"max_age_days": 366});
        }),
    ];
    for (name, change) in changes {
        let mut fleet: serde_json::Value =
            serde_json::from_str(include_str!("../fixtures/fleet.json")).unwrap();
        assert!(fleet["slots"][SLOT].is_object());
        change(&mut fleet);
        assert!(!validator.is_valid(&fleet), "the schema accepts {name}");
        let read = Fleet::from_json(&fleet.to_string()).and_then(|fleet| fleet.check());
        assert!(read.is_err(), "the type accepts {name}");
    }
}

/// Whoever gets an alert finds its kind in the table.
#[test]
fn every_kind_of_alert_is_explained() {
    let text = std::fs::read_to_string(root().join("shared/core/README.md")).unwrap();
    for kind in keyward_core::model::alert::AlertKind::ALL {
        let name = serde_json::to_value(kind).unwrap();
        let row = format!("| `{}` |", name.as_str().unwrap());
        assert!(text.contains(&row), "{row} is missing");
    }
}
