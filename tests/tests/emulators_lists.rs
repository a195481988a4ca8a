//! What an audit lists, on other people's emulators of AWS.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use keyward_aws::{CloudWatchAlarms, CredentialSecrets, LambdaFunctions, SecretsManager};
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::{AccountName, SecretArn};
use keyward_core::ports::{
    AlarmLists, CredentialAges, FunctionLists, KillAlarms, ListPage, ListedSecret, PageToken,
    SecretLists, TAG_SLOT, Variables,
};
use keyward_core::rules::alarms::wanted;
use keyward_tests::emulators::{Ministack, Moto};
use keyward_tests::support::deployment;

/// More than a page holds.
const MANY: usize = 105;

#[tokio::test]
async fn every_secret_is_listed_with_its_tag_and_its_policy_is_read() {
    let Some(moto) = Moto::start().await else {
        return;
    };
    let config = moto.sdk_config().await;
    let client = aws_sdk_secretsmanager::Client::new(&config);
    for number in 0..MANY {
        let tag = aws_sdk_secretsmanager::types::Tag::builder();
        let tag = tag.key(TAG_SLOT).value(format!("slot-{number}")).build();
        let request = client.create_secret().name(format!("llm/{number}"));
        request
            .tags(tag)
            .secret_string("EXAMPLE")
            .send()
            .await
            .unwrap();
    }
    let lists = SecretsManager::new(&config);
    let mut secrets: BTreeMap<SecretArn, ListedSecret> = BTreeMap::new();
    let mut at: Option<PageToken> = None;
    loop {
        let page: ListPage<ListedSecret> = lists.secrets(at.as_ref()).await.unwrap();
        secrets.extend(page.items.into_iter().map(|s| (s.arn.clone(), s)));
        match page.next {
            Some(next) => at = Some(next),
            None => break,
        }
    }
    assert_eq!(secrets.len(), MANY);
    let slots: BTreeSet<&str> = secrets
        .values()
        .filter_map(|s| Some(s.slot.as_ref()?.as_str()))
        .collect();
    assert_eq!(slots.len(), MANY);
    let (arn, secret) = secrets.first_key_value().unwrap();
    assert!(!secret.rotates && secret.current.is_some() && secret.pending.is_none());
    assert_eq!(lists.policy(arn).await.unwrap(), None);
    let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let request = client.put_resource_policy().secret_id(arn.as_str());
    request.resource_policy(policy).send().await.unwrap();
    assert_eq!(lists.policy(arn).await.unwrap().as_deref(), Some(policy));
}

#[tokio::test]
async fn every_alarm_is_listed_with_what_it_is_in() {
    let Some(ministack) = Ministack::start().await else {
        return;
    };
    let config = ministack.sdk_config().await;
    let alarms = CloudWatchAlarms::new(&config);
    let deployment = deployment();
    for number in 0..3 {
        let slot = format!("slot-{number}").parse().unwrap();
        alarms.make(&wanted(&deployment, &slot)).await.unwrap();
    }
    let page = alarms.alarms(None).await.unwrap();
    let prefix = deployment.alarm_prefix();
    let ours = page
        .items
        .iter()
        .filter(|a| a.alarm.arn.name().starts_with(&prefix));
    let ours: Vec<_> = ours.collect();
    assert_eq!(ours.len(), 3);
    let slot = "slot-0".parse().unwrap();
    let setup = ours[0].alarm.setup.as_ref().unwrap();
    assert_eq!(setup, &wanted(&deployment, &slot).setup);
}

/// A zip archive without files: the record that ends one, and nothing before it.
const NO_FILES: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// A function with this variable, and a published version of it before that variable was changed.
async fn function(client: &aws_sdk_lambda::Client, name: &str, (old, new): (&str, &str)) {
    let with = |value: &str| Environment::builder().variables("KEY", value).build();
    let code = FunctionCode::builder().zip_file(Blob::new(NO_FILES));
    let request = client.create_function().function_name(name);
    request
        .runtime(Runtime::Providedal2023)
        .role("arn:aws:iam::123456789012:role/example")
        .handler("bootstrap")
        .code(code.build())
        .environment(with(old))
        .send()
        .await
        .unwrap();
    let published = client.publish_version().function_name(name);
    published.send().await.unwrap();
    let changed = client.update_function_configuration().function_name(name);
    changed.environment(with(new)).send().await.unwrap();
}

#[tokio::test]
async fn every_function_is_listed_with_its_variables() {
    let Some(ministack) = Ministack::start().await else {
        return;
    };
    let config = ministack.sdk_config().await;
    let client = aws_sdk_lambda::Client::new(&config);
    function(&client, "bot", ("EXAMPLE-old", "EXAMPLE-new")).await;
    let lists = LambdaFunctions::new(&config);
    let (mut found, mut at) = (BTreeSet::new(), None);
    loop {
        let page = lists.functions(at.as_ref()).await.unwrap();
        for function in page.items {
            let Variables::Read(variables) = &function.variables else {
                panic!("{function:?}");
            };
            assert!(function.function.as_str().ends_with(":function:bot"));
            let [(name, value)] = &variables[..] else {
                panic!("{function:?}");
            };
            assert_eq!(name.as_str(), "KEY");
            let version = function.version.clone().map(String::from);
            found.insert((version, value.fingerprint()));
        }
        match page.next {
            Some(next) => at = Some(next),
            None => break,
        }
    }
    // ministack lists no published versions, whatever is asked of it: recorded answers stand for those.
    let latest = (None, ApiKey::new("EXAMPLE-new").fingerprint());
    assert_eq!(found, BTreeSet::from([latest]));
}

#[tokio::test]
async fn the_age_of_a_credential_is_that_of_its_version_and_no_value_is_read() {
    let Some(moto) = Moto::start().await else {
        return;
    };
    let config = moto.sdk_config().await;
    let client = aws_sdk_secretsmanager::Client::new(&config);
    let request = client.create_secret().name("keyward/prod/admin/main");
    let made = request.secret_string("EXAMPLE").send().await.unwrap();
    let arn: SecretArn = made.arn().unwrap().parse().unwrap();
    let account: AccountName = "main".parse().unwrap();
    let secrets = [(account.clone(), "admin", arn.clone())];
    let ages = CredentialSecrets::new(&config, secrets);
    let found = ages.ages(&account).await.unwrap();
    let before = found[0].changed.expect("a date");
    assert_eq!(found[0].purpose, "admin");
    let versions = client.list_secret_version_ids().secret_id(arn.as_str());
    let versions = versions.send().await.unwrap();
    let made = versions.versions()[0].created_date().unwrap();
    assert_eq!(before.as_second(), made.secs());
}
