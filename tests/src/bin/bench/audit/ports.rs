//! What the audit works with: AWS's adapters and the provider's driver over HTTP; what is small beside them from memory.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use keyward_aws::CloudWatchAlarms;
use keyward_aws::{DynamoInventory, SecretsManager};
use keyward_core::model::audit::Period;
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::{AccountName, Principal};
use keyward_core::ports::{
    CredentialAge, CredentialAges, ListError, Mark, People, Remembered, ReportFile, ReportSink,
};
use keyward_core::usecases::audit::AuditPorts;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::memory::{MemoryAudits, MemoryInventory, MemoryLists, MemoryUsage};
use serde_json::{Value, json};

use super::{Task, aws};
use crate::Result;
use crate::list::{ADMIN, opened_all};

/// Keeps of each file how large it is.
#[derive(Default)]
pub(super) struct Sink(Mutex<Vec<(String, usize)>>);

impl Sink {
    pub(super) fn files(&self) -> Vec<(String, usize)> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.clone()
    }
}

#[async_trait]
impl ReportSink for Sink {
    async fn ledger(&self) -> std::result::Result<Remembered, ListError> {
        Ok(Remembered::default())
    }

    async fn keep(&self, _: &Remembered) -> std::result::Result<Option<Mark>, ListError> {
        Ok(None)
    }

    async fn put(
        &self,
        period: Period,
        file: ReportFile,
    ) -> std::result::Result<String, ListError> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.push((file.name.to_owned(), file.text.len()));
        Ok(self.page(period, file.name))
    }

    fn page(&self, period: Period, name: &str) -> String {
        format!("{period}/{name}")
    }
}

/// Nobody left, and no credential is old.
struct Quiet;

#[async_trait]
impl CredentialAges for Quiet {
    async fn ages(&self, _: &AccountName) -> std::result::Result<Vec<CredentialAge>, ListError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl People for Quiet {
    async fn left(
        &self,
        _: &BTreeSet<Principal>,
    ) -> std::result::Result<Option<BTreeSet<Principal>>, ListError> {
        Ok(Some(BTreeSet::new()))
    }
}

/// The ports, and where files go.
pub(super) async fn ports(
    task: &Task,
    clock: &Arc<ManualClock>,
) -> Result<(AuditPorts, Arc<Sink>)> {
    let accounts = task.providers.iter().enumerate().map(|(n, url)| {
        let account = json!({
            "provider": "openai", "base_url": url, "admin_secret": ADMIN, "allow_hosts": ["127.0.0.1"],
        });
        (format!("bench-{n}"), account)
    });
    let accounts = Value::Object(accounts.collect());
    let key = AdminKey::new("EXAMPLE-admin-key");
    let config = aws::config(&task.aws).await?;
    let sink = Arc::new(Sink::default());
    let lists = Arc::new(MemoryLists::default());
    let inventory = Arc::new(MemoryInventory::default());
    let ports = AuditPorts {
        census: Arc::new(DynamoInventory::new(&config, aws::TABLE)),
        secrets: Arc::new(SecretsManager::new(&config)),
        providers: Arc::new(opened_all(&accounts, key, clock.clone())?),
        pools: inventory.clone(),
        usage: Arc::new(MemoryUsage::default()),
        alarms: Arc::new(CloudWatchAlarms::new(&config)),
        functions: lists.clone(),
        iam: lists,
        ages: Arc::new(Quiet),
        people: Some(Arc::new(Quiet)),
        acts: inventory,
        risks: Arc::new(MemoryAudits::default()),
        reports: sink.clone(),
        clock: clock.clone(),
    };
    Ok((ports, sink))
}
