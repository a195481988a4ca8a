//! What the flow tests and the demo share: a whole deployment on embedded parts, and the rules that must hold in it.

mod admins;
mod agent;
mod odd;
mod ordered;
pub mod over_http;
mod rules;
mod scenarios;
mod several;
mod simulated;
mod world;

use keyward_core::ports::Deadline;
use keyward_core::rules::revoke::ConfirmPolicy;
use keyward_core::usecases::Ports;
use keyward_core::usecases::retire::{RetireReport, carry_on};
use keyward_retire::RetireError;

pub use admins::Admins;
pub use agent::agent_call;
pub use odd::{Odd, Oddity};
pub use ordered::OrderedFunction;
pub use rules::{check_rules, check_rules_without_a_key};
pub use scenarios::{Make, RetireScenario, STEPS, StepScenario};
pub use several::{Several, THREE};
pub use simulated::{ADMIN_SECRET, ROLE, Simulated, account_entry, readable};
pub use world::{Backend, LiveKey, Outside, World, arn, deployment, fleet, fleet_at, token};

/// What the function `retire` answers with where limits are not looked at: it carries on what is due.
///
/// # Errors
/// As the function.
pub async fn retire_due(
    ports: &Ports,
    confirm: &ConfirmPolicy,
    deadline: Deadline,
) -> Result<RetireReport, RetireError> {
    keyward_retire::answer(carry_on(ports, confirm, deadline).await?)
}

/// Says a figure on standard error, where the test harness does not capture it.
pub fn say(figure: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{figure}");
}
