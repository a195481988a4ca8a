//! Usage and cost by key.

use keyward_core::model::money::MicroDollars;
use keyward_core::ports::{ByKey, CostPage, UsagePage, Width, Window};

use super::*;

fn window(from: &str, until: &str, width: Width) -> Window {
    Window {
        from: from.parse().unwrap(),
        until: until.parse().unwrap(),
        width,
    }
}

/// The day before today and today.
fn days() -> Window {
    window("2026-11-24T00:00:00Z", "2026-11-26T00:00:00Z", Width::Day)
}

fn scope() -> Scope {
    Scope {
        workspace: Some("wrkspc_EXAMPLE".parse().unwrap()),
        ..Scope::default()
    }
}

fn used(change: impl FnOnce(&mut Value)) -> Value {
    let mut row = json!({
        "uncached_input_tokens": 1500, "output_tokens": 500, "cache_read_input_tokens": 200,
        "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 7},
        "server_tool_use": {"web_search_requests": 10}, "api_key_id": "apikey_EXAMPLE0001",
        "workspace_id": "wrkspc_EXAMPLE", "model": "claude-opus-5-5", "service_tier": null,
    });
    change(&mut row);
    let bucket = json!({
        "starting_at": "2026-11-24T00:00:00Z", "ending_at": "2026-11-25T00:00:00Z", "results": [row],
    });
    page(&[bucket])
}

fn cost(amount: &Value, key: &Value) -> Value {
    json!({
        "starting_at": "2026-11-24T00:00:00Z", "ending_at": "2026-11-25T00:00:00Z",
        "group": {"api_key_id": key, "model": null},
        "cost": {"amount": amount, "currency": "USD", "list_amount": "99999", "requests": null},
    })
}

fn page(data: &[Value]) -> Value {
    json!({"data": data, "has_more": false, "next_page": null})
}

async fn usage_of(body: &Value) -> Result<UsagePage, ProviderError> {
    let server = TestServer::always(Reply::json(200, body)).await;
    driver(&server).usage(&scope(), &days(), None).await
}

async fn costs_of(body: &Value) -> Result<CostPage, ProviderError> {
    let server = TestServer::always(Reply::json(200, body)).await;
    driver(&server).costs(&scope(), &days(), None).await
}

#[tokio::test]
async fn all_four_kinds_of_tokens_are_told() {
    let told = usage_of(&used(|_| {})).await.unwrap();
    let row = &told.rows[0];
    assert_eq!(row.key, ByKey::Id(OutsideText::new("apikey_EXAMPLE0001")));
    assert_eq!(row.requests, None, "not told");
    let tokens = row.tokens;
    let kinds = [
        tokens.input,
        tokens.output,
        tokens.cache_read,
        tokens.cache_write,
    ];
    assert_eq!(kinds, [Some(1500), Some(500), Some(200), Some(1007)]);
    for (place, is_told) in [
        (json!(null), true),
        (json!("wrkspc_EXAMPLE"), true),
        (json!("wrkspc_OTHER"), false),
    ] {
        let told = usage_of(&used(|r| r["workspace_id"] = place.clone())).await;
        assert_eq!(!told.unwrap().rows.is_empty(), is_told, "{place}");
    }
    let console = usage_of(&used(|r| r["api_key_id"] = json!(null))).await;
    assert_eq!(console.unwrap().rows[0].key, ByKey::Unnamed);
    let broken: [fn(&mut Value); 5] = [
        |r| r["output_tokens"] = json!(null),
        |r| r["uncached_input_tokens"] = json!(-1),
        |r| r["cache_read_input_tokens"] = json!("2"),
        |r| r["cache_creation"] = json!({"ephemeral_1h_input_tokens": 1}),
        |r| r["cache_creation"]["ephemeral_1h_input_tokens"] = json!(u64::MAX),
    ];
    for change in broken {
        let refused = usage_of(&used(change)).await;
        let is_error = matches!(refused, Err(ProviderError::RetryAfter { .. }));
        assert!(is_error, "{}: {refused:?}", used(change));
    }
}

/// U-05: cents with fractions, as text.
#[tokio::test]
async fn amounts_are_cents() {
    let file: Value = serde_json::from_str(include_str!(
        "../../../fixtures/U-05-anthropic-cost-cents.json"
    ))
    .unwrap();
    let amounts = file["data"][0]["results"].as_array().unwrap();
    let rows: Vec<Value> = amounts
        .iter()
        .map(|row| cost(&row["amount"], &json!(null)))
        .collect();
    let told = costs_of(&page(&rows)).await.unwrap();
    let told: Vec<_> = told.rows.iter().map(|r| (&r.key, r.amount)).collect();
    let unnamed = |micro| (&ByKey::Unnamed, MicroDollars(micro));
    assert_eq!(told, [unnamed(123_456_789), unnamed(4_000)]);
    for amount in [
        json!(null),
        json!("-1"),
        json!("a"),
        json!({}),
        json!("NaN"),
    ] {
        let refused = costs_of(&page(&[cost(&amount, &json!("k"))])).await;
        let is_error = matches!(refused, Err(ProviderError::RetryAfter { .. }));
        assert!(is_error, "{amount}: {refused:?}");
    }
    let mut euros = cost(&json!("1"), &json!("k"));
    euros["cost"]["currency"] = json!("EUR");
    assert!(costs_of(&page(&[euros])).await.is_err());
}

/// U-07: a range that holds no whole bucket is never asked for; a refusal says why.
#[tokio::test]
async fn a_start_that_is_too_recent_is_no_request() {
    let file: Value = serde_json::from_str(include_str!(
        "../../../fixtures/U-07-anthropic-400-range.json"
    ))
    .unwrap();
    let server = TestServer::always(Reply::json(400, &file["body"])).await;
    let driver = driver(&server);
    let started = file["request"]["query"]["starting_at"].as_str().unwrap();
    let recent = window(started, "2026-11-26T00:00:00Z", Width::Day);
    let told = driver.costs(&scope(), &recent, None).await;
    assert_eq!(told, Ok(CostPage::default()));
    assert_eq!(server.seen().len(), 0);
    let refused = driver.costs(&scope(), &days(), None).await.unwrap_err();
    let ProviderError::Refused { detail } = refused else {
        panic!("{refused:?}");
    };
    assert!(detail.as_str().contains("Invalid date range"), "{detail}");
}

#[tokio::test]
async fn queries_say_what_is_wanted_and_long_ranges_are_cut() {
    let server = TestServer::always(Reply::json(200, &page(&[]))).await;
    let driver = driver(&server);
    driver.usage(&scope(), &days(), None).await.unwrap();
    let long = window(
        "2026-11-22T12:00:00Z",
        "2026-11-25T00:00:00Z",
        Width::Minute,
    );
    let mut next = None;
    for _ in 0..3 {
        let told = driver.costs(&scope(), &long, next.as_ref()).await;
        next = told.unwrap().next;
    }
    assert_eq!(next, None);
    let asked: Vec<String> = server.seen().into_iter().map(|s| s.target).collect();
    let at = |day: &str, hour| format!("2026-11-{day}T{hour}%3A00%3A00Z");
    let cost = |from: String, until: String| {
        format!(
            "/api/v1/v1/organizations/analytics/cost?starting_at={from}&ending_at={until}&time_bucket_width=1m&group_by%5B%5D=api_key_id&order_by=time&order=asc&limit=1000&workspace_ids%5B%5D=wrkspc_EXAMPLE"
        )
    };
    assert_eq!(
        asked,
        [
            format!(
                "/api/v1/v1/organizations/usage_report/messages?starting_at={}&ending_at={}&bucket_width=1d&limit=7&group_by%5B%5D=api_key_id&group_by%5B%5D=model&group_by%5B%5D=workspace_id",
                at("24", "00"),
                at("26", "00")
            ),
            cost(at("22", "12"), at("23", "12")),
            cost(at("23", "12"), at("24", "12")),
            cost(at("24", "12"), at("25", "00")),
        ]
    );
}

#[tokio::test]
async fn an_organization_without_the_beta_is_told_apart() {
    let server = TestServer::always(error(404, "not_found_error", "Not found")).await;
    let refused = driver(&server).costs(&scope(), &days(), None).await;
    assert!(
        matches!(refused, Err(ProviderError::Unsupported(_))),
        "{refused:?}"
    );
    let refused = driver(&server).usage(&scope(), &days(), None).await;
    assert!(
        matches!(refused, Err(ProviderError::Refused { .. })),
        "{refused:?}"
    );
    for body in [
        json!({"data": []}),
        json!({"data": [], "has_more": true}),
        json!({"data": {}, "has_more": false}),
    ] {
        assert!(usage_of(&body).await.is_err(), "{body}");
        assert!(costs_of(&body).await.is_err(), "{body}");
    }
}
