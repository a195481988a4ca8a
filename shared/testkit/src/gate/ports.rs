use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::admin::AdminRecord;
use keyward_core::model::alarm::{AlarmArn, AlarmSettings, Change};
use keyward_core::model::alert::Alert;
use keyward_core::model::drill::Drill;
use keyward_core::model::incident::{Incident, TriggerId};
use keyward_core::model::key::Fingerprint;
use keyward_core::model::metric::KillScore;
use keyward_core::model::names::{AccountName, SecretArn, SecretVersionId, SlotName, StackName};
use keyward_core::model::pool::Pool;
use keyward_core::model::secret_document::SecretText;
use keyward_core::model::slot::{ProviderName, Slot};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::Version;
use keyward_core::ports::{
    Administered, AlarmError, AlarmSource, AlertError, Alerts, Due, Fence, Inventory,
    InventoryError, KeyProvider, Metrics, MetricsError, PoolSettings, ProviderError, Providers,
    RotationToken, SecretDescription, SecretError, SecretStore, StandbyPools, VersionSelector,
};
use keyward_core::usecases::Ports;

use super::provider::GatedProvider;
use super::{Gate, Lost, PROMOTE, PUT_PENDING};

/// The same ports, each call passing `gate`. The clock does not.
pub fn gated(ports: &Ports, gate: &Arc<Gate>) -> Ports {
    Ports {
        secrets: Arc::new(Gated {
            inner: ports.secrets.clone(),
            gate: gate.clone(),
        }),
        inventory: Arc::new(Gated {
            inner: ports.inventory.clone(),
            gate: gate.clone(),
        }),
        pools: Arc::new(Gated {
            inner: ports.pools.clone(),
            gate: gate.clone(),
        }),
        providers: Arc::new(Gated {
            inner: ports.providers.clone(),
            gate: gate.clone(),
        }),
        alerts: Arc::new(Gated {
            inner: ports.alerts.clone(),
            gate: gate.clone(),
        }),
        clock: ports.clock.clone(),
    }
}

struct Gated<T: ?Sized> {
    gate: Arc<Gate>,
    inner: Arc<T>,
}

fn no_secret<T>() -> Result<T, SecretError> {
    Err(SecretError::Unavailable(Box::new(Lost)))
}

fn no_item<T>() -> Result<T, InventoryError> {
    Err(InventoryError::Unavailable(Box::new(Lost)))
}

#[async_trait]
impl SecretStore for Gated<dyn SecretStore> {
    async fn describe(&self, id: &str) -> Result<SecretDescription, SecretError> {
        self.gate
            .pass("secrets.describe", no_secret, self.inner.describe(id))
            .await
    }

    async fn tagged(&self, slot: &SlotName) -> Result<Vec<SecretArn>, SecretError> {
        self.gate
            .pass("secrets.tagged", no_secret, self.inner.tagged(slot))
            .await
    }

    async fn value(
        &self,
        arn: &SecretArn,
        version: VersionSelector<'_>,
    ) -> Result<Option<(SecretVersionId, SecretText)>, SecretError> {
        self.gate
            .pass("secrets.value", no_secret, self.inner.value(arn, version))
            .await
    }

    async fn put_pending(
        &self,
        arn: &SecretArn,
        token: &SecretVersionId,
        rotation_token: Option<&RotationToken>,
        text: &SecretText,
    ) -> Result<(), SecretError> {
        let call = self.inner.put_pending(arn, token, rotation_token, text);
        let (inner, text) = (self.inner.clone(), text.clone());
        let (arn, token, rotation_token) = (arn.clone(), token.clone(), rotation_token.cloned());
        let arrival = async move {
            let rotation_token = rotation_token.as_ref();
            let _ = inner.put_pending(&arn, &token, rotation_token, &text).await;
        };
        self.gate
            .pass_or_delay(PUT_PENDING, no_secret, call, arrival)
            .await
    }

    async fn store(
        &self,
        arn: &SecretArn,
        version: &SecretVersionId,
        text: &SecretText,
    ) -> Result<(), SecretError> {
        let call = self.inner.store(arn, version, text);
        self.gate.pass("secrets.store", no_secret, call).await
    }

    async fn promote(
        &self,
        arn: &SecretArn,
        to: &SecretVersionId,
        from: Option<&SecretVersionId>,
    ) -> Result<(), SecretError> {
        let call = self.inner.promote(arn, to, from);
        let (inner, arn, to, from) = (self.inner.clone(), arn.clone(), to.clone(), from.cloned());
        let arrival = async move {
            let _ = inner.promote(&arn, &to, from.as_ref()).await;
        };
        self.gate
            .pass_or_delay(PROMOTE, no_secret, call, arrival)
            .await
    }

    async fn unstage_pending(
        &self,
        arn: &SecretArn,
        from: &SecretVersionId,
    ) -> Result<(), SecretError> {
        let call = self.inner.unstage_pending(arn, from);
        self.gate
            .pass("secrets.unstage_pending", no_secret, call)
            .await
    }

    async fn tag(&self, arn: &SecretArn, key: &str, value: &str) -> Result<(), SecretError> {
        self.gate
            .pass("secrets.tag", no_secret, self.inner.tag(arn, key, value))
            .await
    }

    async fn untag(&self, arn: &SecretArn, key: &str) -> Result<(), SecretError> {
        self.gate
            .pass("secrets.untag", no_secret, self.inner.untag(arn, key))
            .await
    }

    async fn rotate_now(
        &self,
        arn: &SecretArn,
        token: &SecretVersionId,
    ) -> Result<(), SecretError> {
        self.gate
            .pass(
                "secrets.rotate_now",
                no_secret,
                self.inner.rotate_now(arn, token),
            )
            .await
    }

    async fn schedule_deletion(
        &self,
        arn: &SecretArn,
        days: u16,
    ) -> Result<Option<Timestamp>, SecretError> {
        let call = self.inner.schedule_deletion(arn, days);
        self.gate
            .pass("secrets.schedule_deletion", no_secret, call)
            .await
    }
}

#[async_trait]
impl Inventory for Gated<dyn Inventory> {
    async fn slot(&self, name: &SlotName) -> Result<Option<Slot>, InventoryError> {
        self.gate
            .pass("inventory.slot", no_item, self.inner.slot(name))
            .await
    }

    async fn versions(&self, slot: &SlotName) -> Result<Vec<Version>, InventoryError> {
        self.gate
            .pass("inventory.versions", no_item, self.inner.versions(slot))
            .await
    }

    async fn create_slot(
        &self,
        slot: &Slot,
        current: Option<&Version>,
    ) -> Result<(), InventoryError> {
        let call = self.inner.create_slot(slot, current);
        self.gate.pass("inventory.create_slot", no_item, call).await
    }

    async fn save_slot(&self, slot: &Slot) -> Result<(), InventoryError> {
        self.gate
            .pass("inventory.save_slot", no_item, self.inner.save_slot(slot))
            .await
    }

    async fn add_version(&self, version: &Version, fence: Fence) -> Result<(), InventoryError> {
        let call = self.inner.add_version(version, fence);
        self.gate.pass("inventory.add_version", no_item, call).await
    }

    async fn save_versions(
        &self,
        versions: &[Version],
        fence: Fence,
    ) -> Result<(), InventoryError> {
        let call = self.inner.save_versions(versions, fence);
        self.gate
            .pass("inventory.save_versions", no_item, call)
            .await
    }

    async fn end_drill(&self, slot: &Slot, drill: &Drill) -> Result<(), InventoryError> {
        let call = self.inner.end_drill(slot, drill);
        self.gate.pass("inventory.end_drill", no_item, call).await
    }

    async fn drills(&self, slot: &SlotName) -> Result<Vec<Drill>, InventoryError> {
        self.gate
            .pass("inventory.drills", no_item, self.inner.drills(slot))
            .await
    }

    async fn open_incident(
        &self,
        incident: &Incident,
        slot: &Slot,
        versions: &[Version],
    ) -> Result<(), InventoryError> {
        let call = self.inner.open_incident(incident, slot, versions);
        self.gate
            .pass("inventory.open_incident", no_item, call)
            .await
    }

    async fn save_incident(&self, incident: &Incident) -> Result<(), InventoryError> {
        let call = self.inner.save_incident(incident);
        self.gate
            .pass("inventory.save_incident", no_item, call)
            .await
    }

    async fn follow_up(&self, incident: &Incident) -> Result<(), InventoryError> {
        let call = self.inner.follow_up(incident);
        self.gate.pass("inventory.follow_up", no_item, call).await
    }

    async fn attach_trigger(
        &self,
        incident: &Incident,
        trigger: &TriggerId,
    ) -> Result<(), InventoryError> {
        let call = self.inner.attach_trigger(incident, trigger);
        self.gate
            .pass("inventory.attach_trigger", no_item, call)
            .await
    }

    async fn incident(&self, id: &str) -> Result<Option<Incident>, InventoryError> {
        self.gate
            .pass("inventory.incident", no_item, self.inner.incident(id))
            .await
    }

    async fn incident_of_slot(&self, slot: &SlotName) -> Result<Option<Incident>, InventoryError> {
        let call = self.inner.incident_of_slot(slot);
        self.gate
            .pass("inventory.incident_of_slot", no_item, call)
            .await
    }

    async fn incident_of_trigger(
        &self,
        trigger: &TriggerId,
    ) -> Result<Option<Incident>, InventoryError> {
        let call = self.inner.incident_of_trigger(trigger);
        self.gate
            .pass("inventory.incident_of_trigger", no_item, call)
            .await
    }

    async fn holder(&self, fingerprint: &Fingerprint) -> Result<Option<SlotName>, InventoryError> {
        self.gate
            .pass("inventory.holder", no_item, self.inner.holder(fingerprint))
            .await
    }

    async fn slot_names(&self) -> Result<Vec<SlotName>, InventoryError> {
        self.gate
            .pass("inventory.slot_names", no_item, self.inner.slot_names())
            .await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Due>, InventoryError> {
        self.gate
            .pass("inventory.due", no_item, self.inner.due(now, limit))
            .await
    }

    async fn admin(&self, account: &AccountName) -> Result<Option<AdminRecord>, InventoryError> {
        self.gate
            .pass("inventory.admin", no_item, self.inner.admin(account))
            .await
    }

    async fn save_admin(&self, record: &AdminRecord) -> Result<(), InventoryError> {
        let call = self.inner.save_admin(record);
        self.gate.pass("inventory.save_admin", no_item, call).await
    }
}

#[async_trait]
impl StandbyPools for Gated<dyn StandbyPools> {
    async fn pool(&self, account: &AccountName) -> Result<Option<Pool>, InventoryError> {
        self.gate
            .pass("pools.pool", no_item, self.inner.pool(account))
            .await
    }

    async fn save_pool(&self, pool: &Pool) -> Result<(), InventoryError> {
        self.gate
            .pass("pools.save_pool", no_item, self.inner.save_pool(pool))
            .await
    }

    async fn draw(
        &self,
        pool: &Pool,
        version: &Version,
        fence: Fence,
    ) -> Result<(), InventoryError> {
        let call = self.inner.draw(pool, version, fence);
        self.gate.pass("pools.draw", no_item, call).await
    }
}

/// The same source of alarms, each call passing `gate`.
pub fn gated_alarms(alarms: Arc<dyn AlarmSource>, gate: &Arc<Gate>) -> Arc<dyn AlarmSource> {
    Arc::new(Gated {
        gate: gate.clone(),
        inner: alarms,
    })
}

fn not_asked<T>() -> Result<T, AlarmError> {
    Err(AlarmError::CouldNotAsk(Box::new(Lost)))
}

#[async_trait]
impl AlarmSource for Gated<dyn AlarmSource> {
    async fn tags(&self, alarm: &AlarmArn) -> Result<BTreeMap<String, String>, AlarmError> {
        let call = self.inner.tags(alarm);
        self.gate.pass("alarms.tags", not_asked, call).await
    }

    async fn changes(
        &self,
        alarm: &AlarmArn,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Change>, AlarmError> {
        let call = self.inner.changes(alarm, from, to);
        self.gate.pass("alarms.changes", not_asked, call).await
    }

    async fn settings(&self, alarm: &AlarmArn) -> Result<AlarmSettings, AlarmError> {
        let call = self.inner.settings(alarm);
        self.gate.pass("alarms.settings", not_asked, call).await
    }
}

/// The same metrics, each call passing `gate`.
pub fn gated_metrics(metrics: Arc<dyn Metrics>, gate: &Arc<Gate>) -> Arc<dyn Metrics> {
    Arc::new(Gated {
        gate: gate.clone(),
        inner: metrics,
    })
}

fn not_put() -> Result<(), MetricsError> {
    Err(MetricsError::Unavailable(Box::new(Lost)))
}

#[async_trait]
impl Metrics for Gated<dyn Metrics> {
    async fn put_scores(
        &self,
        stack: &StackName,
        scores: &[KillScore],
    ) -> Result<(), MetricsError> {
        let call = self.inner.put_scores(stack, scores);
        self.gate.pass("metrics.put_scores", not_put, call).await
    }

    async fn beat(&self, stack: &StackName, at: Timestamp) -> Result<(), MetricsError> {
        let call = self.inner.beat(stack, at);
        self.gate.pass("metrics.beat", not_put, call).await
    }
}

#[async_trait]
impl Alerts for Gated<dyn Alerts> {
    async fn send(&self, alert: &Alert) -> Result<(), AlertError> {
        let lost = || Err(AlertError(Box::new(Lost)));
        self.gate
            .pass("alerts.send", lost, self.inner.send(alert))
            .await
    }
}

#[async_trait]
impl Providers for Gated<dyn Providers> {
    async fn open(
        &self,
        account: &AccountName,
        provider: ProviderName,
    ) -> Result<Arc<dyn KeyProvider>, ProviderError> {
        let lost = || Err(no_answer());
        let call = self.inner.open(account, provider);
        let inner = self.gate.pass("providers.open", lost, call).await?;
        Ok(Arc::new(GatedProvider {
            gate: self.gate.clone(),
            inner,
        }))
    }

    fn pool(&self, account: &AccountName) -> Option<PoolSettings> {
        self.inner.pool(account)
    }

    fn pools(&self) -> Vec<AccountName> {
        self.inner.pools()
    }

    fn missing_credentials(&self, account: &AccountName) -> Vec<&'static str> {
        self.inner.missing_credentials(account)
    }

    fn administered(&self) -> Vec<Administered> {
        self.inner.administered()
    }
}

/// What a caller sees of a provider call whose answer was lost.
pub(crate) fn no_answer() -> ProviderError {
    ProviderError::RetryAfter {
        after: None,
        detail: OutsideText::new("the answer was lost"),
    }
}
