#![doc = include_str!("../README.md")]

pub mod canary;
pub mod clock;
pub mod contract;
pub mod logs;
pub mod simulator;
