//! Sources that cannot be read over the wire.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use keyward_core::model::audit::{Source, Standing};
use keyward_core::model::slot::ProviderName;
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::simulator::{Body, Fault, FaultRule};

use super::super::audited::{Audited, applied};
use super::stage::{Found, standing};

const OTHER: &str = "search-bot-openai";

async fn found(audited: &Audited) -> BTreeSet<Found> {
    standing(&audited.report().await, |_: Standing| true)
}

/// A provider that is down, a page that is lost half way, and a damaged item, all at once: each is told, nothing is found by what
/// is missing, and all of it is read again when it is back.
#[tokio::test]
async fn what_cannot_be_read_over_the_wire_is_not_seen_and_hides_nothing_else() {
    let Some(audited) = applied("unread").await else {
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
