//! A kill at every provider, over HTTP.

use keyward_core::model::incident::Suspends;
use keyward_core::model::slot::CredentialKind;
use keyward_core::model::slot::ProviderName;
use keyward_core::usecases::kill::resume;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::drive::crash_at_every_call;
use keyward_testkit::simulator::{FaultRule, Settings};
use keyward_tests::support::{Simulated, over_http, say};

use super::crashes::Killed;
use super::*;

async fn world_at(provider: ProviderName, gate: &Arc<Gate>) -> World {
    let clock = Arc::new(ManualClock::start());
    let settings = Settings {
        provider,
        ..Settings::default()
    };
    let simulated = Simulated::start(clock.clone(), settings).await;
    World::with(gate, clock, Box::new(simulated)).await
}

/// A slot that was rotated a quarter of an hour ago: two of its keys are alive.
pub(super) async fn rotated_at(provider: ProviderName, gate: &Arc<Gate>) -> World {
    let world = world_at(provider, gate).await;
    set_mode(&world, Mode::Enforce).await;
    world.rotate(&token(2)).await.unwrap();
    world.pass(SignedDuration::from_mins(15));
    world
}

/// Wherever the kill switch stops, the kill is finished, once, and the slot has a new key.
#[tokio::test]
async fn crash_at_every_call_of_a_kill_over_http() {
    for provider in ProviderName::ALL {
        for evidence in [Evidence::Alarm, Evidence::Leak] {
            let at = Some(provider);
            let ran = crash_at_every_call(&Killed { evidence, at }).await;
            say(format_args!(
                "a kill at {provider} by {evidence:?}: {ran} points"
            ));
            assert!(ran >= 3 * 12, "{provider}: {ran}");
        }
    }
}

/// The request that cuts a key off meets every fault: in the end the keys are dead, once, and nobody had to help.
#[tokio::test]
async fn a_kill_survives_every_fault_of_the_request_that_cuts_off() {
    for provider in ProviderName::ALL {
        for fault in over_http::faults() {
            let context = format!("{provider}: {fault:?}");
            let settings = Settings {
                provider,
                ..Settings::default()
            };
            let (world, simulator) = over_http::world_with(Arc::default(), settings).await;
            set_mode(&world, Mode::Enforce).await;
            world.rotate(&token(2)).await.unwrap();
            let call = match provider.kind() {
                CredentialKind::Slots => ProviderCall::Delete,
                CredentialKind::Minted | CredentialKind::Pool => ProviderCall::Change,
            };
            let (method, path) = simulator.route(call);
            simulator.inject(FaultRule::on(method, path, fault));
            let order = order(&world, "alarm", Evidence::Alarm);
            let _ = kill_on(&world.ports, &order, "one").await.unwrap();
            assert_eq!(simulator.pending_faults(), [], "{context}: it was not met");
            world.live_through(SignedDuration::from_mins(40)).await;
            assert_eq!(outdated_live(&world).await, [""; 0], "{context}");
            let [incident] = &incidents(&world)[..] else {
                panic!("{context}: one incident");
            };
            assert_eq!(incident.due_at, None, "{context}: {incident:?}");
            assert!(
                world.outside.provider.accepts(&world.current_key()),
                "{context}"
            );
        }
    }
}

/// What people are told was done, and what they are told the provider cannot do.
#[tokio::test]
async fn each_provider_cuts_off_as_it_can_and_people_are_told_what_it_lacks() {
    for (provider, how, said) in [
        (
            ProviderName::OpenRouter,
            HowCut::Suspended,
            "can be restored for 72 hours",
        ),
        (
            ProviderName::Anthropic,
            HowCut::Suspended,
            "can be restored for 72 hours",
        ),
        (
            ProviderName::OpenAi,
            HowCut::Narrowed,
            "cannot refuse a suspended key",
        ),
        (
            ProviderName::Bedrock,
            HowCut::Suspended,
            "can be restored for 72 hours",
        ),
        (
            ProviderName::LiteLlm,
            HowCut::Suspended,
            "can be restored for 72 hours",
        ),
        (
            ProviderName::Gemini,
            HowCut::Narrowed,
            "cannot refuse a suspended key",
        ),
        (ProviderName::Azure, HowCut::Deleted, "cannot suspend a key"),
    ] {
        let world = rotated_at(provider, &Arc::default()).await;
        let keys = [world.current_key()];
        let order = order(&world, "alarm", Evidence::Alarm);
        let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
        let KillOutcome::Contained(cut) = outcome else {
            panic!("{provider}: {outcome:?}");
        };
        assert_eq!(cut.len(), 2, "{provider}");
        assert!(
            cut.iter().all(|v| v.how == Some(how)),
            "{provider}: {cut:?}"
        );
        for key in &keys {
            assert!(!world.outside.provider.accepts(key), "{provider}");
        }
        let told = alerts(&world, AlertKind::Contained);
        assert!(told[0].done.as_str().contains(said), "{}", told[0].done);
        world.live_through(SignedDuration::from_hours(2)).await;
        let key = world.current_key();
        assert!(world.outside.provider.accepts(&key), "{provider}");
    }
}

/// Nobody can make a key for the slot but people: it is suspended, and they are paged.
#[tokio::test]
async fn a_kill_that_finds_the_pool_empty_suspends_and_pages() {
    let world = world_at(ProviderName::Anthropic, &Arc::default()).await;
    set_mode(&world, Mode::Enforce).await;
    let pool = world.slot().await.account;
    let pools = &world.open.pools;
    let mut stored = pools.pool(&pool).await.unwrap().unwrap();
    stored.standby.clear();
    pools.save_pool(&stored).await.unwrap();
    let key = world.current_key();
    let order = order(&world, "alarm", Evidence::Alarm);
    let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
    assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    assert!(!world.outside.provider.accepts(&key));
    assert_eq!(world.slot().await.state, SlotState::Suspended);
    let [told] = &alerts(&world, AlertKind::Suspended)[..] else {
        panic!("one page");
    };
    assert_eq!(told.severity, Severity::Page);
    assert!(
        told.left.as_str().contains("keyward pool add"),
        "{}",
        told.left
    );
    world.live_through(SignedDuration::from_hours(1)).await;
    let [incident] = &incidents(&world)[..] else {
        panic!("one incident");
    };
    assert_eq!(incident.suspends, Some(Suspends::NoReplacement));
    assert!(incident.closed.is_some());
    assert_eq!(alerts(&world, AlertKind::Suspended).len(), 1);
    assert_eq!(alerts(&world, AlertKind::KillDone).len(), 1);

    // However it came to be active without a key: a rotation that finds none to draw says that the agent has none.
    let slot = Slot {
        state: SlotState::Active,
        ..world.slot().await
    };
    world.outside.inventory.save_slot(&slot).await.unwrap();
    world.rotate(&token(9)).await.unwrap_err();
    let [told] = &alerts(&world, AlertKind::PoolEmpty)[..] else {
        panic!("one page");
    };
    assert_eq!(told.severity, Severity::Page);
    assert!(told.done.as_str().contains("NO key"), "{}", told.done);
}

/// The replacement is drawn between two looks of whoever goes on with the kill: the pool is empty because of it.
#[tokio::test]
async fn a_pool_whose_last_key_is_the_replacement_suspends_nobody() {
    let gate = Arc::new(Gate::default());
    let world = world_at(ProviderName::Anthropic, &gate).await;
    set_mode(&world, Mode::Enforce).await;
    let pool = world.slot().await.account;
    let pools = &world.open.pools;
    let mut stored = pools.pool(&pool).await.unwrap().unwrap();
    stored.standby.truncate(1);
    pools.save_pool(&stored).await.unwrap();
    let order = order(&world, "alarm", Evidence::Alarm);
    kill_on(&world.open, &order, "one").await.unwrap();
    let started = world.outside.secrets.take_started().remove(0);
    let id = incidents(&world)[0].id.clone();
    let resumed = || async {
        let invocation = invocation(world.ports.clock.as_ref(), "two");
        resume(&world.ports, &id, &world.confirm, &invocation).await
    };
    gate.record();
    resumed().await.unwrap();
    let (calls, _) = gate.disarm();
    let look = calls.iter().position(|call| *call == "pools.pool");
    world.pass(SignedDuration::from_mins(1));

    let (ports, deadline) = (world.open.clone(), world.deadline());
    let event = serde_json::json!({
        "Step": "createSecret", "SecretId": world.secret, "ClientRequestToken": started.token,
    });
    gate.before(look.unwrap(), async move {
        let step = keyward_rotate::handle(&ports, &event, deadline).await;
        step.unwrap();
    });
    resumed().await.unwrap();
    assert_eq!(gate.disarm().1, Some("pools.pool"));
    assert_eq!(world.slot().await.state, SlotState::Restricted);
    assert_eq!(alerts(&world, AlertKind::Suspended), []);
    world.rotate(&started.token).await.unwrap();
    world.live_through(SignedDuration::from_hours(1)).await;
    assert!(world.outside.provider.accepts(&world.current_key()));
    assert_eq!(world.slot().await.state, SlotState::Restricted);
}
