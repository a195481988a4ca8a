//! Use cases: each reads facts, asks a rule, acts through ports and saves, so that it can run twice and be cut off
//! anywhere.

pub mod accept;
pub mod admin;
mod adopt;
pub mod apply;
pub mod audit;
pub mod cap;
pub mod discover;
pub mod doctor;
pub mod drill;
pub mod enforce;
pub mod expect;
mod find;
mod fleet;
pub mod history;
pub mod import;
pub mod keep_alarms;
pub mod keep_caps;
mod key_text;
pub mod kill;
pub mod kill_switch;
pub mod known_slot;
pub mod leak;
pub mod lockdown;
pub mod migrate;
pub mod monitor;
pub mod offboard;
pub mod orders;
pub mod pool;
pub mod prices;
pub mod register;
pub mod report;
pub mod restore;
pub mod retire;
pub mod rotate;
pub mod secret_changed;
mod several;
pub mod status;
pub mod survey;
mod unmake;

use std::sync::Arc;

use crate::model::alert::Alert;
use crate::model::names::{SecretArn, SecretVersionId, SlotName};
use crate::model::secret_document::SecretText;
use crate::ports::{
    Alerts, Clock, Inventory, Providers, SecretError, SecretStore, StandbyPools, VersionSelector,
};

/// The outside world of a use case.
#[derive(Clone)]
pub struct Ports {
    /// Secrets Manager.
    pub secrets: Arc<dyn SecretStore>,
    /// The inventory.
    pub inventory: Arc<dyn Inventory>,
    /// The standby pools of provider accounts.
    pub pools: Arc<dyn StandbyPools>,
    /// The provider accounts.
    pub providers: Arc<dyn Providers>,
    /// People.
    pub alerts: Arc<dyn Alerts>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// How often, and how far apart in seconds, a value that was just written is looked for.
const READ_AFTER_WRITE_WAITS: [i64; 4] = [1, 2, 4, 8];

impl Ports {
    /// Sends an alert, with the time if it has none. One that cannot be sent is logged and stops nothing; whether it went out is returned.
    pub(crate) async fn tell(&self, mut alert: Alert) -> bool {
        alert.at = alert.at.or_else(|| Some(self.clock.now()));
        let sent = self.alerts.send(&alert).await;
        if let Err(error) = &sent {
            tracing::error!(kind = ?alert.kind, slot = alert.slot.as_ref().map(SlotName::as_str), what = %alert.what, %error, "an alert was not sent");
        }
        sent.is_ok()
    }

    /// The value of one version, waiting out the gap between a write and its being readable.
    pub(crate) async fn value_written(
        &self,
        arn: &SecretArn,
        version: &SecretVersionId,
    ) -> Result<Option<SecretText>, SecretError> {
        for wait in READ_AFTER_WRITE_WAITS {
            if let Some((_, text)) = self
                .secrets
                .value(arn, VersionSelector::Id(version))
                .await?
            {
                return Ok(Some(text));
            }
            self.clock
                .sleep(jiff::SignedDuration::from_secs(wait))
                .await;
        }
        let last = self
            .secrets
            .value(arn, VersionSelector::Id(version))
            .await?;
        Ok(last.map(|(_, text)| text))
    }
}
