//! A kill at every provider, over HTTP.

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
