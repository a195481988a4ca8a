//! Cases for the function that carries them on, by invoking it.

use async_trait::async_trait;
use aws_config::SdkConfig;
use keyward_core::model::SCHEMA;
use keyward_core::model::kill_order::MonitorOrder;
use keyward_core::model::names::StackName;
use keyward_core::model::offboarding::OffboardingId;
use keyward_core::ports::{KillOrderError, OffboardOrders};
use serde_json::json;

use crate::kill_orders::KillSwitchFunction;

/// The offboarding as a Lambda function.
#[derive(Debug, Clone)]
pub struct OffboardFunction {
    function: KillSwitchFunction,
    stack: StackName,
}

impl OffboardFunction {
    /// The function with this ARN, in the account and region of `config`, for orders of `stack`.
    pub fn new(config: &SdkConfig, function: &str, stack: StackName) -> Self {
        let function = KillSwitchFunction::new(config, function);
        Self { function, stack }
    }
}

#[async_trait]
impl OffboardOrders for OffboardFunction {
    async fn go_on(&self, case: &OffboardingId) -> Result<(), KillOrderError> {
        let order = json!({
            MonitorOrder::MARK: "offboard",
            "schema": SCHEMA,
            "stack": self.stack,
            "case": case,
        });
        self.function.invoke(&order).await
    }
}
