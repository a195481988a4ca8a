//! `keyward lockdown`: Keyward itself is stopped and its admin credentials replaced, from a workstation.
//!
//! By the person's own identity: an order to `control` would be carried out by what may be in somebody else's hands, and
//! `control` cannot stop itself and go on.

mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use keyward_aws::{CloudTrail, LambdaSwitch, SecretsManager};
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::{AccountName, SecretArn, SecretVersionId, StackName};
use keyward_core::ports::{Administered, Clock, FunctionSwitch, ProviderError, Providers, Trail};
use keyward_core::usecases::admin::{Old, ReplaceError, Replaced, Replacing, replace};
use keyward_core::usecases::lockdown::{
    FUNCTIONS, FunctionDone, SeenOf, Switched, function_of, lift, seen, stop,
};
use keyward_lambda::clock::SystemClock;
use keyward_lambda::deployment::AdminSecrets;
use keyward_providers::AdminKeySource;
use keyward_providers::config::ProviderAccounts;
use serde_json::json;

use super::Format;
use super::confirm::{Confirm, confirmed_stack, reasoned};
use super::entered::accounts;
use super::offline::{credential, piped};
use crate::aws::Aws;
use crate::control::Control;
use crate::print::{Outcome, chain, complain, line};
use crate::settings::{STACK, required};

/// Time for one request to a provider.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Calls that are listed of one function, at most.
const SHOWN: usize = 200;

/// How far back CloudTrail's event history goes:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events.html>.
const HISTORY_HOURS: u32 = 90 * 24;

/// What is asked for.
#[derive(Debug, Clone, Args)]
pub(crate) struct Lockdown {
    /// Why; goes into what is printed, and with --lift into the record.
    #[arg(long, required_unless_present = "dry_run")]
    reason: Option<String>,
    /// List what the functions did in the last so many hours: 90 days at most.
    #[arg(long, default_value_t = 24, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=i64::from(HISTORY_HOURS)))]
    since: u32,
    /// Let the functions run again as before. Admin credentials stay as they are.
    #[arg(long, conflicts_with = "break_glass")]
    lift: bool,
    /// Read this account's break-glass credential from standard input, for where the one in its secret is refused.
    #[arg(long, value_name = "ACCOUNT")]
    break_glass: Option<AccountName>,
    /// A file with the provider accounts, as the functions have them in KEYWARD_ACCOUNTS; without it, that variable.
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// Only say what would be done, and list what the functions did.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for the stack's name to be typed.
    #[arg(long)]
    yes: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// One admin credential, and what became of it.
struct Credential {
    of: Administered,
    outcome: Result<Replaced, Left>,
}

/// Why a credential was not replaced.
enum Left {
    /// A person does it.
    ByHand,
    /// It failed.
    Failed(String),
}

pub(super) async fn run(wanted: Lockdown) -> Result<Outcome> {
    let format: Format = wanted.json.into();
    let [stack] = required([STACK])?;
    let stack: StackName = stack.parse().context("KEYWARD_STACK is refused")?;
    let aws = Aws::load().await?;
    if aws.config.region().is_none() {
        bail!("no region is set, and nothing was sent: set AWS_REGION");
    }
    aws.credentials().await?;
    let functions = LambdaSwitch::new(&aws.config);
    if wanted.lift {
        return lifted(&wanted, &functions, &stack, format).await;
    }
    let begun = SystemClock.now();
    let since = begun - SignedDuration::from_hours(wanted.since.into());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let trail = CloudTrail::new(&aws.config, aws.client()?, clock);
    if wanted.dry_run {
        return foreseen(&wanted, &aws, &functions, &trail, (&stack, since), format).await;
    }
    reasoned(wanted.reason.as_deref().unwrap_or_default())?;
    if let Some(account) = &wanted.break_glass {
        is_known(account, wanted.accounts.as_deref())?;
        let command = "keyward lockdown --break-glass ACCOUNT --yes --reason \"...\" < FILE";
        piped("break-glass credential", command)?;
    }
    let what = format!(
        "Every function of {stack} is stopped: until it is lifted, no key is rotated, watched or cut off but by keyward kill --offline. Admin credentials are replaced"
    );
    confirmed_stack(&stack, &what, wanted.yes.into())?;
    let break_glass = match &wanted.break_glass {
        Some(account) => Some((account.clone(), credential()?)),
        None => None,
    };
    let stopped = stop(&functions, &stack).await;
    if format == Format::Table {
        report::functions(&stopped, "stopped");
    }
    let credentials = replaced(&wanted, &aws, break_glass, begun).await;
    if format == Format::Table {
        report::credentials(&credentials);
    }
    let seen = seen(&trail, &stack, since, SHOWN).await;
    let reason = wanted.reason.clone().unwrap_or_default();
    match format {
        Format::Json => line(
            &json!({
                "stack": stack, "reason": reason, "at": begun, "since": since,
                "functions": stopped, "credentials": report::credentials_json(&credentials), "seen": report::seen_json(&seen),
                "not_seen": report::NOT_SEEN,
            })
            .to_string(),
        ),
        Format::Table => {
            report::seen(&seen, since);
            line("Nothing of this is in Keyward's own record: it is stopped. Keep what was printed. When it is safe: keyward lockdown --lift --reason \"...\" (infra/RUNBOOK.md, Lockdown)");
        }
    }
    Ok(outcome(&stopped, &credentials, &seen))
}

fn outcome(
    functions: &[FunctionDone],
    credentials: &[Result<Credential, String>],
    seen: &[SeenOf],
) -> Outcome {
    let failed = functions
        .iter()
        .any(|done| matches!(done.outcome, Switched::Failed(_)))
        || credentials.iter().any(|one| match one {
            Err(_) => true,
            Ok(one) => match &one.outcome {
                Ok(done) => {
                    !done.left.is_empty() || done.old == Old::NotTold || done.pending.is_some()
                }
                Err(Left::ByHand) => false,
                Err(Left::Failed(_)) => true,
            },
        });
    let by_hand = credentials
        .iter()
        .flatten()
        .any(|one| one.of.read.is_some() || matches!(one.outcome, Err(Left::ByHand)));
    let unseen = seen.iter().any(|of| of.seen.is_err());
    match (failed, by_hand || unseen) {
        (true, _) => Outcome::NotAll,
        (false, true) => Outcome::MaybeMore,
        (false, false) => Outcome::Done,
    }
}

/// A credential of an account that nothing knows would replace nothing.
fn is_known(account: &AccountName, file: Option<&Path>) -> Result<()> {
    let administered = accounts(file)?.administered();
    if !administered.iter().any(|of| of.account == *account) {
        bail!(
            "the provider accounts name no account {account} with an `admin_secret`; nothing was changed"
        );
    }
    Ok(())
}

/// Hands out the given credential for one account, and for every other what its secret holds.
struct Keys {
    given: Option<(SecretArn, AdminKey)>,
    stored: AdminSecrets,
}

#[async_trait]
impl AdminKeySource for Keys {
    async fn admin_key(&self, arn: &SecretArn) -> Result<AdminKey, ProviderError> {
        match &self.given {
            Some((of, key)) if of == arn => Ok(key.clone()),
            _ => self.stored.admin_key(arn).await,
        }
    }
}

/// Replaces each admin credential; one account's failure holds up no other.
async fn replaced(
    wanted: &Lockdown,
    aws: &Aws,
    break_glass: Option<(AccountName, AdminKey)>,
    begun: Timestamp,
) -> Vec<Result<Credential, String>> {
    let accounts = match accounts(wanted.accounts.as_deref()) {
        Ok(accounts) => accounts,
        Err(error) => {
            return vec![Err(format!(
                "no admin credential was replaced: {}",
                chain(&error)
            ))];
        }
    };
    let administered = accounts.administered();
    let given = break_glass.as_ref().and_then(|(account, key)| {
        let of = administered.iter().find(|of| of.account == *account)?;
        Some((of.secret.clone(), key.clone()))
    });
    let secrets = SecretsManager::new(&aws.config);
    let keys = Arc::new(Keys {
        given,
        stored: AdminSecrets(secrets.clone()),
    });
    let providers = match aws.providers_by(accounts, keys, TIMEOUT) {
        Ok(providers) => providers,
        Err(error) => {
            return vec![Err(format!(
                "no admin credential was replaced: {}",
                chain(&error)
            ))];
        }
    };
    let mut all = Vec::new();
    for of in administered {
        let key = break_glass
            .as_ref()
            .filter(|(account, _)| *account == of.account);
        let key = key.map(|(_, key)| key);
        let outcome = replaced_one(&providers, &secrets, &of, key, begun).await;
        all.push(Ok(Credential { of, outcome }));
    }
    all
}

async fn replaced_one(
    providers: &dyn Providers,
    secrets: &SecretsManager,
    of: &Administered,
    break_glass: Option<&AdminKey>,
    begun: Timestamp,
) -> Result<Replaced, Left> {
    let driver = providers.open(&of.account, of.provider).await;
    let driver = driver.map_err(|error| Left::Failed(error.to_string()))?;
    if driver.admin().is_none() {
        return Err(Left::ByHand);
    }
    let on = Replacing {
        secrets,
        driver: driver.as_ref(),
        of,
        break_glass,
        clock: &SystemClock,
    };
    let token = SecretVersionId::from_seed(&format!("lockdown of {} at {begun}", of.account));
    replace(&on, &token).await.map_err(|error| {
        let error = anyhow::Error::from(error);
        let refused = matches!(error.downcast_ref(), Some(ReplaceError::NoneAccepted));
        let hint = if refused {
            "; with the break-glass credential: keyward lockdown --break-glass, see --help"
        } else {
            ""
        };
        Left::Failed(format!("{}{hint}", chain(&error)))
    })
}

async fn foreseen(
    wanted: &Lockdown,
    aws: &Aws,
    functions: &dyn FunctionSwitch,
    trail: &dyn Trail,
    (stack, since): (&StackName, Timestamp),
    format: Format,
) -> Result<Outcome> {
    let mut would = Vec::new();
    for function in FUNCTIONS {
        let function = function_of(stack, function);
        let found = functions.state(&function).await;
        would.push((function, found));
    }
    let credentials = mints(accounts(wanted.accounts.as_deref())?, aws).await?;
    let seen = seen(trail, stack, since, SHOWN).await;
    let unread = would.iter().any(|(_, found)| found.is_err());
    let foreseen = report::Foreseen {
        stack,
        since,
        functions: &would,
        credentials: &credentials,
        seen: &seen,
    };
    match format {
        Format::Json => foreseen.json(),
        Format::Table => foreseen.show(),
    }
    Ok(if unread {
        Outcome::NotAll
    } else {
        Outcome::Done
    })
}

/// The accounts with a credential, and whether their providers' APIs make such.
async fn mints(accounts: ProviderAccounts, aws: &Aws) -> Result<Vec<(Administered, bool)>> {
    let administered = accounts.administered();
    let keys = AdminSecrets(SecretsManager::new(&aws.config));
    let providers = aws.providers_by(accounts, Arc::new(keys), TIMEOUT)?;
    let mut all = Vec::new();
    for of in administered {
        let driver = providers.open(&of.account, of.provider).await?;
        all.push((of, driver.admin().is_some()));
    }
    Ok(all)
}

async fn lifted(
    wanted: &Lockdown,
    functions: &dyn FunctionSwitch,
    stack: &StackName,
    format: Format,
) -> Result<Outcome> {
    let reason = wanted.reason.clone().unwrap_or_default();
    if wanted.dry_run {
        for function in FUNCTIONS {
            let function = function_of(stack, function);
            let state = functions.state(&function).await?;
            let before = state.and_then(|state| state.before_lockdown);
            line(&match before {
                Some(_) => format!("{function}: would run again as before"),
                None => format!("{function}: no lockdown is on"),
            });
        }
        return Ok(Outcome::Done);
    }
    reasoned(&reason)?;
    let confirm: Confirm = wanted.yes.into();
    let what = format!(
        "Every function of {stack} runs again, with the admin credentials that are in their secrets now"
    );
    confirmed_stack(stack, &what, confirm)?;
    let done = lift(functions, stack).await;
    let lifted_any = done.iter().any(|one| one.outcome == Switched::Now);
    let recorded = match lifted_any {
        true => Some(record(&reason, &done).await),
        false => None,
    };
    match format {
        Format::Json => line(&json!({ "stack": stack, "reason": reason, "functions": done, "recorded": recorded.as_ref().map(Result::is_ok) }).to_string()),
        Format::Table => report::functions(&done, "runs again"),
    }
    let failed = done
        .iter()
        .any(|one| matches!(one.outcome, Switched::Failed(_)));
    match recorded {
        Some(Err(error)) => {
            complain(&format!(
                "the lockdown is lifted, but that is not recorded ({}): keep what was printed",
                chain(&error)
            ));
            Ok(Outcome::NotAll)
        }
        _ if failed => Ok(Outcome::NotAll),
        _ => Ok(Outcome::Done),
    }
}

/// Control runs again: it records that there was a lockdown, and who lifted it.
async fn record(reason: &str, done: &[FunctionDone]) -> Result<()> {
    let control = Control::open(ActKind::Restore).await?;
    let request = json!({ "reason": reason, "functions": done });
    control.post("/lockdown", &request).await.map(drop)
}
