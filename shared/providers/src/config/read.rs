//! Reading one account.

use std::collections::BTreeMap;

use keyward_core::model::names::{AccountName, SecretArn};
use keyward_core::model::slot::{CredentialKind, ProviderName};
use keyward_core::model::text::{OutsideText, without_keys};
use keyward_core::ports::PoolSettings;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Account, NameField, Problem, UrlField, has_admin_secret, has_region, names, optional_names,
    urls,
};
use crate::http::{AllowedHosts, BaseUrl, UrlError};

/// Standby keys below which people are told, where the configuration does not say.
const LOW_WATER: u32 = 3;

/// Reads one account and collects what is wrong with it.
pub(super) struct Reader<'a> {
    name: &'a AccountName,
    fields: Map<String, Value>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(name: &'a AccountName, fields: &Value) -> Self {
        let fields = fields.as_object().cloned().unwrap_or_default();
        Self {
            name,
            fields,
            problems: Vec::new(),
        }
    }

    pub(super) fn account(&mut self) -> Option<Account> {
        let provider = self.provider();
        let admin_secret = match provider {
            Some(provider) if !has_admin_secret(provider) => Some(None),
            _ => self.arn("admin_secret").map(Some),
        };
        let takes_none = provider.is_some_and(|provider| !has_admin_secret(provider));
        let read_secret = match self.fields.contains_key("read_secret") && !takes_none {
            true => self.arn("read_secret").map(Some),
            false => Some(None),
        };
        let region = match provider {
            Some(provider) if has_region(provider) => self.region().map(Some),
            _ => Some(None),
        };
        let pool = provider.and_then(|provider| self.pool(provider));
        let allowed = self.allowed();
        let names = provider.map(|provider| self.names(provider));
        let optional = provider.map(|provider| self.optional_names(provider));
        let mut stand_for = names.clone().unwrap_or_default();
        stand_for.extend(region.clone().flatten().map(|region| ("region", region)));
        let urls = provider.map(|provider| self.urls(provider, &stand_for, &allowed));
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
            admin_secret: admin_secret?,
            read_secret: read_secret?,
            region: region?,
            names: names
                .filter(|all| provider.is_some_and(|p| all.len() == self::names(p).len()))?
                .into_iter()
                .chain(optional?)
                .collect(),
            urls: urls??,
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

    fn region(&mut self) -> Option<String> {
        let value = self.required("region")?;
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_region = |text: &&str| (1..=32).contains(&text.len()) && text.bytes().all(allowed);
        let region = value.as_str().filter(is_region).map(str::to_owned);
        if region.is_none() {
            self.wrong_type("region", "a region, such as `us-east-1`");
        }
        region
    }

    /// The names that can be read; what is wrong with the others is said.
    fn names(&mut self, provider: ProviderName) -> BTreeMap<&'static str, String> {
        let read = |field: &NameField| Some((field.field, self.name(field)?));
        names(provider).iter().filter_map(read).collect()
    }

    fn optional_names(&mut self, provider: ProviderName) -> BTreeMap<&'static str, String> {
        let mut read = BTreeMap::new();
        for field in optional_names(provider) {
            if self.fields.contains_key(field.field) {
                read.extend(self.name(field).map(|name| (field.field, name)));
            }
        }
        read
    }

    fn name(&mut self, field: &NameField) -> Option<String> {
        let value = self.required(field.field)?;
        let name = value.as_str().filter(|text| (field.is_one)(text));
        if name.is_none() {
            self.wrong_type(field.field, field.expected);
        }
        name.map(str::to_owned)
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

    /// Every URL of the provider; `None` if one of them is refused.
    fn urls(
        &mut self,
        provider: ProviderName,
        stand_for: &BTreeMap<&'static str, String>,
        allowed: &AllowedHosts,
    ) -> Option<BTreeMap<&'static str, BaseUrl>> {
        let read: Vec<_> = urls(provider)
            .iter()
            .map(|url| Some((url.field, self.read_url(url, stand_for, allowed)?)))
            .collect();
        read.into_iter().collect()
    }

    fn read_url(
        &mut self,
        url: &UrlField,
        stand_for: &BTreeMap<&'static str, String>,
        allowed: &AllowedHosts,
    ) -> Option<BaseUrl> {
        let text = match (self.fields.shift_remove(url.field), url.default) {
            (Some(Value::String(text)), _) => text,
            (Some(_), _) => {
                self.wrong_type(url.field, "a URL");
                return None;
            }
            (None, Some(default)) => {
                let filled = stand_for
                    .iter()
                    .fold(default.to_owned(), |text, (name, value)| {
                        text.replace(&format!("{{{name}}}"), value)
                    });
                // What is wrong with the name was said.
                if filled.contains('{') {
                    return None;
                }
                filled
            }
            (None, None) => {
                self.missing(url.field);
                return None;
            }
        };
        BaseUrl::parse(&text, allowed)
            .map_err(|error| self.url(url.field, error))
            .ok()
    }

    fn required(&mut self, field: &'static str) -> Option<Value> {
        let value = self.fields.shift_remove(field);
        if value.is_none() {
            self.missing(field);
        }
        value
    }

    fn missing(&mut self, field: &'static str) {
        self.problems.push(Problem::Missing {
            account: self.name.clone(),
            field,
        });
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
