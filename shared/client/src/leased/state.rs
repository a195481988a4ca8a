//! What is known of a leased value, and what follows from it at a moment.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Fetched, Standing};
use crate::clock::Moment;
use crate::error::{FetchError, KeyError};
use crate::settings::Settings;
use crate::source::VersionId;

/// The least time between two fetches of which the second is made because of the first.
pub(super) const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// The most: full jitter between the two, doubled with each fetch.
const MOST_PAUSE: Duration = Duration::from_secs(30);

/// For how long a version that a provider refused is fetched anew.
const HURRY: Duration = Duration::from_secs(15 * 60);

/// A value, and where it is from.
pub(super) struct Held<T> {
    pub(super) value: T,
    pub(super) version: VersionId,
    /// When the fetch began: what changed since may not be in it.
    pub(super) fetched: Moment,
    /// Which fetch it was, counted from 1.
    pub(super) flight: u64,
}

/// What is known.
pub(super) struct State<T> {
    held: Option<Arc<Held<T>>>,
    /// At which age it is refreshed.
    refresh: Duration,
    /// The version that was held last and wiped, and when it was fetched.
    over: Option<(VersionId, Moment)>,
    flight: Option<watch::Receiver<()>>,
    /// How many fetches were begun.
    flights: u64,
    failure: Option<Failure>,
    refused: Option<Refused>,
    /// When somebody asked last.
    pub(super) asked: Option<Moment>,
    pub(super) keeper: Option<JoinHandle<()>>,
}

struct Failure {
    cause: FetchError,
    at: Moment,
    pause: Duration,
    times: u32,
    flight: u64,
}

struct Refused {
    version: VersionId,
    since: Moment,
    /// The last fetch since, and how long after it the next is due.
    tried: Option<(Moment, Duration)>,
    times: u32,
}

/// What whoever asks does.
pub(super) enum Step<T> {
    Have(Arc<Held<T>>),
    Flight(watch::Receiver<()>),
    Pause(Duration, KeyError),
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self {
            held: None,
            refresh: Duration::ZERO,
            over: None,
            flight: None,
            flights: 0,
            failure: None,
            refused: None,
            asked: None,
            keeper: None,
        }
    }
}

fn doubled(times: u32) -> Duration {
    let most = LEAST_PAUSE.saturating_mul(2u32.saturating_pow(times.saturating_add(1)));
    most.min(MOST_PAUSE)
}

impl<T> State<T> {
    /// What is held, within its lease.
    pub(super) fn valid(&self, now: Moment, settings: &Settings) -> Option<Arc<Held<T>>> {
        let held = self.held.as_ref();
        let held = held.filter(|held| now.since(held.fetched) < settings.lease);
        held.cloned()
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// The fetch that is under way. One whose task is gone is none.
    pub(super) fn flight(&self) -> Option<watch::Receiver<()>> {
        let flight = self.flight.as_ref();
        flight.filter(|done| done.has_changed().is_ok()).cloned()
    }

    pub(super) fn keeper_is_gone(&self) -> bool {
        self.keeper.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Whether a fetch is due: it is time, or the provider refuses what is held. Not while one is under way, and not in the
    /// pause after one that failed.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        if self.flight().is_some() || self.pause(now).is_some() {
            return false;
        }
        self.until_due(now).is_some_and(|left| left.is_zero())
    }

    fn until_due(&self, now: Moment) -> Option<Duration> {
        let held = self.held.as_ref()?;
        let by_age = self.refresh.saturating_sub(now.since(held.fetched));
        let by_refusal = self.hurry(now).map(|refused| match refused.tried {
            Some((at, pause)) => pause.saturating_sub(now.since(at)),
            None => Duration::ZERO,
        });
        Some(by_refusal.unwrap_or(by_age).min(by_age))
    }

    fn hurry(&self, now: Moment) -> Option<&Refused> {
        let refused = self.refused.as_ref();
        refused.filter(|refused| now.since(refused.since) < HURRY)
    }

    /// When the keeper looks again: something is due, a lease or a hurry is over, or nobody asked for a lease long.
    pub(super) fn until_next(&self, now: Moment, settings: &Settings) -> Duration {
        let pause = self.pause(now).map(|(pause, _)| pause);
        let due = self
            .until_due(now)
            .map(|due| due.max(pause.unwrap_or_default()));
        let held = self.held.as_ref();
        let lease = held.map(|held| settings.lease.saturating_sub(now.since(held.fetched)));
        let asked = self
            .asked
            .map(|at| settings.lease.saturating_sub(now.since(at)));
        let next = [due, lease, asked].into_iter().flatten().min();
        next.unwrap_or(MOST_PAUSE).max(Duration::from_millis(1))
    }

    /// What is left of the pause after a fetch that failed.
    pub(super) fn pause(&self, now: Moment) -> Option<(Duration, FetchError)> {
        let failure = self.failure.as_ref()?;
        let left = failure.pause.saturating_sub(now.since(failure.at));
        (!left.is_zero()).then(|| (left, failure.cause.clone()))
    }

    /// Why a fetch failed that began after the first `flights`.
    pub(super) fn failed_after(&self, flights: u64) -> Option<FetchError> {
        let failure = self.failure.as_ref()?;
        (failure.flight > flights).then(|| failure.cause.clone())
    }

    pub(super) fn flights(&self) -> u64 {
        self.flights
    }

    pub(super) fn take_off(&mut self, done: watch::Receiver<()>) {
        self.flight = Some(done);
        self.flights += 1;
    }

    /// The longest pause if the fetch under way fails.
    pub(super) fn next_pause(&self) -> Duration {
        doubled(self.failure.as_ref().map_or(0, |failure| failure.times))
    }

    /// The longest pause if the fetch under way brings what was refused.
    pub(super) fn next_try(&self) -> Duration {
        doubled(self.refused.as_ref().map_or(0, |refused| refused.times))
    }

    /// Keeps what was fetched: it is refreshed at age `refresh`, or after `retry` where the provider refuses it.
    pub(super) fn keep(
        &mut self,
        fetched: Fetched<T>,
        begun: Moment,
        refresh: Duration,
        retry: Duration,
    ) {
        self.flight = None;
        self.failure = None;
        self.over = None;
        match &mut self.refused {
            Some(refused) if refused.version == fetched.version => {
                refused.tried = Some((begun, retry));
                refused.times = refused.times.saturating_add(1);
            }
            _ => self.refused = None,
        }
        self.refresh = refresh;
        self.held = Some(Arc::new(Held {
            value: fetched.value,
            version: fetched.version,
            fetched: begun,
            flight: self.flights,
        }));
    }

    /// Takes down that a fetch failed.
    pub(super) fn fail(&mut self, cause: FetchError, at: Moment, pause: Duration) {
        self.flight = None;
        let times = self.failure.as_ref().map_or(0, |failure| failure.times);
        self.failure = Some(Failure {
            cause,
            at,
            pause,
            times: times.saturating_add(1),
            flight: self.flights,
        });
    }

    /// Takes down that a provider refused a version, and says whether that is news.
    pub(super) fn refuse(&mut self, version: &VersionId, now: Moment) -> bool {
        let held = self.held.as_ref();
        if held.is_some_and(|held| held.version != *version) {
            return false;
        }
        if self
            .hurry(now)
            .is_some_and(|known| known.version == *version)
        {
            return false;
        }
        self.refused = Some(Refused {
            version: version.clone(),
            since: now,
            tried: None,
            times: 0,
        });
        true
    }

    /// What is past its lease is let go. It is wiped when nobody else holds it.
    pub(super) fn wipe_what_is_over(&mut self, now: Moment, settings: &Settings) {
        let is_over = |held: &Arc<Held<T>>| now.since(held.fetched) >= settings.lease;
        if let Some(held) = self.held.take_if(|held| is_over(held)) {
            self.over = Some((held.version.clone(), held.fetched));
        }
    }

    /// So is what nobody asked for during a whole lease.
    pub(super) fn wipe_what_nobody_asks_for(&mut self, now: Moment, settings: &Settings) {
        let unasked = self.asked.is_none_or(|at| now.since(at) >= settings.lease);
        if unasked && self.flight().is_none() {
            self.held = None;
        }
    }

    pub(super) fn error(
        &self,
        of: &Arc<str>,
        cause: FetchError,
        now: Moment,
        settings: &Settings,
    ) -> KeyError {
        let of = of.clone();
        match &self.over {
            Some((version, fetched)) => KeyError::LeaseOver {
                of,
                version: version.clone(),
                age: now.since(*fetched),
                lease: settings.lease,
                cause,
            },
            None => KeyError::None { of, cause },
        }
    }

    pub(super) fn standing(&self, now: Moment, settings: &Settings) -> Standing {
        let held = self.valid(now, settings);
        let age = held.as_ref().map(|held| now.since(held.fetched));
        let refused = self.hurry(now).map(|refused| now.since(refused.since));
        Standing {
            age,
            left: age.map(|age| settings.lease.saturating_sub(age)),
            refused_for: refused.filter(|_| held.is_some()),
            version: held.map(|held| held.version.clone()),
            failure: self.failure.as_ref().map(|failure| failure.cause.clone()),
        }
    }
}
