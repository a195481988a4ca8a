//! What the functions left behind where people and other systems see it.

use aws_sdk_dynamodb::types::AttributeValue;
use keyward_core::model::act::Act;
use keyward_core::model::alert::{Alert, AlertKind};
use keyward_core::model::slot::ProviderName;
use keyward_testkit::canary::Canary;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{Deployment, ROTATION_TOKEN, STACK};

impl Deployment {
    /// Every alert so far. What alarms on the deployment itself tell people on the same topic is left out.
    ///
    /// # Panics
    /// If something else was published.
    pub async fn alerts(&self) -> Vec<Alert> {
        let arrived = self.topic.receive(0).await;
        let mut said = self.said.lock().unwrap();
        said.alerts.extend(arrived);
        let message = |envelope: &Value| {
            let message: Value = serde_json::from_str(envelope["Message"].as_str()?).unwrap();
            let of_deployment = message["AlarmName"]
                .as_str()
                .is_some_and(|name| name.starts_with(&format!("keyward-{STACK}-ops-")));
            (!of_deployment).then(|| serde_json::from_value(message).unwrap())
        };
        said.alerts.iter().filter_map(message).collect()
    }

    /// The record of acts, oldest first.
    pub async fn acts(&self) -> Vec<Act> {
        let client = aws_sdk_dynamodb::Client::new(&self.ministack.sdk_config().await);
        let scan = client.scan().table_name(&self.table).send().await;
        let items = scan.unwrap().items.unwrap_or_default().into_iter();
        let is_act = |item: &std::collections::HashMap<String, AttributeValue>| {
            item["pk"].as_s().is_ok_and(|pk| pk.starts_with("ACT#"))
        };
        let acts = items.filter(is_act).map(serde_dynamo::from_item);
        let mut acts: Vec<Act> = acts.map(Result::unwrap).collect();
        acts.sort_by_key(|act| (act.at, act.id.clone(), act.phase));
        acts
    }

    /// Waits for an alert about the slot `slot`.
    pub async fn alerted(&self, slot: &str, kind: AlertKind) {
        self.until(&format!("an alert {kind:?} for {slot}"), async || {
            let alerts = self.alerts().await;
            alerts
                .iter()
                .any(|a| a.kind == kind && a.slot.as_ref().is_some_and(|a| a.as_str() == slot))
        })
        .await;
    }

    /// Searches everything that came out for the text of any key, of the admin credential and of the rotation token.
    ///
    /// # Panics
    /// Where there is any.
    pub async fn assert_no_key_text(&self) {
        let canary = self.canary();
        let mut logged = 0;
        for function in self.logged() {
            let log = self.log(&function);
            logged += log.len();
            canary.assert_absent(&format!("the log of {function}"), log);
        }
        assert!(logged > 0, "no log was read");
        let table = self.table().await;
        assert!(
            table.contains("VERSION#"),
            "the table was not read: {table}"
        );
        canary.assert_absent("the table", &table);
        let secrets = self.client.list_secrets().send().await.unwrap();
        let secrets = format!("{secrets:?}");
        assert!(secrets.contains("keyward:slot"), "no tags: {secrets}");
        canary.assert_absent("names, labels and tags of secrets", &secrets);
        self.alerts().await;
        let said = format!("{:?}", self.said.lock().unwrap());
        canary.assert_absent("answers and alerts", &said);
        let mut keys = self.providers.iter().flat_map(|p| p.simulator.secrets());
        let key = keys.next().unwrap();
        let planted = format!("{said}{}", key.expose_secret());
        assert_eq!(canary.find(planted).len(), 1, "a planted leak is not found");
    }

    /// What must be in nothing that comes out.
    pub fn canary(&self) -> Canary {
        let mut texts = vec![ROTATION_TOKEN.to_owned()];
        for each in self.providers.iter() {
            let keys = each.simulator.secrets();
            texts.extend(keys.iter().map(|key| key.expose_secret().to_owned()));
            // An access key's id is no secret.
            if each.simulator.settings().provider != ProviderName::Bedrock {
                texts.extend(each.simulator.admin_secrets());
            }
        }
        Canary::new(texts)
    }

    /// Deletes every item of the inventory, as whoever makes the table anew.
    pub async fn lose_table(&self) {
        let dynamo = aws_sdk_dynamodb::Client::new(&self.ministack.sdk_config().await);
        let scan = dynamo.scan().table_name(&self.table);
        let keys = scan.projection_expression("pk, sk");
        let mut keys = keys.into_paginator().items().send();
        while let Some(key) = keys.next().await {
            let delete = dynamo.delete_item().table_name(&self.table);
            delete.set_key(Some(key.unwrap())).send().await.unwrap();
        }
    }

    /// Every item of the inventory, as text, in an order of their own.
    pub async fn table(&self) -> String {
        let dynamo = aws_sdk_dynamodb::Client::new(&self.ministack.sdk_config().await);
        let mut pages = dynamo
            .scan()
            .table_name(&self.table)
            .into_paginator()
            .items()
            .send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            let mut item: Value = serde_dynamo::from_item(item.unwrap()).unwrap();
            item.sort_all_objects();
            items.push(item.to_string());
        }
        items.sort();
        items.join("\n")
    }
}
