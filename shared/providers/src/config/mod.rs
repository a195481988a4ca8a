//! The deployment's provider accounts: the only place that says where keys are sent and which admin credential goes
//! with them.

mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use keyward_core::model::names::{AccountName, SecretArn};
use keyward_core::model::slot::ProviderName;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Administered, PoolSettings};
use serde_json::Value;

use self::read::Reader;
use crate::http::{AllowedHosts, BaseUrl, UrlError};
use crate::{anthropic, azure, bedrock, gemini, litellm, openai, openrouter};

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
    /// A pool's secret that is also another pool's, or holds a credential: what is stored there would be lost.
    #[error("{0}: `pool_secret` is the secret of something else too; a pool has one of its own")]
    SharedSecret(AccountName),
    /// The secret for functions that only read is one of those that hold credentials which can write.
    #[error(
        "{0}: `read_secret` is an admin secret; functions that only read have a secret of their own, which may hold the same credential"
    )]
    ReadsAdmin(AccountName),
    /// A resource that is another account's too: slots of both would share its keys.
    #[error("{0}: names the same resource as another account; a resource has one pair of keys")]
    SharedResource(AccountName),
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
    /// Where the provider's API takes an admin credential of its own.
    pub(crate) admin_secret: Option<SecretArn>,
    /// The same for functions that only read. Left out, they cannot open the account.
    pub(crate) read_secret: Option<SecretArn>,
    /// Where the provider is in several regions.
    pub(crate) region: Option<String>,
    names: BTreeMap<&'static str, String>,
    urls: BTreeMap<&'static str, BaseUrl>,
    allowed: AllowedHosts,
}

impl Account {
    /// What stands in one of the provider's fields of names.
    ///
    /// # Panics
    /// If the provider has no such field: each account that was read has all of them.
    pub(crate) fn name(&self, field: &'static str) -> &str {
        &self.names[field]
    }

    /// The same for a field that may be left out.
    pub(crate) fn optional_name(&self, field: &'static str) -> Option<&str> {
        self.names.get(field).map(String::as_str)
    }

    /// The secret that the account is opened by; `None` where the configuration names none.
    pub(crate) fn secret(&self, credential: Credential) -> Option<&SecretArn> {
        match credential {
            Credential::Admin => self.admin_secret.as_ref(),
            Credential::Read => self.read_secret.as_ref(),
        }
    }

    /// The region.
    ///
    /// # Panics
    /// If the provider has none: each other account that was read has one.
    pub(crate) fn region(&self) -> String {
        self.region.clone().expect("read with the account")
    }

    /// Where requests go that the provider's table of URLs has under this field.
    ///
    /// # Panics
    /// If the provider's table has no such field: each account that was read has all of them.
    pub(crate) fn url(&self, field: &'static str) -> BaseUrl {
        self.urls[field].clone()
    }
}

/// Which of an account's two credentials it is opened by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// The admin credential, which can write at the provider.
    Admin,
    /// The one for functions that only read. Nothing that writes is sent with it, whatever the credential can do.
    Read,
}

impl Credential {
    /// What it is for, in one word.
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Read => "read",
        }
    }

    /// The field of an account's configuration that names the credential's secret.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Admin => "admin_secret",
            Self::Read => "read_secret",
        }
    }
}

/// A field that names something of an account's, and which texts it takes. None of them is a secret.
pub(crate) struct NameField {
    pub(crate) field: &'static str,
    pub(crate) expected: &'static str,
    pub(crate) is_one: fn(&str) -> bool,
}

/// A URL of a provider: the field that sets it, and what it is where the configuration leaves it out, `{region}` and the
/// names of other fields in braces standing for the account's. `None`: it must be given.
pub(crate) struct UrlField {
    pub(crate) field: &'static str,
    pub(crate) default: Option<&'static str>,
}

/// The field of the URL that most of a provider's requests go to.
pub(crate) const BASE_URL: &str = "base_url";

/// Every URL of a provider.
const fn urls(provider: ProviderName) -> &'static [UrlField] {
    match provider {
        ProviderName::OpenRouter => openrouter::URLS,
        ProviderName::OpenAi => openai::URLS,
        ProviderName::Anthropic => anthropic::URLS,
        ProviderName::Bedrock => bedrock::URLS,
        ProviderName::LiteLlm => litellm::URLS,
        ProviderName::Gemini => gemini::URLS,
        ProviderName::Azure => azure::URLS,
    }
}

/// Every field of a provider that names something of an account's.
const fn names(provider: ProviderName) -> &'static [NameField] {
    match provider {
        ProviderName::Azure => azure::NAMES,
        _ => &[],
    }
}

/// The same for fields that may be left out.
const fn optional_names(provider: ProviderName) -> &'static [NameField] {
    match provider {
        ProviderName::Azure => azure::OPTIONAL_NAMES,
        _ => &[],
    }
}

/// Whether the provider's API takes an admin credential that is kept in a secret. Else it is the function's own role.
const fn has_admin_secret(provider: ProviderName) -> bool {
    !matches!(provider, ProviderName::Bedrock)
}

/// Whether the provider is in several regions, of which an account is one.
const fn has_region(provider: ProviderName) -> bool {
    matches!(provider, ProviderName::Bedrock)
}

impl UrlField {
    /// The one that most requests go to.
    pub(crate) const fn base(default: &'static str) -> Self {
        Self {
            field: BASE_URL,
            default: Some(default),
        }
    }
}

/// The provider accounts by name, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderAccounts(BTreeMap<AccountName, Account>);

impl ProviderAccounts {
    /// Reads `{"<account>": {"provider": "openrouter", "admin_secret": "arn:…", "read_secret": "arn:…", "base_url":
    /// "https://…", "allow_hosts": ["…"]}}`; the last two may be left out, but `base_url` only where the provider has a
    /// host of its own. Without `read_secret` the account cannot be opened by functions that only read. Where keys are
    /// drawn from a standby pool, `pool_secret`
    /// names its secret, and `pool_low_water` (3 if left out) the number of keys below which people are told. Bedrock has
    /// a `region`, and no secret of its own. Azure has `tenant`, `client_id`, `subscription`, `resource_group` and `resource`,
    /// and may have `read_client_id`.
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
        problems.extend(reads_admin(&accounts));
        problems.extend(azure::shared_resources(&accounts).map(Problem::SharedResource));
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

    /// The accounts, and whose they are.
    pub fn whose(&self) -> Vec<(AccountName, ProviderName)> {
        let accounts = self.0.iter();
        accounts
            .map(|(name, a)| (name.clone(), a.provider))
            .collect()
    }

    /// The credentials that the configuration does not name for an account, by their field: none where there is no such
    /// account, or its provider takes none.
    pub fn missing_credentials(&self, name: &AccountName) -> Vec<&'static str> {
        let account = self.0.get(name);
        let takes = account.filter(|account| has_admin_secret(account.provider));
        let all = [Credential::Admin, Credential::Read];
        takes.map_or_else(Vec::new, |account| {
            let missing = all.into_iter().filter(|c| account.secret(*c).is_none());
            missing.map(Credential::field).collect()
        })
    }

    /// Every secret that holds a credential of an account, and what that is for, in a word.
    pub fn credential_secrets(
        &self,
    ) -> impl Iterator<Item = (AccountName, &'static str, SecretArn)> {
        self.0.iter().flat_map(|(name, account)| {
            let both = [Credential::Admin, Credential::Read].into_iter();
            both.filter_map(move |of| {
                let secret = account.secret(of)?.clone();
                Some((name.clone(), of.purpose(), secret))
            })
        })
    }

    /// Every secret that is the deployment's own: those of credentials and of standby pools.
    pub fn own_secrets(&self) -> Vec<SecretArn> {
        let credentials = self.credential_secrets().map(|(_, _, secret)| secret);
        let pools = self.0.values().filter_map(|account| account.pool.as_ref());
        credentials
            .chain(pools.map(|pool| pool.secret.clone()))
            .collect()
    }

    /// Where IAM is, by the first account of Bedrock's.
    pub(crate) fn bedrock_iam(&self) -> Option<BaseUrl> {
        let mut accounts = self.0.values();
        let bedrock = accounts.find(|account| account.provider == ProviderName::Bedrock)?;
        Some(bedrock.url(bedrock::IAM_FIELD))
    }

    /// The accounts that are administered by a credential in a secret.
    pub fn administered(&self) -> Vec<Administered> {
        let of = |(account, a): (&AccountName, &Account)| {
            Some(Administered {
                account: account.clone(),
                provider: a.provider,
                secret: a.admin_secret.clone()?,
                read: a.read_secret.clone(),
            })
        };
        self.0.iter().filter_map(of).collect()
    }

    /// The accounts that have an admin credential, and the secrets that hold it.
    pub fn admin_secrets(&self) -> impl Iterator<Item = (&AccountName, &SecretArn)> {
        let accounts = self.0.iter();
        accounts.filter_map(|(name, a)| Some((name, a.admin_secret.as_ref()?)))
    }
}

/// The accounts whose secret for functions that only read is an admin secret, of whichever account.
fn reads_admin(accounts: &BTreeMap<AccountName, Account>) -> Vec<Problem> {
    let admin: Vec<&SecretArn> = accounts
        .values()
        .filter_map(|account| account.admin_secret.as_ref())
        .collect();
    let reads = accounts.iter().filter(|(_, account)| {
        let read = account.read_secret.as_ref();
        read.is_some_and(|secret| admin.contains(&secret))
    });
    reads
        .map(|(name, _)| Problem::ReadsAdmin(name.clone()))
        .collect()
}

/// The accounts whose pool has no secret of its own.
fn shared_secrets(accounts: &BTreeMap<AccountName, Account>) -> Vec<Problem> {
    let pool = |account: &Account| account.pool.as_ref().map(|pool| pool.secret.clone());
    let is_shared = |name: &AccountName, secret: &SecretArn| {
        accounts.iter().any(|(other, account)| {
            [&account.admin_secret, &account.read_secret].contains(&&Some(secret.clone()))
                || (other != name && pool(account).as_ref() == Some(secret))
        })
    };
    accounts
        .iter()
        .filter(|(name, account)| pool(account).is_some_and(|secret| is_shared(name, &secret)))
        .map(|(name, _)| Problem::SharedSecret(name.clone()))
        .collect()
}
