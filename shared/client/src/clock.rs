//! Time and chance, so that tests decide both.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

/// One moment by two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Since some fixed point, by a clock that is never set. It may stand still while the machine sleeps.
    pub steady: Duration,
    /// By the clock of the wall, which people and NTP set.
    pub wall: SystemTime,
}

impl Moment {
    /// How long after `earlier` this is at most: by the clock that says more. The steady one stands still in a machine that
    /// sleeps or is frozen, and the one of the wall can be set back; nothing is ever taken for younger than it is.
    pub fn since(self, earlier: Self) -> Duration {
        let steady = self.steady.saturating_sub(earlier.steady);
        let wall = self.wall.duration_since(earlier.wall);
        steady.max(wall.unwrap_or_default())
    }
}

/// The time, and waiting for it to pass.
#[async_trait]
pub trait Clock: Debug + Send + Sync {
    /// Now.
    fn now(&self) -> Moment;

    /// Returns when `duration` has passed by the steady clock.
    async fn sleep(&self, duration: Duration);
}

/// The clocks of this machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    began: tokio::time::Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            began: tokio::time::Instant::now(),
        }
    }
}

#[async_trait]
impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everything else asks"
    )]
    fn now(&self) -> Moment {
        Moment {
            steady: self.began.elapsed(),
            wall: SystemTime::now(),
        }
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Chance.
pub trait Jitter: Debug + Send + Sync {
    /// Some duration from `least` to `most`, both included.
    fn between(&self, least: Duration, most: Duration) -> Duration;
}

/// Chance that is different in each process and each time.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomJitter;

impl Jitter for RandomJitter {
    fn between(&self, least: Duration, most: Duration) -> Duration {
        least + most.saturating_sub(least).mul_f64(fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(steady: u64, wall: u64) -> Moment {
        Moment {
            steady: Duration::from_secs(steady),
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(wall),
        }
    }

    #[test]
    fn nothing_is_taken_for_younger_than_it_is() {
        let fetched = moment(100, 1_000_000);
        for (name, now, age) in [
            ("both agree", moment(160, 1_000_060), 60),
            ("the wall's was set forward", moment(160, 1_086_460), 86_460),
            ("the wall's was set back", moment(160, 900_000), 60),
            ("the machine slept", moment(101, 1_007_200), 7200),
            ("both went back", moment(90, 900_000), 0),
        ] {
            assert_eq!(now.since(fetched), Duration::from_secs(age), "{name}");
        }
    }

    #[test]
    fn chance_stays_between_its_ends() {
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(30));
        let drawn: Vec<_> = (0..1000)
            .map(|_| RandomJitter.between(least, most))
            .collect();
        assert!(drawn.iter().all(|d| (least..=most).contains(d)));
        assert!(drawn.iter().any(|d| *d != drawn[0]));
        assert_eq!(RandomJitter.between(most, least), most);
    }
}
