//! The real clock.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use keyward_core::ports::Clock;

/// The system's time, and tokio's timer for waiting.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everything else asks"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: SignedDuration) {
        // A negative duration has passed already.
        tokio::time::sleep(duration.try_into().unwrap_or_default()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sleeping_takes_as_long_as_asked_and_never_less_than_nothing() {
        for (asked, passed) in [(90, 90), (0, 0), (-5, 0)] {
            let begin = tokio::time::Instant::now();
            SystemClock.sleep(SignedDuration::from_secs(asked)).await;
            assert_eq!(begin.elapsed().as_secs(), passed, "{asked}");
        }
    }

    #[test]
    fn now_is_in_this_era() {
        let released: Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
        assert!(SystemClock.now() > released);
    }
}
