use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::SignedDuration;
use keyward_core::model::fleet::{Fleet, PlannedSlot};
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::SecretVersionId;
use keyward_core::model::secret_document::{SecretDocument, SecretText};
use keyward_core::model::slot::ProviderName;
use keyward_core::model::version::{Confirmation, Version, VersionState};
use keyward_core::ports::{Clock, Deadline, Inventory};
use keyward_core::rules::revoke::ConfirmPolicy;
use keyward_core::usecases::register::{Registered, register};
use keyward_core::usecases::{Ports, pool};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::memory::{KillSwitchHere, MemoryAlerts, MemoryInventory, MemorySecrets};
use keyward_testkit::simulator::{Fault, FaultRule, Settings, Simulator};
use secrecy::ExposeSecret;
use serde_json::json;

use super::Break;
use super::timeline::Timeline;
use crate::support::{Backend, Several, THREE};

const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// The rotation at OpenRouter whose create loses its answer, counted from one.
const LOST_ANSWER: u32 = 1;

/// Keys that people put into the standby pool at the start.
const STANDBY: usize = 4;

/// The secret of the standby pool.
const POOL: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/pool-a1B2c3";

/// A deployment on embedded parts.
pub(super) struct Deployment {
    pub(super) clock: Arc<ManualClock>,
    pub(super) inventory: Arc<MemoryInventory>,
    pub(super) fleet: Vec<PlannedSlot>,
    pub(super) ports: Ports,
    pub(super) http: reqwest::Client,
    secrets: Arc<MemorySecrets>,
    alerts: Arc<MemoryAlerts>,
    pub(super) providers: Several,
    rotations: AtomicUsize,
    fault: Option<Break>,
}

impl Deployment {
    pub(super) async fn start(fault: Option<Break>) -> Self {
        let clock = Arc::new(ManualClock::start());
        let settings = Settings {
            birth_delay: SignedDuration::from_secs(3),
            change_delay: SignedDuration::from_secs(90),
            ..Settings::default()
        };
        let providers = Several::start(&THREE, clock.clone(), &settings).await;
        let lost = FaultRule::on("POST", "/keys", Fault::lost_after()).nth(LOST_ANSWER);
        providers
            .at(ProviderName::OpenRouter)
            .simulator
            .inject(lost);
        let secrets = Arc::new(MemorySecrets::default());
        let inventory = Arc::new(MemoryInventory::default());
        let alerts = Arc::new(MemoryAlerts::default());
        let ports = Ports {
            secrets: secrets.clone(),
            inventory: inventory.clone(),
            pools: inventory.clone(),
            providers: providers.providers(),
            alerts: alerts.clone(),
            clock: clock.clone(),
        };
        let fleet = include_str!("../../fixtures/fleet-three.json");
        let fleet = Fleet::from_json(fleet).unwrap().check().unwrap();
        let http = reqwest_client();
        Self {
            clock,
            inventory,
            fleet,
            ports,
            http,
            secrets,
            alerts,
            providers,
            rotations: AtomicUsize::new(100),
            fault,
        }
    }

    /// Each slot's secret gets a key made by hand, and is registered.
    pub(super) async fn register_all(&self, timeline: &mut Timeline<'_>) {
        let at = |provider| self.providers.at(provider);
        let by_hand = |p: &PlannedSlot| at(p.provider).seed(&format!("{} by hand", p.agent));
        let keys: Vec<String> = self.fleet.iter().map(by_hand).collect();
        let standby = (0..STANDBY).map(|n| {
            let made = at(ProviderName::Anthropic).seed(&format!("standby {n}"));
            ApiKey::new(&made)
        });
        let standby = standby.collect();
        // A new key is not accepted everywhere at once.
        self.clock.advance(SignedDuration::from_mins(1));
        self.fill_pool(standby, timeline).await;
        for (number, (planned, key)) in self.fleet.iter().zip(keys).enumerate() {
            let provider = self.providers.at(planned.provider);
            let value = match number {
                0 => key,
                _ => json!({"base_url": provider.simulator.base_url(), "api_key": key}).to_string(),
            };
            self.secrets
                .create(&planned.entry.secret, Some((&token(number), &value)));
            let registered = register(&self.ports, planned).await.unwrap();
            let how = match registered {
                Registered::WithKey { handle_known: true } => {
                    "registered with the key in its secret"
                }
                _ => "registered, but its key was not found at the provider",
            };
            let text = format!("{}: {how}", planned.name);
            timeline.line(self.clock.now(), &text);
        }
    }

    /// People make keys at the provider whose API makes none, and put them into its pool.
    async fn fill_pool(&self, keys: Vec<ApiKey>, timeline: &mut Timeline<'_>) {
        let account = "anthropic-main".parse().unwrap();
        self.secrets.create(&POOL.parse().unwrap(), None);
        let report = pool::add(
            &self.ports,
            &KillSwitchHere::on(&self.ports),
            &account,
            keys,
            self.deadline(),
        )
        .await;
        let depth = report.unwrap().pool.standby.len();
        let text = format!("{account}: {depth} keys stand by, suspended until they are drawn");
        timeline.line(self.clock.now(), &text);
    }

    /// One rotation, as Secrets Manager carries it out: four steps, and the whole again if one fails.
    pub(super) async fn rotate(&self, slot: usize, timeline: &mut Timeline<'_>) {
        let planned = &self.fleet[slot];
        let token = token(self.rotations.fetch_add(1, Ordering::SeqCst));
        self.secrets.begin_rotation(&planned.entry.secret, &token);
        for _ in 1..=3 {
            match self.four_steps(planned, &token).await {
                Ok(()) => {
                    let text = format!(
                        "{}: rotated; the old key stays valid beside the new one",
                        planned.name
                    );
                    timeline.line(self.clock.now(), &text);
                    break;
                }
                Err(error) => {
                    let error = keyward_lambda::diagnostic::chain(&error);
                    let text = format!(
                        "{}: rotation tried, and left to Secrets Manager's retry: {error}",
                        planned.name
                    );
                    timeline.line(self.clock.now(), &text);
                    self.clock.advance(SignedDuration::from_mins(1));
                }
            }
            self.break_intent(planned).await;
        }
        self.break_overlap(planned).await;
    }

    async fn four_steps(
        &self,
        planned: &PlannedSlot,
        token: &SecretVersionId,
    ) -> Result<(), keyward_rotate::RotateError> {
        for step in STEPS {
            let event = json!({
                "Step": step, "SecretId": planned.entry.secret, "ClientRequestToken": token,
            });
            keyward_rotate::handle(&self.ports, &event, self.deadline()).await?;
        }
        Ok(())
    }

    fn deadline(&self) -> Deadline {
        Deadline(self.clock.now() + SignedDuration::from_mins(5))
    }

    pub(super) async fn retire(&self, timeline: &mut Timeline<'_>) {
        let before = self.inventory.all_versions();
        let confirm = ConfirmPolicy::default();
        if let Err(error) = crate::support::retire_due(&self.ports, &confirm, self.deadline()).await
        {
            timeline.line(self.clock.now(), &keyward_lambda::diagnostic::chain(&error));
        }
        for version in self.inventory.all_versions() {
            let earlier = before
                .iter()
                .find(|v| v.id == version.id && v.slot == version.slot);
            if let Some(text) = change(earlier, &version) {
                timeline.line(self.clock.now(), &text);
            }
        }
        timeline.alerts(self.clock.now(), &self.alerts.sent());
    }

    /// The key that an agent fetches.
    pub(super) fn current_key(&self, slot: usize) -> String {
        let text = self
            .secrets
            .current_text(&self.fleet[slot].entry.secret)
            .unwrap();
        let provider = self.providers.at(self.fleet[slot].provider);
        let format = provider.driver().abilities().format;
        let document = SecretDocument::parse(&SecretText::new(text), &format).unwrap();
        document.key().expose_secret().to_owned()
    }

    /// Where a slot's agent calls.
    pub(super) fn simulator(&self, slot: usize) -> &Simulator {
        &self.providers.at(self.fleet[slot].provider).simulator
    }

    /// The fault: whatever is to retire may go at once.
    async fn break_overlap(&self, planned: &PlannedSlot) {
        if self.fault != Some(Break::Overlap) {
            return;
        }
        let now = self.clock.now();
        for mut version in self.inventory.versions(&planned.name).await.unwrap() {
            if version.state == VersionState::Retiring {
                version.retire_after = Some(now);
                version.deadline = Some(now);
                version.due_at = Some(now);
                let fence = keyward_core::ports::Fence::None;
                self.inventory
                    .save_versions(&[version], fence)
                    .await
                    .unwrap();
            }
        }
    }

    /// The fault: what was intended but came to nothing is forgotten, and the provider's key with it.
    async fn break_intent(&self, planned: &PlannedSlot) {
        if self.fault != Some(Break::Intent) {
            return;
        }
        for version in self.inventory.versions(&planned.name).await.unwrap() {
            let lost = version.fingerprint.is_none() && version.state != VersionState::Current;
            if let (true, Some(handle)) = (lost, &version.handle) {
                let driver = self.providers.at(planned.provider).driver();
                let _ = driver.restore(handle, &version.scope).await;
                self.inventory.forget(&version.slot, &version.id);
            }
        }
    }
}

/// What `retire` did to a version, for people.
fn change(earlier: Option<&Version>, version: &Version) -> Option<String> {
    if earlier?.state == version.state {
        return None;
    }
    let key = version
        .hint
        .as_ref()
        .map_or_else(|| "a lost key".to_owned(), |hint| format!("old key {hint}"));
    let what = match version.state {
        VersionState::Revoking => "revoked at the provider; accepted is not done".to_owned(),
        VersionState::Revoked => match (version.revoke_confirmed?.by, version.refusals) {
            (Confirmation::Refused, Some(seen)) => format!(
                "confirmed dead: refused {} times in a row, then deleted",
                seen.count
            ),
            (Confirmation::Refused, None) => return None,
            (Confirmation::ListOnly, _) => "deleted, and gone from the provider's list".to_owned(),
            (Confirmation::NeverMade, _) => "was never made".to_owned(),
        },
        _ => return None,
    };
    Some(format!("{}: {key}: {what}", version.slot))
}

fn token(number: usize) -> SecretVersionId {
    format!("00000000-0000-4000-8000-{number:012}")
        .parse()
        .unwrap()
}

fn reqwest_client() -> reqwest::Client {
    let settings = keyward_lambda::http::HttpSettings {
        extra_roots: None,
        timeout: std::time::Duration::from_secs(5),
    };
    keyward_lambda::http::Http::new(&settings)
        .unwrap()
        .pooled()
        .unwrap()
}
