use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::alert::AlertKind;
use keyward_core::model::fleet::{Fleet, PlannedSlot};
use keyward_core::model::incident::Incident;
use keyward_core::model::key::ApiKey;
use keyward_core::model::kill_order::TopicArn;
use keyward_core::model::names::{AccountName, SecretArn, SecretVersionId, SlotName};
use keyward_core::model::secret_document::{SecretDocument, SecretText};
use keyward_core::model::slot::{CredentialKind, ProviderName, Scope, Slot};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{
    Clock, Deadline, Fence, Inventory, KeyProvider, PoolSettings, SecretStore, Stage, Suspension,
};
use keyward_core::rules::kill::{AlarmMap, Deployment};
use keyward_core::rules::revoke::ConfirmPolicy;
use keyward_core::usecases::register::{Registered, register};
use keyward_core::usecases::retire::RetireReport;
use keyward_core::usecases::rotate::StepOutcome;
use keyward_core::usecases::{Ports, pool};
use keyward_retire::RetireError;
use keyward_rotate::RotateError;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::gate::{Gate, gated};
use keyward_testkit::memory::{
    KillSwitchHere, MemoryAlerts, MemoryInventory, MemoryProvider, MemorySecrets, OneAccount,
};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{Odd, Oddity};

/// How long the functions may run, as their deployment says.
const TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// The side of the provider that tests look at.
pub trait Backend: Send + Sync {
    /// The driver under test.
    fn driver(&self) -> Arc<dyn KeyProvider>;
    /// Makes a key as a person would. Returns its text.
    fn seed(&self, name: &str) -> String;
    /// Whether a call with this key would be accepted.
    fn accepts(&self, text: &str) -> bool;
    /// One call of an agent; whether it was accepted.
    fn call(&self, text: &str) -> bool;
    /// Every key that would be accepted.
    fn live(&self) -> Vec<LiveKey>;
    /// Where the slot's keys live.
    fn scope(&self) -> Scope;
}

/// A key that works.
pub struct LiveKey {
    /// Its name at the provider.
    pub label: String,
    /// Its text.
    pub text: String,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}

impl Backend for Arc<MemoryProvider> {
    fn driver(&self) -> Arc<dyn KeyProvider> {
        self.clone()
    }

    fn seed(&self, name: &str) -> String {
        MemoryProvider::seed(self, name)
    }

    fn accepts(&self, text: &str) -> bool {
        MemoryProvider::accepts(self, text)
    }

    fn call(&self, text: &str) -> bool {
        MemoryProvider::call(self, text)
    }

    fn live(&self) -> Vec<LiveKey> {
        let live = MemoryProvider::live(self).into_iter();
        live.map(|(text, record)| LiveKey {
            label: record.label.as_str().to_owned(),
            text,
            expires: record.expires,
        })
        .collect()
    }

    fn scope(&self) -> Scope {
        MemoryProvider::scope(self)
    }
}

/// The outside that a test can look at and move.
pub struct Outside {
    /// The time.
    pub clock: Arc<ManualClock>,
    /// Secrets Manager.
    pub secrets: Arc<MemorySecrets>,
    /// The inventory.
    pub inventory: Arc<MemoryInventory>,
    /// What people were told.
    pub alerts: Arc<MemoryAlerts>,
    /// The provider.
    pub provider: Box<dyn Backend>,
}

/// A deployment with one slot.
pub struct World {
    /// The outside, unhindered.
    pub outside: Arc<Outside>,
    /// The ports that functions get: the outside through the gate.
    pub ports: Ports,
    /// The ports of what goes on outside the test: not through the gate.
    pub open: Ports,
    /// The slot.
    pub slot: SlotName,
    /// Its secret.
    pub secret: SecretArn,
    /// How ends are confirmed.
    pub confirm: ConfirmPolicy,
}

/// The secret of the one slot.
pub fn arn() -> SecretArn {
    "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/support-bot-a1B2c3"
        .parse()
        .unwrap()
}

/// Who the deployment is that these tests watch and keep alarms for.
pub fn deployment() -> Deployment {
    Deployment {
        account: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        stack: "prod".parse().unwrap(),
        topic: TopicArn::new("arn:aws:sns:us-east-1:111122223333:alarms"),
        map: AlarmMap::default(),
    }
}

/// Keys in the pool of a fresh world.
const STANDBY: usize = 6;

/// The standby pool of a provider's account, if its slots draw.
fn pool_of(provider: ProviderName) -> Option<PoolSettings> {
    let secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/pool-a1B2c3";
    (provider.kind() == CredentialKind::Pool).then(|| PoolSettings {
        provider,
        secret: secret.parse().unwrap(),
        low_water: 2,
    })
}

/// A rotation's token.
pub fn token(number: u32) -> SecretVersionId {
    format!("11111111-aaaa-4bbb-8ccc-{number:012}")
        .parse()
        .unwrap()
}

/// The fleet with one slot, at OpenRouter.
pub fn fleet() -> Vec<PlannedSlot> {
    fleet_at(ProviderName::OpenRouter, &Scope::default())
}

/// The account of a provider.
fn account_of(provider: ProviderName) -> AccountName {
    format!("{provider}-main").parse().unwrap()
}

/// The fleet with one slot, at a given provider.
pub fn fleet_at(provider: ProviderName, scope: &Scope) -> Vec<PlannedSlot> {
    let (account, slot) = (account_of(provider), format!("support-bot-{provider}"));
    let text = json!({
        "version": 1,
        "accounts": {account.as_str(): {"provider": provider}},
        "agents": {"support-bot": {
            "owner": "ana@example.com", "backup_owner": "platform-team", "environment": "prod",
        }},
        "slots": {slot: {
            "agent": "support-bot",
            "account": account,
            "secret": arn(),
            "scope": scope,
            "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000},
        }},
    });
    Fleet::from_json(&text.to_string())
        .unwrap()
        .check()
        .unwrap()
}

impl World {
    /// A slot that is registered with a key that a person made, on parts in memory.
    pub async fn in_memory(gate: &Arc<Gate>) -> Self {
        let clock = Arc::new(ManualClock::start());
        let provider = Arc::new(MemoryProvider::new(clock.clone()));
        Self::with(gate, clock, Box::new(provider)).await
    }

    /// The same on a given provider, its key stored in a JSON object with other fields.
    pub async fn with(
        gate: &Arc<Gate>,
        clock: Arc<ManualClock>,
        provider: Box<dyn Backend>,
    ) -> Self {
        let key = provider.seed("made by hand");
        let text = json!({"base_url": "https://example.com", "api_key": key}).to_string();
        let world = Self::unregistered(gate, clock, provider);
        world
            .outside
            .secrets
            .create(&world.secret, Some((&token(1), &text)));
        let provider = &world.outside.provider;
        let planned = fleet_at(provider.driver().abilities().provider, &provider.scope());
        let registered = register(&world.open, &planned[0]).await.unwrap();
        assert_eq!(registered, Registered::WithKey { handle_known: true });
        for alert in world.outside.alerts.take() {
            assert_eq!(alert.kind, AlertKind::ProtectionMissing, "{alert:?}");
        }
        if world.slot().await.kind == CredentialKind::Pool {
            world.fill_pool(STANDBY).await;
        }
        world
    }

    /// People make keys and put them into the account's pool.
    pub async fn fill_pool(&self, keys: usize) {
        let provider = &self.outside.provider;
        let account = account_of(provider.driver().abilities().provider);
        let keys = (0..keys).map(|n| ApiKey::new(&provider.seed(&format!("standby {n}"))));
        let report = pool::add(
            &self.open,
            &KillSwitchHere::on(&self.open),
            &account,
            keys.collect(),
            self.deadline(),
        )
        .await;
        let report = report.unwrap();
        assert_eq!((report.refused, report.not_ready), (vec![], vec![]));
    }

    /// A deployment in which nothing exists yet.
    pub fn unregistered(
        gate: &Arc<Gate>,
        clock: Arc<ManualClock>,
        provider: Box<dyn Backend>,
    ) -> Self {
        let outside = Arc::new(Outside {
            clock,
            secrets: Arc::default(),
            inventory: Arc::default(),
            alerts: Arc::default(),
            provider,
        });
        let driver = outside.provider.driver();
        let provider = driver.abilities().provider;
        let pool = pool_of(provider);
        if let Some(pool) = &pool {
            outside.secrets.create(&pool.secret, None);
        }
        let account = OneAccount {
            name: account_of(provider),
            provider: driver,
            pool,
        };
        let open = Ports {
            secrets: outside.secrets.clone(),
            inventory: outside.inventory.clone(),
            pools: outside.inventory.clone(),
            providers: Arc::new(account),
            alerts: outside.alerts.clone(),
            clock: outside.clock.clone(),
        };
        let ports = gated(&open, gate);
        let slot = format!("support-bot-{provider}").parse().unwrap();
        Self {
            outside,
            ports,
            open,
            slot,
            secret: arn(),
            confirm: ConfirmPolicy::default(),
        }
    }

    /// The ports of functions whose provider behaves in an odd way.
    pub fn odd(&self, way: Oddity) -> Ports {
        let inner = self.outside.provider.driver();
        let provider = inner.abilities().provider;
        let account = OneAccount {
            name: account_of(provider),
            provider: Arc::new(Odd { inner, way }),
            pool: pool_of(provider),
        };
        Ports {
            providers: Arc::new(account),
            ..self.open.clone()
        }
    }

    /// Time passes.
    pub fn pass(&self, time: SignedDuration) {
        self.outside.clock.advance(time);
    }

    /// When an invocation that begins now is ended.
    pub fn deadline(&self) -> Deadline {
        Deadline(self.outside.clock.now() + TIMEOUT)
    }

    /// One step through the function, on the given ports.
    ///
    /// # Errors
    /// As the function.
    pub async fn step_on(
        &self,
        ports: &Ports,
        step: &str,
        token: &SecretVersionId,
    ) -> Result<StepOutcome, RotateError> {
        let event = json!({"Step": step, "SecretId": self.secret, "ClientRequestToken": token});
        keyward_rotate::handle(ports, &event, self.deadline()).await
    }

    /// One step through the gate.
    ///
    /// # Errors
    /// As the function.
    pub async fn step(
        &self,
        step: &str,
        token: &SecretVersionId,
    ) -> Result<StepOutcome, RotateError> {
        self.step_on(&self.ports, step, token).await
    }

    /// All four steps, not through the gate, as Secrets Manager calls them: it stops at the first that fails.
    ///
    /// # Errors
    /// As the function.
    pub async fn rotate(&self, token: &SecretVersionId) -> Result<(), RotateError> {
        let secret = self
            .outside
            .secrets
            .describe(self.secret.as_str())
            .await
            .unwrap();
        if secret
            .stages
            .get(token)
            .is_none_or(|stages| !stages.contains(&Stage::Current))
        {
            self.outside.secrets.begin_rotation(&self.secret, token);
        }
        for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
            self.step_on(&self.open, step, token).await?;
        }
        Ok(())
    }

    /// Carries out the rotations that were asked for.
    pub async fn rotate_as_asked(&self) {
        for started in self.outside.secrets.take_started() {
            let _ = self.rotate(&started.token).await;
        }
    }

    /// One run of retire, not through the gate.
    ///
    /// # Errors
    /// As the function.
    pub async fn retire(&self) -> Result<RetireReport, RetireError> {
        crate::support::retire_due(&self.open, &self.confirm, self.deadline()).await
    }

    /// Lets `time` pass with `retire` woken every five minutes and rotations carried out as asked. A run of `retire`
    /// that would find no work due is left out: it would read that, and end.
    pub async fn live_through(&self, time: SignedDuration) {
        let end = self.outside.clock.now() + time;
        while self.outside.clock.now() < end {
            self.pass(SignedDuration::from_mins(5));
            let due = self.outside.inventory.next_due();
            if due.is_some_and(|at| at <= self.outside.clock.now()) {
                let _ = self.retire().await;
            }
            if self.outside.secrets.has_started() {
                self.rotate_as_asked().await;
            }
        }
    }

    /// A kill of the slot, to happen when it is awaited.
    pub fn kill(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        let (outside, slot) = (self.outside.clone(), self.slot.clone());
        Box::pin(async move { outside.contain(&slot).await })
    }

    /// The slot as stored.
    pub async fn slot(&self) -> Slot {
        self.outside
            .inventory
            .slot(&self.slot)
            .await
            .unwrap()
            .unwrap()
    }

    /// The slot's versions as stored.
    pub async fn versions(&self) -> Vec<Version> {
        self.outside.inventory.versions(&self.slot).await.unwrap()
    }

    /// The key under AWSCURRENT, as an agent fetches it.
    pub fn current_key(&self) -> String {
        let text = self.outside.secrets.current_text(&self.secret).unwrap();
        let format = self.outside.provider.driver().abilities().format;
        let document = SecretDocument::parse(&SecretText::new(text), &format).unwrap();
        document.key().expose_secret().to_owned()
    }
}

impl Outside {
    /// Cuts the slot off as a kill does: the epoch is raised with an incident, every live version is contained in the
    /// inventory and suspended at the provider, or ended where that is all it can do. An intent, whose key may yet come
    /// to be, is left to `retire` at once.
    pub async fn contain(&self, name: &SlotName) {
        let slot = self.inventory.slot(name).await.unwrap().unwrap();
        let trigger = OutsideText::new("test");
        let incident = Incident::open(name, slot.epoch, trigger, self.clock.now());
        self.inventory
            .open_incident(&incident, &slot, &[])
            .await
            .unwrap();
        let driver = self.provider.driver();
        for version in self.inventory.versions(name).await.unwrap() {
            if !version.state.may_become(VersionState::Contained) {
                continue;
            }
            let now = self.clock.now();
            if let Some(handle) = &version.handle {
                let _ = match driver.abilities().suspension {
                    Suspension::None => driver.delete(handle).await,
                    Suspension::Refuses | Suspension::Narrows => {
                        driver.disable(handle).await.map(drop)
                    }
                };
            }
            // A key that agents used can be restored for a while. One that never was current is revoked for good, once
            // no invocation can be at work on it.
            let due_at = if version.state.is_in_rotation() {
                version.lease_until.map_or(now, |lease| lease.max(now))
            } else {
                now + SignedDuration::from_hours(72)
            };
            let mut contained = version.become_state(VersionState::Contained).unwrap();
            contained.due_at = Some(due_at);
            self.inventory
                .save_versions(&[contained], Fence::None)
                .await
                .unwrap();
        }
    }
}
