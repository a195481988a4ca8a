//! Usage and cost.

use jiff::Timestamp;
use keyward_core::model::money::MicroDollars;
use keyward_core::ports::{ByKey, Tokens, Usage, Width, Window};
use proptest::prelude::*;

use super::*;
use crate::litellm::reports::Report;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(from: &str, until: &str) -> Window {
    Window {
        from: at(from),
        until: at(until),
        width: Width::Day,
    }
}

fn two_days() -> Window {
    window("2026-11-24T00:00:00Z", "2026-11-26T00:00:00Z")
}

fn of_key(spend: Value, counts: [u64; 5]) -> Value {
    json!({
        "metrics": {
            "spend": spend, "api_requests": counts[0], "prompt_tokens": counts[1], "completion_tokens": counts[2],
            "cache_read_input_tokens": counts[3], "cache_creation_input_tokens": counts[4], "total_tokens": 1,
        },
        "metadata": {"key_alias": "agent-billing", "team_id": "team-EXAMPLE-1"},
    })
}

/// One day of one key that called a model, and did one thing more without.
fn day(spend: Value) -> Value {
    json!({
        "date": "2026-11-24",
        "metrics": {"spend": spend},
        "breakdown": {
            "models": {"gpt-4o-mini": {
                "metrics": {}, "metadata": {},
                "api_key_breakdown": {"f0f0": of_key(json!(1), [3, 100, 20, 40, 10])},
            }},
            "api_keys": {"f0f0": of_key(spend.clone(), [4, 100, 20, 40, 10])},
            "providers": {}, "new": 1,
        },
    })
}

fn report(days: &[Value], more: bool) -> Reply {
    Reply::json(
        200,
        &json!({"results": days, "metadata": {"page": 1, "total_pages": 2, "has_more": more}}),
    )
}

#[tokio::test]
async fn a_report_is_asked_for_by_whole_days() {
    for (from, until, days) in [
        (
            "2026-11-24T00:00:00Z",
            "2026-11-26T00:00:00Z",
            Some("start_date=2026-11-24&end_date=2026-11-25"),
        ),
        (
            "2026-11-24T00:00:01Z",
            "2026-11-26T00:00:01Z",
            Some("start_date=2026-11-25&end_date=2026-11-25"),
        ),
        ("2026-11-24T09:00:00Z", "2026-11-24T15:00:00Z", None),
        // Nothing of it has begun.
        ("2026-11-26T00:00:00Z", "2026-11-30T00:00:00Z", None),
        ("2026-11-26T00:00:00Z", "2026-11-24T00:00:00Z", None),
    ] {
        let server = TestServer::always(report(&[], false)).await;
        let page = account(&server)
            .driver
            .costs(&Scope::default(), &window(from, until), None)
            .await
            .unwrap();
        assert_eq!((page.rows.len(), page.next), (0, None));
        let expected =
            days.map(|days| format!("/api/v1/user/daily/activity?{days}&page=1&page_size=200"));
        assert_eq!(
            server.seen().first().map(|seen| seen.target.clone()),
            expected
        );
    }
}

#[tokio::test]
async fn money_is_exact_and_in_micro_dollars() {
    for (spend, expected) in [
        (json!(0.1), Some(100_000)),
        (json!(0.30000000000000004), Some(300_000)),
        (json!(1e-7), Some(0)),
        (json!(12.345678), Some(12_345_678)),
        (json!(-1), None),
        (json!(null), None),
        (json!("much"), None),
    ] {
        let server = TestServer::always(report(&[day(spend.clone())], true)).await;
        let page = account(&server)
            .driver
            .costs(&Scope::default(), &two_days(), None)
            .await;
        match (page, expected) {
            (Ok(page), Some(micros)) => {
                assert_eq!(page.rows.len(), 1);
                assert_eq!(page.rows[0].key, ByKey::Id(OutsideText::new("f0f0")));
                assert_eq!(page.rows[0].from, two_days().from);
                assert_eq!(page.rows[0].amount, MicroDollars(micros), "{spend}");
                assert_eq!(page.next, Some(PageToken("2".to_owned())));
            }
            (Err(ProviderError::RetryAfter { .. }), None) => {}
            other => panic!("{spend}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn usage_is_told_by_model_and_cached_tokens_are_told_apart() {
    let server = TestServer::always(report(&[day(json!(1))], false)).await;
    let page = account(&server)
        .driver
        .usage(&Scope::default(), &two_days(), None)
        .await
        .unwrap();
    let row = |model: Option<&str>, requests, [input, output, read, write]: [u64; 4]| Usage {
        key: ByKey::Id(OutsideText::new("f0f0")),
        model: model.map(OutsideText::new),
        from: two_days().from,
        requests: Some(requests),
        tokens: Tokens {
            input: Some(input),
            output: Some(output),
            cache_read: Some(read),
            cache_write: Some(write),
        },
    };
    assert_eq!(
        page.rows,
        [
            row(Some("gpt-4o-mini"), 3, [50, 20, 40, 10]),
            row(None, 1, [0, 0, 0, 0])
        ]
    );
}

#[tokio::test]
async fn what_is_not_told_is_unknown_and_other_teams_are_left_out() {
    let mut odd = day(json!(1));
    let model =
        &mut odd["breakdown"]["models"]["gpt-4o-mini"]["api_key_breakdown"]["f0f0"]["metrics"];
    *model = json!({"prompt_tokens": 5, "cache_read_input_tokens": 9, "completion_tokens": "many"});
    let server = TestServer::always(report(&[odd], false)).await;
    let driver = account(&server).driver;
    let page = driver
        .usage(&Scope::default(), &two_days(), None)
        .await
        .unwrap();
    let tokens = page.rows[0].tokens;
    assert_eq!(page.rows[0].requests, None);
    assert_eq!(
        (tokens.input, tokens.output, tokens.cache_read),
        (None, None, Some(9))
    );
    for (team, rows) in [("team-EXAMPLE-1", 1), ("team-EXAMPLE-2", 0)] {
        let scope = Scope {
            workspace: Some(team.parse().unwrap()),
            ..Scope::default()
        };
        let page = driver.costs(&scope, &two_days(), None).await.unwrap();
        assert_eq!(page.rows.len(), rows, "{team}");
    }
}

#[tokio::test]
async fn what_is_no_entry_is_passed_over_and_a_broken_entry_is_not() {
    let later = json!({"kind": "later", "list": [1, null, {}]});
    let mut odd = day(json!(1));
    odd["breakdown"]["api_keys"]["x"] = later.clone();
    odd["breakdown"]["models"]["x"] = later.clone();
    odd["breakdown"]["models"]["gpt-4o-mini"]["api_key_breakdown"]["x"] = later;
    let server = TestServer::always(report(&[odd.clone()], false)).await;
    let driver = account(&server).driver;
    let usage = driver.usage(&Scope::default(), &two_days(), None).await;
    assert_eq!(usage.unwrap().rows.len(), 2);
    let costs = driver.costs(&Scope::default(), &two_days(), None).await;
    assert_eq!(costs.unwrap().rows.len(), 1);
    odd["breakdown"]["api_keys"]["x"] = json!({"metrics": "none"});
    let server = TestServer::always(report(&[odd], false)).await;
    let driver = account(&server).driver;
    let costs = driver.costs(&Scope::default(), &two_days(), None).await;
    assert!(
        matches!(costs, Err(ProviderError::RetryAfter { .. })),
        "{costs:?}"
    );
}

#[tokio::test]
async fn a_report_that_cannot_be_read_is_an_error_never_an_empty_page() {
    let without = |field: &str| {
        let mut day = day(json!(1));
        day["breakdown"].as_object_mut().unwrap().remove(field);
        report(&[day], false)
    };
    for (name, reply) in [
        ("no breakdown by key", without("api_keys")),
        ("no breakdown by model", without("models")),
        (
            "no end told",
            Reply::json(200, &json!({"results": [], "metadata": {}})),
        ),
        (
            "no results",
            Reply::json(200, &json!({"metadata": {"has_more": false}})),
        ),
        (
            "another date",
            Reply::json(
                200,
                &json!({"results": [{"date": "today", "breakdown": {"models": {}, "api_keys": {}}}], "metadata": {"has_more": false}}),
            ),
        ),
        (
            "an error inside",
            Reply::json(200, &json!({"error": {"code": "500"}})),
        ),
        ("a page of a proxy", html(200)),
        (
            "500",
            Reply::json(
                500,
                &json!({"detail": {"error": "Failed to fetch analytics"}}),
            ),
        ),
    ] {
        let server = TestServer::always(reply).await;
        let driver = account(&server).driver;
        let costs = driver.costs(&Scope::default(), &two_days(), None).await;
        assert!(
            matches!(costs, Err(ProviderError::RetryAfter { .. })),
            "{name}: {costs:?}"
        );
        let usage = driver.usage(&Scope::default(), &two_days(), None).await;
        assert!(
            matches!(usage, Err(ProviderError::RetryAfter { .. })),
            "{name}: {usage:?}"
        );
    }
}

#[tokio::test]
async fn less_than_a_day_is_not_told() {
    let server = TestServer::always(report(&[], false)).await;
    for width in [Width::Minute, Width::Hour] {
        let window = Window {
            width,
            ..two_days()
        };
        let costs = account(&server)
            .driver
            .costs(&Scope::default(), &window, None)
            .await;
        assert!(
            matches!(costs, Err(ProviderError::Unsupported(_))),
            "{costs:?}"
        );
    }
    assert_eq!(server.seen().len(), 0);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(Report::read(&body).is_none());
    }

    #[test]
    fn no_counts_make_it_panic(counts in any::<[u64; 5]>(), parts in any::<[u64; 5]>(), spend in any::<f64>()) {
        let mut odd = day(json!(spend));
        odd["breakdown"]["api_keys"]["f0f0"] = of_key(json!(spend), counts);
        odd["breakdown"]["models"]["gpt-4o-mini"]["api_key_breakdown"]["f0f0"] = of_key(json!(1), parts);
        let body = json!({"results": [odd], "metadata": {"has_more": false}}).to_string();
        let report = Report::read(body.as_bytes()).unwrap();
        let rows = report.days[0].usage(&Scope::default()).unwrap();
        prop_assert!(rows.len() <= 2);
        let _ = report.days[0].costs(&Scope::default());
    }
}
