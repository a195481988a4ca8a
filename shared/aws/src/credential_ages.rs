//! How old the credentials are that administer provider accounts. None of them is read.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::SecretVersionsListEntry;
use jiff::Timestamp;
use keyward_core::model::names::{AccountName, SecretArn};
use keyward_core::ports::{CredentialAge, CredentialAges, ListError, Stage};

use crate::fault::examine;
use crate::secrets::{NOT_FOUND, moment};

/// The most that a page may hold:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecretVersionIds.html>.
const PAGE: i32 = 100;

/// What a credential is for, and the secret that holds it.
type Credential = (&'static str, SecretArn);

/// The ages of credentials in Secrets Manager: since when the version under AWSCURRENT is there. The date at which a secret
/// was last changed says less, since a tag changes it too.
#[derive(Debug, Clone)]
pub struct CredentialSecrets {
    client: Client,
    of: BTreeMap<AccountName, Vec<Credential>>,
}

impl CredentialSecrets {
    /// The secrets of provider accounts, each with what its credential is for. Accounts that are not among them have none.
    pub fn new(
        config: &SdkConfig,
        secrets: impl IntoIterator<Item = (AccountName, &'static str, SecretArn)>,
    ) -> Self {
        let mut of: BTreeMap<AccountName, Vec<Credential>> = BTreeMap::new();
        for (account, purpose, secret) in secrets {
            of.entry(account).or_default().push((purpose, secret));
        }
        Self {
            client: Client::new(config),
            of,
        }
    }

    /// When the version under AWSCURRENT was made; `None` if there is none, or no such secret.
    async fn changed(&self, secret: &SecretArn) -> Result<Option<Timestamp>, ListError> {
        let request = self.client.list_secret_version_ids().max_results(PAGE);
        let request = request.secret_id(secret.as_str());
        // It ends at an empty token too, and at one that comes again.
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = match page.map_err(|error| examine("ListSecretVersionIds", &error)) {
                Ok(page) => page,
                Err(failure) if failure.code() == NOT_FOUND => return Ok(None),
                Err(failure) => return Err(failure.of_list()),
            };
            let mut versions = page.versions.unwrap_or_default().into_iter();
            if let Some(current) = versions.find(is_current) {
                return Ok(current.created_date.and_then(moment));
            }
        }
        Ok(None)
    }
}

fn is_current(version: &SecretVersionsListEntry) -> bool {
    let current = Stage::Current.to_string();
    version.version_stages().contains(&current)
}

#[async_trait]
impl CredentialAges for CredentialSecrets {
    async fn ages(&self, account: &AccountName) -> Result<Vec<CredentialAge>, ListError> {
        let mut ages = Vec::new();
        for (purpose, secret) in self.of.get(account).into_iter().flatten() {
            let changed = self.changed(secret).await?;
            ages.push(CredentialAge { purpose, changed });
        }
        Ok(ages)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::recorded::{Answer, Recorded};

    const ARN: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/p/";

    fn account() -> AccountName {
        "main".parse().unwrap()
    }

    fn secrets(answers: impl IntoIterator<Item = Answer>) -> (CredentialSecrets, Recorded) {
        let recorded = Recorded::new(answers);
        let secret = |purpose: &'static str| {
            let arn = format!("{ARN}{purpose}/main-a1B2c3").parse().unwrap();
            (account(), purpose, arn)
        };
        let both = [secret("admin"), secret("read")];
        (CredentialSecrets::new(&recorded.config(), both), recorded)
    }

    fn page(versions: &Value, next: Option<&str>) -> Answer {
        Answer::ok(&json!({"Versions": versions, "NextToken": next}))
    }

    #[tokio::test]
    async fn the_age_is_that_of_the_version_in_use_on_whatever_page() {
        let old = json!([{"VersionStages": ["AWSPREVIOUS"], "CreatedDate": 1_700_000_000}]);
        let current = json!([{"VersionStages": ["AWSCURRENT"], "CreatedDate": 1_780_000_000}]);
        let answers = [
            page(&old, Some("more")),
            page(&current, None),
            page(&current, None),
        ];
        let (secrets, recorded) = secrets(answers);
        let ages = secrets.ages(&account()).await.unwrap();
        let changed = Timestamp::from_second(1_780_000_000).ok();
        let age = |purpose| CredentialAge { purpose, changed };
        assert_eq!(ages, [age("admin"), age("read")]);
        let sent = recorded.sent();
        assert_eq!(sent[1].body["NextToken"], "more");
        assert!(
            sent.iter()
                .all(|sent| sent.operation == "ListSecretVersionIds")
        );
    }

    #[tokio::test]
    async fn a_credential_that_is_not_there_has_no_age_and_one_not_seen_is_an_error() {
        let gone = || Answer::error(400, NOT_FOUND, "no such secret");
        let (found, _) = secrets([page(&json!([]), Some("")), page(&json!([]), None)]);
        let ages = found.ages(&account()).await.unwrap();
        assert!(ages.iter().all(|age| age.changed.is_none()), "{ages:?}");
        let (found, _) = secrets([gone(), page(&json!([]), None)]);
        let ages = found.ages(&account()).await.unwrap();
        assert!(ages.iter().all(|age| age.changed.is_none()), "{ages:?}");
        let denied = Answer::error(400, "AccessDeniedException", "not you");
        let (found, _) = secrets([gone(), denied]);
        let error = found.ages(&account()).await.unwrap_err();
        assert!(!error.is_retryable(), "{error}");
        let (found, _) = secrets([]);
        let other = "other".parse().unwrap();
        assert_eq!(found.ages(&other).await.unwrap(), []);
    }
}
