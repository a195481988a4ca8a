#![doc = include_str!("../README.md")]

pub mod clock;
mod document;
pub mod error;
mod keys;
pub mod leased;
#[cfg(feature = "middleware")]
pub mod middleware;
mod secrets_manager;
mod settings;
mod source;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use document::KeyText;
pub use error::{FetchError, KeyError, Unusable};
pub use keys::{AgentKey, KeywardClient, LeasedKey};
pub use leased::Standing;
pub use secrets_manager::SecretsManager;
pub use settings::{BadSettings, Environment, Settings, UnknownEnvironment};
pub use source::{
    BadSecretId, BadSlotName, Content, Query, SecretId, SecretSource, SecretValue, SlotName, Tags,
    VersionId,
};
