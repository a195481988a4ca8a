//! From containment to the last word: the replacement, the proof that the old keys are dead, and what speaks of them
//! later.

use keyward_core::model::incident::{Stage, Suspends};
use keyward_core::model::money::CapPeriod;
use keyward_core::model::version::Confirmation;
use keyward_core::ports::KeyProvider;
use keyward_core::usecases::retire::RetireReport;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::memory::MemoryProvider;

use super::*;

const ROUND: SignedDuration = SignedDuration::from_mins(5);

/// A slot that was cut off by an alarm, and whose replacement is in use.
async fn replaced() -> World {
    let world = busy_world(&Arc::default()).await;
    let order = order(&world, "alarm", Evidence::Alarm);
    kill_on(&world.ports, &order, "one").await.unwrap();
    world.pass(SignedDuration::from_secs(40));
    world.rotate_as_asked().await;
    world
}

fn the_incident(world: &World) -> Incident {
    let [incident] = &incidents(world)[..] else {
        panic!("one incident");
    };
    incident.clone()
}

#[tokio::test]
async fn a_kill_ends_with_the_proof_of_death_and_the_seconds_of_each_stage() {
    let world = replaced().await;
    world.live_through(ROUND).await;
    let incident = the_incident(&world);
    assert!(incident.closed.is_some(), "the replacement is in use");
    assert_eq!(alerts(&world, AlertKind::KillDone), [], "but not confirmed");
    world.live_through(SignedDuration::from_mins(15)).await;
    let incident = the_incident(&world);
    assert_eq!(incident.due_at, None);
    for undo in &incident.undo {
        let by = undo.confirmed.map(|confirmed| confirmed.by);
        assert_eq!(by, Some(Confirmation::Refused), "{undo:?}");
    }
    let stages: Vec<Stage> = incident.timeline().into_iter().map(|(s, _)| s).collect();
    let expected = [
        Stage::Seen,
        Stage::Claimed,
        Stage::Contained,
        Stage::Told,
        Stage::ReplacementAsked,
        Stage::Replaced,
        Stage::Confirmed,
        Stage::Done,
    ];
    assert_eq!(stages, expected);
    let times: Vec<Timestamp> = incident.timeline().into_iter().map(|(_, at)| at).collect();
    assert!(times.is_sorted(), "{times:?}");
    let [done] = &alerts(&world, AlertKind::KillDone)[..] else {
        panic!("one last word");
    };
    let said = done.done.as_str();
    assert!(said.contains("cut off after 0.0 s"), "{said}");
    assert!(said.contains("replacement in use after 40.0 s"), "{said}");
    assert_eq!(said.matches(": refused").count(), 3, "{said}");
    world.live_through(SignedDuration::from_hours(3)).await;
    assert_eq!(alerts(&world, AlertKind::KillDone).len(), 1);
}

#[tokio::test]
async fn the_replacement_may_spend_one_normal_day_until_a_person_lifts_that() {
    let world = replaced().await;
    let versions = world.versions().await;
    let new = versions.iter().find(|v| v.epoch == Epoch(1)).unwrap();
    let record = world.outside.provider.driver();
    let record = record.get(new.handle.as_ref().unwrap()).await.unwrap();
    let cap = record.unwrap().cap.unwrap();
    let daily = world.slot().await.expected.daily;
    assert_eq!((cap.amount, cap.period), (daily, CapPeriod::Daily));
    assert_eq!(world.slot().await.state, SlotState::Restricted);
}

/// Figures of all keys may be bills for the dead ones; and what was seen before the replacement was in use says nothing
/// about it, whoever counted.
#[tokio::test]
async fn what_dead_keys_spent_is_no_evidence_against_their_replacement() {
    for (figures, seen_before, late, kills) in [
        (Figures::OfAllKeys, false, 8, false),
        (Figures::OfAllKeys, false, 50, false),
        (Figures::OfAllKeys, false, 65, true),
        (Figures::OfLiveKeys, true, 8, false),
        (Figures::OfLiveKeys, true, 65, false),
        (Figures::OfLiveKeys, false, 8, true),
    ] {
        let context = format!("{figures:?}, {late} minutes after");
        let world = replaced().await;
        let before = world.outside.clock.now() - SignedDuration::from_secs(1);
        let replacement = world.current_key();
        world.live_through(SignedDuration::from_mins(late)).await;
        let order = KillOrder {
            figures,
            seen: match seen_before {
                true => before,
                false => world.outside.clock.now(),
            },
            ..order(&world, "again", Evidence::Alarm)
        };
        let outcome = kill_on(&world.ports, &order, "two").await.unwrap();
        assert_eq!(
            world.outside.provider.accepts(&replacement),
            !kills,
            "{context}"
        );
        let told = alerts(&world, AlertKind::OfDeadKeys).len();
        match kills {
            true => {
                assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
                assert_eq!(world.slot().await.state, SlotState::Suspended, "{context}");
                assert_eq!((incidents(&world).len(), told), (2, 0), "{context}");
            }
            false => {
                assert_eq!(outcome, KillOutcome::OfDeadKeys, "{context}");
                assert_eq!((incidents(&world).len(), told), (1, 1), "{context}");
                assert_eq!(world.slot().await.epoch, Epoch(1), "{context}");
            }
        }
    }
}

/// The replacement of a slot without an open incident comes into use after the claim has read the versions: evidence from
/// before is judged anew and is none against it; a person's word is.
#[tokio::test]
async fn a_replacement_that_comes_into_use_during_the_claim_is_not_killed_for_what_was_seen_before()
{
    for (evidence, kills) in [
        (Evidence::Alarm, false),
        (Evidence::Monitor, false),
        (Evidence::Person, true),
    ] {
        let gate = Arc::new(Gate::default());
        let (world, order) = promoting(&gate, evidence).await;
        gate.record();
        let outcome = kill_on(&world.ports, &order, "two").await.unwrap();
        assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
        let (calls, _) = gate.disarm();
        let claim = calls.iter().position(|c| *c == "inventory.open_incident");

        let (world, order) = promoting(&gate, evidence).await;
        gate.before(claim.unwrap(), promoted(&world).await);
        let outcome = kill_on(&world.ports, &order, "two").await.unwrap();
        assert_eq!(gate.disarm().1, Some("inventory.open_incident"));
        let is_killed = matches!(outcome, KillOutcome::Contained(_));
        assert_eq!(is_killed, kills, "{evidence:?}: {outcome:?}");
        let works = world.outside.provider.accepts(&world.current_key());
        assert_eq!(works, !kills, "{evidence:?}");
        assert_eq!(incidents(&world).len(), 1 + usize::from(kills));
    }
}

/// A slot without an open incident whose replacement is tested, but not yet in use; and an order for what is seen now.
async fn promoting(gate: &Arc<Gate>, evidence: Evidence) -> (Arc<World>, KillOrder) {
    let world = busy_world(gate).await;
    let first = order(&world, "first", Evidence::Alarm);
    kill_on(&world.ports, &first, "one").await.unwrap();
    world.outside.inventory.close_incident(&world.slot);
    gate.silence(&["secrets.promote"]);
    let started = world.outside.secrets.take_started();
    for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        world.pass(SignedDuration::from_secs(10));
        let _ = world.step(step, &started[0].token).await;
    }
    gate.disarm();
    let made = world.versions().await.pop().unwrap();
    assert_eq!(made.state, VersionState::Promoting);
    let second = order(&world, "second", evidence);
    (Arc::new(world), second)
}

/// The version that was made last comes into use, when it is awaited.
async fn promoted(world: &Arc<World>) -> impl Future<Output = ()> + Send + 'static {
    let made = world.versions().await.pop().unwrap();
    let (world, token) = (world.clone(), made.id.secret_version);
    async move {
        let finished = world.step_on(&world.open, "finishSecret", &token).await;
        finished.unwrap();
    }
}

/// The first incident has not noticed yet that its replacement is in use.
#[tokio::test]
async fn a_replacement_that_is_abused_at_once_is_cut_off_although_its_incident_is_open() {
    let world = replaced().await;
    assert_eq!(the_incident(&world).closed, None);
    let replacement = world.current_key();
    world.pass(SignedDuration::from_secs(30));
    let order = order(&world, "again", Evidence::Alarm);
    let outcome = kill_on(&world.ports, &order, "two").await.unwrap();
    assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    assert!(!world.outside.provider.accepts(&replacement));
    let [first, second] = &incidents(&world)[..] else {
        panic!("two incidents");
    };
    assert!(first.closed.is_some());
    assert_eq!(second.suspends, Some(Suspends::Loop));
    assert_eq!(world.slot().await.state, SlotState::Suspended);
    world.live_through(SignedDuration::from_hours(1)).await;
    assert!(world.outside.provider.live().is_empty());
    assert_eq!(alerts(&world, AlertKind::KillDone).len(), 2);
    assert!(incidents(&world).iter().all(|i| i.due_at.is_none()));
}

#[tokio::test]
async fn nothing_more_is_done_to_a_suspended_slot_without_keys() {
    let world = replaced().await;
    world.pass(SignedDuration::from_secs(30));
    for trigger in ["again", "and again"] {
        let order = order(&world, trigger, Evidence::Alarm);
        kill_on(&world.ports, &order, "two").await.unwrap();
        world.live_through(SignedDuration::from_mins(30)).await;
    }
    assert_eq!(incidents(&world).len(), 2);
    assert_eq!(alerts(&world, AlertKind::OfDeadKeys).len(), 1);
    assert_eq!(world.slot().await.epoch, Epoch(2));
}

#[tokio::test]
async fn a_slot_without_a_replacement_pages_after_five_minutes() {
    let world = busy_world(&Arc::default()).await;
    killing(&world).await;
    world.outside.secrets.take_started();
    world.live_through(SignedDuration::from_mins(9)).await;
    let told = alerts(&world, AlertKind::NotReplaced);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].severity, Severity::Page);
    assert_eq!(alerts(&world, AlertKind::KillDone), []);
    assert_eq!(the_incident(&world).closed, None);
    world.live_through(SignedDuration::from_mins(20)).await;
    assert!(world.outside.provider.accepts(&world.current_key()));
    assert_eq!(alerts(&world, AlertKind::KillDone).len(), 1);
}

/// A key that works again after it was cut off is cut off again, and no last word is said before it is dead.
#[tokio::test]
async fn a_key_that_comes_back_at_the_provider_is_cut_off_again() {
    let clock = Arc::new(ManualClock::start());
    let provider = Arc::new(MemoryProvider::new(clock.clone()));
    let world = World::with(&Arc::default(), clock, Box::new(provider.clone())).await;
    make_busy(&world).await;
    let old = world.current_key();
    killing(&world).await;
    world.rotate_as_asked().await;
    let versions = world.versions().await;
    let print = Some(ApiKey::new(&old).fingerprint());
    let killed = versions.iter().find(|v| v.fingerprint == print);
    let killed = killed.unwrap().handle.clone().unwrap();
    for round in 0..4 {
        provider.restore(&killed, &Scope::default()).await.unwrap();
        assert!(provider.accepts(&old), "{round}");
        world.live_through(ROUND).await;
        assert!(!provider.accepts(&old), "{round}");
    }
    assert_eq!(alerts(&world, AlertKind::KillDone), []);
    assert_eq!(alerts(&world, AlertKind::RevokeUnconfirmed).len(), 1);
    world.live_through(SignedDuration::from_mins(20)).await;
    assert_eq!(alerts(&world, AlertKind::KillDone).len(), 1);
}

#[tokio::test]
async fn twenty_rotations_in_a_day_suspend_the_slot_and_page() {
    let world = World::in_memory(&Arc::default()).await;
    set_mode(&world, Mode::Enforce).await;
    for number in 0..20 {
        world.pass(SignedDuration::from_mins(11));
        world.rotate(&token(100 + number)).await.unwrap();
    }
    killing(&world).await;
    let slot = world.slot().await;
    assert_eq!(slot.state, SlotState::Suspended);
    assert_eq!(slot.epoch, Epoch(2), "a suspension raises the epoch");
    let told = alerts(&world, AlertKind::Suspended);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].severity, Severity::Page);
    assert!(told[0].what.as_str().contains("20 times within 24 hours"));
    let report: RetireReport = world.retire().await.unwrap();
    assert_eq!(report.failed, 0);
    world.live_through(SignedDuration::from_hours(2)).await;
    assert!(world.outside.provider.live().is_empty());
    assert_eq!(alerts(&world, AlertKind::KillDone).len(), 1);
    assert_eq!(alerts(&world, AlertKind::NotReplaced), []);
}

/// The slot's records are read one by one: the first incident ends between its versions and itself.
#[tokio::test]
async fn a_replacement_that_comes_into_use_while_the_claim_is_read_is_spared() {
    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    let first = order(&world, "first", Evidence::Alarm);
    kill_on(&world.ports, &first, "one").await.unwrap();
    let second = order(&world, "second", Evidence::Alarm);
    let world = Arc::new(world);
    let ends = {
        let (open, secret, confirm) = (world.open.clone(), world.outside.clone(), world.confirm);
        let world = world.clone();
        async move {
            world.pass(SignedDuration::from_secs(30));
            for started in secret.secrets.take_started() {
                for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
                    world.step_on(&open, step, &started.token).await.unwrap();
                }
            }
            keyward_tests::support::retire_due(&open, &confirm, world.deadline())
                .await
                .unwrap();
        }
    };
    gate.before(2, ends);
    let outcome = kill_on(&world.ports, &second, "two").await.unwrap();
    let (calls, fired) = gate.disarm();
    assert_eq!(fired, Some("inventory.incident_of_slot"), "{calls:?}");
    assert_eq!(outcome, KillOutcome::OfDeadKeys);
    assert!(world.outside.provider.accepts(&world.current_key()));
    assert_eq!(world.slot().await.epoch, Epoch(1));
}
