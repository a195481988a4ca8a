#![doc = include_str!("../README.md")]

pub mod canary;
pub mod clock;
pub mod contract;
pub mod drive;
pub mod gate;
pub mod logs;
pub mod memory;
pub mod simulator;
