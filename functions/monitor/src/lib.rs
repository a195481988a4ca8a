#![doc = include_str!("../README.md")]

use futures::lock::Mutex;
use keyward_core::usecases::kill::Invocation;
use keyward_core::usecases::monitor::{
    MonitorError, MonitorPorts, MonitorReport, MonitorSettings, State, run,
};

/// What one process of the function has.
pub struct Monitor {
    ports: MonitorPorts,
    settings: MonitorSettings,
    state: Mutex<State>,
}

impl Monitor {
    /// A process that has not run yet.
    pub fn new(ports: MonitorPorts, settings: MonitorSettings) -> Self {
        Self {
            ports,
            settings,
            state: Mutex::default(),
        }
    }
}

/// Runs once. What the event says does not matter: usage is at the providers, and the work in the inventory.
///
/// # Errors
/// [`MonitorFailed`]: nothing was judged. The next run tries again.
pub async fn handle(
    monitor: &Monitor,
    invocation: &Invocation,
) -> Result<MonitorReport, MonitorFailed> {
    let mut state = monitor.state.lock().await;
    let report = run(&monitor.ports, &monitor.settings, &mut state, invocation).await;
    Ok(report?)
}

/// A run in which nothing was judged.
#[derive(Debug, thiserror::Error)]
#[error("nothing was judged; the next run tries again")]
pub struct MonitorFailed(#[from] MonitorError);

impl MonitorFailed {
    /// Whether the next run can succeed without a person: it always may.
    pub const fn is_retryable(&self) -> bool {
        true
    }
}
