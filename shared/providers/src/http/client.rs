//! Sends requests: bounded in time, repeated only where that is declared safe.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Method, header};
use jiff::{SignedDuration, Timestamp};
use keyward_core::ports::Clock;
use url::Url;

use super::answer::{Answer, Failure};
use super::credential::Credential;
use super::endpoint::AllowedHosts;
use super::resolver::GuardedResolver;

/// Bounds on every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpSettings {
    /// For a connection, TLS included.
    pub connect_timeout: Duration,
    /// For one attempt, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// Attempts at a request that may be repeated, the first included.
    pub attempts: u32,
    /// For all attempts at one request and the waits between them.
    pub total: SignedDuration,
    /// The longest wait before the second attempt; it doubles with each.
    pub first_wait: SignedDuration,
    /// The longest wait that Keyward chooses by itself.
    pub longest_wait: SignedDuration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(10),
            attempts: 3,
            total: SignedDuration::from_secs(20),
            first_wait: SignedDuration::from_millis(250),
            longest_wait: SignedDuration::from_secs(5),
        }
    }
}

/// Whether connections are kept for the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// Kept and used again.
    Pooled,
    /// One for each request: no answer comes from a connection that a provider authenticated earlier, and no request
    /// is lost on one that died while a Lambda was frozen.
    Fresh,
}

/// Puts on `builder` what must hold for every client that carries keys: no redirects, no proxies, no retries of its
/// own, no address inside a network that is not in `allowed`. TLS roots are up to the caller.
pub fn guard(
    builder: reqwest::ClientBuilder,
    connections: Connections,
    settings: &HttpSettings,
    allowed: &AllowedHosts,
) -> reqwest::ClientBuilder {
    let builder = builder
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(settings.connect_timeout)
        .user_agent(concat!("keyward/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(GuardedResolver::new(allowed.clone())));
    match connections {
        Connections::Pooled => builder,
        Connections::Fresh => builder.pool_max_idle_per_host(0),
    }
}

/// Whether a request may be sent more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice is as good as once.
    Safe,
    /// One attempt, over a fresh connection.
    Never,
}

/// One request. No `Debug`: it carries a key.
pub(crate) struct Request {
    /// The HTTP method.
    pub(crate) method: Method,
    /// Where to; made by [`super::BaseUrl::join`].
    pub(crate) url: Url,
    /// Headers besides the credential.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// As whom.
    pub(crate) credential: Credential,
    /// A body: JSON, unless the headers say otherwise.
    pub(crate) body: Option<Vec<u8>>,
    /// Whether it may be sent more than once.
    pub(crate) repeat: Repeat,
}

/// The HTTP client of all drivers.
pub struct HttpClient {
    pooled: reqwest::Client,
    fresh: reqwest::Client,
    clock: Arc<dyn Clock>,
    settings: HttpSettings,
    chance: Mutex<fastrand::Rng>,
}

impl HttpClient {
    /// Over two clients that went through [`guard`], as [`Connections::Pooled`] and [`Connections::Fresh`]. `chance`
    /// spreads the waits between attempts.
    pub fn new(
        pooled: reqwest::Client,
        fresh: reqwest::Client,
        clock: Arc<dyn Clock>,
        settings: HttpSettings,
        chance: fastrand::Rng,
    ) -> Self {
        Self {
            pooled,
            fresh,
            clock,
            settings,
            chance: Mutex::new(chance),
        }
    }

    /// Now, by the clock that waiting goes by.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Waits, by the same clock.
    pub(crate) async fn wait(&self, time: SignedDuration) {
        self.clock.sleep(time).await;
    }

    /// Sends the request and reads the whole answer, whatever its status.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, Failure> {
        match request.repeat {
            Repeat::Never => {
                self.attempt(&self.fresh, request, self.settings.timeout)
                    .await
            }
            Repeat::Safe => self.send_until_answered(request).await,
        }
    }

    async fn send_until_answered(&self, request: &Request) -> Result<Answer, Failure> {
        let end = self.clock.now() + self.settings.total;
        let mut attempt = 1;
        loop {
            let left = end.duration_since(self.clock.now()).unsigned_abs();
            let timeout = self.settings.timeout.min(left);
            let outcome = self.attempt(&self.pooled, request, timeout).await;
            let asked = match &outcome {
                Ok(answer) if !answer.is_passing() => return outcome,
                Ok(answer) => answer.retry_after,
                Err(_) => None,
            };
            let wait = asked.unwrap_or_default() + self.jitter(attempt);
            if attempt >= self.settings.attempts || self.clock.now() + wait >= end {
                return outcome;
            }
            tracing::debug!(
                attempt,
                wait_ms = wait.as_millis() as u64,
                method = %request.method,
                "no useful answer from the provider; trying again"
            );
            self.clock.sleep(wait).await;
            attempt += 1;
        }
    }

    /// A random part of the longest wait after that attempt.
    fn jitter(&self, attempt: u32) -> SignedDuration {
        let doubled = 1_i32 << attempt.saturating_sub(1).min(20);
        let longest = self
            .settings
            .first_wait
            .saturating_mul(doubled)
            .min(self.settings.longest_wait);
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        longest.mul_f64(chance.f64())
    }

    async fn attempt(
        &self,
        client: &reqwest::Client,
        request: &Request,
        timeout: Duration,
    ) -> Result<Answer, Failure> {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let mut builder = client
            .request(request.method.clone(), request.url.clone())
            .timeout(timeout)
            .header(header::ACCEPT, JSON);
        if let Some((name, value)) = request.credential.header() {
            builder = builder.header(name, value);
        }
        for (name, value) in request.headers {
            builder = builder.header(*name, *value);
        }
        for (name, value) in request.credential.others() {
            builder = builder.header(name, value);
        }
        if let Some(body) = &request.body {
            let is_type = |(name, _): &(&str, &str)| *name == header::CONTENT_TYPE.as_str();
            if !request.headers.iter().any(is_type) {
                builder = builder.header(header::CONTENT_TYPE, JSON);
            }
            builder = builder.body(body.clone());
        } else if matches!(request.method, Method::POST | Method::PUT | Method::PATCH) {
            // Left out by the library, and servers may answer 411 then:
            // <https://www.rfc-editor.org/rfc/rfc9110#section-8.6>.
            builder = builder.header(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let response = builder
            .send()
            .await
            .map_err(|e| Failure::of(&e, &request.credential))?;
        Answer::read(response, &request.credential, self.clock.now()).await
    }
}
