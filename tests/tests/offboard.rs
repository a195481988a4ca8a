//! Offboarding: an agent that is given up loses every key for good, and its secret after that; what a person who left may
//! know is replaced, and handed over. Each case ends with its evidence, whatever is lost, repeated or down on the way.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "offboard/agents.rs"]
mod agents;
#[path = "offboard/beside.rs"]
mod beside;
#[path = "offboard/clock.rs"]
mod clock;
#[path = "offboard/crashes.rs"]
mod crashes;
#[path = "offboard/function.rs"]
mod function;
#[path = "offboard/people.rs"]
mod people;
#[path = "offboard/scene.rs"]
mod scene;
#[path = "offboard/secret_changed.rs"]
mod secret_changed;
