//! Clocks that tests move.

use std::sync::Mutex;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use keyward_core::ports::Clock;

/// Stands still until it is moved; sleeping moves it.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// Starts at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Starts at a round time on 1 December 2026, UTC.
    pub fn start() -> Self {
        Self::at("2026-12-01T09:00:00Z".parse().expect("a valid time"))
    }

    /// Moves on by `duration`.
    pub fn advance(&self, duration: SignedDuration) {
        *self.0.lock().expect("not poisoned") += duration;
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("not poisoned")
    }

    async fn sleep(&self, duration: SignedDuration) {
        self.advance(duration);
        tokio::task::yield_now().await;
    }
}

/// Tokio's clock, which stands still in a test that pauses it until everybody waits.
#[derive(Debug)]
pub struct TokioClock {
    start: Timestamp,
    began: tokio::time::Instant,
}

impl TokioClock {
    /// It is `now`.
    pub fn at(now: Timestamp) -> Self {
        Self {
            start: now,
            began: tokio::time::Instant::now(),
        }
    }
}

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).expect("a short time");
        self.start + passed
    }

    async fn sleep(&self, duration: SignedDuration) {
        tokio::time::sleep(duration.try_into().unwrap_or_default()).await;
    }
}
