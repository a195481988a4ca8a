#![doc = include_str!("../README.md")]

mod alerts;
mod config;
mod fault;
mod http;
mod inventory;
mod secrets;
mod signer;

pub use alerts::SnsAlerts;
pub use config::{CONNECT_TIMEOUT, load, loader};
pub use fault::Fault;
pub use http::ReqwestClient;
pub use inventory::{DUE_INDEX, DynamoInventory, create_table};
pub use secrets::SecretsManager;
pub use signer::{RequestSigner, SignError};

#[cfg(test)]
mod recorded;
