//! The limit of each key at its provider: kept in step with its slot, set right where somebody changed it.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "keep_caps/crashes.rs"]
mod crashes;
#[path = "keep_caps/moved.rs"]
mod moved;
#[path = "keep_caps/woken.rs"]
mod woken;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::{Alert, AlertKind, Severity};
use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::slot::{Expectation, Slot, SlotState};
use keyward_core::model::usage::{Bucket, Counts};
use keyward_core::model::usage_items::{AccountUsage, Cell, Span, UsageHour};
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{Clock, Deadline, Inventory, UsageStore};
use keyward_core::usecases::Ports;
use keyward_core::usecases::keep_caps::{CapsKept, KeepCapsError, keep_caps};
use keyward_core::usecases::monitor::Watched;
use keyward_testkit::gate::{Cut, Gate, gated_usage};
use keyward_testkit::memory::{MemoryProvider, MemoryUsage};
use keyward_tests::support::{Oddity, World, token};

/// Two and a half of the slot's normal days.
const CAP: SpendCap = SpendCap {
    amount: MicroDollars::from_dollars(25),
    period: CapPeriod::Daily,
};

const fn daily(dollars: u64) -> Option<SpendCap> {
    Some(SpendCap {
        amount: MicroDollars::from_dollars(dollars),
        period: CapPeriod::Daily,
    })
}

struct Kept {
    world: World,
    provider: Arc<MemoryProvider>,
    usage: Arc<MemoryUsage>,
    gated: Arc<dyn UsageStore>,
}

impl Kept {
    /// A slot with a key that Keyward made, and usage that is seen.
    async fn new(gate: &Arc<Gate>) -> Self {
        let kept = Self::with_key_made_by_hand(gate).await;
        kept.world.rotate(&token(2)).await.unwrap();
        kept.world.live_through(SignedDuration::from_hours(3)).await;
        let versions = kept.world.versions().await;
        let revoked = versions.iter().filter(|v| v.state == VersionState::Revoked);
        assert_eq!((versions.len(), revoked.count()), (2, 1));
        kept.told();
        kept
    }

    async fn with_key_made_by_hand(gate: &Arc<Gate>) -> Self {
        let clock = Arc::new(keyward_testkit::clock::ManualClock::start());
        let provider = Arc::new(MemoryProvider::new(clock.clone()));
        let world = World::with(gate, clock, Box::new(provider.clone())).await;
        let usage = Arc::new(MemoryUsage::default());
        let gated = gated_usage(usage.clone(), gate);
        Self {
            world,
            provider,
            usage,
            gated,
        }
    }

    async fn watched(&self) -> Vec<Watched> {
        vec![Watched {
            slot: self.world.slot().await,
            versions: self.world.versions().await,
        }]
    }

    async fn keep_on(&self, ports: &Ports, slots: &[Watched]) -> Result<CapsKept, KeepCapsError> {
        keep_caps(ports, &*self.gated, slots, self.world.deadline()).await
    }

    async fn keep(&self) -> CapsKept {
        let slots = self.watched().await;
        self.keep_on(&self.world.ports, &slots).await.unwrap()
    }

    /// The limit of the key that agents fetch, as the provider has it.
    fn at_provider(&self) -> Option<SpendCap> {
        self.provider.record(&self.world.current_key()).unwrap().cap
    }

    async fn current(&self) -> Version {
        let versions = self.world.versions().await.into_iter();
        let mut current = versions.filter(|v| v.state == VersionState::Current);
        current.next().unwrap()
    }

    async fn change(&self, change: impl FnOnce(&mut Slot)) {
        let mut slot = self.world.slot().await;
        change(&mut slot);
        self.world.outside.inventory.save_slot(&slot).await.unwrap();
    }

    async fn expect(&self, percent: u32, hours: i64) {
        let until = self.world.outside.clock.now() + SignedDuration::from_hours(hours);
        let said = Some(Expectation { percent, until });
        self.change(|slot| slot.expectation = said).await;
    }

    fn somebody_sets(&self, cap: Option<SpendCap>) {
        let key = self.world.current_key();
        self.provider.relist(&key, |record| record.cap = cap);
    }

    /// The current key spent so much in one bucket, `hours` ago.
    async fn spends(&self, dollars: u64, hours: i64) {
        let now = self.world.outside.clock.now();
        let at = Bucket::of(now - SignedDuration::from_hours(hours));
        let current = self.current().await;
        let mut hour = UsageHour::empty(current.slot, at.hour());
        let counts = Counts {
            cost: MicroDollars::from_dollars(dollars),
            requests: 1,
            ..Counts::default()
        };
        let models = BTreeMap::from([("m".to_owned(), counts)]);
        hour.put(Cell::new(current.id, at, now, models));
        self.usage.save_hour(&hour).await.unwrap();
    }

    /// The account was seen from so many days ago up to now.
    async fn sees(&self, days: u32) {
        let account = self.world.slot().await.account;
        let known = self.usage.account(&account).await.unwrap();
        let mut account = known.unwrap_or_else(|| AccountUsage::empty(account));
        let now = self.world.outside.clock.now();
        let until = Bucket::of(now);
        let from = until.minus(days * Bucket::PER_DAY);
        account.see(Span { from, until }, now);
        self.usage.save_account(&account).await.unwrap();
    }

    fn told(&self) -> Vec<Alert> {
        self.world.outside.alerts.take()
    }
}

async fn kept() -> Kept {
    Kept::new(&Arc::new(Gate::default())).await
}

fn kinds(told: &[Alert]) -> Vec<AlertKind> {
    told.iter().map(|alert| alert.kind).collect()
}

#[tokio::test]
async fn a_limit_that_is_as_it_should_be_costs_no_call_but_one_list_a_day() {
    let gate = Arc::new(Gate::default());
    let kept = Kept::new(&gate).await;
    assert_eq!(kept.at_provider(), Some(CAP));
    let mut lists = 0;
    for hour in 0..49 {
        gate.record();
        let report = kept.keep().await;
        let (calls, _) = gate.disarm();
        let listed = calls.iter().filter(|c| **c == "provider.list").count();
        assert_eq!(report.read_back, usize::from(listed > 0), "hour {hour}");
        assert_eq!((report.set, report.left), (0, 0));
        assert!(!calls.contains(&"provider.set_cap"));
        lists += report.read_back;
        kept.world.pass(SignedDuration::from_hours(1));
    }
    assert_eq!((lists, kept.told()), (3, vec![]));
}

#[tokio::test]
async fn a_key_that_a_person_made_gets_its_limit() {
    let kept = Kept::with_key_made_by_hand(&Arc::new(Gate::default())).await;
    assert_eq!(kept.at_provider(), None);
    assert_eq!(kept.keep().await.set, 1);
    assert_eq!(kept.at_provider(), Some(CAP));
    assert_eq!(kept.current().await.cap, Some(CAP));
    assert_eq!(kept.keep().await, CapsKept::default());
    assert_eq!(kept.told(), []);
}

#[tokio::test]
async fn a_limit_that_somebody_changed_is_set_right_and_told_once() {
    for (is, shown) in [
        (daily(900), "$25.00 a day was made $900.00 a day"),
        (daily(1), "$25.00 a day was made $1.00 a day"),
        (None, "$25.00 a day was made no limit"),
    ] {
        let kept = kept().await;
        kept.keep().await;
        kept.somebody_sets(is);
        // Nobody looks before a day is over.
        assert_eq!(kept.keep().await, CapsKept::default());
        kept.world.pass(SignedDuration::from_hours(24));
        kept.sees(2).await;
        let report = kept.keep().await;
        let changed = [(kept.world.slot.clone(), shown.to_owned())];
        assert_eq!((report.set, &report.changed[..]), (1, &changed[..]));
        assert_eq!(kept.at_provider(), Some(CAP));
        assert_eq!(kept.current().await.cap, Some(CAP));
        let [alert] = &kept.told()[..] else {
            panic!("one message: {shown}");
        };
        let about = (alert.kind, alert.severity, alert.slot.as_ref());
        let expected = (
            AlertKind::CapChanged,
            Severity::Warning,
            Some(&kept.world.slot),
        );
        assert_eq!(about, expected);
        assert!(alert.what.as_str().contains(shown), "{alert:?}");
        assert_eq!(kept.keep().await, CapsKept::default());
    }
}

/// The fleet was read before a person said what to expect, the provider's list after it.
#[tokio::test]
async fn a_limit_that_just_followed_its_slot_was_changed_by_nobody() {
    let kept = kept().await;
    let stale = kept.watched().await;
    kept.expect(200, 48).await;
    kept.keep().await;
    assert_eq!(kept.at_provider(), daily(50));
    kept.world.pass(SignedDuration::from_hours(24));
    let report = kept.keep_on(&kept.world.ports, &stale).await.unwrap();
    assert_eq!((report.read_back, report.changed), (1, vec![]));
    assert_eq!((kept.at_provider(), kept.told()), (daily(50), vec![]));
}

#[tokio::test]
async fn a_limit_follows_what_is_expected_and_its_end_is_told_where_more_is_spent() {
    for (spent, told) in [(20, vec![]), (30, vec![AlertKind::CapBelowSpend])] {
        let kept = kept().await;
        kept.expect(200, 1).await;
        assert_eq!(kept.keep().await.set, 1);
        assert_eq!((kept.at_provider(), kept.told()), (daily(50), vec![]));
        kept.world.pass(SignedDuration::from_mins(61));
        kept.sees(2).await;
        kept.spends(spent, 1).await;
        let report = kept.keep().await;
        assert_eq!((report.set, kept.at_provider()), (1, Some(CAP)));
        let alerts = kept.told();
        assert_eq!(kinds(&alerts), told);
        for alert in alerts {
            let what = alert.what.as_str();
            assert!(what.contains("$30.00 spent of $25.00 a day"), "{what}");
        }
        assert_eq!((kept.keep().await.set, kept.told()), (0, vec![]));
    }
}

#[tokio::test]
async fn spend_that_is_not_seen_is_not_taken_for_none() {
    let kept = kept().await;
    kept.expect(200, 1).await;
    kept.keep().await;
    kept.world.pass(SignedDuration::from_mins(61));
    let report = kept.keep().await;
    assert_eq!((report.set, report.below_spend.len()), (1, 1));
    let alerts = kept.told();
    assert!(alerts[0].what.as_str().contains("not all of it is seen"));
}

#[tokio::test]
async fn a_restricted_slot_keeps_one_normal_day_until_a_person_lifts_it() {
    let kept = kept().await;
    kept.sees(1).await;
    kept.change(|slot| slot.state = SlotState::Restricted).await;
    kept.expect(400, 48).await;
    assert_eq!(kept.keep().await.set, 1);
    assert_eq!(kept.at_provider(), daily(10));
    kept.world.pass(SignedDuration::from_hours(24));
    assert_eq!(kept.keep().await.set, 0);
    kept.change(|slot| (slot.state, slot.expectation) = (SlotState::Active, None))
        .await;
    assert_eq!(kept.keep().await.set, 1);
    assert_eq!((kept.at_provider(), kept.told()), (Some(CAP), vec![]));
}

#[tokio::test]
async fn what_the_provider_refuses_is_tried_each_run_and_told_once_a_day() {
    let kept = Kept::with_key_made_by_hand(&Arc::new(Gate::default())).await;
    let refusing = kept.world.odd(Oddity::ForgetsCaps);
    let mut told = Vec::new();
    for _ in 0..26 {
        let slots = kept.watched().await;
        let report = kept.keep_on(&refusing, &slots).await.unwrap();
        assert_eq!((report.set, report.missing.len()), (0, 1));
        told.append(&mut kept.told());
        kept.world.pass(SignedDuration::from_hours(1));
    }
    assert_eq!(kinds(&told), [AlertKind::CapMissing; 2]);
    assert!(told[0].what.as_str().contains("reads back another limit"));
    assert_eq!(kept.current().await.cap, None, "nothing is taken for set");
    // Once it is mended, nothing of the refusal is left.
    assert_eq!(kept.keep().await.set, 1);
    let current = kept.current().await;
    assert_eq!((current.cap, current.told.uncapped), (Some(CAP), None));
}

/// Without the list it is not known whether somebody changed a limit: none is replaced, and the next run goes on.
#[tokio::test]
async fn a_limit_is_replaced_only_where_it_was_read_before() {
    let kept = kept().await;
    for name in ["of others", "more of others"] {
        kept.provider.seed(name);
    }
    kept.keep().await;
    kept.sees(1).await;
    kept.expect(200, 48).await;
    kept.somebody_sets(daily(900));
    let slots = kept.watched().await;
    let busy = kept.world.odd(Oddity::FailsOnPageTwo);
    let report = kept.keep_on(&busy, &slots).await.unwrap();
    assert_eq!((report.set, report.read_back, report.left), (0, 0, 2));
    assert_eq!((kept.at_provider(), kept.told()), (daily(900), vec![]));
    assert_eq!(kept.keep().await.set, 1);
    assert_eq!(kept.at_provider(), daily(50));
    assert_eq!(kinds(&kept.told()), [AlertKind::CapChanged]);
}

#[tokio::test]
async fn an_inventory_that_does_not_answer_ends_the_run_with_an_error() {
    let gate = Arc::new(Gate::default());
    let kept = Kept::with_key_made_by_hand(&gate).await;
    let slots = kept.watched().await;
    gate.record();
    kept.keep_on(&kept.world.ports, &slots).await.unwrap();
    let (calls, _) = gate.disarm();
    let write = calls.iter().position(|call| call.contains("save_versions"));
    let kept = Kept::with_key_made_by_hand(&gate).await;
    gate.arm(write.unwrap(), Cut::AnswerLost);
    let run = kept.keep_on(&kept.world.ports, &slots).await;
    assert!(gate.disarm().1.is_some());
    assert!(matches!(run, Err(KeepCapsError::Inventory(_))), "{run:?}");
    kept.keep().await;
    assert_eq!((kept.at_provider(), kept.told()), (Some(CAP), vec![]));
}

#[tokio::test]
async fn without_time_nothing_is_begun_and_the_rest_is_said() {
    let kept = Kept::with_key_made_by_hand(&Arc::new(Gate::default())).await;
    let slots = kept.watched().await;
    let soon = Deadline(kept.world.outside.clock.now() + SignedDuration::from_secs(5));
    let report = keep_caps(&kept.world.ports, &*kept.gated, &slots, soon).await;
    assert_eq!((report.unwrap().left, kept.at_provider()), (2, None));
}

/// At a provider without limits, and for an account that is not configured, there is nothing to keep.
#[tokio::test]
async fn what_has_no_limits_is_left_alone() {
    let clock = Arc::new(keyward_testkit::clock::ManualClock::start());
    let provider = Arc::new(MemoryProvider::with_pool(clock.clone()));
    let gate = Arc::new(Gate::default());
    let world = World::with(&gate, clock, Box::new(provider)).await;
    let usage = MemoryUsage::default();
    let mut slots = vec![Watched {
        slot: world.slot().await,
        versions: world.versions().await,
    }];
    let report = keep_caps(&world.ports, &usage, &slots, world.deadline()).await;
    assert_eq!(report.unwrap(), CapsKept::default());
    slots[0].slot.account = "nowhere".parse().unwrap();
    let report = keep_caps(&world.ports, &usage, &slots, world.deadline()).await;
    assert_eq!(report.unwrap().left, 1);
    assert_eq!(usage.writes(), 0);
}
