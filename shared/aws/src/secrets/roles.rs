//! Secrets in other accounts, by a role of each.

use std::collections::BTreeMap;
use std::str::FromStr;

use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_sdk_secretsmanager::Client;

/// What sessions in other accounts are called in their CloudTrail.
const SESSION: &str = "keyward";

/// The role that secrets of another account are read and written by, by the account's id. Secrets Manager takes a
/// cross-account rotation's PutSecretValue from an assumed role together with the RotationToken:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html>.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretRoles(BTreeMap<String, String>);

/// Why a text names no roles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretRolesError {
    /// It has another form.
    #[error("must be a JSON object from an account's id to the ARN of a role in it")]
    Form,
    /// One of the roles is not in the account that it stands for.
    #[error("the role for the account {0} must be arn:<partition>:iam::{0}:role/<name>")]
    Role(String),
}

impl FromStr for SecretRoles {
    type Err = SecretRolesError;

    fn from_str(json: &str) -> Result<Self, SecretRolesError> {
        let roles: BTreeMap<String, String> =
            serde_json::from_str(json).map_err(|_| SecretRolesError::Form)?;
        for (account, role) in &roles {
            if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
                return Err(SecretRolesError::Form);
            }
            if !is_role_in(account, role) {
                return Err(SecretRolesError::Role(account.clone()));
            }
        }
        Ok(Self(roles))
    }
}

fn is_role_in(account: &str, role: &str) -> bool {
    let parts: Vec<&str> = role.splitn(6, ':').collect();
    let [arn, partition, service, region, of, name] = parts[..] else {
        return false;
    };
    let in_place = arn == "arn" && partition.starts_with("aws") && service == "iam";
    let name = name.strip_prefix("role/");
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_/-".contains(&b);
    in_place
        && region.is_empty()
        && of == account
        && name
            .is_some_and(|name| !name.is_empty() && name.len() <= 576 && name.bytes().all(allowed))
}

/// The account that a secret's ARN names; `None` for a name alone.
fn account_of(id: &str) -> Option<&str> {
    id.strip_prefix("arn:")?.split(':').nth(3)
}

/// Clients by account. Nothing is asked until one is used.
#[derive(Debug, Clone, Default)]
pub(super) struct Others(BTreeMap<String, Client>);

impl Others {
    pub(super) async fn new(config: &SdkConfig, roles: &SecretRoles) -> Self {
        let mut clients = BTreeMap::new();
        for (account, role) in &roles.0 {
            let provider = AssumeRoleProvider::builder(role).session_name(SESSION);
            let provider = provider.configure(config).build().await;
            let provider = aws_credential_types::provider::SharedCredentialsProvider::new(provider);
            let config = config.to_builder().credentials_provider(provider).build();
            clients.insert(account.clone(), Client::new(&config));
        }
        Self(clients)
    }

    /// The client for a secret of another account that there is a role for.
    pub(super) fn of(&self, id: &str) -> Option<&Client> {
        self.0.get(account_of(id)?)
    }

    /// One other account, reached as `config` says.
    #[cfg(test)]
    pub(super) fn one(config: &SdkConfig, account: &str) -> Self {
        Self([(account.to_owned(), Client::new(config))].into())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Client> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_stands_for_the_account_that_it_is_in() {
        let good = r#"{"444455556666": "arn:aws:iam::444455556666:role/keyward/secrets"}"#;
        assert!(good.parse::<SecretRoles>().is_ok());
        assert_eq!("{}".parse(), Ok(SecretRoles::default()));
        for bad in [
            "arn:aws:iam::444455556666:role/secrets",
            r#"{"4444": "arn:aws:iam::4444:role/secrets"}"#,
            r#"{"444455556666": "arn:aws:iam::111122223333:role/secrets"}"#,
            r#"{"444455556666": "arn:aws:iam::444455556666:user/ana"}"#,
            r#"{"444455556666": "arn:aws:iam::444455556666:role/"}"#,
            r#"{"444455556666": "arn:aws:iam::444455556666:role/a b"}"#,
        ] {
            assert!(bad.parse::<SecretRoles>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secrets_account_is_read_from_its_arn_alone() {
        let arn = "arn:aws:secretsmanager:us-east-1:444455556666:secret:llm/bot-a1B2c3";
        assert_eq!(account_of(arn), Some("444455556666"));
        assert_eq!(account_of("llm/bot"), None);
    }
}
