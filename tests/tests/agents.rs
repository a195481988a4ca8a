//! Agents that call all the time live through rotations and kills: no call fails for a rotation, after a kill they work again
//! within half a minute of the replacement's promotion, and none uses a key past its lease.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use jiff::SignedDuration;
use keyward_client::clock::{Clock as _, Moment, RandomJitter};
use keyward_client::testing::TestClock;
use keyward_client::{
    AgentKey, Content, Environment, FetchError, KeywardClient, Query, SecretId, SecretSource,
    SecretValue, Settings, SlotName, Tags, VersionId,
};
use keyward_core::model::incident::{Evidence, Figures, OwnerId, TriggerId};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Clock as _, Deadline, SecretStore, VersionSelector};
use keyward_core::usecases::kill::{Invocation, KillOrder, KillOutcome, kill};
use keyward_tests::support::{Outside, World, token};
use secrecy::{ExposeSecret, SecretString};

const AGENTS: usize = 100;
const ROTATIONS: u32 = 10;
/// A scheduled rotation every so many hours.
const EVERY: u32 = 4;
/// The hours at which the slot is killed: further apart than a day.
const KILLS: [u32; 2] = [10, 38];
/// From an agent's call to its next; sooner where one failed.
const PACE: Duration = Duration::from_secs(30);
const PACE_OF_TROUBLE: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_secs(10);

/// Secrets Manager of the stage, as agents read it.
struct OfStage(Arc<Outside>, keyward_core::model::names::SecretArn);

impl std::fmt::Debug for OfStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OfStage")
    }
}

#[async_trait]
impl SecretSource for OfStage {
    async fn get(&self, query: &Query) -> Result<SecretValue, FetchError> {
        assert_eq!(query.secret.as_str(), self.1.as_str());
        let value = self
            .0
            .secrets
            .value(&self.1, VersionSelector::Current)
            .await;
        let (version, text) = value.unwrap().unwrap();
        Ok(SecretValue {
            arn: self.1.to_string(),
            name: "llm/support-bot".to_owned(),
            version: VersionId::new(version.as_str()),
            content: Content::Text(SecretString::from(text.expose_secret())),
            stages: vec!["AWSCURRENT".to_owned()],
            created: Some(SystemTime::UNIX_EPOCH),
        })
    }

    async fn tags(&self, _: &SecretId) -> Result<Tags, FetchError> {
        unreachable!("in production no tags are asked for")
    }

    async fn of_slot(&self, _: &SlotName) -> Result<Vec<SecretId>, FetchError> {
        unreachable!("the secret is named")
    }
}

/// What happened, and when.
#[derive(Default)]
struct Seen {
    calls: usize,
    failed: Vec<(Moment, String)>,
    /// When each version was replaced by another.
    replaced: BTreeMap<String, Moment>,
    without_key: usize,
}

impl Seen {
    /// Counts a call with a version, and says since when there has been another.
    fn called(&mut self, version: &VersionId) -> Option<Moment> {
        self.calls += 1;
        self.replaced.get(version.as_str()).copied()
    }
}

struct Stage {
    world: World,
    clock: Arc<TestClock>,
    seen: Arc<Mutex<Seen>>,
}

impl Stage {
    /// Time passes for all alike: agents call, `retire` is woken every five minutes.
    async fn pass(&self, time: Duration) {
        let ticks = u32::try_from(time.as_secs() / TICK.as_secs()).unwrap();
        for tick in 1..=ticks {
            tokio::time::sleep(TICK).await;
            self.world.pass(SignedDuration::try_from(TICK).unwrap());
            if tick % 30 == 0 {
                let due = self.world.outside.inventory.next_due();
                if due.is_some_and(|at| at <= self.world.outside.clock.now()) {
                    let _ = self.world.retire().await;
                }
            }
        }
    }

    /// The version that agents get. Writes down when it took the place of another.
    fn note_promotion(&self, before: &str) {
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap();
        seen.replaced.insert(before.to_owned(), now);
    }

    fn current(&self) -> String {
        let secrets = &self.world.outside.secrets;
        let holder = secrets.holder(&self.world.secret, &keyward_core::ports::Stage::Current);
        holder.unwrap().to_string()
    }

    async fn rotate(&self, number: u32) {
        let before = self.current();
        self.world.rotate(&token(number)).await.unwrap();
        assert_ne!(self.current(), before);
        self.note_promotion(&before);
    }

    /// A kill, and 40 seconds later its replacement. Returns from when to when calls may fail.
    async fn kill(&self, number: usize) -> (Moment, Moment) {
        let begun = self.clock.now();
        let order = KillOrder {
            slot: self.world.slot.clone(),
            trigger: TriggerId::new(&format!("person {number}")),
            evidence: Evidence::Person,
            cause: OutsideText::new("calls at night"),
            seen: self.world.outside.clock.now(),
            figures: Figures::OfLiveKeys,
        };
        let invocation = Invocation {
            owner: OwnerId::new("one"),
            deadline: Deadline(self.world.outside.clock.now() + SignedDuration::from_secs(60)),
        };
        let killed = kill(&self.world.open, &order, &invocation).await.unwrap();
        assert!(matches!(killed, KillOutcome::Contained(_)), "{killed:?}");
        self.pass(Duration::from_secs(40)).await;
        let before = self.current();
        self.world.rotate_as_asked().await;
        assert_ne!(self.current(), before, "the kill asked for a replacement");
        self.note_promotion(&before);
        (begun, self.clock.now())
    }
}

/// Calls all the time.
async fn agent(
    key: AgentKey,
    outside: Arc<Outside>,
    clock: Arc<TestClock>,
    seen: Arc<Mutex<Seen>>,
) {
    loop {
        let mut worked = false;
        match key.get().await {
            Err(_) => seen.lock().unwrap().without_key += 1,
            Ok(mut leased) => {
                for _ in 0..2 {
                    assert!(leased.age() < Duration::from_secs(110 * 60));
                    worked = outside.provider.call(leased.expose().unwrap());
                    let version = leased.version().clone();
                    if let Some(at) = seen.lock().unwrap().called(&version) {
                        let stale = clock.now().since(at);
                        assert!(
                            stale < Duration::from_secs(110 * 60),
                            "{version}: {stale:?}"
                        );
                    }
                    if worked {
                        break;
                    }
                    let Some(newer) = key.refused(&version).await else {
                        break;
                    };
                    leased = newer;
                }
                if !worked {
                    let failed = (clock.now(), leased.version().to_string());
                    seen.lock().unwrap().failed.push(failed);
                }
            }
        }
        clock
            .sleep(if worked { PACE } else { PACE_OF_TROUBLE })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_agents_live_through_ten_rotations_and_two_kills() {
    fastrand::seed(7);
    let stage = Stage {
        world: World::in_memory(&Arc::default()).await,
        clock: TestClock::start(),
        seen: Arc::default(),
    };
    let source = Arc::new(OfStage(
        stage.world.outside.clone(),
        stage.world.secret.clone(),
    ));
    let secret = SecretId::new(stage.world.secret.as_str()).unwrap();
    let mut agents = Vec::new();
    for _ in 0..AGENTS {
        // Each is a process of its own: nothing is shared but Secrets Manager.
        let (clock, chance) = (stage.clock.clone(), Arc::new(RandomJitter));
        let settings = Settings::of(Environment::Prod);
        let client = KeywardClient::with_clock(source.clone(), settings, clock, chance).unwrap();
        let (outside, clock) = (stage.world.outside.clone(), stage.clock.clone());
        let key = client.secret(secret.clone());
        let agent = agent(key, outside, clock, stage.seen.clone());
        agents.push(tokio::spawn(agent));
    }
    let mut trouble = Vec::new();
    let mut rotations = 0;
    for hour in 1..=ROTATIONS * EVERY + 2 {
        stage.pass(Duration::from_secs(3600)).await;
        if KILLS.contains(&hour) {
            trouble.push(stage.kill(trouble.len()).await);
        } else if hour % EVERY == 0 && rotations < ROTATIONS {
            rotations += 1;
            stage.rotate(100 + rotations).await;
        }
    }
    let all_call = agents.iter().all(|agent| !agent.is_finished());
    assert!(all_call, "an agent ended: it had a key past its lease");
    let seen = stage.seen.lock().unwrap();
    assert_eq!(rotations, ROTATIONS);
    assert!(seen.calls > AGENTS * 40 * 100, "{} calls", seen.calls);
    assert_eq!(seen.without_key, 0);
    assert!(seen.failed.len() >= 2 * AGENTS, "the kills were felt");
    let margin = Duration::from_secs(31);
    for (at, version) in &seen.failed {
        let of_a_kill = trouble.iter().any(|(begun, promoted)| {
            at.steady >= begun.steady && at.steady <= promoted.steady + margin
        });
        assert!(
            of_a_kill,
            "a call with {version} failed at {:?}, {trouble:?}",
            at.steady
        );
    }
}
