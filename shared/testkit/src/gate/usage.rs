use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::model::names::{AccountName, ReporterId, SlotName};
use keyward_core::model::told::ToldHour;
use keyward_core::model::usage_items::{AccountUsage, StoredWatch, UsageHour};
use keyward_core::ports::{InventoryError, UsageStore};

use super::{Gate, Lost};

/// The same store, each call passing `gate`.
pub fn gated_usage(store: Arc<dyn UsageStore>, gate: &Arc<Gate>) -> Arc<dyn UsageStore> {
    Arc::new(Gated {
        inner: store,
        gate: gate.clone(),
    })
}

struct Gated {
    inner: Arc<dyn UsageStore>,
    gate: Arc<Gate>,
}

fn lost<T>() -> Result<T, InventoryError> {
    Err(InventoryError::Unavailable(Box::new(Lost)))
}

#[async_trait]
impl UsageStore for Gated {
    async fn hours(
        &self,
        slot: &SlotName,
        from: u32,
        until: u32,
    ) -> Result<Vec<UsageHour>, InventoryError> {
        let call = self.inner.hours(slot, from, until);
        self.gate.pass("usage.hours", lost, call).await
    }

    async fn save_hour(&self, hour: &UsageHour) -> Result<(), InventoryError> {
        let call = self.inner.save_hour(hour);
        self.gate.pass("usage.save_hour", lost, call).await
    }

    async fn told(
        &self,
        slot: &SlotName,
        from: u32,
        until: u32,
        most: usize,
    ) -> Result<Vec<ToldHour>, InventoryError> {
        let call = self.inner.told(slot, from, until, most);
        self.gate.pass("usage.told", lost, call).await
    }

    async fn told_by(
        &self,
        slot: &SlotName,
        hour: u32,
        reporter: &ReporterId,
    ) -> Result<Option<ToldHour>, InventoryError> {
        let call = self.inner.told_by(slot, hour, reporter);
        self.gate.pass("usage.told_by", lost, call).await
    }

    async fn save_told(&self, told: &ToldHour) -> Result<(), InventoryError> {
        let call = self.inner.save_told(told);
        self.gate.pass("usage.save_told", lost, call).await
    }

    async fn account(&self, account: &AccountName) -> Result<Option<AccountUsage>, InventoryError> {
        let call = self.inner.account(account);
        self.gate.pass("usage.account", lost, call).await
    }

    async fn save_account(&self, account: &AccountUsage) -> Result<(), InventoryError> {
        let call = self.inner.save_account(account);
        self.gate.pass("usage.save_account", lost, call).await
    }

    async fn baseline(&self, slot: &SlotName) -> Result<Option<StoredWatch>, InventoryError> {
        let call = self.inner.baseline(slot);
        self.gate.pass("usage.baseline", lost, call).await
    }

    async fn save_baseline(&self, baseline: &StoredWatch) -> Result<(), InventoryError> {
        let call = self.inner.save_baseline(baseline);
        self.gate.pass("usage.save_baseline", lost, call).await
    }

    async fn prices(&self) -> Result<Option<String>, InventoryError> {
        self.gate
            .pass("usage.prices", lost, self.inner.prices())
            .await
    }

    async fn save_prices(&self, json: &str) -> Result<(), InventoryError> {
        let call = self.inner.save_prices(json);
        self.gate.pass("usage.save_prices", lost, call).await
    }
}
