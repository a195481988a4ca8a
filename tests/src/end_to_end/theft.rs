//! What a thief spends with a key that is not theirs.

use jiff::SignedDuration;
use keyward_core::model::key::ApiKey;
use keyward_core::model::slot::ProviderName;
use keyward_testkit::simulator::{Booking, Used};

use super::Deployment;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

impl Deployment {
    /// What was used of a model that costs $10 for a million tokens written, `ago` before now.
    pub fn spend(&self, provider: ProviderName, key: &str, output: u64, ago: SignedDuration) {
        let simulator = self.simulator_at(provider);
        let booking = Booking {
            at: simulator.time() - ago,
            model: "gpt-4o".to_owned(),
            used: Used {
                requests: 20,
                input: 1000,
                output,
                ..Used::default()
            },
        };
        simulator.book(Some(&ApiKey::new(key)), &booking);
    }

    /// $300 within the last minutes, at a slot that expects $20 a day.
    pub fn steal(&self, provider: ProviderName, key: &str) {
        for ago in 0..3 {
            self.spend(provider, key, 10_000_000, MINUTE * ago);
        }
    }
}
