//! Where a resource is and who administers it: all of it from the deployment's configuration.

use std::collections::BTreeMap;

use keyward_core::model::names::AccountName;
use keyward_core::model::slot::ProviderName;

use crate::config::{Account, BASE_URL, Credential, NameField, UrlField};
use crate::http::BaseUrl;

/// Azure Resource Manager.
pub const ARM_URL: &str = "https://management.azure.com";

/// Entra, which gives out tokens.
pub const LOGIN_URL: &str = "https://login.microsoftonline.com";

const LOGIN_FIELD: &str = "login_url";
const VERIFY_FIELD: &str = "verify_url";

/// Every URL of an account. A resource whose custom subdomain is not its name has a `verify_url`.
pub(crate) const URLS: &[UrlField] = &[
    UrlField::base(ARM_URL),
    UrlField {
        field: LOGIN_FIELD,
        default: Some(LOGIN_URL),
    },
    UrlField {
        field: VERIFY_FIELD,
        default: Some("https://{resource}.openai.azure.com"),
    },
];

const TENANT: &str = "tenant";
const CLIENT: &str = "client_id";
const SUBSCRIPTION: &str = "subscription";
const GROUP: &str = "resource_group";
const RESOURCE: &str = "resource";

/// What names the resource, and the application that administers it.
pub(crate) const NAMES: &[NameField] = &[
    NameField {
        field: TENANT,
        expected: "the id of a tenant, or one of its domains",
        is_one: |text| is_id(text) || is_domain(text),
    },
    NameField {
        field: CLIENT,
        expected: "the client id of an application, which is a UUID",
        is_one: is_id,
    },
    NameField {
        field: SUBSCRIPTION,
        expected: "the id of a subscription, which is a UUID",
        is_one: is_id,
    },
    NameField {
        field: GROUP,
        expected: "the name of a resource group",
        is_one: is_group,
    },
    NameField {
        field: RESOURCE,
        expected: "the name of an Azure OpenAI resource: 2 to 64 letters, digits and dashes between",
        is_one: is_resource,
    },
];

const READ_CLIENT: &str = "read_client_id";

/// What may be left out: the application that functions which only read act as, if it is not the same one.
pub(crate) const OPTIONAL_NAMES: &[NameField] = &[NameField {
    field: READ_CLIENT,
    expected: "the client id of an application, which is a UUID",
    is_one: is_id,
}];

/// Eight, four, four, four and twelve hex digits.
fn is_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.concat().bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

/// <https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftresources>, ASCII
/// only.
fn is_group(text: &str) -> bool {
    (1..=90).contains(&text.len())
        && !text.ends_with('.')
        && text != "."
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.()".contains(&b))
}

fn is_resource(text: &str) -> bool {
    (2..=64).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// One Azure OpenAI resource, its place in Azure, and who administers it.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(super) name: String,
    subscription: String,
    group: String,
    pub(super) tenant: String,
    pub(super) client: String,
    pub(super) arm: BaseUrl,
    pub(super) login: BaseUrl,
    pub(super) verify: BaseUrl,
}

impl Resource {
    /// The resource of an account of Azure's, and the application whose credential is used.
    pub(crate) fn of(account: &Account, credential: Credential) -> Self {
        let name = |field| account.name(field).to_owned();
        let client = match credential {
            Credential::Admin => None,
            Credential::Read => account.optional_name(READ_CLIENT),
        };
        Self {
            name: name(RESOURCE),
            subscription: name(SUBSCRIPTION),
            group: name(GROUP),
            tenant: name(TENANT),
            client: client.map_or_else(|| name(CLIENT), str::to_owned),
            arm: account.url(BASE_URL),
            login: account.url(LOGIN_FIELD),
            verify: account.url(VERIFY_FIELD),
        }
    }

    /// The path of one of its actions at Azure Resource Manager.
    pub(super) fn path<'a>(&'a self, action: &'a str) -> [&'a str; 9] {
        [
            "subscriptions",
            &self.subscription,
            "resourceGroups",
            &self.group,
            "providers",
            "Microsoft.CognitiveServices",
            "accounts",
            &self.name,
            action,
        ]
    }
}

/// The accounts that name a resource which an earlier one names. Azure takes names that differ in case alone for one.
pub(crate) fn shared_resources(
    accounts: &BTreeMap<AccountName, Account>,
) -> impl Iterator<Item = AccountName> {
    let mut seen = Vec::new();
    let of_azure =
        |(_, account): &(&AccountName, &Account)| account.provider == ProviderName::Azure;
    accounts
        .iter()
        .filter(of_azure)
        .filter(move |(_, account)| {
            let names = [SUBSCRIPTION, GROUP, RESOURCE];
            let names = names.map(|field| account.name(field).to_ascii_lowercase());
            let is_shared = seen.contains(&names);
            seen.push(names);
            is_shared
        })
        .map(|(name, _)| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProviderAccounts;

    const OWN: &str = "20000000-aaaa-4bbb-8ccc-000000000002";
    const READER: &str = "40000000-aaaa-4bbb-8ccc-000000000004";

    /// A client secret is one application's: functions that only read act as the one that theirs belongs to.
    #[test]
    fn functions_that_only_read_may_act_as_an_application_of_their_own() {
        let client = |more: &str, credential| {
            let text = format!(
                r#"{{"a": {{"provider": "azure", "tenant": "example.onmicrosoft.com", "client_id": "{OWN}",
                    "admin_secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/admin-a1B2c3",
                    "subscription": "{OWN}", "resource_group": "rg", "resource": "agents-east"{more}}}}}"#
            );
            let accounts = ProviderAccounts::from_json(&text)?;
            let account = accounts.get(&"a".parse().unwrap()).unwrap();
            Ok::<_, crate::config::ConfigError>(Resource::of(account, credential).client)
        };
        let reader = format!(r#", "read_client_id": "{READER}""#);
        for (more, credential, expected) in [
            ("", Credential::Admin, OWN),
            ("", Credential::Read, OWN),
            (&reader, Credential::Admin, OWN),
            (&reader, Credential::Read, READER),
        ] {
            assert_eq!(client(more, credential).unwrap(), expected, "{more}");
        }
        let refused = client(r#", "read_client_id": "EXAMPLE""#, Credential::Read);
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("a: `read_client_id` is not"), "{error}");
        assert!(!error.contains("EXAMPLE"), "{error}");
    }

    #[test]
    fn names_are_what_azure_takes_and_nothing_that_leads_elsewhere() {
        let id = "0a1b2c3d-1111-4222-8333-0123456789ab";
        for (field, good, bad) in [
            (
                TENANT,
                &[id, "example.onmicrosoft.com"][..],
                &["", "common", "a/b.c", "a..b", "-a.b"][..],
            ),
            (
                CLIENT,
                &[id],
                &[
                    "",
                    "0a1b2c3d",
                    "example.com",
                    "0a1b2c3d-1111-4222-8333-0123456789aX",
                ],
            ),
            (SUBSCRIPTION, &[id], &["", "../x"]),
            (
                GROUP,
                &["agents", "rg_agents-1.(eu)"],
                &["", ".", "..", "a.", "a/b", "a b"],
            ),
            (
                RESOURCE,
                &["agents-east", "A1"],
                &["", "a", "-ab", "ab-", "a.b", "a/b", "a_b"],
            ),
        ] {
            let names = NAMES.iter().find(|name| name.field == field).unwrap();
            for text in good {
                assert!((names.is_one)(text), "{field}: {text}");
            }
            for text in bad {
                assert!(!(names.is_one)(text), "{field}: {text}");
            }
        }
    }
}
