//! `/pool/add`: keys that people made come into an account's standby pool.

use jiff::Timestamp;
use keyward_core::model::act::Subject;
use keyward_core::model::key::{ApiKey, Fingerprint};
use keyward_core::model::names::AccountName;
use keyward_core::model::pool::{Pool, StandbyKey};
use keyward_core::ports::{ActOrderError, Deadline};
use keyward_core::usecases::pool::{
    AddError, AddForeseen, AddReport, RefusedKey, add, foresee_add, read,
};
use keyward_lambda::diagnostic::chain;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Deps;
use crate::record::{Recorded, Written};
use crate::request::{Request, reason};
use crate::response::Refusal;

/// What is certain where keys were put in, and not suspended.
const IN_POOL: &str =
    "No key can be drawn that could not be before. The same request again goes on.";

/// Keys in one request: each is asked about at the provider within one invocation.
const MAX_KEYS: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    reason: String,
    account: AccountName,
    keys: Vec<String>,
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn add_keys(
    deps: &Deps,
    request: &Request,
    deadline: Deadline,
) -> Result<Value, Refusal> {
    let body: Body = request.body("{reason, account, keys, dry_run?}")?;
    let why = match body.dry_run {
        true => None,
        false => Some(reason(&body.reason)?),
    };
    if body.keys.len() > MAX_KEYS {
        return Err(Refusal::bad(format!(
            "{} keys were given; 100 are taken at a time",
            body.keys.len()
        )));
    }
    let account = body.account;
    if deps.ports.providers.pool(&account).is_none() {
        return Err(no_pool(&account));
    }
    let keys: Vec<ApiKey> = body.keys.iter().map(|text| ApiKey::new(text)).collect();
    let Some(why) = why else {
        let foreseen = foresee_add(&deps.ports, &account, keys, deadline).await;
        return Ok(would(
            deps,
            &account,
            &foreseen.map_err(|e| refusal(&account, e))?,
        ));
    };
    let before = read(&deps.ports, &account).await?;
    let subject = Subject::Pool(account.clone());
    let state = summary(&before);
    let act = Recorded::begin(deps, request, 0, &why, subject, state).await?;
    match add(&deps.ports, &*deps.orders, &account, keys, deadline).await {
        Ok(report) => {
            let outcome = format!(
                "{} added, {} refused, {} gone",
                report.added.len(),
                report.refused.len(),
                report.gone.len()
            );
            let written = act.end(&outcome, summary(&report.pool)).await;
            Ok(answer(deps, &account, &report, written))
        }
        Err(error) => {
            let after = read(&deps.ports, &account).await.ok();
            let is_as_before = after.as_ref().is_some_and(|p| p.standby == before.standby);
            let state = after.as_ref().map(summary);
            act.end(&chain(&error), json!(state)).await;
            let is_told = matches!(error, AddError::NotReadied(_) | AddError::KillSwitch(_));
            let refusal = refusal(&account, error);
            Err(if is_as_before || is_told {
                refusal
            } else {
                refusal.unsure()
            })
        }
    }
}

/// A pool for the record: who stands by, without texts.
fn summary(pool: &Pool) -> Value {
    let keys = pool.standby.iter().map(|key| key.fingerprint.to_string());
    json!({ "depth": pool.standby.len(), "keys": keys.collect::<Vec<_>>() })
}

fn answer(deps: &Deps, account: &AccountName, report: &AddReport, written: Written) -> Value {
    let hint = |print: &Fingerprint| {
        let key = report.pool.standby.iter().find(|k| k.fingerprint == *print);
        key.map(|key| key.hint.to_string())
    };
    let added = report
        .added
        .iter()
        .map(|print| json!({ "key": hint(print), "fingerprint": print.to_string() }));
    let refused = report.refused.iter().map(refused_key);
    let not_ready = report.not_ready.iter().map(|(print, error)| {
        json!({
            "key": hint(print), "fingerprint": print.to_string(),
            "why": format!("it could not be suspended and is not drawn until it is: {error}"),
        })
    });
    let now = deps.ports.clock.now();
    let ready = report.pool.standby.iter().filter(|key| key.ready.is_some());
    json!({
        "account": account,
        "added": added.collect::<Vec<_>>(),
        "refused": refused.collect::<Vec<_>>(),
        "not_ready": not_ready.collect::<Vec<_>>(),
        "gone": report.gone.iter().map(named).collect::<Vec<_>>(),
        "depth": report.pool.standby.len(),
        "ready": ready.count(),
        "oldest_days": oldest_days(&report.pool, now),
        "low_water": deps.ports.providers.pool(account).map(|settings| settings.low_water),
        "unrecorded": written == Written::BeginningOnly,
    })
}

/// What would be put in, and what not.
fn would(deps: &Deps, account: &AccountName, foreseen: &AddForeseen) -> Value {
    let fit = foreseen.fit.iter().map(named);
    let refused = foreseen.refused.iter().map(refused_key);
    let pool = &foreseen.pool;
    json!({
        "account": account,
        "dry_run": true,
        "added": fit.collect::<Vec<_>>(),
        "refused": refused.collect::<Vec<_>>(),
        "gone": foreseen.gone.iter().map(named).collect::<Vec<_>>(),
        "depth": pool.standby.len(),
        "ready": pool.standby.iter().filter(|key| key.ready.is_some()).count(),
        "oldest_days": oldest_days(pool, deps.ports.clock.now()),
        "low_water": deps.ports.providers.pool(account).map(|settings| settings.low_water),
    })
}

fn named(key: &StandbyKey) -> Value {
    json!({ "key": key.hint.to_string(), "fingerprint": key.fingerprint.to_string() })
}

fn refused_key(key: &RefusedKey) -> Value {
    json!({
        "key": key.hint.to_string(),
        "fingerprint": key.fingerprint.to_string(),
        "why": key.why.to_string(),
    })
}

fn oldest_days(pool: &Pool, now: Timestamp) -> Option<i64> {
    let oldest = pool.standby.iter().map(|key| key.created).min()?;
    Some(now.duration_since(oldest).as_hours() / 24)
}

fn no_pool(account: &AccountName) -> Refusal {
    Refusal::new(
        404,
        format!("no standby pool is configured for provider account `{account}`"),
        "Look at the accounts: keyward providers. A pool belongs to accounts of providers whose API makes no keys.",
    )
}

fn refusal(account: &AccountName, error: AddError) -> Refusal {
    match error {
        AddError::NoPool(_) => no_pool(account),
        AddError::Busy(_) => Refusal::of(&error, true),
        AddError::Provider(ref cause) => {
            let retryable = !matches!(cause.advice(), keyward_core::ports::Advice::StopAndAlert);
            Refusal::of(&error, retryable)
        }
        AddError::NotReadied(_) => Refusal::of(&error, true).safe(IN_POOL),
        AddError::KillSwitch(ref cause) => {
            let retryable = matches!(cause, ActOrderError::Unknown(_));
            Refusal::of(&error, retryable).safe(IN_POOL)
        }
        AddError::Inventory(error) => error.into(),
        AddError::Secret(ref cause) => {
            let retryable = cause.is_retryable();
            Refusal::of(&error, retryable)
        }
        AddError::Document(_) => Refusal::of(&error, false),
    }
}
