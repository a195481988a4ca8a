//! The deployment's template, `infra/template.yaml`: that functions find the settings they read, that nobody may do more than
//! they must, and that a stack can be made of it.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "template/deployed.rs"]
mod deployed;
#[path = "template/people.rs"]
mod people;
#[path = "template/roles.rs"]
mod roles;
#[path = "template/settings.rs"]
mod settings;
#[path = "template/wakes.rs"]
mod wakes;
