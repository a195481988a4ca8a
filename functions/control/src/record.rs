//! The record of an act: before anything is changed, and when it is over.

use keyward_core::model::SCHEMA;
use keyward_core::model::act::{Act, ActId, Phase, Subject};
use keyward_core::model::text::OutsideText;
use serde_json::Value;

use crate::Deps;
use crate::request::Request;
use crate::response::Refusal;

/// One act under way.
pub(crate) struct Recorded<'a> {
    deps: &'a Deps,
    act: Act,
}

/// Whether the end of an act was written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Yes,
    /// The act is done; only its beginning is in the record.
    BeginningOnly,
}

impl<'a> Recorded<'a> {
    /// Writes down that the act begins and how its subject stands. What cannot be written down is not done.
    pub(crate) async fn begin(
        deps: &'a Deps,
        request: &Request,
        number: usize,
        reason: &OutsideText,
        subject: Subject,
        before: Value,
    ) -> Result<Self, Refusal> {
        let begun = Self::unwritten(deps, request, number, reason, subject, before);
        begun.write_beginning().await?;
        Ok(begun)
    }

    /// The same, not written down yet: for an act that does not wait for the record.
    pub(crate) fn unwritten(
        deps: &'a Deps,
        request: &Request,
        number: usize,
        reason: &OutsideText,
        subject: Subject,
        before: Value,
    ) -> Self {
        let act = Act {
            schema: SCHEMA,
            id: ActId::new(&format!("{}-{number}", request.id)),
            phase: Phase::Begun,
            at: deps.ports.clock.now(),
            caller: request.caller.clone(),
            operation: OutsideText::new(&request.path),
            reason: reason.clone(),
            subject,
            state: before,
            outcome: None,
        };
        Self { deps, act }
    }

    /// Writes down that the act begins.
    pub(crate) async fn write_beginning(&self) -> Result<(), Refusal> {
        self.deps.acts.append(&self.act).await.map_err(|error| {
            tracing::error!(%error, "the beginning of an act could not be recorded");
            Refusal::new(
                503,
                format!("the act could not be recorded, so it was not done: {error}"),
                "Send it again in a moment.",
            )
        })
    }

    /// Writes down how the act ended.
    pub(crate) async fn end(self, outcome: &str, after: Value) -> Written {
        let act = Act {
            phase: Phase::Ended,
            at: self.deps.ports.clock.now(),
            state: after,
            outcome: Some(OutsideText::new(outcome)),
            ..self.act
        };
        match self.deps.acts.append(&act).await {
            Ok(()) => Written::Yes,
            Err(error) => {
                tracing::error!(act = act.id.as_str(), outcome, %error, "an act is done, but its end could not be recorded");
                Written::BeginningOnly
            }
        }
    }
}
