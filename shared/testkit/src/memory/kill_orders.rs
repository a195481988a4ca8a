use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use keyward_core::model::kill_order::{GoOnOrder, MonitorOrder};
use keyward_core::ports::{KillOrderError, KillOrders};

/// Keeps every order, and carries none out.
#[derive(Debug, Default)]
pub struct MemoryKillOrders(Mutex<Given>);

#[derive(Debug, Default)]
struct Given {
    kills: Vec<MonitorOrder>,
    go_ons: Vec<GoOnOrder>,
    refuses: bool,
}

impl MemoryKillOrders {
    fn given(&self) -> MutexGuard<'_, Given> {
        self.0.lock().expect("not poisoned")
    }

    /// The kills that were ordered so far, in order.
    pub fn kills(&self) -> Vec<MonitorOrder> {
        self.given().kills.clone()
    }

    /// The incidents that were handed on so far, in order.
    pub fn go_ons(&self) -> Vec<GoOnOrder> {
        self.given().go_ons.clone()
    }

    /// From now on no order is taken.
    pub fn refuse(&self) {
        self.given().refuses = true;
    }

    fn take(&self, note: impl FnOnce(&mut Given)) -> Result<(), KillOrderError> {
        let mut given = self.given();
        if given.refuses {
            return Err(KillOrderError::Refused("AccessDenied".into()));
        }
        note(&mut given);
        Ok(())
    }
}

#[async_trait]
impl KillOrders for MemoryKillOrders {
    async fn kill(&self, order: &MonitorOrder) -> Result<(), KillOrderError> {
        self.take(|given| given.kills.push(order.clone()))
    }

    async fn go_on(&self, order: &GoOnOrder) -> Result<(), KillOrderError> {
        self.take(|given| given.go_ons.push(order.clone()))
    }
}
