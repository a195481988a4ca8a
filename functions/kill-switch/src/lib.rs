#![doc = include_str!("../README.md")]

pub mod message;

use futures::future::join_all;
use keyward_core::model::incident::OwnerId;
use keyward_core::usecases::kill::{Invocation, KillOutcome};
use keyward_core::usecases::kill_switch::{Answer, KillSwitch, answer};
use serde::Serialize;
use serde_json::Value;

/// Does what every message of an event asks for, all at once: none waits for another, and none costs another. Of an order
/// that `control` gave it is answered what came of it, whatever that was; of all else, how much was done.
///
/// # Errors
/// [`KillSwitchError`]: the event must be given again.
pub async fn handle(
    switch: &KillSwitch,
    event: &Value,
    invocation: &Invocation,
) -> Result<Reply, KillSwitchError> {
    let messages = message::read(event);
    let answers = (0..).zip(&messages).map(async |(number, message)| {
        let invocation = Invocation {
            owner: owner(&invocation.owner, number),
            deadline: invocation.deadline,
        };
        answer(switch, message, &invocation).await
    });
    let answers = join_all(answers).await;
    if let [Answer::CarriedOut { order, outcome }] = &answers[..] {
        return Ok(Reply::Outcome(outcome.to_answer(order)));
    }
    let report = Report::of(&answers);
    match report.unfinished {
        0 => Ok(Reply::Report(report)),
        _ => Err(KillSwitchError::Unfinished { report }),
    }
}

/// Each message's work is its own: two of one event that name the same slot do not go on with one incident at once. Lambda
/// gives an event that it repeats the same id, so that each goes on with its own.
fn owner(invocation: &OwnerId, number: usize) -> OwnerId {
    OwnerId::new(&format!("kill-switch/{invocation}/{number}"))
}

/// What an invocation is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// How much was done of messages.
    Report(Report),
    /// What came of an order of `control`'s, as [`keyward_core::ports::ActOutcome::to_answer`] puts it.
    Outcome(Value),
}

impl Reply {
    /// How much was done of messages; `None` where an order of `control`'s was carried out.
    pub const fn report(&self) -> Option<Report> {
        match self {
            Self::Report(report) => Some(*report),
            Self::Outcome(_) => None,
        }
    }
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
                | Answer::CarriedOut { .. }
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
