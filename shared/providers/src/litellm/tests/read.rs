//! How keys and their list read.

use keyward_core::model::money::{CapPeriod, MicroDollars};
use keyward_core::ports::{Extent, KeyOwner};

use super::*;
use crate::http::testing::Seen;

async fn read(change: impl FnOnce(&mut Value)) -> Option<KeyRecord> {
    let server = TestServer::always(info(change)).await;
    account(&server).driver.get(&handle()).await.unwrap()
}

#[tokio::test]
async fn a_record_is_read_whole() {
    let record = read(|_| {}).await.unwrap();
    assert_eq!(record.handle, handle());
    assert_eq!(record.label.as_str(), "agent-billing");
    assert!(record.may_be_key(&key()));
    assert_eq!(record.suspended, Some(false));
    assert_eq!(record.workspace, Some("team-EXAMPLE-1".parse().unwrap()));
    assert_eq!(record.owner, KeyOwner::Service);
    let at = |text: &str| Some(text.parse::<jiff::Timestamp>().unwrap());
    assert_eq!(record.created, at("2026-08-01T00:00:00Z"));
    assert_eq!(record.expires, at("2027-01-31T09:00:00Z"));
    assert_eq!(
        record.last_used,
        at("2026-11-24T08:00:00Z"),
        "without an offset it is UTC"
    );
    assert_eq!(record.spent, None, "of this month alone");
    let amount = MicroDollars::from_dollars(50);
    let period = CapPeriod::Monthly;
    assert_eq!(record.cap, Some(SpendCap { amount, period }));
    let only = |name: &str| Extent::Only(vec![OutsideText::new(name)]);
    assert_eq!(record.reach.models, only("gpt-4o-mini"));
    assert_eq!(record.reach.endpoints, only("llm_api_routes"));
    assert_eq!(record.reach.addresses, Extent::Untold);
}

/// P-16.
#[tokio::test]
async fn null_is_not_blocked_unlimited_and_never() {
    let record = read(|i| {
        for field in [
            "blocked",
            "max_budget",
            "budget_duration",
            "expires",
            "last_active",
            "key_name",
            "key_alias",
            "team_id",
        ] {
            i[field] = json!(null);
        }
    });
    let record = record.await.unwrap();
    assert_eq!(record.suspended, Some(false));
    assert_eq!(
        (record.cap, record.expires, record.last_used),
        (None, None, None)
    );
    assert_eq!(
        record.spent,
        Some(MicroDollars(12_500_000)),
        "never reset: its whole life's"
    );
    assert_eq!((record.label.as_str(), record.redacted.as_str()), ("", ""));
    let untold = read(|i| drop(i.as_object_mut().unwrap().remove("blocked")))
        .await
        .unwrap();
    assert_eq!(untold.suspended, None, "what is not there is not told");
}

#[tokio::test]
async fn empty_lists_permit_everything_and_are_read_so() {
    let only = |names: &[&str]| Extent::Only(names.iter().map(|n| OutsideText::new(n)).collect());
    for (list, expected) in [
        (json!([]), Extent::All),
        (json!(null), Extent::All),
        (json!(["a", "b"]), only(&["a", "b"])),
        (json!(["a", 7]), only(&["a", "7"])),
        (json!("a"), Extent::Untold),
    ] {
        let record = read(|i| {
            i["models"] = list.clone();
            i["allowed_routes"] = list.clone();
        });
        let reach = record.await.unwrap().reach;
        assert_eq!(
            (&reach.models, &reach.endpoints),
            (&expected, &expected),
            "{list}"
        );
    }
    let record = read(|i| drop(i.as_object_mut().unwrap().remove("models"))).await;
    assert_eq!(record.unwrap().reach.models, Extent::Untold);
}

#[tokio::test]
async fn limits_read_back_by_their_period() {
    for (budget, duration, expected) in [
        (json!(5), json!("1d"), Some((5_000_000, CapPeriod::Daily))),
        (
            json!(5),
            json!("1mo"),
            Some((5_000_000, CapPeriod::Monthly)),
        ),
        (
            json!(5),
            json!("30d"),
            Some((5_000_000, CapPeriod::Monthly)),
        ),
        (json!(0.000001), json!(null), Some((1, CapPeriod::Lifetime))),
        (json!(0), json!(null), Some((0, CapPeriod::Lifetime))),
        (json!(5), json!("7d"), None),
        (json!(5), json!(7), None),
        (json!(null), json!("1d"), None),
        (json!(-5), json!(null), None),
    ] {
        let record = read(|i| {
            i["max_budget"] = budget.clone();
            i["budget_duration"] = duration.clone();
        });
        let cap = record
            .await
            .unwrap()
            .cap
            .map(|cap| (cap.amount.0, cap.period));
        assert_eq!(cap, expected, "{budget} {duration}");
    }
}

#[tokio::test]
async fn a_deleted_key_in_the_archive_is_none() {
    for field in ["status", "deleted_at"] {
        let gone = read(|i| {
            i[field] = json!(if field == "status" {
                "deleted"
            } else {
                "2026-11-25T00:00:00Z"
            });
        });
        assert_eq!(gone.await, None, "{field}");
    }
    for status in ["active", "expired", "revoked"] {
        assert!(
            read(|i| i["status"] = json!(status)).await.is_some(),
            "{status}"
        );
    }
}

/// Pages of two keys each.
async fn paged(keys: usize) -> TestServer {
    TestServer::start(move |_, seen| {
        let page = seen.target.split("page=").nth(1).unwrap_or_default();
        let page: usize = page.split('&').next().unwrap_or_default().parse().unwrap();
        let rows: Vec<Value> = ((page - 1) * 2..keys.min(page * 2))
            .map(|n| row(|r| r["token"] = json!(format!("h{n}"))))
            .collect();
        Reply::json(200, &json!({"keys": rows, "total_count": keys, "current_page": page, "total_pages": keys.div_ceil(2)}))
    })
    .await
}

#[tokio::test]
async fn a_list_goes_on_to_its_last_page() {
    for keys in [0, 1, 2, 5] {
        let server = paged(keys).await;
        let driver = account(&server).driver;
        let scope = Scope {
            workspace: Some("team-EXAMPLE-1".parse().unwrap()),
            ..Scope::default()
        };
        let (mut found, mut page) = (Vec::new(), None);
        loop {
            let got = driver.list(&scope, page.as_ref()).await.unwrap();
            found.extend(got.keys.into_iter().map(|k| k.handle.to_string()));
            page = got.next;
            if page.is_none() {
                break;
            }
        }
        let expected: Vec<String> = (0..keys).map(|n| format!("h{n}")).collect();
        assert_eq!(found, expected);
        assert_eq!(
            server.seen().len(),
            keys.div_ceil(2).max(1),
            "no page is asked for in vain"
        );
        let in_team = |seen: &Seen| {
            seen.target
                .ends_with("&return_full_object=true&team_id=team-EXAMPLE-1")
        };
        assert!(server.seen().iter().all(in_team));
    }
    let server = paged(0).await;
    for odd in ["next", "0", "-1"] {
        let odd = PageToken(odd.to_owned());
        let outcome = account(&server)
            .driver
            .list(&Scope::default(), Some(&odd))
            .await;
        assert!(
            matches!(outcome, Err(ProviderError::Refused { .. })),
            "{outcome:?}"
        );
    }
}
