//! A monitor, and the slots that it watches.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::act::CallerArn;
use keyward_core::model::baseline::{Baseline, Place};
use keyward_core::model::incident::OwnerId;
use keyward_core::model::key::AdminKey;
use keyward_core::model::kill_order::{GoOnOrder, MonitorOrder, TopicArn};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::{AccountName, KeyHandle, SlotName};
use keyward_core::model::slot::{ProviderName, Slot};
use keyward_core::model::usage::{Bucket, Counts, Reading, TokenCounts};
use keyward_core::model::version::{Version, VersionId};
use keyward_core::ports::{
    AlarmSource, Clock as _, Deadline, Fence, Inventory, KillAlarms, KillOrderError, KillOrders,
    Metrics, UsageStore, Width,
};
use keyward_core::rules::kill::{AlarmMap, Deployment};
use keyward_core::rules::told::{Report, ReportedBucket};
use keyward_core::usecases::Ports;
use keyward_core::usecases::kill::Invocation;
use keyward_core::usecases::monitor::{MonitorPorts, MonitorReport, MonitorSettings, State, run};
use keyward_core::usecases::report::report;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::memory::{
    MemoryAlerts, MemoryInventory, MemoryReports, MemorySecrets, MemoryUsage, ReportingAccounts,
};
use serde_json::{Value, json};

use super::kept::in_a_bucket;
use super::pages::{MODEL, PROJECT, key_id};
use crate::Result;
use crate::kill::{slot, version};
use crate::list::{ADMIN, opened_all};

/// Provider accounts that slots are shared out to.
pub(crate) const ACCOUNTS: usize = 5;

/// Days that a slot's history goes back.
const DAYS: u32 = 36;

/// A monitor whose clock is moved.
pub(crate) struct Scene {
    pub(crate) monitor: MonitorPorts,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) settings: MonitorSettings,
    pub(crate) state: State,
}

/// What of it differs.
pub(crate) struct Parts {
    pub(crate) inventory: Arc<dyn Inventory>,
    pub(crate) alarm_source: Arc<dyn AlarmSource>,
    pub(crate) alarms: Arc<dyn KillAlarms>,
    pub(crate) usage: Arc<dyn UsageStore>,
    pub(crate) metrics: Arc<dyn Metrics>,
}

/// The role that the slots' agents have.
const ROLE: &str = "arn:aws:iam::111122223333:role/bench";

/// The name of account number `n`.
pub(crate) fn account(n: usize) -> Result<AccountName> {
    Ok(format!("bench-{n}").parse()?)
}

/// The handle of slot number `n`'s key.
pub(crate) fn handle(n: usize) -> Result<KeyHandle> {
    Ok(format!("{PROJECT}/{}", key_id(n)).parse()?)
}

/// Slot number `n`, and its version.
pub(crate) fn made(n: usize) -> Result<(Slot, Version)> {
    let slot = Slot {
        account: account(n % ACCOUNTS)?,
        scope: serde_json::from_value(json!({ "project": PROJECT }))?,
        readers: vec![ROLE.parse()?],
        // Far ahead: nothing is due.
        due_at: "2030-01-01T00:00:00Z".parse()?,
        ..slot(n, ProviderName::OpenAi)?
    };
    let version = Version {
        due_at: None,
        ..version(&slot, 0, &handle(n)?)?
    };
    Ok((slot, version))
}

/// Slots in an inventory that keeps them.
pub(crate) async fn fill(slots: usize) -> Result<MemoryInventory> {
    let inventory = MemoryInventory::default();
    for n in 0..slots {
        let (slot, version) = made(n)?;
        inventory.create_slot(&slot, None).await?;
        inventory.add_version(&version, Fence::None).await?;
    }
    Ok(inventory)
}

/// Who we are.
pub(crate) fn deployment() -> Result<Deployment> {
    Ok(Deployment {
        account: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        stack: "bench".parse()?,
        topic: TopicArn::new("arn:aws:sns:us-east-1:111122223333:bench-alarms"),
        map: AlarmMap::default(),
    })
}

/// What is remembered of a slot that used the same in each bucket for weeks, up to a day before `now`.
pub(crate) fn remembered(now: Timestamp) -> Result<String> {
    let until = Bucket::of(now).minus(Bucket::PER_DAY);
    let mut baseline = Baseline::default();
    let reading = Reading::Known(in_a_bucket());
    for bucket in until.minus((DAYS - 1) * Bucket::PER_DAY).0..until.0 {
        baseline.settle(Bucket(bucket), reading, Place::Normal);
    }
    let memory = json!({
        "baseline": serde_json::to_value(baseline)?, "saved": now,
        "notes": {"judged": Bucket::of(now).minus(1)},
    });
    Ok(memory.to_string())
}

impl Scene {
    /// A monitor of slots whose accounts answer at `urls`.
    pub(crate) fn new(
        urls: &[String],
        key: AdminKey,
        clock: Arc<ManualClock>,
        parts: Parts,
    ) -> Result<Self> {
        let accounts = urls.iter().enumerate().map(|(n, url)| {
            let account = json!({
                "provider": "openai", "base_url": url, "admin_secret": ADMIN, "allow_hosts": ["127.0.0.1"],
            });
            (format!("bench-{n}"), account)
        });
        let accounts = Value::Object(accounts.collect());
        let monitor = MonitorPorts {
            ports: Ports {
                secrets: Arc::new(MemorySecrets::default()),
                inventory: parts.inventory,
                pools: Arc::new(MemoryInventory::default()),
                providers: Arc::new(opened_all(&accounts, key, clock.clone())?),
                alerts: Arc::new(MemoryAlerts::default()),
                clock: clock.clone(),
            },
            usage: parts.usage,
            leases: Arc::new(MemoryUsage::default()),
            metrics: parts.metrics,
            alarm_source: parts.alarm_source,
            alarms: parts.alarms,
            kill_switch: Arc::new(Nobody),
            deployment: deployment()?,
        };
        Ok(Self {
            monitor,
            clock,
            settings: MonitorSettings::default(),
            state: State::default(),
        })
    }

    /// One run, which must find nothing unusual and leave nothing.
    pub(crate) async fn run(&mut self) -> Result<MonitorReport> {
        let now = self.monitor.ports.clock.now();
        let invocation = Invocation {
            owner: OwnerId::new("bench"),
            deadline: Deadline(now + SignedDuration::from_secs(50)),
        };
        let ran = run(&self.monitor, &self.settings, &mut self.state, &invocation).await?;
        match ran.over == 0 && ran.left.is_empty() && ran.unseen.is_empty() {
            true => Ok(ran),
            false => Err(format!("not a steady run: {ran:?}").into()),
        }
    }

    /// From now on no provider tells anything of usage.
    pub(crate) fn tell_nothing(&mut self) -> Result<()> {
        let mut accounts = Vec::new();
        for n in 0..ACCOUNTS {
            let reports = MemoryReports::new(self.clock.clone(), Width::Minute);
            reports.tell_nothing();
            accounts.push((account(n)?, Arc::new(reports)));
        }
        self.monitor.ports.providers = Arc::new(ReportingAccounts(accounts));
        Ok(())
    }

    /// So many processes of each slot tell of the last bucket that is over. How many reports that are.
    pub(crate) async fn tell(
        &self,
        versions: &[(SlotName, VersionId)],
        processes: usize,
    ) -> Result<usize> {
        let caller = CallerArn::new("arn:aws:sts::111122223333:assumed-role/bench/i-0123");
        let used = in_a_bucket();
        let tokens = TokenCounts {
            input: used.tokens.input / processes as u64,
            output: used.tokens.output / processes as u64,
            ..TokenCounts::default()
        };
        let counts = Counts {
            cost: MicroDollars(0),
            requests: used.requests / processes as u64,
            tokens,
        };
        let last = Bucket::of(self.clock.now()).minus(1);
        for (slot, version) in versions {
            for process in 0..processes {
                let told = Report {
                    slot: slot.clone(),
                    reporter: format!("3f2b8c1e-0000-4000-8000-{process:012}").parse()?,
                    version: version.secret_version.clone(),
                    ends: false,
                    buckets: vec![ReportedBucket {
                        from: last.begins(),
                        models: [(MODEL.parse()?, counts)].into(),
                    }],
                };
                let monitor = &self.monitor;
                report(&monitor.ports, &*monitor.usage, &caller, &told).await?;
            }
        }
        Ok(versions.len() * processes)
    }

    /// A minute passes.
    pub(crate) fn pass(&self) {
        self.clock.advance(SignedDuration::from_mins(1));
    }
}

/// A kill switch that is sent nobody.
struct Nobody;

#[async_trait::async_trait]
impl KillOrders for Nobody {
    async fn kill(&self, order: &MonitorOrder) -> std::result::Result<(), KillOrderError> {
        let what = format!("{} was to be cut off", order.slot);
        Err(KillOrderError::Refused(what.into()))
    }

    async fn go_on(&self, order: &GoOnOrder) -> std::result::Result<(), KillOrderError> {
        let what = format!("{} was to be gone on with", order.incident);
        Err(KillOrderError::Refused(what.into()))
    }
}
