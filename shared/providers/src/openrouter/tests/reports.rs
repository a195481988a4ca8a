//! Usage and cost by key, from the activity of completed days.

use keyward_core::model::money::MicroDollars;
use keyward_core::ports::{ByKey, CostPage, Tokens, UsagePage, Width, Window};

use super::*;

fn window(from: &str, until: &str, width: Width) -> Window {
    Window {
        from: from.parse().unwrap(),
        until: until.parse().unwrap(),
        width,
    }
}

/// The two days before today.
fn days() -> Window {
    window("2026-11-23T00:00:00Z", "2026-11-25T00:00:00Z", Width::Day)
}

fn item(change: impl FnOnce(&mut Value)) -> Value {
    let mut item = json!({
        "date": "2026-11-24", "model": "openai/gpt-4.1", "model_permaslug": "openai/gpt-4.1-2025-04-14",
        "endpoint_id": "550e8400-e29b-41d4-a716-446655440000", "provider_name": "OpenAI",
        "usage": 0.015, "byok_usage_inference": 0.012, "requests": 5, "prompt_tokens": 50,
        "completion_tokens": 125, "reasoning_tokens": 25,
    });
    change(&mut item);
    item
}

/// Keys `f0…`, `f1…` and so on, two to a page of the list, each with the same activity.
async fn server(keys: usize, activity: Value) -> TestServer {
    TestServer::start(move |_, seen| {
        let body = if seen.target.contains("/activity?") {
            activity.clone()
        } else {
            let offset = seen.target.split("offset=").nth(1).unwrap();
            let offset: usize = offset.split('&').next().unwrap().parse().unwrap();
            let rows = (offset..keys.min(offset + 2))
                .map(|n| row(|row| row["hash"] = json!(format!("f{n}").repeat(32))));
            json!({ "data": rows.collect::<Vec<_>>() })
        };
        Reply::json(200, &body)
    })
    .await
}

async fn usage_of(item: Value) -> Result<UsagePage, ProviderError> {
    let server = server(1, json!({ "data": [item] })).await;
    let driver = account(&server).driver;
    driver.usage(&Scope::default(), &days(), None).await
}

#[tokio::test]
async fn each_key_of_the_list_is_asked_for_once() {
    let server = server(3, json!({ "data": [item(|_| {})] })).await;
    let driver = account(&server).driver;
    let (mut keys, mut next) = (Vec::new(), None);
    loop {
        let page = driver
            .usage(&Scope::default(), &days(), next.as_ref())
            .await;
        let page = page.unwrap();
        keys.extend(page.rows.into_iter().map(|row| row.key));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    let named = |n| ByKey::Id(OutsideText::new(&format!("f{n}").repeat(32)));
    assert_eq!(keys, [named(0), named(1), named(2)]);
    let seen = server.seen();
    let asked = seen.iter().map(|s| s.target.as_str());
    let activity: Vec<&str> = asked.filter(|t| t.contains("/activity?")).collect();
    let of = |n| {
        format!(
            "/api/v1/activity?api_key_hash={}",
            format!("f{n}").repeat(32)
        )
    };
    assert_eq!(activity, [of(0), of(1), of(2)]);
    assert_eq!(
        seen.len(),
        3 + 3,
        "three pages of the list, the last one empty"
    );
}

#[tokio::test]
async fn a_day_is_read_whole() {
    let page = usage_of(item(|_| {})).await.unwrap();
    let row = &page.rows[0];
    let model = row.model.as_ref().map(OutsideText::as_str);
    assert_eq!(model, Some("openai/gpt-4.1-2025-04-14"), "the dated one");
    assert_eq!(row.from, "2026-11-24T00:00:00Z".parse().unwrap());
    assert_eq!(row.requests, Some(5));
    let tokens = Tokens {
        input: Some(50),
        output: Some(125),
        ..Tokens::default()
    };
    assert_eq!(row.tokens, tokens);
    let items = json!({ "data": [item(|_| {}), item(|i| i["usage"] = json!("1e-6"))] });
    let server = server(1, items).await;
    let driver = account(&server).driver;
    let costs = driver.costs(&Scope::default(), &days(), None).await;
    let amounts: Vec<_> = costs.unwrap().rows.iter().map(|r| r.amount).collect();
    assert_eq!(amounts, [MicroDollars(27_000), MicroDollars(12_001)]);
    let other_days = ["2026-11-22", "2026-11-25", "2026-11-25 00:00:00"];
    for day in other_days {
        let page = usage_of(item(|i| i["date"] = json!(day))).await;
        assert_eq!(page.unwrap().rows, [], "{day} was not asked for");
    }
    let timed = usage_of(item(|i| i["date"] = json!("2026-11-24 00:00:00"))).await;
    assert_eq!(timed.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_never_zero() {
    let broken: [fn(&mut Value); 9] = [
        |i| i["usage"] = json!(null),
        |i| i["usage"] = json!(-0.1),
        |i| i["usage"] = json!("much"),
        |i| i["byok_usage_inference"] = json!(null),
        |i| i["requests"] = json!(null),
        |i| i["prompt_tokens"] = json!(-1),
        |i| i["date"] = json!("24 November"),
        |i| i["date"] = json!("2026-11-31"),
        |i| drop(i.as_object_mut().unwrap().remove("usage")),
    ];
    for change in broken {
        let refused = usage_of(item(change)).await;
        let is_error = matches!(refused, Err(ProviderError::RetryAfter { .. }));
        assert!(is_error, "{}: {refused:?}", item(change));
    }
}

#[tokio::test]
async fn what_is_not_told_is_not_asked_for() {
    let server = server(1, json!({ "data": [] })).await;
    let driver = account(&server).driver;
    let (place, day) = (Scope::default(), "2026-11-24T00:00:00Z");
    for width in [Width::Minute, Width::Hour] {
        let window = window(day, "2026-11-25T00:00:00Z", width);
        let refused = driver.usage(&place, &window, None).await;
        assert!(matches!(refused, Err(ProviderError::Unsupported(_))));
    }
    let old = window("2026-10-25T00:00:00Z", day, Width::Day);
    let refused = driver.costs(&place, &old, None).await;
    assert!(matches!(refused, Err(ProviderError::Refused { .. })));
    let empty = window(day, day, Width::Day);
    let told = driver.costs(&place, &empty, None).await;
    assert_eq!(told, Ok(CostPage::default()));
    assert_eq!(server.seen().len(), 0);
    let oldest = window("2026-10-26T00:00:00Z", day, Width::Day);
    assert!(driver.costs(&place, &oldest, None).await.is_ok());
}
