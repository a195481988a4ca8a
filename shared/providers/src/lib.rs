#![doc = include_str!("../README.md")]

mod admin;
pub mod anthropic;
mod api;
pub mod config;
mod configured;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod http;
mod money;
pub mod openai;
pub mod openrouter;
mod reports;

pub use admin::{AdminCredential, AdminKeySource};
pub use configured::ConfiguredProviders;
