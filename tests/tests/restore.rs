//! A person brings back what a kill took away, and a kill that comes meanwhile wins.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "restore/crashes.rs"]
mod crashes;
#[path = "restore/ordered.rs"]
mod ordered;
#[path = "restore/refused.rs"]
mod refused;
#[path = "restore/taken_back.rs"]
mod taken_back;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use keyward_core::model::act::CallerArn;
use keyward_core::model::alarm::{AlarmArn, AlarmState};
use keyward_core::model::alert::AlertKind;
use keyward_core::model::incident::{Evidence, Figures, Incident, OwnerId, TriggerId};
use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::slot::{CredentialKind, Mode, Slot, SlotState};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{AlarmStates, Clock, Deadline, Inventory};
use keyward_core::usecases::Ports;
use keyward_core::usecases::cap::CapSet;
use keyward_core::usecases::kill::{Invocation, KillOrder, KillOutcome, kill};
use keyward_core::usecases::restore::{
    AlarmCounts, NewKey, Refused, RestoreError, RestoreOrder, RestoreOutcome, Restored, Second,
    Wanted, restore,
};
use keyward_testkit::gate::Gate;
use keyward_testkit::memory::KillSwitchHere;
use keyward_tests::support::{World, token};

const ALARM: &str = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:keyward-prod-kill-support-bot";

/// How long the function may run.
const TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// What CloudWatch says of every alarm.
struct Says(Option<AlarmState>);

#[async_trait]
impl AlarmStates for Says {
    async fn state(&self, _: &AlarmArn) -> Option<AlarmState> {
        self.0.clone()
    }
}

fn invocation(clock: &dyn Clock, owner: &str) -> Invocation {
    Invocation {
        owner: OwnerId::new(owner),
        deadline: Deadline(clock.now() + TIMEOUT),
    }
}

async fn cut_off(world: &World, evidence: Evidence) -> KillOutcome {
    let now = world.outside.clock.now();
    let trigger = match evidence {
        Evidence::Alarm => format!("{ALARM}@{now:.3}"),
        _ => format!("person@{now}"),
    };
    let order = KillOrder {
        slot: world.slot.clone(),
        trigger: TriggerId::new(&trigger),
        evidence,
        cause: OutsideText::new("a test"),
        seen: now,
        figures: Figures::OfLiveKeys,
    };
    let invocation = invocation(world.open.clock.as_ref(), "killer");
    kill(&world.open, &order, &invocation).await.unwrap()
}

/// A slot with a key that Keyward made.
async fn rotated(gate: &Arc<Gate>) -> World {
    let world = World::in_memory(gate).await;
    let slot = Slot {
        mode: Mode::Enforce,
        ..world.slot().await
    };
    world.outside.inventory.save_slot(&slot).await.unwrap();
    world.rotate(&token(2)).await.unwrap();
    world.pass(SignedDuration::from_mins(15));
    world
}

/// The same, cut off a moment ago. Its key's text is returned.
async fn killed(gate: &Arc<Gate>, evidence: Evidence) -> (World, String) {
    let world = rotated(gate).await;
    let key = world.current_key();
    let outcome = cut_off(&world, evidence).await;
    assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    (world, key)
}

fn order(world: &World, key: Option<Wanted>) -> RestoreOrder {
    RestoreOrder {
        slot: world.slot.clone(),
        key,
        alarm: AlarmCounts::Yes,
        by: CallerArn::new("arn:aws:iam::111122223333:user/ana"),
        second: Second::NotNeeded,
    }
}

async fn restore_on(
    ports: &Ports,
    order: &RestoreOrder,
    says: Option<AlarmState>,
) -> Result<RestoreOutcome, RestoreError> {
    let invocation = invocation(ports.clock.as_ref(), "restorer");
    restore(
        ports,
        &KillSwitchHere::on(ports),
        &Says(says),
        order,
        &invocation,
    )
    .await
}

async fn restored(world: &World, key: Option<Wanted>) -> Box<Restored> {
    match restore_on(&world.open, &order(world, key), Some(AlarmState::Ok)).await {
        Ok(RestoreOutcome::Restored(restored)) => restored,
        other => panic!("{other:?}"),
    }
}

async fn incident(world: &World) -> Incident {
    let mut all = world.outside.inventory.all_incidents();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

async fn version(world: &World, state: VersionState) -> Option<Version> {
    let mut versions = world.versions().await.into_iter();
    versions.find(|v| v.state == state)
}

fn cap(cents: u64) -> Option<SpendCap> {
    Some(SpendCap {
        amount: MicroDollars(cents * 10_000),
        period: CapPeriod::Daily,
    })
}

#[tokio::test]
async fn a_key_comes_back_before_its_replacement_and_the_incident_is_over() {
    for evidence in [Evidence::Alarm, Evidence::Person] {
        let (world, key) = killed(&Arc::default(), evidence).await;
        assert!(!world.outside.provider.accepts(&key));
        let done = restored(&world, Some(Wanted::Newest)).await;
        assert_eq!(done.was, SlotState::Restricted);
        assert_eq!(done.slot.state, SlotState::Active);
        assert_eq!(done.key.as_ref().unwrap().state, VersionState::Current);
        assert!(matches!(done.cap, CapSet::To(_)), "{:?}", done.cap);
        assert!(matches!(done.new_key, NewKey::NotNeeded));
        assert!(world.outside.provider.accepts(&key));
        assert_eq!(world.current_key(), key);
        let incident = incident(&world).await;
        assert!(incident.closed.is_some());
        assert_eq!(incident.owner, None);

        world.live_through(SignedDuration::from_hours(1)).await;
        assert!(
            world.outside.provider.accepts(&key),
            "nothing ends it again"
        );
        let incident = self::incident(&world).await;
        assert_eq!(incident.due_at, None, "{incident:?}");
        says_what_is_so(&world);
        cut_off(&world, Evidence::Alarm).await;
        assert!(!world.outside.provider.accepts(&key));
    }
}

/// The last word about a kill whose key a person brought back: nothing replaced it, and it is not dead.
fn says_what_is_so(world: &World) {
    let mut sent = world.outside.alerts.sent();
    sent.retain(|alert| alert.kind == AlertKind::KillDone);
    let [told] = &sent[..] else {
        panic!("one last word");
    };
    let done = told.done.as_str();
    assert!(done.contains("brought back by a person at"), "{done}");
    for untrue in ["replacement in use", "-", "not seen refused"] {
        let after_time = done.split_once(": ").unwrap().1;
        let before_keys = after_time.split_once(". sk-").unwrap().0;
        assert!(!before_keys.contains(untrue), "{done}");
    }
    let left = told.left.as_str();
    assert!(left.starts_with("Nothing: a person has restored"), "{left}");
}

#[tokio::test]
async fn a_slot_whose_pool_is_empty_is_not_lifted_into_having_no_key() {
    let (world, _) = killed(&Arc::default(), Evidence::Person).await;
    let slot = Slot {
        kind: CredentialKind::Pool,
        state: SlotState::Suspended,
        ..world.slot().await
    };
    world.outside.inventory.save_slot(&slot).await.unwrap();
    let before = world.slot().await;
    let refused = restore_on(&world.open, &order(&world, None), Some(AlarmState::Ok)).await;
    let empty = Refused::PoolEmpty {
        slot: slot.name.clone(),
        account: slot.account.clone(),
    };
    assert!(
        matches!(&refused, Err(RestoreError::Refused(why)) if *why == empty),
        "{refused:?}"
    );
    assert_eq!(world.slot().await, before, "nothing is half done");
    let back = restored(&world, Some(Wanted::Newest)).await;
    assert_eq!(back.slot.state, SlotState::Active, "it has that key");
}

#[tokio::test]
async fn a_key_that_was_replaced_comes_back_for_its_overlap() {
    let (world, key) = killed(&Arc::default(), Evidence::Alarm).await;
    world.live_through(SignedDuration::from_mins(30)).await;
    let replacement = world.current_key();
    assert_ne!(replacement, key);
    let done = restored(&world, Some(Wanted::Newest)).await;
    let back = done.key.unwrap();
    assert_eq!(back.state, VersionState::Retiring);
    let overlap = world.slot().await.policy.overlap;
    assert_eq!(back.retire_after, Some(world.outside.clock.now() + overlap));
    let provider = &world.outside.provider;
    assert!(provider.accepts(&key) && provider.accepts(&replacement));
    assert_eq!(world.current_key(), replacement);
    world.live_through(SignedDuration::from_hours(30)).await;
    assert!(!provider.accepts(&key), "it ends as every replaced key");
    assert!(provider.accepts(&replacement));
}

#[tokio::test]
async fn a_key_that_is_named_comes_back_and_a_second_time_changes_nothing() {
    let (world, key) = killed(&Arc::default(), Evidence::Person).await;
    let contained = world.versions().await.into_iter();
    let mut contained = contained.filter(|v| v.promoted.is_some());
    let id = contained
        .rfind(|v| v.state == VersionState::Contained)
        .unwrap()
        .id;
    restored(&world, Some(Wanted::Version(id.clone()))).await;
    let (slot, versions) = (world.slot().await, world.versions().await);
    for wanted in [Wanted::Version(id), Wanted::Newest] {
        let again = restored(&world, Some(wanted)).await;
        assert_eq!(again.key.unwrap().state, VersionState::Current);
        assert_eq!(
            (world.slot().await, world.versions().await),
            (slot.clone(), versions.clone())
        );
    }
    assert!(world.outside.provider.accepts(&key));
}

#[tokio::test]
async fn a_restricted_slot_is_lifted_and_its_key_gets_its_limit_back() {
    let (world, _) = killed(&Arc::default(), Evidence::Alarm).await;
    world.live_through(SignedDuration::from_mins(30)).await;
    let current = version(&world, VersionState::Current).await.unwrap();
    let driver = world.outside.provider.driver();
    let handle = current.handle.clone().unwrap();
    let at_provider = async || driver.get(&handle).await.unwrap().unwrap().cap;
    assert_eq!(at_provider().await, cap(1000), "one normal day");
    let done = restored(&world, None).await;
    assert_eq!(
        (done.was, done.slot.state),
        (SlotState::Restricted, SlotState::Active)
    );
    assert_eq!(at_provider().await, cap(2500));
    let current = version(&world, VersionState::Current).await.unwrap();
    assert_eq!(current.cap, cap(2500));
    assert!(done.key.is_none());
}

#[tokio::test]
async fn a_limit_that_cannot_be_set_is_told_and_set_by_the_same_again() {
    let gate = Arc::new(Gate::default());
    let (world, _) = killed(&gate, Evidence::Alarm).await;
    world.live_through(SignedDuration::from_mins(30)).await;
    gate.silence(&["provider.set_cap"]);
    let order = order(&world, None);
    let outcome = restore_on(&world.ports, &order, Some(AlarmState::Ok))
        .await
        .unwrap();
    let RestoreOutcome::Restored(done) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(matches!(done.cap, CapSet::Failed(_)), "{:?}", done.cap);
    gate.disarm();
    let done = restored(&world, None).await;
    assert!(matches!(done.cap, CapSet::To(_)), "{:?}", done.cap);
}

#[tokio::test]
async fn a_suspended_slot_gets_a_key_again() {
    let (world, _) = killed(&Arc::default(), Evidence::Alarm).await;
    world.live_through(SignedDuration::from_hours(1)).await;
    cut_off(&world, Evidence::Alarm).await;
    world.live_through(SignedDuration::from_hours(1)).await;
    assert_eq!(world.slot().await.state, SlotState::Suspended);
    assert!(!world.outside.provider.accepts(&world.current_key()));
    let done = restored(&world, None).await;
    assert_eq!(
        (done.was, done.slot.state),
        (SlotState::Suspended, SlotState::Active)
    );
    assert!(
        matches!(done.new_key, NewKey::AskedFor),
        "{:?}",
        done.new_key
    );
    world.rotate_as_asked().await;
    assert!(world.outside.provider.accepts(&world.current_key()));
}

#[tokio::test]
async fn a_key_that_its_provider_does_not_take_is_cut_off_again() {
    let gate = Arc::new(Gate::default());
    let (world, key) = killed(&gate, Evidence::Person).await;
    gate.silence(&["provider.verify"]);
    let order = order(&world, Some(Wanted::Newest));
    let error = restore_on(&world.ports, &order, None).await.unwrap_err();
    assert!(matches!(error, RestoreError::NotAccepted(_)), "{error:?}");
    assert!(!world.outside.provider.accepts(&key));
    assert_eq!(version(&world, VersionState::Restoring).await, None);
    assert_eq!(world.slot().await.state, SlotState::Restricted);
    gate.disarm();
    restored(&world, Some(Wanted::Newest)).await;
    assert!(world.outside.provider.accepts(&key));
}

#[tokio::test]
async fn two_people_must_agree_where_that_is_asked_for() {
    let (world, key) = killed(&Arc::default(), Evidence::Person).await;
    let order = |by: &str, key: Option<Wanted>| RestoreOrder {
        second: Second::Needed,
        by: CallerArn::new(by),
        ..order(&world, key)
    };
    let newest = || Some(Wanted::Newest);
    let send = async |order: RestoreOrder| restore_on(&world.open, &order, None).await;
    let asked = |outcome: Result<_, _>| matches!(outcome, Ok(RestoreOutcome::Asked(_)));
    assert!(asked(send(order("ana", newest())).await));
    assert!(!world.outside.provider.accepts(&key));
    let same = send(order("ana", newest())).await.unwrap_err();
    assert!(matches!(
        same,
        RestoreError::Refused(Refused::SamePerson(_))
    ));
    assert!(asked(send(order("ben", None)).await), "for something else");
    assert!(asked(send(order("ana", newest())).await));
    world.pass(SignedDuration::from_mins(60));
    assert!(asked(send(order("ben", newest())).await), "an hour later");
    assert!(!world.outside.provider.accepts(&key));
    let done = send(order("ana", newest())).await.unwrap();
    assert!(matches!(done, RestoreOutcome::Restored(_)));
    assert!(world.outside.provider.accepts(&key));
    assert_eq!(world.slot().await.restore_asked, None);
}
