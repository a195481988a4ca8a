//! Rules: pure functions from facts to a decision. They read no clock and touch nothing.

pub mod accept;
pub mod alarms;
pub mod anomaly;
pub mod audit;
pub mod birth;
pub mod caps;
pub mod change;
pub mod consent;
pub mod discover;
pub mod doctor;
pub mod drill;
pub mod expect;
pub mod kill;
pub mod leaks;
pub mod naming;
pub mod overlap;
pub mod plan;
pub mod policy;
pub mod pool;
pub mod restore;
pub mod revoke;
pub mod rotation;
pub mod scope;
pub mod told;
pub mod usage;
pub mod watching;
