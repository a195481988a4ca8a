//! What stands around the functions of every deployment: emulated AWS, and providers.

use std::sync::{Arc, Mutex};

use keyward_aws::{DynamoInventory, SecretsManager, SnsAlerts};
use keyward_core::model::slot::{CredentialKind, ProviderName};
use keyward_core::usecases::Ports;
use keyward_lambda::clock::SystemClock;
use keyward_testkit::simulator::Settings;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{Deployment, Home, STACK};
use crate::emulators::{Ministack, Moto, Topic};
use crate::support::{Several, account_entry, readable};

/// Emulated AWS, and a simulated account of each provider.
pub(super) struct Parts {
    pub(super) moto: Moto,
    pub(super) ministack: Ministack,
    pub(super) providers: Several,
    client: aws_sdk_secretsmanager::Client,
}

/// What functions are told of their deployment.
pub(super) struct Place {
    /// The inventory's table.
    pub(super) table: String,
    /// Where people are told.
    pub(super) topic: Topic,
    /// The provider accounts as they are configured.
    pub(super) accounts: String,
    /// Where the functions run.
    pub(super) home: Home,
}

impl Parts {
    /// Starts everything; `None` where the emulators cannot be had.
    pub(super) async fn start(providers: &[ProviderName], settings: &Settings) -> Option<Self> {
        let (moto, ministack) = (Moto::start().await?, Ministack::start().await?);
        let client = aws_sdk_secretsmanager::Client::new(&moto.sdk_config().await);
        Some(Self {
            moto,
            ministack,
            providers: Several::start(providers, Arc::new(SystemClock), settings).await,
            client,
        })
    }

    /// The accounts as they are configured. Their credentials and pools are put into secrets.
    pub(super) async fn accounts(&self) -> String {
        let mut accounts = serde_json::Map::new();
        for each in self.providers.iter() {
            let provider = each.simulator.settings().provider;
            let name = format!("{provider}-main");
            let key = each.simulator.management_key();
            let secret = async |kind: &str, text: Option<&str>| {
                let create = self.client.create_secret();
                let create = create.name(format!("keyward/{STACK}/{kind}/{name}"));
                let created = create.set_secret_string(text.map(str::to_owned)).send();
                created.await.unwrap().arn.unwrap()
            };
            let admin = secret("admin", Some(key.expose_secret())).await;
            let read = secret("read", Some(key.expose_secret())).await;
            let pool = match provider.kind() {
                CredentialKind::Pool => secret("pool", None).await,
                CredentialKind::Minted | CredentialKind::Slots => String::new(),
            };
            let account = account_entry(&each.simulator, &admin, &pool);
            accounts.insert(name, readable(account, &read));
        }
        Value::Object(accounts).to_string()
    }

    /// The deployment in which these stand around functions that are told of `place`.
    pub(super) async fn around(self, place: Place) -> Deployment {
        let Self {
            moto,
            ministack,
            providers,
            client,
        } = self;
        let Place {
            table,
            topic,
            accounts,
            home,
        } = place;
        let aws = ministack.sdk_config().await;
        let inventory = Arc::new(DynamoInventory::new(&aws, &table));
        let ports = Ports {
            secrets: Arc::new(SecretsManager::new(&moto.sdk_config().await)),
            pools: inventory.clone(),
            inventory,
            providers: providers.providers(),
            alerts: Arc::new(SnsAlerts::new(&aws, &topic.arn)),
            clock: Arc::new(SystemClock),
        };
        Deployment {
            simulator: providers.at(ProviderName::OpenRouter).simulator.clone(),
            client,
            rotate: String::new(),
            kill_switch: String::new(),
            accounts,
            said: Mutex::default(),
            switches: Mutex::default(),
            table,
            home,
            moto,
            ports,
            ministack,
            providers,
            topic,
        }
    }
}
