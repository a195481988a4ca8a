//! For tests: a clock whose wall can be set, chance that is known, and a Secrets Manager in memory.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use secrecy::SecretString;

use crate::clock::{Clock, Jitter, Moment};
use crate::error::FetchError;
use crate::source::{
    Content, Query, SecretId, SecretSource, SecretValue, SlotName, Tags, VersionId,
};

/// Tokio's clock, which a test can pause, as the steady one; the one of the wall goes with it until it is set.
#[derive(Debug)]
pub struct TestClock {
    began: tokio::time::Instant,
    wall: Mutex<SystemTime>,
}

impl TestClock {
    /// It is 1 December 2026, 9:00 UTC.
    pub fn start() -> Arc<Self> {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_115_600);
        Arc::new(Self {
            began: tokio::time::Instant::now(),
            wall: Mutex::new(start),
        })
    }

    /// Sets the wall's clock forward. A machine that slept sees the same.
    pub fn jump_forward(&self, by: Duration) {
        *lock(&self.wall) += by;
    }

    /// Sets the wall's clock back.
    pub fn jump_back(&self, by: Duration) {
        *lock(&self.wall) -= by;
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Moment {
        let steady = self.began.elapsed();
        Moment {
            steady,
            wall: *lock(&self.wall) + steady,
        }
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// No chance: always the most.
#[derive(Debug, Clone, Copy)]
pub struct Longest;

impl Jitter for Longest {
    fn between(&self, least: Duration, most: Duration) -> Duration {
        most.max(least)
    }
}

/// Secrets in memory, which a test changes, slows down and breaks.
#[derive(Default)]
pub struct MemorySource {
    inner: Mutex<Memory>,
}

impl fmt::Debug for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemorySource")
    }
}

#[derive(Default)]
struct Memory {
    secrets: BTreeMap<String, Stored>,
    takes: Duration,
    failing: Option<FetchError>,
    next: VecDeque<FetchError>,
    gets: usize,
    most_at_once: usize,
    at_once: usize,
}

#[derive(Default)]
struct Stored {
    versions: Vec<(VersionId, SecretString)>,
    tags: Tags,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemorySource {
    /// Without a secret.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Puts a value under AWSCURRENT.
    pub fn put(&self, secret: &str, version: &str, text: &str) {
        let mut memory = lock(&self.inner);
        let stored = memory.secrets.entry(secret.to_owned()).or_default();
        let version = (VersionId::new(version), SecretString::from(text));
        stored.versions.push(version);
    }

    /// Tags a secret.
    pub fn tag(&self, secret: &str, slot: &str, environment: Option<&str>) {
        let mut memory = lock(&self.inner);
        let stored = memory.secrets.entry(secret.to_owned()).or_default();
        stored.tags = Tags {
            slot: Some(slot.to_owned()),
            environment: environment.map(str::to_owned),
        };
    }

    /// Each call takes so long from now on.
    pub fn takes(&self, time: Duration) {
        lock(&self.inner).takes = time;
    }

    /// Every call fails so from now on; `None`: none does.
    pub fn fails(&self, error: Option<FetchError>) {
        lock(&self.inner).failing = error;
    }

    /// The next call fails so; told again, the one after it.
    pub fn fails_once(&self, error: FetchError) {
        lock(&self.inner).next.push_back(error);
    }

    /// How often a value was asked for.
    pub fn gets(&self) -> usize {
        lock(&self.inner).gets
    }

    /// How many at the same time, at most.
    pub fn most_at_once(&self) -> usize {
        lock(&self.inner).most_at_once
    }

    async fn answer(&self) -> Result<(), FetchError> {
        let takes = lock(&self.inner).takes;
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        let mut memory = lock(&self.inner);
        match memory.next.pop_front().or_else(|| memory.failing.clone()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

fn not_found() -> FetchError {
    FetchError::Refused {
        code: "ResourceNotFoundException".to_owned(),
        message: "Secrets Manager can't find the specified secret.".to_owned(),
    }
}

#[async_trait]
impl SecretSource for MemorySource {
    async fn get(&self, query: &Query) -> Result<SecretValue, FetchError> {
        {
            let mut memory = lock(&self.inner);
            memory.gets += 1;
            memory.at_once += 1;
            memory.most_at_once = memory.most_at_once.max(memory.at_once);
        }
        let answered = self.answer().await;
        let mut memory = lock(&self.inner);
        memory.at_once -= 1;
        answered?;
        let name = query.secret.as_str();
        let stored = memory.secrets.get(name).ok_or_else(not_found)?;
        let wanted = |id: &VersionId| query.version.as_deref().is_none_or(|v| v == id.as_str());
        let mut versions = stored.versions.iter().rev();
        let (version, text) = versions.find(|(id, _)| wanted(id)).ok_or_else(not_found)?;
        let stage = query.stage.as_deref().unwrap_or("AWSCURRENT");
        Ok(SecretValue {
            arn: format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}-aBcDeF"),
            name: name.to_owned(),
            version: version.clone(),
            content: Content::Text(text.clone()),
            stages: vec![stage.to_owned()],
            created: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_569_534_789_046)),
        })
    }

    async fn tags(&self, secret: &SecretId) -> Result<Tags, FetchError> {
        self.answer().await?;
        let memory = lock(&self.inner);
        let stored = memory.secrets.get(secret.as_str());
        stored
            .map(|stored| stored.tags.clone())
            .ok_or_else(not_found)
    }

    async fn of_slot(&self, slot: &SlotName) -> Result<Vec<SecretId>, FetchError> {
        self.answer().await?;
        let memory = lock(&self.inner);
        let of_slot = memory
            .secrets
            .iter()
            .filter(|(_, stored)| stored.tags.slot.as_deref() == Some(slot.as_str()));
        let ids = of_slot.map(|(name, _)| SecretId::new(name));
        Ok(ids.filter_map(Result::ok).collect())
    }
}
