//! Orders of `control` to the kill switch, as they arrive in a deployment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::SignedDuration;
use keyward_core::model::act_order::ActOrder;
use keyward_core::model::incident::OwnerId;
use keyward_core::ports::{ActOrderError, ActOrders, ActOutcome, Deadline};
use keyward_core::rules::revoke::ConfirmPolicy;
use keyward_core::usecases::Ports;
use keyward_core::usecases::kill::Invocation;
use keyward_core::usecases::kill_switch::KillSwitch;
use keyward_kill_switch::handle;
use keyward_testkit::memory::MemoryAlarms;
use serde_json::Value;

use super::deployment;

/// The kill switch's time-out.
const TIME: SignedDuration = SignedDuration::from_secs(60);

/// The kill switch's function in this process: each order is an event of its own.
pub struct OrderedFunction {
    switch: KillSwitch,
}

impl OrderedFunction {
    /// One that works on these ports.
    pub fn on(ports: &Ports) -> Arc<dyn ActOrders> {
        Arc::new(Self {
            switch: KillSwitch {
                ports: ports.clone(),
                alarms: Arc::new(MemoryAlarms::default()),
                deployment: deployment(),
                confirm: ConfirmPolicy::default(),
            },
        })
    }
}

#[async_trait]
impl ActOrders for OrderedFunction {
    async fn carry_out(&self, order: &ActOrder) -> Result<ActOutcome, ActOrderError> {
        static GIVEN: AtomicUsize = AtomicUsize::new(0);
        let number = GIVEN.fetch_add(1, Ordering::SeqCst);
        let invocation = Invocation {
            owner: OwnerId::new(&format!("order {number}")),
            deadline: Deadline(self.switch.ports.clock.now() + TIME),
        };
        let event = order.to_json(&self.switch.deployment.stack);
        let answer = handle(&self.switch, &event, &invocation).await;
        let answer = answer.map_err(|error| ActOrderError::Unknown(error.into()))?;
        let answer: Value = serde_json::to_value(answer).expect("an answer is JSON");
        ActOutcome::from_answer(order, &answer)
            .ok_or_else(|| ActOrderError::Refused("the order is not taken".into()))
    }
}
