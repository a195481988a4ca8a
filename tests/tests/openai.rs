//! OpenAI's driver against its provider over HTTP: the suite of every driver, and the flows, with keys inside a service
//! account that stays and with an account for each key.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::version::VersionState;
use keyward_core::ports::Clock;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract::provider::{Fixture, Repeats};
use keyward_testkit::drive::{crash_at_every_call, disturb_before_every_call};
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{Home, KeyEnd, Settings, Simulator, Window};
use keyward_tests::support::{
    Backend, Make, RetireScenario, STEPS, Simulated, StepScenario, World, say, token,
};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn settings(home: Home) -> Settings {
    Settings {
        home,
        provider: ProviderName::OpenAi,
        ..Settings::default()
    }
}

async fn fixture_at(home: Home) -> Fixture {
    let simulated = Simulated::start(Arc::new(ManualClock::start()), settings(home)).await;
    Fixture {
        provider: simulated.driver(),
        world: Arc::new(simulated.simulator.clone()),
        repeats: Repeats::Untold,
    }
}

async fn standing() -> Fixture {
    fixture_at(Home::StandingAccount).await
}

async fn own() -> Fixture {
    fixture_at(Home::OwnAccount).await
}

mod in_a_standing_account {
    keyward_testkit::provider_contract!(super::standing);
}

mod in_an_account_of_its_own {
    keyward_testkit::provider_contract!(super::own, life);
}

async fn world_with(gate: Arc<Gate>, settings: Settings) -> (World, Simulator) {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock.clone(), settings).await;
    let simulator = simulated.simulator.clone();
    (
        World::with(&gate, clock, Box::new(simulated)).await,
        simulator,
    )
}

fn in_standing(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    Box::pin(async { world_with(gate, settings(Home::StandingAccount)).await.0 })
}

fn in_own(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    Box::pin(async { world_with(gate, settings(Home::OwnAccount)).await.0 })
}

const HOMES: [(&str, Make); 2] = [("a standing account", in_standing), ("its own", in_own)];

#[tokio::test]
async fn crash_at_every_call_of_a_rotation() {
    for (home, make) in HOMES {
        for (i, step) in STEPS.iter().enumerate() {
            let ran = crash_at_every_call(&StepScenario { step: i, make }).await;
            say(format_args!("{step} at OpenAI, in {home}: {ran} points"));
            assert!(ran >= 3 * 6, "{step} made fewer calls than it must");
        }
    }
}

#[tokio::test]
async fn a_kill_between_any_two_calls_of_a_rotation() {
    for (home, make) in HOMES {
        for (i, step) in STEPS.iter().enumerate() {
            let scenario = StepScenario { step: i, make };
            let ran = disturb_before_every_call(&scenario, World::kill).await;
            say(format_args!(
                "{step} at OpenAI, in {home}, a kill before each call: {ran} points"
            ));
        }
    }
}

#[tokio::test]
async fn crash_at_every_call_of_retire() {
    for (home, make) in HOMES {
        let ran = crash_at_every_call(&RetireScenario { make }).await;
        say(format_args!("retire at OpenAI, in {home}: {ran} points"));
        assert!(ran >= 3 * 30);
    }
}

#[tokio::test]
async fn every_step_twice_makes_one_key() {
    for home in [Home::StandingAccount, Home::OwnAccount] {
        let (world, simulator) = world_with(Arc::default(), settings(home)).await;
        let secrets = &world.outside.secrets;
        secrets.begin_rotation(&world.secret, &token(2));
        for step in STEPS {
            for _ in 0..2 {
                world.step(step, &token(2)).await.unwrap();
            }
        }
        let made = simulator
            .requests()
            .into_iter()
            .filter(|r| r.label.is_some());
        assert_eq!(made.count(), 1);
    }
}

/// However an old key can be ended, it ends, and the current one works on.
#[tokio::test]
async fn old_keys_end_whatever_openai_lets_be_done() {
    for key_end in [
        KeyEnd::Deletable,
        KeyEnd::Expires,
        KeyEnd::WithItsAccountOnly,
    ] {
        for home in [Home::StandingAccount, Home::OwnAccount] {
            let settings = Settings {
                key_end,
                ..settings(home)
            };
            let (world, _) = world_with(Arc::default(), settings).await;
            world.rotate(&token(2)).await.unwrap();
            world.live_through(HOUR * 27).await;
            world.rotate(&token(3)).await.unwrap();
            let shared = key_end == KeyEnd::WithItsAccountOnly && home == Home::StandingAccount;
            world.live_through(HOUR * 27).await;
            let old = world.versions().await.remove(1);
            let ended = old.state == VersionState::Revoked;
            assert_eq!(ended, !shared, "{key_end:?} in {home:?}: {:?}", old.state);
            assert!(
                world.outside.provider.accepts(&world.current_key()),
                "{key_end:?}"
            );
            let told = world.outside.alerts.count(AlertKind::WorkFailed);
            assert_eq!(told > 0, shared, "what cannot be ended is for a person");
        }
    }
}

/// P-02: a deleted key works now and then for a while.
#[tokio::test]
async fn p_02_one_refusal_is_no_proof() {
    let settings = Settings {
        change_delay: MINUTE * 20,
        window: Window::Flapping,
        ..settings(Home::StandingAccount)
    };
    let (world, _) = world_with(Arc::default(), settings).await;
    world.rotate(&token(2)).await.unwrap();
    world.live_through(HOUR * 25).await;
    for _ in 0..12 {
        world.live_through(MINUTE * 5).await;
        let old = world.versions().await.remove(0);
        if let Some(accepted) = old.revoke_accepted
            && world.outside.clock.now() < accepted + MINUTE * 20
        {
            assert_ne!(
                old.state,
                VersionState::Revoked,
                "it still works now and then"
            );
        }
    }
    world.live_through(HOUR).await;
    let old = world.versions().await.remove(0);
    assert_eq!(old.state, VersionState::Revoked);
    assert!(old.refusals.unwrap().count >= 3);
}
