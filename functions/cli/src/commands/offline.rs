//! `keyward kill --offline`: no part of AWS is asked.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Read, stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use clap::Args;
use keyward_core::model::incident::{Containment, HowCut};
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::{AccountName, IamUser, KeyHandle, ScopeId, SecretArn, SlotName};
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::ports::{Clock, KeyProvider, ProviderError, Providers};
use keyward_core::usecases::kill::{FoundKeys, Whereabouts, contain_found, delete_found};
use keyward_lambda::clock::SystemClock;
use keyward_lambda::config::environment;
use keyward_lambda::deployment::provider_client;
use keyward_lambda::http::{Http, HttpSettings};
use keyward_providers::config::ProviderAccounts;
use keyward_providers::{AdminKeySource, ConfiguredProviders};
use serde_json::json;

use super::Format;
use super::confirm::{Confirm, confirmed};
use super::kill::Order;
use super::providers::configured;
use crate::print::{Outcome, clean, line, table};

/// Longer than any admin credential: a service account's key file has 3 KB.
const MAX_CREDENTIAL: u64 = 64 * 1024;

/// Time for one request to the provider.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where the slot's keys are, since nothing can be asked that knows.
#[derive(Debug, Clone, Args)]
pub(crate) struct Offline {
    /// Cut off from here, without AWS: for when AWS or Keyward is down.
    ///
    /// The provider account's admin or break-glass credential is read from standard input. The account is looked up in
    /// --accounts, or else in KEYWARD_ACCOUNTS. Example: keyward kill search-bot --offline --account openrouter-main --yes < break-glass.txt
    #[arg(long, requires = "account")]
    offline: bool,
    /// The slot's provider account.
    #[arg(long, requires = "offline")]
    account: Option<AccountName>,
    /// A file with the provider accounts, as the functions have them in KEYWARD_ACCOUNTS; without it, that variable.
    #[arg(long, requires = "offline", value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// Anthropic, OpenRouter: the workspace that its keys live in.
    #[arg(long, requires = "offline")]
    workspace: Option<ScopeId>,
    /// OpenAI, Gemini: the project that its keys live in.
    #[arg(long, requires = "offline")]
    project: Option<ScopeId>,
    /// OpenAI: the service account that owns its keys.
    #[arg(long, requires = "offline")]
    service_account: Option<ScopeId>,
    /// Bedrock: the IAM user that its keys are of.
    #[arg(long, requires = "offline", hide = true)]
    user: Option<IamUser>,
    /// The id at the provider of one of its keys, for keys that Keyward did not make; can be given several times.
    #[arg(long = "handle", requires = "offline")]
    handles: Vec<KeyHandle>,
}

impl Offline {
    /// The file with the provider accounts, if one was named.
    pub(super) fn accounts(&self) -> Option<&Path> {
        self.accounts.as_deref()
    }

    /// Where to look, if that is what was asked for.
    pub(super) fn whereabouts(&self, slot: &SlotName) -> Option<Whereabouts> {
        let account = self.account.clone().filter(|_| self.offline)?;
        Some(Whereabouts {
            slot: slot.clone(),
            account,
            place: Scope {
                workspace: self.workspace.clone(),
                project: self.project.clone(),
                service_account: self.service_account.clone(),
                user: self.user.clone(),
                ..Scope::default()
            },
            known: BTreeSet::from_iter(self.handles.iter().cloned()),
        })
    }
}

/// The credential that was given.
struct Given(AdminKey);

#[async_trait]
impl AdminKeySource for Given {
    async fn admin_key(&self, _: &SecretArn) -> Result<AdminKey, ProviderError> {
        Ok(self.0.clone())
    }
}

/// Cuts off every key of the slot that its provider shows.
pub(super) async fn kill(
    order: &Order,
    accounts: Option<&Path>,
    whereabouts: &Whereabouts,
    confirm: Confirm,
    format: Format,
) -> Result<Outcome> {
    let (slot, account) = (&order.slot, &whereabouts.account);
    let (accounts, source) = match accounts {
        Some(file) => (accounts_in(file)?, file.display().to_string()),
        None => (configured()?, "KEYWARD_ACCOUNTS".to_owned()),
    };
    let found = accounts.accounts().find(|(name, ..)| *name == account);
    let Some((_, provider, _)) = found else {
        bail!("{source} names no account {account}; nothing was changed");
    };
    if provider == ProviderName::Bedrock {
        bail!(
            "Bedrock's keys are AWS's own: nothing can be done to them without AWS. With credentials of IAM: aws iam list-service-specific-credentials, then update-service-specific-credential --status Inactive; nothing was changed"
        );
    }
    let what = match provider.home(account, &whereabouts.place) {
        Some(_) => format!(
            "Every key in {account} is cut off, without AWS: it counts as {slot}'s alone, which nothing here can check"
        ),
        None => format!("All keys of {slot} that {provider} shows are cut off, without AWS"),
    };
    confirmed(slot, &what, confirm)?;
    let driver = driver(accounts, account, provider, credential()?).await?;
    let containment = match order.leak {
        true => Containment::Final,
        false => Containment::Reversible,
    };
    let begun = SystemClock.now();
    let mut found = contain_found(driver.as_ref(), whereabouts, containment).await;
    if order.leak {
        delete_found(driver.as_ref(), whereabouts, &mut found).await;
    }
    let found = found;
    let is_done = is_done(order, &found);
    let seconds = SystemClock.now().duration_since(begun).as_secs_f64();
    match format {
        Format::Json => line(&as_json(slot, &found, is_done, seconds).to_string()),
        Format::Table => show(order, provider, &found, seconds),
    }
    Ok(match is_done {
        true => Outcome::Done,
        false => Outcome::NotAll,
    })
}

/// Whether keys were found and all of them are cut off, after a leak for good.
fn is_done(order: &Order, found: &FoundKeys) -> bool {
    found.is_whole() && !found.keys.is_empty() && !(order.leak && comes_back(found))
}

/// Whether a key is cut off that can be brought back.
fn comes_back(found: &FoundKeys) -> bool {
    let mut cuts = found.keys.iter().filter_map(|(_, cut)| cut.as_ref().ok());
    cuts.any(|how| matches!(how, HowCut::Suspended | HowCut::Narrowed))
}

/// The accounts that a file names.
fn accounts_in(file: &Path) -> Result<ProviderAccounts> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{shown} cannot be read; nothing was changed"))?;
    ProviderAccounts::from_json(&text)
        .with_context(|| format!("{shown} is refused; nothing was changed"))
}

/// The account's driver: the same that the functions use.
async fn driver(
    accounts: ProviderAccounts,
    account: &AccountName,
    provider: ProviderName,
    credential: AdminKey,
) -> Result<Arc<dyn KeyProvider>> {
    let http = Http::new(&HttpSettings {
        extra_roots: environment("KEYWARD_EXTRA_ROOTS")
            .filter(|path| !path.is_empty())
            .map(Into::into),
        timeout: TIMEOUT,
    })?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let client = provider_client(TIMEOUT, &http, &accounts, &clock)?;
    let source = Arc::new(Given(credential));
    let providers = ConfiguredProviders::new(accounts, Arc::new(client), source);
    let opened = providers.open(account, provider).await;
    opened.context("the provider account cannot be opened; nothing was changed")
}

/// The admin credential on standard input.
fn credential() -> Result<AdminKey> {
    let mut input = stdin();
    if input.is_terminal() {
        bail!(
            "the admin or break-glass credential is read from standard input, so that it stays out of the shell's history: keyward kill SLOT --offline --account NAME --yes < break-glass.txt; nothing was changed"
        );
    }
    let mut text = String::new();
    (&mut input)
        .take(MAX_CREDENTIAL + 1)
        .read_to_string(&mut text)
        .context("standard input cannot be read as text; nothing was changed")?;
    let text = text.trim();
    if text.is_empty() || text.len() as u64 > MAX_CREDENTIAL {
        bail!("there is no credential on standard input; nothing was changed");
    }
    Ok(AdminKey::new(text))
}

const fn said(how: HowCut) -> &'static str {
    match how {
        HowCut::Suspended => "suspended",
        HowCut::Narrowed => "may do nothing",
        HowCut::Deleted => "deleted",
        HowCut::NothingFound => "not there",
    }
}

fn show(order: &Order, provider: ProviderName, found: &FoundKeys, seconds: f64) {
    let slot = &order.slot;
    let row = |(handle, cut): &(KeyHandle, Result<HowCut, ProviderError>)| {
        let now = match cut {
            Ok(how) => said(*how).to_owned(),
            Err(error) => format!("NOT CUT OFF: {}", clean(&error.to_string())),
        };
        [clean(handle.as_str()), now]
    };
    let rows: Vec<[String; 2]> = found.keys.iter().map(row).collect();
    if !rows.is_empty() {
        table(["KEY", "NOW"], &rows);
    }
    let cut = found.cut_off();
    line(&format!(
        "{slot}: {cut} of {} keys found at {provider} are cut off, in {seconds:.1} s",
        rows.len()
    ));
    let not_for_good = order.leak && comes_back(found);
    if not_for_good {
        line(&format!("{slot}: not every key could be deleted for good"));
    }
    if cut < rows.len() || not_for_good {
        line(&format!(
            "{slot}: what is cut off stays so. Run the same command again, or delete the rest at {provider} by hand"
        ));
    }
    match &found.unlisted {
        Some(error) => line(&format!(
            "{slot}: there may be more: {}. Look at {provider}, or say where its keys live (--help)",
            clean(&error.to_string())
        )),
        None if rows.is_empty() => line(&format!(
            "{slot}: no key that Keyward made for it is there. A key that people made is found by --handle only"
        )),
        None => {}
    }
    let leak = if order.leak { " --leak" } else { "" };
    line(&format!(
        "{slot}: nothing is recorded yet, and a schedule may still make it a key. When AWS is back: keyward kill {slot}{leak} --reason TEXT"
    ));
}

fn as_json(slot: &SlotName, found: &FoundKeys, is_done: bool, seconds: f64) -> serde_json::Value {
    let keys = found.keys.iter().map(|(handle, cut)| {
        let error = cut.as_ref().err().map(|error| clean(&error.to_string()));
        json!({ "handle": handle, "done": cut.as_ref().ok(), "error": error })
    });
    json!({
        "slot": slot,
        "result": if is_done { "contained" } else { "unfinished" },
        "keys": keys.collect::<Vec<_>>(),
        "unlisted": found.unlisted.as_ref().map(|error| clean(&error.to_string())),
        "seconds": (seconds * 1000.0).round() / 1000.0,
    })
}
