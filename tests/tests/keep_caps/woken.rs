//! Limits as the function `retire` keeps them, woken every five minutes.

use jiff::Timestamp;
use keyward_core::model::incident::OwnerId;
use keyward_core::ports::Leases;
use keyward_core::usecases::kill::Invocation;
use keyward_core::usecases::retire::{LimitsKept, Retire, RetireReport};
use keyward_retire::RetireError;

use super::moved::monthly;
use super::*;

/// The lease that runs share.
const LEASE: &str = "limits";

impl Kept {
    async fn woken_on(&self, ports: &Ports) -> Result<RetireReport, RetireError> {
        let retire = Retire {
            ports: ports.clone(),
            usage: self.gated.clone(),
            leases: self.usage.clone(),
            confirm: self.world.confirm,
        };
        let invocation = Invocation {
            owner: OwnerId::new("a run of retire"),
            deadline: self.world.deadline(),
        };
        keyward_retire::handle(&retire, &invocation).await
    }

    async fn woken(&self) -> LimitsKept {
        self.woken_on(&self.world.open).await.unwrap().limits
    }

    fn now(&self) -> Timestamp {
        self.world.outside.clock.now()
    }
}

const fn set(set: usize) -> LimitsKept {
    LimitsKept::Kept { set, left: 0 }
}

#[tokio::test]
async fn retire_sets_limits_and_lets_those_be_that_are_right() {
    let kept = Kept::with_key_made_by_hand(&Arc::default()).await;
    assert_eq!(kept.woken().await, set(1));
    assert_eq!(kept.at_provider(), Some(CAP));
    kept.world.pass(SignedDuration::from_mins(5));
    assert_eq!(kept.woken().await, set(0));
    kept.world.pass(SignedDuration::from_hours(24));
    kept.somebody_sets(daily(900));
    kept.sees(2).await;
    assert_eq!(kept.woken().await, set(1));
    assert_eq!(kept.at_provider(), Some(CAP));
    assert_eq!(kinds(&kept.told()), [AlertKind::CapChanged]);
}

#[tokio::test]
async fn two_runs_do_not_set_limits_side_by_side() {
    let kept = Kept::with_key_made_by_hand(&Arc::default()).await;
    let until = kept.now() + SignedDuration::from_mins(5);
    let taken = kept.usage.take(LEASE, "another run", kept.now(), until);
    taken.await.unwrap();
    assert_eq!(kept.woken().await, LimitsKept::Overlapped);
    assert_eq!(kept.at_provider(), None);
    // A run that was cut off keeps no other from it for long.
    kept.world.pass(SignedDuration::from_mins(5));
    assert_eq!(kept.woken().await, set(1));
    // The lease was given back.
    let next = kept.usage.take(LEASE, "the next run", kept.now(), until);
    assert_eq!(next.await.unwrap(), keyward_core::ports::Held::Yes);
}

#[tokio::test]
async fn due_work_that_cannot_be_read_keeps_no_limit_from_its_turn() {
    let gate = Arc::new(Gate::default());
    let kept = Kept::with_key_made_by_hand(&gate).await;
    gate.silence(&["inventory.due"]);
    let run = kept.woken_on(&kept.world.ports).await;
    gate.disarm();
    assert!(matches!(run, Err(RetireError::Due(_))), "{run:?}");
    assert_eq!(kept.at_provider(), Some(CAP));
}

#[tokio::test]
async fn slots_that_cannot_be_read_fail_the_run_and_the_next_goes_on() {
    let gate = Arc::new(Gate::default());
    let kept = Kept::with_key_made_by_hand(&gate).await;
    gate.silence(&["inventory.slot_names"]);
    let run = kept.woken_on(&kept.world.ports).await;
    gate.disarm();
    assert!(
        matches!(run, Err(RetireError::LimitsFailed { .. })),
        "{run:?}"
    );
    assert_eq!((kept.at_provider(), kept.woken().await), (None, set(1)));
}

/// However slow due work is, limits have time left.
#[tokio::test]
async fn due_work_ends_before_the_time_of_limits() {
    let gate = Arc::new(Gate::default());
    let kept = Kept::with_key_made_by_hand(&gate).await;
    kept.change(|slot| slot.due_at = Timestamp::UNIX_EPOCH)
        .await;
    let clock = kept.world.outside.clock.clone();
    let all = kept.world.deadline().0.duration_since(kept.now());
    gate.before(0, async move { clock.advance(all * 3 / 4) });
    let report = kept.woken_on(&kept.world.ports).await.unwrap();
    gate.disarm();
    assert!(report.unfinished, "{report:?}");
    assert_eq!((report.seen, report.limits), (0, set(1)));
}

#[tokio::test]
async fn a_limit_by_the_month_is_moved_by_the_first_run_after_midnight() {
    let kept = kept().await;
    let ports = kept.world.odd(Oddity::LimitsByTheMonth);
    kept.sees(40).await;
    assert_eq!(kept.woken_on(&ports).await.unwrap().limits, set(1));
    assert_eq!(kept.at_provider(), monthly(25));
    let tomorrow = Bucket((Bucket::of(kept.now()).day() + 1) * Bucket::PER_DAY).begins();
    let before = tomorrow - SignedDuration::from_mins(6);
    kept.world.pass(before.duration_since(kept.now()));
    kept.spends(20, 1).await;
    let mut moved = Vec::new();
    for _ in 0..4 {
        kept.sees(40).await;
        let report = kept.woken_on(&ports).await.unwrap();
        moved.push((report.limits, kept.at_provider()));
        kept.world.pass(SignedDuration::from_mins(5));
    }
    // Four minutes after midnight, and once.
    let expected = [
        (set(0), monthly(25)),
        (set(0), monthly(25)),
        (set(1), monthly(45)),
        (set(0), monthly(45)),
    ];
    assert_eq!((moved.as_slice(), kept.told()), (&expected[..], vec![]));
}

/// The monitor restricts a slot whose month is spent. What it saw reaches the provider through what is stored.
#[tokio::test]
async fn a_slot_that_the_monitor_restricted_is_limited_by_the_next_run() {
    let kept = kept().await;
    kept.woken().await;
    kept.sees(40).await;
    kept.spends(15, 0).await;
    kept.change(|slot| slot.state = SlotState::Restricted).await;
    kept.world.pass(SignedDuration::from_mins(5));
    assert_eq!(
        (kept.woken().await, kept.at_provider()),
        (set(1), daily(10))
    );
    let told = kept.told();
    assert_eq!(kinds(&told), [AlertKind::CapBelowSpend]);
    assert!(
        told[0]
            .what
            .as_str()
            .contains("$15.00 spent of $10.00 a day")
    );
}

/// Where no limit can be set, no key of the account is read.
#[tokio::test]
async fn slots_of_providers_without_limits_cost_one_read() {
    let clock = Arc::new(keyward_testkit::clock::ManualClock::start());
    let provider = Arc::new(MemoryProvider::with_pool(clock.clone()));
    let gate = Arc::new(Gate::default());
    let world = World::with(&gate, clock, Box::new(provider)).await;
    let usage: Arc<MemoryUsage> = Arc::default();
    let retire = Retire {
        ports: world.ports.clone(),
        usage: usage.clone(),
        leases: usage.clone(),
        confirm: world.confirm,
    };
    let invocation = Invocation {
        owner: OwnerId::new("a run of retire"),
        deadline: world.deadline(),
    };
    gate.record();
    let report = keyward_retire::handle(&retire, &invocation).await.unwrap();
    let (calls, _) = gate.disarm();
    assert_eq!(report.limits, set(0));
    let after = calls
        .iter()
        .skip_while(|call| **call != "inventory.slot_names");
    let after: Vec<&str> = after.copied().collect();
    assert_eq!(
        after,
        ["inventory.slot_names", "inventory.slot", "providers.open"]
    );
}
