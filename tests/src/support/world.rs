use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::fleet::{Fleet, PlannedSlot};
use keyward_core::model::incident::Incident;
use keyward_core::model::names::{SecretArn, SecretVersionId, SlotName};
use keyward_core::model::secret_document::{SecretDocument, SecretText};
use keyward_core::model::slot::{ProviderName, Slot};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{
    Clock, Deadline, Fence, Inventory, KeyProvider, PoolSettings, SecretStore, Stage,
};
use keyward_core::rules::revoke::ConfirmPolicy;
use keyward_core::usecases::Ports;
use keyward_core::usecases::register::{Registered, register};
use keyward_core::usecases::retire::RetireReport;
use keyward_core::usecases::rotate::StepOutcome;
use keyward_retire::RetireError;
use keyward_rotate::RotateError;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::gate::{Gate, gated};
use keyward_testkit::memory::{
    MemoryAlerts, MemoryInventory, MemoryProvider, MemorySecrets, OneAccount,
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
    /// What the world is of.
    pub site: Site,
    /// The slot.
    pub slot: SlotName,
    /// Its secret.
    pub secret: SecretArn,
    /// How ends are confirmed.
    pub confirm: ConfirmPolicy,
}

/// A rotation's token.
pub fn token(number: u32) -> SecretVersionId {
    format!("11111111-aaaa-4bbb-8ccc-{number:012}")
        .parse()
        .unwrap()
}

/// What a world is of: one slot, and the standby pool of its account.
#[derive(Debug, Clone)]
pub struct Site {
    /// The slot, as the fleet plans it.
    pub planned: PlannedSlot,
    /// Where the account's standby keys are kept.
    pub pool: Option<PoolSettings>,
}

impl Site {
    /// The slot of the fleet of three that is of this provider, its account without a pool.
    ///
    /// # Panics
    /// If the fleet is no longer readable, or has no such slot.
    pub fn of(provider: ProviderName) -> Self {
        let fleet = Fleet::from_json(include_str!("../../fixtures/fleet-three.json"));
        let mut slots = fleet.unwrap().check().unwrap().into_iter();
        Self {
            planned: slots.find(|slot| slot.provider == provider).unwrap(),
            pool: None,
        }
    }

    fn account(&self, provider: Arc<dyn KeyProvider>) -> OneAccount {
        OneAccount {
            name: self.planned.entry.account.clone(),
            provider,
            pool: self.pool.clone(),
        }
    }
}

/// The fleet with one slot, of OpenRouter.
pub fn fleet() -> Vec<PlannedSlot> {
    vec![Site::of(ProviderName::OpenRouter).planned]
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
        let site = Site::of(provider.driver().abilities().provider);
        Self::of(site, gate, clock, provider).await
    }

    /// [`World::with`], of a given slot.
    pub async fn of(
        site: Site,
        gate: &Arc<Gate>,
        clock: Arc<ManualClock>,
        provider: Box<dyn Backend>,
    ) -> Self {
        let key = provider.seed("made by hand");
        let text = json!({"base_url": "https://example.com", "api_key": key}).to_string();
        let world = Self::unregistered_of(site, gate, clock, provider);
        world
            .outside
            .secrets
            .create(&world.secret, Some((&token(1), &text)));
        let registered = register(&world.open, &world.site.planned).await.unwrap();
        assert_eq!(registered, Registered::WithKey { handle_known: true });
        world
    }

    /// A deployment in which nothing exists yet.
    pub fn unregistered(
        gate: &Arc<Gate>,
        clock: Arc<ManualClock>,
        provider: Box<dyn Backend>,
    ) -> Self {
        let site = Site::of(provider.driver().abilities().provider);
        Self::unregistered_of(site, gate, clock, provider)
    }

    /// [`World::unregistered`], of a given slot.
    pub fn unregistered_of(
        site: Site,
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
        let account = site.account(outside.provider.driver());
        let open = Ports {
            secrets: outside.secrets.clone(),
            inventory: outside.inventory.clone(),
            pools: outside.inventory.clone(),
            providers: Arc::new(account),
            alerts: outside.alerts.clone(),
            clock: outside.clock.clone(),
        };
        Self {
            outside,
            ports: gated(&open, gate),
            open,
            slot: site.planned.name.clone(),
            secret: site.planned.entry.secret.clone(),
            site,
            confirm: ConfirmPolicy::default(),
        }
    }

    /// The ports of functions whose provider behaves in an odd way.
    pub fn odd(&self, way: Oddity) -> Ports {
        let inner = self.outside.provider.driver();
        let account = self.site.account(Arc::new(Odd { inner, way }));
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
        keyward_retire::handle(&self.open, &self.confirm, self.deadline()).await
    }

    /// Lets `time` pass with `retire` woken every five minutes and rotations carried out as asked.
    pub async fn live_through(&self, time: SignedDuration) {
        let end = self.outside.clock.now() + time;
        while self.outside.clock.now() < end {
            self.pass(SignedDuration::from_mins(5));
            let _ = self.retire().await;
            self.rotate_as_asked().await;
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
    /// inventory and suspended at the provider. An intent, whose key may yet come to be, is left to `retire` at once.
    pub async fn contain(&self, name: &SlotName) {
        let slot = self.inventory.slot(name).await.unwrap().unwrap();
        let trigger = OutsideText::new("test");
        let incident = Incident::open(name, slot.epoch, trigger, self.clock.now());
        self.inventory
            .open_incident(&incident, &slot)
            .await
            .unwrap();
        let driver = self.provider.driver();
        for version in self.inventory.versions(name).await.unwrap() {
            if !version.state.may_become(VersionState::Contained) {
                continue;
            }
            let now = self.clock.now();
            let due_at = match &version.handle {
                Some(handle) => {
                    let _ = driver.disable(handle).await;
                    now + SignedDuration::from_hours(72)
                }
                None => now,
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
