//! Agents at work while keys are rotated.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyward_core::model::key::KeyFormat;
use keyward_core::model::secret_document::{SecretDocument, SecretText};
use keyward_core::model::slot::ProviderName;
use secrecy::ExposeSecret;
use tokio::task::JoinHandle;

use super::{Deployment, Secret};
use crate::emulators::http_client;
use crate::support::{Backend as _, agent_call};

/// How long an agent works on one answer.
const BETWEEN_CALLS: Duration = Duration::from_millis(100);

/// One agent for each secret, each calling with the key that it fetched last, until dropped.
pub struct Agents {
    keys: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Agents {
    /// Starts the agents of `secrets`.
    pub async fn start(deployment: &Deployment, secrets: &[&Secret]) -> Self {
        let keys = Arc::new(Mutex::new(deployment.keys(secrets).await));
        let (held, http) = (keys.clone(), http_client());
        let provider = deployment.simulator.clone();
        let task = tokio::spawn(async move {
            loop {
                let keys = held.lock().unwrap().clone();
                for key in keys {
                    agent_call(&http, &provider, &key).await;
                }
                tokio::time::sleep(BETWEEN_CALLS).await;
            }
        });
        Self { keys, task }
    }

    /// Every agent fetches its key, and has called with it when this returns.
    pub async fn fetch(&self, deployment: &Deployment, secrets: &[&Secret]) {
        let keys = deployment.keys(secrets).await;
        *self.keys.lock().unwrap() = keys;
        let before = deployment.simulator.agent_calls().len();
        // A round may have begun with the keys that were held before.
        let rounds = 2 * secrets.len();
        deployment
            .until("the agents' calls", async || {
                deployment.simulator.agent_calls().len() > before + rounds
            })
            .await;
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An agent at any provider, which calls with the key that it fetched last, until dropped.
pub struct Agent {
    provider: ProviderName,
    key: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Agent {
    /// Starts the agent of a secret.
    pub async fn start(deployment: &Deployment, provider: ProviderName, secret: &Secret) -> Self {
        let key = deployment.key_at(provider, &deployment.current(secret).await);
        let key = Arc::new(Mutex::new(key));
        let (held, simulator) = (key.clone(), deployment.simulator_at(provider).clone());
        let task = tokio::spawn(async move {
            let http = http_client();
            loop {
                let key = held.lock().unwrap().clone();
                agent_call(&http, &simulator, &key).await;
                tokio::time::sleep(BETWEEN_CALLS).await;
            }
        });
        Self {
            provider,
            key,
            task,
        }
    }

    /// Fetches its key anew, and has called with it when this returns.
    pub async fn fetch(&self, deployment: &Deployment, secret: &Secret) {
        let key = deployment.key_at(self.provider, &deployment.current(secret).await);
        *self.key.lock().unwrap() = key;
        let simulator = deployment.simulator_at(self.provider);
        let before = simulator.agent_calls().len();
        // A call may have begun with the key that was held before.
        let called = async || simulator.agent_calls().len() > before + 2;
        deployment.until("the agent's calls", called).await;
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An agent that fetches its key every so often, and at once where it was refused; it works until dropped.
pub struct RefreshingAgent {
    task: JoinHandle<()>,
}

impl RefreshingAgent {
    /// How many calls it makes with a key before it fetches it anew.
    const CALLS: usize = 4;

    /// How long it works on one answer.
    const BETWEEN_CALLS: Duration = Duration::from_millis(500);

    /// Starts the agent of a secret.
    pub fn start(deployment: &Deployment, provider: ProviderName, secret: &Secret) -> Self {
        let simulator = deployment.simulator_at(provider).clone();
        let (client, arn) = (deployment.client.clone(), secret.arn.clone());
        let format = deployment.providers.at(provider);
        let format = format.driver().abilities().format;
        let task = tokio::spawn(async move {
            let http = http_client();
            loop {
                let value = client.get_secret_value().secret_id(arn.as_str());
                let value = value.send().await.unwrap();
                let key = key_of(value.secret_string().unwrap(), &format);
                for _ in 0..Self::CALLS {
                    let status = agent_call(&http, &simulator, &key).await;
                    tokio::time::sleep(Self::BETWEEN_CALLS).await;
                    if !status.is_some_and(|status| status.is_success()) {
                        break;
                    }
                }
            }
        });
        Self { task }
    }
}

impl Drop for RefreshingAgent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn key_of(text: &str, format: &KeyFormat) -> String {
    let document = SecretDocument::parse(&SecretText::new(text.to_owned()), format).unwrap();
    document.key().expose_secret().to_owned()
}

impl Deployment {
    async fn keys(&self, secrets: &[&Secret]) -> Vec<String> {
        let mut keys = Vec::new();
        for secret in secrets {
            keys.push(self.key_in(&self.current(secret).await));
        }
        keys
    }

    /// The key in a secret's text.
    pub fn key_in(&self, text: &str) -> String {
        self.key_at(ProviderName::OpenRouter, text)
    }

    /// The key of a given provider in a secret's text.
    pub fn key_at(&self, provider: ProviderName, text: &str) -> String {
        let format = self.providers.at(provider).driver().abilities().format;
        key_of(text, &format)
    }
}
