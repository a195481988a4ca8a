//! What `keyward status` knows of slots: spend against caps, who sees it, what ends it, and when to enforce.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::act::CallerArn;
use keyward_core::model::incident::{Evidence, Figures, HowCut, OwnerId, TriggerId};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::{Mode, Slot, SlotState};
use keyward_core::model::text::OutsideText;
use keyward_core::model::usage::{Bucket, Counts};
use keyward_core::model::usage_items::{AccountUsage, Cell, Seen, Span, UsageHour};
use keyward_core::model::version::{VersionId, VersionState};
use keyward_core::ports::{Clock, Inventory, UsageStore};
use keyward_core::usecases::enforce::{Second, set_mode};
use keyward_core::usecases::kill::{Invocation, KillOrder, kill};
use keyward_core::usecases::status::{Back, LacksKey, Protection, Sight, SlotStatus, slots};
use keyward_testkit::gate::Gate;
use keyward_testkit::memory::MemoryUsage;
use keyward_tests::support::{World, token};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

struct Shown {
    world: World,
    usage: MemoryUsage,
}

impl Shown {
    /// A slot whose key Keyward made and limited, 18 hours after midnight.
    async fn new() -> Self {
        let world = World::in_memory(&Arc::new(Gate::default())).await;
        world.rotate(&token(2)).await.unwrap();
        world.live_through(HOUR * 9).await;
        let usage = MemoryUsage::default();
        Self { world, usage }
    }

    fn now(&self) -> Timestamp {
        self.world.outside.clock.now()
    }

    async fn status(&self) -> SlotStatus {
        let mut rows = slots(&self.world.open, &self.usage, None).await.unwrap();
        assert_eq!(rows.len(), 1);
        rows.pop().unwrap().1.unwrap()
    }

    async fn current(&self) -> VersionId {
        let versions = self.world.versions().await.into_iter();
        let mut current = versions.filter(|v| v.state == VersionState::Current);
        current.next().unwrap().id
    }

    /// So much was spent in the bucket so long ago.
    async fn spends(&self, cents: u64, ago: SignedDuration) {
        let at = Bucket::of(self.now() - ago);
        let name = self.world.slot.clone();
        let known = self.usage.hours(&name, at.hour(), at.hour() + 1).await;
        let empty = UsageHour::empty(name, at.hour());
        let mut hour = known.unwrap().pop().unwrap_or(empty);
        let counts = Counts {
            cost: MicroDollars(cents * 10_000),
            requests: 1,
            ..Counts::default()
        };
        let models = BTreeMap::from([("m".to_owned(), counts)]);
        hour.put(Cell::new(self.current().await, at, self.now(), models));
        self.usage.save_hour(&hour).await.unwrap();
    }

    /// The account was read up to now, from so many days ago.
    async fn sees(&self, days: u32) {
        let name = self.world.slot().await.account;
        let known = self.usage.account(&name).await.unwrap();
        let mut account = known.unwrap_or_else(|| AccountUsage::empty(name));
        let until = Bucket::of(self.now());
        let from = until.minus(days * Bucket::PER_DAY);
        account.see(Span { from, until }, self.now());
        account.read_at = Some(self.now());
        self.usage.save_account(&account).await.unwrap();
    }

    async fn change(&self, change: impl FnOnce(&mut Slot)) {
        let mut slot = self.world.slot().await;
        change(&mut slot);
        self.world.outside.inventory.save_slot(&slot).await.unwrap();
    }

    async fn set_mode(&self, mode: Mode) {
        let slot = self.world.slot().await;
        let ana = CallerArn::new("arn:aws:iam::111122223333:user/ana");
        let set = set_mode(&self.world.open, slot, mode, &ana, Second::NotNeeded);
        set.await.unwrap();
    }
}

#[tokio::test]
async fn spend_stands_against_what_may_be_spent() {
    let shown = Shown::new().await;
    shown.world.pass(HOUR * 48);
    shown.sees(40).await;
    shown.spends(700, HOUR * 2).await;
    shown.spends(300, HOUR * 30).await;
    let usage = shown.status().await.usage.unwrap();
    let dollars = MicroDollars::from_dollars;
    assert_eq!(
        (usage.today.known, usage.today.seen),
        (dollars(7), Seen::Whole)
    );
    assert_eq!(
        (usage.month.known, usage.month.seen),
        (dollars(10), Seen::Whole)
    );
    assert_eq!(
        (usage.daily_cap, usage.monthly_cap),
        (dollars(25), dollars(390))
    );
    assert_eq!((usage.sight, usage.score.is_some()), (Sight::Seen, true));
}

#[tokio::test]
async fn what_is_not_seen_is_neither_zero_nor_protected() {
    let shown = Shown::new().await;
    let usage = shown.status().await.usage.unwrap();
    assert_eq!((usage.sight, usage.score), (Sight::Never, None));
    assert_eq!(
        (usage.today.seen, usage.month.seen),
        (Seen::Partly, Seen::Partly)
    );
    assert_eq!(usage.protected_by, [Protection::Provider]);
    shown.sees(1).await;
    let read = shown.now();
    shown.world.pass(SignedDuration::from_mins(20));
    let usage = shown.status().await.usage.unwrap();
    assert_eq!((usage.sight, usage.score), (Sight::Blind(read), None));
    assert_eq!(usage.protected_by, [Protection::Provider]);
}

#[tokio::test]
async fn what_agents_alone_tell_is_shown_as_their_word() {
    let shown = Shown::new().await;
    let name = shown.world.slot().await.account;
    let mut account = AccountUsage::empty(name);
    account.told_at = Some(shown.now());
    shown.usage.save_account(&account).await.unwrap();
    let usage = shown.status().await.usage.unwrap();
    assert_eq!((usage.sight, usage.score), (Sight::Never, None));
    shown.spends(250, SignedDuration::from_mins(5)).await;
    let usage = shown.status().await.usage.unwrap();
    assert_eq!((usage.sight, usage.score.is_some()), (Sight::Told, true));
    let known = MicroDollars::from_dollars(250).percent(1);
    assert_eq!((usage.today.known, usage.today.seen), (known, Seen::Partly));
    let by = [Protection::Provider, Protection::Told];
    assert_eq!(usage.protected_by, by);
    let told = Bucket::of(shown.now()).begins();
    shown.world.pass(SignedDuration::from_mins(20));
    account = shown
        .usage
        .account(&account.account)
        .await
        .unwrap()
        .unwrap();
    account.told_at = Some(shown.now());
    shown.usage.save_account(&account).await.unwrap();
    let usage = shown.status().await.usage.unwrap();
    assert_eq!((usage.sight, usage.score), (Sight::Silent(told), None));
    assert_eq!(usage.protected_by, [Protection::Provider]);
}

#[tokio::test]
async fn what_protects_a_slot_is_what_would_really_act() {
    let shown = Shown::new().await;
    shown.sees(1).await;
    // Without a measure of its own it is cut off for what its owner declared, also while it observes.
    let both = [Protection::Provider, Protection::Keyward];
    assert_eq!(shown.status().await.usage.unwrap().protected_by, both);
    let mut current = shown.world.versions().await.pop().unwrap();
    current.told.uncapped = Some(shown.now());
    let inventory = &shown.world.outside.inventory;
    let fence = keyward_core::ports::Fence::None;
    inventory.save_versions(&[current], fence).await.unwrap();
    let protected = shown.status().await.usage.unwrap().protected_by;
    assert_eq!(protected, [Protection::Keyward], "its limit is refused");
    let mut current = shown.world.versions().await.pop().unwrap();
    (current.cap, current.told.uncapped) = (None, None);
    inventory.save_versions(&[current], fence).await.unwrap();
    let protected = shown.status().await.usage.unwrap().protected_by;
    assert_eq!(protected, [Protection::Keyward], "it has no limit");
}

/// Spends steadily for so many days, 30 cents an hour: less than was declared.
async fn steady(shown: &Shown, days: i64) {
    for hour in 1..days * 24 {
        shown.spends(30, HOUR * hour as i32).await;
    }
}

#[tokio::test]
async fn a_slot_with_a_measure_of_its_own_is_protected_once_it_is_enforced() {
    let shown = Shown::new().await;
    shown.world.pass(HOUR * 24 * 20);
    steady(&shown, 18).await;
    shown.sees(18).await;
    let by = shown.status().await.usage.unwrap().protected_by;
    assert_eq!(by, [Protection::Provider], "it only observes");
    shown.set_mode(Mode::Enforce).await;
    let by = shown.status().await.usage.unwrap().protected_by;
    assert_eq!(by, [Protection::Provider, Protection::Keyward]);
}

#[tokio::test]
async fn a_slot_that_observed_for_two_weeks_is_proposed_with_its_own_past() {
    let shown = Shown::new().await;
    shown.world.pass(HOUR * 24 * 12);
    steady(&shown, 12).await;
    shown.sees(12).await;
    assert_eq!(shown.status().await.proposal, None, "12 days");
    shown.world.pass(HOUR * 24 * 8);
    steady(&shown, 8).await;
    shown.sees(20).await;
    let quiet = shown.status().await.proposal.unwrap();
    assert_eq!((quiet.kills, quiet.alerts), (0, 0));
    assert_eq!(quiet.without_key, SignedDuration::from_mins(60));
    // $300 in an hour, two days ago.
    shown.spends(30_000, HOUR * 48).await;
    let loud = shown.status().await.proposal.unwrap();
    assert_eq!((loud.kills, loud.alerts > 0), (1, true), "{loud:?}");
    shown
        .change(|slot| slot.state = SlotState::Restricted)
        .await;
    assert_eq!(shown.status().await.proposal, None, "restricted");
    shown.change(|slot| slot.state = SlotState::Active).await;
    shown.set_mode(Mode::Enforce).await;
    assert_eq!(shown.status().await.proposal, None, "enforced");
    shown.set_mode(Mode::Observe).await;
    assert_eq!(shown.status().await.proposal, None, "observes since now");
}

#[tokio::test]
async fn a_slot_that_was_cut_off_shows_its_keys_and_why_it_has_none() {
    let shown = Shown::new().await;
    let key = shown.current().await;
    let now = shown.now();
    let order = KillOrder {
        slot: shown.world.slot.clone(),
        trigger: TriggerId::new("person@1"),
        evidence: Evidence::Person,
        cause: OutsideText::new("ana (person): calls at night"),
        seen: now,
        figures: Figures::OfLiveKeys,
    };
    let invocation = Invocation {
        owner: OwnerId::new("killer"),
        deadline: shown.world.deadline(),
    };
    kill(&shown.world.open, &order, &invocation).await.unwrap();
    let status = shown.status().await;
    assert_eq!(status.lacks_key, Some(LacksKey::CutOff(now)));
    let cut = status.cut_off.iter().find(|cut| cut.version == key);
    let cut = cut.unwrap();
    assert_eq!((cut.how, cut.at), (HowCut::Suspended, now));
    assert_eq!(cut.back, Back::Until(now + HOUR * 72));
    assert_eq!(cut.cause, order.cause);

    shown.world.pass(SignedDuration::from_mins(5));
    assert_eq!(shown.status().await.lacks_key, Some(LacksKey::Missing));
    shown.change(|slot| slot.state = SlotState::Suspended).await;
    assert_eq!(shown.status().await.lacks_key, Some(LacksKey::Suspended));
    shown.world.pass(HOUR * 72);
    assert_eq!(shown.status().await.cut_off, []);
}
