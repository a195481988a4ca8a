//! What the flow tests and the demo share: a whole deployment on embedded parts, and the rules that must hold in it.

mod agent;
mod odd;
mod ordered;
pub mod over_http;
mod rules;
mod scenarios;
mod several;
mod simulated;
mod world;

pub use agent::agent_call;
pub use odd::{Odd, Oddity};
pub use ordered::OrderedFunction;
pub use rules::{check_rules, check_rules_without_a_key};
pub use scenarios::{Make, RetireScenario, STEPS, StepScenario};
pub use several::{Several, THREE};
pub use simulated::{ROLE, Simulated, account_entry};
pub use world::{Backend, LiveKey, Outside, World, arn, deployment, fleet, fleet_at, token};

/// Says a figure on standard error, where the test harness does not capture it.
pub fn say(figure: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{figure}");
}
