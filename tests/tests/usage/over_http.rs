//! The field cases of usage that hang on what a provider answers, by id: the real driver reads it over HTTP, and the pull
//! makes of it what it must.

use std::path::Path;

use keyward_core::model::key::ApiKey;
use keyward_core::model::names::KeyHandle;
use keyward_core::model::slot::ProviderName;
use keyward_core::ports::ProviderError;
use keyward_core::usecases::monitor::{AccountPull, NotSeen, Sight};
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::simulator::{Booking, Fault, FaultRule, Settings, Used};
use keyward_tests::support::{Backend as _, Simulated};
use serde_json::Value;

use super::*;

fn file(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases");
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

/// An answer as it was recorded: its status and body, and how long it asks to wait.
fn recorded(answer: &Value) -> Fault {
    let status = answer["status"].as_u64().unwrap_or(200) as u16;
    let wait = answer["headers"]["retry-after"].as_str();
    Fault::recorded(status, wait.map(str::to_owned), answer["body"].to_string())
}

/// What the provider's keys are called.
async fn listed(simulated: &Simulated) -> Vec<KeyHandle> {
    let page = simulated.driver().list(&simulated.scope(), None).await;
    page.unwrap()
        .keys
        .into_iter()
        .map(|key| key.handle)
        .collect()
}

/// One slot of a simulated provider, and the key that its agent uses.
struct Http {
    simulated: Simulated,
    world: World,
    key: ApiKey,
}

impl Http {
    async fn at(provider: ProviderName) -> Self {
        let mut world = World::new(&[], Width::Minute);
        let settings = Settings {
            provider,
            ..Settings::default()
        };
        let simulated = Simulated::start(world.clock.clone(), settings).await;
        let key = ApiKey::new(&simulated.seed("agent"));
        let handles = listed(&simulated).await;
        let account = format!("{provider}-main");
        world = world.with_slot("agent", &account, &[handles[0].as_str()]);
        let slot = &mut world.fleet[0].slot;
        (slot.provider, slot.scope) = (provider, simulated.scope());
        Self {
            simulated,
            world,
            key,
        }
    }

    async fn pull(&self) -> AccountPull {
        let ports = UsagePorts {
            providers: self.simulated.providers.clone(),
            ..self.world.ports()
        };
        let time = SignedDuration::from_mins(5);
        let pulled = self.world.pull_with(&ports, time).await;
        pulled.accounts.into_iter().next().unwrap()
    }

    /// So many requests, ten minutes ago: the bucket is over.
    fn use_key(&self, key: Option<&ApiKey>, requests: u64) {
        let booking = Booking {
            at: self.world.now() - SignedDuration::from_mins(10),
            model: "gpt-4o".to_owned(),
            used: Used {
                requests,
                input: 1000 * requests,
                output: 10,
                ..Used::default()
            },
        };
        self.simulated.simulator.book(key, &booking);
    }

    fn use_own(&self, requests: u64) {
        self.use_key(Some(&self.key), requests);
    }

    /// What of the provider's calls meets these answers, from the `n`th call on, until they are cleared.
    fn answer(&self, call: ProviderCall, n: u32, fault: Fault) {
        let simulator = &self.simulated.simulator;
        let (method, path) = simulator.route(call);
        simulator.inject(FaultRule::on(method, path, fault).nth(n).always());
    }

    fn recover(&self) {
        self.simulated.simulator.clear_faults();
    }

    fn requests(&self) -> u64 {
        self.world.total("agent").requests
    }
}

fn is_seen(pulled: &AccountPull) -> bool {
    matches!(pulled.sight, Sight::Seen(..))
}

#[tokio::test]
async fn u_01_a_cost_that_cannot_be_read_leaves_the_tables_price() {
    let http = Http::at(ProviderName::OpenAi).await;
    http.use_own(5);
    let body = file("usage/U-01-openai-cost-string-amount.json");
    let answer = serde_json::json!({ "body": body });
    http.answer(ProviderCall::Costs, 1, recorded(&answer));
    let pulled = http.pull().await;
    assert!(is_seen(&pulled), "{pulled:?}");
    assert!(
        matches!(pulled.bills, Some(NotSeen::Provider(_))),
        "{pulled:?}"
    );
    assert!(http.world.total("agent").cost.0 > 0);
}

#[tokio::test]
async fn u_02_a_report_whose_later_pages_are_lost_is_no_total() {
    let http = Http::at(ProviderName::OpenAi).await;
    http.use_own(5);
    let page = file("usage/U-02-openai-page1.json");
    assert_eq!(page["has_more"], true);
    let answer = serde_json::json!({ "body": page });
    // Each page names the next, and none is the last.
    http.answer(ProviderCall::Usage, 1, recorded(&answer));
    let pulled = http.pull().await;
    assert!(matches!(pulled.sight, Sight::NotSeen(..)), "{pulled:?}");
    assert!(http.world.kept().is_empty(), "half a report is none");
    http.recover();
    http.world.pass(2);
    assert!(is_seen(&http.pull().await));
    assert_eq!(http.requests(), 5);
}

#[tokio::test]
async fn u_04_what_no_key_is_named_for_is_told_and_nobodys() {
    let http = Http::at(ProviderName::OpenAi).await;
    http.use_own(5);
    http.use_key(None, 800);
    let pulled = http.pull().await;
    let nobodys: u64 = pulled.unattributed.values().map(|c| c.requests).sum();
    assert_eq!((nobodys, http.requests()), (800, 5));
}

#[tokio::test]
async fn u_07_a_range_that_is_refused_is_said_and_not_asked_again() {
    let http = Http::at(ProviderName::Anthropic).await;
    let case = file("usage/U-07-anthropic-400-range.json");
    http.answer(ProviderCall::Usage, 1, recorded(&case));
    let pulled = http.pull().await;
    let Sight::NotSeen(_, NotSeen::Provider(error)) = &pulled.sight else {
        panic!("{pulled:?}");
    };
    assert!(error.to_string().contains("Invalid date range"), "{error}");
    assert!(http.world.kept().is_empty());
    http.recover();
    http.world.pass(2);
    assert!(is_seen(&http.pull().await));
}

#[tokio::test]
async fn u_08_a_bucket_that_is_read_again_is_counted_once() {
    let http = Http::at(ProviderName::OpenAi).await;
    for (more, all) in [(10, 10), (510, 520)] {
        http.use_own(more);
        assert!(is_seen(&http.pull().await));
        assert_eq!(http.requests(), all);
        // The polls of the next minutes read the same bucket again.
        for _ in 0..2 {
            http.world.pass(1);
            assert!(is_seen(&http.pull().await));
            assert_eq!(http.requests(), all);
        }
        http.world.pass(1);
    }
}

#[tokio::test]
async fn u_13_a_total_over_a_keys_life_is_not_todays_spend() {
    let http = Http::at(ProviderName::OpenRouter).await;
    let spend = |micros| {
        let simulator = &http.simulated.simulator;
        simulator.spend(&http.key, MicroDollars(micros));
    };
    spend(325_500_000);
    http.pull().await;
    let total = || http.world.total("agent").cost.0;
    assert_eq!(total(), 0, "its whole life is not today's");
    http.world.pass(6);
    spend(3_400_000);
    assert!(is_seen(&http.pull().await));
    assert_eq!(total(), 3_400_000);
}

#[tokio::test]
async fn p_05_each_way_to_ask_to_wait_leaves_usage_unknown_and_never_zero() {
    for answer in file("provider/P-05-429-variants.json").as_array().unwrap() {
        let http = Http::at(ProviderName::OpenAi).await;
        http.use_own(3);
        assert!(is_seen(&http.pull().await));
        let last = http.world.now();
        http.world.pass(2);
        http.answer(ProviderCall::Usage, 1, recorded(answer));
        let pulled = http.pull().await;
        assert_eq!(pulled.sight.blind_since(), Some(last), "{answer}");
        assert_eq!(http.requests(), 3, "what was known stays");
        http.recover();
        http.world.pass(61);
        assert!(is_seen(&http.pull().await), "{answer}");
        assert_eq!(http.requests(), 3);
    }
}

#[tokio::test]
async fn p_14_without_the_rights_of_a_management_key_nothing_is_seen() {
    let http = Http::at(ProviderName::OpenRouter).await;
    let answers = file("provider/P-14-openrouter-errors.json");
    http.answer(ProviderCall::List, 1, recorded(&answers[3]));
    let pulled = http.pull().await;
    let blind = matches!(
        pulled.sight,
        Sight::NotSeen(_, NotSeen::Provider(ProviderError::AdminCredential { .. }))
    );
    assert!(blind, "{pulled:?}");
    assert!(http.world.kept().is_empty());
}

#[tokio::test]
async fn p_19_a_key_that_its_provider_does_not_list_is_missed() {
    let http = Http::at(ProviderName::OpenAi).await;
    let list = file("provider/P-19-openai-key-vanished.json");
    let answer = serde_json::json!({ "body": list["provider_list"] });
    http.answer(ProviderCall::List, 1, recorded(&answer));
    let pulled = http.pull().await;
    let missed: Vec<&str> = pulled
        .vanished
        .iter()
        .map(|(slot, _)| slot.as_str())
        .collect();
    assert_eq!(missed, ["agent"]);
    http.recover();
    http.world.pass(61);
    assert!(http.pull().await.vanished.is_empty());
}

/// Two keys of one slot in one bucket: each version is kept by itself, and the slot's are one sum.
#[tokio::test]
async fn u_14_both_keys_of_a_rotation_are_their_slots() {
    let mut http = Http::at(ProviderName::OpenAi).await;
    let next = ApiKey::new(&http.simulated.seed("next"));
    let handles = listed(&http.simulated).await;
    let slot = http.world.fleet.remove(0).slot;
    let handles: Vec<&str> = handles.iter().map(KeyHandle::as_str).collect();
    http.world = http
        .world
        .with_slot("agent", slot.account.as_str(), &handles);
    http.world.fleet[0].slot.scope = slot.scope;
    http.use_own(400);
    http.use_key(Some(&next), 20);
    let pulled = http.pull().await;
    assert!(pulled.unattributed.is_empty());
    assert_eq!((http.world.kept().len(), http.requests()), (2, 420));
}
