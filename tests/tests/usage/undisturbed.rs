//! A monitor that is stopped, restarted, doubled or late ends with the buckets of one that ran undisturbed.

use fastrand::Rng;
use keyward_testkit::gate::{Cut, Gate, gated_usage};

use super::*;

/// Minutes that are played, and after them the hour in which the last day is read again.
const MINUTES: i64 = 45;

/// A world with two slots and rows drawn from `seed`: some are known at once, some late, and many grow.
fn world(seed: u64) -> World {
    let world = World::new(&["main"], Width::Minute)
        .with_slot("one", "main", &["p/key_EXAMPLEa", "p/key_EXAMPLEb"])
        .with_slot("two", "main", &["p/key_EXAMPLEc"]);
    let mut chance = Rng::with_seed(seed);
    for minute in 0..MINUTES {
        for key in [
            "key_EXAMPLEa",
            "key_EXAMPLEb",
            "key_EXAMPLEc",
            "key_EXAMPLEz",
        ] {
            if chance.bool() {
                continue;
            }
            let from = world.now() + SignedDuration::from_mins(minute);
            let late = SignedDuration::from_mins(chance.i64(0..40));
            let used = row(key, from, chance.u64(1..9), chance.u64(1..100_000));
            world.reports().use_key(from + late, used);
        }
    }
    world
}

/// Polls every minute to the end, and then once the rest is known.
async fn to_the_end(world: &World, end: Timestamp) {
    while world.now() < end {
        world.pull().await;
        world.pass(1);
    }
    world.clock.advance(SignedDuration::from_mins(90));
    let pulled = world.pull().await;
    assert!(
        pulled.accounts[0].sight.blind_since().is_none(),
        "{pulled:?}"
    );
}

fn end_of(world: &World) -> Timestamp {
    world.now() + SignedDuration::from_mins(MINUTES)
}

async fn undisturbed(seed: u64) -> Kept {
    let world = world(seed);
    let end = end_of(&world);
    to_the_end(&world, end).await;
    world.kept()
}

/// What the rows of a world come to, summed without the monitor.
#[tokio::test]
async fn the_buckets_are_the_rows() {
    let world = world(7);
    let end = end_of(&world);
    let mut expected: BTreeMap<(String, u32), u64> = BTreeMap::new();
    let window = keyward_core::ports::Window {
        from: world.now(),
        until: end,
        width: Width::Minute,
    };
    to_the_end(&world, end).await;
    let mut next = None;
    loop {
        let reports: &dyn keyward_core::ports::UsageReports = world.reports();
        let scope = keyward_core::model::slot::Scope::default();
        let page = reports.usage(&scope, &window, next.as_ref()).await.unwrap();
        for row in page.rows {
            let ByKey::Id(key) = &row.key else { continue };
            let slot = match key.as_str() {
                "key_EXAMPLEa" | "key_EXAMPLEb" => "one",
                "key_EXAMPLEc" => "two",
                _ => continue,
            };
            let bucket = (slot.to_owned(), Bucket::of(row.from).0);
            *expected.entry(bucket).or_default() += row.tokens.input.unwrap();
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    let mut found: BTreeMap<(String, u32), u64> = BTreeMap::new();
    for ((slot, bucket, _), (models, _)) in world.kept() {
        let sum: u64 = models.iter().map(|(_, counts)| counts.tokens.input).sum();
        *found.entry((slot, bucket)).or_default() += sum;
    }
    assert!(!expected.is_empty());
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_monitor_that_is_cut_off_at_any_call_ends_with_the_same_buckets() {
    let mut wrote = false;
    for seed in 0..3 {
        let expected = undisturbed(seed).await;
        for at_minute in [6, 20, 40] {
            let calls = cut(seed, at_minute, None, &expected).await;
            wrote |= calls.contains(&"usage.save_hour");
            for number in 0..calls.len() {
                for way in Cut::ALL {
                    cut(seed, at_minute, Some((number, way)), &expected).await;
                }
            }
        }
    }
    assert!(wrote, "no poll that was cut off wrote a bucket");
}

/// Cuts the poll of one minute off, goes on, and compares. Returns the calls that poll made.
async fn cut(
    seed: u64,
    at_minute: i64,
    at: Option<(usize, Cut)>,
    expected: &Kept,
) -> Vec<&'static str> {
    let world = world(seed);
    let end = end_of(&world);
    let gate = Arc::new(Gate::default());
    for _ in 0..at_minute {
        world.pull().await;
        world.pass(1);
    }
    match at {
        Some((number, way)) => gate.arm(number, way),
        None => gate.record(),
    }
    let ports = UsagePorts {
        usage: gated_usage(world.store.clone(), &gate),
        ..world.ports()
    };
    let poll = world.pull_with(&ports, SignedDuration::from_mins(5));
    gate.until_stopped(poll).await;
    let (calls, fired) = gate.disarm();
    assert_eq!(fired.is_some(), at.is_some(), "{at:?} of {calls:?}");
    world.pass(1);
    to_the_end(&world, end).await;
    assert_eq!(
        world.kept(),
        *expected,
        "seed {seed}, minute {at_minute}, {at:?}"
    );
    calls
}

#[tokio::test]
async fn a_monitor_that_runs_twice_at_once_ends_with_the_same_buckets() {
    for seed in 0..20 {
        let expected = undisturbed(seed).await;
        let world = world(seed);
        let end = end_of(&world);
        // Each call of either gives way to the other.
        let gate = Arc::new(Gate::default());
        gate.take_turns(seed, keyward_testkit::gate::Losses::default());
        let ports = UsagePorts {
            usage: gated_usage(world.store.clone(), &gate),
            ..world.ports()
        };
        let minutes = SignedDuration::from_mins(5);
        while world.now() < end {
            let both = futures::future::join(
                world.pull_with(&ports, minutes),
                world.pull_with(&ports, minutes),
            );
            let turns = async {
                loop {
                    gate.take_passed();
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                biased;
                _ = both => {}
                () = turns => {}
            }
            world.pass(1);
        }
        to_the_end(&world, end).await;
        assert_eq!(world.kept(), expected, "seed {seed}");
    }
}

#[tokio::test]
async fn a_monitor_that_is_an_hour_late_ends_with_the_same_buckets() {
    for seed in 0..20 {
        let expected = undisturbed(seed).await;
        let world = world(seed);
        let end = end_of(&world);
        for _ in 0..Rng::with_seed(seed).i64(0..MINUTES) {
            world.pull().await;
            world.pass(1);
        }
        world.pass(60);
        let (calls, changed) = {
            let pulled = world.pull().await;
            let account = &pulled.accounts[0];
            (account.calls, pulled.changed().len())
        };
        assert!(calls > 0 && changed <= 2);
        world.pass(1);
        to_the_end(&world, end).await;
        assert_eq!(world.kept(), expected, "seed {seed}");
    }
}

/// What is known already is not written again.
#[tokio::test]
async fn what_did_not_change_costs_no_write() {
    let world = world(1);
    let end = end_of(&world);
    to_the_end(&world, end).await;
    let writes = world.store.writes();
    world.pass(61);
    let pulled = world.pull().await;
    assert!(pulled.changed().is_empty());
    assert_eq!(
        world.store.writes() - writes,
        1,
        "how far the account was read"
    );
}
