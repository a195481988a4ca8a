//! How keys are kept: how often they are refreshed, how long they may be used, where this process runs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Where this process runs. Outside production no production key is given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// A developer's machine, a test.
    Dev,
    /// Before production.
    Staging,
    /// Production.
    Prod,
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        })
    }
}

/// A word that names no environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an environment is one of dev, staging and prod")]
pub struct UnknownEnvironment;

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(text: &str) -> Result<Self, UnknownEnvironment> {
        match text {
            "dev" => Ok(Self::Dev),
            "staging" => Ok(Self::Staging),
            "prod" => Ok(Self::Prod),
            _ => Err(UnknownEnvironment),
        }
    }
}

/// How keys are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Where this process runs.
    pub environment: Environment,
    /// A key is fetched anew after a time that chance chooses from the first to the second: 30 to 60 minutes. The longest a
    /// slot's policy allows, `refresh_minutes` in the fleet file, is 60.
    pub refresh: (Duration, Duration),
    /// How long after it was fetched a key may be used: 110 minutes. It must be less than the slot's overlap (two hours, if
    /// the fleet file says nothing else): for so long a key that was replaced just after it was fetched stays valid.
    pub lease: Duration,
    /// How long whoever asks for a key waits at most where there is none to be had: 30 seconds.
    pub patience: Duration,
}

/// Settings under which a rule would be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// The refresh interval.
    #[error(
        "keys are refreshed after 1 to 60 minutes, and the least time is not more than the most"
    )]
    Refresh,
    /// The lease.
    #[error("a lease is longer than the refresh interval, and no longer than 24 hours")]
    Lease,
    /// The patience.
    #[error("whoever asks for a key waits from 1 second to 5 minutes")]
    Patience,
}

impl Settings {
    /// What is said above, for this environment.
    pub const fn of(environment: Environment) -> Self {
        Self {
            environment,
            refresh: (Duration::from_secs(30 * 60), Duration::from_secs(60 * 60)),
            lease: Duration::from_secs(110 * 60),
            patience: Duration::from_secs(30),
        }
    }

    /// Looks whether the settings keep the rules.
    ///
    /// # Errors
    /// [`BadSettings`].
    pub fn check(&self) -> Result<(), BadSettings> {
        let (least, most) = self.refresh;
        if least < MINUTE || most > 60 * MINUTE || least > most {
            return Err(BadSettings::Refresh);
        }
        if self.lease <= most || self.lease > 24 * 60 * MINUTE {
            return Err(BadSettings::Lease);
        }
        if self.patience < Duration::from_secs(1) || self.patience > 5 * MINUTE {
            return Err(BadSettings::Patience);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_break_a_rule_are_refused() {
        let good = Settings::of(Environment::Prod);
        assert_eq!(good.check(), Ok(()));
        for (bad, why) in [
            (
                Settings {
                    refresh: (MINUTE, 61 * MINUTE),
                    ..good
                },
                BadSettings::Refresh,
            ),
            (
                Settings {
                    refresh: (40 * MINUTE, 30 * MINUTE),
                    ..good
                },
                BadSettings::Refresh,
            ),
            (
                Settings {
                    lease: 60 * MINUTE,
                    ..good
                },
                BadSettings::Lease,
            ),
            (
                Settings {
                    lease: 1441 * MINUTE,
                    ..good
                },
                BadSettings::Lease,
            ),
            (
                Settings {
                    patience: Duration::ZERO,
                    ..good
                },
                BadSettings::Patience,
            ),
        ] {
            assert_eq!(bad.check(), Err(why));
        }
    }

    #[test]
    fn environments_are_read_as_they_are_written() {
        for one in [Environment::Dev, Environment::Staging, Environment::Prod] {
            assert_eq!(one.to_string().parse(), Ok(one));
        }
        assert_eq!("Production".parse::<Environment>(), Err(UnknownEnvironment));
    }
}
