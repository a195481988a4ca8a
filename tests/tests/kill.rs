//! The kill switch: claim, contain, tell. One incident for whatever sets it off, and nothing of the slot lives on.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "kill/blind.rs"]
mod blind;
#[path = "kill/breaking.rs"]
mod breaking;
#[path = "kill/crashes.rs"]
mod crashes;
#[path = "kill/life.rs"]
mod life;
#[path = "kill/providers.rs"]
mod providers;
#[path = "kill/triggers.rs"]
mod triggers;

use std::pin::Pin;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::alert::{Alert, AlertKind, Severity};
use keyward_core::model::incident::{
    Evidence, Figures, HowCut, Incident, KillStep, OwnerId, StepResult, StepTaken, TriggerId,
};
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::{CredentialKind, Epoch, Mode, Scope, Slot, SlotState};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{Clock, Deadline, Inventory};
use keyward_core::usecases::Ports;
use keyward_core::usecases::kill::{Invocation, KillError, KillOrder, KillOutcome, kill};
use keyward_testkit::gate::Gate;
use keyward_tests::support::{World, token};

/// How long the function may run.
const TIMEOUT: SignedDuration = SignedDuration::from_secs(60);

/// An order whose evidence is seen at this moment.
fn order(world: &World, trigger: &str, evidence: Evidence) -> KillOrder {
    order_for(&world.slot, trigger, evidence, world.outside.clock.now())
}

fn order_for(slot: &SlotName, trigger: &str, evidence: Evidence, seen: Timestamp) -> KillOrder {
    KillOrder {
        slot: slot.clone(),
        trigger: TriggerId::new(trigger),
        evidence,
        cause: OutsideText::new(&format!("{trigger}: cost per hour 3.1 times the baseline")),
        seen,
        figures: Figures::OfLiveKeys,
    }
}

fn invocation(clock: &dyn Clock, owner: &str) -> Invocation {
    Invocation {
        owner: OwnerId::new(owner),
        deadline: Deadline(clock.now() + TIMEOUT),
    }
}

async fn kill_on(ports: &Ports, order: &KillOrder, owner: &str) -> Result<KillOutcome, KillError> {
    kill(ports, order, &invocation(ports.clock.as_ref(), owner)).await
}

/// A slot whose key was replaced a while ago, with the next rotation under way: retiring, current, pending.
async fn busy_world(gate: &Arc<Gate>) -> World {
    let world = World::in_memory(gate).await;
    make_busy(&world).await;
    world
}

/// Lets statistics act: a new slot only observes.
async fn set_mode(world: &World, mode: Mode) {
    let slot = Slot {
        mode,
        ..world.slot().await
    };
    world.outside.inventory.save_slot(&slot).await.unwrap();
}

async fn make_busy(world: &World) {
    set_mode(world, Mode::Enforce).await;
    world.rotate(&token(2)).await.unwrap();
    world.pass(SignedDuration::from_mins(15));
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(3));
    for step in ["createSecret", "setSecret"] {
        world.step_on(&world.open, step, &token(3)).await.unwrap();
    }
}

/// A kill of the slot that a person wants, to happen when it is awaited.
fn killing(world: &World) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let (ports, slot) = (world.open.clone(), world.slot.clone());
    Box::pin(async move {
        let order = order_for(&slot, "person", Evidence::Person, ports.clock.now());
        let outcome = kill_on(&ports, &order, "one").await.unwrap();
        assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    })
}

fn incidents(world: &World) -> Vec<Incident> {
    world.outside.inventory.all_incidents()
}

fn alerts(world: &World, kind: AlertKind) -> Vec<Alert> {
    let mut alerts = world.outside.alerts.sent();
    alerts.retain(|alert| alert.kind == kind);
    alerts
}

/// Keys that work and belong to a version of an epoch before the slot's, or to none. What stands in the idle place of a
/// pair after its key was regenerated is nobody's.
async fn outdated_live(world: &World) -> Vec<String> {
    let versions = world.versions().await;
    let slot = world.slot().await;
    let is_of_now = |text: &str| {
        let print = Some(ApiKey::new(text).fingerprint());
        let mut of_key = versions
            .iter()
            .filter(|v| v.fingerprint == print)
            .peekable();
        let is_nobodys = of_key.peek().is_none() && slot.kind == CredentialKind::Slots;
        is_nobodys || of_key.any(|v| v.epoch == slot.epoch)
    };
    let live = world.outside.provider.live().into_iter();
    live.map(|key| key.text)
        .filter(|text| !is_of_now(text))
        .collect()
}

async fn states(world: &World) -> Vec<VersionState> {
    let versions = world.versions().await;
    versions.iter().map(|v| v.state).collect()
}

#[tokio::test]
async fn every_live_version_is_suspended_and_people_are_told_once() {
    let world = busy_world(&Arc::default()).await;
    let now = world.outside.clock.now();
    let order = order(&world, "alarm", Evidence::Alarm);
    let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
    let KillOutcome::Contained(cut) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(cut.len(), 3);
    assert!(cut.iter().all(|v| v.how == Some(HowCut::Suspended)));
    assert!(world.outside.provider.live().is_empty());
    assert_eq!(states(&world).await, [VersionState::Contained; 3]);

    let slot = world.slot().await;
    assert_eq!((slot.epoch, slot.state), (Epoch(1), SlotState::Restricted));
    let [incident] = &incidents(&world)[..] else {
        panic!("one incident");
    };
    assert_eq!(
        incident.closed, None,
        "it is open until a replacement is in use"
    );
    assert_eq!((incident.due_at, &incident.owner), (Some(now), &None));
    let was: Vec<VersionState> = incident.undo.iter().map(|undo| undo.was).collect();
    let expected = [
        VersionState::Retiring,
        VersionState::Current,
        VersionState::Pending,
    ];
    assert_eq!(was, expected);
    let has_cap = incident.undo.iter().map(|undo| undo.cap.is_some());
    let made = incident.undo.iter().map(|undo| undo.version.attempt > 0);
    assert!(has_cap.eq(made), "what Keyward made has a limit");

    let [told] = &alerts(&world, AlertKind::Contained)[..] else {
        panic!("one alert");
    };
    assert_eq!(told.severity, Severity::Page);
    assert!(
        told.what
            .as_str()
            .contains("3.1 times the baseline. Agent ")
    );
    assert!(
        told.what.as_str().contains("ana@example.com"),
        "{}",
        told.what
    );
    assert_eq!(told.done.as_str().matches(": suspended").count(), 3);
    assert!(told.left.as_str().contains("keyward restore support-bot"));
}

#[tokio::test]
async fn a_used_key_is_kept_for_three_days_and_an_unused_one_is_not() {
    let world = busy_world(&Arc::default()).await;
    killing(&world).await;
    let killed = world.outside.clock.now();
    let versions = world.versions().await;
    let kept = Some(killed + SignedDuration::from_hours(72));
    assert_eq!((versions[0].due_at, versions[1].due_at), (kept, kept));
    assert!(versions[2].due_at < kept);
    world.live_through(SignedDuration::from_hours(71)).await;
    let of_first_epoch = |versions: Vec<Version>| {
        let states = versions.into_iter().filter(|v| v.epoch == Epoch(0));
        states.map(|v| v.state).collect::<Vec<_>>()
    };
    let expected = [
        VersionState::Contained,
        VersionState::Contained,
        VersionState::Revoked,
    ];
    assert_eq!(of_first_epoch(world.versions().await), expected);
    assert_eq!(outdated_live(&world).await, [""; 0]);
    world.live_through(SignedDuration::from_hours(2)).await;
    let revoked = [VersionState::Revoked; 3];
    assert_eq!(of_first_epoch(world.versions().await), revoked);
    assert!(world.outside.provider.accepts(&world.current_key()));
}

#[tokio::test]
async fn the_kill_itself_asks_for_the_replacement() {
    let world = busy_world(&Arc::default()).await;
    let killed = world.current_key();
    killing(&world).await;
    world.rotate_as_asked().await;
    assert_ne!(world.current_key(), killed);
    assert!(world.outside.provider.accepts(&world.current_key()));
    world.live_through(SignedDuration::from_hours(1)).await;
    let made = world.versions().await.into_iter();
    assert_eq!(made.filter(|v| v.epoch == Epoch(1)).count(), 1);
}

#[tokio::test]
async fn a_replacement_that_cannot_be_asked_for_holds_up_no_kill_and_comes_later() {
    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    gate.silence(&[
        "secrets.describe",
        "secrets.unstage_pending",
        "secrets.rotate_now",
    ]);
    let order = order(&world, "alarm", Evidence::Alarm);
    let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
    assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    let rotate = incidents(&world)[0]
        .steps
        .iter()
        .find(|s| s.step == KillStep::Rotate)
        .cloned();
    let failed = |taken: StepTaken| matches!(taken.result, StepResult::Failed(_));
    assert!(rotate.is_some_and(failed));
    gate.disarm();
    world.live_through(SignedDuration::from_mins(10)).await;
    assert!(world.outside.provider.accepts(&world.current_key()));
}

#[tokio::test]
async fn proof_of_a_leak_is_final() {
    let world = busy_world(&Arc::default()).await;
    let order = order(&world, "leak", Evidence::Leak);
    let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
    assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    assert!(world.outside.provider.live().is_empty());
    assert_eq!(states(&world).await, [VersionState::Revoking; 3]);
    world.live_through(SignedDuration::from_mins(30)).await;
    let versions = world.versions().await;
    let old = versions.iter().filter(|v| v.epoch == Epoch(0));
    for version in old {
        assert_eq!(version.state, VersionState::Revoked, "{version:?}");
    }
}

#[tokio::test]
async fn a_slot_that_observes_is_left_alone_by_statistics_alone() {
    for (evidence, acts) in [
        (Evidence::Alarm, false),
        (Evidence::UncheckedAlarm, false),
        (Evidence::Monitor, false),
        (Evidence::Cap, true),
        (Evidence::Leak, true),
        (Evidence::Person, true),
    ] {
        let world = World::in_memory(&Arc::default()).await;
        set_mode(&world, Mode::Observe).await;
        let (slot, versions) = (world.slot().await, world.versions().await);
        let order = order(&world, "trigger", evidence);
        let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
        let alive = world.outside.provider.accepts(&world.current_key());
        let told = alerts(&world, AlertKind::WouldContain);
        assert_eq!(alive, !acts, "{evidence:?}");
        assert_eq!(told.is_empty(), acts, "{evidence:?}");
        if !acts {
            assert_eq!(outcome, KillOutcome::Observed);
            assert_eq!(
                (world.slot().await, world.versions().await),
                (slot, versions)
            );
            assert_eq!(incidents(&world), []);
            let names_the_key = told[0].done.as_str().contains("sk-or-v1");
            assert!(names_the_key, "{}", told[0].done);
        }
    }
}

#[tokio::test]
async fn an_order_for_no_slot_kills_nobody_and_pages() {
    let world = World::in_memory(&Arc::default()).await;
    let order = order_for(
        &"support-bat".parse().unwrap(),
        "alarm",
        Evidence::Alarm,
        world.outside.clock.now(),
    );
    let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
    assert_eq!(outcome, KillOutcome::NoSuchSlot);
    assert!(world.outside.provider.accepts(&world.current_key()));
    let told = alerts(&world, AlertKind::NotContained);
    assert_eq!(told[0].severity, Severity::Page);
    for (evidence, count) in [(Evidence::Person, 1), (Evidence::Leak, 2)] {
        let order = KillOrder {
            evidence,
            ..order.clone()
        };
        let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
        assert_eq!(outcome, KillOutcome::NoSuchSlot);
        let told = alerts(&world, AlertKind::NotContained);
        assert_eq!(told.len(), count, "a person's slip is told by the answer");
    }
}

#[tokio::test]
async fn a_leak_is_told_with_commands_that_work() {
    let world = busy_world(&Arc::default()).await;
    let order = order(&world, "leak", Evidence::Leak);
    kill_on(&world.ports, &order, "one").await.unwrap();
    let [told] = &alerts(&world, AlertKind::Contained)[..] else {
        panic!("one alert");
    };
    let command = told.command.as_ref().unwrap().as_str();
    assert_eq!(command, format!("keyward status {}", world.slot));
    assert!(!told.left.as_str().contains("restore"), "{}", told.left);
}

#[tokio::test]
async fn a_replacement_that_is_abused_too_is_not_replaced() {
    for (evidence, hours, is_replaced) in [
        (Evidence::Alarm, 2, false),
        (Evidence::Leak, 23, false),
        (Evidence::Person, 2, true),
        (Evidence::Alarm, 25, true),
    ] {
        let world = busy_world(&Arc::default()).await;
        let first = order(&world, "first", Evidence::Alarm);
        kill_on(&world.ports, &first, "one").await.unwrap();
        world.live_through(SignedDuration::from_hours(hours)).await;
        assert!(world.outside.provider.accepts(&world.current_key()));

        let second = order(&world, "second", evidence);
        let outcome = kill_on(&world.ports, &second, "two").await.unwrap();
        assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
        world.live_through(SignedDuration::from_hours(1)).await;
        let context = format!("{evidence:?} after {hours} h");
        let works = world.outside.provider.accepts(&world.current_key());
        assert_eq!(works, is_replaced, "{context}");
        let state = match is_replaced {
            true => SlotState::Restricted,
            false => SlotState::Suspended,
        };
        assert_eq!(world.slot().await.state, state, "{context}");
        let told = alerts(&world, AlertKind::Contained);
        let suspends = |a: &&Alert| a.left.as_str().contains("No new key is made");
        let count = told.iter().filter(suspends).count();
        assert_eq!(count, usize::from(!is_replaced), "{context}");
    }
}
