//! `/doctor`: what is seen of an installation, and that nothing of it is changed.

use keyward_core::model::names::{AccountName, SecretArn};
use keyward_core::model::slot::ProviderName;
use keyward_core::ports::{KeyProvider, KillAlarms, PoolSettings, ProviderError, Providers};
use keyward_core::rules::alarms::wanted;
use keyward_core::usecases::Ports;
use keyward_testkit::memory::MemoryAlarms;
use keyward_tests::support::deployment;

use super::*;

/// Accounts that the deployment names no credential for, for functions that only read.
struct Unreadable(Arc<dyn Providers>);

#[async_trait]
impl Providers for Unreadable {
    async fn open(
        &self,
        account: &AccountName,
        provider: ProviderName,
    ) -> Result<Arc<dyn KeyProvider>, ProviderError> {
        self.0.open(account, provider).await
    }

    fn pool(&self, account: &AccountName) -> Option<PoolSettings> {
        self.0.pool(account)
    }

    fn pools(&self) -> Vec<AccountName> {
        self.0.pools()
    }

    fn missing_credentials(&self, _: &AccountName) -> Vec<&'static str> {
        vec!["read_secret"]
    }
}

/// What is said, by what it is about.
async fn examined(deps: &Deps) -> Vec<(String, String)> {
    let (status, body) = post(deps, "/doctor", json!({})).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["now"], json!(deps.ports.clock.now()));
    let checks = body["checks"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    checks
        .map(|c| (text(&c["about"]), text(&c["health"])))
        .collect()
}

fn health<'a>(checks: &'a [(String, String)], about: &str) -> &'a str {
    let found = checks.iter().find(|(name, _)| name == about);
    found.map_or("not there", |(_, health)| health)
}

#[tokio::test]
async fn a_fleet_that_is_well_is_told_so_and_left_as_it_is() {
    let world = world();
    apply(&world, &fleet()).await;
    let alarms = Arc::new(MemoryAlarms::default());
    for slot in world.outside.inventory.all_slots() {
        let alarm = wanted(&deployment(), &slot.name);
        KillAlarms::make(&*alarms, &alarm).await.unwrap();
    }
    let deps = Deps {
        guards: Some((alarms, deployment())),
        ..deps(&world)
    };
    let before = world.outside.inventory.dump();
    let checks = examined(&deps).await;
    for about in [
        "table",
        "retire",
        "account openrouter-main",
        "secrets",
        "alarms",
    ] {
        assert_eq!(health(&checks, about), "ok", "{about}: {checks:?}");
    }
    assert_eq!(health(&checks, "drill"), "wrong", "there is no canary");
    assert_eq!(world.outside.inventory.dump(), before);
}

#[tokio::test]
async fn what_is_wrong_is_told_and_hides_nothing_else() {
    let world = world();
    apply(&world, &fleet()).await;
    world.outside.secrets.cancel_rotation(&world.secret);
    let other: SecretArn = fleet()["slots"]["search-bot-openrouter"]["secret"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    world.outside.secrets.remove(&other);
    world.outside.clock.advance(SignedDuration::from_hours(2));
    let checks = examined(&deps(&world)).await;
    for (about, expected) in [
        ("table", "ok"),
        ("retire", "wrong"),
        ("secret of support-bot-openrouter", "wrong"),
        ("secret of search-bot-openrouter", "wrong"),
        ("secrets", "ok"),
        ("alarms", "not_seen"),
    ] {
        assert_eq!(health(&checks, about), expected, "{about}: {checks:?}");
    }
}

#[tokio::test]
async fn what_does_not_answer_is_not_seen() {
    let world = world();
    apply(&world, &fleet()).await;
    for (call, about) in [
        ("inventory.slot_names", "table"),
        ("inventory.slot_names", "drill"),
        ("inventory.slot_names", "secrets"),
        ("inventory.due", "retire"),
        ("provider.list", "account openrouter-main"),
    ] {
        let gate = Arc::new(Gate::default());
        gate.silence(&[call]);
        let deps = Deps {
            ports: keyward_testkit::gate::gated(&world.open, &gate),
            ..deps(&world)
        };
        assert_eq!(health(&examined(&deps).await, about), "not_seen", "{call}");
    }
}

#[tokio::test]
async fn a_credential_that_is_missing_is_named_once_for_its_account() {
    let world = world();
    apply(&world, &fleet()).await;
    let deps = Deps {
        ports: Ports {
            providers: Arc::new(Unreadable(world.open.providers.clone())),
            ..world.open.clone()
        },
        ..deps(&world)
    };
    let checks = examined(&deps).await;
    let about = "account openrouter-main, read_secret";
    assert_eq!(health(&checks, about), "wrong", "{checks:?}");
    assert_eq!(checks.iter().filter(|(name, _)| name == about).count(), 1);
    // The other credential is told apart from it.
    assert_eq!(health(&checks, "account openrouter-main"), "ok");
}
