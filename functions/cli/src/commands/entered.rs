//! `keyward doctor --bootstrap` and `--break-glass`: a credential that a person enters, on standard input alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use keyward_aws::SecretsManager;
use keyward_core::model::admin_document::AdminDocument;
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::{AccountName, ScopeId, SecretArn, SecretVersionId, StackName};
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::ports::{
    Administered, KeyProvider, ProviderError, Providers, SecretDescription, SecretError,
    SecretStore, Stage, TAG_ADMIN, Verdict,
};
use keyward_core::rules::admin::{HOLDS, ROTATED_EVERY_DAYS, by_hand};
use keyward_lambda::config::environment;
use keyward_providers::config::ProviderAccounts;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::Format;
use super::break_glass::BreakGlass;
use super::offline::{Given, accounts_in, credential, piped};
use super::providers::configured;
use crate::aws::Aws;
use crate::print::{Outcome, complain, line};
use crate::settings::{STACK, required};
use crate::waiting::until_left;

/// Time for one request to the provider.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often the secret is looked at while its rotation is waited for.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What is done with a credential on standard input.
#[derive(Debug, Clone, Args)]
pub(crate) struct Entered {
    /// Enter an account's first admin credential, or a new one: on standard input, never as a word.
    ///
    /// It is tried at the provider, stored in the account's admin secret, and replaced at once where the provider can make
    /// them; the one that was entered is then ended by the new one. Needs KEYWARD_STACK and KEYWARD_ACCOUNTS, and of the
    /// secret its tag keyward:admin. Run again, it goes on. Example: keyward doctor --bootstrap --account openai-main < admin-key.txt
    #[arg(long, requires = "account", conflicts_with = "break_glass")]
    bootstrap: bool,
    /// Try an account's break-glass credential from standard input, and have control record that it was tried.
    ///
    /// It is stored nowhere. Example: keyward doctor --break-glass --account openai-main < break-glass.txt
    #[arg(long, requires = "account")]
    break_glass: bool,
    /// The provider account.
    #[arg(long)]
    account: Option<AccountName>,
    /// Gemini: a project that the credential administers.
    #[arg(long, requires = "account")]
    project: Option<ScopeId>,
    /// A file with the provider accounts, as the functions have them in KEYWARD_ACCOUNTS; without it, that variable.
    #[arg(long, requires = "account", value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// How long to wait for the replacement at most, in seconds.
    #[arg(long, default_value_t = 300, requires = "bootstrap")]
    timeout: u32,
}

impl Entered {
    /// Carries out what was asked for; `None` if nothing of it was.
    pub(super) async fn run(&self, format: Format) -> Option<Result<Outcome>> {
        match (&self.account, self.bootstrap, self.break_glass) {
            (Some(account), true, _) => Some(self.bootstrap(account, format).await),
            (Some(account), _, true) => Some(self.try_break_glass(account, format).await),
            _ => None,
        }
    }

    fn configured(&self) -> Result<ProviderAccounts> {
        accounts(self.accounts.as_deref())
    }

    fn place(&self) -> Scope {
        Scope {
            project: self.project.clone(),
            ..Scope::default()
        }
    }

    async fn bootstrap(&self, account: &AccountName, format: Format) -> Result<Outcome> {
        let accounts = self.configured()?;
        let of = administered(&accounts, account)?;
        let [stack] = required([STACK])?;
        let stack: StackName = stack.parse().context("KEYWARD_STACK is refused")?;
        piped(
            "credential",
            &format!("keyward doctor --bootstrap --account {account} < FILE"),
        )?;
        let aws = Aws::load().await?;
        let secrets = SecretsManager::new(&aws.config);
        let secret = ours(&secrets, &of).await?;
        let key = credential()?;
        let driver = opened(&aws, accounts, &of, key.clone()).await?;
        // The same text is the same version: entering it again changes nothing.
        let version = SecretVersionId::from_seed(&key.fingerprint().to_hex());
        if secret.has(&version, &Stage::Previous) {
            line(&format!(
                "{account}: this credential was entered before and is replaced already; nothing was changed"
            ));
            return Ok(Outcome::Done);
        }
        accepted(driver.as_ref(), &key, &self.place()).await?;
        if !secret.has(&version, &Stage::Current) {
            let text = AdminDocument::plain(key.clone()).with_key(&key);
            secrets.store(&of.secret, &version, &text).await.with_context(|| {
                format!("the credential was accepted by {}, but could not be stored in {}: it is as good as before, and nobody has it but you. Permissions: secretsmanager:PutSecretValue on the secret", of.provider, of.secret)
            })?;
        }
        if driver.admin().is_none() {
            let days = HOLDS.as_hours() / 24;
            match format {
                Format::Json => line(&json!({ "account": account, "stored": true, "replaced": false, "replace_within_days": days, "by_hand": by_hand(of.provider) }).to_string()),
                Format::Table => {
                    line(&format!("{account}: the credential works and is stored. A person made it, and a person must replace it: {} makes none by API.", of.provider));
                    line(&format!("Within {days} days: {}", by_hand(of.provider)));
                }
            }
            return Ok(Outcome::Done);
        }
        let token = SecretVersionId::from_seed(&format!("replaces {}", key.fingerprint().to_hex()));
        // What an earlier rotation left under AWSPENDING keeps any other from beginning.
        if let Some(pending) = secret.holder(&Stage::Pending).filter(|id| **id != token) {
            let unstaged = secrets.unstage_pending(&of.secret, pending).await;
            unstaged.with_context(|| unreplaced(&of.secret))?;
        }
        self.replace(&secrets, &of, &stack, &token).await?;
        match format {
            Format::Json => {
                line(&json!({ "account": account, "stored": true, "replaced": true }).to_string())
            }
            Format::Table => {
                line(&format!(
                    "{account}: the credential works, was stored and is replaced: the one you entered was ended by the new one, which nobody has seen."
                ));
                line(&format!(
                    "It is replaced every {ROTATED_EVERY_DAYS} days from now on. Delete your copy of the one you entered."
                ));
            }
        }
        Ok(Outcome::Done)
    }

    /// Has `rotate` make another in its place, and waits until that is in use.
    async fn replace(
        &self,
        secrets: &SecretsManager,
        of: &Administered,
        stack: &StackName,
        token: &SecretVersionId,
    ) -> Result<()> {
        let function = rotate_function(&of.secret, stack);
        match secrets
            .rotate_by(&of.secret, token, &function, ROTATED_EVERY_DAYS)
            .await
        {
            Ok(()) => {}
            Err(error) => {
                let now = secrets.describe(of.secret.as_str()).await;
                let begun = now.is_ok_and(|now| now.stages.contains_key(token));
                if !begun {
                    return Err(error).with_context(|| unreplaced(&of.secret));
                }
            }
        }
        complain("stored; waiting for its replacement");
        let replaced = async {
            loop {
                let now = secrets.describe(of.secret.as_str()).await;
                if now.is_ok_and(|now| now.has(token, &Stage::Current)) {
                    return Ok(());
                }
                sleep(LOOK_EVERY).await;
            }
        };
        let left = unreplaced(&of.secret);
        let within = Duration::from_secs(self.timeout.into());
        match timeout(within, until_left(replaced, &left)).await {
            Ok(done) => done,
            Err(_) => bail!("{left}; what went wrong is in the log of {stack}-rotate"),
        }
    }

    async fn try_break_glass(&self, account: &AccountName, format: Format) -> Result<Outcome> {
        let accounts = self.configured()?;
        let command = format!("keyward doctor --break-glass --account {account} < FILE");
        let given = BreakGlass::of(account, accounts, &command)?;
        let tried = given
            .tried(&self.place(), "tried from a workstation")
            .await?;
        match format {
            Format::Json => line(&tried.json().to_string()),
            Format::Table => tried.show(),
        }
        Ok(tried.outcome())
    }
}

fn unreplaced(secret: &SecretArn) -> String {
    format!(
        "the credential works and is stored, but is not replaced yet: it is the one you entered. Run this again, or: aws secretsmanager rotate-secret --secret-id {secret}"
    )
}

/// The provider accounts, out of a file or the environment.
pub(super) fn accounts(file: Option<&Path>) -> Result<ProviderAccounts> {
    match file {
        Some(file) => accounts_in(file),
        None if environment("KEYWARD_ACCOUNTS").is_none_or(|text| text.trim().is_empty()) => bail!(
            "KEYWARD_ACCOUNTS is not set, and no file was named: say --accounts FILE; nothing was changed"
        ),
        None => configured(),
    }
}

pub(super) fn administered(
    accounts: &ProviderAccounts,
    account: &AccountName,
) -> Result<Administered> {
    let mut all = accounts.administered().into_iter();
    if let Some(found) = all.find(|of| of.account == *account) {
        return Ok(found);
    }
    let mut known = accounts.accounts();
    match known.find(|(name, ..)| *name == account) {
        Some((_, ProviderName::Bedrock, _)) => bail!(
            "{account} is Bedrock's: it is administered by the functions' own roles, and there is no credential to enter; nothing was changed"
        ),
        Some(_) => bail!(
            "account {account} has no `admin_secret` in KEYWARD_ACCOUNTS; nothing was changed"
        ),
        None => bail!("KEYWARD_ACCOUNTS names no account {account}; nothing was changed"),
    }
}

/// The account's secret, if it is there and says that it is the account's.
async fn ours(secrets: &SecretsManager, of: &Administered) -> Result<SecretDescription> {
    let found = secrets.describe(of.secret.as_str()).await;
    let secret = match found {
        Err(SecretError::NotFound(_)) => bail!(
            "there is no secret {}; make it, with a tag that says whose it is, and run this again: infra/README.md, step 2. Nothing was changed",
            of.secret
        ),
        found => found.context("the admin secret cannot be looked at; nothing was changed")?,
    };
    if secret.tags.get(TAG_ADMIN).map(String::as_str) != Some(of.account.as_str()) {
        bail!(
            "the secret {} does not say that it is this account's; nothing was changed. If it is: aws secretsmanager tag-resource --secret-id {} --tags Key={TAG_ADMIN},Value={}",
            of.secret,
            of.secret,
            of.account
        );
    }
    Ok(secret)
}

pub(super) async fn opened(
    aws: &Aws,
    accounts: ProviderAccounts,
    of: &Administered,
    key: AdminKey,
) -> Result<Arc<dyn KeyProvider>> {
    let providers = aws.providers_by(accounts, Arc::new(Given(key)), TIMEOUT)?;
    let driver = providers.open(&of.account, of.provider).await;
    driver.context("the provider account cannot be opened; nothing was changed")
}

/// The provider was not asked, or gave no answer that means anything.
#[derive(Debug, thiserror::Error)]
#[error("{0}; nothing was changed")]
pub(super) struct NotAsked(String);

/// Whether the provider takes it for an administrator's, by a call that reads.
pub(super) async fn accepted(
    driver: &dyn KeyProvider,
    key: &AdminKey,
    place: &Scope,
) -> Result<()> {
    let provider = driver.abilities().provider;
    if let Some(admin) = driver.admin() {
        return match admin.accepts(key).await {
            Verdict::Live | Verdict::BlockedForMoney(_) => Ok(()),
            Verdict::Dead(detail) => {
                bail!("{provider} refuses the credential ({detail}); nothing was changed")
            }
            Verdict::BlockedForScope(detail) => bail!(
                "{provider} knows the credential, but it may not administer admin keys ({detail}); nothing was changed"
            ),
            Verdict::Unknown(detail) => Err(NotAsked(format!(
                "whether {provider} accepts the credential is not known ({detail})"
            ))
            .into()),
        };
    }
    if provider == ProviderName::Gemini && place.project.is_none() {
        return Err(
            NotAsked("every key of Gemini is in a project: say --project ID".to_owned()).into(),
        );
    }
    match driver.list(place, None).await {
        Ok(_) => Ok(()),
        Err(error @ ProviderError::AdminCredential { .. }) => {
            Err(error).context("the credential is refused; nothing was changed")
        }
        Err(error) => Err(NotAsked(format!(
            "whether {provider} accepts the credential is not known ({error})"
        ))
        .into()),
    }
}

/// The stack's function that rotates, in the account and region of the secret.
fn rotate_function(secret: &SecretArn, stack: &StackName) -> String {
    let parts: Vec<&str> = secret.as_str().splitn(7, ':').collect();
    let [_, partition, _, region, account, ..] = parts[..] else {
        return format!("{stack}-rotate");
    };
    format!("arn:{partition}:lambda:{region}:{account}:function:{stack}-rotate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_that_rotates_is_where_the_secret_is() {
        let secret =
            "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:keyward/p/admin/a-b1C2d3"
                .parse()
                .expect("an ARN");
        let stack = "prod".parse().expect("a name");
        assert_eq!(
            rotate_function(&secret, &stack),
            "arn:aws-cn:lambda:cn-north-1:111122223333:function:prod-rotate"
        );
    }
}
