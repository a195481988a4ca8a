//! A table of prices in place of the one in use.

use keyward_core::model::price::PriceTable;
use keyward_core::usecases::prices::in_use;

use super::*;

/// The shipped table, of a later day and with one price changed by a factor in percent.
fn table(as_of: &str, percent: u64) -> Value {
    let shipped = include_str!("../../../shared/core/prices/prices.json");
    let mut table: Value = serde_json::from_str(shipped).unwrap();
    table["as_of"] = as_of.into();
    let price = &mut table["vendors"]["openai"]["gpt-5"]["input"];
    *price = (price.as_u64().unwrap() * percent / 100).into();
    table
}

async fn as_of(deps: &Deps) -> String {
    let (table, refused) = in_use(&*deps.usage, &*deps.ports.clock).await;
    assert!(refused.is_none(), "{refused:?}");
    table.as_of().to_string()
}

#[tokio::test]
async fn a_table_that_is_in_order_takes_the_place_of_the_one_in_use_and_is_recorded() {
    let world = world();
    let deps = deps(&world);
    let shipped = PriceTable::shipped().as_of().to_string();
    assert_eq!(as_of(&deps).await, shipped);
    let body = json!({"reason": "new models", "table": table("2026-11-30", 90)});
    for before in [shipped.as_str(), "2026-11-30"] {
        let (status, answer) = post(&deps, "/prices", body.clone()).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            (&answer["before"], &answer["as_of"]),
            (&before.into(), &"2026-11-30".into())
        );
    }
    assert_eq!(as_of(&deps).await, "2026-11-30");
    let act = acts(&world).pop().unwrap();
    assert_eq!(act.state, json!({ "as_of": "2026-11-30" }));
}

#[tokio::test]
async fn one_that_is_not_in_order_changes_nothing_and_is_no_act() {
    let world = world();
    let deps = deps(&world);
    let newer = json!({"reason": "x", "table": table("2026-11-30", 100)});
    assert_eq!(post(&deps, "/prices", newer).await.0, 200);
    let recorded = acts(&world).len();
    let tomorrow = deps.ports.clock.now() + SignedDuration::from_hours(24);
    let tomorrow = jiff::tz::Offset::UTC.to_datetime(tomorrow).date();
    for (name, table) in [
        ("older than the one in use", table("2026-11-29", 100)),
        ("of a day to come", table(&tomorrow.to_string(), 100)),
        ("a slip", table("2026-11-30", 3000)),
        ("no table", json!({"schema": 1})),
        ("no object", json!("prices")),
    ] {
        let (status, answer) = post(&deps, "/prices", json!({"reason": "x", "table": table})).await;
        assert_eq!(status, 400, "{name}: {answer}");
    }
    let without = json!({"reason": "", "table": table("2026-11-30", 100)});
    assert_eq!(post(&deps, "/prices", without).await.0, 400);
    assert_eq!(as_of(&deps).await, "2026-11-30");
    assert_eq!(acts(&world).len(), recorded);
    let stored = deps.usage.prices().await.unwrap();
    assert!(stored.is_some_and(|json| json.contains("2026-11-30")));
}
