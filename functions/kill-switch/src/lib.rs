#![doc = include_str!("../README.md")]

pub mod message;

use futures::future::join_all;
use keyward_core::model::incident::OwnerId;
use keyward_core::usecases::kill::{Invocation, KillOutcome};
use keyward_core::usecases::kill_switch::{Answer, KillSwitch, answer};
use serde::Serialize;
use serde_json::Value;

/// Does what every message of an event asks for, all at once: none waits for another, and none costs another.
///
/// # Errors
/// [`KillSwitchError`]: the event must be given again.
pub async fn handle(
    switch: &KillSwitch,
    event: &Value,
    invocation: &Invocation,
) -> Result<Report, KillSwitchError> {
    let messages = message::read(event);
    let answers = (0..).zip(&messages).map(async |(number, message)| {
        let invocation = Invocation {
            owner: owner(&invocation.owner, number),
            deadline: invocation.deadline,
        };
        answer(switch, message, &invocation).await
    });
    let report = Report::of(&join_all(answers).await);
    match report.unfinished {
        0 => Ok(report),
        _ => Err(KillSwitchError::Unfinished { report }),
    }
}

/// Each message's work is its own: two of one event that name the same slot do not go on with one incident at once. Lambda
/// gives an event that it repeats the same id, so that each goes on with its own.
fn owner(invocation: &OwnerId, number: usize) -> OwnerId {
    OwnerId::new(&format!("kill-switch/{invocation}/{number}"))
}

/// How many messages of an event came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// All of them.
    pub messages: usize,
    /// A slot is cut off.
    pub contained: usize,
    /// The slot is being cut off by somebody else, was before, only observes, or is none; or the message kills nobody.
    pub passed: usize,
    /// Something is left to do, and is done when the event is given again.
    pub unfinished: usize,
}

impl Report {
    fn of(answers: &[Answer]) -> Self {
        let mut report = Self {
            messages: answers.len(),
            ..Self::default()
        };
        for answer in answers {
            let count = match answer {
                _ if answer.is_unfinished() => &mut report.unfinished,
                Answer::Kill {
                    outcome: Ok(KillOutcome::Contained(_)),
                    ..
                } => &mut report.contained,
                Answer::Kill { .. }
                | Answer::GoneOn { .. }
                | Answer::AlertOnly { .. }
                | Answer::NotYetInHistory => &mut report.passed,
            };
            *count += 1;
        }
        report
    }
}

/// Why an event must be given again.
#[derive(Debug, thiserror::Error)]
pub enum KillSwitchError {
    /// Something of it is left to do: a slot is not cut off, that is not recorded, or people could not be told.
    #[error("{} of {} messages are not done with and must be given again", .report.unfinished, .report.messages)]
    Unfinished {
        /// What was done all the same.
        report: Report,
    },
}

impl KillSwitchError {
    /// Whether the same event can succeed later without a person: it always may. What is done is not done again.
    pub const fn is_retryable(&self) -> bool {
        true
    }
}
