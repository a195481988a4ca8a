//! What is kept of a slot's usage, played through the rules: what `keyward backtest --slot` shows.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::Slot;
use keyward_core::model::usage::{Bucket, Counts, Reading};
use keyward_core::model::usage_items::{
    AccountUsage, Cell, OTHER_MODELS, Span, UNTOLD_MODEL, UsageHour,
};
use keyward_core::ports::UsageStore;
use keyward_core::rules::anomaly::{Limits, Rule, foresee};
use keyward_core::usecases::history::{History, Stopped, histories};
use keyward_testkit::gate::{Cut, Gate, gated_usage};
use keyward_testkit::memory::MemoryUsage;
use keyward_tests::support::World;

const DAY: u32 = Bucket::PER_DAY;

async fn world() -> World {
    World::in_memory(&Arc::new(Gate::default())).await
}

fn counts(cost: u64) -> Counts {
    Counts {
        cost: MicroDollars(cost),
        requests: 1,
        ..Counts::default()
    }
}

/// Keeps a cell of each bucket that has a cost, of these models by bucket.
async fn keep(
    usage: &MemoryUsage,
    slot: &Slot,
    from: Bucket,
    costs: &[u64],
    model: impl Fn(usize) -> &'static str,
) {
    let mut hours: BTreeMap<u32, UsageHour> = BTreeMap::new();
    for (at, &cost) in costs.iter().enumerate().filter(|(_, cost)| **cost > 0) {
        let bucket = from.plus(at as u32);
        let models = BTreeMap::from([(model(at).to_owned(), counts(cost))]);
        let version = "11111111-aaaa-4bbb-8ccc-000000000001.1".parse().unwrap();
        let hour = hours
            .entry(bucket.hour())
            .or_insert_with(|| UsageHour::empty(slot.name.clone(), bucket.hour()));
        hour.put(Cell::new(version, bucket, bucket.ends(), models));
    }
    for hour in hours.values() {
        usage.save_hour(hour).await.unwrap();
    }
}

async fn see(usage: &MemoryUsage, slot: &Slot, spans: &[(Bucket, Bucket)], now: Timestamp) {
    let mut account = AccountUsage::empty(slot.account.clone());
    for &(from, until) in spans {
        account.see(Span { from, until }, now);
    }
    usage.save_account(&account).await.unwrap();
}

async fn read(world: &World, usage: &dyn UsageStore) -> History {
    let slot = world.slot().await;
    let now = world.open.clock.now();
    let rows = histories(world.open.inventory.as_ref(), usage, Some(&slot.name), now);
    let mut rows = rows.await.unwrap();
    rows.remove(0).1.unwrap()
}

/// $0.30 in every hour of 18 days, and $180 in one of them, two days ago.
#[tokio::test]
async fn what_was_used_is_played_through_the_rules() {
    let world = world().await;
    let (slot, usage) = (world.slot().await, MemoryUsage::default());
    let now = world.open.clock.now();
    let until = Bucket::of(now);
    let from = until.minus(18 * DAY);
    let mut costs = vec![25_000; 18 * DAY as usize];
    let burst = 16 * DAY as usize;
    costs[burst..burst + 12].fill(15_000_000);
    let model = |at: usize| match at {
        at if at >= burst => "dear",
        at if at % 7 == 0 => OTHER_MODELS,
        at if at % 7 == 1 => UNTOLD_MODEL,
        _ => "usual",
    };
    keep(&usage, &slot, from, &costs, model).await;
    see(&usage, &slot, &[(from, until)], now).await;

    let history = read(&world, &usage).await;
    assert_eq!(history.past.first().unwrap().bucket, from);
    assert_eq!(history.past.last().unwrap().bucket, until.minus(1));
    assert_eq!(history.length(), SignedDuration::from_hours(18 * 24));
    assert_eq!(history.known(), 18 * DAY as usize);
    let models: Vec<&str> = history.past[..9]
        .iter()
        .flat_map(|past| past.models.iter().map(|model| model.as_str()))
        .collect();
    assert_eq!(models, ["usual"; 5], "what stands for other models is none");

    let foreseen = foresee(&Limits::of(slot.expected), history.past);
    assert_eq!(foreseen.kills.len(), 1, "{:?}", foreseen.kills);
    let kill = &foreseen.kills[0];
    assert_eq!(kill.rule, Rule::AboveBaseline);
    assert!((from.plus(burst as u32)..from.plus(burst as u32 + 12)).contains(&kill.at));
    let told = |rule| foreseen.told.iter().any(|told| told.rule == rule);
    assert!(told(Rule::NewModel), "{:?}", foreseen.told);
}

#[tokio::test]
async fn what_was_not_seen_is_not_known_and_what_was_seen_and_not_kept_is_zero() {
    let world = world().await;
    let (slot, usage) = (world.slot().await, MemoryUsage::default());
    let now = world.open.clock.now();
    let until = Bucket::of(now);
    let [first, second] = [until.minus(100), until.minus(50)];
    see(
        &usage,
        &slot,
        &[(first, first.plus(10)), (second, until)],
        now,
    )
    .await;
    keep(&usage, &slot, first, &[0, 5, 0], |_| "usual").await;

    let history = read(&world, &usage).await;
    assert_eq!(history.past.len(), 100);
    assert_eq!(history.known(), 60);
    let readings: Vec<Reading> = history.past.iter().map(|past| past.reading).collect();
    assert_eq!(readings[0], Reading::Known(Counts::default()));
    assert_eq!(readings[1], Reading::Known(counts(5)));
    assert_eq!(readings[10], Reading::Unknown);
}

#[tokio::test]
async fn a_slot_without_usage_has_an_empty_past_and_one_that_is_not_there_none() {
    let world = world().await;
    let usage = MemoryUsage::default();
    let history = read(&world, &usage).await;
    assert_eq!((history.past.len(), history.known()), (0, 0));
    let stopped = Stopped::by_a_kill(&history.slot);
    assert_eq!(stopped.waiting, history.slot.policy.refresh);
    assert_eq!(stopped.refetching, SignedDuration::from_secs(30));

    let other: SlotName = "nobody".parse().unwrap();
    let now = world.open.clock.now();
    let rows = histories(world.open.inventory.as_ref(), &usage, Some(&other), now);
    assert!(rows.await.unwrap().is_empty());
}

#[tokio::test]
async fn a_slot_that_cannot_be_read_is_said_and_not_taken_for_quiet() {
    let world = world().await;
    let gate = Arc::new(Gate::default());
    let usage = gated_usage(Arc::new(MemoryUsage::default()), &gate);
    let now = world.open.clock.now();
    for call in 0..2 {
        gate.arm(call, Cut::AnswerLost);
        let rows = histories(world.open.inventory.as_ref(), usage.as_ref(), None, now);
        let rows = rows.await.unwrap();
        assert_eq!(rows.len(), 1);
        assert!(rows[0].1.is_err(), "call {call}");
    }
}
