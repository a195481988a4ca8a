//! The words of Keyward as types: slot, version, incident, key, money, fleet.

pub mod act;
pub mod act_kind;
pub mod act_order;
pub mod admin;
pub mod admin_document;
pub mod alarm;
pub mod alert;
pub mod audit;
pub mod baseline;
pub mod discovery;
pub mod drill;
pub mod finding;
pub mod fleet;
pub mod incident;
pub mod key;
pub mod key_formats;
pub mod key_like;
pub mod kill_alarm;
pub mod kill_order;
pub mod kill_outcome;
pub mod metric;
pub mod money;
pub mod names;
pub mod offboarding;
pub mod pool;
pub mod pool_document;
pub mod price;
pub mod secret_document;
pub mod slot;
pub mod text;
pub mod told;
pub mod usage;
pub mod usage_items;
pub mod version;

/// The item layout that this release writes. A release reads its own and the one before.
pub const SCHEMA: u32 = 1;
