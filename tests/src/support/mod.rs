//! What the flow tests and the demo share: a whole deployment on embedded parts, and the rules that must hold in it.

mod rules;
mod scenarios;
mod simulated;
mod world;

pub use rules::check_rules;
pub use scenarios::{Make, RetireScenario, STEPS, StepScenario};
pub use simulated::Simulated;
pub use world::{Backend, LiveKey, Outside, World, arn, fleet, token};
