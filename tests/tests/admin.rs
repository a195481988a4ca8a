//! Admin credentials: the four steps of their rotation against OpenAI's API over HTTP, each twice and cut off at every call;
//! what `retire` ends afterwards; and what is told.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::SignedDuration;
use keyward_core::model::admin::{AdminLabel, AdminRecord, AdminState};
use keyward_core::model::admin_document::AdminDocument;
use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::{AccountName, SecretArn, SecretVersionId};
use keyward_core::model::secret_document::SecretText;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    Clock, Concurrency, Deadline, FunctionState, FunctionSwitch, Inventory, KeyProvider, ListError,
    ListedAdmin, ProviderError, SecretStore, Stage, TAG_ADMIN, Verdict,
};
use keyward_core::rules::revoke::ConfirmPolicy;
use keyward_core::rules::rotation::RotationStep;
use keyward_core::usecases::Ports;
use keyward_core::usecases::admin::{ReplaceError, Replaced, Replacing, keep, replace};
use keyward_core::usecases::lockdown::{self, FunctionDone, Switched};
use keyward_core::usecases::rotate::{RotationError, StepOutcome, StepRequest, run_step};
use keyward_providers::AdminKeySource;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::drive::{Point, Scenario, crash_at_every_call};
use keyward_testkit::gate::{Gate, gated};
use keyward_testkit::memory::{MemoryAlerts, MemoryInventory, MemorySecrets};
use keyward_testkit::simulator::{Body, Fault, FaultRule, Settings, Simulator};
use keyward_tests::support::{ADMIN_SECRET, Simulated, say, token};
use secrecy::ExposeSecret;

/// Hands out what the admin secret holds now.
struct Stored(Arc<MemorySecrets>);

#[async_trait]
impl AdminKeySource for Stored {
    async fn admin_key(&self, arn: &SecretArn) -> Result<AdminKey, ProviderError> {
        let text = self.0.current_text(arn).unwrap();
        Ok(AdminDocument::parse(&SecretText::new(text))
            .unwrap()
            .key()
            .clone())
    }
}

struct World {
    clock: Arc<ManualClock>,
    secrets: Arc<MemorySecrets>,
    inventory: Arc<MemoryInventory>,
    alerts: Arc<MemoryAlerts>,
    simulator: Simulator,
    driver: Arc<dyn KeyProvider>,
    /// Each call of these passes the gate.
    ports: Ports,
    open: Ports,
}

fn arn() -> SecretArn {
    ADMIN_SECRET.parse().unwrap()
}

fn account() -> AccountName {
    "openai-main".parse().unwrap()
}

impl World {
    /// An account whose admin credential a person made and stored.
    async fn new(gate: &Arc<Gate>) -> Self {
        let clock = Arc::new(ManualClock::start());
        let secrets = Arc::new(MemorySecrets::default());
        let settings = Settings {
            provider: ProviderName::OpenAi,
            ..Settings::default()
        };
        let simulator = Simulator::start(clock.clone(), settings).await;
        let entered = simulator.management_key();
        secrets.create(&arn(), Some((&token(1), entered.expose_secret())));
        secrets.tag(&arn(), TAG_ADMIN, "openai-main").await.unwrap();
        let source = Arc::new(Stored(secrets.clone()));
        let opened = Simulated::opened_by(simulator.clone(), clock.clone(), source).await;
        let (inventory, alerts) = (
            Arc::<MemoryInventory>::default(),
            Arc::<MemoryAlerts>::default(),
        );
        let open = Ports {
            secrets: secrets.clone(),
            inventory: inventory.clone(),
            pools: inventory.clone(),
            providers: opened.providers.clone(),
            alerts: alerts.clone(),
            clock: clock.clone(),
        };
        let driver = open
            .providers
            .open(&account(), ProviderName::OpenAi)
            .await
            .unwrap();
        Self {
            ports: gated(&open, gate),
            clock,
            secrets,
            inventory,
            alerts,
            simulator,
            driver,
            open,
        }
    }

    async fn plain() -> Self {
        Self::new(&Arc::default()).await
    }

    async fn step(
        &self,
        ports: &Ports,
        step: RotationStep,
        token: &SecretVersionId,
    ) -> Result<StepOutcome, RotationError> {
        let request = StepRequest {
            step,
            secret_id: ADMIN_SECRET.to_owned(),
            token: token.clone(),
            rotation_token: None,
            deadline: Deadline(self.clock.now() + SignedDuration::from_mins(5)),
        };
        run_step(ports, &request).await
    }

    /// Begins a rotation and carries its steps out, as Secrets Manager does.
    async fn rotate(&self, token: &SecretVersionId) -> Result<(), RotationError> {
        if self.secrets.holder(&arn(), &Stage::Current).as_ref() != Some(token) {
            self.secrets.begin_rotation(&arn(), token);
        }
        for step in RotationStep::ALL {
            self.step(&self.open, step, token).await?;
        }
        Ok(())
    }

    fn current(&self) -> AdminKey {
        let text = self.secrets.current_text(&arn()).unwrap();
        AdminKey::new(&text)
    }

    async fn accepts(&self, key: &AdminKey) -> Verdict {
        self.driver.admin().unwrap().accepts(key).await
    }

    async fn listed(&self) -> Vec<ListedAdmin> {
        let admin = self.driver.admin().unwrap();
        admin.listed(&self.current()).await.unwrap()
    }

    async fn record(&self) -> AdminRecord {
        self.inventory.admin(&account()).await.unwrap().unwrap()
    }

    /// `retire`, every five minutes.
    async fn live_through(&self, time: SignedDuration) {
        let end = self.clock.now() + time;
        while self.clock.now() < end {
            self.clock.advance(SignedDuration::from_mins(5));
            keep(&self.open, &ConfirmPolicy::default()).await;
        }
    }

    /// Rules 1, 2 and 10, as they stand at any moment.
    async fn check(&self, context: &str) {
        let current = self.current();
        let verdict = self.accepts(&current).await;
        assert_eq!(verdict, Verdict::Live, "{context}: AWSCURRENT works");
        let record = self.inventory.admin(&account()).await.unwrap();
        for row in self.listed().await {
            let own = AdminLabel::read(row.name.as_str(), &account());
            let known = own.is_none_or(|id| record.as_ref().is_some_and(|r| r.get(&id).is_some()));
            assert!(known, "{context}: nobody knows {}", row.name);
        }
        let (items, told) = (self.inventory.dump(), format!("{:?}", self.alerts.sent()));
        for text in self.simulator.admin_secrets() {
            assert!(!items.contains(&text), "{context}: a text in the table");
            assert!(!told.contains(&text), "{context}: a text in an alert");
        }
    }

    /// One credential is left, the one in use, and every other has ended for certain.
    async fn check_settled(&self, context: &str) {
        self.check(context).await;
        let listed = self.listed().await;
        assert_eq!(listed.len(), 1, "{context}: {listed:?}");
        assert!(
            self.current().fits(listed[0].redacted.as_str()),
            "{context}"
        );
        let record = self.record().await;
        for version in &record.credentials {
            let expected = match version.fingerprint == Some(self.current().fingerprint()) {
                true => AdminState::Current,
                false => AdminState::Revoked,
            };
            assert_eq!(version.state, expected, "{context}: {record:#?}");
        }
        assert_eq!(
            self.secrets
                .holder(&arn(), &Stage::Pending)
                .filter(|v| { self.secrets.holder(&arn(), &Stage::Current).as_ref() != Some(v) }),
            None,
            "{context}"
        );
    }
}

#[tokio::test]
async fn the_entered_credential_is_replaced_and_ended_by_the_new_one() {
    let world = World::plain().await;
    let entered = world.current();
    world.rotate(&token(2)).await.unwrap();
    assert_ne!(world.current().fingerprint(), entered.fingerprint());
    assert!(matches!(world.accepts(&entered).await, Verdict::Dead(_)));
    let ended = world
        .simulator
        .requests_to("DELETE", "/organization/admin_api_keys/*");
    assert_eq!(ended.len(), 1);
    // It is not called ended before it was refused often enough.
    let state = |record: &AdminRecord| record.by_text(&entered.fingerprint()).unwrap().state;
    assert_eq!(state(&world.record().await), AdminState::Revoking);
    world.live_through(SignedDuration::from_mins(30)).await;
    assert_eq!(state(&world.record().await), AdminState::Revoked);
    let record = world.record().await;
    let current = record.current().unwrap();
    assert!(
        current.expires.is_some() && current.tested.is_some(),
        "{current:?}"
    );
    assert!(
        record
            .by_text(&entered.fingerprint())
            .unwrap()
            .refusals
            .unwrap()
            .count
            >= 3
    );
    world.check_settled("rotated").await;
    assert_eq!(world.alerts.sent(), []);
    // And again, with the one that Keyward made.
    world.rotate(&token(3)).await.unwrap();
    world.live_through(SignedDuration::from_mins(30)).await;
    world.check_settled("rotated again").await;
}

#[tokio::test]
async fn every_step_twice_is_the_step_once() {
    let world = World::plain().await;
    world.secrets.begin_rotation(&arn(), &token(2));
    for step in RotationStep::ALL {
        for _ in 0..2 {
            world.step(&world.open, step, &token(2)).await.unwrap();
        }
        world.check(&format!("{step:?} twice")).await;
    }
    world.live_through(SignedDuration::from_mins(30)).await;
    world.check_settled("all steps twice").await;
    let made = world
        .simulator
        .requests_to("POST", "/organization/admin_api_keys");
    assert_eq!(made.len(), 1);
}

/// One step, the ones before it done.
struct Step(RotationStep);

impl Scenario for Step {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        let world = World::new(gate).await;
        world.secrets.begin_rotation(&arn(), &token(2));
        for step in RotationStep::ALL
            .into_iter()
            .take_while(|step| *step != self.0)
        {
            world.step(&world.open, step, &token(2)).await.unwrap();
        }
        world
    }

    async fn operation(&self, world: &World) {
        let _ = world.step(&world.ports, self.0, &token(2)).await;
    }

    /// Secrets Manager tries the rotation again, or it does not; then `retire`, and another rotation.
    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("{:?} {point:?}", self.0);
        world.check(&context).await;
        let again = point.is_none_or(|point| point.number % 2 == 0);
        if again {
            world
                .rotate(&token(2))
                .await
                .unwrap_or_else(|error| panic!("{context}: {error:?}"));
            world.check(&context).await;
        }
        world.live_through(SignedDuration::from_mins(90)).await;
        world.check(&context).await;
        world
            .rotate(&token(3))
            .await
            .unwrap_or_else(|error| panic!("{context}: {error:?}"));
        world.live_through(SignedDuration::from_mins(150)).await;
        world.check_settled(&context).await;
    }
}

#[tokio::test]
async fn crash_at_every_call_of_a_step() {
    for (step, least) in [
        (RotationStep::Create, 9),
        (RotationStep::Test, 5),
        (RotationStep::Finish, 8),
    ] {
        let ran = crash_at_every_call(&Step(step)).await;
        say(format_args!("admin credential, {step:?}: {ran} points"));
        assert!(ran >= 3 * least, "{step:?} made fewer calls than it must");
    }
}

/// What `retire` does after a rotation.
struct Kept;

impl Scenario for Kept {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        let world = World::new(gate).await;
        world.simulator.inject(down("DELETE"));
        world.rotate(&token(2)).await.unwrap();
        world.clock.advance(SignedDuration::from_mins(5));
        world.simulator.clear_faults();
        world
    }

    async fn operation(&self, world: &World) {
        keep(&world.ports, &ConfirmPolicy::default()).await;
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("retire {point:?}");
        world.check(&context).await;
        world.live_through(SignedDuration::from_mins(30)).await;
        world.check_settled(&context).await;
    }
}

fn down(method: &str) -> FaultRule {
    let fault = Fault::status(503, Body::Json);
    FaultRule::on(method, "/organization/admin_api_keys/*", fault).always()
}

#[tokio::test]
async fn crash_at_every_call_of_what_retire_does() {
    let ran = crash_at_every_call(&Kept).await;
    say(format_args!("admin credential, retire: {ran} points"));
    assert!(ran >= 3 * 7);
}

#[tokio::test]
async fn a_refused_credential_pages_at_once_and_nothing_is_made() {
    let world = World::plain().await;
    world
        .simulator
        .set_management_key(&AdminKey::new("sk-admin-EXAMPLEother"));
    let error = world.rotate(&token(2)).await.unwrap_err();
    assert!(!error.is_retryable(), "{error:?}");
    let sent = world.alerts.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].kind, AlertKind::AdminCredentialRefused);
    assert_eq!(sent[0].severity, Severity::Page);
    assert!(
        sent[0]
            .left
            .as_str()
            .contains("keyward doctor --bootstrap --account openai-main")
    );
    let made = world
        .simulator
        .requests_to("POST", "/organization/admin_api_keys");
    assert_eq!(made.len(), 0);
}

#[tokio::test]
async fn a_secret_that_its_account_does_not_name_is_refused() {
    let world = World::plain().await;
    let other: SecretArn = ADMIN_SECRET.replace("admin-", "other-").parse().unwrap();
    world
        .secrets
        .create(&other, Some((&token(1), "sk-admin-EXAMPLE")));
    world
        .secrets
        .tag(&other, TAG_ADMIN, "openai-main")
        .await
        .unwrap();
    world.secrets.begin_rotation(&other, &token(2));
    let request = StepRequest {
        step: RotationStep::Create,
        secret_id: other.to_string(),
        token: token(2),
        rotation_token: None,
        deadline: Deadline(world.clock.now() + SignedDuration::from_mins(5)),
    };
    let error = run_step(&world.open, &request).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`admin_secret` is another secret"),
        "{error}"
    );
    assert_eq!(world.simulator.requests().len(), 0);
}

#[tokio::test]
async fn one_that_does_not_end_and_one_that_runs_out_page() {
    let world = World::plain().await;
    world.rotate(&token(2)).await.unwrap();
    world.live_through(SignedDuration::from_mins(30)).await;
    world.clock.advance(SignedDuration::from_hours(88 * 24));
    world.live_through(SignedDuration::from_hours(7)).await;
    let told = world.alerts.count(AlertKind::KeyNearEnd);
    assert_eq!(told, 2, "once, and again after six hours");
    assert!(
        world
            .alerts
            .sent()
            .iter()
            .all(|alert| alert.severity == Severity::Page)
    );
}

/// A driver that was opened before a rotation goes on with the new credential, and pages nobody.
#[tokio::test]
async fn who_holds_the_old_credential_goes_on_with_the_new() {
    let world = World::plain().await;
    let scope = keyward_testkit::contract::provider::ProviderWorld::scope(&world.simulator);
    world.driver.list(&scope, None).await.unwrap();
    world.rotate(&token(2)).await.unwrap();
    world.driver.list(&scope, None).await.unwrap();
}

/// Replacing in one go, as a lockdown does: without the inventory.
struct InOneGo;

impl InOneGo {
    async fn replace(ports: &Ports, n: u32) -> Result<Replaced, ReplaceError> {
        let of = ports.providers.administered().remove(0);
        let driver = ports.providers.open(&of.account, of.provider).await?;
        let on = Replacing {
            secrets: ports.secrets.as_ref(),
            driver: driver.as_ref(),
            of: &of,
            break_glass: None,
            clock: ports.clock.as_ref(),
        };
        replace(&on, &token(n)).await
    }
}

impl Scenario for InOneGo {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        World::new(gate).await
    }

    async fn operation(&self, world: &World) {
        let _ = Self::replace(&world.ports, 7).await;
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("in one go {point:?}");
        assert_eq!(
            world.accepts(&world.current()).await,
            Verdict::Live,
            "{context}"
        );
        let again = Self::replace(&world.open, 8).await;
        again.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        let listed = world.listed().await;
        assert_eq!(listed.len(), 1, "{context}: {listed:?}");
        assert!(
            world.current().fits(listed[0].redacted.as_str()),
            "{context}"
        );
    }
}

#[tokio::test]
async fn crash_at_every_call_of_replacing_in_one_go() {
    let ran = crash_at_every_call(&InOneGo).await;
    say(format_args!("admin credential, in one go: {ran} points"));
    assert!(ran >= 3 * 9);
}

/// Functions as Lambda keeps them, some of which cannot be set.
#[derive(Default)]
struct Functions {
    state: Mutex<BTreeMap<String, FunctionState>>,
    denied: Mutex<Option<&'static str>>,
}

impl Functions {
    fn put(
        &self,
        function: &str,
        change: impl FnOnce(&mut FunctionState),
    ) -> Result<(), ListError> {
        if *self.denied.lock().unwrap() == Some(function) {
            return Err(ListError::Refused(OutsideText::new("not you")));
        }
        change(self.state.lock().unwrap().get_mut(function).unwrap());
        Ok(())
    }
}

#[async_trait]
impl FunctionSwitch for Functions {
    async fn state(&self, function: &str) -> Result<Option<FunctionState>, ListError> {
        Ok(self.state.lock().unwrap().get(function).cloned())
    }

    async fn remember(&self, function: &str, before: Concurrency) -> Result<(), ListError> {
        self.put(function, |state| state.before_lockdown = Some(before))
    }

    async fn forget(&self, function: &str) -> Result<(), ListError> {
        self.put(function, |state| state.before_lockdown = None)
    }

    async fn allow(&self, function: &str, concurrency: Concurrency) -> Result<(), ListError> {
        self.put(function, |state| state.concurrency = concurrency)
    }
}

#[tokio::test]
async fn a_lockdown_stops_every_function_and_its_way_back_restores_each() {
    let functions = Functions::default();
    for function in lockdown::FUNCTIONS
        .iter()
        .filter(|name| **name != "offboard")
    {
        let concurrency = match *function {
            "kill-switch" => Concurrency::Reserved(10),
            _ => Concurrency::Shared,
        };
        let state = FunctionState {
            concurrency,
            before_lockdown: None,
        };
        functions
            .state
            .lock()
            .unwrap()
            .insert(format!("prod-{function}"), state);
    }
    let before = functions.state.lock().unwrap().clone();
    let stack = "prod".parse().unwrap();
    *functions.denied.lock().unwrap() = Some("prod-rotate");
    let first = lockdown::stop(&functions, &stack).await;
    let failed = |done: &&FunctionDone| matches!(done.outcome, Switched::Failed(_));
    assert_eq!(
        first.iter().filter(failed).count(),
        1,
        "one holds up no other: {first:?}"
    );
    *functions.denied.lock().unwrap() = None;
    lockdown::stop(&functions, &stack).await;
    let again = lockdown::stop(&functions, &stack).await;
    assert!(
        again
            .iter()
            .all(|done| matches!(done.outcome, Switched::Already | Switched::NotThere)),
        "{again:?}"
    );
    let all_stopped = functions
        .state
        .lock()
        .unwrap()
        .values()
        .all(|state| state.concurrency == Concurrency::Reserved(0));
    assert!(all_stopped);
    lockdown::lift(&functions, &stack).await;
    assert_eq!(*functions.state.lock().unwrap(), before);
    let lifted = lockdown::lift(&functions, &stack).await;
    assert!(
        lifted.iter().all(|done| done.outcome != Switched::Now),
        "{lifted:?}"
    );
}
