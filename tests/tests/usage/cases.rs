//! The field cases of usage, by id: their files' rows as reports tell them, and what must come of it.

use std::path::Path;

use keyward_core::model::names::SlotName;
use keyward_core::model::usage_items::readings;
use keyward_core::ports::{ProviderError, Window};
use keyward_core::usecases::monitor::{NotSeen, Sight};
use keyward_testkit::memory::listed_key;
use serde_json::Value;

use super::*;

fn file(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases/usage");
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

/// The rows of a page of OpenAI's report of usage, at one time: what the driver makes of such a page is shown beside it.
fn rows_at(page: &Value, from: Timestamp) -> Vec<Usage> {
    let buckets = page["data"].as_array().unwrap().iter();
    let results = buckets.flat_map(|bucket| bucket["results"].as_array().unwrap());
    let usage = |result: &Value| Usage {
        key: match result["api_key_id"].as_str() {
            Some(id) => ByKey::Id(OutsideText::new(id)),
            None => ByKey::Unnamed,
        },
        model: result["model"].as_str().map(OutsideText::new),
        from,
        requests: result["num_model_requests"].as_u64(),
        tokens: Tokens {
            input: result["input_tokens"].as_u64(),
            output: result["output_tokens"].as_u64(),
            ..Tokens::default()
        },
    };
    results.map(usage).collect()
}

fn agent() -> World {
    World::new(&["main"], Width::Minute).with_slot("agent", "main", &["p/key_EXAMPLEold"])
}

/// Ten minutes ago: the bucket is over.
fn lately(world: &World) -> Timestamp {
    world.now() - SignedDuration::from_mins(10)
}

fn refused(detail: &str) -> ProviderError {
    ProviderError::Refused {
        detail: OutsideText::new(detail),
    }
}

fn busy(after: Option<i64>) -> ProviderError {
    ProviderError::RetryAfter {
        after: after.map(SignedDuration::from_secs),
        detail: OutsideText::new("429"),
    }
}

/// A day before yesterday, whose bills are settled, of which the account was seen whole.
async fn settled(world: &World, used: &[Usage]) -> Timestamp {
    for used in used {
        world.reports().use_key(used.from, used.clone());
    }
    world.pull().await;
    world.pass(2 * 24 * 60);
    "2026-12-01T00:00:00Z".parse().unwrap()
}

/// The driver takes numbers and strings of numbers, and makes a page with anything else an error
/// (`keyward-providers`, `openai/tests/reports.rs`): costs are then not known, and usage is.
#[tokio::test]
async fn u_01_a_cost_that_cannot_be_read_is_no_cost_of_zero() {
    let page = file("U-01-openai-cost-string-amount.json");
    let amounts = page["data"][0]["results"].as_array().unwrap();
    assert!(amounts.iter().any(|row| row["amount"]["value"].is_null()));
    let world = agent();
    world.reports().use_key(
        world.now(),
        row("key_EXAMPLEold", lately(&world), 1, 800_000),
    );
    world.reports().fail_costs(Some(busy(None)));
    let pulled = world.pull().await;
    let account = &pulled.accounts[0];
    assert!(
        matches!(account.bills, Some(NotSeen::Provider(_))),
        "{account:?}"
    );
    assert!(matches!(account.sight, Sight::Seen(..)));
    assert_eq!(
        world.total("agent").cost,
        MicroDollars(1_000_000),
        "by the table"
    );
}

#[tokio::test]
async fn u_02_a_page_that_is_lost_makes_the_report_no_total() {
    let world = agent();
    let from = lately(&world);
    for name in ["U-02-openai-page1.json", "U-02-openai-page2.json"] {
        for used in rows_at(&file(name), from) {
            world.reports().use_key(from, used.clone());
            world.reports().use_key(
                from,
                Usage {
                    requests: Some(0),
                    ..used
                },
            );
        }
    }
    world.reports().fail(Some((1, busy(None))));
    let pulled = world.pull().await;
    assert!(
        matches!(pulled.accounts[0].sight, Sight::NotSeen(..)),
        "{pulled:?}"
    );
    assert!(world.kept().is_empty(), "half a report is none");
    world.reports().fail(None);
    world.pass(2);
    world.pull().await;
    let total = world.total("agent");
    assert_eq!((total.requests, total.tokens.input), (405, 182_000));
}

#[tokio::test]
async fn u_04_rows_without_a_key_are_told_and_nobodys() {
    let world = agent();
    let from = lately(&world);
    for used in rows_at(&file("U-04-openai-null-key.json"), from) {
        world.reports().use_key(from, used);
    }
    let pulled = world.pull().await;
    let account = &pulled.accounts[0];
    let nobodys = account.unattributed[&Bucket::of(from)];
    assert_eq!((nobodys.requests, nobodys.tokens.input), (800, 700_000));
    let total = world.total("agent");
    assert_eq!((total.requests, total.tokens.input), (5, 5000));
    assert!(account.unknown_models.contains("(untold)"), "{account:?}");
}

/// The driver reads cents (`keyward-providers`, `anthropic/tests/reports.rs`).
#[tokio::test]
async fn u_05_a_bill_in_cents_stands_to_the_micro_dollar() {
    let page = file("U-05-anthropic-cost-cents.json");
    let amount = page["data"][0]["results"][0]["amount"].as_str().unwrap();
    assert_eq!(amount, "12345.678912", "123.45678912 dollars");
    let world = agent();
    let day: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
    let used = row("key_EXAMPLEold", day, 1, 800);
    let later = row(
        "key_EXAMPLEold",
        day + SignedDuration::from_mins(30),
        1,
        1600,
    );
    settled(&world, &[used, later]).await;
    world
        .reports()
        .bill(cost("key_EXAMPLEold", day, 123_456_789));
    world.pull().await;
    assert_eq!(world.total("agent").cost, MicroDollars(123_456_789));
    let bills: Vec<u64> = world.kept().values().map(|(_, b)| b.unwrap().0).collect();
    assert_eq!(bills, [41_152_263, 82_304_526], "as the buckets are priced");
}

#[tokio::test]
async fn u_07_a_range_that_is_refused_is_not_asked_again_but_a_wider_one() {
    let case = file("U-07-anthropic-400-range.json");
    let message = case["body"]["error"]["message"].as_str().unwrap();
    let world = agent();
    world.pull().await;
    world.pass(2);
    world.reports().fail(Some((0, refused(message))));
    let pulled = world.pull().await;
    let Sight::NotSeen(since, NotSeen::Provider(error)) = &pulled.accounts[0].sight else {
        panic!("{pulled:?}");
    };
    assert_eq!(*since, world.now() - SignedDuration::from_mins(2));
    assert!(error.to_string().contains("Invalid date range"), "{error}");
    let asked = world.reports().windows();
    let narrow = *asked.last().unwrap();
    let over = |window: &Window| Bucket::of(window.from) < Bucket::of(window.until);
    assert!(
        asked.iter().all(over),
        "always a bucket that is over: {asked:?}"
    );
    world.reports().fail(None);
    world.pass(2);
    world.pull().await;
    let wide = *world.reports().windows().last().unwrap();
    assert!(wide.from < narrow.from, "{wide:?} {narrow:?}");
}

#[tokio::test]
async fn u_08_a_bucket_that_grows_is_overwritten_and_never_added_to() {
    let world = agent();
    let from = lately(&world);
    let polls = file("U-08-late-data-three-polls.json");
    for (poll, requests) in polls.as_array().unwrap().iter().zip([10, 40, 520]) {
        world.reports().forget_usage();
        for used in rows_at(poll, from) {
            world.reports().use_key(from, used);
        }
        let pulled = world.pull().await;
        let told = pulled.changed().len() == 1;
        assert!(told || pulled.accounts[0].only_in_store);
        assert_eq!(world.total("agent").requests, requests);
        world.pass(61);
    }
    assert_eq!(world.kept().len(), 1);
    // The bucket that is not over is told and not kept.
    let now = world.now();
    world
        .reports()
        .use_key(now, row("key_EXAMPLEold", Bucket::of(now).begins(), 9, 9));
    let pulled = world.pull().await;
    let open: u64 = pulled.accounts[0].open.values().map(|c| c.requests).sum();
    assert_eq!(open, 9);
}

#[tokio::test]
async fn u_13_what_a_running_total_grew_by_is_what_was_spent() {
    let case = file("U-13-openrouter-period-vs-lifetime.json");
    assert_eq!(case["data"]["usage"].as_f64(), Some(325.5));
    let hash = case["data"]["hash"].as_str().unwrap();
    let world = World::new(&["main"], Width::Day).with_slot("agent", "main", &[hash]);
    let spent = |micros| {
        world
            .reports()
            .list_keys(vec![listed_key(hash, Some(MicroDollars(micros)))])
    };
    spent(325_500_000);
    world.pull().await;
    assert_eq!(
        world.total("agent").cost.0,
        0,
        "its whole life is not today's"
    );
    world.pass(6);
    spent(328_900_000);
    world.pull().await;
    assert_eq!(world.total("agent").cost, MicroDollars(3_400_000));
    world.pass(16);
    spent(329_000_000);
    world.pull().await;
    assert_eq!(world.total("agent").cost, MicroDollars(3_500_000));
    world.pass(6);
    spent(1_000_000);
    let pulled = world.pull().await;
    assert_eq!(
        pulled.accounts[0].fell.len(),
        1,
        "a total that fell tells nothing"
    );
    assert_eq!(world.total("agent").cost, MicroDollars(3_500_000));
}

#[tokio::test]
async fn u_14_both_keys_of_a_rotation_are_their_slots_in_one_bucket() {
    let case = file("U-14-rotation-inside-bucket.json");
    let keys = ["p/key_EXAMPLEold", "p/key_EXAMPLEnew"];
    let world = World::new(&["main"], Width::Minute).with_slot("agent", "main", &keys);
    let from = lately(&world);
    for used in rows_at(&case["page"], from) {
        world.reports().use_key(from, used);
    }
    let pulled = world.pull().await;
    assert!(pulled.accounts[0].unattributed.is_empty());
    assert_eq!(world.kept().len(), 2, "each version by itself");
    let slot: SlotName = "agent".parse().unwrap();
    let bucket = Bucket::of(from);
    let hours = world
        .store
        .hours(&slot, bucket.hour(), bucket.hour() + 1)
        .await
        .unwrap();
    let account = world
        .store
        .account(&"main".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    let read = readings(&account, &hours, bucket, bucket.plus(1));
    let counts = read[&bucket].known().unwrap();
    assert_eq!((counts.requests, counts.tokens.input), (420, 85_000));
}

#[tokio::test]
async fn u_19_usage_without_cost_and_cost_without_usage_both_stand() {
    let world = World::new(&["main"], Width::Minute)
        .with_slot("refused", "main", &["p/key_EXAMPLEa"])
        .with_slot("tools", "main", &["p/key_EXAMPLEb"]);
    let from = lately(&world);
    let used = row("key_EXAMPLEa", from, 12, 8_000_000);
    let day = settled(&world, &[used]).await;
    world.reports().bill(cost("key_EXAMPLEb", day, 5_000_000));
    world.reports().bill(cost("key_EXAMPLEa", day, 0));
    world.reports().bill(cost("key_EXAMPLEz", day, 77));
    let pulled = world.pull().await;
    let account = &pulled.accounts[0];
    let refused = world.total("refused");
    assert_eq!(
        (refused.requests, refused.cost.0),
        (12, 0),
        "used, and not billed"
    );
    let tools = world.total("tools");
    assert_eq!(
        (tools.requests, tools.cost.0),
        (0, 5_000_000),
        "billed, and not used"
    );
    assert_eq!(account.unattributed_bill, MicroDollars(77));
    let gaps: Vec<(&str, u64, u64)> = account
        .gaps
        .iter()
        .map(|gap| (gap.slot.as_str(), gap.priced.0, gap.billed.0))
        .collect();
    assert_eq!(gaps, [("refused", 10_000_000, 0), ("tools", 0, 5_000_000)]);
}

#[tokio::test]
async fn p_05_an_account_that_asks_to_wait_is_not_seen_since_when_and_never_zero() {
    let world = agent();
    world
        .reports()
        .use_key(world.now(), row("key_EXAMPLEold", lately(&world), 3, 3));
    world.pull().await;
    let last = world.now();
    world.pass(2);
    for (after, wait) in [(Some(20), 20), (None, 60), (Some(300), 300)] {
        world.reports().fail(Some((0, busy(after))));
        let pulled = world.pull().await;
        assert_eq!(pulled.accounts[0].sight.blind_since(), Some(last));
        let asked = world.reports().windows().len();
        world.clock.advance(SignedDuration::from_secs(wait - 1));
        let pulled = world.pull().await;
        assert!(matches!(pulled.accounts[0].sight, Sight::Waiting(Some(since)) if since == last));
        assert_eq!(
            world.reports().windows().len(),
            asked,
            "{after:?}: asked too early"
        );
        world.clock.advance(SignedDuration::from_secs(1 + wait / 4));
    }
    assert_eq!(world.total("agent").requests, 3, "what was known stays");
    let account = world
        .store
        .account(&"main".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert!(!account.saw(Bucket::of(world.now())), "and nothing more is");
}

#[tokio::test]
async fn p_14_without_rights_an_account_is_blind_and_hides_no_other() {
    let accounts = ["main", "other"];
    let world = World::new(&accounts, Width::Minute)
        .with_slot("blind", "main", &["p/key_EXAMPLEa"])
        .with_slot("seen", "other", &["p/key_EXAMPLEb"]);
    let denied = ProviderError::AdminCredential {
        detail: OutsideText::new("Only management keys can perform this operation"),
    };
    world.reports().fail(Some((0, denied)));
    let from = lately(&world);
    world.accounts[1]
        .1
        .use_key(from, row("key_EXAMPLEb", from, 4, 4));
    let pulled = world.pull().await;
    let [blind, seen] = &pulled.accounts[..] else {
        panic!("{pulled:?}");
    };
    assert_eq!(blind.sight.blind_since(), Some(world.now()));
    assert!(matches!(seen.sight, Sight::Seen(..)), "{seen:?}");
    assert_eq!(world.total("seen").requests, 4);
    assert_eq!(world.store.all_hours().len(), 1, "nothing is kept as zero");
}

#[tokio::test]
async fn p_19_a_key_in_use_that_its_provider_does_not_list_is_told() {
    let world = agent();
    world
        .reports()
        .list_keys(vec![listed_key("p/key_EXAMPLEold", None)]);
    assert!(world.pull().await.accounts[0].vanished.is_empty());
    world.reports().list_keys(Vec::new());
    world.pass(61);
    let pulled = world.pull().await;
    let [(slot, version)] = &pulled.accounts[0].vanished[..] else {
        panic!("{pulled:?}");
    };
    let watched = &world.fleet[0];
    assert_eq!(
        (slot, version),
        (&watched.slot.name, &watched.versions[0].id)
    );
}

#[tokio::test]
async fn a_run_without_time_asks_nothing_and_says_so() {
    let world = agent();
    let pulled = world
        .pull_with(&world.ports(), SignedDuration::from_secs(3))
        .await;
    let account = &pulled.accounts[0];
    assert!(
        matches!(account.sight, Sight::NotSeen(_, NotSeen::OutOfTime)),
        "{account:?}"
    );
    assert_eq!(account.calls, 0);
}

/// Pages are asked for by account, however many slots it has.
#[tokio::test]
async fn a_hundred_slots_cost_no_more_calls_than_one() {
    let mut calls = Vec::new();
    for slots in [1, 100] {
        let mut world = World::new(&["main"], Width::Minute);
        for n in 0..slots {
            world = world.with_slot(
                &format!("slot-{n}"),
                "main",
                &[&format!("p/key_EXAMPLE{n}")],
            );
        }
        // The day is read in parts at first, which are smaller where there are many keys.
        for _ in 0..10 {
            world.pull().await;
            world.pass(1);
        }
        calls.push(world.pull().await.accounts[0].calls);
    }
    assert_eq!(calls[0], calls[1]);
}
