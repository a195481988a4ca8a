use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::recorded::{Answer, Recorded};

fn store(answers: impl IntoIterator<Item = Answer>) -> (DynamoInventory, Recorded) {
    let recorded = Recorded::new(answers);
    let store = DynamoInventory::new(&recorded.config(), "keyward");
    (store, recorded)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_564_800 + second).unwrap()
}

#[tokio::test]
async fn an_hour_is_one_conditional_write_of_its_own_with_an_end() {
    let (store, recorded) = store([Answer::ok(&json!({})), Answer::ok(&json!({}))]);
    let mut hour = UsageHour::empty("support-bot".parse().unwrap(), Bucket::of(at(3600)).hour());
    store.save_hour(&hour).await.unwrap();
    hour.revision = Revision(4);
    store.save_hour(&hour).await.unwrap();
    let [new, known] = &recorded.sent()[..] else {
        panic!("two writes");
    };
    assert_eq!(new.body["Item"]["pk"]["S"], "SLOT#support-bot");
    assert_eq!(new.body["Item"]["sk"]["S"], "USAGE#2026-11-25#01");
    let end = at(7200 + 40 * 86_400).as_second().to_string();
    assert_eq!(new.body["Item"]["expires"]["N"], end.as_str());
    assert_eq!(new.body["ConditionExpression"], "attribute_not_exists(#pk)");
    assert_eq!(known.body["ConditionExpression"], "#revision = :revision");
    assert_eq!(known.body["Item"]["revision"]["N"], "5");
}

#[tokio::test]
async fn a_condition_that_is_not_met_is_a_conflict_and_a_lease_of_anothers() {
    let unmet = Answer::error(400, UNMET, "");
    let (store, _) = store([unmet.clone(), unmet.clone(), unmet.clone(), unmet]);
    let account = AccountUsage::empty("main".parse().unwrap());
    let saved = store.save_account(&account).await;
    assert!(matches!(saved, Err(InventoryError::Conflict)), "{saved:?}");
    let taken = store.take("monitor", "run", at(0), at(60)).await.unwrap();
    assert_eq!(taken, Held::No);
    let renewed = store.renew("monitor", "run", at(60)).await.unwrap();
    assert_eq!(renewed, Held::No);
    store.give_back("monitor", "run").await.unwrap();
}

#[tokio::test]
async fn a_passing_failure_is_no_answer() {
    let (store, _) = store([
        Answer::TimedOut,
        Answer::error(400, "AccessDeniedException", ""),
    ]);
    let taken = store.take("monitor", "run", at(0), at(60)).await;
    assert!(
        matches!(taken, Err(InventoryError::Unavailable(_))),
        "{taken:?}"
    );
    let read = store.prices().await;
    assert!(matches!(read, Err(InventoryError::Refused(_))), "{read:?}");
}

#[tokio::test]
async fn no_hours_are_no_call_and_one_is_a_range_of_one() {
    let (store, recorded) = store([Answer::ok(&json!({"Items": []}))]);
    let slot: SlotName = "support-bot".parse().unwrap();
    assert!(store.hours(&slot, 9, 9).await.unwrap().is_empty());
    assert!(recorded.sent().is_empty());
    assert!(store.hours(&slot, 9, 10).await.unwrap().is_empty());
    let values = &recorded.sent()[0].body["ExpressionAttributeValues"];
    assert_eq!(values[":first"], values[":last"]);
    assert_eq!(values[":first"]["S"], "USAGE#1970-01-01#09");
}

/// An hour of use of two versions in every bucket, four models each, is what an item is sized for.
#[tokio::test]
async fn a_full_hour_is_a_few_write_units() {
    let (store, recorded) = store([Answer::ok(&json!({}))]);
    let mut hour = UsageHour::empty("support-bot".parse().unwrap(), Bucket::of(at(0)).hour());
    for bucket in 0..Bucket::PER_HOUR {
        let counts = keyward_core::model::usage::Counts {
            requests: 12_345,
            ..Default::default()
        };
        let models = BTreeMap::from([("gpt-5.4-mini-2026-03-17".to_owned(), counts)]);
        hour.put(keyward_core::model::usage_items::Cell::new(
            "11111111-aaaa-4bbb-8ccc-000000000001.1".parse().unwrap(),
            Bucket::of(at(0)).plus(bucket),
            at(0),
            models,
        ));
    }
    store.save_hour(&hour).await.unwrap();
    let item = &recorded.sent()[0].body["Item"];
    let size = size(item);
    assert!((1024..=4 * 1024).contains(&size), "{size} bytes");
}

/// The bytes of an item: names and values, as
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html> counts them.
fn size(item: &serde_json::Value) -> usize {
    match item {
        serde_json::Value::Object(map) => map
            .iter()
            .map(|(name, value)| match (name.as_str(), value) {
                ("S", value) => value.as_str().map_or(0, str::len),
                ("N", value) => value.as_str().map_or(0, |n| n.len() / 2 + 1),
                ("M" | "L", value) => 3 + size(value),
                (name, value) => name.len() + 1 + size(value),
            })
            .sum(),
        serde_json::Value::Array(all) => all.iter().map(|value| 1 + size(value)).sum(),
        _ => 1,
    }
}
