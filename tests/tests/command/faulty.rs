//! Faults in a fleet on emulators, as an audit over the wire finds them: exactly those, each mended by the command that is printed
//! with it or, where a person mends it elsewhere, there; and no more of it after.
//!
//! No monitor runs here: what it would set right, alarms and limits, is found before and after, and is not looked at. What needs
//! weeks to come about is written into the records. The faults of the other rules are made in memory, in the suite `audit`.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use keyward_core::model::audit::Source;
use keyward_core::model::finding::ShownHandle;
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::{Mode, ProviderName, Slot};
use keyward_core::ports::TAG_SLOT;
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::simulator::{Body, Fault, FaultRule};
use keyward_tests::emulators::{Function, Moto};

use super::audited::Audited;
use super::*;

const SLOT: &str = "support-bot-openrouter";
const OTHER: &str = "search-bot-openai";

/// A policy that lets everybody read.
const WIDE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Principal":"*","Resource":"*"}]}"#;

/// A finding: its rule, and what it is about.
type Found = (String, String);

async fn found(audited: &Audited) -> BTreeSet<Found> {
    let report = audited.report().await;
    let found = report.findings.iter().map(|e| {
        let finding = &e.finding;
        (finding.rule.to_string(), finding.about.to_string())
    });
    found.collect()
}

async fn change(audited: &Audited, slot: &str, change: impl FnOnce(&mut Slot)) {
    let deployment = &audited.local.deployment;
    let name: SlotName = slot.parse().unwrap();
    let mut slot = deployment.slot(&name).await;
    change(&mut slot);
    let saved = deployment.ports.inventory.save_slot(&slot);
    saved.await.unwrap();
}

/// The command that is printed with a finding.
async fn command(audited: &Audited, rule: &str, about: &str) -> String {
    let report = audited.report().await;
    let mut found = report.findings.iter().map(|e| &e.finding);
    let finding = found.find(|f| f.rule.as_str() == rule && f.about.to_string() == about);
    let finding = finding.unwrap_or_else(|| panic!("no {rule} about {about}"));
    finding.command.as_ref().unwrap().as_str().to_owned()
}

async fn secrets(moto: &Moto) -> aws_sdk_secretsmanager::Client {
    aws_sdk_secretsmanager::Client::new(&moto.sdk_config().await)
}

#[tokio::test]
async fn faults_are_found_exactly_and_mended_as_printed() {
    let Some(audited) = super::audited::applied("faulty").await else {
        return;
    };
    let deployment = &audited.local.deployment;
    let folder = folder("faulty-files");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(&audited.local.fleet, folder.join("keyward.toml")).unwrap();
    let all = audited.local.secrets();
    let secret = all.iter().find(|s| s.slot.as_str() == SLOT).unwrap();
    let other = all.iter().find(|s| s.slot.as_str() == OTHER).unwrap();
    let before = found(&audited).await;

    let client = secrets(&deployment.moto).await;
    let stray = deployment.at_provider(&deployment.seed("laptop")).handle;
    let cancel = client.cancel_rotate_secret().secret_id(other.arn.as_str());
    cancel.send().await.unwrap();
    let untag = client.untag_resource().secret_id(other.arn.as_str());
    untag.tag_keys(TAG_SLOT).send().await.unwrap();
    let wide = client.put_resource_policy().secret_id(secret.arn.as_str());
    wide.resource_policy(WIDE).send().await.unwrap();
    let key = deployment.current(secret).await;
    let variables = [("OPENROUTER_API_KEY", key.as_str())];
    let function = Function {
        name: "bot",
        program: std::path::Path::new("/nowhere"),
        variables: &variables,
        timeout: 3,
    };
    let function = deployment.moto.deploy(&function).await;
    let long_ago = deployment.ports.clock.now() - SignedDuration::from_hours(15 * 24);
    change(&audited, SLOT, |slot| {
        (slot.mode, slot.mode_since) = (Mode::Observe, Some(long_ago));
    })
    .await;
    change(&audited, OTHER, |slot| slot.backup_owner = None).await;

    let seeded = found(&audited).await;
    let stray_about = format!("openrouter-main/{}", ShownHandle::new(&stray));
    let expected = [
        ("key-not-in-inventory", stray_about.as_str()),
        ("key-in-function-variables", function.as_str()),
        ("owner-without-backup", OTHER),
        ("rotation-off", OTHER),
        ("secret-readable-widely", SLOT),
        ("secret-untagged", OTHER),
        ("slot-observes", SLOT),
    ];
    let expected = expected.map(|(rule, about)| (rule.to_owned(), about.to_owned()));
    let added: BTreeSet<Found> = seeded.difference(&before).cloned().collect();
    assert_eq!(added, BTreeSet::from(expected));
    assert!(seeded.is_superset(&before), "nothing else changed");

    // As printed, from where the fleet file is.
    let mut printed = Vec::new();
    for (rule, about) in &added {
        if rule != "rotation-off" {
            printed.push(command(&audited, rule, about).await);
        }
    }
    printed.sort_unstable();
    printed.dedup();
    for line in &printed {
        let line = format!("cd {} && {line}", folder.display());
        let (code, said, complained) = audited.run(&line).await;
        let is_done = code == Some(0) || (line.contains("keyward import") && code == Some(2));
        assert!(is_done, "{line}: {code:?} {said}{complained}");
    }
    // What a person does at AWS and at the provider.
    deployment.turn_rotation_on(other, 49).await;
    let narrow = client
        .delete_resource_policy()
        .secret_id(secret.arn.as_str());
    narrow.send().await.unwrap();
    let lambda = aws_sdk_lambda::Client::new(&deployment.moto.sdk_config().await);
    lambda
        .delete_function()
        .function_name("bot")
        .send()
        .await
        .unwrap();
    let account = "openrouter-main".parse().unwrap();
    let openrouter = ProviderName::OpenRouter;
    let driver = deployment.ports.providers.open(&account, openrouter);
    driver.await.unwrap().delete(&stray).await.unwrap();

    let after = found(&audited).await;
    let left: BTreeSet<&Found> = added.intersection(&after).collect();
    assert!(left.is_empty(), "{left:?}; {printed:?}");
    let new: Vec<&Found> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}; {printed:?}");
    deployment.retire().await.unwrap();
    deployment.assert_no_key_text().await;
}

/// A provider that is down, a page that is lost half way, and a damaged item, all at once: each is told, nothing is found by what
/// is missing, and all of it is read again when it is back.
#[tokio::test]
async fn what_cannot_be_read_over_the_wire_is_not_seen_and_hides_nothing_else() {
    let Some(audited) = super::audited::applied("unread").await else {
        return;
    };
    let deployment = &audited.local.deployment;
    deployment.seed("laptop");
    let before = found(&audited).await;
    let read = audited.report().await.coverage;
    let keys = |account: &str| Source::Keys(account.parse().unwrap());

    let down = deployment.simulator_at(ProviderName::OpenAi);
    let (method, path) = down.route(ProviderCall::List);
    let fault = Fault::status(503, Body::Html);
    down.inject(FaultRule::on(method, path, fault).always());
    let halved = &deployment.simulator;
    let (method, path) = halved.route(ProviderCall::List);
    halved.inject(FaultRule::on(method, path, Fault::half_sent()).always());
    let dynamo = aws_sdk_dynamodb::Client::new(&deployment.ministack.sdk_config().await);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let (pk, sk) = (text(&format!("SLOT#{OTHER}")), text("VERSION#broken"));
    let put = dynamo.put_item().table_name(&deployment.table);
    let put = put.item("pk", pk.clone()).item("sk", sk.clone());
    let put = put.item("schema", AttributeValue::N("1".to_owned()));
    put.send().await.unwrap();

    let report = audited.report().await;
    assert!(!report.is_complete());
    for source in [
        keys("openai-main"),
        keys("openrouter-main"),
        Source::Slot(OTHER.parse().unwrap()),
    ] {
        assert!(!report.coverage.is_whole(&source), "{source}");
    }
    for source in [Source::Secrets, Source::Inventory, keys("anthropic-main")] {
        assert!(report.coverage.is_whole(&source), "{source}");
    }
    let now = found(&audited).await;
    let new: Vec<&str> = now
        .difference(&before)
        .map(|(rule, _)| rule.as_str())
        .collect();
    assert_eq!(new, ["inventory-row-damaged"]);

    down.clear_faults();
    halved.clear_faults();
    let delete = dynamo.delete_item().table_name(&deployment.table);
    delete.key("pk", pk).key("sk", sk).send().await.unwrap();
    assert_eq!(found(&audited).await, before);
    assert_eq!(audited.report().await.coverage, read);
}
