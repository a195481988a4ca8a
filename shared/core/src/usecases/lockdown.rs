//! Lockdown: whoever may have got hold of Keyward itself acts no more, and its admin credentials are worth nothing.
//!
//! Every part is on its own: what fails is told, and holds up no other. A run that comes again goes on.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::names::StackName;
use crate::ports::{Concurrency, FunctionSwitch, ListError, SeenCall, Trail};

/// The functions of a stack, in the order in which they are stopped: what can write at a provider first.
pub const FUNCTIONS: [&str; 8] = [
    "kill-switch",
    "rotate",
    "retire",
    "control",
    "offboard",
    "monitor",
    "usage",
    "audit",
];

/// What became of one function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Switched {
    /// It was stopped, or runs again, by this call.
    Now,
    /// It was so before.
    Already,
    /// There is no such function.
    NotThere,
    /// It could not be done.
    Failed(String),
}

/// One function, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionDone {
    /// Its name.
    pub function: String,
    /// What became of it.
    pub outcome: Switched,
}

/// What was seen under the name of one function's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenOf {
    /// The name.
    pub name: String,
    /// The calls, latest first, and whether there were more; else why none was seen.
    pub seen: Result<(Vec<SeenCall>, bool), String>,
}

/// The name of a stack's function.
pub fn function_of(stack: &StackName, function: &str) -> String {
    format!("{stack}-{function}")
}

/// Stops every function of the stack. What each may run at a time is written down first, beside it: neither the inventory nor
/// `control` need be there to bring it back.
pub async fn stop(functions: &dyn FunctionSwitch, stack: &StackName) -> Vec<FunctionDone> {
    let mut done = Vec::new();
    for function in FUNCTIONS {
        let function = function_of(stack, function);
        let outcome = stop_one(functions, &function).await;
        done.push(of(function, outcome));
    }
    done
}

async fn stop_one(functions: &dyn FunctionSwitch, function: &str) -> Result<Switched, ListError> {
    let Some(state) = functions.state(function).await? else {
        return Ok(Switched::NotThere);
    };
    let stopped = state.concurrency == Concurrency::Reserved(0);
    match (state.before_lockdown, stopped) {
        (Some(_), true) => return Ok(Switched::Already),
        // A lockdown that was cut off, or something else that lets it run since: what was written down stands.
        (Some(_), false) => {}
        (None, _) => functions.remember(function, state.concurrency).await?,
    }
    functions.allow(function, Concurrency::Reserved(0)).await?;
    Ok(Switched::Now)
}

/// Lets every function of the stack run as it did before. The order is the other way round: what watches comes first.
pub async fn lift(functions: &dyn FunctionSwitch, stack: &StackName) -> Vec<FunctionDone> {
    let mut done = Vec::new();
    for function in FUNCTIONS.into_iter().rev() {
        let function = function_of(stack, function);
        let outcome = lift_one(functions, &function).await;
        done.push(of(function, outcome));
    }
    done
}

async fn lift_one(functions: &dyn FunctionSwitch, function: &str) -> Result<Switched, ListError> {
    let Some(state) = functions.state(function).await? else {
        return Ok(Switched::NotThere);
    };
    let Some(before) = state.before_lockdown else {
        return Ok(Switched::Already);
    };
    functions.allow(function, before).await?;
    functions.forget(function).await?;
    Ok(Switched::Now)
}

fn of(function: String, outcome: Result<Switched, ListError>) -> FunctionDone {
    let outcome = outcome.unwrap_or_else(|error| Switched::Failed(error.to_string()));
    FunctionDone { function, outcome }
}

/// What was done under the names of the stack's functions since then.
pub async fn seen(
    trail: &dyn Trail,
    stack: &StackName,
    since: Timestamp,
    limit: usize,
) -> Vec<SeenOf> {
    let mut all = Vec::new();
    for function in FUNCTIONS {
        let name = function_of(stack, function);
        let seen = trail.calls(&name, since, limit).await;
        let seen = seen.map_err(|error| error.to_string());
        all.push(SeenOf { name, seen });
    }
    all
}
