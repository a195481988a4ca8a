//! An account whose admin credential a person made and stored, at OpenAI over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use keyward_core::model::admin::{AdminLabel, AdminRecord, AdminState};
use keyward_core::model::admin_document::AdminDocument;
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::{AccountName, SecretArn, SecretVersionId};
use keyward_core::model::secret_document::SecretText;
use keyward_core::model::slot::ProviderName;
use keyward_core::ports::{
    Clock, Deadline, Inventory, KeyProvider, ListedAdmin, ProviderError, SecretStore, Stage,
    TAG_ADMIN, Verdict,
};
use keyward_core::rules::revoke::ConfirmPolicy;
use keyward_core::rules::rotation::RotationStep;
use keyward_core::usecases::Ports;
use keyward_core::usecases::admin::keep;
use keyward_core::usecases::rotate::{RotationError, StepOutcome, StepRequest, run_step};
use keyward_providers::AdminKeySource;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::gate::{Gate, gated};
use keyward_testkit::memory::{MemoryAlerts, MemoryInventory, MemorySecrets};
use keyward_testkit::simulator::{Settings, Simulator};
use keyward_tests::support::{ADMIN_SECRET, Simulated, token};
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

pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    pub(super) secrets: Arc<MemorySecrets>,
    pub(super) inventory: Arc<MemoryInventory>,
    pub(super) alerts: Arc<MemoryAlerts>,
    pub(super) simulator: Simulator,
    pub(super) driver: Arc<dyn KeyProvider>,
    /// Each call of these passes the gate.
    pub(super) ports: Ports,
    pub(super) open: Ports,
}

pub(super) fn arn() -> SecretArn {
    ADMIN_SECRET.parse().unwrap()
}

pub(super) fn account() -> AccountName {
    "openai-main".parse().unwrap()
}

impl World {
    /// An account whose admin credential a person made and stored.
    pub(super) async fn new(gate: &Arc<Gate>) -> Self {
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

    pub(super) async fn plain() -> Self {
        Self::new(&Arc::default()).await
    }

    pub(super) async fn step(
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
    pub(super) async fn rotate(&self, token: &SecretVersionId) -> Result<(), RotationError> {
        if self.secrets.holder(&arn(), &Stage::Current).as_ref() != Some(token) {
            self.secrets.begin_rotation(&arn(), token);
        }
        for step in RotationStep::ALL {
            self.step(&self.open, step, token).await?;
        }
        Ok(())
    }

    pub(super) fn current(&self) -> AdminKey {
        let text = self.secrets.current_text(&arn()).unwrap();
        AdminKey::new(&text)
    }

    pub(super) async fn accepts(&self, key: &AdminKey) -> Verdict {
        self.driver.admin().unwrap().accepts(key).await
    }

    pub(super) async fn listed(&self) -> Vec<ListedAdmin> {
        let admin = self.driver.admin().unwrap();
        admin.listed(&self.current()).await.unwrap()
    }

    pub(super) async fn record(&self) -> AdminRecord {
        self.inventory.admin(&account()).await.unwrap().unwrap()
    }

    /// `retire`, every five minutes.
    pub(super) async fn live_through(&self, time: SignedDuration) {
        let end = self.clock.now() + time;
        while self.clock.now() < end {
            self.clock.advance(SignedDuration::from_mins(5));
            keep(&self.open, &ConfirmPolicy::default()).await;
        }
    }

    /// Rules 1, 2 and 10, as they stand at any moment.
    pub(super) async fn check(&self, context: &str) {
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
    pub(super) async fn check_settled(&self, context: &str) {
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
