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
        if let Err(error) = deps.acts.append(&act).await {
            tracing::error!(%error, "an act was refused, because it could not be recorded");
            return Err(Refusal::new(
                503,
                format!("the act could not be recorded, so it was not done: {error}"),
                "Send it again in a moment.",
            ));
        }
        Ok(Self { deps, act })
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
