//! Time.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

/// The time, and waiting for it to pass.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now, UTC.
    fn now(&self) -> Timestamp;

    /// Returns when `duration` has passed.
    async fn sleep(&self, duration: SignedDuration);
}

/// When an invocation must have ended. Work that would not fit is left for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Timestamp);

impl Deadline {
    /// Whether `duration` from now still ends in time.
    pub fn allows(self, clock: &dyn Clock, duration: SignedDuration) -> bool {
        clock.now() + duration < self.0
    }
}
