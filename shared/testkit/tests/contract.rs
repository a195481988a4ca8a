//! The in-memory ports keep the contracts.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::alarm::{AlarmArn, AlarmState};
use keyward_core::model::alert::Alert;
use keyward_core::model::metric::{HEARTBEAT, KILL_SCORE, SLOT, STACK};
use keyward_core::model::names::SecretArn;
use keyward_core::ports::{
    Acts, AlarmSource, Alerts, Census, Inventory, KillAlarms, Metrics, SecretStore,
};
use keyward_testkit::contract::alarms::{AlarmOn, AlarmSubject};
use keyward_testkit::contract::alerts::AlertSubject;
use keyward_testkit::contract::census::CensusSubject;
use keyward_testkit::contract::kill_alarms::KillAlarmSubject;
use keyward_testkit::contract::metrics::MetricSubject;
use keyward_testkit::contract::offboardings::CaseSubject;
use keyward_testkit::contract::pools::PoolSubject;
use keyward_testkit::contract::risks::RiskSubject;
use keyward_testkit::contract::secrets::{First, SecretSubject};
use keyward_testkit::contract::usage::UsageSubject;
use keyward_testkit::contract::{
    self, acts, alarms, alerts, census, inventory, kill_alarms, metrics, offboardings, pools,
    risks, secrets, usage,
};
use keyward_testkit::memory::{
    MemoryAlarms, MemoryAlerts, MemoryAudits, MemoryCensus, MemoryInventory, MemoryMetrics,
    MemorySecrets, MemoryUsage,
};

#[tokio::test]
async fn memory_inventory() {
    let memory = MemoryInventory::default();
    let count = contract::run(inventory::CHECKS, &memory, &[]).await;
    assert_eq!(count, inventory::CHECKS.len());
}

#[tokio::test]
async fn memory_pools() {
    let memory = MemoryInventory::default();
    let count = contract::run(pools::CHECKS, &memory as &dyn PoolSubject, &[]).await;
    assert_eq!(count, pools::CHECKS.len());
}

#[tokio::test]
async fn memory_usage() {
    let memory = MemoryUsage::default();
    let count = contract::run(usage::CHECKS, &memory as &dyn UsageSubject, &[]).await;
    assert_eq!(count, usage::CHECKS.len());
}

#[tokio::test]
async fn memory_acts() {
    let memory = MemoryInventory::default();
    let count = contract::run(acts::CHECKS, &memory as &dyn Acts, &[]).await;
    assert_eq!(count, acts::CHECKS.len());
    assert_eq!(memory.all_acts().len(), 7);
}

#[tokio::test]
async fn memory_risks() {
    let memory = MemoryAudits::default();
    let count = contract::run(risks::CHECKS, &memory as &dyn RiskSubject, &[]).await;
    assert_eq!(count, risks::CHECKS.len());
}

#[tokio::test]
async fn cases_of_offboarding_keep_their_promises_in_memory() {
    let memory = MemoryInventory::default();
    let count = contract::run(offboardings::CHECKS, &memory as &dyn CaseSubject, &[]).await;
    assert_eq!(count, offboardings::CHECKS.len());
}

/// An inventory, and its census.
struct Counted(Arc<MemoryInventory>, MemoryCensus);

impl CensusSubject for Counted {
    fn inventory(&self) -> &dyn Inventory {
        self.0.as_ref()
    }

    fn census(&self) -> &dyn Census {
        &self.1
    }
}

#[tokio::test]
async fn census() {
    let memory = Arc::new(MemoryInventory::default());
    let subject = Counted(memory.clone(), MemoryCensus::new(memory));
    let count = contract::run(census::CHECKS, &subject as &dyn CensusSubject, &[]).await;
    assert_eq!(count, census::CHECKS.len());
}

struct Secrets(MemorySecrets);

#[async_trait]
impl SecretSubject for Secrets {
    fn store(&self) -> &dyn SecretStore {
        &self.0
    }

    async fn create(&self, name: &str, first: First<'_>) -> SecretArn {
        let arn = format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}-aBcDeF");
        let arn: SecretArn = arn.parse().expect("a valid ARN");
        let value = match first {
            First::Text(id, text) => Some((id, text)),
            First::Nothing | First::Bytes => None,
        };
        self.0.create(&arn, value);
        if matches!(first, First::Bytes) {
            self.0.make_binary(&arn);
        }
        arn
    }

    async fn turn_rotation_on(&self, _arn: &SecretArn) {}

    async fn turn_rotation_off(&self, arn: &SecretArn) {
        self.0.cancel_rotation(arn);
    }
}

#[tokio::test]
async fn memory_secrets() {
    let subject = Secrets(MemorySecrets::default());
    let count = contract::run(secrets::CHECKS, &subject as &dyn SecretSubject, &[]).await;
    assert_eq!(count, secrets::CHECKS.len());
}

#[derive(Default)]
struct Inbox {
    alerts: MemoryAlerts,
    read: std::sync::atomic::AtomicUsize,
}

#[async_trait]
impl AlertSubject for Inbox {
    fn alerts(&self) -> &dyn Alerts {
        &self.alerts
    }

    async fn arrived(&self) -> Vec<Alert> {
        let sent = self.alerts.sent();
        let read = self
            .read
            .swap(sent.len(), std::sync::atomic::Ordering::SeqCst);
        sent[read..].to_vec()
    }
}

#[tokio::test]
async fn memory_alerts() {
    let inbox = Inbox::default();
    let count = contract::run(alerts::CHECKS, &inbox as &dyn AlertSubject, &[]).await;
    assert_eq!(count, alerts::CHECKS.len());
}

struct Alarms(MemoryAlarms);

#[async_trait]
impl AlarmSubject for Alarms {
    fn alarms(&self) -> &dyn AlarmSource {
        &self.0
    }

    async fn make(&self, name: &str, _on: AlarmOn, tags: &[(&str, &str)]) -> AlarmArn {
        let arn = format!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}");
        let arn = arn.parse().expect("a valid ARN");
        self.0.make(&arn, tags);
        arn
    }

    async fn set(&self, alarm: &AlarmArn, state: &str) -> Timestamp {
        let now = "2026-12-01T09:00:00Z".parse().expect("a time");
        self.0.change(alarm, now, AlarmState::new(state));
        now
    }
}

#[tokio::test]
async fn memory_alarms() {
    let subject = Alarms(MemoryAlarms::default());
    let count = contract::run(alarms::CHECKS, &subject as &dyn AlarmSubject, &[]).await;
    assert_eq!(count, alarms::CHECKS.len());
}

impl KillAlarmSubject for Alarms {
    fn keeper(&self) -> &dyn KillAlarms {
        &self.0
    }

    fn source(&self) -> &dyn AlarmSource {
        &self.0
    }

    fn topic(&self) -> String {
        "arn:aws:sns:us-east-1:111122223333:alarms".to_owned()
    }
}

#[derive(Default)]
struct Put(MemoryMetrics);

#[async_trait]
impl MetricSubject for Put {
    fn metrics(&self) -> &dyn Metrics {
        &self.0
    }

    fn now(&self) -> Timestamp {
        "2026-12-01T09:00:00Z".parse().expect("a time")
    }

    async fn maximum(&self, name: &str, dimensions: &[(&str, &str)]) -> Option<f64> {
        let value = |wanted| dimensions.iter().find(|(name, _)| *name == wanted);
        let stack = value(STACK)?.1.parse().expect("a valid name");
        let values: Vec<f64> = match (name, value(SLOT)) {
            (KILL_SCORE, Some((_, slot))) => {
                let scores = self.0.scores(&stack).into_iter();
                let of_slot = scores.filter(|score| score.slot.as_str() == *slot);
                of_slot.map(|score| score.value()).collect()
            }
            (HEARTBEAT, None) => self.0.beats(&stack).iter().map(|_| 1.0).collect(),
            _ => panic!("{name} {dimensions:?}"),
        };
        values.into_iter().reduce(f64::max)
    }
}

#[tokio::test]
async fn memory_kill_alarms() {
    let subject = Alarms(MemoryAlarms::default());
    let subject = &subject as &dyn KillAlarmSubject;
    let count = contract::run(kill_alarms::CHECKS, subject, &[]).await;
    assert_eq!(count, kill_alarms::CHECKS.len());
}

#[tokio::test]
async fn memory_metrics() {
    let subject = Put::default();
    let count = contract::run(metrics::CHECKS, &subject as &dyn MetricSubject, &[]).await;
    assert_eq!(count, metrics::CHECKS.len());
}
