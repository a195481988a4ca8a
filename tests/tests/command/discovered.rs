//! First contact: an account that has never seen Keyward.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use aws_sdk_secretsmanager::types::Tag;
use keyward_core::model::fleet::Fleet;
use keyward_core::model::slot::ProviderName;
use keyward_tests::end_to_end::STACK;
use serde_json::Value;

use super::audited::Audited;
use super::*;

/// A zip archive without files.
const NO_FILES: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

const HOSTILE: &str = "x\u{1b}[2J\n\"]\n[slots.evil]";

/// Keys in secrets and a function's variables. Returns every key's text.
async fn account(audited: &Audited) -> Vec<String> {
    let deployment = &audited.local.deployment;
    let config = deployment.moto.sdk_config().await;
    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    let seed = |name: &str| deployment.seed_at(ProviderName::OpenRouter, name);
    let (held, shared, nowhere) = (seed("held"), seed("shared"), seed("nowhere"));
    let password = "EXAMPLE-0123456789-abcdefghij-0123456789".to_owned();
    for (name, text) in [
        ("prod/writer/openrouter", &held),
        ("team/one", &shared),
        ("team/two", &shared),
        ("prod/openai-database", &password),
    ] {
        let request = secrets.create_secret().name(name).secret_string(text);
        request.description(HOSTILE).send().await.unwrap();
    }
    let lambda = aws_sdk_lambda::Client::new(&config);
    let environment = Environment::builder().variables("OPENROUTER_KEY", &held);
    let request = lambda.create_function().function_name("summariser");
    request
        .runtime(Runtime::Providedal2023)
        .role("arn:aws:iam::123456789012:role/emulated-function")
        .handler("bootstrap")
        .code(
            FunctionCode::builder()
                .zip_file(Blob::new(NO_FILES))
                .build(),
        )
        .environment(environment.build())
        .send()
        .await
        .unwrap();
    vec![held, shared, nowhere, password]
}

fn names(json: &Value, field: &str) -> Vec<String> {
    let rows = json[field].as_array().unwrap().iter();
    let name = |row: &Value| row["name"].as_str().unwrap().to_owned();
    let mut names: Vec<String> = rows.map(name).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn an_account_is_discovered_without_and_with_values_and_a_fleet_is_proposed() {
    let Some(audited) = Audited::start("discovered").await else {
        return;
    };
    let keys = account(&audited).await;
    let folder = folder("discovered");
    let accounts = folder.join("accounts.json");
    let all: Value = serde_json::from_str(&audited.local.deployment.accounts).unwrap();
    let one = serde_json::json!({"openrouter-main": all["openrouter-main"]});
    std::fs::write(&accounts, one.to_string()).unwrap();
    let bare = "unset KEYWARD_TABLE KEYWARD_STACK KEYWARD_ALARM_TOPIC_ARN; cd";
    let place = folder.display();

    // By names alone.
    let (code, said, complained) = audited
        .as_auditor(&format!("{bare} {place}; keyward audit --discover --json"))
        .await;
    let found: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e} {complained}"));
    let by_name = names(&found, "secrets");
    for name in ["prod/writer/openrouter", "prod/openai-database"] {
        assert!(by_name.contains(&name.to_owned()), "{by_name:?}");
    }
    assert!(!by_name.contains(&"team/one".to_owned()), "{by_name:?}");
    let variables = found["variables"].as_array().unwrap();
    let functions: Vec<&Value> = variables.iter().map(|row| &row["variable"]).collect();
    assert_eq!(functions, ["OPENROUTER_KEY"]);
    assert_eq!(
        (code, &found["complete"]),
        (Some(3), &Value::Bool(false)),
        "IAM is elsewhere"
    );

    // By their text, beside a provider account.
    let line = format!(
        "{bare} {place}; keyward audit --discover --read-values --accounts accounts.json --out keyward.toml"
    );
    let (_, table, complained) = audited.as_auditor(&line).await;
    assert!(table.contains("keyward.toml has"), "{table}{complained}");
    let (_, said, _) = audited.as_auditor(&format!("{line}.again --json")).await;
    let found: Value = serde_json::from_str(&said).unwrap();
    let by_text = names(&found, "secrets");
    for name in ["prod/writer/openrouter", "team/one", "team/two"] {
        assert!(by_text.contains(&name.to_owned()), "{by_text:?}");
    }
    let openrouter = &found["accounts"][0];
    let nowhere = openrouter["held_nowhere"].as_array().unwrap();
    let labels: Vec<&Value> = nowhere.iter().map(|key| &key["label"]).collect();
    assert_eq!(labels, ["nowhere"], "{openrouter}");
    let same = found["same"].to_string();
    assert!(
        same.contains("team/one") && same.contains("team/two"),
        "{same}"
    );
    assert!(same.contains("summariser OPENROUTER_KEY"), "{same}");

    let file = std::fs::read_to_string(folder.join("keyward.toml")).unwrap();
    let fleet = Fleet::read_toml(&file).unwrap_or_else(|e| panic!("{e}\n{file}"));
    assert!(
        fleet
            .slots
            .contains_key(&"writer-openrouter".parse().unwrap()),
        "{file}"
    );
    assert!(!fleet.slots.contains_key(&"evil".parse().unwrap()));
    assert!(
        fleet
            .agents
            .values()
            .all(|agent| agent.owner.as_str() == "TODO")
    );
    for text in [&table, &said, &file] {
        for key in &keys {
            assert!(!text.contains(key.as_str()), "no key text");
        }
        assert!(!text.contains('\u{1b}'), "nothing that steers a terminal");
    }
    // What is there already is not overwritten.
    let (code, _, complained) = audited.as_auditor(&line).await;
    assert_eq!(code, Some(1));
    assert!(
        complained.contains("keyward.toml is there already"),
        "{complained}"
    );
    // Handed over as the file says, since the stack may look at no other secret. The same parser as plan's.
    let config = audited.local.deployment.moto.sdk_config().await;
    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    for slot in fleet.slots.values() {
        let arn = &slot.secret;
        let printed = format!(
            "aws secretsmanager tag-resource --secret-id {arn} --tags Key=keyward:stack,Value=STACK\n"
        );
        assert!(file.contains(&printed), "{file}");
        let tag = Tag::builder().key("keyward:stack").value(STACK).build();
        let hand_over = secrets.tag_resource().secret_id(arn.as_str()).tags(tag);
        hand_over.send().await.unwrap();
    }
    let (code, said, complained) = audited.run(&format!("cd {place}; keyward plan")).await;
    assert_eq!(code, Some(2), "{said}{complained}");
    assert!(said.contains("writer-openrouter"), "{said}");
}
