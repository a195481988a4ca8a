//! The pull of usage: it ends in the same buckets however it is cut off, doubled or late; what is not read whole is not
//! seen; and the field cases of usage.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "usage/cases.rs"]
mod cases;
#[path = "usage/over_http.rs"]
mod over_http;
#[path = "usage/undisturbed.rs"]
mod undisturbed;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::AccountName;
use keyward_core::model::price::PriceTable;
use keyward_core::model::slot::Slot;
use keyward_core::model::text::OutsideText;
use keyward_core::model::usage::{Bucket, Counts};
use keyward_core::model::usage_items::{Models, UsageHour};
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{ByKey, Clock, Cost, Deadline, Tokens, Usage, UsageStore, Width};
use keyward_core::usecases::monitor::{PullSettings, Pulled, UsagePorts, Watched, pull};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::memory::{MemoryReports, MemoryUsage, ReportingAccounts};
use serde_json::json;

/// The buckets that are kept, without what differs between runs that are the same: who wrote them, and when.
type Kept = BTreeMap<(String, u32, String), (Models, Option<MicroDollars>)>;

/// Accounts that report, a store, and the slots that are watched.
struct World {
    clock: Arc<ManualClock>,
    accounts: Vec<(AccountName, Arc<MemoryReports>)>,
    store: Arc<MemoryUsage>,
    fleet: Vec<Watched>,
    settings: PullSettings,
}

impl World {
    /// One account of each of these names.
    fn new(accounts: &[&str], width: Width) -> Self {
        let clock = Arc::new(ManualClock::start());
        let accounts = accounts.iter().map(|name| {
            let reports = Arc::new(MemoryReports::new(clock.clone(), width));
            (name.parse().unwrap(), reports)
        });
        Self {
            accounts: accounts.collect(),
            clock,
            store: Arc::default(),
            fleet: Vec::new(),
            settings: PullSettings::default(),
        }
    }

    /// A slot whose versions have these handles, the last of them current.
    fn with_slot(mut self, name: &str, account: &str, handles: &[&str]) -> Self {
        let slot: Slot = serde_json::from_value(json!({
            "schema": 1, "revision": 1, "name": name, "agent": name, "owner": "ana",
            "environment": "prod", "provider": "openai", "account": account,
            "scope": {"project": "proj_EXAMPLE"},
            "secret": "arn:aws:secretsmanager:us-east-1:123456789012:secret:llm/x-aBcDeF",
            "kind": "minted",
            "policy": {"max_age": 5_184_000, "overlap": 7200, "deadline": 86_400, "refresh": 3600},
            "expected": {"daily": 1_000_000, "monthly": 30_000_000},
            "mode": "enforce", "state": "active", "epoch": 1, "due_at": "2030-01-01T00:00:00Z",
        }))
        .unwrap();
        let versions = handles.iter().enumerate().map(|(n, handle)| {
            let number = self.fleet.len() * 100 + n;
            let id = format!("11111111-aaaa-4bbb-8ccc-{number:012}.1");
            let created = "2026-06-01T00:00:00Z".parse().unwrap();
            let is_last = n + 1 == handles.len();
            Version {
                handle: Some(handle.parse().unwrap()),
                state: if is_last {
                    VersionState::Current
                } else {
                    VersionState::Revoked
                },
                ..Version::intended(&slot.name, id.parse().unwrap(), slot.epoch, created)
            }
        });
        let versions = versions.collect();
        self.fleet.push(Watched { slot, versions });
        self
    }

    fn reports(&self) -> &MemoryReports {
        &self.accounts[0].1
    }

    fn ports(&self) -> UsagePorts {
        UsagePorts {
            providers: Arc::new(ReportingAccounts(self.accounts.clone())),
            usage: self.store.clone(),
            clock: self.clock.clone(),
        }
    }

    async fn pull(&self) -> Pulled {
        self.pull_with(&self.ports(), SignedDuration::from_mins(5))
            .await
    }

    async fn pull_with(&self, ports: &UsagePorts, time: SignedDuration) -> Pulled {
        let deadline = Deadline(self.clock.now() + time);
        let prices = PriceTable::shipped();
        pull(ports, &self.settings, &prices, &self.fleet, deadline).await
    }

    fn pass(&self, minutes: i64) {
        self.clock.advance(SignedDuration::from_mins(minutes));
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn kept(&self) -> Kept {
        kept(&self.store.all_hours())
    }

    /// What is kept of a slot, all its buckets together.
    fn total(&self, slot: &str) -> Counts {
        let mut total = Counts::default();
        for hour in self.store.all_hours() {
            if hour.slot.as_str() == slot {
                hour.cells.iter().for_each(|cell| total += cell.counts());
            }
        }
        total
    }
}

fn kept(hours: &[UsageHour]) -> Kept {
    let cells = hours.iter().flat_map(|hour| {
        let of = hour.slot.to_string();
        hour.cells.iter().map(move |cell| (of.clone(), cell))
    });
    let cells = cells.filter(|(_, cell)| cell.counts().used() || cell.billed.is_some());
    cells
        .map(|(slot, cell)| {
            let key = (slot, cell.bucket.0, cell.version.to_string());
            (key, (cell.models.clone(), cell.billed))
        })
        .collect()
}

/// A row of a minute.
fn row(key: &str, from: Timestamp, requests: u64, input: u64) -> Usage {
    Usage {
        key: ByKey::Id(OutsideText::new(key)),
        model: Some(OutsideText::new("gpt-5")),
        from,
        requests: Some(requests),
        tokens: Tokens {
            input: Some(input),
            ..Tokens::default()
        },
    }
}

fn cost(key: &str, from: Timestamp, micros: u64) -> Cost {
    Cost {
        key: ByKey::Id(OutsideText::new(key)),
        from,
        amount: MicroDollars(micros),
    }
}
