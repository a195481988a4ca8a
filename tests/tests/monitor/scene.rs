//! Two slots of one account and their monitor.

use std::sync::Arc;

use futures::lock::Mutex;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::alert::{Alert, AlertKind};
use keyward_core::model::incident::{Incident, KillStep, OwnerId, StepResult};
use keyward_core::model::kill_order::MonitorOrder;
use keyward_core::model::metric::KillScore;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::{AccountName, SlotName};
use keyward_core::model::slot::Slot;
use keyward_core::model::text::OutsideText;
use keyward_core::model::usage::{Bucket, Counts, TokenCounts};
use keyward_core::model::usage_items::{AccountUsage, Cell, Span, UsageHour};
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{
    ByKey, Clock, Deadline, Fence, Inventory, KillAlarms, ProviderError, Tokens, Usage, UsageStore,
    Width,
};
use keyward_core::usecases::Ports;
use keyward_core::usecases::kill::Invocation;
use keyward_core::usecases::monitor::{
    MonitorError, MonitorPorts, MonitorReport, MonitorSettings, State, run,
};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::gate::{Gate, gated_monitor};
use keyward_testkit::memory::{
    MemoryAlarms, MemoryAlerts, MemoryInventory, MemoryKillOrders, MemoryMetrics, MemoryReports,
    MemorySecrets, MemoryUsage, ReportingAccounts, listed_key,
};
use keyward_tests::support::deployment;
use serde_json::json;

use super::THEFT;

/// Micro-dollars.
pub(crate) const DOLLAR: u64 = 1_000_000;

/// The model of the history: a million input tokens cost $1.25.
pub(crate) const CHEAP: &str = "gpt-5";

/// See the module.
pub(crate) struct Scene {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) main: Arc<MemoryReports>,
    pub(crate) other: Arc<MemoryReports>,
    pub(crate) usage: Arc<MemoryUsage>,
    pub(crate) inventory: Arc<MemoryInventory>,
    pub(crate) alerts: Arc<MemoryAlerts>,
    pub(crate) metrics: Arc<MemoryMetrics>,
    pub(crate) alarms: Arc<MemoryAlarms>,
    pub(crate) kill_switch: Arc<MemoryKillOrders>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) ports: MonitorPorts,
    state: Mutex<State>,
}

impl Scene {
    /// Slots `chat` and `search`, each of an account of its own, that were never used.
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(ManualClock::at("2026-12-20T00:00:00Z".parse().unwrap()));
        let main = Arc::new(MemoryReports::new(clock.clone(), Width::Minute));
        let other = Arc::new(MemoryReports::new(clock.clone(), Width::Minute));
        let usage: Arc<MemoryUsage> = Arc::default();
        let inventory: Arc<MemoryInventory> = Arc::default();
        let alerts: Arc<MemoryAlerts> = Arc::default();
        let metrics: Arc<MemoryMetrics> = Arc::default();
        let alarms: Arc<MemoryAlarms> = Arc::default();
        let kill_switch: Arc<MemoryKillOrders> = Arc::default();
        let accounts = vec![
            (account("main"), main.clone()),
            (account("other"), other.clone()),
        ];
        let open = MonitorPorts {
            ports: Ports {
                secrets: Arc::<MemorySecrets>::default(),
                inventory: inventory.clone(),
                pools: inventory.clone(),
                providers: Arc::new(ReportingAccounts(accounts)),
                alerts: alerts.clone(),
                clock: clock.clone(),
            },
            usage: usage.clone(),
            leases: usage.clone(),
            metrics: metrics.clone(),
            alarm_source: alarms.clone(),
            alarms: alarms.clone(),
            kill_switch: kill_switch.clone(),
            deployment: deployment(),
        };
        let gate: Arc<Gate> = Arc::default();
        let scene = Self {
            ports: gated_monitor(&open, &gate),
            clock,
            main,
            other,
            usage,
            inventory,
            alerts,
            metrics,
            alarms,
            kill_switch,
            gate,
            state: Mutex::default(),
        };
        scene.add_slot("chat", "main").await;
        scene.add_slot("search", "other").await;
        scene
    }

    /// The same where `chat` spent so many dollars on each of so many days, evenly.
    pub(crate) async fn learned(days: u32, dollars: u64) -> Self {
        let in_bucket = dollars * DOLLAR / u64::from(Bucket::PER_DAY);
        Self::with_history(days, dollars, in_bucket * 12 * 4 / 5, 12).await
    }

    /// The same with so many tokens and requests in each hour.
    pub(crate) async fn with_history(days: u32, dollars: u64, tokens: u64, requests: u64) -> Self {
        let scene = Self::new().await;
        let day = MicroDollars(dollars * DOLLAR);
        scene
            .set("chat", |slot| {
                slot.expected.daily = day;
                slot.expected.monthly = MicroDollars(day.0 * 30);
            })
            .await;
        let now = Bucket::of(scene.now());
        let from = now.minus(days * Bucket::PER_DAY);
        let version = scene.version("chat").await;
        for hour in from.hour()..now.hour() {
            let mut item = UsageHour::empty("chat".parse().unwrap(), hour);
            for bucket in (hour * 12..hour * 12 + 12).map(Bucket) {
                let counts = Counts {
                    cost: MicroDollars(day.0 / u64::from(Bucket::PER_DAY)),
                    requests: requests / 12,
                    tokens: TokenCounts {
                        input: tokens / 12,
                        ..TokenCounts::default()
                    },
                };
                let models = [(CHEAP.to_owned(), counts)];
                let id = version.id.clone();
                item.put(Cell::new(id, bucket, bucket.ends(), models));
            }
            scene.usage.save_hour(&item).await.unwrap();
        }
        let mut state = AccountUsage::empty(account("main"));
        let until = now;
        state.see(Span { from, until }, scene.now());
        let read = scene.now() - SignedDuration::from_mins(1);
        (state.read_at, state.reread_at) = (Some(read), Some(read));
        state.costs_at = Some(read);
        scene.usage.save_account(&state).await.unwrap();
        scene
    }

    pub(crate) async fn add_slot(&self, name: &str, account: &str) {
        let slot: Slot = serde_json::from_value(json!({
            "schema": 1, "revision": 0, "name": name, "agent": name, "owner": "ana",
            "environment": "prod", "provider": "openai", "account": account,
            "secret": format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/{name}-aBcDeF"),
            "kind": "minted",
            "policy": {"max_age": 5_184_000, "overlap": 7200, "deadline": 86_400, "refresh": 3600},
            "expected": {"daily": 10 * DOLLAR, "monthly": 300 * DOLLAR},
            "mode": "enforce", "state": "active", "epoch": 1, "due_at": "2030-01-01T00:00:00Z",
        }))
        .unwrap();
        let number: u32 = name.bytes().map(u32::from).sum();
        let id = format!("11111111-aaaa-4bbb-8ccc-{number:012}.1");
        let version = Version {
            handle: Some(handle(name, 1).parse().unwrap()),
            state: VersionState::Current,
            due_at: None,
            ..Version::intended(&slot.name, id.parse().unwrap(), slot.epoch, self.now())
        };
        self.inventory
            .create_slot(&slot, Some(&version))
            .await
            .unwrap();
        self.reports(account)
            .list_keys(vec![listed_key(&handle(name, 1), None)]);
    }

    pub(crate) fn reports(&self, account: &str) -> &MemoryReports {
        match account {
            "main" => &self.main,
            _ => &self.other,
        }
    }

    /// One run, every call passing the gate.
    pub(crate) async fn run(&self) -> Result<MonitorReport, MonitorError> {
        self.run_as("run").await
    }

    pub(crate) async fn run_as(&self, owner: &str) -> Result<MonitorReport, MonitorError> {
        let mut state = self.state.lock().await;
        let deadline = Deadline(self.now() + SignedDuration::from_secs(50));
        let owner = OwnerId::new(&format!("{owner}, at {}", self.now()));
        let invocation = Invocation { owner, deadline };
        let settings = MonitorSettings::default();
        run(&self.ports, &settings, &mut state, &invocation).await
    }

    /// The process ends, and another begins.
    pub(crate) async fn restart(&self) {
        *self.state.lock().await = State::default();
    }

    /// `chat` is stolen from for 20 minutes while its account fails so, and for so many minutes in all.
    pub(crate) async fn stolen_unseen(&self, minutes: u64, failure: ProviderError) {
        self.run().await.unwrap();
        self.main.fail(Some((0, failure)));
        for minute in 0..minutes {
            self.pass(1);
            if minute < 20 {
                self.spend("chat", THEFT).await;
            }
            self.run().await.unwrap();
        }
        assert_eq!(self.scores(), []);
        self.main.fail(None);
    }

    /// From now on these calls have no answer.
    pub(crate) fn silence(&self, calls: &[&'static str]) {
        self.gate.silence(calls);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn pass(&self, minutes: i64) {
        self.clock.advance(SignedDuration::from_mins(minutes));
    }

    /// The current key of a slot spends so much in this minute; it is told at once.
    pub(crate) async fn spend(&self, slot: &str, micros: u64) {
        self.use_model(slot, CHEAP, 1, micros * 4 / 5).await;
    }

    pub(crate) async fn use_model(&self, slot: &str, model: &str, requests: u64, input: u64) {
        let version = self.version(slot).await;
        let key = version.handle.unwrap();
        self.use_key(slot, key.as_str(), (model, requests, input))
            .await;
    }

    /// The current key of a slot spent so much then; it is told now.
    pub(crate) async fn use_late(&self, slot: &str, then: Timestamp, micros: u64) {
        let key = self.version(slot).await.handle.unwrap();
        let used = (CHEAP, 1, micros * 4 / 5);
        self.used_at(slot, key.as_str(), used, then).await;
    }

    pub(crate) async fn use_key(&self, slot: &str, key: &str, used: (&str, u64, u64)) {
        self.used_at(slot, key, used, self.now()).await;
    }

    async fn used_at(&self, slot: &str, key: &str, used: (&str, u64, u64), then: Timestamp) {
        let (model, requests, input) = used;
        let row = Usage {
            key: ByKey::Id(OutsideText::new(key.rsplit('/').next().unwrap())),
            model: Some(OutsideText::new(model)),
            from: then,
            requests: Some(requests),
            tokens: Tokens {
                input: Some(input),
                ..Tokens::default()
            },
        };
        let account = self.slot(slot).await.account;
        self.reports(account.as_str()).use_key(self.now(), row);
    }

    pub(crate) async fn slot(&self, name: &str) -> Slot {
        let name: SlotName = name.parse().unwrap();
        self.inventory.slot(&name).await.unwrap().unwrap()
    }

    pub(crate) async fn set(&self, name: &str, change: impl FnOnce(&mut Slot)) {
        let mut slot = self.slot(name).await;
        change(&mut slot);
        self.inventory.save_slot(&slot).await.unwrap();
    }

    /// The slot's current version.
    pub(crate) async fn version(&self, slot: &str) -> Version {
        let versions = self.inventory.versions(&slot.parse().unwrap()).await;
        let mut versions = versions.unwrap().into_iter();
        versions.find(|v| v.state == VersionState::Current).unwrap()
    }

    /// An incident of which nothing is done yet.
    pub(crate) async fn open_incident(&self, name: &str) -> String {
        let slot = self.slot(name).await;
        let trigger = OutsideText::new("test");
        let mut incident = Incident::open(&slot.name, slot.epoch, trigger, self.now());
        incident.due_at = Some(self.now());
        self.inventory
            .open_incident(&incident, &slot, &[])
            .await
            .unwrap();
        incident.id
    }

    /// The slot is cut off, as the kill switch does it, and has another key.
    pub(crate) async fn contain(&self, name: &str) -> Version {
        let slot = self.slot(name).await;
        let version = self.version(name).await;
        let trigger = OutsideText::new("test");
        let mut incident = Incident::open(&slot.name, slot.epoch, trigger, self.now());
        let inventory = &self.inventory;
        let killed = keyward_core::model::slot::Killed {
            at: self.now(),
            epoch: incident.epoch,
            drill: None,
        };
        let cut = Slot {
            killed: Some(killed),
            ..slot
        };
        inventory.open_incident(&incident, &cut, &[]).await.unwrap();
        let contained = version
            .clone()
            .become_state(VersionState::Contained)
            .unwrap();
        inventory
            .save_versions(&[contained], Fence::None)
            .await
            .unwrap();
        incident.revision = incident.revision.next();
        incident.take(KillStep::Contain, self.now(), StepResult::Done);
        incident.closed = Some(self.now());
        inventory.save_incident(&incident).await.unwrap();
        let id = format!("22222222-aaaa-4bbb-8ccc-{:012}.1", incident.epoch.0);
        let next = Version {
            handle: Some(handle(name, incident.epoch.0).parse().unwrap()),
            state: VersionState::Current,
            due_at: None,
            ..Version::intended(
                &version.slot,
                id.parse().unwrap(),
                incident.epoch,
                self.now(),
            )
        };
        let fence = Fence::Epoch(incident.epoch);
        inventory.add_version(&next, fence).await.unwrap();
        version
    }

    pub(crate) fn scores(&self) -> Vec<KillScore> {
        self.metrics.scores(&self.ports.deployment.stack)
    }

    pub(crate) fn beats(&self) -> usize {
        self.metrics.beats(&self.ports.deployment.stack).len()
    }

    pub(crate) fn orders(&self) -> Vec<MonitorOrder> {
        self.kill_switch.kills()
    }

    pub(crate) fn alerts(&self) -> Vec<Alert> {
        self.alerts.sent()
    }

    pub(crate) fn count(&self, kind: AlertKind) -> usize {
        self.alerts.count(kind)
    }

    /// The first alert of a kind.
    pub(crate) fn alert(&self, kind: AlertKind) -> Alert {
        let alerts = self.alerts();
        let mut found = alerts.iter().filter(|alert| alert.kind == kind);
        found
            .next()
            .unwrap_or_else(|| panic!("no {kind:?} in {alerts:?}"))
            .clone()
    }

    /// The slots that have an alarm.
    pub(crate) async fn guarded(&self) -> Vec<String> {
        let alarms: &dyn KillAlarms = &*self.alarms;
        let found = alarms.list("keyward-prod-kill-").await.unwrap();
        let names = found.iter().map(|found| found.arn.name());
        let mut names: Vec<String> = names
            .map(|name| name.trim_start_matches("keyward-prod-kill-").to_owned())
            .collect();
        names.sort();
        names
    }
}

pub(crate) fn account(name: &str) -> AccountName {
    name.parse().unwrap()
}

fn handle(slot: &str, number: u64) -> String {
    format!("proj_EXAMPLE/key_EXAMPLE{slot}{number}")
}
