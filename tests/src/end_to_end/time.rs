//! Time that passes for the records: the functions' own clock is the real one.

use jiff::{SignedDuration, Timestamp};
use keyward_aws::DynamoInventory;
use keyward_core::model::names::{AccountName, SlotName};
use keyward_core::model::slot::Slot;
use keyward_core::model::version::Version;
use keyward_core::ports::{Fence, InventoryError, UsageStore as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Deployment, Secret};

/// How often a record is written at most that somebody else writes too.
const TRIES: usize = 50;

/// The one time that is the provider's, and stays.
const PROVIDERS_OWN: &str = "expires";

impl Deployment {
    /// Writes the records of all slots of `secrets` as if all that happened had happened so much earlier.
    pub async fn pass(&self, secrets: &[&Secret], duration: SignedDuration) {
        for secret in secrets {
            self.pass_for(&secret.slot, duration).await;
        }
    }

    /// Writes what the monitor remembers of an account and a slot as if it had been so much earlier: its next run finds
    /// itself so much later. It does so whatever process it runs in, since a process that finds another's reading in the
    /// store drops what it holds.
    pub async fn pass_for_monitor(
        &self,
        account: &AccountName,
        slot: &SlotName,
        duration: SignedDuration,
    ) {
        let store = DynamoInventory::new(&self.ministack.sdk_config().await, &self.table);
        let read = store.account(account).await.unwrap().unwrap();
        store.save_account(&earlier(&read, duration)).await.unwrap();
        let mut watch = store.baseline(slot).await.unwrap().unwrap();
        let memory: Value = serde_json::from_str(&watch.memory).unwrap();
        watch.memory = earlier(&memory, duration).to_string();
        store.save_baseline(&watch).await.unwrap();
    }

    async fn pass_for(&self, name: &SlotName, duration: SignedDuration) {
        let inventory = &self.ports.inventory;
        written(async || {
            let slot: Slot = earlier(&self.slot(name).await, duration);
            inventory.save_slot(&slot).await
        })
        .await;
        written(async || {
            let versions = self.versions(name).await;
            let versions: Vec<Version> = versions.iter().map(|v| earlier(v, duration)).collect();
            inventory.save_versions(&versions, Fence::None).await
        })
        .await;
    }
}

/// Reads and writes, and again where a function that its schedule woke wrote in between.
async fn written(write: impl AsyncFn() -> Result<(), InventoryError>) {
    for _ in 0..TRIES {
        match write().await {
            Err(InventoryError::Conflict) => {}
            result => return result.unwrap(),
        }
    }
    panic!("somebody else wrote first, {TRIES} times");
}

pub(super) fn earlier<T: Serialize + DeserializeOwned>(record: &T, duration: SignedDuration) -> T {
    let mut value = serde_json::to_value(record).unwrap();
    move_back(&mut value, duration);
    serde_json::from_value(value).unwrap()
}

fn move_back(value: &mut Value, duration: SignedDuration) {
    match value {
        Value::String(text) => {
            if let Ok(time) = text.parse::<Timestamp>() {
                *text = (time - duration).to_string();
            }
        }
        Value::Object(fields) => {
            let own = fields.iter_mut().filter(|(name, _)| *name != PROVIDERS_OWN);
            own.for_each(|(_, field)| move_back(field, duration));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_back(item, duration)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
