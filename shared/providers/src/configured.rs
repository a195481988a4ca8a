//! Opens the accounts of the deployment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use keyward_core::model::names::AccountName;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{KeyProvider, PoolSettings, ProviderError, Providers};

use crate::admin::{AdminCredential, AdminKeySource};
use crate::anthropic::Anthropic;
use crate::aws::{AwsSigner, NoSigner};
use crate::azure::{self, Azure};
use crate::bedrock::{self, Bedrock};
use crate::config::{Account, BASE_URL, ProviderAccounts};
use crate::gemini::{self, Gemini};
use crate::http::HttpClient;
use crate::litellm::LiteLlm;
use crate::openai::OpenAi;
use crate::openrouter::OpenRouter;

/// Opens the configured accounts. Each driver is built once, and no admin credential is read before a call needs it.
pub struct ConfiguredProviders {
    accounts: ProviderAccounts,
    http: Arc<HttpClient>,
    keys: Arc<dyn AdminKeySource>,
    aws: Arc<dyn AwsSigner>,
    built: Mutex<BTreeMap<AccountName, Arc<dyn KeyProvider>>>,
}

impl ConfiguredProviders {
    /// Over the accounts of the deployment.
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
            built: Mutex::default(),
        }
    }

    /// The same, with what signs requests to AWS. Without it no account of AWS's can be administered.
    #[must_use]
    pub fn with_aws(self, aws: Arc<dyn AwsSigner>) -> Self {
        Self { aws, ..self }
    }

    fn build(&self, account: &Account) -> Arc<dyn KeyProvider> {
        let admin = || AdminCredential::new(Arc::clone(&self.keys), account.admin_secret());
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
            ProviderName::Azure => {
                Arc::new(Azure::new(http, azure::Resource::of(account), admin()))
            }
            ProviderName::Bedrock => {
                let urls = (
                    account.url(bedrock::IAM_FIELD),
                    account.url(bedrock::VERIFY_FIELD),
                );
                let signer = Arc::clone(&self.aws);
                Arc::new(Bedrock::new(http, urls, &account.region(), signer))
            }
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
        let driver = built
            .entry(account.clone())
            .or_insert_with(|| self.build(configured));
        Ok(Arc::clone(driver))
    }

    fn pool(&self, account: &AccountName) -> Option<PoolSettings> {
        self.accounts.get(account)?.pool.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::CountingSource;
    use crate::http::testing::{TestClock, http, patient};

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
