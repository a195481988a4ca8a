//! Opens the accounts of the deployment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use keyward_core::model::names::{AccountName, SecretArn};
use keyward_core::model::slot::ProviderName;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Administered, KeyProvider, PoolSettings, ProviderError, Providers};

use crate::admin::{AdminCredential, AdminKeySource};
use crate::anthropic::Anthropic;
use crate::aws::{AwsSigner, NoSigner};
use crate::azure::{self, Azure};
use crate::bedrock::{self, Bedrock, BedrockUsers};
use crate::config::{Account, BASE_URL, Credential, ProviderAccounts};
use crate::gemini::{self, Gemini};
use crate::http::HttpClient;
use crate::litellm::LiteLlm;
use crate::openai::OpenAi;
use crate::openrouter::OpenRouter;
use crate::read_only::ReadOnly;

/// Opens the configured accounts. Each driver is built once, and no admin credential is read before a call needs it.
pub struct ConfiguredProviders {
    accounts: ProviderAccounts,
    http: Arc<HttpClient>,
    keys: Arc<dyn AdminKeySource>,
    aws: Arc<dyn AwsSigner>,
    credential: Credential,
    built: Mutex<BTreeMap<AccountName, Arc<dyn KeyProvider>>>,
}

impl ConfiguredProviders {
    /// Over the accounts of the deployment, opened by their admin credentials.
    pub fn new(
        accounts: ProviderAccounts,
        http: Arc<HttpClient>,
        keys: Arc<dyn AdminKeySource>,
    ) -> Self {
        Self {
            accounts,
            http,
            keys,
            aws: Arc::new(NoSigner),
            credential: Credential::Admin,
            built: Mutex::default(),
        }
    }

    /// The same, with what signs requests to AWS. Without it no account of AWS's can be administered.
    #[must_use]
    pub fn with_aws(self, aws: Arc<dyn AwsSigner>) -> Self {
        Self { aws, ..self }
    }

    /// The same, opened by another credential. By [`Credential::Read`], what would write is refused before it is sent.
    #[must_use]
    pub fn opened_by(self, credential: Credential) -> Self {
        Self { credential, ..self }
    }

    /// The users of AWS's own account with keys for Bedrock, as an audit lists them: at the place of IAM that an account of
    /// Bedrock's is configured with, else at that of the partition of `region`.
    pub fn bedrock_users(&self, region: &str) -> BedrockUsers {
        let at = self.accounts.bedrock_iam();
        let at = at.unwrap_or_else(|| bedrock::iam_of(region));
        BedrockUsers::new(Arc::clone(&self.http), at, region, Arc::clone(&self.aws))
    }

    /// The account's driver; `None` if the configuration does not name the credential that it would need.
    fn build(&self, account: &Account) -> Option<Arc<dyn KeyProvider>> {
        let driver = match (account.provider, account.secret(self.credential)) {
            (ProviderName::Bedrock, _) => self.of_aws(account),
            (_, Some(secret)) => self.with_secret(account, secret),
            (_, None) => return None,
        };
        Some(match self.credential {
            Credential::Admin => driver,
            Credential::Read => Arc::new(ReadOnly::new(driver)),
        })
    }

    fn of_aws(&self, account: &Account) -> Arc<dyn KeyProvider> {
        let urls = (
            account.url(bedrock::IAM_FIELD),
            account.url(bedrock::VERIFY_FIELD),
        );
        let (http, signer) = (Arc::clone(&self.http), Arc::clone(&self.aws));
        Arc::new(Bedrock::new(http, urls, &account.region(), signer))
    }

    fn with_secret(&self, account: &Account, secret: &SecretArn) -> Arc<dyn KeyProvider> {
        let admin = || AdminCredential::new(Arc::clone(&self.keys), secret.clone());
        let base = || account.url(BASE_URL);
        let http = Arc::clone(&self.http);
        match account.provider {
            ProviderName::OpenRouter => Arc::new(OpenRouter::new(http, base(), admin())),
            ProviderName::Anthropic => Arc::new(Anthropic::new(http, base(), admin())),
            ProviderName::OpenAi => Arc::new(OpenAi::new(http, base(), admin())),
            ProviderName::LiteLlm => Arc::new(LiteLlm::new(http, base(), admin())),
            ProviderName::Gemini => {
                let urls = gemini::Urls {
                    keys: base(),
                    token: account.url(gemini::TOKEN_FIELD),
                    verify: account.url(gemini::VERIFY_FIELD),
                };
                Arc::new(Gemini::new(http, urls, admin()))
            }
            ProviderName::Azure => Arc::new(Azure::new(
                http,
                azure::Resource::of(account, self.credential),
                admin(),
            )),
            ProviderName::Bedrock => self.of_aws(account),
        }
    }
}

#[async_trait]
impl Providers for ConfiguredProviders {
    async fn open(
        &self,
        account: &AccountName,
        provider: ProviderName,
    ) -> Result<Arc<dyn KeyProvider>, ProviderError> {
        let refused = |text: String| ProviderError::Refused {
            detail: OutsideText::new(&text),
        };
        let configured = self
            .accounts
            .get(account)
            .ok_or_else(|| refused(format!("no provider account `{account}` is configured")))?;
        if configured.provider != provider {
            let what = configured.provider;
            return Err(refused(format!("account `{account}` is one of {what}")));
        }
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(driver) = built.get(account) {
            return Ok(Arc::clone(driver));
        }
        let Some(driver) = self.build(configured) else {
            let field = self.credential.field();
            let detail = format!("account `{account}` has no `{field}` in KEYWARD_ACCOUNTS");
            return Err(ProviderError::AdminCredential {
                detail: OutsideText::new(&detail),
            });
        };
        built.insert(account.clone(), Arc::clone(&driver));
        Ok(driver)
    }

    fn pool(&self, account: &AccountName) -> Option<PoolSettings> {
        self.accounts.get(account)?.pool.clone()
    }

    fn pools(&self) -> Vec<AccountName> {
        let accounts = self.accounts.accounts();
        let with_pool = accounts.filter(|(_, _, pool)| pool.is_some());
        with_pool.map(|(name, _, _)| name.clone()).collect()
    }

    fn missing_credentials(&self, account: &AccountName) -> Vec<&'static str> {
        self.accounts.missing_credentials(account)
    }

    fn administered(&self) -> Vec<Administered> {
        self.accounts.administered()
    }
}

#[cfg(test)]
mod tests {
    use keyward_core::model::key::AdminKey;
    use keyward_core::model::slot::Scope;
    use serde_json::json;

    use super::*;
    use crate::admin::testing::CountingSource;
    use crate::http::testing::{Reply, TestClock, TestServer, http, patient};

    fn providers() -> (ConfiguredProviders, Arc<CountingSource>) {
        let text = r#"{"openrouter-main": {
            "provider": "openrouter",
            "admin_secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/openrouter-admin-a1B2c3"
        }}"#;
        let source = Arc::new(CountingSource::default());
        let providers = ConfiguredProviders::new(
            ProviderAccounts::from_json(text).unwrap(),
            Arc::new(http(&TestClock::new(), patient())),
            source.clone(),
        );
        (providers, source)
    }

    #[tokio::test]
    async fn an_account_is_built_once_and_reads_no_credential_by_itself() {
        let (providers, source) = providers();
        let name = "openrouter-main".parse().unwrap();
        let first = providers
            .open(&name, ProviderName::OpenRouter)
            .await
            .unwrap();
        let again = providers
            .open(&name, ProviderName::OpenRouter)
            .await
            .unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(first.abilities().provider, ProviderName::OpenRouter);
        assert_eq!(source.fetches(), 0);
    }

    /// Hands out the name of the secret that was asked for, as the credential.
    struct Named(Mutex<Vec<String>>);

    #[async_trait]
    impl AdminKeySource for Named {
        async fn admin_key(&self, arn: &SecretArn) -> Result<AdminKey, ProviderError> {
            self.0.lock().unwrap().push(arn.to_string());
            Ok(AdminKey::new("ADMIN-EXAMPLE"))
        }
    }

    fn read_by(accounts: &str) -> (ConfiguredProviders, Arc<Named>) {
        let source = Arc::new(Named(Mutex::default()));
        let providers = ConfiguredProviders::new(
            ProviderAccounts::from_json(accounts).unwrap(),
            Arc::new(http(&TestClock::new(), patient())),
            source.clone(),
        );
        (providers.opened_by(Credential::Read), source)
    }

    const ARN: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/keyward";

    #[tokio::test]
    async fn functions_that_only_read_are_given_the_credential_that_only_reads() {
        let server = TestServer::always(Reply::json(200, &json!({"data": []}))).await;
        let (providers, source) = read_by(&format!(
            r#"{{"main": {{"provider": "openrouter", "admin_secret": "{ARN}/admin/main-a1B2c3",
                "read_secret": "{ARN}/read/main-a1B2c3", "base_url": "http://{}", "allow_hosts": ["127.0.0.1"]}}}}"#,
            server.addr,
        ));
        let name = "main".parse().unwrap();
        let driver = providers.open(&name, ProviderName::OpenRouter).await;
        let driver = driver.unwrap();
        driver.list(&Scope::default(), None).await.unwrap();
        let refused = driver.delete(&"abc123".parse().unwrap()).await;
        assert!(matches!(refused, Err(ProviderError::ReadOnly(_))));
        assert_eq!(server.seen().len(), 1);
        let asked = source.0.lock().unwrap().clone();
        assert_eq!(asked, [format!("{ARN}/read/main-a1B2c3")]);
        assert!(providers.missing_credentials(&name).is_empty());
    }

    #[tokio::test]
    async fn without_that_credential_the_account_is_not_opened_by_the_other() {
        let (providers, source) = read_by(&format!(
            r#"{{"main": {{"provider": "openrouter", "admin_secret": "{ARN}/admin/main-a1B2c3"}},
                "aws": {{"provider": "bedrock", "region": "us-east-1"}}}}"#,
        ));
        let (main, aws) = ("main".parse().unwrap(), "aws".parse().unwrap());
        let refused = providers.open(&main, ProviderName::OpenRouter).await.err();
        let error = refused.unwrap();
        assert!(matches!(error, ProviderError::AdminCredential { .. }));
        let text = "account `main` has no `read_secret` in KEYWARD_ACCOUNTS";
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(providers.missing_credentials(&main), ["read_secret"]);
        // What a function may do at AWS is its role's matter.
        let driver = providers.open(&aws, ProviderName::Bedrock).await.unwrap();
        let refused = driver.delete(&"search-bot/ACCA0123".parse().unwrap()).await;
        assert!(matches!(refused, Err(ProviderError::ReadOnly(_))));
        assert!(providers.missing_credentials(&aws).is_empty());
        assert!(source.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_account_that_is_not_configured_is_refused() {
        let (providers, _) = providers();
        let name = "other".parse().unwrap();
        let error = providers.open(&name, ProviderName::OpenRouter).await.err();
        assert!(
            matches!(error, Some(ProviderError::Refused { .. })),
            "{error:?}"
        );
    }
}
