use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::SignedDuration;
use keyward_core::model::act_order::ActOrder;
use keyward_core::model::incident::OwnerId;
use keyward_core::model::names::StackName;
use keyward_core::ports::{ActOrderError, ActOrders, ActOutcome, Deadline};
use keyward_core::usecases::Ports;
use keyward_core::usecases::kill::Invocation;
use keyward_core::usecases::kill_switch::carry_out;
use serde_json::Value;

/// The kill switch's time-out.
const TIME: SignedDuration = SignedDuration::from_secs(60);

/// A kill switch in this process that carries every order out on ports of its own. Orders and outcomes go through their
/// JSON, as between functions.
pub struct KillSwitchHere {
    ports: Ports,
    stack: StackName,
}

/// Of all switches of this process: no two invocations are the same.
static GIVEN: AtomicUsize = AtomicUsize::new(0);

impl KillSwitchHere {
    /// One that works on these ports.
    pub fn on(ports: &Ports) -> Self {
        Self {
            ports: ports.clone(),
            stack: "here".parse().expect("a stack's name"),
        }
    }
}

#[async_trait]
impl ActOrders for KillSwitchHere {
    async fn carry_out(&self, order: &ActOrder) -> Result<ActOutcome, ActOrderError> {
        let number = GIVEN.fetch_add(1, Ordering::SeqCst);
        let now = self.ports.clock.now();
        let invocation = Invocation {
            owner: OwnerId::new(&format!("kill-switch/order {number}")),
            deadline: Deadline(now + TIME),
        };
        let sent = order.to_json(&self.stack).to_string();
        let sent: Value = serde_json::from_str(&sent).expect("an order is JSON");
        let (_, read) = ActOrder::from_json(&sent).expect("an order is read as it was sent");
        let outcome = carry_out(&self.ports, &read, &invocation).await;
        let answer = outcome.to_answer(&read).to_string();
        let answer: Value = serde_json::from_str(&answer).expect("an answer is JSON");
        let outcome = ActOutcome::from_answer(order, &answer);
        Ok(outcome.expect("an answer is read as it was given"))
    }
}
