use std::sync::Arc;

use jiff::Timestamp;
use keyward_core::model::key::AdminKey;
use keyward_core::ports::{AdminCredentials, KeyProvider};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract::admins::{AdminSubject, Spoiled};
use keyward_testkit::simulator::{Body, Fault, FaultRule, Settings, Simulator};

use super::{Backend as _, Simulated};

/// Where OpenAI's admin keys are.
const ALL: &str = "/organization/admin_api_keys";
const ONE: &str = "/organization/admin_api_keys/*";

/// A driver that makes admin credentials, and its provider over HTTP, as their suite needs it.
pub struct Admins {
    /// The provider's side.
    pub simulator: Simulator,
    driver: Arc<dyn KeyProvider>,
}

impl Admins {
    /// Starts the provider, which lists two on a page; `None` where the driver makes no admin credentials.
    pub async fn start(settings: &Settings) -> Option<Self> {
        let settings = Settings {
            page_size: 2,
            ..settings.clone()
        };
        let simulated = Simulated::start(Arc::new(ManualClock::start()), settings).await;
        let driver = simulated.driver();
        driver.admin().is_some().then(|| Self {
            simulator: simulated.simulator.clone(),
            driver: driver.clone(),
        })
    }
}

impl AdminSubject for Admins {
    fn admins(&self) -> &dyn AdminCredentials {
        self.driver.admin().expect("its provider makes them")
    }

    fn first(&self) -> AdminKey {
        self.simulator.management_key()
    }

    fn now(&self) -> Timestamp {
        self.simulator.time()
    }

    fn spoil(&self, how: Spoiled) {
        let rule = |method, path, fault: Fault| {
            self.simulator
                .inject(FaultRule::on(method, path, fault).always());
        };
        match how {
            Spoiled::LostMints => rule("POST", ALL, Fault::lost_after()),
            Spoiled::UnreadableMints => rule("POST", ALL, Fault::truncated().after_effect()),
            Spoiled::UnreadableLists => rule("GET", ALL, Fault::truncated()),
            Spoiled::LostRevoke => {
                self.simulator
                    .inject(FaultRule::on("DELETE", ONE, Fault::lost_after()))
            }
            Spoiled::Overloaded => {
                for path in [ALL, ONE] {
                    rule("", path, Fault::status(503, Body::Html));
                }
            }
        }
    }

    fn mend(&self) {
        self.simulator.clear_faults();
    }

    fn creates(&self) -> usize {
        self.simulator.requests_to("POST", ALL).len()
    }
}
