#![doc = include_str!("../README.md")]

pub mod clock;
pub mod config;
pub mod deadline;
pub mod deployment;
pub mod diagnostic;
pub mod http;
pub mod logging;
pub mod run;
pub mod start;
