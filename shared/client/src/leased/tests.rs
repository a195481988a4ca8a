use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{FetchError, KeyError};
use crate::keys::{AgentKey, KeywardClient};
use crate::settings::{Environment, Settings};
use crate::source::{SecretId, SlotName, VersionId};
use crate::testing::{Longest, MemorySource, TestClock};

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

struct World {
    source: Arc<MemorySource>,
    clock: Arc<TestClock>,
    key: AgentKey,
}

fn down() -> FetchError {
    FetchError::Unreachable("it timed out".to_owned())
}

fn throttled() -> FetchError {
    FetchError::Busy {
        code: "ThrottlingException".to_owned(),
    }
}

fn revoked_role() -> FetchError {
    FetchError::Refused {
        code: "AccessDeniedException".to_owned(),
        message: "User is not authorized to perform: secretsmanager:GetSecretValue".to_owned(),
    }
}

fn client(
    source: &Arc<MemorySource>,
    clock: &Arc<TestClock>,
    environment: Environment,
) -> KeywardClient {
    let settings = Settings::of(environment);
    KeywardClient::with_clock(source.clone(), settings, clock.clone(), Arc::new(Longest)).unwrap()
}

/// A secret with one version, whose key is refreshed after exactly 60 minutes.
fn world() -> World {
    let (source, clock) = (MemorySource::new(), TestClock::start());
    source.put("llm/bot", "v1", "sk-EXAMPLE-1");
    let client = client(&source, &clock, Environment::Prod);
    let key = client.secret(SecretId::new("llm/bot").unwrap());
    World { source, clock, key }
}

impl World {
    async fn version(&self) -> String {
        let key = self.key.get().await.unwrap();
        key.expose().unwrap();
        key.version().to_string()
    }

    /// Lets time pass with somebody asking once a minute.
    async fn pass(&self, minutes: u32) {
        for _ in 0..minutes {
            self.clock.sleep(MINUTE).await;
            let _ = self.key.get().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_first_fetches_make_one_call() {
    let world = world();
    world.source.takes(3 * SECOND);
    let asked = (0..1000).map(|_| {
        let key = world.key.clone();
        tokio::spawn(async move { key.get().await.unwrap().expose().unwrap().to_owned() })
    });
    let asked: Vec<_> = asked.collect();
    for one in asked {
        assert_eq!(one.await.unwrap(), "sk-EXAMPLE-1");
    }
    assert_eq!(world.source.gets(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_who_gives_up_takes_the_fetch_from_nobody() {
    let world = world();
    world.source.takes(3 * SECOND);
    let first = tokio::time::timeout(SECOND, world.key.get()).await;
    assert!(first.is_err());
    assert_eq!(world.version().await, "v1");
    assert_eq!(world.source.gets(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_refreshed_in_its_time_and_nobody_waits_for_it() {
    let world = world();
    assert_eq!(world.version().await, "v1");
    world.source.put("llm/bot", "v2", "sk-EXAMPLE-2");
    world.pass(59).await;
    assert_eq!(
        (world.version().await.as_str(), world.source.gets()),
        ("v1", 1)
    );
    world.source.takes(10 * SECOND);
    world.pass(1).await;
    let begun = world.clock.now();
    assert_eq!(world.version().await, "v1");
    assert_eq!(world.clock.now(), begun, "nobody waited");
    world.pass(1).await;
    assert_eq!(
        (world.version().await.as_str(), world.source.gets()),
        ("v2", 2)
    );
}

#[tokio::test(start_paused = true)]
async fn past_its_lease_there_is_an_error_and_never_the_old_key() {
    let world = world();
    let held = world.key.get().await.unwrap();
    world.source.fails(Some(down()));
    world.pass(109).await;
    assert_eq!(world.version().await, "v1");
    assert_eq!(world.key.standing().failure, Some(down()));
    world.pass(1).await;
    let refused = world.key.get().await.unwrap_err();
    assert!(
        matches!(&refused, KeyError::LeaseOver { version, .. } if version.as_str() == "v1"),
        "{refused:?}"
    );
    assert!(refused.is_transient());
    let words = refused.to_string();
    for word in ["secret llm/bot", "v1", "may be revoked", "is tried again"] {
        assert!(words.contains(word), "{words}");
    }
    assert!(matches!(held.expose(), Err(KeyError::HeldTooLong { .. })));
    assert_eq!(world.key.standing().version, None);
    world.source.put("llm/bot", "v2", "sk-EXAMPLE-2");
    world.source.fails(None);
    world.clock.sleep(30 * SECOND).await;
    assert_eq!(world.version().await, "v2");
    assert_eq!(world.key.standing().failure, None);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_is_tried_again_without_haste() {
    let world = world();
    world.version().await;
    world.source.fails(Some(throttled()));
    world.pass(60).await;
    let before = world.source.gets();
    world.pass(10).await;
    let tried = world.source.gets() - before;
    assert!(
        (18..=24).contains(&tried),
        "every 30 s at the longest: {tried}"
    );
    world.source.fails(None);
    world.pass(1).await;
    assert!(world.key.standing().age.unwrap() <= MINUTE);
    assert_eq!(world.source.most_at_once(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_first_fetch_waits_out_what_passes() {
    let world = world();
    for error in [down(), throttled(), FetchError::NoAnswer] {
        world.source.fails_once(error);
    }
    assert_eq!(world.version().await, "v1");
    assert_eq!(world.source.gets(), 4);
}

#[tokio::test(start_paused = true)]
async fn who_asks_waits_no_longer_than_their_patience() {
    let world = world();
    world.source.takes(45 * SECOND);
    let begun = world.clock.now();
    let waited = world.key.get().await.unwrap_err();
    assert!(matches!(waited, KeyError::Waited { .. }), "{waited:?}");
    assert_eq!(world.clock.now().since(begun), 30 * SECOND);
    assert_eq!(world.version().await, "v1", "it was asked on");
    assert_eq!(world.source.gets(), 1);
    world.source.takes(Duration::ZERO);
    world.source.fails(Some(down()));
    let fresh = client(&world.source, &world.clock, Environment::Prod);
    let key = fresh.secret(SecretId::new("llm/bot").unwrap());
    let begun = world.clock.now();
    let none = key.get().await.unwrap_err();
    assert!(matches!(none, KeyError::None { .. }), "{none:?}");
    assert!(world.clock.now().since(begun) <= 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn what_only_a_person_can_mend_is_told_at_once_and_not_asked_again_and_again() {
    let world = world();
    world.source.fails(Some(revoked_role()));
    let begun = world.clock.now();
    for _ in 0..1000 {
        let refused = world.key.get().await.unwrap_err();
        assert!(!refused.is_transient(), "{refused}");
        assert!(refused.to_string().contains("AgentPolicy"), "{refused}");
    }
    assert_eq!(world.clock.now(), begun);
    assert_eq!(world.source.gets(), 1);
    world.clock.sleep(30 * SECOND).await;
    world.source.fails(None);
    assert_eq!(world.version().await, "v1");
}

#[tokio::test(start_paused = true)]
async fn a_role_that_is_revoked_keeps_its_key_no_longer_than_the_lease() {
    let world = world();
    world.version().await;
    world.source.fails(Some(revoked_role()));
    world.pass(109).await;
    assert_eq!(world.version().await, "v1");
    world.pass(1).await;
    let over = world.key.get().await.unwrap_err();
    assert!(matches!(over, KeyError::LeaseOver { .. }) && !over.is_transient());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_forward_makes_keys_older_and_never_younger() {
    let world = world();
    world.version().await;
    world.source.put("llm/bot", "v2", "sk-EXAMPLE-2");
    world.clock.jump_forward(61 * MINUTE);
    assert_eq!(world.version().await, "v1", "within its lease");
    world.clock.sleep(SECOND).await;
    assert_eq!(world.version().await, "v2", "and it was refreshed");
    world.source.put("llm/bot", "v3", "sk-EXAMPLE-3");
    world.clock.jump_forward(24 * 60 * MINUTE);
    assert_eq!(world.version().await, "v3", "past its lease");
    world.clock.jump_forward(24 * 60 * MINUTE);
    world.source.fails(Some(down()));
    let over = world.key.get().await.unwrap_err();
    assert!(matches!(over, KeyError::LeaseOver { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_back_lengthens_no_lease() {
    let world = world();
    let held = world.key.get().await.unwrap();
    world.source.fails(Some(down()));
    world.clock.jump_back(7 * 24 * 60 * MINUTE);
    world.pass(109).await;
    assert_eq!(world.version().await, "v1");
    world.pass(1).await;
    assert!(world.key.get().await.is_err());
    assert!(held.expose().is_err());
    assert!(held.left().is_zero() && held.age() >= 110 * MINUTE);
    world.source.fails(None);
    world.clock.sleep(30 * SECOND).await;
    assert_eq!(world.version().await, "v1");
    world.clock.jump_back(7 * 24 * 60 * MINUTE);
    world.source.put("llm/bot", "v2", "sk-EXAMPLE-2");
    world.pass(61).await;
    assert_eq!(
        world.version().await,
        "v2",
        "refreshed in its time all the same"
    );
}

#[tokio::test(start_paused = true)]
async fn refresh_brings_what_is_there_now_and_no_older_key() {
    let world = world();
    world.version().await;
    world.source.put("llm/bot", "v2", "sk-EXAMPLE-2");
    assert_eq!(world.key.refresh().await.unwrap().version().as_str(), "v2");
    world.source.fails(Some(down()));
    let none = world.key.refresh().await.unwrap_err();
    assert!(matches!(none, KeyError::None { .. }), "{none:?}");
    assert_eq!(
        world.version().await,
        "v2",
        "held on to until its lease is over"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refresh_is_never_answered_by_a_fetch_that_began_before_it() {
    let world = world();
    world.version().await;
    world.source.takes(4 * SECOND);
    let (one, other) = (world.key.clone(), world.key.clone());
    let early = tokio::spawn(async move { one.refresh().await.unwrap() });
    world.clock.sleep(SECOND).await;
    let late = tokio::spawn(async move { other.refresh().await.unwrap() });
    let begun = world.clock.now();
    early.await.unwrap();
    late.await.unwrap();
    assert_eq!(world.clock.now().since(begun), 7 * SECOND);
    assert_eq!((world.source.gets(), world.source.most_at_once()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_401_refreshes_at_once_and_on_until_there_is_another_key() {
    let world = world();
    world.version().await;
    let v1 = VersionId::new("v1");
    assert!(world.key.refused(&v1).await.is_none());
    assert_eq!(world.source.gets(), 2, "at once");
    assert!(world.key.refused(&v1).await.is_none());
    assert_eq!(world.source.gets(), 2, "and no faster for being told again");
    world.clock.sleep(5 * MINUTE).await;
    let tried = world.source.gets();
    assert!(
        (10..=16).contains(&tried),
        "2, 4, 8, 16, 30, 30… s: {tried}"
    );
    assert!(world.key.standing().refused_for.unwrap() >= 5 * MINUTE);
    world.source.put("llm/bot", "v2", "sk-EXAMPLE-2");
    world.clock.sleep(31 * SECOND).await;
    assert_eq!(world.version().await, "v2");
    assert_eq!(world.key.standing().refused_for, None);
    let newer = world.key.refused(&v1).await.unwrap();
    assert_eq!(
        newer.version().as_str(),
        "v2",
        "a late 401 finds the newer key"
    );
    let before = world.source.gets();
    world.clock.sleep(20 * MINUTE).await;
    assert_eq!(world.source.gets(), before, "nothing is hurried any more");
}

#[tokio::test(start_paused = true)]
async fn a_401_is_followed_up_for_fifteen_minutes_and_another_begins_them_anew() {
    let world = world();
    world.version().await;
    let v1 = VersionId::new("v1");
    world.key.refused(&v1).await;
    world.clock.sleep(15 * MINUTE + SECOND).await;
    let tried = world.source.gets();
    assert!((30..=36).contains(&tried), "{tried}");
    world.clock.sleep(10 * MINUTE).await;
    assert_eq!(world.source.gets(), tried);
    world.key.refused(&v1).await;
    assert_eq!(world.source.gets(), tried + 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_401s_make_one_refresh_at_a_time() {
    let world = world();
    world.version().await;
    world.source.put("llm/bot", "v2", "sk-EXAMPLE-2");
    world.source.takes(SECOND);
    let told = (0..1000).map(|_| {
        let key = world.key.clone();
        tokio::spawn(async move { key.refused(&VersionId::new("v1")).await.unwrap() })
    });
    for one in told.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap().version().as_str(), "v2");
    }
    assert_eq!((world.source.gets(), world.source.most_at_once()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_401_while_secrets_manager_is_down_is_followed_up_when_it_is_back() {
    let world = world();
    world.version().await;
    world.source.fails(Some(down()));
    assert!(world.key.refused(&VersionId::new("v1")).await.is_none());
    world.clock.sleep(2 * MINUTE).await;
    world.source.put("llm/bot", "v2", "sk-EXAMPLE-2");
    world.source.fails(None);
    world.clock.sleep(31 * SECOND).await;
    assert_eq!(world.version().await, "v2");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_is_wiped_and_fetched_no_more() {
    let world = world();
    world.version().await;
    world.clock.sleep(109 * MINUTE).await;
    assert_eq!(world.key.standing().version, Some(VersionId::new("v1")));
    world.clock.sleep(2 * MINUTE).await;
    assert_eq!(world.key.standing().version, None);
    let fetched = world.source.gets();
    world.clock.sleep(24 * 60 * MINUTE).await;
    assert_eq!(world.source.gets(), fetched);
    assert_eq!(world.version().await, "v1");
}

#[tokio::test(start_paused = true)]
async fn whose_slots_are_gone_fetches_no_more() {
    let world = world();
    world.version().await;
    drop(world.key);
    world.clock.sleep(24 * 60 * MINUTE).await;
    assert_eq!(world.source.gets(), 1);
}

#[tokio::test(start_paused = true)]
async fn outside_production_no_production_key_is_fetched() {
    let (source, clock) = (MemorySource::new(), TestClock::start());
    source.put("llm/bot", "v1", "sk-EXAMPLE-1");
    for (process, tag, given) in [
        (Environment::Dev, None, false),
        (Environment::Dev, Some("prod"), false),
        (Environment::Staging, Some("Production"), false),
        (Environment::Dev, Some("dev"), true),
        (Environment::Staging, Some("staging"), true),
        (Environment::Prod, None, true),
        (Environment::Prod, Some("dev"), true),
    ] {
        source.tag("llm/bot", "bot", tag);
        let before = source.gets();
        let key = client(&source, &clock, process).secret(SecretId::new("llm/bot").unwrap());
        let outcome = key.get().await;
        assert_eq!(outcome.is_ok(), given, "{process} {tag:?}");
        assert_eq!(source.gets() > before, given, "its value was not even read");
        if let Err(refused) = outcome {
            assert!(
                refused.to_string().contains("one of production"),
                "{refused}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_becomes_one_of_production_is_given_out_no_longer_than_its_lease() {
    let (source, clock) = (MemorySource::new(), TestClock::start());
    source.put("llm/bot", "v1", "sk-EXAMPLE-1");
    source.tag("llm/bot", "bot", Some("dev"));
    let key = client(&source, &clock, Environment::Dev).secret(SecretId::new("llm/bot").unwrap());
    key.get().await.unwrap();
    source.tag("llm/bot", "bot", Some("prod"));
    assert!(key.refresh().await.is_err());
    clock.sleep(110 * MINUTE).await;
    assert!(key.get().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_found_by_its_secrets_tag_and_by_one_alone() {
    let (source, clock) = (MemorySource::new(), TestClock::start());
    source.put("llm/bot", "v1", r#"{"api_key":"sk-EXAMPLE-1"}"#);
    source.tag("llm/bot", "bot", None);
    let client = client(&source, &clock, Environment::Prod);
    let key = client.slot(SlotName::new("bot").unwrap());
    assert_eq!(key.get().await.unwrap().expose().unwrap(), "sk-EXAMPLE-1");
    let none = client.slot(SlotName::new("other").unwrap()).get().await;
    assert!(none.unwrap_err().to_string().contains("slot other"));
    source.put("llm/second", "v9", "sk-EXAMPLE-9");
    source.tag("llm/second", "bot", None);
    let two = client.slot(SlotName::new("bot").unwrap()).get().await;
    assert!(two.unwrap_err().to_string().contains("2 have"));
    source.tag("llm/bot", "somebody-else", None);
    assert!(key.refresh().await.is_err(), "it is the slot's no more");
    assert_eq!(key.refresh().await.unwrap().version().as_str(), "v9");
}

#[tokio::test(start_paused = true)]
async fn nothing_that_can_be_printed_shows_the_key() {
    let world = world();
    let key = world.key.get().await.unwrap();
    world
        .source
        .put("llm/bot", "v2", "{\"api_key\": \"sk-EXAMPLE-2\"");
    let broken = world.key.refresh().await.unwrap_err();
    let said = format!(
        "{key:?} {:?} {:?} {broken} {broken:?} {:?}",
        world.key,
        world.key.standing(),
        world.source
    );
    assert!(!said.contains("EXAMPLE"), "{said}");
    assert!(
        said.contains("v1") && said.contains("begins like JSON"),
        "{said}"
    );
}
