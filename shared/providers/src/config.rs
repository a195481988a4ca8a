//! The deployment's provider accounts: the only place that says where keys are sent and which admin credential goes
//! with them.

use std::collections::BTreeMap;

use keyward_core::model::names::{AccountName, SecretArn};
use keyward_core::model::slot::{CredentialKind, ProviderName};
use keyward_core::model::text::{OutsideText, without_keys};
use keyward_core::ports::PoolSettings;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::http::{AllowedHosts, BaseUrl, UrlError};
use crate::{anthropic, openai, openrouter};

/// Standby keys below which people are told, where the configuration does not say.
const LOW_WATER: u32 = 3;

/// One thing that is wrong with the configuration. No value is repeated: somebody may have put a credential there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The whole text is not JSON.
    #[error("line {line}, column {column}: not JSON")]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The whole, or an account, is not an object.
    #[error("{0}: not an object")]
    NotAnObject(OutsideText),
    /// An account's name is refused.
    #[error(
        "{0}: an account name is 1 to 63 lower-case letters and digits, with single dashes between"
    )]
    Name(OutsideText),
    /// A field that does not exist.
    #[error("{account}: there is no field `{field}`")]
    UnknownField {
        /// The account.
        account: AccountName,
        /// The field.
        field: OutsideText,
    },
    /// A field that must be there.
    #[error("{account}: `{field}` is missing")]
    Missing {
        /// The account.
        account: AccountName,
        /// The field.
        field: &'static str,
    },
    /// A field of another type.
    #[error("{account}: `{field}` is not {expected}")]
    Type {
        /// The account.
        account: AccountName,
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// What should name a secret is no ARN.
    #[error(
        "{account}: `{field}` is not the ARN of a Secrets Manager secret; a credential itself never stands here"
    )]
    Secret {
        /// The account.
        account: AccountName,
        /// The field.
        field: &'static str,
    },
    /// A pool's secret that is also another pool's, or an admin secret: what is stored there would be lost.
    #[error("{0}: `pool_secret` is the secret of something else too; a pool has one of its own")]
    SharedSecret(AccountName),
    /// A URL or host is refused.
    #[error("{account}: `{field}` {error}")]
    Url {
        /// The account.
        account: AccountName,
        /// The field.
        field: &'static str,
        /// Why.
        error: UrlError,
    },
}

/// Everything that is wrong with the provider accounts, in one go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the provider accounts are refused:{}", .0.iter().map(|p| format!("\n  - {p}")).collect::<String>())]
pub struct ConfigError(pub Vec<Problem>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) provider: ProviderName,
    pub(crate) pool: Option<PoolSettings>,
    pub(crate) base: BaseUrl,
    pub(crate) admin_secret: SecretArn,
    allowed: AllowedHosts,
}

/// The provider accounts by name, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderAccounts(BTreeMap<AccountName, Account>);

impl ProviderAccounts {
    /// Reads `{"<account>": {"provider": "openrouter", "admin_secret": "arn:…", "base_url": "https://…",
    /// "allow_hosts": ["…"]}}`; the last two may be left out. Where keys are drawn from a standby pool, `pool_secret`
    /// names its secret, and `pool_low_water` (3 if left out) the number of keys below which people are told.
    ///
    /// # Errors
    /// [`ConfigError`] with all problems together.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let whole: Value = serde_json::from_str(text).map_err(|e| {
            ConfigError(vec![Problem::NotJson {
                line: e.line(),
                column: e.column(),
            }])
        })?;
        let Value::Object(whole) = whole else {
            let what = OutsideText::new("the configuration");
            return Err(ConfigError(vec![Problem::NotAnObject(what)]));
        };
        let mut problems = Vec::new();
        let mut accounts = BTreeMap::new();
        for (name, fields) in &whole {
            match (name.parse::<AccountName>(), fields) {
                (Err(error), _) => problems.push(Problem::Name(OutsideText::new(&error.shown))),
                (Ok(_), fields) if !fields.is_object() => {
                    problems.push(Problem::NotAnObject(OutsideText::new(name)));
                }
                (Ok(name), fields) => {
                    let mut reader = Reader::new(&name, fields);
                    let account = reader.account();
                    problems.append(&mut reader.problems);
                    accounts.extend(account.map(|account| (name.clone(), account)));
                }
            }
        }
        problems.extend(shared_secrets(&accounts));
        if problems.is_empty() {
            Ok(Self(accounts))
        } else {
            Err(ConfigError(problems))
        }
    }

    pub(crate) fn get(&self, name: &AccountName) -> Option<&Account> {
        self.0.get(name)
    }

    /// The hosts that any account lists: for [`crate::http::guard`].
    pub fn allowed_hosts(&self) -> AllowedHosts {
        let mut all = AllowedHosts::default();
        for account in self.0.values() {
            all.extend(&account.allowed);
        }
        all
    }

    /// The accounts, whose they are, and their pools.
    pub fn accounts(
        &self,
    ) -> impl Iterator<Item = (&AccountName, ProviderName, Option<&PoolSettings>)> {
        self.0
            .iter()
            .map(|(name, a)| (name, a.provider, a.pool.as_ref()))
    }

    /// The accounts and the secrets that hold their admin credentials.
    pub fn admin_secrets(&self) -> impl Iterator<Item = (&AccountName, &SecretArn)> {
        self.0.iter().map(|(name, a)| (name, &a.admin_secret))
    }
}

/// The accounts whose pool has no secret of its own.
fn shared_secrets(accounts: &BTreeMap<AccountName, Account>) -> Vec<Problem> {
    let pool = |account: &Account| account.pool.as_ref().map(|pool| pool.secret.clone());
    let is_shared = |name: &AccountName, secret: &SecretArn| {
        accounts.iter().any(|(other, account)| {
            account.admin_secret == *secret
                || (other != name && pool(account).as_ref() == Some(secret))
        })
    };
    accounts
        .iter()
        .filter(|(name, account)| pool(account).is_some_and(|secret| is_shared(name, &secret)))
        .map(|(name, _)| Problem::SharedSecret(name.clone()))
        .collect()
}

/// Reads one account and collects what is wrong with it.
struct Reader<'a> {
    name: &'a AccountName,
    fields: Map<String, Value>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn new(name: &'a AccountName, fields: &Value) -> Self {
        let fields = fields.as_object().cloned().unwrap_or_default();
        Self {
            name,
            fields,
            problems: Vec::new(),
        }
    }

    fn account(&mut self) -> Option<Account> {
        let provider = self.provider();
        let admin_secret = self.arn("admin_secret");
        let pool = provider.and_then(|provider| self.pool(provider));
        let allowed = self.allowed();
        let base = self.base(provider, &allowed);
        for field in std::mem::take(&mut self.fields).keys() {
            let field = OutsideText::new(&without_keys(field));
            self.problems.push(Problem::UnknownField {
                account: self.name.clone(),
                field,
            });
        }
        Some(Account {
            provider: provider?,
            pool,
            base: base?,
            admin_secret: admin_secret?,
            allowed,
        })
    }

    fn provider(&mut self) -> Option<ProviderName> {
        let value = self.required("provider")?;
        let provider = ProviderName::deserialize(&value).ok();
        if provider.is_none() {
            self.wrong_type("provider", "a known provider");
        }
        provider
    }

    fn arn(&mut self, field: &'static str) -> Option<SecretArn> {
        let value = self.required(field)?;
        let arn = value.as_str().and_then(|text| text.parse().ok());
        if arn.is_none() {
            self.problems.push(Problem::Secret {
                account: self.name.clone(),
                field,
            });
        }
        arn
    }

    fn pool(&mut self, provider: ProviderName) -> Option<PoolSettings> {
        if provider.kind() != CredentialKind::Pool {
            return None;
        }
        let low_water = match self.fields.shift_remove("pool_low_water") {
            None => Some(LOW_WATER),
            Some(value) => value.as_u64().and_then(|n| n.try_into().ok()),
        };
        if low_water.is_none() {
            self.wrong_type("pool_low_water", "a whole number");
        }
        Some(PoolSettings {
            provider,
            secret: self.arn("pool_secret")?,
            low_water: low_water?,
        })
    }

    fn allowed(&mut self) -> AllowedHosts {
        let mut allowed = AllowedHosts::default();
        let Some(value) = self.fields.shift_remove("allow_hosts") else {
            return allowed;
        };
        let entries = value.as_array().map(Vec::as_slice);
        if entries.is_none_or(|entries| entries.iter().any(|e| !e.is_string())) {
            self.wrong_type("allow_hosts", "a list of host names and addresses");
        }
        for entry in entries.unwrap_or_default().iter().filter_map(Value::as_str) {
            if let Err(error) = allowed.add(entry) {
                self.url("allow_hosts", error);
            }
        }
        allowed
    }

    fn base(&mut self, provider: Option<ProviderName>, allowed: &AllowedHosts) -> Option<BaseUrl> {
        let given = self.fields.shift_remove("base_url");
        let text = match (&given, provider?) {
            (Some(Value::String(text)), _) => text.as_str(),
            (Some(_), _) => {
                self.wrong_type("base_url", "a URL");
                return None;
            }
            (None, ProviderName::OpenRouter) => openrouter::BASE_URL,
            (None, ProviderName::Anthropic) => anthropic::BASE_URL,
            (None, ProviderName::OpenAi) => openai::BASE_URL,
        };
        BaseUrl::parse(text, allowed)
            .map_err(|error| self.url("base_url", error))
            .ok()
    }

    fn required(&mut self, field: &'static str) -> Option<Value> {
        let value = self.fields.shift_remove(field);
        if value.is_none() {
            self.problems.push(Problem::Missing {
                account: self.name.clone(),
                field,
            });
        }
        value
    }

    fn wrong_type(&mut self, field: &'static str, expected: &'static str) {
        self.problems.push(Problem::Type {
            account: self.name.clone(),
            field,
            expected,
        });
    }

    fn url(&mut self, field: &'static str, error: UrlError) {
        self.problems.push(Problem::Url {
            account: self.name.clone(),
            field,
            error,
        });
    }
}

#[cfg(test)]
mod tests;
