//! A kill at every provider, over HTTP.

use keyward_core::model::incident::Suspends;
use keyward_core::model::slot::ProviderName;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::simulator::Settings;
use keyward_tests::support::Simulated;

use super::*;

async fn world_at(provider: ProviderName) -> World {
    let clock = Arc::new(ManualClock::start());
    let settings = Settings {
        provider,
        ..Settings::default()
    };
    let simulated = Simulated::start(clock.clone(), settings).await;
    World::with(&Arc::default(), clock, Box::new(simulated)).await
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
        let world = world_at(provider).await;
        set_mode(&world, Mode::Enforce).await;
        world.rotate(&token(2)).await.unwrap();
        world.pass(SignedDuration::from_mins(15));
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
    let world = world_at(ProviderName::Anthropic).await;
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
}
