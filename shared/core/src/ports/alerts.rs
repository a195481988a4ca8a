//! Telling people.

use async_trait::async_trait;

use crate::model::alert::Alert;

/// Delivers alerts to people.
#[async_trait]
pub trait Alerts: Send + Sync {
    /// Hands over one alert. Sending the same alert twice is allowed.
    ///
    /// # Errors
    /// [`AlertError`]: the alert may or may not have gone out. Send it again; never let it stop other work.
    async fn send(&self, alert: &Alert) -> Result<(), AlertError>;
}

/// An alert was not seen to go out.
#[derive(Debug, thiserror::Error)]
#[error("the alert could not be handed over")]
pub struct AlertError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
