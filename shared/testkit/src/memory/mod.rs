//! In-memory ports: they keep state and hold the same contracts as the real ones.

mod act_orders;
mod alarms;
mod alerts;
mod audits;
mod inventory;
mod kill_orders;
mod lists;
mod metrics;
mod offboard;
mod provider;
mod reports;
mod secrets;
mod usage;

pub use act_orders::KillSwitchHere;
pub use alarms::MemoryAlarms;
pub use alerts::MemoryAlerts;
pub use audits::{MemoryAudits, MemoryCensus, MemoryHub};
pub use inventory::{Backup, MemoryInventory};
pub use kill_orders::MemoryKillOrders;
pub use lists::{Break, ListName, MemoryLists};
pub use metrics::MemoryMetrics;
pub use offboard::{MemoryEvidence, MemoryReads};
pub use provider::{MemoryProvider, OneAccount, made_up_key};
pub use reports::{MemoryReports, ReportingAccounts, listed_key};
pub use secrets::{MemorySecrets, StartedRotation};
pub use usage::MemoryUsage;
