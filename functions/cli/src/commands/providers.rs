//! `keyward providers`.

use anyhow::{Context, Result};
use keyward_core::model::slot::{CredentialKind, ProviderName};
use keyward_core::ports::{Ability, KeyProvider, Providers, Reporting, Suspension, Width, missing};
use keyward_lambda::config::environment;
use keyward_providers::config::ProviderAccounts;
use keyward_providers::conformance;
use serde_json::{Value, json};

use super::{Format, operations};
use crate::aws::Aws;
use crate::print::{Outcome, line, table};

pub(super) async fn providers(format: Format) -> Result<Outcome> {
    let aws = Aws::load().await?;
    let drivers = aws.providers(one_account_each()?)?;
    let mut known = Vec::new();
    for provider in ProviderName::ALL {
        let driver = drivers.open(&provider.as_str().parse()?, provider).await?;
        known.push((provider, driver));
    }
    let accounts = configured()?;
    match format {
        Format::Json => {
            let providers: Vec<Value> = known
                .iter()
                .map(|(p, d)| json_row(*p, d.as_ref()))
                .collect();
            let accounts = accounts.accounts().map(|(name, provider, pool)| {
                let missing = accounts.missing_credentials(name);
                json!({ "account": name, "provider": provider, "pool": pool.is_some(), "missing": missing })
            });
            let accounts: Vec<Value> = accounts.collect();
            line(&json!({ "providers": providers, "accounts": accounts }).to_string());
        }
        Format::Table => {
            let rows: Vec<_> = known.iter().map(|(p, d)| row(*p, d.as_ref())).collect();
            table(
                [
                    "PROVIDER",
                    "CREATES KEYS",
                    "SUSPENDS",
                    "EXPIRY",
                    "CAP PER KEY",
                    "LIMITS",
                    "USAGE",
                    "COST",
                    "OPERATIONS CHECKED",
                ],
                &rows,
            );
            for (name, provider, pool) in accounts.accounts() {
                let pool = pool.map(|pool| format!(", standby pool, low below {}", pool.low_water));
                let missing = accounts.missing_credentials(name).into_iter();
                let missing = missing.map(|field| format!(", no `{field}`"));
                line(&format!(
                    "account {name}: {provider}{}{}",
                    pool.unwrap_or_default(),
                    missing.collect::<String>()
                ));
            }
        }
    }
    Ok(Outcome::Done)
}

/// An account of each provider, to ask its driver what it can do. Nothing is ever sent for them.
fn one_account_each() -> Result<ProviderAccounts> {
    const ADMIN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:none";
    const POOL: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:no-pool";
    let account = |provider: ProviderName| {
        let account = json!({ "provider": provider, "admin_secret": ADMIN, "pool_secret": POOL });
        let mut account = account.as_object().cloned().unwrap_or_default();
        if provider == ProviderName::Bedrock {
            account.remove("admin_secret");
            account.insert("region".to_owned(), json!("us-east-1"));
        }
        if provider.kind() != CredentialKind::Pool {
            account.remove("pool_secret");
        }
        if provider == ProviderName::LiteLlm {
            account.insert("base_url".to_owned(), json!("https://litellm.example.com"));
        }
        if provider == ProviderName::Azure {
            for id in ["tenant", "client_id", "subscription"] {
                account.insert(id.to_owned(), json!("00000000-0000-0000-0000-000000000000"));
            }
            for name in ["resource_group", "resource"] {
                account.insert(name.to_owned(), json!("none"));
            }
        }
        (provider.as_str().to_owned(), Value::Object(account))
    };
    let accounts: Value = ProviderName::ALL.map(account).into_iter().collect();
    Ok(ProviderAccounts::from_json(&accounts.to_string())?)
}

/// The accounts that KEYWARD_ACCOUNTS names; none where it is not set.
pub(super) fn configured() -> Result<ProviderAccounts> {
    match environment("KEYWARD_ACCOUNTS").filter(|text| !text.is_empty()) {
        Some(text) => ProviderAccounts::from_json(&text).context("KEYWARD_ACCOUNTS is refused"),
        None => Ok(ProviderAccounts::default()),
    }
}

fn suspension(driver: &dyn KeyProvider) -> &'static str {
    match driver.abilities().suspension {
        Suspension::Refuses => "yes",
        Suspension::Narrows => "by narrowing it",
        Suspension::None => "no",
    }
}

fn told(driver: &dyn KeyProvider) -> Reporting {
    driver
        .reports()
        .map_or_else(Reporting::default, |reports| reports.reporting())
}

/// How finely something is told of each key.
const fn width(width: Option<Width>) -> &'static str {
    match width {
        Some(Width::Minute) => "by the minute",
        Some(Width::Hour) => "by the hour",
        Some(Width::Day) => "by the day",
        None => "no",
    }
}

/// What a key can be limited to.
fn limits(driver: &dyn KeyProvider) -> String {
    let kinds = [
        (Ability::LimitModels, "models"),
        (Ability::LimitEndpoints, "endpoints"),
        (Ability::LimitAddresses, "addresses"),
    ];
    let there = kinds.iter().filter(|(ability, _)| ability.is_of(driver));
    let there: Vec<&str> = there.map(|(_, name)| *name).collect();
    if there.is_empty() {
        "no".to_owned()
    } else {
        there.join(", ")
    }
}

fn row(provider: ProviderName, driver: &dyn KeyProvider) -> [String; 9] {
    let told = told(driver);
    let or_no = |can: bool, how: &str| if can { how.to_owned() } else { "no".to_owned() };
    [
        provider.to_string(),
        match driver.issuer() {
            Some(_) if provider.kind() == CredentialKind::Slots => {
                "no: of a pair one is regenerated".to_owned()
            }
            Some(_) => "yes".to_owned(),
            None => "no: people do, into a standby pool".to_owned(),
        },
        suspension(driver).to_owned(),
        or_no(driver.abilities().expiry, "at birth"),
        or_no(driver.caps().is_some(), "yes"),
        limits(driver),
        width(told.usage).to_owned(),
        width(told.costs).to_owned(),
        operations::summary(provider),
    ]
}

fn json_row(provider: ProviderName, driver: &dyn KeyProvider) -> Value {
    let told = told(driver);
    let seconds = |width: Option<Width>| width.map(|width| width.duration().as_secs());
    let limits = driver.abilities().limits;
    json!({
        "provider": provider,
        "creates": match provider.kind() {
            CredentialKind::Minted => "mints",
            CredentialKind::Slots => "regenerates",
            CredentialKind::Pool => "no",
        },
        "suspends": match driver.abilities().suspension {
            Suspension::Refuses => "refuses",
            Suspension::Narrows => "narrows",
            Suspension::None => "no",
        },
        "expiry": driver.abilities().expiry,
        "cap": driver.caps().is_some(),
        "limits": {
            "models": limits.models, "endpoints": limits.endpoints, "addresses": limits.addresses,
        },
        "usage_seconds": seconds(told.usage),
        "cost_seconds": seconds(told.costs),
        "missing": missing(driver),
        "operations": conformance::operations(provider),
    })
}
