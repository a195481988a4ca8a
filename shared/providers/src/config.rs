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
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/admin-a1B2c3";

    #[test]
    fn each_provider_has_a_host_of_its_own() {
        for (provider, more, expected) in [
            ("openrouter", "", openrouter::BASE_URL),
            ("openai", "", openai::BASE_URL),
            (
                "anthropic",
                r#", "pool_secret": "ARN""#,
                anthropic::BASE_URL,
            ),
        ] {
            let more = more.replace("ARN", ARN);
            let text =
                format!(r#"{{"a": {{"provider": "{provider}", "admin_secret": "{ARN}"{more}}}}}"#);
            let accounts = ProviderAccounts::from_json(&text).unwrap();
            let base = &accounts.get(&"a".parse().unwrap()).unwrap().base;
            let expected = BaseUrl::parse(expected, &AllowedHosts::default()).unwrap();
            assert_eq!(*base, expected, "{provider}");
        }
    }

    #[test]
    fn a_good_configuration_is_read() {
        let text = format!(
            r#"{{"openrouter-main": {{"provider": "openrouter", "admin_secret": "{ARN}"}},
                "openrouter-test": {{"provider": "openrouter", "admin_secret": "{ARN}",
                    "base_url": "http://127.0.0.1:9000/api/v1", "allow_hosts": ["127.0.0.1"]}}}}"#
        );
        let accounts = ProviderAccounts::from_json(&text).unwrap();
        let main = accounts.get(&"openrouter-main".parse().unwrap()).unwrap();
        assert_eq!(
            main.base,
            BaseUrl::parse(openrouter::BASE_URL, &AllowedHosts::default()).unwrap()
        );
        assert!(accounts.allowed_hosts().has("127.0.0.1"));
        let secrets: Vec<&str> = accounts
            .admin_secrets()
            .map(|(_, arn)| arn.as_str())
            .collect();
        assert_eq!(secrets, [ARN, ARN]);
        assert_eq!(
            ProviderAccounts::from_json("{}"),
            Ok(ProviderAccounts::default())
        );
    }

    #[test]
    fn all_problems_are_told_together_and_no_value_is_repeated() {
        let text = r#"{
            "Bad Name": {},
            "flat": "sk-or-v1-EXAMPLE0123456789abcdef",
            "empty": {},
            "wrong": {
                "provider": "nope",
                "admin_secret": "sk-or-v1-EXAMPLE0123456789abcdef",
                "admin_key": "sk-or-v1-EXAMPLE0123456789abcdef",
                "allow_hosts": ["http://sk-or-v1-EXAMPLE0123456789abcdef", 1]
            },
            "inside": {
                "provider": "openrouter",
                "admin_secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:x",
                "base_url": "https://u:sk-or-v1-EXAMPLE0123456789abcdef@openrouter.ai"
            },
            "number": {
                "provider": "openrouter",
                "admin_secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:x",
                "base_url": 1,
                "allow_hosts": "127.0.0.1",
                "sk-or-v1-EXAMPLE0123456789abcdef": 1
            },
            "sk-or-v1-EXAMPLE0123456789abcdef": {}
        }"#;
        let error = ProviderAccounts::from_json(text).unwrap_err().to_string();
        for expected in [
            "Bad Name: an account name is",
            "flat: not an object",
            "empty: `provider` is missing",
            "empty: `admin_secret` is missing",
            "wrong: `provider` is not a known provider",
            "wrong: `admin_secret` is not the ARN",
            "wrong: there is no field `admin_key`",
            "wrong: `allow_hosts` is not a list",
            "wrong: `allow_hosts` is not a bare host",
            "inside: `base_url` holds a user name or password",
            "number: `base_url` is not a URL",
            "number: `allow_hosts` is not a list",
        ] {
            assert!(error.contains(expected), "{expected}\n{error}");
        }
        assert_eq!(error.lines().count(), 15, "{error}");
        assert!(!error.contains("EXAMPLE"), "{error}");
    }

    #[test]
    fn what_is_not_json_is_told_by_its_place() {
        for (text, expected) in [("{\n sk-or-v1-EXAMPLE", "line 2"), ("[]", "not an object")] {
            let error = ProviderAccounts::from_json(text).unwrap_err().to_string();
            assert!(
                error.contains(expected) && !error.contains("EXAMPLE"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_pool_is_read_where_slots_draw_from_one() {
        let account = |more: &str| {
            format!(r#"{{"a": {{"provider": "anthropic", "admin_secret": "{ARN}"{more}}}}}"#)
        };
        let pool = ARN.replace("admin", "pool");
        for (more, expected) in [
            (format!(r#", "pool_secret": "{pool}""#), LOW_WATER),
            (
                format!(r#", "pool_secret": "{pool}", "pool_low_water": 7"#),
                7,
            ),
            (
                format!(r#", "pool_secret": "{pool}", "pool_low_water": 0"#),
                0,
            ),
        ] {
            let accounts = ProviderAccounts::from_json(&account(&more)).unwrap();
            let settings = accounts.get(&"a".parse().unwrap()).unwrap().pool.clone();
            let expected = PoolSettings {
                provider: ProviderName::Anthropic,
                secret: pool.parse().unwrap(),
                low_water: expected,
            };
            assert_eq!(settings, Some(expected), "{more}");
        }
        let key = "sk-ant-api03-EXAMPLE0123456789abcdef";
        for (more, expected) in [
            (String::new(), "a: `pool_secret` is missing"),
            (
                format!(r#", "pool_secret": "{key}""#),
                "a: `pool_secret` is not the ARN",
            ),
            (
                format!(r#", "pool_secret": "{pool}", "pool_low_water": -1"#),
                "a: `pool_low_water` is not a whole number",
            ),
            (
                format!(r#", "pool_secret": "{pool}", "pool_low_water": "3""#),
                "a: `pool_low_water` is not a whole number",
            ),
        ] {
            let error = ProviderAccounts::from_json(&account(&more)).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(expected), "{expected}\n{error}");
            assert_eq!(error.lines().count(), 2, "{error}");
            assert!(!error.contains("EXAMPLE"), "{error}");
        }
    }

    #[test]
    fn a_pool_stands_only_where_slots_draw_from_one() {
        let text = format!(
            r#"{{"a": {{"provider": "openrouter", "admin_secret": "{ARN}",
                "pool_secret": "{ARN}", "pool_low_water": 3}}}}"#
        );
        let error = ProviderAccounts::from_json(&text).unwrap_err().to_string();
        for field in ["pool_secret", "pool_low_water"] {
            let expected = format!("a: there is no field `{field}`");
            assert!(error.contains(&expected), "{error}");
        }
    }
}
