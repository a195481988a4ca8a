//! What the agents of the sample fleet use, so that there is something to see.

use keyward_core::model::key::ApiKey;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::ProviderName;
use keyward_core::ports::VersionSelector;
use keyward_testkit::simulator::{Booking, Used};
use secrecy::ExposeSecret;

use super::Local;

/// A minute's work: about a cent, $13 to $17 a day where $20 are expected. The money is told where tokens are not.
const WORK: Used = Used {
    requests: 3,
    input: 2000,
    output: 400,
    cache_read: 0,
    cache_write: 0,
    cost: MicroDollars(9000),
};

impl Local {
    /// Every slot that is registered uses the key that its secret holds, for a minute. A key that is refused is not used.
    ///
    /// # Panics
    /// If the inventory or a secret cannot be read.
    pub async fn agents_work(&self) {
        let ports = &self.deployment.ports;
        for name in ports.inventory.slot_names().await.expect("slots") {
            let Some(slot) = ports.inventory.slot(&name).await.expect("a slot") else {
                continue;
            };
            let value = ports.secrets.value(&slot.secret, VersionSelector::Current);
            let Some((_, text)) = value.await.expect("a secret") else {
                continue;
            };
            let text = text.expose_secret();
            let key = self.deployment.key_at(slot.provider, text);
            if !self.deployment.accepts_at(slot.provider, &key) {
                continue;
            }
            let simulator = self.deployment.simulator_at(slot.provider);
            let booking = Booking {
                at: simulator.time(),
                model: model(slot.provider).to_owned(),
                used: WORK,
            };
            simulator.book(Some(&ApiKey::new(&key)), &booking);
        }
    }
}

/// A model that is priced.
const fn model(provider: ProviderName) -> &'static str {
    match provider {
        ProviderName::Anthropic => "claude-sonnet-4-5",
        ProviderName::OpenAi => "gpt-4o",
        _ => "openai/gpt-4o",
    }
}
