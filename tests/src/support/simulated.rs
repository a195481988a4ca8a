use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use keyward_aws::RequestSigner;
use keyward_core::model::key::{AdminKey, ApiKey};
use keyward_core::model::names::SecretArn;
use keyward_core::model::slot::{CredentialKind, ProviderName, Scope};
use keyward_core::ports::{Clock, KeyProvider, ProviderError, Providers};
use keyward_lambda::deployment::RoleSigner;
use keyward_lambda::http::{Http, HttpSettings as TlsSettings};
use keyward_providers::config::ProviderAccounts;
use keyward_providers::http::{Connections, HttpClient, HttpSettings, guard};
use keyward_providers::{AdminKeySource, ConfiguredProviders};
use keyward_testkit::contract::provider::ProviderWorld;
use keyward_testkit::memory::made_up_key;
use keyward_testkit::simulator::{AZURE_NAMES, Settings, Simulator};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{Backend, LiveKey};

/// A provider over real HTTP: the simulator, and the deployment's own drivers configured for it.
pub struct Simulated {
    /// The provider's side.
    pub simulator: Simulator,
    /// Keyward's side, as a deployment configures it, under the account `<provider>-main`.
    pub providers: Arc<ConfiguredProviders>,
    driver: Arc<dyn KeyProvider>,
}

/// The admin secret of an account that is configured here.
pub const ADMIN_SECRET: &str =
    "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/admin-a1B2c3";

/// Hands out the simulator's management key, as the admin secret of the account would.
struct ManagementKey(Simulator);

#[async_trait]
impl AdminKeySource for ManagementKey {
    async fn admin_key(&self, _: &SecretArn) -> Result<AdminKey, ProviderError> {
        Ok(self.0.management_key())
    }
}

/// The secret key and the session token of the functions' role, where the provider is AWS.
pub const ROLE: [&str; 2] = [
    "EXAMPLE/role/secret/key/0123456789abcdef",
    "EXAMPLE-role-session-token-0123456789abcdef",
];

/// The role of the functions, where the provider is AWS: its access key is the simulator's management key.
fn role_of(simulator: &Simulator) -> RequestSigner {
    let id = simulator.management_key().expose_secret().to_owned();
    let [secret, session] = ROLE.map(str::to_owned);
    let credentials = Credentials::new(id, secret, Some(session), None, "simulator");
    let config = SdkConfig::builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    RequestSigner::new(&config)
}

/// The simulator's account as a deployment configures it, with the ARNs of its admin secret and of its pool's. Functions that
/// only read have a secret of their own only where [`readable`] adds it.
pub fn account_entry(simulator: &Simulator, admin: &str, pool: &str) -> Value {
    let provider = simulator.settings().provider;
    let mut account = json!({
        "provider": provider,
        "base_url": simulator.base_url(),
        "admin_secret": admin,
        "allow_hosts": ["127.0.0.1"],
    });
    if provider.kind() == CredentialKind::Pool {
        account["pool_secret"] = json!(pool);
    }
    if provider == ProviderName::Bedrock {
        account = json!({
            "provider": provider,
            "region": "us-east-1",
            "iam_url": simulator.base_url(),
            "verify_url": simulator.base_url(),
            "allow_hosts": ["127.0.0.1"],
        });
    }
    if provider == ProviderName::Gemini {
        account["token_url"] = json!(format!("{}/token", simulator.base_url()));
        account["verify_url"] = json!(simulator.base_url());
    }
    if provider == ProviderName::Azure {
        for (field, value) in AZURE_NAMES {
            account[field] = json!(value);
        }
        for url in ["login_url", "verify_url"] {
            account[url] = json!(simulator.base_url());
        }
    }
    account
}

/// The same with the ARN of the secret for functions that only read, where the provider takes a credential.
pub fn readable(mut account: Value, read: &str) -> Value {
    if account.get("admin_secret").is_some() {
        account["read_secret"] = json!(read);
    }
    account
}

/// Time-outs short enough for a fault that never answers.
fn http_settings() -> HttpSettings {
    HttpSettings {
        timeout: Duration::from_secs(2),
        ..HttpSettings::default()
    }
}

impl Simulated {
    /// Starts a simulator, and configures the drivers for it.
    pub async fn start(clock: Arc<dyn Clock>, settings: Settings) -> Self {
        let simulator = Simulator::start(clock.clone(), settings).await;
        let admin = Arc::new(ManagementKey(simulator.clone()));
        Self::opened_by(simulator, clock, admin).await
    }

    /// Configures the drivers for a simulator, with the admin credential from `admin`.
    pub async fn opened_by(
        simulator: Simulator,
        clock: Arc<dyn Clock>,
        admin: Arc<dyn AdminKeySource>,
    ) -> Self {
        let provider = simulator.settings().provider;
        let name = format!("{provider}-main");
        let account = account_entry(
            &simulator,
            ADMIN_SECRET,
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/pool-a1B2c3",
        );
        let accounts = json!({ name.as_str(): account });
        let accounts = ProviderAccounts::from_json(&accounts.to_string()).unwrap();
        let tls = Http::new(&TlsSettings {
            extra_roots: None,
            timeout: http_settings().timeout,
        })
        .unwrap();
        let allowed = accounts.allowed_hosts();
        let guarded = |builder, connections| {
            guard(builder, connections, &http_settings(), &allowed)
                .build()
                .unwrap()
        };
        let http = HttpClient::new(
            guarded(tls.pooled_builder(), Connections::Pooled),
            guarded(tls.fresh_builder(), Connections::Fresh),
            clock,
            http_settings(),
            fastrand::Rng::with_seed(1),
        );
        let signer = Arc::new(RoleSigner(role_of(&simulator)));
        let providers = ConfiguredProviders::new(accounts, Arc::new(http), admin);
        let providers = Arc::new(providers.with_aws(signer));
        let name = name.parse().unwrap();
        let driver = providers.open(&name, provider).await.unwrap();
        Self {
            simulator,
            providers,
            driver,
        }
    }
}

impl Backend for Simulated {
    fn driver(&self) -> Arc<dyn KeyProvider> {
        self.driver.clone()
    }

    fn seed(&self, name: &str) -> String {
        if self.driver.abilities().provider != ProviderName::OpenRouter {
            return self.simulator.seed(name).expose_secret().to_owned();
        }
        let text = made_up_key(1000 + self.simulator.keys().len() as u64);
        self.simulator.seed_key(name, &ApiKey::new(&text));
        text
    }

    fn scope(&self) -> Scope {
        ProviderWorld::scope(&self.simulator)
    }

    fn accepts(&self, text: &str) -> bool {
        self.simulator.is_accepted(&ApiKey::new(text))
    }

    fn call(&self, text: &str) -> bool {
        let accepted = self.accepts(text);
        if accepted {
            let cent = keyward_core::model::money::MicroDollars(10_000);
            self.simulator.spend(&ApiKey::new(text), cent);
        }
        accepted
    }

    fn live(&self) -> Vec<LiveKey> {
        let texts: Vec<ApiKey> = self.simulator.secrets();
        let text_of = |print| texts.iter().find(|key| key.fingerprint() == print);
        let live = self
            .simulator
            .live_keys()
            .into_iter()
            .filter(|key| key.accepted);
        live.filter_map(|key| {
            let text = text_of(key.fingerprint)?.expose_secret().to_owned();
            Some(LiveKey {
                label: key.name,
                text,
                expires: key.expires,
            })
        })
        .collect()
    }
}
