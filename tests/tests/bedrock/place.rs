//! Keys without names: a lost create is found as the new key in the slot's own place, and nobody else's is touched.

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::KeyHandle;
use keyward_core::model::version::VersionState;
use keyward_core::ports::{Disabled, ProviderError, Stage};
use keyward_core::usecases::register::{Registered, register};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::drive::{Point, Scenario, crash_at_every_call, disturb_before_every_call};
use keyward_testkit::gate::{Cut, Gate};
use keyward_testkit::simulator::{Fault, FaultRule, KeyState, Settings, Simulator};
use keyward_tests::support::over_http::found_for_import;
use keyward_tests::support::{
    Backend, LiveKey, STEPS, Simulated, World, check_rules, fleet_at, say, token,
};

use super::{settings, world};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A slot whose secret has no value yet, and a key in its place that a person made by hand, so long ago.
struct ByHand {
    world: World,
    simulator: Simulator,
    key: ApiKey,
}

async fn by_hand(gate: &Arc<Gate>, before: SignedDuration, settings: Settings) -> ByHand {
    let clock = Arc::new(ManualClock::start());
    clock.advance(SignedDuration::from_millis(950));
    let simulated = Simulated::start(clock.clone(), settings).await;
    let simulator = simulated.simulator.clone();
    let world = World::unregistered(gate, clock, Box::new(simulated));
    world.outside.secrets.create(&world.secret, None);
    let provider = &world.outside.provider;
    let planned = fleet_at(super::ProviderName::Bedrock, &provider.scope());
    let registered = register(&world.open, &planned[0]).await.unwrap();
    assert_eq!(registered, Registered::WithoutKey);
    let key = simulator.seed("by hand");
    world.pass(before);
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    ByHand {
        world,
        simulator,
        key,
    }
}

impl ByHand {
    /// The person's key is as they made it, and whatever else lives is current and recorded.
    async fn check(&self, context: &str) {
        let theirs = self.simulator.keys().remove(0);
        assert_eq!(theirs.fingerprint, self.key.fingerprint());
        assert_eq!(theirs.state, KeyState::Enabled, "{context}");
        let current = self.world.current_key();
        let live: Vec<LiveKey> = self.world.outside.provider.live();
        for LiveKey { text, .. } in &live {
            let is_theirs = ApiKey::new(text).fingerprint() == self.key.fingerprint();
            assert!(is_theirs || *text == current, "{context}");
        }
        assert_eq!(live.len(), 2, "{context}");
        for version in self.world.versions().await {
            let named = version.handle.as_ref();
            let named = named.is_some_and(|h| h.ids().last() == Some(theirs.handle.as_str()));
            assert!(!named, "{context}: theirs is nobody's version");
        }
    }

    /// Secrets Manager tries again for hours, `retire` runs, and a later rotation is asked for if need be.
    async fn go_on(&self, context: &str) {
        let world = &self.world;
        for _ in 0..4 {
            world.pass(MINUTE * 6);
            let pending = world.outside.secrets.holder(&world.secret, &Stage::Pending);
            if pending == Some(token(2)) && world.rotate(&token(2)).await.is_ok() {
                break;
            }
        }
        world.live_through(HOUR * 4).await;
        let has_key = world.outside.secrets.current_text(&world.secret).is_some()
            && world.outside.provider.accepts(&world.current_key());
        for attempt in 0..if has_key { 0 } else { 3 } {
            let rotated = world.rotate(&token(3)).await;
            assert!(rotated.is_ok() || attempt < 2, "{context}: {rotated:?}");
            world.pass(MINUTE * 11);
            if rotated.is_ok() {
                break;
            }
        }
        world.live_through(HOUR * 27).await;
    }
}

struct CreateBesideOthers;

impl Scenario for CreateBesideOthers {
    type World = ByHand;

    async fn world(&self, gate: &Arc<Gate>) -> ByHand {
        by_hand(gate, SignedDuration::from_millis(40), settings()).await
    }

    async fn operation(&self, at: &ByHand) {
        let _ = at.world.step(STEPS[0], &token(2)).await;
    }

    async fn recover_and_check(&self, at: &ByHand, point: Option<Point>) {
        let context = format!("{point:?}");
        at.go_on(&context).await;
        at.check(&context).await;
        check_rule_2(at, &context).await;
    }
}

async fn check_rule_2(at: &ByHand, context: &str) {
    for version in at.world.versions().await {
        let settled = matches!(
            version.state,
            VersionState::Current | VersionState::Revoked | VersionState::Contained
        );
        assert!(settled, "{context}: {:?}", version.state);
    }
}

/// The create is cut off at each call, between the key and its record too, with a key of a person's beside it that was
/// made within the same second.
#[tokio::test]
async fn crash_at_every_call_of_a_create_beside_a_key_made_by_hand() {
    let ran = crash_at_every_call(&CreateBesideOthers).await;
    say(format_args!(
        "createSecret beside a key made by hand: {ran} points"
    ));
    assert!(ran >= 3 * 6);
}

#[tokio::test]
async fn a_kill_at_every_call_of_a_create_beside_a_key_made_by_hand() {
    struct Killed;
    impl Scenario for Killed {
        type World = ByHand;

        async fn world(&self, gate: &Arc<Gate>) -> ByHand {
            CreateBesideOthers.world(gate).await
        }

        async fn operation(&self, at: &ByHand) {
            CreateBesideOthers.operation(at).await;
        }

        async fn recover_and_check(&self, at: &ByHand, point: Option<Point>) {
            let context = format!("{point:?}");
            at.go_on(&context).await;
            at.check(&context).await;
        }
    }
    disturb_before_every_call(&Killed, |at: &ByHand| at.world.kill()).await;
}

/// However far apart the clocks are, and however shortly before the intent a person made theirs.
#[tokio::test]
async fn a_lost_create_is_found_whatever_the_clocks_say() {
    for ahead in [-240, -30, -1, 0, 1, 30, 240] {
        for before in [0, 1, 4, 60, 3_600] {
            for listed in [true, false] {
                let context = format!("{ahead} s ahead, by hand {before} s before, {listed}");
                let settings = Settings {
                    clock_ahead: SignedDuration::from_secs(ahead),
                    ..settings()
                };
                let before = SignedDuration::from_secs(before);
                let at = by_hand(&Arc::default(), before, settings).await;
                let (method, create) = at.simulator.route(ProviderCall::Create);
                at.simulator
                    .inject(FaultRule::on(method, create, Fault::lost_after()));
                let (_, list) = at.simulator.route(ProviderCall::List);
                if !listed {
                    // The look before the create is answered, those after it are not.
                    let lost = FaultRule::on(method, list, Fault::lost_before());
                    at.simulator.inject(lost.nth(2).times(40));
                }
                let refused = at.world.step(STEPS[0], &token(2)).await;
                assert!(refused.is_err(), "{context}");
                at.simulator.clear_faults();
                let lost = at.simulator.keys().remove(1);
                at.go_on(&context).await;
                let end = at.simulator.keys().remove(1);
                assert_eq!(end.handle, lost.handle);
                assert!(!end.is_live(), "{context}: the lost key lives");
                at.check(&context).await;
            }
        }
    }
}

/// Two creates in a row are lost, and neither can be looked for: each intent ends with a key of its own, and none is
/// left.
#[tokio::test]
async fn two_lost_creates_are_both_found() {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock.clone(), settings()).await;
    let simulator = simulated.simulator.clone();
    let world = World::unregistered(&Arc::default(), clock, Box::new(simulated));
    world.outside.secrets.create(&world.secret, None);
    let scope = world.outside.provider.scope();
    let planned = fleet_at(super::ProviderName::Bedrock, &scope);
    register(&world.open, &planned[0]).await.unwrap();
    let (method, create) = simulator.route(ProviderCall::Create);
    let (_, list) = simulator.route(ProviderCall::List);
    for n in [2, 3] {
        simulator.inject(FaultRule::on(method, create, Fault::lost_after()));
        let lost = FaultRule::on(method, list, Fault::lost_before());
        simulator.inject(lost.nth(2).times(40));
        let secrets = &world.outside.secrets;
        secrets.begin_rotation(&world.secret, &token(n));
        assert!(world.step(STEPS[0], &token(n)).await.is_err());
        simulator.clear_faults();
        world.pass(MINUTE * 11);
    }
    assert_eq!(simulator.live_keys().len(), 2);
    let lost = simulator.keys();
    world.live_through(HOUR * 4).await;
    let versions = world.versions().await;
    for key in lost {
        let is_its = |handle: &&KeyHandle| handle.ids().last() == Some(key.handle.as_str());
        let handles = versions.iter().filter_map(|v| v.handle.as_ref());
        assert_eq!(handles.filter(is_its).count(), 1, "one record each");
        let live = simulator.live_keys();
        assert!(live.iter().all(|live| live.handle != key.handle));
    }
    if world.outside.secrets.current_text(&world.secret).is_none() {
        world.rotate(&token(4)).await.unwrap();
    }
    check_rules(&world, "after two lost creates").await;
}

/// While another create may have made the key that is new, it is taken for nobody's.
#[tokio::test]
async fn a_key_that_another_create_may_have_made_is_left_alone() {
    let gate = Arc::new(Gate::default());
    let (world, simulator) = super::world_with(gate.clone(), settings()).await;
    let (method, create) = simulator.route(ProviderCall::Create);
    let (_, list) = simulator.route(ProviderCall::List);
    // The first create never arrives, and cannot be looked for.
    simulator.inject(FaultRule::on(method, create, Fault::lost_before()));
    let lost = FaultRule::on(method, list, Fault::lost_before());
    simulator.inject(lost.nth(2).times(40));
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    assert!(world.step(STEPS[0], &token(2)).await.is_err());
    simulator.clear_faults();
    world.pass(MINUTE * 11);
    // The second makes its key, and its invocation ends before that is recorded.
    secrets.begin_rotation(&world.secret, &token(3));
    gate.record();
    let calls = {
        let probe = super::world_with(gate.clone(), settings()).await.0;
        let secrets = &probe.outside.secrets;
        secrets.begin_rotation(&probe.secret, &token(3));
        probe.step(STEPS[0], &token(3)).await.unwrap();
        gate.disarm().0
    };
    // One call more than in the probe: the look at what became of the first.
    let issue = calls.iter().position(|call| *call == "provider.issue");
    gate.arm(issue.unwrap(), Cut::After);
    let stopped = gate.until_stopped(world.step(STEPS[0], &token(3))).await;
    assert!(stopped.is_none());
    gate.disarm();
    let made = simulator.keys().pop().unwrap();
    assert!(made.is_live());
    let _ = world.retire().await;
    let still = simulator.keys().pop().unwrap();
    assert!(still.is_live(), "it may be the other create's");
    // Once that create's invocation is over, its key is known by its intent, and cut off.
    world.live_through(HOUR).await;
    assert!(!simulator.keys().pop().unwrap().is_live());
    world.live_through(HOUR * 3).await;
    for attempt in 0..2 {
        let rotated = world.rotate(&token(4)).await;
        assert!(rotated.is_ok() || attempt == 0, "{rotated:?}");
        world.pass(MINUTE * 11);
    }
    world.live_through(HOUR * 27).await;
    check_rules(&world, "another create under way").await;
}

/// A key that is there when the slot is registered is told from another in the same place by its alias.
#[tokio::test]
async fn a_present_key_is_found_by_its_alias() {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock.clone(), settings()).await;
    let simulator = simulated.simulator.clone();
    let (other, text) = (simulated.seed("other"), simulated.seed("in use"));
    assert_ne!(other, text);
    let world = World::unregistered(&Arc::default(), clock, Box::new(simulated));
    let value = Some((&token(1), text.as_str()));
    world.outside.secrets.create(&world.secret, value);
    let scope = world.outside.provider.scope();
    let planned = fleet_at(super::ProviderName::Bedrock, &scope);
    let registered = register(&world.open, &planned[0]).await.unwrap();
    assert_eq!(registered, Registered::WithKey { handle_known: true });
    let named = world.versions().await[0].handle.clone().unwrap();
    let expected = simulator.keys()[1].handle.clone();
    assert_eq!(named.ids().last(), Some(expected.as_str()));
    assert_eq!(world.outside.alerts.count(AlertKind::HandleUnknown), 0);
}

/// An expired key has ended, is listed, cannot be resumed, and can be deleted.
#[tokio::test]
async fn an_expired_key_has_ended() {
    let (world, simulator) = world().await;
    world.rotate(&token(2)).await.unwrap();
    let handle = world.versions().await[1].handle.clone().unwrap();
    world.pass(HOUR * 24 * 61);
    let driver = world.outside.provider.driver();
    let listed = driver.get(&handle).await.unwrap().unwrap();
    assert_eq!(listed.suspended, Some(true));
    assert_eq!(simulator.keys()[1].state, KeyState::Expired);
    assert_eq!(driver.disable(&handle).await, Ok(Disabled::Now));
    let scope = world.outside.provider.scope();
    let refused = driver.restore(&handle, &scope).await;
    assert!(
        matches!(refused, Err(ProviderError::Refused { .. })),
        "{refused:?}"
    );
    assert_eq!(driver.delete(&handle).await, Ok(()));
    assert_eq!(driver.get(&handle).await, Ok(None));
}

/// A key of the slot's own IAM user that no record has: made by hand, or about to be recorded.
#[tokio::test]
async fn a_key_of_a_slots_user_is_not_proposed_to_be_taken_over() {
    let (world, simulator) = world().await;
    simulator.seed("by hand");
    let found = found_for_import(&world).await;
    assert_eq!((found.unclaimed.len(), found.claimed), (0, 1));
    assert_eq!(found.in_a_slots_place.len(), 1);
}
