//! Something that is fetched, refreshed, given out for as long as its lease lasts, and never after it.
//!
//! One fetch is under way at a time, whoever asks. What runs in the background is a task for each value that is held: it
//! refreshes, goes on trying where that failed, hurries where a provider refused the value, and wipes it at the end of
//! its lease or when nobody has asked for it for so long. Where the process was frozen meanwhile, whoever asks first
//! finds that out by the clock.

mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};

use crate::clock::{Clock, Jitter, Moment};
use crate::error::{FetchError, KeyError};
use crate::settings::Settings;
use crate::source::VersionId;
use state::{Held, State, Step};

/// Brings one value.
#[async_trait]
pub trait Fetch<T>: Send + Sync {
    /// The slot or secret, for people.
    fn of(&self) -> String;

    /// Fetches it now.
    ///
    /// # Errors
    /// [`FetchError`].
    async fn fetch(&self) -> Result<Fetched<T>, FetchError>;
}

/// What a fetch brought.
#[derive(Debug)]
pub struct Fetched<T> {
    /// Of which version of the secret it is.
    pub version: VersionId,
    /// The value.
    pub value: T,
}

/// A value that is kept fresh. Clones are of the same one.
pub struct Leased<T> {
    inner: Arc<Inner<T>>,
}

impl<T> Clone for Leased<T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl<T> fmt::Debug for Leased<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leased({})", self.inner.of)
    }
}

struct Inner<T> {
    of: Arc<str>,
    source: Box<dyn Fetch<T>>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    jitter: Arc<dyn Jitter>,
    state: Mutex<State<T>>,
    /// Wakes the keeper where something is due sooner than it knew.
    wake: Arc<Notify>,
}

/// A value, for as long as its lease lasts.
pub struct Lease<T> {
    held: Arc<Held<T>>,
    inner: Arc<Inner<T>>,
}

impl<T> Clone for Lease<T> {
    fn clone(&self) -> Self {
        Self {
            held: self.held.clone(),
            inner: self.inner.clone(),
        }
    }
}

impl<T> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({}, {})", self.inner.of, self.held.version)
    }
}

impl<T> Lease<T> {
    /// The value.
    ///
    /// # Errors
    /// [`KeyError::HeldTooLong`]: the lease is over.
    pub fn get(&self) -> Result<&T, KeyError> {
        let age = self.age();
        if age < self.inner.settings.lease {
            return Ok(&self.held.value);
        }
        Err(KeyError::HeldTooLong {
            of: self.inner.of.clone(),
            version: self.held.version.clone(),
            age,
        })
    }

    /// Of which version of the secret it is.
    pub fn version(&self) -> &VersionId {
        &self.held.version
    }

    /// How long ago it was asked for at Secrets Manager.
    pub fn age(&self) -> Duration {
        self.inner.clock.now().since(self.held.fetched)
    }

    /// How long it may still be used.
    pub fn left(&self) -> Duration {
        self.inner.settings.lease.saturating_sub(self.age())
    }
}

/// What came of telling that a provider refused a value.
#[derive(Debug)]
pub enum AfterRefusal<T> {
    /// There is another one.
    Newer(Lease<T>),
    /// There is none yet; it is looked for, and whoever asks again finds it.
    NoneYet,
}

/// How a value stands, for people and for health checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The version that is held, if any is.
    pub version: Option<VersionId>,
    /// How long ago it was fetched.
    pub age: Option<Duration>,
    /// How long it may still be used.
    pub left: Option<Duration>,
    /// Why the last fetch failed, if it did.
    pub failure: Option<FetchError>,
    /// For how long the version that is held has been refused by its provider.
    pub refused_for: Option<Duration>,
}

impl<T: Send + Sync + 'static> Leased<T> {
    /// Nothing is fetched until it is asked for. `settings` must have passed their [`Settings::check`].
    pub fn new(
        source: Box<dyn Fetch<T>>,
        settings: Settings,
        clock: Arc<dyn Clock>,
        jitter: Arc<dyn Jitter>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                of: source.of().into(),
                source,
                settings,
                clock,
                jitter,
                state: Mutex::default(),
                wake: Arc::default(),
            }),
        }
    }

    /// The value, within its lease. Where there is none, waits for it: for the first fetch, or for one that succeeds. Must be
    /// called in a tokio runtime.
    ///
    /// # Errors
    /// [`KeyError`]: at once where only a person can help, after the patience of the settings where waiting can.
    pub async fn get(&self) -> Result<Lease<T>, KeyError> {
        let inner = &self.inner;
        let begun = inner.clock.now();
        loop {
            let step = inner.step();
            let waited = inner.clock.now().since(begun);
            let left = inner.settings.patience.saturating_sub(waited);
            match step {
                Step::Have(held) => return Ok(inner.lend(held)),
                Step::Flight(done) if !left.is_zero() => inner.wait(done, left).await,
                Step::Flight(_) => {
                    let of = inner.of.clone();
                    return Err(KeyError::Waited { of, waited });
                }
                Step::Pause(pause, error) if error.is_transient() && pause < left => {
                    inner.clock.sleep(pause).await;
                }
                Step::Pause(_, error) => return Err(error),
            }
        }
    }

    /// The value as Secrets Manager has it now: fetched anew, whatever is held. Where several ask at the same time they get
    /// the same, begun after the first of them asked.
    ///
    /// # Errors
    /// [`KeyError`], also where an older value is held: whoever asks so wants no older one.
    pub async fn refresh(&self) -> Result<Lease<T>, KeyError> {
        let inner = &self.inner;
        let begun = inner.clock.now();
        let after = inner.lock().flights();
        loop {
            let done = match inner.newer(after) {
                Ok(Some(held)) => return Ok(inner.lend(held)),
                Ok(None) => inner.begin(),
                Err(error) => return Err(error),
            };
            let waited = inner.clock.now().since(begun);
            let left = inner.settings.patience.saturating_sub(waited);
            if left.is_zero() {
                let of = inner.of.clone();
                return Err(KeyError::Waited { of, waited });
            }
            inner.wait(done, left).await;
        }
    }

    /// A provider answered 401 to the value of `version`. It is fetched anew at once, and while the version stays the same
    /// again and again, after 1 to 30 seconds, for 15 minutes. Waits for the first of these fetches alone, and for none
    /// where they are under way already.
    pub async fn refused(&self, version: &VersionId) -> AfterRefusal<T> {
        let inner = &self.inner;
        if let Some(done) = inner.refuse(version) {
            inner.wait(done, inner.settings.patience).await;
        }
        let state = inner.lock();
        match state.valid(inner.clock.now(), &inner.settings) {
            Some(held) if held.version != *version => {
                drop(state);
                AfterRefusal::Newer(inner.lend(held))
            }
            _ => AfterRefusal::NoneYet,
        }
    }

    /// By which clock its lease is counted.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// What decides when it is refreshed.
    pub fn jitter(&self) -> &Arc<dyn Jitter> {
        &self.inner.jitter
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        let now = self.inner.clock.now();
        self.inner.lock().standing(now, &self.inner.settings)
    }
}

impl<T> Inner<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Inner<T> {
    fn drop(&mut self) {
        if let Some(keeper) = self.lock().keeper.take() {
            keeper.abort();
        }
    }
}

impl<T: Send + Sync + 'static> Inner<T> {
    fn lend(self: &Arc<Self>, held: Arc<Held<T>>) -> Lease<T> {
        Lease {
            held,
            inner: self.clone(),
        }
    }

    /// Waits for a fetch, and for no longer than `most`.
    async fn wait(&self, mut done: watch::Receiver<()>, most: Duration) {
        tokio::select! {
            // It ends with an error: whoever fetched is gone, whether it succeeded, failed or panicked.
            _ = done.changed() => {}
            () = self.clock.sleep(most) => {}
        }
    }

    /// What whoever asks for the value does now. A fetch that is due is begun.
    fn step(self: &Arc<Self>) -> Step<T> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.asked = Some(now);
        state.wipe_what_is_over(now, &self.settings);
        if let Some(held) = state.valid(now, &self.settings) {
            if state.is_due(now) {
                self.fly(&mut state);
            }
            return Step::Have(held);
        }
        if let Some(done) = state.flight() {
            return Step::Flight(done);
        }
        match state.pause(now) {
            Some((pause, cause)) => {
                Step::Pause(pause, state.error(&self.of, cause, now, &self.settings))
            }
            None => Step::Flight(self.fly(&mut state)),
        }
    }

    /// What came of a fetch that began after the first `flights`, if one did: a value, or an error.
    fn newer(&self, flights: u64) -> Result<Option<Arc<Held<T>>>, KeyError> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.asked = Some(now);
        state.wipe_what_is_over(now, &self.settings);
        let held = state.valid(now, &self.settings);
        if let Some(held) = held.filter(|held| held.flight > flights) {
            return Ok(Some(held));
        }
        match state.failed_after(flights) {
            Some(cause) => Err(state.error(&self.of, cause, now, &self.settings)),
            None => Ok(None),
        }
    }

    /// Joins the fetch that is under way, or begins one.
    fn begin(self: &Arc<Self>) -> watch::Receiver<()> {
        let mut state = self.lock();
        match state.flight() {
            Some(done) => done,
            None => self.fly(&mut state),
        }
    }

    /// Takes down that a version was refused. What to wait for, if its first fetch is begun or one is under way.
    fn refuse(self: &Arc<Self>, version: &VersionId) -> Option<watch::Receiver<()>> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.asked = Some(now);
        let is_new = state.refuse(version, now);
        self.wake.notify_one();
        if let Some(done) = state.flight() {
            return Some(done);
        }
        let may = is_new && state.pause(now).is_none();
        may.then(|| self.fly(&mut state))
    }

    /// Begins a fetch.
    fn fly(self: &Arc<Self>, state: &mut State<T>) -> watch::Receiver<()> {
        let (end, done) = watch::channel(());
        state.take_off(done.clone());
        let inner = self.clone();
        tokio::spawn(async move {
            // Dropped when this ends, however it ends.
            let _end = end;
            let begun = inner.clock.now();
            let outcome = inner.source.fetch().await;
            inner.land(begun, outcome);
        });
        done
    }

    /// Keeps what a fetch brought.
    fn land(self: &Arc<Self>, begun: Moment, outcome: Result<Fetched<T>, FetchError>) {
        let now = self.clock.now();
        let mut state = self.lock();
        match outcome {
            Ok(fetched) => {
                let (least, most) = self.settings.refresh;
                let refresh = self.jitter.between(least, most);
                let retry = self.jitter.between(state::LEAST_PAUSE, state.next_try());
                state.keep(fetched, begun, refresh, retry);
                if state.keeper_is_gone() {
                    let keeper = tokio::spawn(keep(Arc::downgrade(self)));
                    state.keeper = Some(keeper);
                }
            }
            Err(cause) => {
                self.wake.notify_one();
                tracing::warn!(of = %self.of, %cause, "no key was fetched");
                let pause = self.jitter.between(state::LEAST_PAUSE, state.next_pause());
                state.fail(cause, now, pause);
            }
        }
    }

    /// What the keeper does next.
    fn round(self: &Arc<Self>) -> Round {
        let now = self.clock.now();
        let mut state = self.lock();
        state.wipe_what_is_over(now, &self.settings);
        state.wipe_what_nobody_asks_for(now, &self.settings);
        if !state.is_held() {
            state.keeper = None;
            return Round::Ends;
        }
        if let Some(done) = state.flight() {
            return Round::Flight(done);
        }
        if state.is_due(now) {
            return Round::Flight(self.fly(&mut state));
        }
        Round::Sleep(state.until_next(now, &self.settings))
    }
}

enum Round {
    Flight(watch::Receiver<()>),
    Sleep(Duration),
    Ends,
}

/// Keeps a value until it is wiped, or nobody has it any more.
async fn keep<T: Send + Sync + 'static>(of: Weak<Inner<T>>) {
    loop {
        let Some(inner) = of.upgrade() else { return };
        let (clock, wake) = (inner.clock.clone(), inner.wake.clone());
        let round = inner.round();
        drop(inner);
        match round {
            Round::Ends => return,
            Round::Flight(mut done) => {
                let _ = done.changed().await;
            }
            Round::Sleep(time) => tokio::select! {
                () = clock.sleep(time) => {}
                () = wake.notified() => {}
            },
        }
    }
}
