//! The monitor's way to the kill switch.

use async_trait::async_trait;

use crate::model::kill_order::{GoOnOrder, MonitorOrder};

/// Hands orders to the kill switch without waiting for what comes of them. The same order may be given again: the claim
/// makes one of both.
#[async_trait]
pub trait KillOrders: Send + Sync {
    /// Asks for a slot to be cut off.
    ///
    /// # Errors
    /// [`KillOrderError`]: it may have been taken.
    async fn kill(&self, order: &MonitorOrder) -> Result<(), KillOrderError>;

    /// Asks for an incident to be gone on with.
    ///
    /// # Errors
    /// [`KillOrderError`]: it may have been taken.
    async fn go_on(&self, order: &GoOnOrder) -> Result<(), KillOrderError>;
}

/// The kill switch was not seen to take an order.
#[derive(Debug, thiserror::Error)]
pub enum KillOrderError {
    /// Lambda refuses the call as such. A person must mend it.
    #[error(
        "Lambda refused the order: look at the function's permission `lambda:InvokeFunction` and at KEYWARD_KILL_SWITCH_ARN"
    )]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer, or a passing fault. Give it again.
    #[error("Lambda was not seen to take the order")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
