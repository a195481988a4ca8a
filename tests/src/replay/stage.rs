//! The embedded deployment that a file is played on, brought to where the file begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keyward_aws::SecretsManager;
use keyward_core::model::fleet::{Fleet, PlannedSlot};
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::{SecretArn, SecretVersionId, SlotName};
use keyward_core::model::secret_document::{SecretDocument, SecretText};
use keyward_core::model::slot::{CredentialKind, ProviderName};
use keyward_core::ports::{
    Clock, Deadline, KeyProvider, PoolSettings, ProviderError, SecretStore, Stage as Label,
};
use keyward_core::rules::revoke::ConfirmPolicy;
use keyward_core::usecases::register::register;
use keyward_core::usecases::{Ports, pool};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::memory::{
    KillSwitchHere, MemoryAlerts, MemoryInventory, MemorySecrets, OneAccount, made_up_key,
};
use keyward_testkit::simulator::{Home, Settings, Simulator};
use serde_json::json;

use super::error::Unsupported;
use super::file::Describe;
use super::report::Report;
use super::texts::{Texts, prefix_of};
use super::wire::Wire;
use crate::support::{Backend, Simulated};

/// How long an invocation may take.
const TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// How old a seeded key is at the provider.
const SEEDED_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Standby keys of a made-up pool.
const STANDBY: usize = 2;

/// Where a file begins.
pub(super) struct Opening<'a> {
    pub(super) provider: ProviderName,
    pub(super) describe: &'a Describe,
    /// The value of the version that was current before the first rotation of the file.
    pub(super) value: Option<&'a str>,
    /// That version; `None` for a secret without any.
    pub(super) base: Option<SecretVersionId>,
    pub(super) now: Timestamp,
    /// The overlap, in minutes, where the file has one.
    pub(super) overlap: Option<i64>,
    pub(super) pool: Standby,
    /// Which service account keys of OpenAI get.
    pub(super) home: Home,
    pub(super) fleet: Option<&'a str>,
}

/// What stands by in the pool of a provider that makes no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standby {
    Filled,
    Empty,
}

/// The embedded deployment.
pub struct Stage {
    /// The time.
    pub clock: Arc<ManualClock>,
    /// Secrets Manager.
    pub secrets: Arc<MemorySecrets>,
    /// The inventory.
    pub inventory: Arc<MemoryInventory>,
    /// What people were told.
    pub alerts: Arc<MemoryAlerts>,
    /// The provider.
    pub provider: Simulated,
    /// The slot.
    pub slot: SlotName,
    /// Its secret.
    pub secret: SecretArn,
    /// What came of the file so far.
    pub report: Report,
    /// The value of the secret when the file began.
    pub before: Option<String>,
    /// What functions get: Secrets Manager by its protocol.
    pub(super) ports: Ports,
    /// What happened before: Secrets Manager as it is.
    pub(super) open: Ports,
    pub(super) wire: Wire,
    pub(super) texts: Texts,
    /// All slots, where the file is about what happens to each.
    pub(super) slots: Vec<SlotName>,
    /// Alerts already in the report, or of the time before.
    pub(super) told: usize,
}

impl Stage {
    /// Makes the deployment, with the slot registered as it was before the file begins.
    pub(super) async fn open(opening: &Opening<'_>) -> Result<Self, Unsupported> {
        let provider = opening.provider;
        let rotated = opening.describe.rotated();
        let start = rotated
            .map_or(opening.now, |at| at + SEEDED_AGE)
            .min(opening.now);
        let clock = Arc::new(ManualClock::at(start));
        let settings = Settings {
            provider,
            home: opening.home,
            ..Settings::default()
        };
        let simulated = Simulated::start(clock.clone(), settings).await;
        let arn = opening.describe.arn.clone();
        let mut report = Report {
            provider: opening.provider.to_string(),
            ..Report::default()
        };
        let planned = planned(opening, provider, &simulated, &mut report)?;
        let driver = simulated.driver();
        let pool = pool_of(provider);
        let account = OneAccount {
            name: planned.entry.account.clone(),
            provider: driver.clone(),
            pool: pool.clone(),
        };
        let secrets = Arc::<MemorySecrets>::default();
        let inventory = Arc::<MemoryInventory>::default();
        let alerts = Arc::<MemoryAlerts>::default();
        let wire = Wire::new(secrets.clone());
        let open = Ports {
            secrets: secrets.clone(),
            inventory: inventory.clone(),
            pools: inventory.clone(),
            providers: Arc::new(account),
            alerts: alerts.clone(),
            clock: clock.clone(),
        };
        let ports = Ports {
            secrets: Arc::new(SecretsManager::new(&wire.config())),
            ..open.clone()
        };
        let mut stage = Self {
            clock,
            secrets,
            inventory,
            alerts,
            provider: simulated,
            slot: planned.name.clone(),
            secret: arn,
            report,
            before: None,
            ports,
            open,
            wire,
            texts: Texts::default(),
            slots: Vec::new(),
            told: 0,
        };
        stage.seed(opening, &planned, driver.as_ref()).await?;
        if let (Some(pool), Standby::Filled) = (pool, opening.pool) {
            stage.fill_pool(&pool, &planned).await;
        }
        let wait = opening.now.duration_since(stage.clock.now());
        stage.clock.advance(wait);
        Ok(stage)
    }

    /// The secret with the key that was in use, and its slot in the inventory.
    async fn seed(
        &mut self,
        opening: &Opening<'_>,
        planned: &PlannedSlot,
        driver: &dyn KeyProvider,
    ) -> Result<(), Unsupported> {
        let format = driver.abilities().format;
        let translated = opening.value.map(|text| self.translate(text));
        let parses = |text: &String| {
            let text = SecretText::new(text.clone());
            let document = SecretDocument::parse(&text, &format);
            document.is_ok_and(|document| document.key().looks_like(&format))
        };
        let first = match &translated {
            Some(text) if parses(text) => text.clone(),
            given => {
                let why = match given {
                    Some(_) => "the secret was registered when its value was still in order",
                    None => "the secret's current value: an object with a key and its id",
                };
                self.report.made_up.push(why.to_owned());
                self.made_up_value("old")
            }
        };
        let value = opening.base.as_ref().map(|id| (id, first.as_str()));
        self.secrets.create(&self.secret, value);
        for tag in &opening.describe.tags {
            let tagged = self.secrets.tag(&self.secret, &tag.key, &tag.value).await;
            tagged.map_err(|e| Unsupported::Register(e.to_string()))?;
        }
        let registered = register(&self.open, planned).await;
        registered.map_err(|e| Unsupported::Register(e.to_string()))?;
        if let (Some(id), Some(text)) = (&opening.base, translated)
            && text != first
        {
            self.secrets.put_current(&self.secret, id, &text);
        }
        Ok(())
    }

    /// People have put keys into the pool.
    async fn fill_pool(&mut self, pool: &PoolSettings, planned: &PlannedSlot) {
        self.secrets.create(&pool.secret, None);
        let keys = (0..STANDBY).map(|n| {
            let text = self.made_up_text();
            let key = ApiKey::new(&text);
            self.simulator().seed_key(&format!("standby {n}"), &key);
            key
        });
        let keys: Vec<ApiKey> = keys.collect();
        let added = pool::add(
            &self.open,
            &KillSwitchHere::on(&self.open),
            &planned.entry.account,
            keys,
            self.deadline(),
        )
        .await;
        let note = match added {
            Ok(report) => format!("{} keys in the standby pool", report.added.len()),
            Err(error) => format!("an empty standby pool: {error}"),
        };
        self.report.made_up.push(note);
    }

    /// The simulator behind the provider's driver.
    pub fn simulator(&self) -> &Simulator {
        &self.provider.simulator
    }

    /// When an invocation that begins now is ended.
    pub(super) fn deadline(&self) -> Deadline {
        Deadline(self.clock.now() + TIMEOUT)
    }

    /// How ends are confirmed.
    pub(super) fn confirm() -> ConfirmPolicy {
        ConfirmPolicy::default()
    }

    /// A key text of the provider's form that nobody has.
    fn made_up_text(&self) -> String {
        let number = 7000 + self.simulator().keys().len() as u64;
        let prefix = prefix_of(self.provider.driver().abilities().provider);
        made_up_key(number).replacen("sk-or-v1-", prefix, 1)
    }

    /// A value of a secret, with a key that the provider lists.
    pub(super) fn made_up_value(&mut self, name: &str) -> String {
        if self.provider.driver().abilities().provider == ProviderName::Bedrock {
            // What these texts begin with is not for anybody to make up.
            let text = self.provider.seed(name);
            let handle = self.simulator().keys().pop().map(|key| key.handle);
            return json!({"key_id": handle, "api_key": text}).to_string();
        }
        let text = self.made_up_text();
        let handle = self.simulator().seed_key(name, &ApiKey::new(&text));
        json!({"key_id": handle, "api_key": text}).to_string()
    }

    /// A value of the file with the made-up key in the place of each key, and its id in the place of the id.
    pub(super) fn translate(&mut self, value: &str) -> String {
        let (keys, ids) = Texts::found_in(value);
        for found in &keys {
            if self.texts.has(found) {
                continue;
            }
            let (text, name) = (self.made_up_text(), "as in the file");
            let key = ApiKey::new(&text);
            let handle = if ids.is_empty() {
                let elsewhere = self.simulator().add_workspace();
                self.report.made_up.push(
                    "a key without an id in the file lives where the slot's list does not reach"
                        .to_owned(),
                );
                self.simulator().seed_key_in(&elsewhere, name, &key)
            } else {
                self.simulator().seed_key(name, &key)
            };
            self.texts.learn(found, &text, &ids, handle.as_str());
        }
        self.texts.translate(value)
    }

    /// Puts the labels of the file where they are there.
    pub(super) fn label(&self, describe: &Describe) {
        let labels: BTreeMap<&SecretVersionId, &Vec<String>> =
            describe.version_ids_to_stages.iter().collect();
        for (version, stages) in labels {
            for stage in stages {
                let stage = Label::from(stage.as_str());
                self.secrets.stage(&self.secret, stage, version);
            }
        }
        if describe.rotation_enabled != Some(true) {
            self.secrets.cancel_rotation(&self.secret);
        }
    }

    /// What went before is over: the report begins.
    pub(super) fn begin(&mut self) {
        self.told = self.alerts.sent().len();
        self.wire.take_calls();
        self.simulator().clear_requests();
        self.before = self.secrets.current_text(&self.secret);
    }
}

/// The standby pool of a provider that makes no keys.
fn pool_of(provider: ProviderName) -> Option<PoolSettings> {
    let secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/pool-a1B2c3";
    let secret = secret.parse().ok()?;
    (provider.kind() == CredentialKind::Pool).then_some(PoolSettings {
        provider,
        secret,
        low_water: 1,
    })
}

/// The slot of the file's secret: out of the fleet, or made up.
fn planned(
    opening: &Opening<'_>,
    provider: ProviderName,
    simulated: &Simulated,
    report: &mut Report,
) -> Result<PlannedSlot, Unsupported> {
    let arn = &opening.describe.arn;
    let refused = |e: &dyn std::fmt::Display| {
        let on_one_line = e.to_string().replace('\n', " ");
        Unsupported::Fleet(on_one_line)
    };
    let text = match opening.fleet {
        Some(text) => text.to_owned(),
        None => made_up_fleet(opening, report).to_string(),
    };
    let fleet = Fleet::from_json(&text).map_err(|e| refused(&e))?;
    let slots = fleet.check().map_err(|e| refused(&e))?;
    let mut planned = slots
        .into_iter()
        .find(|slot| slot.entry.secret == *arn)
        .ok_or_else(|| Unsupported::Fleet("no slot of it names the file's secret".to_owned()))?;
    if planned.provider != provider {
        let named = format!(
            "the slot is of {}, the file of {provider}",
            planned.provider
        );
        return Err(Unsupported::Fleet(named));
    }
    planned.entry.scope = simulated.scope();
    Ok(planned)
}

fn made_up_fleet(opening: &Opening<'_>, report: &mut Report) -> serde_json::Value {
    let agent = agent_of(opening.describe);
    let provider = opening.provider;
    let (account, slot) = (format!("{provider}-main"), format!("{agent}-{provider}"));
    report.made_up.push(format!("slot {slot}"));
    let mut policy = json!({});
    if let Some(minutes) = opening.overlap {
        policy = json!({"overlap_minutes": minutes, "refresh_minutes": 30});
    }
    // Where the slot's keys really live is the simulator's to say.
    let scope = match provider {
        ProviderName::OpenAi => json!({"project": "proj_EXAMPLE"}),
        ProviderName::Anthropic => json!({"workspace": "wrkspc_EXAMPLE"}),
        ProviderName::Gemini => json!({"project": "keyward-example-0"}),
        ProviderName::OpenRouter | ProviderName::LiteLlm | ProviderName::Azure => json!({}),
        ProviderName::Bedrock => json!({"user": "bedrock-agent"}),
    };
    json!({
        "version": 1,
        "accounts": {&account: {"provider": provider}},
        "agents": {&agent: {"owner": "ana@example.com", "environment": "prod"}},
        "slots": {&slot: {
            "agent": agent, "account": account, "secret": opening.describe.arn, "policy": policy,
            "scope": scope,
            "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000},
        }},
    })
}

/// The agent: by the secret's tag, else by the last part of its name.
fn agent_of(describe: &Describe) -> String {
    let tagged = describe.tags.iter().find(|tag| tag.key == "agent");
    let name = describe.arn.as_str().rsplit([':', '/']).next();
    let name = name
        .and_then(|name| name.rsplit_once('-'))
        .map(|(name, _)| name);
    let candidates = [tagged.map(|tag| tag.value.as_str()), name];
    let fits =
        |name: &&str| name.len() <= 40 && format!("{name}-anthropic").parse::<SlotName>().is_ok();
    let agent = candidates.into_iter().flatten().find(fits);
    agent.unwrap_or("agent").to_owned()
}

/// What a failure of the provider's driver is called in the report.
pub(super) fn advice(error: &ProviderError) -> bool {
    matches!(error.advice(), keyward_core::ports::Advice::RetryLater)
}
