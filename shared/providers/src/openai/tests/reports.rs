//! Usage and cost by key.

use keyward_core::model::money::MicroDollars;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{ByKey, Cost, CostPage, Tokens, Usage, UsagePage, Width, Window};

use super::*;

/// The day before today and today.
fn days() -> Window {
    Window {
        from: "2026-11-24T00:00:00Z".parse().unwrap(),
        until: "2026-11-26T00:00:00Z".parse().unwrap(),
        width: Width::Day,
    }
}

fn old_key() -> ByKey {
    ByKey::Id(OutsideText::new("key_EXAMPLEold"))
}

fn bucket(result: &Value) -> Value {
    json!({"object": "bucket", "start_time": 1_795_564_800, "end_time": 1_795_651_200, "results": [result]})
}

fn page(buckets: &[Value]) -> Value {
    json!({"object": "page", "data": buckets, "has_more": false, "next_page": null})
}

async fn usage_of(body: &Value) -> Result<UsagePage, ProviderError> {
    let server = TestServer::always(Reply::json(200, body)).await;
    let driver = account(&server).driver;
    driver.usage(&scope(None), &days(), None).await
}

async fn costs_of(body: &Value) -> Result<CostPage, ProviderError> {
    let server = TestServer::always(Reply::json(200, body)).await;
    let driver = account(&server).driver;
    driver.costs(&scope(None), &days(), None).await
}

/// A row of a completions report.
fn used(change: impl FnOnce(&mut Value)) -> Value {
    let mut row = json!({
        "object": "organization.usage.completions.result", "num_model_requests": 2,
        "input_tokens": 1000, "output_tokens": 50, "api_key_id": "key_EXAMPLEold", "model": "m",
    });
    change(&mut row);
    page(&[bucket(&row)])
}

#[tokio::test]
async fn every_page_of_every_part_is_read_with_the_same_query() {
    let first = recorded(include_str!("../../../fixtures/U-02-openai-page1.json"));
    let second = recorded(include_str!("../../../fixtures/U-02-openai-page2.json"));
    let server = TestServer::start(move |_, seen| {
        Reply::json(
            200,
            &match seen.target.as_str() {
                target if !target.contains("/completions?") => page(&[]),
                target if target.contains("page=page_EXAMPLE2") => second.clone(),
                _ => first.clone(),
            },
        )
    })
    .await;
    let driver = account(&server).driver;
    let (mut rows, mut next) = (Vec::new(), None);
    loop {
        let page = driver.usage(&scope(None), &days(), next.as_ref()).await;
        let page = page.unwrap();
        rows.extend(page.rows);
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    let told = |from: &str, requests, input, output| Usage {
        key: old_key(),
        model: None,
        from: from.parse().unwrap(),
        requests: Some(requests),
        tokens: Tokens {
            input: Some(input),
            output: Some(output),
            cache_read: Some(0),
            cache_write: None,
        },
    };
    assert_eq!(
        rows,
        [
            told("2026-11-24T00:00:00Z", 5, 1_000, 200),
            told("2026-11-25T00:00:00Z", 400, 90_000, 20_000)
        ]
    );
    let query = "start_time=1795478400&end_time=1795651200&group_by=api_key_id&bucket_width=1d&limit=7&group_by=model&project_ids=proj_EXAMPLE";
    let usage = |part: &str| format!("GET /api/v1/organization/usage/{part}?{query}");
    let asked: Vec<String> = server
        .seen()
        .iter()
        .map(|s| format!("{} {}", s.method, s.target))
        .collect();
    let second = format!("{}&page=page_EXAMPLE2", usage("completions"));
    assert_eq!(
        asked,
        [
            usage("completions"),
            second,
            usage("embeddings"),
            usage("images")
        ]
    );
}

#[tokio::test]
async fn a_row_without_a_key_belongs_to_none() {
    let file = recorded(include_str!("../../../fixtures/U-04-openai-null-key.json"));
    let page = usage_of(&file).await.unwrap();
    let told: Vec<_> = page
        .rows
        .iter()
        .map(|r| (&r.key, r.requests, r.tokens.input))
        .collect();
    assert_eq!(
        told,
        [
            (&old_key(), Some(5), Some(5_000)),
            (&ByKey::Unnamed, Some(800), Some(700_000))
        ]
    );
    let model = page.rows[0].model.as_ref().map(OutsideText::as_str);
    assert_eq!(model, Some("gpt-4o-mini-2024-07-18"));
    assert_eq!(page.rows[1].model, None);
}

#[tokio::test]
async fn cached_tokens_are_counted_once() {
    let tokens = async |change: fn(&mut Value)| {
        let page = usage_of(&used(change)).await;
        page.map(|page| {
            let t = page.rows[0].tokens;
            (t.input, t.cache_read, t.cache_write)
        })
    };
    let plain = tokens(|_| {}).await;
    assert_eq!(plain, Ok((Some(1000), None, None)));
    let cached = tokens(|r| {
        r["input_cached_tokens"] = json!(300);
        r["input_cache_write_tokens"] = json!(50);
    });
    assert_eq!(cached.await, Ok((Some(650), Some(300), Some(50))));
    let told = tokens(|r| {
        r["input_cached_tokens"] = json!(300);
        r["input_uncached_tokens"] = json!(640);
    });
    assert_eq!(told.await, Ok((Some(640), Some(300), None)));
    let broken: [fn(&mut Value); 6] = [
        |r| r["input_cached_tokens"] = json!(1001),
        |r| r["input_tokens"] = json!(-1),
        |r| r["input_tokens"] = json!("many"),
        |r| r["input_tokens"] = json!(null),
        |r| r["output_tokens"] = json!(1.5),
        |r| r["num_model_requests"] = json!(null),
    ];
    for change in broken {
        let refused = usage_of(&used(change)).await;
        let is_error = matches!(refused, Err(ProviderError::RetryAfter { .. }));
        assert!(is_error, "{}: {refused:?}", used(change));
    }
}

/// Numbers, and numbers as text, to the micro-dollar; what is neither is an error, and never zero.
#[tokio::test]
async fn amounts_are_read_in_both_forms_or_not_at_all() {
    let mut file = recorded(include_str!(
        "../../../fixtures/U-01-openai-cost-string-amount.json"
    ));
    let refused = costs_of(&file).await;
    let is_error = matches!(refused, Err(ProviderError::RetryAfter { .. }));
    assert!(is_error, "an amount of null: {refused:?}");
    let results = file["data"][0]["results"].as_array_mut().unwrap();
    assert!(results.pop().unwrap()["amount"]["value"].is_null());
    let cost = |micro| Cost {
        key: ByKey::Unnamed,
        from: "2026-11-25T00:00:00Z".parse().unwrap(),
        amount: MicroDollars(micro),
    };
    let rows = costs_of(&file).await.map(|page| page.rows);
    assert_eq!(rows, Ok(vec![cost(12_500_000), cost(60_000), cost(10)]));
    for amount in [
        json!({"value": -1, "currency": "usd"}),
        json!({"value": "", "currency": "usd"}),
        json!({"value": [1], "currency": "usd"}),
        json!({"value": 1, "currency": "eur"}),
        json!({"value": 1}),
        json!({"currency": "usd"}),
        json!(1),
    ] {
        let refused = costs_of(&page(&[bucket(&json!({ "amount": amount }))])).await;
        let is_error = matches!(refused, Err(ProviderError::RetryAfter { .. }));
        assert!(is_error, "{amount}: {refused:?}");
    }
}

#[tokio::test]
async fn costs_are_asked_for_by_the_day_alone() {
    let server = TestServer::always(Reply::json(200, &page(&[]))).await;
    let driver = account(&server).driver;
    for width in [Width::Minute, Width::Hour] {
        let window = Window { width, ..days() };
        let refused = driver.costs(&scope(None), &window, None).await;
        assert!(matches!(refused, Err(ProviderError::Unsupported(_))));
    }
    assert_eq!(server.seen().len(), 0);
    let told = driver.costs(&Scope::default(), &days(), None).await;
    assert_eq!(told, Ok(CostPage::default()));
    let query =
        "start_time=1795478400&end_time=1795651200&group_by=api_key_id&bucket_width=1d&limit=7";
    assert_eq!(
        server.seen()[0].target,
        format!("/api/v1/organization/costs?{query}"),
        "without a project, of all"
    );
}

#[tokio::test]
async fn a_page_that_cannot_be_read_is_an_error() {
    let broken = [
        json!({"object": "page", "data": [], "has_more": true, "next_page": null}),
        json!({"object": "page", "data": [], "next_page": null}),
        json!({"object": "list", "data": [], "has_more": false}),
        json!({"object": "page", "data": [{"results": []}], "has_more": false}),
        json!({"object": "page", "data": [], "has_more": false, "error": {"message": "no"}}),
        json!([]),
    ];
    for body in broken {
        for (what, error) in [
            ("usage", usage_of(&body).await.err()),
            ("costs", costs_of(&body).await.err()),
        ] {
            let is_error = matches!(error, Some(ProviderError::RetryAfter { .. }));
            assert!(is_error, "{what} {body}: {error:?}");
        }
    }
    let same = json!({"object": "page", "data": [], "has_more": true, "next_page": "again"});
    let server = TestServer::always(Reply::json(200, &same)).await;
    let driver = account(&server).driver;
    let first = driver.usage(&scope(None), &days(), None).await.unwrap();
    let second = driver
        .usage(&scope(None), &days(), first.next.as_ref())
        .await;
    assert!(second.is_err(), "the same page again: {second:?}");
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (reply, expected) in [
        (error(404, "no such project", None), "Refused"),
        (error(400, "start_time is too old", None), "Refused"),
        (error(401, "no", Some("invalid_api_key")), "AdminCredential"),
        (
            error(429, "slow down", None).with("retry-after", "20"),
            "RetryAfter",
        ),
        (html(200), "RetryAfter"),
    ] {
        let server = TestServer::always(reply).await;
        let driver = account(&server).driver;
        let refused = driver.usage(&scope(None), &days(), None).await.unwrap_err();
        assert!(format!("{refused:?}").starts_with(expected), "{refused:?}");
    }
}
