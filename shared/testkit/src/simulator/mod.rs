//! A provider as a real HTTP server with state: what a driver, and an agent, meet at the other side.
//!
//! It shares no code with the drivers. One simulator is one account of one provider; each provider is a folder over
//! the shared account (keys, request log, faults, clock, propagation delay). Key texts leave it only in the answers
//! of the provider's API and by [`Simulator::secrets`].

mod account;
mod admin;
mod anthropic;
mod api;
mod azure;
mod bedrock;
mod exchange;
mod faults;
mod gemini;
mod key;
mod litellm;
mod log;
mod openai;
mod openrouter;
mod server;
mod settings;
mod usage;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::{AdminKey, ApiKey};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::KeyHandle;
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::ports::{Clock, IssueRequest, IssuedKey};
use secrecy::ExposeSecret;
use tokio::sync::oneshot;

#[cfg(test)]
pub(crate) use api::Reply;
pub use azure::NAMES as AZURE_NAMES;
pub use exchange::{Answered, Exchange};
pub use faults::{Answer, Body, Effect, Fault, FaultRule, RetryAfter};
use key::{Birth, Reset};
pub use key::{KeyState, KeyView};
pub use log::{Caller, LoggedRequest, RequestKind};
pub use settings::{Binding, FirstKey, Home, KeyEnd, Management, Settings, UnknownFields, Window};

pub use usage::{Booking, Used};

use server::Shared;

use crate::contract::provider::ProviderCall;

/// A running provider, and the handle to it. Clones share it; when the last is dropped it stops, and every open
/// connection with it.
#[derive(Clone)]
pub struct Simulator(Arc<Running>);

struct Running {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts on a free loopback port.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start(clock: Arc<dyn Clock>, settings: Settings) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::serve(any, clock, settings)
            .await
            .expect("a free loopback port")
    }

    /// Starts on `address`, on a thread and runtime of its own. It is answered as soon as this returns.
    ///
    /// # Errors
    /// The address is taken, or not a loopback address: `/_sim/` is open to whoever reaches it.
    pub async fn serve(
        address: SocketAddr,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            return Err(io::Error::other("only loopback addresses are served"));
        }
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(clock, settings));
        let (stop, stopped) = oneshot::channel();
        let served = shared.clone();
        let thread = std::thread::Builder::new()
            .name("provider-simulator".to_owned())
            .spawn(move || run(listener, served, stopped))?;
        Ok(Self(Arc::new(Running {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })))
    }

    /// The API's base, as it would be configured: for OpenRouter it ends in `/api/v1`.
    pub fn base_url(&self) -> String {
        format!("{}{}", self.origin(), self.0.shared.api.base_path())
    }

    /// Scheme, host and port: `/_sim/` is found below it.
    pub fn origin(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// The credential that administers the account.
    pub fn management_key(&self) -> AdminKey {
        self.0.shared.account().management.clone()
    }

    /// What of the administrator's credentials must not be found anywhere, what they were exchanged for included.
    pub fn admin_secrets(&self) -> Vec<String> {
        let management = self.management_key();
        let api = &self.0.shared.api;
        api.admin_secrets(management.expose_secret())
    }

    /// Lets time pass on the simulator's clock.
    pub async fn pass(&self, time: SignedDuration) {
        let clock = self.0.shared.account().clock.clone();
        clock.sleep(time).await;
    }

    /// Accepts `key` as the management key from now on, and the former one no more.
    pub fn set_management_key(&self, key: &AdminKey) {
        self.0.shared.account().management = key.clone();
    }

    /// The texts of all keys that there ever were: what a canary test must not find anywhere.
    pub fn secrets(&self) -> Vec<ApiKey> {
        let account = self.0.shared.account();
        account.keys.iter().map(|key| key.text.clone()).collect()
    }

    /// Takes in a key that was there before, 30 days old and without limit or end, in the default workspace.
    pub fn seed_key(&self, name: &str, text: &ApiKey) -> KeyHandle {
        let account = &mut *self.0.shared.account();
        let workspace = account.default_workspace().to_owned();
        let api = self.0.shared.api.as_ref();
        account.seed(api, name, text, &workspace).handle.clone()
    }

    /// [`Simulator::seed_key`] in another workspace.
    pub fn seed_key_in(&self, workspace: &str, name: &str, text: &ApiKey) -> KeyHandle {
        let account = &mut *self.0.shared.account();
        let api = self.0.shared.api.as_ref();
        account.seed(api, name, text, workspace).handle.clone()
    }

    /// Makes a key as a person does, now, without limit or end, in the default workspace. Returns its text.
    pub fn seed(&self, name: &str) -> ApiKey {
        let account = &mut *self.0.shared.account();
        let birth = Birth {
            name: name.to_owned(),
            workspace: account.default_workspace().to_owned(),
            limit: None,
            reset: Reset::Never,
            expires: None,
        };
        account.mint(self.0.shared.api.as_ref(), birth).text.clone()
    }

    /// Makes a key with a given name and in a given workspace as a person does, without an end.
    pub fn make_key(&self, request: &IssueRequest) -> IssuedKey {
        let account = &mut *self.0.shared.account();
        let scope = &request.scope;
        let user = scope.user.as_ref().map(ToString::to_string);
        let workspace = match scope.workspace.as_ref().map(ToString::to_string).or(user) {
            Some(place) => place,
            None => account.default_workspace().to_owned(),
        };
        let birth = Birth {
            name: request.label.to_string(),
            workspace,
            limit: None,
            reset: Reset::Never,
            expires: None,
        };
        let made = account.mint(self.0.shared.api.as_ref(), birth);
        IssuedKey {
            key: made.text.clone(),
            handle: made.handle.clone(),
            expires: made.expires,
        }
    }

    /// Where new keys live in the nth workspace or project, as a slot's scope says it.
    pub(crate) fn scope_of(&self, n: usize) -> Scope {
        let shared = &self.0.shared;
        let (settings, place) = {
            let account = shared.account();
            (account.settings.clone(), account.workspaces[n].parse().ok())
        };
        match settings.provider {
            ProviderName::OpenAi => match settings.home {
                Home::StandingAccount => Scope {
                    project: place,
                    service_account: openai::standing_account(n).parse().ok(),
                    permissions: openai::permissions(),
                    ..Scope::default()
                },
                Home::OwnAccount => Scope {
                    project: place,
                    ..Scope::default()
                },
            },
            ProviderName::Anthropic | ProviderName::LiteLlm => Scope {
                workspace: place,
                ..Scope::default()
            },
            ProviderName::OpenRouter => Scope {
                workspace: place.filter(|_| n > 0),
                ..Scope::default()
            },
            ProviderName::Gemini => Scope {
                project: place,
                service_account: match settings.binding {
                    Binding::Nothing => None,
                    Binding::ServiceAccount => gemini::SERVICE_ACCOUNT.parse().ok(),
                },
                ..Scope::default()
            },
            ProviderName::Azure => Scope::default(),
            ProviderName::Bedrock => Scope {
                user: place.and_then(|user| user.as_str().parse().ok()),
                ..Scope::default()
            },
        }
    }

    /// Whether there are always the same keys, which only change their texts.
    pub(crate) fn has_places(&self) -> bool {
        !self.0.shared.api.places().is_empty()
    }

    /// A part of the API that a key can be limited to, where there is such a limit.
    pub(crate) fn endpoint(&self) -> &'static str {
        self.0.shared.api.endpoint()
    }

    /// Makes one more workspace; its id.
    pub fn add_workspace(&self) -> String {
        let shared = &self.0.shared;
        shared.account().add_workspace(shared.api.as_ref())
    }

    /// The names of the service accounts that there are.
    pub fn service_accounts(&self) -> Vec<String> {
        self.0.shared.api.service_accounts()
    }

    /// The owner of a key, named as [`KeyView::handle`], loses access to its workspace.
    pub fn end_owners_access(&self, key: &KeyHandle) {
        self.0.shared.api.end_owners_access(key);
    }

    /// All keys that there ever were, oldest first.
    pub fn keys(&self) -> Vec<KeyView> {
        self.0.shared.account().views()
    }

    /// Every key that is enabled, or would be accepted whatever the admin API says.
    pub fn live_keys(&self) -> Vec<KeyView> {
        self.keys().into_iter().filter(KeyView::is_live).collect()
    }

    /// The latest key with this name, deleted ones included.
    pub fn key_by_label(&self, name: &str) -> Option<KeyView> {
        self.keys().into_iter().rev().find(|key| key.name == name)
    }

    /// Whether a call with `key` could be accepted now. Takes no turn of a flapping window.
    pub fn is_accepted(&self, key: &ApiKey) -> bool {
        let account = self.0.shared.account();
        let now = account.now();
        account
            .by_text(key.expose_secret())
            .is_some_and(|key| key.may_be_accepted(&account.settings, now))
    }

    /// Books spending on `key`, whatever its limit.
    ///
    /// # Panics
    /// If the account never had such a key.
    pub fn spend(&self, key: &ApiKey, amount: MicroDollars) {
        let account = &mut *self.0.shared.account();
        let now = account.now();
        let mut keys = account.keys.iter_mut();
        keys.find(|known| known.text.expose_secret() == key.expose_secret())
            .expect("a key of this account")
            .spend(amount, now);
    }

    /// Books what `key` used, or with `None` what no key is named for, whatever its limit, and however long ago it was.
    ///
    /// # Panics
    /// If the account never had such a key.
    pub fn book(&self, key: Option<&ApiKey>, booking: &Booking) {
        let account = &mut *self.0.shared.account();
        let Some(key) = key else {
            let Booking { at, model, used } = booking;
            account.unnamed.book(*at, model, used);
            return;
        };
        let mut keys = account.keys.iter_mut();
        keys.find(|known| known.text.expose_secret() == key.expose_secret())
            .expect("a key of this account")
            .book(booking);
    }

    /// Now, by the simulator's clock.
    pub fn time(&self) -> Timestamp {
        self.0.shared.account().now()
    }

    /// Method and path of a kind of request, as fault rules name them.
    pub fn route(&self, call: ProviderCall) -> (&'static str, &'static str) {
        self.0.shared.api.route(call)
    }

    /// Every request so far, in the order in which they took effect.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.0.shared.account().log.clone()
    }

    /// The requests with `method` (any if empty) to `path`, a pattern as in [`FaultRule::path`].
    pub fn requests_to(&self, method: &str, path: &str) -> Vec<LoggedRequest> {
        let rule = FaultRule::on(method, path, Fault::silence());
        let matches = |r: &LoggedRequest| {
            let path = r.path.split('?').next().unwrap_or_default();
            rule.matches(&r.method, path)
        };
        self.requests().into_iter().filter(matches).collect()
    }

    /// The agents' calls.
    pub fn agent_calls(&self) -> Vec<LoggedRequest> {
        let is_agent = |request: &LoggedRequest| request.kind == RequestKind::Agent;
        self.requests().into_iter().filter(is_agent).collect()
    }

    /// The agents' calls that were not answered with success.
    pub fn failed_agent_calls(&self) -> Vec<LoggedRequest> {
        self.requests()
            .into_iter()
            .filter(LoggedRequest::is_failed_agent_call)
            .collect()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.0.shared.account().log.clear();
    }

    /// Keeps every exchange from now on.
    pub fn record(&self) {
        self.0.shared.recorder.start();
    }

    /// The exchanges since recording began, or since this was asked last.
    pub fn recorded(&self) -> Vec<Exchange> {
        self.0.shared.recorder.take()
    }

    /// Makes something go wrong. Rules apply in the order in which they were added, one to a request.
    pub fn inject(&self, rule: FaultRule) {
        self.0.shared.account().faults.add(rule);
    }

    /// Drops all faults still to come.
    pub fn clear_faults(&self) {
        self.0.shared.account().faults.clear();
    }

    /// The faults still to come. Empty says that all injected ones were met.
    pub fn pending_faults(&self) -> Vec<FaultRule> {
        self.0.shared.account().faults.pending()
    }

    /// The settings.
    pub fn settings(&self) -> Settings {
        self.0.shared.account().settings.clone()
    }

    /// Changes settings. `provider` and `seed` have no effect any more.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.0.shared.account().settings);
    }

    /// Sets both propagation delays, from now on and for windows already open.
    pub fn set_delay(&self, delay: SignedDuration) {
        self.configure(|settings| {
            settings.birth_delay = delay;
            settings.change_delay = delay;
        });
    }
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Simulator({})", self.base_url())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Whatever ended it, it has ended.
            let _ = thread.join();
        }
    }
}

fn run(listener: std::net::TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime");
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listening socket");
        tokio::select! {
            () = server::serve(listener, shared) => {}
            _ = stopped => {}
        }
    });
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
