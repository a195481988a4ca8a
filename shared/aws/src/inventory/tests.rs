use serde_json::{Value, json};

use super::*;
use crate::recorded::{Answer, Recorded};

fn inventory(answers: impl IntoIterator<Item = Answer>) -> (DynamoInventory, Recorded) {
    let recorded = Recorded::new(answers);
    let inventory = DynamoInventory::new(&recorded.config(), "keyward");
    (inventory, recorded)
}

fn version(n: u32) -> Version {
    let id = format!("11111111-aaaa-4bbb-8ccc-{n:012}.1")
        .parse()
        .unwrap();
    let slot = "support-bot".parse().unwrap();
    Version {
        fingerprint: keyward_core::model::key::Fingerprint::from_hex(&"ab".repeat(32)),
        ..Version::intended(
            &slot,
            id,
            keyward_core::model::slot::Epoch(4),
            Timestamp::UNIX_EPOCH,
        )
    }
}

/// A version as DynamoDB sends it.
fn stored(n: u32) -> Value {
    let version = version(n);
    json!({
        "pk": {"S": "SLOT#support-bot"},
        "sk": {"S": format!("VERSION#{}", version.id)},
        "schema": {"N": "1"},
        "revision": {"N": "1"},
        "slot": {"S": "support-bot"},
        "id": {"S": version.id.to_string()},
        "state": {"S": "intended"},
        "epoch": {"N": "4"},
        "created": {"S": "2026-12-01T09:00:00Z"},
    })
}

/// A cancelled transaction; its reasons stand in the order of its items.
fn canceled(reasons: &Value) -> Answer {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "Transaction cancelled",
        "CancellationReasons": reasons,
    });
    Answer::Body(400, body.to_string())
}

async fn save(answer: Answer) -> InventoryError {
    let (inventory, _) = inventory([answer]);
    let fence = Fence::Epoch(keyward_core::model::slot::Epoch(4));
    let saved = inventory.save_versions(&[version(1)], fence).await;
    saved.unwrap_err()
}

#[tokio::test]
async fn the_first_condition_that_was_not_met_decides() {
    let none = json!({"Code": "None"});
    let failed = json!({"Code": "ConditionalCheckFailed"});
    let taken = json!({
        "Code": "ConditionalCheckFailed",
        "Item": {"slot": {"S": "other-bot"}, "version": {"S": "x"}},
    });
    let busy = json!({"Code": "TransactionConflict"});
    for (reasons, expected) in [
        (json!([failed, none, none]), "Fenced(Epoch(4))"),
        (json!([failed, failed, taken]), "Fenced(Epoch(4))"),
        (json!([none, failed, none]), "Conflict"),
        (
            json!([none, none, taken]),
            "Taken { what: Fingerprint, by: Some(\"other-bot\") }",
        ),
        (
            json!([none, none, failed]),
            "Taken { what: Fingerprint, by: None }",
        ),
        (json!([busy, failed, none]), "Conflict"),
        (json!([busy, none, none]), "Unavailable"),
        (
            json!([{"Code": "ThrottlingError"}, none, none]),
            "Unavailable",
        ),
        (
            json!([none, {"Code": "ProvisionedThroughputExceeded"}, none]),
            "Unavailable",
        ),
        (json!([]), "Unavailable"),
    ] {
        let error = format!("{:?}", save(canceled(&reasons)).await);
        assert!(error.starts_with(expected), "{reasons}: {error}");
    }
}

#[tokio::test]
async fn a_passing_failure_leaves_the_effect_open_and_a_refusal_is_for_a_person() {
    for (answer, passes) in [
        (Answer::TimedOut, true),
        (Answer::error(500, "InternalServerError", ""), true),
        (
            Answer::error(400, "TransactionInProgressException", ""),
            true,
        ),
        (Answer::error(400, "ResourceNotFoundException", ""), false),
        (Answer::error(400, "AccessDeniedException", ""), false),
    ] {
        let error = save(answer.clone()).await;
        let seen = matches!(error, InventoryError::Unavailable(_));
        assert_eq!(seen, passes, "{answer:?}: {error:?}");
        assert_eq!(error.is_retryable(), passes, "{answer:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_write_carries_a_token_and_its_conditions() {
    let (inventory, recorded) = inventory([Answer::ok(&json!({}))]);
    let fence = Fence::Epoch(keyward_core::model::slot::Epoch(4));
    let saved = inventory.save_versions(&[version(1)], fence).await;
    saved.unwrap();
    let sent = &recorded.sent()[0].body;
    assert!(sent["ClientRequestToken"].is_string());
    let items = sent["TransactItems"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    let check = &items[0]["ConditionCheck"];
    assert_eq!(
        check["ExpressionAttributeValues"],
        json!({":number": {"N": "4"}})
    );
    assert_eq!(check["ExpressionAttributeNames"], json!({"#name": "epoch"}));
    assert_eq!(check["Key"]["pk"]["S"], "SLOT#support-bot");
    let version = &items[1]["Put"];
    assert_eq!(
        version["ExpressionAttributeValues"],
        json!({":revision": {"N": "0"}})
    );
    assert_eq!(version["Item"]["revision"]["N"], "1");
    assert_eq!(
        version["Item"]["due_at"]["S"],
        "1970-01-01T00:00:00.000000000Z"
    );
    let unique = &items[2]["Put"];
    let key = format!("FINGERPRINT#{}", "ab".repeat(32));
    assert_eq!(unique["Item"]["pk"]["S"], key.as_str());
    assert_eq!(unique["ReturnValuesOnConditionCheckFailure"], "ALL_OLD");
}

/// Somebody wrote one key into two slots past the inventory: what the version has already is not claimed again.
#[tokio::test]
async fn a_version_is_saved_with_the_key_that_it_has_though_another_slot_has_it_too() {
    let none = json!({"Code": "None"});
    let taken = json!({"Code": "ConditionalCheckFailed", "Item": {"slot": {"S": "other"}}});
    let taken = || canceled(&json!([none, none, taken]));
    let fence = Fence::Epoch(keyward_core::model::slot::Epoch(4));
    let mut item = stored(1);
    item["fingerprint"] = json!({"S": "ab".repeat(32)});
    let answers = [
        taken(),
        Answer::ok(&json!({"Item": item})),
        Answer::ok(&json!({})),
    ];
    let (inventory, recorded) = inventory(answers);
    let saved = inventory.save_versions(&[version(1)], fence).await;
    saved.unwrap();
    let sent = recorded.sent();
    assert_eq!(sent[1].operation, "GetItem");
    assert_eq!(sent[1].body["ConsistentRead"], true);
    let items = sent[2].body["TransactItems"].as_array().unwrap();
    assert_eq!(items.len(), 2, "the epoch and the version, and no claim");
    // One that had no key, or another, has none of another slot's.
    let answers = [taken(), Answer::ok(&json!({"Item": stored(1)}))];
    let (inventory, recorded) = self::inventory(answers);
    let refused = inventory.save_versions(&[version(1)], fence).await;
    assert!(
        matches!(&refused, Err(InventoryError::Taken { by: Some(by), .. }) if by.as_str() == "other"),
        "{refused:?}"
    );
    assert_eq!(recorded.sent().len(), 2, "nothing was written");
}

#[tokio::test]
async fn a_write_can_depend_on_a_version_that_it_leaves_alone() {
    let (inventory, recorded) = inventory([Answer::ok(&json!({}))]);
    let mut writes = Writes::to("keyward", Release::THIS);
    writes.unchanged(&version(1)).unwrap();
    writes.commit(&inventory.client).await.unwrap();
    let sent = &recorded.sent()[0].body;
    let items = sent["TransactItems"].as_array().unwrap();
    let check = &items[0]["ConditionCheck"];
    assert_eq!(
        check["Key"]["sk"]["S"],
        format!("VERSION#{}", version(1).id)
    );
    assert_eq!(
        check["ExpressionAttributeNames"],
        json!({"#name": "revision"})
    );
    assert_eq!(
        check["ExpressionAttributeValues"],
        json!({":number": {"N": "0"}})
    );
}

#[tokio::test]
async fn versions_are_read_to_the_last_page_and_consistently() {
    let next = |sk: &str| json!({"pk": {"S": "SLOT#support-bot"}, "sk": {"S": sk}});
    let (inventory, recorded) = inventory([
        Answer::ok(&json!({"Items": [stored(2)], "LastEvaluatedKey": next("VERSION#x")})),
        Answer::ok(&json!({"Items": [], "LastEvaluatedKey": next("VERSION#y")})),
        Answer::ok(&json!({"Items": [stored(1)]})),
    ]);
    let slot = "support-bot".parse().unwrap();
    let found = inventory.versions(&slot).await.unwrap();
    let ids: Vec<_> = found.into_iter().map(|version| version.id).collect();
    assert_eq!(ids, [version(1).id, version(2).id]);
    for request in recorded.sent() {
        assert_eq!(request.body["ConsistentRead"], true);
    }
}

#[tokio::test]
async fn a_version_that_cannot_be_read_is_named() {
    let mut bad = stored(2);
    bad["state"] = json!({"S": "resurrected"});
    let (inventory, _) = inventory([Answer::ok(&json!({"Items": [stored(1), bad]}))]);
    let slot = "support-bot".parse().unwrap();
    let error = inventory.versions(&slot).await.unwrap_err();
    assert!(matches!(error, InventoryError::Corrupt { .. }), "{error:?}");
    let key = format!("SLOT#support-bot / VERSION#{}", version(2).id);
    assert!(error.to_string().contains(&key), "{error}");
}

#[tokio::test]
async fn one_bad_item_does_not_hide_due_work() {
    let bad = json!({"pk": {"S": "POOL#x"}, "sk": {"S": "POOL"}});
    let slot = json!({"pk": {"S": "SLOT#support-bot"}, "sk": {"S": "SLOT"}});
    let next = json!({"pk": {"S": "INCIDENT#x"}});
    let (inventory, _) = inventory([
        Answer::ok(&json!({"Items": [bad], "LastEvaluatedKey": next})),
        Answer::ok(&json!({"Items": [slot], "LastEvaluatedKey": next})),
    ]);
    let due = inventory.due(Timestamp::UNIX_EPOCH, 1).await.unwrap();
    assert_eq!(due, [Due::Slot("support-bot".parse().unwrap())]);
}

#[tokio::test]
async fn one_write_claims_a_thing_once() {
    let (inventory, recorded) = inventory([]);
    let twins = [version(1), version(2)];
    let error = inventory.save_versions(&twins, Fence::None).await;
    assert!(matches!(
        error,
        Err(InventoryError::Taken {
            what: UniqueItem::Fingerprint,
            by: Some(_)
        })
    ));
    let sent = recorded.sent();
    let is_read = |sent: &crate::recorded::Sent| sent.operation == "GetItem";
    assert!(sent.iter().all(is_read), "nothing was written");
}
