#![doc = include_str!("../README.md")]

pub mod model;
pub mod ports;
pub mod rules;
pub mod usecases;
