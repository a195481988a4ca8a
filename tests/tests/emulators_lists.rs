//! What an audit lists, on other people's emulators of AWS.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};

use keyward_aws::{CloudWatchAlarms, SecretsManager};
use keyward_core::model::names::SecretArn;
use keyward_core::ports::{
    AlarmLists, KillAlarms, ListPage, ListedSecret, PageToken, SecretLists, TAG_SLOT,
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
