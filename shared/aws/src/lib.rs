#![doc = include_str!("../README.md")]

mod act_orders;
mod alarm_lists;
mod alarms;
mod alerts;
mod cloudtrail;
mod config;
mod credential_ages;
mod fault;
mod function_lists;
mod function_switch;
mod http;
mod inventory;
mod kill_alarms;
mod kill_orders;
mod metrics;
mod offboard_orders;
mod reports;
mod secrets;
mod security_hub;
mod signed;
mod signer;

pub use act_orders::{ANSWER_TIMEOUT, ActsByKillSwitch};
pub use alarms::CloudWatchAlarms;
pub use alerts::SnsAlerts;
pub use aws_config::SdkConfig;
pub use cloudtrail::CloudTrail;
pub use config::{CONNECT_TIMEOUT, hurried, load, loader};
pub use credential_ages::CredentialSecrets;
pub use fault::Fault;
pub use function_lists::LambdaFunctions;
pub use function_switch::LambdaSwitch;
pub use http::ReqwestClient;
pub use inventory::{DUE_INDEX, DynamoInventory, EXPIRES, Release, Step, create_table};
pub use kill_orders::KillSwitchFunction;
pub use metrics::CloudWatchMetrics;
pub use offboard_orders::OffboardFunction;
pub use reports::S3Reports;
pub use secrets::{SecretRoles, SecretRolesError, SecretsManager};
pub use security_hub::SecurityHub;
pub use signer::{RequestSigner, SignError};

#[cfg(test)]
mod recorded;
