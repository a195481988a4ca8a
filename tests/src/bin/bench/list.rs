//! Listing a large account: how much memory a process takes that holds one page at a time.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::SecretArn;
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::ports::{Clock, Page, ProviderError, Providers as _};
use keyward_lambda::clock::SystemClock;
use keyward_lambda::http::{Http, HttpSettings as TlsSettings};
use keyward_providers::config::ProviderAccounts;
use keyward_providers::http::{Connections, HttpClient, HttpSettings, guard};
use keyward_providers::{AdminKeySource, ConfiguredProviders};
use keyward_testkit::contract::provider::ProviderWorld;
use keyward_testkit::simulator::{Settings, Simulator};
use keyward_tests::support::account_entry;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Result;
use crate::launch::peak_mb;

/// Keys of the account.
pub(crate) const KEYS: usize = 10_000;

/// Secrets that the listing process does not read.
pub(crate) const ADMIN: &str =
    "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/admin-a1B2c3";
pub(crate) const POOL: &str =
    "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/pool-a1B2c3";

/// The word that makes this binary list; behind it stands a [`Task`].
pub(crate) const COMMAND: &str = "--list";

/// What the listing process is to do. It reads the admin key from its standard input.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    provider: ProviderName,
    account: Value,
    scope: Scope,
    keep: Keep,
}

/// What becomes of a page when the next is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Keep {
    /// It is dropped.
    One,
    /// It is kept: what must not be.
    All,
}

/// What a listing process saw.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) keys: usize,
    /// Peak memory beyond what the process had after the first page, in megabytes.
    pub(crate) peak_mb: f64,
}

/// Lists such an account of a provider in a process of its own.
pub(crate) fn measure(provider: ProviderName, keep: Keep) -> Result<Listed> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let settings = Settings {
        provider,
        ..Settings::default()
    };
    let simulator = runtime.block_on(Simulator::start(Arc::new(SystemClock), settings));
    for n in 0..KEYS {
        simulator.seed(&format!("agent-{n}"));
    }
    let task = Task {
        provider,
        account: account_entry(&simulator, ADMIN, POOL),
        scope: simulator.scope(),
        keep,
    };
    let mut child = Command::new(std::env::current_exe()?)
        .args([COMMAND, &serde_json::to_string(&task)?])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(simulator.management_key().expose_secret().as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("listing ended with {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

struct Given(AdminKey);

#[async_trait]
impl AdminKeySource for Given {
    async fn admin_key(&self, _: &SecretArn) -> std::result::Result<AdminKey, ProviderError> {
        Ok(self.0.clone())
    }
}

/// The listing process.
pub(crate) fn list(task: &str) -> Result<Listed> {
    let task: Task = serde_json::from_str(task)?;
    let key = std::io::read_to_string(std::io::stdin())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(list_pages(&task, AdminKey::new(&key)))
}

async fn list_pages(task: &Task, key: AdminKey) -> Result<Listed> {
    let name = "bench".parse()?;
    let providers = opened(&task.account, key)?;
    let driver = providers.open(&name, task.provider).await?;
    let mut page = driver.list(&task.scope, None).await?;
    let before = start_again()?;
    let (mut keys, mut kept) = (0, Vec::new());
    loop {
        let Page { keys: listed, next } = page;
        keys += listed.len();
        if task.keep == Keep::All {
            kept.push(listed);
        }
        let Some(next) = next else {
            break;
        };
        page = driver.list(&task.scope, Some(&next)).await?;
    }
    let peak = memory()?;
    drop(kept);
    Ok(Listed {
        keys,
        peak_mb: peak - before,
    })
}

/// Lets the kernel measure the peak from now on; memory now, in megabytes.
/// <https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html>
fn start_again() -> Result<f64> {
    std::fs::write(Path::new("/proc/self/clear_refs"), "5")?;
    memory()
}

fn memory() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    peak_mb(&status).ok_or_else(|| "the kernel does not tell peak memory".into())
}

/// A deployment with one provider account, `bench`, whose admin key is this.
pub(crate) fn opened(account: &Value, key: AdminKey) -> Result<ConfiguredProviders> {
    opened_all(&json!({ "bench": account }), key, Arc::new(SystemClock))
}

/// The same with several accounts that have one admin key, at a time of its own.
pub(crate) fn opened_all(
    accounts: &Value,
    key: AdminKey,
    clock: Arc<dyn Clock>,
) -> Result<ConfiguredProviders> {
    let accounts = ProviderAccounts::from_json(&accounts.to_string())
        .map_err(|problems| format!("{problems:?}"))?;
    let settings = HttpSettings::default();
    let tls = Http::new(&TlsSettings {
        extra_roots: None,
        timeout: settings.timeout,
    })?;
    let allowed = accounts.allowed_hosts();
    let pooled = guard(
        tls.pooled_builder(),
        Connections::Pooled,
        &settings,
        &allowed,
    );
    let fresh = guard(tls.fresh_builder(), Connections::Fresh, &settings, &allowed);
    let rng = fastrand::Rng::with_seed(1);
    let http = HttpClient::new(pooled.build()?, fresh.build()?, clock, settings, rng);
    let source = Arc::new(Given(key));
    Ok(ConfiguredProviders::new(accounts, Arc::new(http), source))
}
