#![doc = include_str!("../README.md")]

mod admin;
pub mod anthropic;
mod api;
mod aws;
pub mod azure;
pub mod bedrock;
pub mod config;
mod configured;
pub mod conformance;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod gemini;
pub mod http;
pub mod litellm;
mod money;
mod oauth;
pub mod openai;
pub mod openrouter;
mod read_only;
mod reports;

pub use admin::{AdminCredential, AdminKeySource};
pub use aws::{AwsSigner, ToSign};
pub use configured::ConfiguredProviders;
