use std::sync::Mutex;

use async_trait::async_trait;
use keyward_core::model::alert::{Alert, AlertKind};
use keyward_core::ports::{AlertError, Alerts};

/// Keeps every alert.
#[derive(Debug, Default)]
pub struct MemoryAlerts(Mutex<Vec<Alert>>);

impl MemoryAlerts {
    /// All alerts so far, in order.
    pub fn sent(&self) -> Vec<Alert> {
        self.0.lock().expect("not poisoned").clone()
    }

    /// The same, and none of them is kept.
    pub fn take(&self) -> Vec<Alert> {
        std::mem::take(&mut self.0.lock().expect("not poisoned"))
    }

    /// How many of one kind were sent.
    pub fn count(&self, kind: AlertKind) -> usize {
        self.sent()
            .iter()
            .filter(|alert| alert.kind == kind)
            .count()
    }
}

#[async_trait]
impl Alerts for MemoryAlerts {
    async fn send(&self, alert: &Alert) -> Result<(), AlertError> {
        self.0.lock().expect("not poisoned").push(alert.clone());
        Ok(())
    }
}
