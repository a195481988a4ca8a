use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::alarm::AlarmArn;
use keyward_core::model::kill_alarm::{FoundAlarm, KillAlarm};
use keyward_core::model::kill_order::{GoOnOrder, MonitorOrder};
use keyward_core::ports::{
    Held, InventoryError, KillAlarmError, KillAlarms, KillOrderError, KillOrders, Leases,
};
use keyward_core::usecases::monitor::MonitorPorts;

use super::{Gate, Lost, gated, gated_alarms, gated_metrics, gated_usage};

/// The same ports, each call passing `gate`. The clock does not.
pub fn gated_monitor(ports: &MonitorPorts, gate: &Arc<Gate>) -> MonitorPorts {
    MonitorPorts {
        ports: gated(&ports.ports, gate),
        usage: gated_usage(ports.usage.clone(), gate),
        leases: Arc::new(Gated {
            inner: ports.leases.clone(),
            gate: gate.clone(),
        }),
        metrics: gated_metrics(ports.metrics.clone(), gate),
        alarm_source: gated_alarms(ports.alarm_source.clone(), gate),
        alarms: Arc::new(Gated {
            inner: ports.alarms.clone(),
            gate: gate.clone(),
        }),
        kill_switch: Arc::new(Gated {
            inner: ports.kill_switch.clone(),
            gate: gate.clone(),
        }),
        deployment: ports.deployment.clone(),
    }
}

struct Gated<T: ?Sized> {
    gate: Arc<Gate>,
    inner: Arc<T>,
}

fn no_item<T>() -> Result<T, InventoryError> {
    Err(InventoryError::Unavailable(Box::new(Lost)))
}

fn no_alarm<T>() -> Result<T, KillAlarmError> {
    Err(KillAlarmError::Unavailable(Box::new(Lost)))
}

fn no_order() -> Result<(), KillOrderError> {
    Err(KillOrderError::Unavailable(Box::new(Lost)))
}

#[async_trait]
impl Leases for Gated<dyn Leases> {
    async fn take(
        &self,
        name: &str,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Held, InventoryError> {
        let call = self.inner.take(name, owner, now, until);
        self.gate.pass("leases.take", no_item, call).await
    }

    async fn renew(
        &self,
        name: &str,
        owner: &str,
        until: Timestamp,
    ) -> Result<Held, InventoryError> {
        let call = self.inner.renew(name, owner, until);
        self.gate.pass("leases.renew", no_item, call).await
    }

    async fn give_back(&self, name: &str, owner: &str) -> Result<(), InventoryError> {
        let call = self.inner.give_back(name, owner);
        self.gate.pass("leases.give_back", no_item, call).await
    }
}

#[async_trait]
impl KillAlarms for Gated<dyn KillAlarms> {
    async fn list(&self, prefix: &str) -> Result<Vec<FoundAlarm>, KillAlarmError> {
        let call = self.inner.list(prefix);
        self.gate.pass("alarms.list", no_alarm, call).await
    }

    async fn make(&self, alarm: &KillAlarm) -> Result<(), KillAlarmError> {
        let call = self.inner.make(alarm);
        self.gate.pass("alarms.make", no_alarm, call).await
    }

    async fn tag(&self, arn: &AlarmArn, alarm: &KillAlarm) -> Result<(), KillAlarmError> {
        let call = self.inner.tag(arn, alarm);
        self.gate.pass("alarms.tag", no_alarm, call).await
    }

    async fn remove(&self, arn: &AlarmArn) -> Result<(), KillAlarmError> {
        let call = self.inner.remove(arn);
        self.gate.pass("alarms.remove", no_alarm, call).await
    }
}

#[async_trait]
impl KillOrders for Gated<dyn KillOrders> {
    async fn kill(&self, order: &MonitorOrder) -> Result<(), KillOrderError> {
        let call = self.inner.kill(order);
        self.gate.pass("kill_switch.kill", no_order, call).await
    }

    async fn go_on(&self, order: &GoOnOrder) -> Result<(), KillOrderError> {
        let call = self.inner.go_on(order);
        self.gate.pass("kill_switch.go_on", no_order, call).await
    }
}
