#![doc = include_str!("../README.md")]
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "test code")]

pub mod conformance;
pub mod demo;
pub mod emulators;
pub mod end_to_end;
pub mod functions;
pub mod fuzz;
pub mod interleavings;
pub mod items;
pub mod local;
pub mod replay;
pub mod scanners;
pub mod support;
pub mod template;
