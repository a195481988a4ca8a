//! A deployment with the slots that a test wants, in which all else is well.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::SCHEMA;
use keyward_core::model::admin::{AdminRecord, BreakGlassResult, BreakGlassTest};
use keyward_core::model::alarm::AlarmState;
use keyward_core::model::audit::{AuditReport, Entry, Seen, Source};
use keyward_core::model::drill::{Drill, DrillOutcome};
use keyward_core::model::fleet::Fleet;
use keyward_core::model::key::{ApiKey, KeyFormat};
use keyward_core::model::kill_alarm::FoundAlarm;
use keyward_core::model::money::{DayLimit, SpendCap};
use keyward_core::model::names::{AccountName, KeyHandle, SlotName};
use keyward_core::model::slot::{Epoch, Mode, ProviderName, Scope, Slot};
use keyward_core::model::text::OutsideText;
use keyward_core::model::usage_items::AccountUsage;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{
    Abilities, Clock, CredentialAge, Deadline, Disabled, Fence, Gone, GonePage, Inventory,
    KeyIssuer, KeyOwner, KeyProvider, KeyRecord, Limits, ListedAlarm, ListedSecret, Naming, Page,
    PageToken, PoolSettings, ProviderError, Providers, Reach, ReportFile, SecretLists, SpendCaps,
    Suspension, UsageStore, Verdict,
};
use keyward_core::rules::alarms::wanted;
use keyward_core::usecases::audit::{AuditError, AuditOrder, AuditPorts, Done, audit};
use keyward_core::usecases::register::new_slot;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::memory::{
    MemoryAudits, MemoryCensus, MemoryInventory, MemoryLists, MemoryUsage,
};
use keyward_tests::support::{deployment, token};
use serde_json::{Value, json};

pub(crate) const NOW: &str = "2026-11-25T12:00:00Z";

pub(crate) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub(crate) fn ago(days: i64) -> Timestamp {
    now() - SignedDuration::from_hours(24 * days)
}

/// Two slots at one provider, one of them a canary that was drilled, and nothing wrong.
pub(crate) async fn all_well() -> Stage {
    let mut stage = Stage::new();
    stage
        .slot("bot", ProviderName::OpenRouter, "handle-1")
        .await;
    stage
        .slot("canary", ProviderName::OpenRouter, "handle-2")
        .await;
    stage.drilled("canary").await;
    let keys = vec![record("handle-1", "k"), record("handle-2", "k")];
    stage.account(
        "openrouter-main",
        Listed::of(ProviderName::OpenRouter, keys),
    );
    stage
}

/// A case's input.
pub(crate) fn case(file: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases");
    let kind = match file.split('-').next() {
        Some("K") => "alarms",
        Some("R") => "rotation",
        _ => "audit",
    };
    let text = std::fs::read_to_string(folder.join(kind).join(file)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A provider whose list is what a test says.
pub(crate) struct Listed {
    pub(crate) provider: ProviderName,
    pub(crate) pages: Vec<Result<Vec<KeyRecord>, ProviderError>>,
    pub(crate) gone: Vec<Gone>,
    /// How it limits keys, where it does.
    pub(crate) day_limit: Option<DayLimit>,
    /// With fewer standby keys than this its pool is low; `None` where it has none.
    pub(crate) low_water: Option<u32>,
}

impl Listed {
    pub(crate) fn of(provider: ProviderName, keys: Vec<KeyRecord>) -> Self {
        Self {
            provider,
            pages: vec![Ok(keys)],
            gone: Vec::new(),
            day_limit: None,
            low_water: None,
        }
    }

    pub(crate) fn failing(provider: ProviderName, error: ProviderError) -> Self {
        Self {
            provider,
            pages: vec![Err(error)],
            gone: Vec::new(),
            day_limit: None,
            low_water: None,
        }
    }
}

/// A key of a list, in use.
pub(crate) fn record(handle: &str, label: &str) -> KeyRecord {
    KeyRecord {
        handle: handle.parse().unwrap(),
        label: OutsideText::new(label),
        redacted: OutsideText::new("sk-EX...MPLE"),
        suspended: Some(false),
        workspace: None,
        owner: KeyOwner::Service,
        created: Some(ago(10)),
        expires: None,
        last_used: Some(ago(1)),
        spent: None,
        cap: None,
        reach: Reach::default(),
    }
}

const FORMAT: KeyFormat = KeyFormat {
    prefix: "sk-",
    also: &[],
    not: &[],
    alphabet: "0123456789abcdef",
};

#[async_trait]
impl KeyProvider for Listed {
    fn abilities(&self) -> Abilities {
        Abilities {
            provider: self.provider,
            format: FORMAT,
            suspension: Suspension::Refuses,
            expiry: false,
            names: Naming::Label,
            limits: Limits::default(),
        }
    }

    async fn list(&self, _: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        let at = page.map_or(0, |token| token.0.parse().unwrap());
        let keys = self.pages[at].clone()?;
        let has_more = at + 1 < self.pages.len();
        let next = has_more.then(|| PageToken((at + 1).to_string()));
        Ok(Page { keys, next })
    }

    async fn restorable(
        &self,
        _: &Scope,
        _: Option<&PageToken>,
    ) -> Result<GonePage, ProviderError> {
        Ok(GonePage {
            keys: self.gone.clone(),
            next: None,
        })
    }

    async fn get(&self, _: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        panic!("an audit asks for lists alone")
    }

    async fn verify(&self, _: &ApiKey) -> Verdict {
        panic!("an audit uses no key")
    }

    async fn disable(&self, _: &KeyHandle) -> Result<Disabled, ProviderError> {
        panic!("an audit changes nothing")
    }

    async fn restore(&self, _: &KeyHandle, _: &Scope) -> Result<(), ProviderError> {
        panic!("an audit changes nothing")
    }

    async fn delete(&self, _: &KeyHandle) -> Result<(), ProviderError> {
        panic!("an audit changes nothing")
    }

    fn issuer(&self) -> Option<&dyn KeyIssuer> {
        None
    }

    fn caps(&self) -> Option<&dyn SpendCaps> {
        self.day_limit.is_some().then_some(self)
    }
}

#[async_trait]
impl SpendCaps for Listed {
    async fn set_cap(&self, _: &KeyHandle, _: SpendCap) -> Result<(), ProviderError> {
        panic!("an audit changes nothing")
    }

    fn day_limit(&self) -> DayLimit {
        self.day_limit.expect("it limits keys")
    }
}

/// The accounts of a test, each with its list.
#[derive(Default)]
pub(crate) struct Accounts(pub(crate) BTreeMap<AccountName, Arc<Listed>>);

#[async_trait]
impl Providers for Accounts {
    async fn open(
        &self,
        account: &AccountName,
        _: ProviderName,
    ) -> Result<Arc<dyn KeyProvider>, ProviderError> {
        match self.0.get(account) {
            Some(listed) => Ok(listed.clone()),
            None => Err(ProviderError::Refused {
                detail: OutsideText::new("no such account"),
            }),
        }
    }

    fn pool(&self, account: &AccountName) -> Option<PoolSettings> {
        let listed = self.0.get(account)?;
        Some(PoolSettings {
            provider: listed.provider,
            secret: "arn:aws:secretsmanager:us-east-1:111122223333:secret:pool-a1B2c3"
                .parse()
                .unwrap(),
            low_water: listed.low_water?,
        })
    }
}

pub(crate) struct Stage {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) inventory: Arc<MemoryInventory>,
    pub(crate) lists: Arc<MemoryLists>,
    pub(crate) audits: Arc<MemoryAudits>,
    pub(crate) ports: AuditPorts,
    pub(crate) order: AuditOrder,
    pub(crate) census: Arc<MemoryCensus>,
    pub(crate) usage: Arc<MemoryUsage>,
    accounts: Accounts,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::at(now()));
        let inventory = Arc::new(MemoryInventory::default());
        let lists = Arc::new(MemoryLists::default());
        let audits = Arc::new(MemoryAudits::default());
        let census = Arc::new(MemoryCensus::new(inventory.clone()));
        let usage = Arc::new(MemoryUsage::default());
        let ports = AuditPorts {
            census: census.clone(),
            secrets: lists.clone(),
            providers: Arc::new(Accounts::default()),
            pools: inventory.clone(),
            usage: usage.clone(),
            alarms: lists.clone(),
            functions: lists.clone(),
            iam: lists.clone(),
            ages: lists.clone(),
            people: Some(lists.clone()),
            acts: inventory.clone(),
            risks: audits.clone(),
            reports: audits.clone(),
            clock: clock.clone(),
        };
        let order = AuditOrder {
            period: "2026-11".parse().unwrap(),
            deployment: deployment(),
            accounts: Vec::new(),
            deadline: Deadline(now() + SignedDuration::from_mins(15)),
        };
        Self {
            clock,
            inventory,
            lists,
            audits,
            ports,
            order,
            census,
            usage,
            accounts: Accounts::default(),
        }
    }

    /// A slot of the account, as well as can be, with one key under this handle.
    pub(crate) async fn slot(&self, name: &str, listed: ProviderName, handle: &str) -> Slot {
        let (slot, version) = well(name, listed, handle);
        let created = self.inventory.create_slot(&slot, Some(&version));
        created.await.unwrap();
        self.surround(&slot, &version).await;
        slot
    }

    /// The secret, the alarm and the admin credential of a slot, all as they should be.
    pub(crate) async fn surround(&self, slot: &Slot, version: &Version) {
        self.lists.put_secret(ListedSecret {
            arn: slot.secret.clone(),
            rotates: true,
            created: Some(ago(100)),
            last_rotated: Some(ago(10)),
            next_rotation: Some(now() + SignedDuration::from_hours(24 * 40)),
            deleted: None,
            slot: Some(OutsideText::new(slot.name.as_str())),
            current: Some(version.id.secret_version.clone()),
            pending: None,
        });
        let deployment = &self.order.deployment;
        let alarm = wanted(deployment, &slot.name);
        self.lists.put_alarm(ListedAlarm {
            alarm: FoundAlarm {
                arn: deployment.alarm_arn(&slot.name).unwrap(),
                setup: Some(alarm.setup),
            },
            state: AlarmState::Ok,
            since: Some(ago(50)),
        });
        let age = CredentialAge {
            purpose: "read",
            changed: Some(ago(20)),
        };
        self.lists.put_ages(&slot.account, &[age]);
        self.tried(&slot.account, 20).await;
        let known = self.usage.account_or_empty(&slot.account).await.unwrap();
        let seen = AccountUsage {
            read_at: Some(now()),
            ..known
        };
        self.usage.save_account(&seen).await.unwrap();
    }

    /// A break-glass credential that worked so many days ago.
    pub(crate) async fn tried(&self, account: &AccountName, days: i64) {
        let known = self.inventory.admin(account).await.unwrap();
        let mut record = known.unwrap_or_else(|| AdminRecord::empty(account));
        record.break_glass = Some(BreakGlassTest {
            at: ago(days),
            result: BreakGlassResult::Works,
            fingerprint: ApiKey::new("EXAMPLE").fingerprint(),
        });
        self.inventory.save_admin(&record).await.unwrap();
    }

    /// A drill that passed, of a slot that is a canary.
    pub(crate) async fn drilled(&self, name: &str) {
        let name: SlotName = name.parse().unwrap();
        let mut slot = self.inventory.slot(&name).await.unwrap().unwrap();
        slot.canary = true;
        let drill = Drill {
            schema: SCHEMA,
            slot: name,
            id: keyward_core::model::act::ActId::new("drill-1"),
            by: keyward_core::model::act::CallerArn::new("arn:aws:iam::111122223333:role/ops"),
            reason: OutsideText::new("monthly"),
            started: ago(30),
            ended: ago(30),
            outcome: DrillOutcome::Passed,
            incident: None,
            stages: Vec::new(),
        };
        self.inventory.end_drill(&slot, &drill).await.unwrap();
    }

    /// Changes a slot's record.
    pub(crate) async fn change(&self, name: &str, change: impl FnOnce(&mut Slot)) {
        let name: SlotName = name.parse().unwrap();
        let mut slot = self.inventory.slot(&name).await.unwrap().unwrap();
        change(&mut slot);
        self.inventory.save_slot(&slot).await.unwrap();
    }

    /// Changes the current key of a slot.
    pub(crate) async fn change_key(&self, name: &str, change: impl FnOnce(&mut Version)) {
        let name: SlotName = name.parse().unwrap();
        let mut version = self.inventory.versions(&name).await.unwrap().remove(0);
        change(&mut version);
        let saved = [version];
        let saved = self.inventory.save_versions(&saved, Fence::None);
        saved.await.unwrap();
    }

    /// The same past what the inventory refuses.
    pub(crate) async fn force_key(&self, name: &str, change: impl FnOnce(&mut Version)) {
        let name: SlotName = name.parse().unwrap();
        let mut version = self.inventory.versions(&name).await.unwrap().remove(0);
        change(&mut version);
        self.inventory.put_as_it_is(&version);
    }

    /// Changes what Secrets Manager says of a slot's secret.
    pub(crate) async fn change_secret(&self, name: &str, change: impl FnOnce(&mut ListedSecret)) {
        let name: SlotName = name.parse().unwrap();
        let slot = self.inventory.slot(&name).await.unwrap().unwrap();
        let mut secret = self.lists.secret(&slot.secret).await.unwrap().unwrap();
        change(&mut secret);
        self.lists.put_secret(secret);
    }

    /// Changes what an account's provider lists.
    pub(crate) fn relist(&mut self, account: &str, change: impl FnOnce(&mut Listed)) {
        let name: AccountName = account.parse().unwrap();
        let known = &self.accounts.0[&name];
        let mut listed = Listed {
            provider: known.provider,
            pages: known.pages.clone(),
            gone: known.gone.clone(),
            day_limit: known.day_limit,
            low_water: known.low_water,
        };
        change(&mut listed);
        self.account(account, listed);
    }

    /// An account whose provider lists so.
    pub(crate) fn account(&mut self, name: &str, listed: Listed) {
        let account: AccountName = name.parse().unwrap();
        let provider = listed.provider;
        self.order.accounts.retain(|(known, _)| *known != account);
        self.order.accounts.push((account.clone(), provider));
        self.accounts.0.insert(account, Arc::new(listed));
        self.ports.providers = Arc::new(Accounts(self.accounts.0.clone()));
    }

    pub(crate) async fn audit(&self) -> Result<Done, AuditError> {
        audit(&self.ports, &self.order, &[Box::new(render)]).await
    }

    pub(crate) async fn report(&self) -> AuditReport {
        self.audit().await.unwrap().report
    }
}

fn render(report: &AuditReport) -> ReportFile {
    ReportFile {
        name: "report.json",
        media_type: "application/json",
        text: serde_json::to_string(report).unwrap(),
    }
}

/// A slot and its key, as well as can be.
pub(crate) fn well(name: &str, provider: ProviderName, handle: &str) -> (Slot, Version) {
    let account = format!("{provider}-main");
    let mut scope = json!({});
    match provider {
        ProviderName::OpenAi | ProviderName::Gemini => scope["project"] = json!("proj_EXAMPLE"),
        ProviderName::Anthropic => scope["workspace"] = json!("wrkspc_EXAMPLE"),
        _ => {}
    }
    let text = json!({
        "version": 1,
        "accounts": {account.as_str(): {"provider": provider}},
        "agents": {name: {"owner": "ana@example.com", "backup_owner": "ben@example.com", "environment": "prod"}},
        "slots": {name: {
            "agent": name, "account": account, "scope": scope,
            "secret": format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/{name}-a1B2c3"),
            "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000},
        }},
    });
    let planned = Fleet::from_json(&text.to_string()).unwrap().check();
    let slot = Slot {
        mode: Mode::Enforce,
        ..new_slot(&planned.unwrap()[0], ago(100))
    };
    let id = format!("{}.0", token(name.len() as u32)).parse().unwrap();
    let version = Version {
        state: VersionState::Current,
        label: None,
        handle: Some(handle.parse().unwrap()),
        fingerprint: Some(ApiKey::new(&format!("sk-EXAMPLE-{name}-{handle}")).fingerprint()),
        promoted: Some(ago(10)),
        ..Version::intended(&slot.name, id, Epoch(0), ago(10))
    };
    (slot, version)
}

/// The rules that found something, in order, each as often as it did.
pub(crate) fn rules(report: &AuditReport) -> Vec<&str> {
    let mut rules: Vec<&str> = report
        .findings
        .iter()
        .map(|e| e.finding.rule.as_str())
        .collect();
    rules.sort_unstable();
    rules
}

/// What a rule found.
pub(crate) fn found<'a>(report: &'a AuditReport, rule: &str) -> Vec<&'a Entry> {
    let found = report.findings.iter();
    found.filter(|e| e.finding.rule.as_str() == rule).collect()
}

/// How much of a source was read.
pub(crate) fn seen(report: &AuditReport, source: &Source) -> Seen {
    report.coverage.of(source).unwrap().clone()
}

/// A time that a test needs as the clock tells it.
pub(crate) fn at(clock: &ManualClock) -> Timestamp {
    clock.now()
}
