//! `keyward kill --offline`: no part of AWS is asked.

mod report;

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
use keyward_core::usecases::kill::{
    FoundKeys, Looked, Whereabouts, contain_found, delete_found, look_for,
};
use keyward_lambda::clock::SystemClock;
use keyward_lambda::config::environment;
use keyward_lambda::deployment::provider_client;
use keyward_lambda::http::{Http, HttpSettings};
use keyward_providers::config::ProviderAccounts;
use keyward_providers::{AdminKeySource, ConfiguredProviders};

use super::Format;
use super::confirm::{Confirm, confirmed};
use super::kill::{Order, offline_command};
use super::providers::configured;
use crate::print::{Outcome, complain};

/// Longer than any admin credential: a service account's key file has 3 KB.
const MAX_CREDENTIAL: u64 = 64 * 1024;

/// Where the provider accounts are told, unless a file is named.
const ACCOUNTS: &str = "KEYWARD_ACCOUNTS";

/// Time for one request to the provider.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where the slot's keys are, since nothing can be asked that knows.
#[derive(Debug, Clone, Args)]
pub(crate) struct Offline {
    /// Cut off from here, without AWS: for when AWS or Keyward is down.
    ///
    /// The provider account's admin or break-glass credential is read from standard input. The account is looked up in
    /// --accounts, or else in KEYWARD_ACCOUNTS. Keys are found by the name that Keyward gave them; keys that people made
    /// have none, which at Anthropic is every key: each of those needs --handle. With --dry-run it lists both kinds and
    /// changes nothing. Ends with 3 where all that was found is cut off, but keys are left of which nothing says whose they
    /// are. Example: keyward kill search-bot --offline --account openrouter-main --yes < break-glass.txt
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
    /// The id at the provider of one of its keys, for keys that carry no name of Keyward's: at Anthropic every key,
    /// elsewhere those that people made. `--offline --dry-run` lists them; can be given several times.
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
pub(super) struct Given(pub(super) AdminKey);

#[async_trait]
impl AdminKeySource for Given {
    async fn admin_key(&self, _: &SecretArn) -> Result<AdminKey, ProviderError> {
        Ok(self.0.clone())
    }
}

/// What an offline kill works on, before any credential was read.
struct Target<'a> {
    whereabouts: &'a Whereabouts,
    accounts: ProviderAccounts,
    provider: ProviderName,
}

impl<'a> Target<'a> {
    /// Looks the account up, and refuses what cannot be done.
    fn of(whereabouts: &'a Whereabouts, accounts: Option<&Path>) -> Result<Self> {
        let account = &whereabouts.account;
        let (accounts, source) = match accounts {
            Some(file) => (accounts_in(file)?, file.display().to_string()),
            None if environment(ACCOUNTS).is_none_or(|text| text.trim().is_empty()) => bail!(
                "{ACCOUNTS} is not set, and no file was named: say --accounts FILE; nothing was changed"
            ),
            None => (configured()?, ACCOUNTS.to_owned()),
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
        let needs_project = matches!(provider, ProviderName::OpenAi | ProviderName::Gemini);
        if needs_project && whereabouts.place.project.is_none() {
            bail!(
                "every key of {provider} is in a project: say --project ID, which is `scope.project` in the fleet file; nothing was changed"
            );
        }
        Ok(Self {
            whereabouts,
            accounts,
            provider,
        })
    }

    /// Whether all keys of the account are the slot's.
    fn is_home(&self) -> bool {
        let Whereabouts { account, place, .. } = self.whereabouts;
        self.provider.home(account, place).is_some()
    }

    /// The account's driver, with the credential on standard input: the same driver that the functions use.
    async fn open(self) -> Result<Arc<dyn KeyProvider>> {
        let credential = credential()?;
        let http = Http::new(&HttpSettings {
            extra_roots: environment("KEYWARD_EXTRA_ROOTS")
                .filter(|path| !path.is_empty())
                .map(Into::into),
            timeout: TIMEOUT,
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let client = provider_client(TIMEOUT, &http, &self.accounts, &clock)?;
        let source = Arc::new(Given(credential));
        let providers = ConfiguredProviders::new(self.accounts, Arc::new(client), source);
        let opened = providers
            .open(&self.whereabouts.account, self.provider)
            .await;
        opened.context("the provider account cannot be opened; nothing was changed")
    }
}

/// Lists what a kill would cut off, and what it would leave. Nothing is changed.
pub(super) async fn foresee(
    order: &Order,
    accounts: Option<&Path>,
    whereabouts: &Whereabouts,
    format: Format,
) -> Result<Outcome> {
    let target = Target::of(whereabouts, accounts)?;
    piped("admin or break-glass credential", &offline_command(order))?;
    let provider = target.provider;
    let driver = target.open().await?;
    let looked = look_for(driver.as_ref(), whereabouts).await;
    let looked = looked.with_context(|| {
        format!(
            "the keys at {provider} cannot be listed; nothing was changed. Look at the credential, and say where its keys live (--help)"
        )
    })?;
    match format {
        Format::Json => report::foreseen_json(order, whereabouts, &looked),
        Format::Table => report::foreseen(order, provider, whereabouts, &looked),
    }
    let nothing = looked.own.is_empty() && whereabouts.known.is_empty();
    Ok(match (nothing, looked.unnamed.is_empty()) {
        (true, _) => Outcome::NotAll,
        (false, true) => Outcome::Done,
        (false, false) => Outcome::MaybeMore,
    })
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
    let target = Target::of(whereabouts, accounts)?;
    piped("admin or break-glass credential", &offline_command(order))?;
    let provider = target.provider;
    let what = match target.is_home() {
        true => format!(
            "Every key in {account} is cut off, without AWS: it counts as {slot}'s alone, which nothing here can check"
        ),
        false => format!("All keys of {slot} that {provider} shows are cut off, without AWS"),
    };
    confirmed(slot, &what, confirm)?;
    if !order.reason.is_empty() {
        complain(&format!(
            "{slot}: nothing is recorded offline, the reason neither. Give it again when AWS is back"
        ));
    }
    let driver = target.open().await?;
    let begun = SystemClock.now();
    // What is looked at for people holds up no cut.
    let (found, looked) = tokio::join!(
        cut(order, driver.as_ref(), whereabouts),
        look_for(driver.as_ref(), whereabouts),
    );
    let ending = report::Ending {
        result: result(order, &found, &looked),
        found,
        looked,
        seconds: SystemClock.now().duration_since(begun).as_secs_f64(),
    };
    match format {
        Format::Json => ending.print_json(order),
        Format::Table => ending.print(order, provider),
    }
    Ok(match ending.result {
        CutResult::Contained => Outcome::Done,
        CutResult::MaybeMore => Outcome::MaybeMore,
        CutResult::Unfinished => Outcome::NotAll,
    })
}

async fn cut(order: &Order, driver: &dyn KeyProvider, whereabouts: &Whereabouts) -> FoundKeys {
    let containment = match order.leak {
        true => Containment::Final,
        false => Containment::Reversible,
    };
    let mut found = contain_found(driver, whereabouts, containment).await;
    if order.leak {
        delete_found(driver, whereabouts, &mut found).await;
    }
    found
}

/// How an offline kill ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CutResult {
    /// Keys were found, all of them are cut off, after a leak for good, and there is no other that may be the slot's.
    Contained,
    /// The same, but for keys of which nothing says whose they are, or that could not be looked for.
    MaybeMore,
    /// No key was found, or one is not cut off as it was to be, or there may be more of its own.
    Unfinished,
}

fn result(order: &Order, found: &FoundKeys, looked: &Result<Looked, ProviderError>) -> CutResult {
    let is_cut = found.is_whole() && !found.keys.is_empty() && !(order.leak && comes_back(found));
    let none_left = looked.as_ref().is_ok_and(|l| l.unnamed.is_empty());
    match (is_cut, none_left) {
        (false, _) => CutResult::Unfinished,
        (true, false) => CutResult::MaybeMore,
        (true, true) => CutResult::Contained,
    }
}

/// Whether a key is cut off that can be brought back.
fn comes_back(found: &FoundKeys) -> bool {
    let mut cuts = found.keys.iter().filter_map(|(_, cut)| cut.as_ref().ok());
    cuts.any(|how| matches!(how, HowCut::Suspended | HowCut::Narrowed))
}

/// The accounts that a file names.
pub(super) fn accounts_in(file: &Path) -> Result<ProviderAccounts> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{shown} cannot be read; nothing was changed"))?;
    ProviderAccounts::from_json(&text)
        .with_context(|| format!("{shown} is refused; nothing was changed"))
}

/// Refuses before anything is asked if `credential` would have to be typed: it would be seen.
pub(super) fn piped(credential: &str, command: &str) -> Result<()> {
    if stdin().is_terminal() {
        bail!(
            "the {credential} is read from standard input, so that it stays out of the shell's history: {command}; nothing was changed"
        );
    }
    Ok(())
}

/// The admin credential on standard input.
pub(super) fn credential() -> Result<AdminKey> {
    let mut text = String::new();
    stdin()
        .take(MAX_CREDENTIAL + 1)
        .read_to_string(&mut text)
        .context("standard input cannot be read as text; nothing was changed")?;
    let text = text.trim();
    if text.is_empty() || text.len() as u64 > MAX_CREDENTIAL {
        bail!("there is no credential on standard input; nothing was changed");
    }
    Ok(AdminKey::new(text))
}
