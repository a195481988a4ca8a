//! A clock that is moved by hand.

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
