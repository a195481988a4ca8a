//! A whole deployment: the built binaries as functions, emulated AWS around them, a provider over HTTP.
//!
//! Secrets Manager and the functions are on moto; the inventory and the alerts on ministack; the provider is a
//! simulator on the real clock. The functions are configured by environment variables, as a deployment configures them.

mod admin;
mod agents;
mod audit;
mod checks;
mod cloudwatch;
mod functions;
mod kill_switch;
mod monitor;
mod offboard;
mod parts;
mod remains;
mod secrets;
mod stack;
mod theft;
mod time;

use std::sync::Mutex;
use std::time::Duration;

use keyward_aws::create_table;
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::{ProviderName, Scope, Slot};
use keyward_core::model::version::{Version, VersionState};
use keyward_core::usecases::Ports;
use keyward_testkit::simulator::{Settings, Simulator};
use serde_json::Value;

use crate::emulators::{Ministack, Moto, Topic};
use crate::support::{Backend as _, Several, THREE};
pub use admin::MINTED;
pub use agents::{Agent, Agents, RefreshingAgent};
pub use audit::{FILES, REPORTS};
pub use cloudwatch::CloudWatch;
pub use functions::{Failed, ROTATION_TOKEN};
pub(crate) use kill_switch::CONTROL;
pub use kill_switch::{Guard, STACK};
pub use monitor::{NOWHERE, alarm_of};
use parts::{Parts, Place};
pub use secrets::Secret;
pub use stack::ADDED;
use stack::Home;

/// The inventory's table of a deployment that was made by hand.
pub const TABLE: &str = "keyward";

/// How often, and how long, something that another process does is looked for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
const LOOK_FOR: Duration = Duration::from_secs(300);

/// A deployment that runs.
pub struct Deployment {
    /// Secrets Manager and the functions.
    pub moto: Moto,
    /// The provider that most tests are about: OpenRouter.
    pub simulator: Simulator,
    /// What registering needs, and what tests look at.
    pub ports: Ports,
    /// The inventory and the alerts.
    pub ministack: Ministack,
    pub(crate) providers: Several,
    topic: Topic,
    client: aws_sdk_secretsmanager::Client,
    rotate: String,
    kill_switch: String,
    said: Mutex<Said>,
    switches: Mutex<Vec<String>>,
    /// The provider accounts as the functions have them.
    pub accounts: String,
    /// The inventory's table.
    pub table: String,
    home: Home,
}

/// What came out of the functions so far, beside their logs.
#[derive(Debug, Default)]
struct Said {
    answers: Vec<Value>,
    alerts: Vec<Value>,
}

impl Deployment {
    /// Starts everything, with three providers; `None` where the emulators cannot be had.
    pub async fn start() -> Option<Self> {
        Self::at(&THREE).await
    }

    /// The same with these providers, OpenRouter among them.
    pub async fn at(providers: &[ProviderName]) -> Option<Self> {
        let parts = Parts::start(providers, &Settings::default()).await?;
        let dynamo = aws_sdk_dynamodb::Client::new(&parts.ministack.sdk_config().await);
        create_table(&dynamo, TABLE).await.unwrap();
        let place = Place {
            table: TABLE.to_owned(),
            topic: Topic::create(&parts.ministack, "alerts").await,
            accounts: parts.accounts().await,
            home: Home::Moto,
        };
        let mut deployment = parts.around(place).await;
        deployment.deploy().await;
        Some(deployment)
    }

    /// A key that a person made at the provider.
    pub fn seed(&self, name: &str) -> String {
        self.seed_at(ProviderName::OpenRouter, name)
    }

    /// A given provider.
    pub fn simulator_at(&self, provider: ProviderName) -> &Simulator {
        &self.providers.at(provider).simulator
    }

    /// Where keys are made at a given provider.
    pub fn scope_at(&self, provider: ProviderName) -> Scope {
        self.providers.at(provider).scope()
    }

    /// The same at a given provider.
    pub fn seed_at(&self, provider: ProviderName, name: &str) -> String {
        self.providers.at(provider).seed(name)
    }

    /// The slot's record.
    pub async fn slot(&self, name: &SlotName) -> Slot {
        let slot = self.ports.inventory.slot(name).await.unwrap();
        slot.unwrap()
    }

    /// The slot's versions, oldest first.
    pub async fn versions(&self, name: &SlotName) -> Vec<Version> {
        self.ports.inventory.versions(name).await.unwrap()
    }

    /// The slot's one version in `state`.
    ///
    /// # Panics
    /// If there is none, or several.
    pub async fn version(&self, name: &SlotName, state: VersionState) -> Version {
        let versions = self.versions(name).await;
        let mut found = versions.iter().filter(|v| v.state == state);
        match (found.next(), found.next()) {
            (Some(version), None) => version.clone(),
            _ => panic!("not one version is {state:?}: {versions:#?}"),
        }
    }

    /// Looks until `seen` says so.
    ///
    /// # Panics
    /// If it does not for so long that it never will.
    pub async fn until(&self, what: &str, seen: impl AsyncFn() -> bool) {
        let look = async {
            while !seen().await {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        };
        if tokio::time::timeout(LOOK_FOR, look).await.is_err() {
            panic!(
                "{what} was never seen; rotate said:\n{}",
                self.log("rotate")
            );
        }
    }

    /// Waits for the key that comes after a slot's first kill.
    pub async fn until_replaced(&self, slot: &SlotName) {
        self.until("the replacement", async || {
            let versions = self.versions(slot).await;
            versions
                .iter()
                .any(|v| v.state == VersionState::Current && v.epoch.0 == 1)
        })
        .await;
    }
}
