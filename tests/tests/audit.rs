//! The audit: what is read, what is found, and what is said of what could not be read.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "audit/cases.rs"]
mod cases;
#[path = "audit/flows.rs"]
mod flows;
#[path = "audit/runs.rs"]
mod runs;
#[path = "audit/seeded.rs"]
mod seeded;
#[path = "audit/stage.rs"]
mod stage;
