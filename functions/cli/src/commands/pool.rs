//! `keyward pool add` and `keyward pool status`.

use std::io::{IsTerminal, Read};

use anyhow::{Context, Result, bail};
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::AccountName;
use keyward_core::ports::Clock;
use keyward_core::usecases::pool::read;
use keyward_lambda::clock::SystemClock;
use keyward_providers::config::ProviderAccounts;
use serde::Deserialize;
use serde_json::json;

use super::Format;
use super::providers::configured;
use crate::args::Pool;
use crate::aws::Aws;
use crate::control::Control;
use crate::print::{Outcome, clean, line};
use crate::settings::{TABLE, required};

/// More than a function URL takes.
const MAX_INPUT: u64 = 4 * 1024 * 1024;

/// Some editors and shells begin a file with it.
const BYTE_ORDER_MARK: char = '\u{feff}';

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    added: Vec<Key>,
    #[serde(default)]
    refused: Vec<Key>,
    #[serde(default)]
    not_ready: Vec<Key>,
    #[serde(default)]
    gone: Vec<Key>,
    depth: u64,
    ready: u64,
    oldest_days: Option<i64>,
    low_water: Option<u32>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    unrecorded: bool,
}

#[derive(Deserialize)]
struct Key {
    #[serde(default)]
    key: Option<String>,
    fingerprint: String,
    #[serde(default)]
    why: Option<String>,
}

pub(super) async fn run(pool: Pool) -> Result<Outcome> {
    match pool {
        Pool::Add {
            account,
            reason,
            dry_run,
            json,
        } => {
            let reason = (!dry_run).then(|| reason.unwrap_or_default());
            add(&account, reason.as_deref(), json.into()).await
        }
        Pool::Status { account, json } => status(&account, json.into()).await,
    }
}

/// Puts keys in; without a reason, only says which of them would be.
async fn add(account: &AccountName, reason: Option<&str>, format: Format) -> Result<Outcome> {
    let given = keys()?;
    let keys: Vec<&str> = given.iter().map(|(_, key)| key.as_str()).collect();
    let control = Control::open(ActKind::Operate).await?;
    let request = json!({
        "reason": reason.unwrap_or_default(), "account": account, "keys": keys,
        "dry_run": reason.is_none(),
    });
    let answer = control.post("/pool/add", &request).await?;
    let said: Answer =
        serde_json::from_value(answer.clone()).context("the answer cannot be read")?;
    match format {
        Format::Json => line(&answer.to_string()),
        Format::Table => print(account, &given, &said),
    }
    let all = said.refused.is_empty() && said.not_ready.is_empty() && !said.unrecorded;
    Ok(if all { Outcome::Done } else { Outcome::NotAll })
}

fn print(account: &AccountName, given: &[(usize, String)], answer: &Answer) {
    let [added, refused, gone] = match answer.dry_run {
        true => [
            "would be added",
            "would NOT be added",
            "would leave the pool: its provider has it no more",
        ],
        false => [
            "added",
            "NOT added",
            "is out of the pool: its provider has it no more",
        ],
    };
    for (what, keys) in [
        (added, &answer.added),
        (refused, &answer.refused),
        ("NOT ready", &answer.not_ready),
        (gone, &answer.gone),
    ] {
        for key in keys {
            let name = clean(key.key.as_deref().unwrap_or("(key)"));
            let why = key
                .why
                .as_deref()
                .map(|why| format!(", {}: {}", place(given, &key.fingerprint), clean(why)));
            line(&format!(
                "{name} ({}): {what}{}",
                clean(&key.fingerprint),
                why.unwrap_or_default()
            ));
        }
    }
    if answer.dry_run {
        line("nothing was changed");
    }
    let level = Level {
        depth: answer.depth,
        ready: answer.ready,
        oldest_days: answer.oldest_days,
    };
    line(&level.describe(account, answer.low_water));
    if answer.unrecorded {
        line("the act was done, but its end could not be recorded");
    }
}

/// Where a key stood on standard input.
fn place(given: &[(usize, String)], fingerprint: &str) -> String {
    let is_it = |text: &str| ApiKey::new(text).fingerprint().to_string() == fingerprint;
    let found = given.iter().filter(|(_, text)| is_it(text));
    let lines: Vec<String> = found.map(|(number, _)| number.to_string()).collect();
    format!("line {}", lines.join(" and "))
}

/// The keys on standard input, one a line, with the numbers of their lines; blank lines and those that begin with `#`
/// count for nothing.
fn keys() -> Result<Vec<(usize, String)>> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        bail!(
            "keys are read from standard input, one a line, so that they stay out of the shell's history: keyward pool add ACCOUNT --reason TEXT < keys.txt"
        );
    }
    let mut text = String::new();
    (&mut input)
        .take(MAX_INPUT + 1)
        .read_to_string(&mut text)
        .context("standard input cannot be read as text")?;
    if text.len() as u64 > MAX_INPUT {
        bail!("standard input is longer than 4 MB; nothing was changed");
    }
    let keys: Vec<(usize, String)> = (1..)
        .zip(text.trim_start_matches(BYTE_ORDER_MARK).lines())
        .map(|(number, line)| (number, line.trim().to_owned()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .collect();
    if keys.is_empty() {
        bail!("there is no key on standard input; nothing was changed");
    }
    Ok(keys)
}

struct Level {
    depth: u64,
    ready: u64,
    oldest_days: Option<i64>,
}

impl Level {
    fn describe(&self, account: &AccountName, low_water: Option<u32>) -> String {
        let oldest = match self.oldest_days {
            Some(days) => format!(", the oldest made {days} days ago"),
            None => String::new(),
        };
        let not_ready = match self.depth - self.ready.min(self.depth) {
            0 => String::new(),
            n => format!(", {n} of them not ready"),
        };
        let low = match low_water {
            Some(mark) if self.ready < u64::from(mark) => {
                format!("; LOW: at least {mark} are wanted")
            }
            _ => String::new(),
        };
        format!(
            "{account}: {} keys stand by{not_ready}{oldest}{low}",
            self.depth
        )
    }
}

async fn status(account: &AccountName, format: Format) -> Result<Outcome> {
    let [table] = required([TABLE])?;
    let ports = Aws::load()
        .await?
        .ports(&table, ProviderAccounts::default())
        .await?;
    let configured = configured()?;
    let settings = configured.accounts().find(|(name, ..)| *name == account);
    let low_water = settings.and_then(|(.., pool)| pool.map(|pool| pool.low_water));
    if low_water.is_none() && ports.pools.pool(account).await?.is_none() {
        bail!(
            "account {account} has no standby pool, or no key was ever put into it. The accounts that have one, where KEYWARD_ACCOUNTS is set: keyward providers"
        );
    }
    let pool = read(&ports, account).await?;
    let now = SystemClock.now();
    let days = |at| now.duration_since(at).as_hours() / 24;
    if format == Format::Json {
        let keys = pool.standby.iter().map(|key| {
            json!({
                "key": key.hint.to_string(), "fingerprint": key.fingerprint.to_string(),
                "workspace": key.workspace, "age_days": days(key.created),
                "expires": key.expires, "ready": key.ready.is_some(),
            })
        });
        let keys: Vec<_> = keys.collect();
        line(&json!({ "account": account, "depth": keys.len(), "keys": keys }).to_string());
        return Ok(Outcome::Done);
    }
    for key in &pool.standby {
        let ready = if key.ready.is_some() {
            ""
        } else {
            ", not ready"
        };
        line(&format!(
            "{} ({}): made {} days ago{ready}",
            clean(&key.hint.to_string()),
            key.fingerprint,
            days(key.created)
        ));
    }
    let level = Level {
        depth: pool.standby.len() as u64,
        ready: pool.standby.iter().filter(|k| k.ready.is_some()).count() as u64,
        oldest_days: pool.standby.iter().map(|k| k.created).min().map(days),
    };
    line(&level.describe(account, low_water));
    Ok(Outcome::Done)
}
